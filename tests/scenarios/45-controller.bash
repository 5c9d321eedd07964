# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# kassette controller: restore points that are deleted with kubectl, or whose time has come, go with
# their snapshots.

# controller NAME [OPTION...]: in the background, its log in $work/NAME; $controller is its process.
controller() {
    local name=$1
    shift
    kassette controller --log-format json "$@" >"$work/$name" 2>&1 &
    controller=$!
}

controller_ends() { # PROCESS LOG
    local status=0
    kill -TERM "$1"
    wait "$1" || status=$?
    cat "$work/$2"
    equal "exit status of the controller" "$status" 0
    says "$work/$2" "the controller ends"
}

is_gone() { ! kn get "$1" "$2" 2>/dev/null; }
says_now() { grep -qF -- "$2" "$work/$1"; }
deletions() { grep -cF 'a restore point was deleted' "$work/$1" || true; }
has_deleted() { [ "$(deletions "$1")" = "$2" ]; } # LOG COUNT

# Neither the point nor anything of it is there any more.
point_is_gone() { # NAME
    eventually 60 "the end of RestorePoint $1" is_gone restorepoint "$1"
    nothing_left "$1" "${2:-0}"
    # By the garbage collector, which takes its time where the API server was away.
    eventually 90 "the end of the Secrets of $1" no_secrets_of "$1"
}
no_secrets_of() { [ -z "$(kn get secrets -l "kassette.io/restore-point=$1" -o name)" ]; }

# on any cluster
test_controller_deletes() {
    start_box 2
    backup 0 --name b1
    nothing_left b1 2
    controller log
    eventually 60 "the lease" says_now log "at work"
    kn delete restorepoint b1 --timeout=60s >/dev/null || fail "kubectl delete: $(cat "$work/log")"
    point_is_gone b1
    says "$work/log" '"point":"b1","because":"it was deleted"'
    controller_ends "$controller" log
    equal "holder of the lease" \
        "$(kn get lease kassette-controller -o 'jsonpath={.spec.holderIdentity}')" ""
}

# Deleted while no controller was there, and its VolumeSnapshot with it, after which the content is
# left: it still goes.
# on any cluster
test_controller_finds_what_waits() {
    start_box 1
    backup 0 --name b1
    kn delete volumesnapshot --all --wait=false >/dev/null
    kn delete restorepoint b1 --wait=false >/dev/null
    [ -n "$(kn get restorepoint b1 -o 'jsonpath={.metadata.deletionTimestamp}')" ] ||
        fail "it is not being deleted"
    controller log
    point_is_gone b1
    controller_ends "$controller" log
}

# on any cluster
test_controller_expires() {
    local soon
    start_box 1
    backup 0 --name b1
    backup 0 --name b2
    controller log
    eventually 60 "the lease" says_now log "at work"
    soon=$(date -u -d "+3 seconds" +%Y-%m-%dT%H:%M:%SZ)
    kn patch restorepoint b1 --type merge -p "{\"spec\":{\"expiresAt\":\"$soon\"}}" >/dev/null
    kn patch restorepoint b2 --type merge -p '{"spec":{"expiresAt":"2099-01-01T00:00:00Z"}}' >/dev/null
    eventually 60 "the end of RestorePoint b1" is_gone restorepoint b1
    [ "$(date +%s)" -ge "$(date -d "$soon" +%s)" ] || fail "it went before its time"
    says "$work/log" '"point":"b1","because":"it expired"'
    equal "RestorePoints" "$(kn get restorepoints -o name)" restorepoint.kassette.io/b2
    equal "snapshots of b2" "$(kn get volumesnapshots -l kassette.io/run=b2 -o name | wc -l)" 1
    controller_ends "$controller" log
}

# on any cluster
test_controller_one_of_two() {
    local first second
    start_box 1
    backup 0 --name b1
    backup 0 --name b2
    controller one
    first=$controller
    eventually 60 "the lease" says_now one "at work"
    controller two
    second=$controller
    eventually 60 "the second sees the first" says_now two "another controller works"
    kn delete restorepoint b1 --timeout=60s >/dev/null
    eventually 60 "the deletion by the first" has_deleted one 1
    equal "deletions by the second" "$(deletions two)" 0
    kill -KILL "$first"
    wait "$first" || true
    kn delete restorepoint b2 --timeout=60s >/dev/null || fail "$(cat "$work/two")"
    eventually 60 "the deletion by the second" has_deleted two 1
    point_is_gone b2
    controller_ends "$second" two
}

# It stood still for too long, say, and somebody else has taken the lease: it stops, and works again
# when that one is silent.
# on any cluster
test_controller_loses_its_lease() {
    start_box 1
    backup 0 --name b1
    controller log
    eventually 60 "the lease" says_now log "at work"
    kn patch lease kassette-controller --type merge -p \
        '{"spec":{"holderIdentity":"other","leaseTransitions":7,"leaseDurationSeconds":5}}' >/dev/null
    eventually 60 "that it is lost" says_now log "not at work, trying again"
    kn delete restorepoint b1 --timeout=60s >/dev/null || fail "$(cat "$work/log")"
    point_is_gone b1
    equal "how often it began to work" "$(grep -c "at work\"" "$work/log")" 2
    controller_ends "$controller" log
}

# A Run that makes a point holds it.
test_controller_waits_for_a_run() {
    start_box 1
    controller log
    eventually 60 "the lease" says_now log "at work"
    set_faults neverReady=true
    backup_start --name b1
    eventually 60 "the thaw" output_has "the application runs on"
    kn delete restorepoint b1 --wait=false >/dev/null
    eventually 60 "that it waits" says_now log "a restore point waits for the Run that uses it"
    eventually 60 "the condition" point_says b1 RestorePointInUse
    kn describe restorepoint b1 >"$work/described"
    says "$work/described" DeletionWaits "Run b1 is making it"
    equal "VolumeSnapshots" "$(kn get volumesnapshots -o name | wc -l)" 1
    kassette cancel b1 || fail "kassette cancel: status $?"
    engine_ends 130
    clear_faults
    point_is_gone b1
    controller_ends "$controller" log
}

# One that may not delete snapshots says so where people look, and goes on when it may.
test_controller_is_told_no() {
    start_box 1
    backup 0 --name b1
    k create clusterrolebinding "limited-$ns" --clusterrole=view --user="limited-$ns" >/dev/null
    kn create role limited --verb='*' \
        --resource=restorepoints.kassette.io,restorepoints.kassette.io/status,runs.kassette.io \
        >/dev/null
    kn create role leases --verb='*' --resource=leases.coordination.k8s.io,events >/dev/null
    kn create rolebinding limited --role=limited --user="limited-$ns" >/dev/null
    kn create rolebinding leases --role=leases --user="limited-$ns" >/dev/null
    controller log --as "limited-$ns"
    eventually 60 "the lease" says_now log "at work"
    kn delete restorepoint b1 --wait=false >/dev/null
    eventually 60 "that it fails" says_now log "a restore point could not be deleted"
    eventually 60 "the condition" point_says b1 Forbidden
    kn describe restorepoint b1 >"$work/described"
    says "$work/described" DeletionFailed volumesnapshotcontents
    nothing_left b1 1
    k create clusterrolebinding "more-$ns" --clusterrole=kassette-controller \
        --user="limited-$ns" >/dev/null
    point_is_gone b1
    k delete clusterrolebinding "limited-$ns" "more-$ns" >/dev/null
    controller_ends "$controller" log
}
point_says() { kn get restorepoint "$1" -o 'jsonpath={.status.conditions[?(@.type=="Deleted")].reason}' | grep -q "$2"; }

# alone: the API server is everybody's.
test_controller_outlasts_the_api_server() {
    start_box 1
    backup 0 --name b1
    controller log
    eventually 60 "the lease" says_now log "at work"
    "$KASSETTE_RESTART_APISERVER" --down 20 >/dev/null
    kn delete restorepoint b1 --timeout=60s >/dev/null || fail "$(cat "$work/log")"
    point_is_gone b1
    controller_ends "$controller" log
}

# The Deployment, with the rights that it has there.
test_controller_in_the_cluster() {
    k -n kassette rollout status deployment/kassette-controller --timeout=90s >/dev/null ||
        fail "it does not run: $(k -n kassette describe pods -l app.kubernetes.io/component=controller)"
    start_box 1
    KASSETTE_NAMESPACE=kassette backup 0 --name "$ns"
    k -n kassette delete restorepoint "$ns" --timeout=60s >/dev/null ||
        fail "$(k -n kassette logs deployment/kassette-controller)"
    nothing_left "$ns" 0
    k -n kassette logs deployment/kassette-controller >"$work/log"
    says "$work/log" "\"point\":\"$ns\",\"because\":\"it was deleted\""
    forget_job_run
}
