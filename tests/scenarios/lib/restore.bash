# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Restores, and the small application of those that need no whole one. Sourced by `scenario`, after
# home_elsewhere Runs are in $home.

# does EXPECTED-STATUS COMMAND ARG...: runs kassette, its output in $work/out.
does() {
    local expected=$1 status=0
    shift
    kassette "$@" >"$work/out" 2>&1 || status=$?
    cat "$work/out"
    equal "exit status of kassette $*" "$status" "$expected"
}

# restore_start ARG...: kassette restore in the background; $engine is its process.
restore_start() {
    : >"$work/out"
    kassette restore "$@" >"$work/out" 2>&1 &
    engine=$!
}

# run_start RUN: the same of a successor.
run_start() {
    : >"$work/out"
    kassette run "$1" >"$work/out" 2>&1 &
    engine=$!
}

# engine_dies_when SECONDS WHAT COMMAND...: kills the engine when the condition is there.
engine_dies_when() {
    eventually "$@"
    kill -9 "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
}

ended() { # RUN PHASE
    equal "phase of $1" "$(k -n "$home" get run "$1" -o 'jsonpath={.status.phase}')" "$2"
}

# deed RUN KIND/NAME: what the report says that was done with an object.
deed() { kassette report "$1" -o json | jq -r --arg o "$2" '.[] | select("\(.kind)/\(.name)" == $o).deed'; }
reason() { kassette report "$1" -o json | jq -r --arg o "$2" '.[] | select("\(.kind)/\(.name)" == $o).reason'; }

# within NAMESPACE FUNCTION ARG...: with $ns another one.
within() {
    local ns=$1
    shift
    "$@"
}

volumes_of() { # NAMESPACE
    k get pv -o "jsonpath={range .items[?(@.spec.claimRef.namespace==\"$1\")]}{.metadata.name}{\"\n\"}{end}"
}
volumes_are() { [ "$(volumes_of "$1" | wc -l)" = "$2" ]; }

# A second StorageClass of the same storage.
other_class() { # NAME
    k get storageclass dir -o json | jq --arg name "$1" '.metadata = {name: $name}' |
        k apply -f - >/dev/null
}

# ---- The shop: two boxes with a volume each, a front without, and what they read ----

start_shop() {
    kn create configmap settings --from-literal=greeting=hello >/dev/null
    kn create configmap more --from-literal=number=9007199254740993 >/dev/null
    kn create secret generic login --from-literal=password=of-the-shop >/dev/null
    kn apply -f - >/dev/null <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, labels: {app: front}}
spec:
  replicas: 2
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: front
        image: ${KASSETTE_TEST_IMAGE:-kassette.test/busybox:1.35}
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "while :; do sleep 1; done"]
        envFrom: [{configMapRef: {name: settings}}]
YAML
    box_replicas=2 start_box 1
    kn rollout status deployment/front --timeout=90s >/dev/null || fail "the front is not ready"
    write_data first
}

write_data() { # WORD
    local i
    for i in 0 1; do kn exec "box-$i" -- sh -c "echo $1 >/v0/kept"; done
}

# data_is WORD [NAMESPACE]: in both boxes, which are ready.
data_is() {
    local i ns=${2:-$ns}
    ready box
    for i in 0 1; do
        equal "data of box-$i in $ns" "$(kn exec "box-$i" -- cat /v0/kept)" "$1"
    done
}

# The shop stands as it stood: nothing is left of a restore.
shop_stands() { # WORD
    equal "replicas of the box" "$(kn get statefulset box -o 'jsonpath={.spec.replicas}')" 2
    data_is "$1"
    box_writes
    eventually 60 "old volumes are gone" volumes_are "$ns" 2
    equal "claims" "$(kn get pvc -o 'jsonpath={.items[*].metadata.name}')" "v0-box-0 v0-box-1"
}
