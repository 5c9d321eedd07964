# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Restores over what is there: nothing is changed but what was asked for.

# What differs from the backup of start_whole afterwards, as lines of versions().
changed='^(ConfigMap/settings|Deployment.apps/web|Secret/login|Service/web) '
change_some() {
    kn patch configmap settings --type=merge -p '{"data":{"greeting":"bye","added":"later"}}' >/dev/null
    kn patch deployment web --type=merge -p '{"spec":{"revisionHistoryLimit":5}}' >/dev/null
    kn patch secret login --type=merge -p '{"stringData":{"password":"quite-secret"}}' >/dev/null
    kn label service web later=yes >/dev/null
    kn delete service elsewhere >/dev/null
}

test_dry_run_changes_nothing() {
    local before
    home_elsewhere
    start_whole
    does 0 backup "$ns" --name b1
    change_some
    before=$(k -n "$home" get runs,restorepoints,configmaps,secrets,leases -o \
        'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}')
    versions before
    does 0 restore b1 --dry-run
    for line in 'create +Service/elsewhere' 'conflict +ConfigMap/settings .*data.greeting' \
        'conflict +Deployment/web .*revisionHistoryLimit' 'conflict +Secret/login' \
        'unchanged +ConfigMap/fixed' 'unchanged +Widget/parent' 'skip +Job/migrated .+' \
        'conflict +PersistentVolumeClaim/data-db-0 .*data'; do
        grep -qE "^$line" "$work/out" || fail "expected '$line' in $(cat "$work/out")"
    done
    ! grep -q 'quite-secret\|cXVpdGUt' "$work/out" || fail "a Secret's value is shown"
    kassette restore b1 --dry-run --on-conflict replace -o json >"$work/plan"
    equal "plan for the changed ConfigMap" "$(planned ConfigMap/settings)" replace
    equal "plan for the missing Service" "$(planned Service/elsewhere)" create
    equal "plan for the volume" "$(planned PersistentVolumeClaim/data-db-0)" replace
    jq -e '[.status.restore.objects[] | select(.deed == "skip" and .reason == null)] == []' \
        "$work/plan" >/dev/null || fail "what is skipped has no reason: $(cat "$work/plan")"
    kassette restore b1 --dry-run --to-namespace "$ns-copy" -o json >"$work/plan"
    equal "plan for the copy's ConfigMap" "$(planned ConfigMap/settings)" create
    versions after
    untouched before after "$restless"
    equal "Kassette's own objects" "$(k -n "$home" get runs,restorepoints,configmaps,secrets,leases -o \
        'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}')" \
        "$before"
    ! k get namespace "$ns-copy" >/dev/null 2>&1 || fail "a namespace was made"
}
planned() { jq -r --arg o "$1" '.status.restore.objects[] | select("\(.kind)/\(.name)" == $o).deed' "$work/plan"; }

test_conflicts() {
    home_elsewhere
    start_whole
    look before
    does 0 backup "$ns" --name b1
    change_some
    pg db-0 "INSERT INTO orders VALUES (501, 'new')"
    # fail, the default: all that is in the way is told, and nothing done.
    versions before
    does 4 restore b1 --name r-fail
    says "$work/out" "ConfigMap/$ns/settings" "Deployment/$ns/web" "Secret/$ns/login" \
        "Service/$ns/web" "PersistentVolumeClaim/$ns/files" --on-conflict
    ! grep -q 'quite-secret\|cXVpdGUt' "$work/out" || fail "a Secret's value is shown"
    versions after
    untouched before after "$restless"
    # skip: what is missing is made, what is there stays.
    does 0 restore b1 --name r-skip --on-conflict skip
    versions after
    untouched before after "$restless|^Service/elsewhere "
    kn get service elsewhere >/dev/null || fail "what was missing was not made"
    # merge: what the backup has is set, what it has not stays.
    versions before
    does 0 restore b1 --name r-merge --on-conflict merge
    versions after
    untouched before after "$restless|$changed|^ReplicaSet.apps/"
    equal "a key of the backup" "$(kn get configmap settings -o 'jsonpath={.data.greeting}')" \
        "Grüß Gott, 世界 𝒳 😀"
    equal "a key of somebody else" "$(kn get configmap settings -o 'jsonpath={.data.added}')" later
    equal "a label of somebody else" "$(kn get service web -o 'jsonpath={.metadata.labels.later}')" yes
    # replace: all is as it was, also what cannot be changed; volumes only where data is asked for.
    kn delete configmap fixed >/dev/null
    kn create -f - >/dev/null <<<'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"fixed"},"immutable":true,"data":{"release":"8"}}'
    versions before
    does 0 restore b1 --name r-replace --on-conflict replace --only-objects
    versions after
    untouched before after "$restless|^(ConfigMap/settings|ConfigMap/fixed|Service/web|Deployment.apps/web|Secret/login) |^ReplicaSet.apps/"
    whole_is_ready "$ns"
    look after
    same before after
    equal "rows of PostgreSQL" "$(pg db-0 'SELECT count(*) FROM orders')" 501
    equal "what became of the ConfigMap" "$(deed r-replace ConfigMap/settings)" changed
}

# Others use it too: it is changed only where it is named.
test_conflict_about_what_the_cluster_shares() {
    home_elsewhere
    start_whole
    does 0 backup "$ns" --name b1
    k patch clusterrole "$ns-nodes" --type=merge -p '{"rules":[]}' >/dev/null
    versions before
    does 0 restore b1 --name r1 --only-objects --on-conflict replace
    versions after
    untouched before after "$restless"
    [ -n "$(reason r1 "ClusterRole/$ns-nodes")" ] || fail "why it was left alone is not told"
    does 0 restore b1 --name r2 --only-objects --on-conflict replace --include "clusterroles/$ns-nodes"
    versions after
    untouched before after "$restless|^ClusterRole.rbac"
    equal "rules" "$(k get clusterrole "$ns-nodes" -o 'jsonpath={.rules[0].verbs[0]}')" get
}
