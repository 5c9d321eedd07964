# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Restore points: what a backup leaves, how people see it, and how it ends.

# kassette_does EXPECTED-STATUS ARG...: its output in $work/said.
kassette_does() {
    local expected=$1 status=0
    shift
    kassette "$@" >"$work/said" 2>&1 </dev/null || status=$?
    cat "$work/said"
    equal "exit status of kassette $*" "$status" "$expected"
}

points_are() { # NAME...
    kassette get points -o name | sed 's,.*/,,' | sort >"$work/points"
    equal "restore points" "$(paste -sd' ' "$work/points")" "$*"
}

# The policies of the contents of the application's snapshots.
policies() {
    k get volumesnapshotcontents -o \
        "jsonpath={range .items[?(@.spec.volumeSnapshotRef.namespace==\"$ns\")]}{.spec.deletionPolicy}{\"\n\"}{end}" |
        paste -sd' '
}

namespace_is_gone() { ! k get namespace "$1"; }

has_expired() {
    local expires
    expires=$(k -n "$KASSETTE_NAMESPACE" get restorepoint "$1" -o 'jsonpath={.spec.expiresAt}')
    [ "$(date +%s)" -gt "$(date -d "$expires" +%s)" ]
}

# on any cluster
test_points_are_told_and_deleted() {
    start_box 2
    backup 0 --name b1 --ttl 720h
    says "$work/out" "RestorePoint $KASSETTE_NAMESPACE/b1: 2 volumes" \
        "this is not a backup until it is exported" "restore it with: kassette restore b1"
    backup 0 --name b2 --ttl 1s
    points_are b1 b2
    eventually 60 "the time of b2" has_expired b2
    kassette_does 0 get rp -n "$ns"
    says "$work/said" NAME APPLICATION EXPORTED "in 29d23h" expired
    kassette_does 0 get points -n somewhere-else
    says "$work/said" "No RestorePoints found"
    kassette_does 0 describe point b1
    says "$work/said" "Application:  $ns" "Phase:        Ready" "StatefulSet/box" v0-box-0 v1-box-0 \
        "NotExported" "VolumeSnapshotContent  snapcontent-" "Restore it with: kassette restore b1"
    kassette_does 0 get point b1 -o json
    equal "phase of b1" "$(kn get restorepoint b1 -o 'jsonpath={.status.phase}')" Ready
    kassette_does 1 describe point b3
    says "$work/said" "did you mean 'b1'?"
    kassette_does 2 delete point
    kassette_does 2 delete run b1
    kassette_does 0 delete points --expired -n "$ns"
    says "$work/said" "RestorePoint $KASSETTE_NAMESPACE/b2 is deleted with its snapshots"
    points_are b1
    nothing_left b1 2
    equal "policies" "$(policies)" "Retain Retain"
    kassette_does 0 delete point/b1
    points_are
    nothing_left b1 0
    kassette_does 1 delete point b1
}

# A terminal is asked, and no is the answer that nothing gives.
test_deletion_is_asked_for() {
    start_box 1
    backup 0 --name b1
    script -qec "kassette delete point b1" /dev/null <<<n >"$work/said"
    says "$work/said" "Delete it with its snapshots? [y/N]" "Nothing was deleted."
    points_are b1
    script -qec "kassette delete point b1" /dev/null <<<y >"$work/said"
    says "$work/said" "is deleted with its snapshots"
    points_are
    nothing_left b1 0
}

# on any cluster
test_point_outlives_its_namespace() {
    home_elsewhere
    start_box 2
    backup 0 --name b1
    k delete namespace "$ns" --wait=false >/dev/null
    # Its controller waits for up to a minute where definitions go at the same time.
    eventually 240 "the namespace's end" namespace_is_gone "$ns"
    equal "policies" "$(policies)" "Retain Retain"
    points_are b1
    kassette_does 0 delete point b1
    points_are
    equal "policies" "$(policies)" ""
}

# A Run that fails after its snapshots were cut takes everything back.
test_failed_backup_leaves_no_point() {
    start_box 1
    set_faults neverReady=true
    backup 1 --name b1 --ready-timeout 2s
    phase_is b1 Failed
    points_are
    clear_faults
    nothing_left b1 0
    kassette_does 1 describe point b1
}

# A point is its Run's: another Run of its name is refused, and leaves it alone.
# on any cluster
test_point_of_another_run() {
    start_box 1
    backup 0 --name b1
    kn delete run b1 >/dev/null
    backup 1 --name b1
    says "$work/out" "another Run of that name" "kassette delete point b1"
    points_are b1
    equal "policies" "$(policies)" Retain
}
