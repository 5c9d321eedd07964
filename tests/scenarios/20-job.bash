# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Runs as Jobs in the cluster, under the role of deploy/.

test_job_with_blueprints_from_git() {
    local before
    forget_job_run
    start_postgres db
    pg_writer db-0 &
    eventually 60 "the first rows" has_acks 100
    before=$(acked)
    serve_blueprints
    backup_job 0 --source "$git_url" --ref main
    touch "$work/stop"
    equal "phase" "$(job_run_field '{.status.phase}')" Succeeded
    equal "the commit of the blueprints" "$(job_run_field '{.status.source.commit}')" "$git_commit"
    restore_claims "$ns" db restored
    start_postgres restored
    [ "$(pg restored-0 'SELECT count(*) FROM a')" -ge "$before" ] || fail "rows are missing"
    equal "rows of table b" "$(pg restored-0 'SELECT count(*) FROM b')" \
        "$(pg restored-0 'SELECT max(id) FROM a')"
    k -n kassette logs "job/$ns" >"$work/logs"
    says "$work/logs" "backup started"
    KASSETTE_NAMESPACE=kassette kassette logs "$ns" >"$work/logs"
    says "$work/logs" "backup started"
    forget_job_run
}

# Kills the engine of the Job when a condition is there, and sees the successor through. Meanwhile
# the branch gets a blueprint that is broken: the run goes on with the commit that it began with.
kill_job_when() { # COMMAND...
    eventually 60 "the moment to kill" "$@"
    kill -9 "$(job_engine)"
    clear_faults
    printf 'return {\n' >"$work/tree/box/blueprint.lua"
    git -C "$work/tree" -c user.name=t -c user.email=t@localhost commit -qam broken
    git -C "$work/tree" push -q "$work/git/blueprints.git" main
    engine_ends 0
    equal "the commit of the blueprints" "$(job_run_field '{.status.source.commit}')" "$git_commit"
    equal "phase" "$(job_run_field '{.status.phase}')" Succeeded
    equal "condition Thawed" \
        "$(job_run_field '{.status.conditions[?(@.type=="Thawed")].status}')" True
    box_writes
    KASSETTE_NAMESPACE=kassette nothing_left "$ns" 2
    [ "$(k -n kassette get pods -l "job-name=$ns" -o name | wc -l)" -ge 2 ] || fail "no Pod was killed"
}

# Blueprints keep the engine busy while they are loaded, before anything is frozen: each for a part
# of the second that one may take.
test_job_killed_before_the_freeze() {
    local i
    forget_job_run
    start_box 2
    freezing_blueprint
    for i in 1 2 3 4 5 6 7 8; do
        blueprint "busy$i" <<LUA
local until_now = 0
for i = 1, 20000000 do until_now = until_now + i end
return { name = "busy$i", match = { kind = "StatefulSet", name = "^nothing$" } }
LUA
    done
    serve_blueprints
    backup_job_start --source "$git_url"
    kill_job_when output_has Capture
    equal "attempts" "$(job_run_field '{.status.attempt}')" 1
    forget_job_run
}

test_job_killed_in_the_freeze() {
    forget_job_run
    start_box 2
    freezing_blueprint
    serve_blueprints
    set_faults cutDelayMs=6000
    backup_job_start --source "$git_url"
    kill_job_when kn exec box-0 -- test -e /v0/frozen
    equal "attempts" "$(job_run_field '{.status.attempt}')" 2
    equal "the first attempt" "$(job_run_field '{.status.attempts[0].state}')" Abandoned
    forget_job_run
}

test_job_killed_after_the_freeze() {
    forget_job_run
    start_box 2
    freezing_blueprint
    serve_blueprints
    set_faults readyDelayMs=20000
    backup_job_start --source "$git_url"
    kill_job_when output_has Export
    equal "attempts" "$(job_run_field '{.status.attempt}')" 1
    equal "times the application was thawed" "$(kn exec box-0 -- sh -c 'wc -l < /v0/thaws')" 1
    forget_job_run
}

# The roles of deploy/: backups read everything, and write nothing of an application but a label of
# its claims.
test_role_is_the_least() {
    local account=system:serviceaccount:kassette:kassette
    roles_are "$account" <<'LIST'
yes get secrets -n default
yes list configmaps -n default
yes list statefulsets.apps -n default
yes list customresourcedefinitions.apiextensions.k8s.io
yes get clusterroles.rbac.authorization.k8s.io
yes get persistentvolumes
yes get pods --subresource=exec -n default
yes create pods --subresource=exec -n default
yes create pods -n default
yes create volumesnapshots.snapshot.storage.k8s.io -n default
yes delete volumesnapshots.snapshot.storage.k8s.io -n default
yes patch volumesnapshotcontents.snapshot.storage.k8s.io
yes patch persistentvolumeclaims -n default
yes create secrets -n kassette
yes create restorepoints.kassette.io -n kassette
yes update leases.coordination.k8s.io -n kassette
yes update runs.kassette.io --subresource=status -n kassette
no watch secrets -n default
no create secrets -n default
no update secrets -n default
no patch secrets -n default
no delete secrets -n default
no update secrets -n kassette
no create configmaps -n default
no delete persistentvolumeclaims -n default
no create persistentvolumeclaims -n default
no create volumesnapshotcontents.snapshot.storage.k8s.io
no patch statefulsets.apps -n default
no patch statefulsets.apps --subresource=scale -n default
no patch pods -n default
no create restorepoints.kassette.io -n default
no update runs.kassette.io --subresource=status -n default
no create runs.kassette.io -n kassette
no update leases.coordination.k8s.io -n default
no create namespaces
no delete namespaces
no create clusterrolebindings.rbac.authorization.k8s.io
no escalate clusterroles.rbac.authorization.k8s.io
no impersonate users
LIST
    roles_are "$account-restore" <<'LIST'
yes create secrets -n default
yes delete persistentvolumeclaims -n default
yes create namespaces
yes escalate clusterroles.rbac.authorization.k8s.io
LIST
}

roles_are() { # ACCOUNT, lines "EXPECTED VERB RESOURCE OPTION..." on stdin
    local verb resource where expected found
    while read -r expected verb resource where; do
        # shellcheck disable=SC2086 # options, or none
        found=$(k auth can-i "$verb" "$resource" --as "$1" $where 2>/dev/null || true)
        equal "may $1 $verb $resource $where" "$found" "$expected"
    done
}
