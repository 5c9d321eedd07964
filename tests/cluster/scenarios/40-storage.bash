# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# What can be wrong with snapshots, and what people are told.

test_driver_errs_once() {
    start_box 1
    freezing_blueprint
    set_faults "errorOnce=the array is busy"
    backup 0 --name b1 --blueprints "$work/blueprints"
    box_writes
    phase_is b1 Succeeded
    nothing_left b1 1
}

test_driver_errs_for_ever() {
    start_box 1
    freezing_blueprint
    set_faults "errorForever=the pool is full"
    backup 1 --name b1 --blueprints "$work/blueprints" --max-freeze 3s --attempts 2
    box_writes
    says "$work/out" "v0-box-0" "the pool is full"
    phase_is b1 Failed
    thawed b1
    clear_faults
    nothing_left b1 0
}

test_snapshot_is_never_ready() {
    start_box 1
    freezing_blueprint
    set_faults neverReady=true
    backup 1 --name b1 --blueprints "$work/blueprints" --ready-timeout 3s
    box_writes
    says "$work/out" "b1-a1-v0-box-0" "not ready to use" "hint:"
    phase_is b1 Failed
    thawed b1
    clear_faults
    nothing_left b1 0
}

test_snapshot_controller_is_missing() {
    start_box 1
    freezing_blueprint
    set_faults noController=true
    eventually 15 "the controller's end" controller_is_gone
    backup 1 --name b1 --blueprints "$work/blueprints" --max-freeze 2s --attempts 1
    box_writes
    says "$work/out" "snapshot-controller does not run"
    clear_faults
    nothing_left b1 0
}
controller_is_gone() { ! k -n kube-system get lease snapshot-controller-leader; }

test_secret_of_the_class_is_missing() {
    start_box 1
    freezing_blueprint
    set_faults secretMissing=true
    backup 1 --name b1 --blueprints "$work/blueprints" --max-freeze 2s --attempts 1
    box_writes
    says "$work/out" "secret" "snapshotter-secret" "hint:"
    clear_faults
    nothing_left b1 0
}

# Classes of a driver of their own, so that other scenarios do not see them.
test_no_snapshot_class() {
    start_box 1
    k delete volumesnapshotclass dir >/dev/null
    backup 1 --name b1
    k apply -f "$root/tests/cluster/manifests/storage.yaml" >/dev/null
    says "$work/out" "v0-box-0" "there is no VolumeSnapshotClass for driver dir.csi.kassette.test" "hint:"
    box_writes
    nothing_left b1 0
}

test_two_default_classes() {
    start_box 1
    k get volumesnapshotclass dir -o json | jq 'del(.metadata.uid, .metadata.resourceVersion) |
        .metadata.name = "dir-two"' | k apply -f - >/dev/null
    backup 4 --name b1 || { k delete volumesnapshotclass dir-two; exit 1; }
    says "$work/out" "dir, dir-two" "default" "hint:"
    backup 0 --name b2 --snapshot-class dir-two
    k delete volumesnapshotclass dir-two >/dev/null
    equal "class of the snapshot" "$(kn get volumesnapshots -o \
        'jsonpath={.items[0].spec.volumeSnapshotClassName}')" dir-two
    box_writes
}

test_named_class_does_not_exist() {
    start_box 1
    backup 1 --name b1 --snapshot-class nowhere
    says "$work/out" "nowhere" "does not exist"
    nothing_left b1 0
}
