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

# alone: everybody's controller is missing.
test_snapshot_controller_is_missing() {
    start_box 1
    freezing_blueprint
    set_faults_of_all noController=true
    eventually 60 "the controller's end" controller_is_gone
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

# With a selector: not the claims of the workloads alone, and not those of others.
test_claims_of_jobs_are_cut() {
    local name
    start_box 1
    for name in reports others; do
        kn apply -f - >/dev/null <<YAML
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: $name}
spec: {accessModes: [ReadWriteOnce], storageClassName: dir, resources: {requests: {storage: 10Mi}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: $name, labels: {app: $name}}
spec:
  template:
    spec:
      restartPolicy: Never
      volumes: [{name: v, persistentVolumeClaim: {claimName: $name}}]
      containers:
      - name: c
        image: kassette.test/busybox:1.35
        command: [sh, -c, "echo kept >/v/kept"]
        volumeMounts: [{name: v, mountPath: /v}]
YAML
        kn wait --for=condition=Complete --timeout=60s "job/$name" >/dev/null
    done
    kn label job reports app=box --overwrite >/dev/null
    backup 0 --name b1 -l app=box
    equal "claims that were cut" "$(run_field b1 '{.status.volumes[*].claim}')" "v0-box-0 reports"
    nothing_left b1 2
}

# alone: so does no other scenario find one.
test_no_snapshot_class() {
    start_box 1
    k delete volumesnapshotclass dir >/dev/null
    backup 1 --name b1
    k apply -f "$root/engine/sandbox/manifests/storage.yaml" >/dev/null
    says "$work/out" "v0-box-0" "there is no VolumeSnapshotClass for driver dir.csi.kassette.test" "hint:"
    box_writes
    nothing_left b1 0
}

# alone: others have no use for two.
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

# The storage can cut volumes together: it is asked to, and nothing of that stays on the claims.
group_class() {
    k apply -f - >/dev/null <<YAML
apiVersion: groupsnapshot.storage.k8s.io/v1beta2
kind: VolumeGroupSnapshotClass
metadata: {name: dir-groups}
driver: dir.csi.kassette.test
deletionPolicy: Delete
YAML
}
no_group_class() { k delete volumegroupsnapshotclass dir-groups --ignore-not-found >/dev/null; }
no_group_left() { # GROUPS
    equal "VolumeGroupSnapshots" "$(kn get volumegroupsnapshots -o name | wc -l)" "$1"
    equal "claims with the label of a group" \
        "$(kn get pvc -l kassette.io/group -o name | wc -l)" 0
}

# alone: others' volumes would be cut as groups.
test_volumes_are_cut_as_a_group() {
    start_box 3
    freezing_blueprint
    group_class
    backup 0 --name b1 --blueprints "$work/blueprints" || { no_group_class; exit 1; }
    no_group_class
    box_writes
    phase_is b1 Succeeded
    equal "cut times" "$(kn get volumesnapshots -o \
        'jsonpath={range .items[*]}{.status.creationTime}{"\n"}{end}' | sort -u | wc -l)" 1
    equal "claims of the members" "$(run_field b1 '{.status.volumes[*].claim}')" \
        "v0-box-0 v1-box-0 v2-box-0"
    equal "group of the first volume" "$(run_field b1 '{.status.volumes[0].group}')" b1-a1-g0
    for name in $(run_field b1 '{.status.volumes[*].snapshot}'); do
        kn get volumesnapshot "$name" >/dev/null || fail "$name is in the Run and does not exist"
    done
    nothing_left b1 3
    no_group_left 1
    # A member restores as any snapshot does.
    kn apply -f - >/dev/null <<YAML
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: again}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: dir
  resources: {requests: {storage: 10Mi}}
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: $(run_field b1 '{.status.volumes[0].snapshot}')}
YAML
    eventually 60 "a claim from a member" claim_is_bound again
}
claim_is_bound() { [ "$(kn get pvc "$1" -o 'jsonpath={.status.phase}')" = Bound ]; }

# alone, as that one.
test_group_is_not_cut_in_time() {
    start_box 2
    freezing_blueprint
    group_class
    set_faults "errorForever=the group is too large"
    backup 1 --name b1 --blueprints "$work/blueprints" --max-freeze 2s --attempts 2 ||
        { no_group_class; exit 1; }
    no_group_class
    box_writes
    says "$work/out" "VolumeGroupSnapshot/$ns/b1-a" "the group is too large"
    phase_is b1 Failed
    thawed b1
    clear_faults
    nothing_left b1 0
    no_group_left 0
}

# alone, as that one.
test_engine_killed_while_a_group_is_cut() {
    start_box 2
    freezing_blueprint
    group_class
    set_faults cutDelayMs=6000
    backup_start --name b1 --blueprints "$work/blueprints"
    eventually 60 "the freeze" output_has "the application is frozen"
    kill -9 "$engine"
    clear_faults
    kassette run b1 >"$work/out" 2>&1 || { no_group_class; fail "$(cat "$work/out")"; }
    no_group_class
    box_writes
    phase_is b1 Succeeded
    nothing_left b1 2
    no_group_left 1
}
