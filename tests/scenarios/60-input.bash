# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Wrong input, one by one: the exit code, and a message that names what is wrong.

# refuses STATUS TEXT... -- COMMAND...: it ends with that status and says each text.
refuses() {
    local expected=$1 texts=() status=0
    shift
    while [ "$1" != -- ]; do
        texts+=("$1")
        shift
    done
    shift
    timeout 60 "$@" >"$work/out" 2>&1 || status=$?
    cat "$work/out"
    equal "exit status of $*" "$status" "$expected"
    says "$work/out" "${texts[@]}"
}

# A kubeconfig made of the cluster's, changed by a jq expression.
kubeconfig_with() { # JQ
    k config view --raw -o json | jq "$1" >"$work/kubeconfig"
}

# on any cluster
test_broken_kubeconfig() {
    printf 'clusters: [\n' >"$work/kubeconfig"
    refuses 2 "$work/kubeconfig" -- kassette get --kubeconfig "$work/kubeconfig"
    refuses 2 "$work/nothing" -- kassette get --kubeconfig "$work/nothing"
    kubeconfig_with '."current-context" = "nowhere"'
    refuses 2 "nowhere" -- kassette get --kubeconfig "$work/kubeconfig"
}

# on the real cluster: the embedded one knows people by tokens alone
test_expired_certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=ca -keyout "$work/ca.key" \
        -out "$work/ca.crt" 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -subj "/O=system:masters/CN=late" -keyout "$work/key" \
        -out "$work/csr" 2>/dev/null
    openssl x509 -req -in "$work/csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial \
        -days -1 -out "$work/crt" 2>/dev/null
    kubeconfig_with ".users[0].user = {\"client-certificate\": \"$work/crt\", \"client-key\": \"$work/key\"}"
    refuses 3 "expired" -- kassette get --kubeconfig "$work/kubeconfig"
}

# on any cluster
test_wrong_ca() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=other -keyout "$work/key" \
        -out "$work/ca" 2>/dev/null
    kubeconfig_with "del(.clusters[0].cluster.\"certificate-authority-data\") |
        .clusters[0].cluster.\"certificate-authority\" = \"$work/ca\""
    refuses 3 "certificate" "hint:" -- kassette get --kubeconfig "$work/kubeconfig"
}

# on any cluster
test_unreachable_cluster() {
    kubeconfig_with '.clusters[0].cluster.server = "https://127.0.0.1:1"'
    refuses 3 "127.0.0.1:1" -- kassette get --kubeconfig "$work/kubeconfig"
}

# on any cluster
test_unknown_namespace() {
    refuses 1 "nowhere" "not found" -- kassette backup nowhere --dry-run
}

# on any cluster
test_namespace_without_anything() {
    refuses 1 "$ns" "nothing" -- kassette backup "$ns"
}

# on any cluster
test_pod_is_not_running() {
    start_box 1
    freezing_blueprint
    kn scale statefulset box --replicas=0 >/dev/null
    eventually 60 "the Pod's end" box_is_gone
    backup 1 --name b1 --blueprints "$work/blueprints"
    says "$work/out" "StatefulSet/box" "no Pod that is ready" "hint:"
    thawed b1
    nothing_left b1 0
}
box_is_gone() { ! kn get pod box-0; }

test_claim_without_a_class() {
    start_box 1
    kn apply -f - >/dev/null <<YAML
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: lonely}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
YAML
    refuses 1 "PersistentVolumeClaim/$ns/lonely" "not Bound" "no StorageClass" "hint:" -- \
        kassette backup "$ns" --dry-run
    kn label pvc lonely kassette.io/exclude=true >/dev/null
    refuses 0 "v0-box-0" -- kassette backup "$ns" --dry-run
}

# on any cluster
test_syntax_error_in_a_blueprint() {
    start_box 1
    printf 'return {\n  name = "box",\n  pre_hook = function(\n}\n' | blueprint box
    refuses 1 "box/blueprint.lua:4" -- kassette backup "$ns" --blueprints "$work/blueprints" --dry-run
    printf 'return {\n  name = "box",\n  prehook = function() end,\n}\n' | blueprint box
    refuses 1 "box/blueprint.lua" "prehook" "pre_hook" -- \
        kassette backup "$ns" --blueprints "$work/blueprints" --dry-run
}

test_unknown_ref_and_unreachable_git() {
    start_box 1
    serve_blueprints
    refuses 1 "no-such-branch" -- kassette backup "$ns" --source "$git_url" --ref no-such-branch --dry-run
    refuses 3 "127.0.0.1:1" -- kassette backup "$ns" --source http://127.0.0.1:1/b.git --dry-run
}

# on any cluster
test_rbac_rule_is_missing() {
    start_box 1
    kn create serviceaccount poor >/dev/null
    refuses 1 "not allowed to list" "poor" "hint:" -- \
        kassette backup "$ns" --dry-run --as "system:serviceaccount:$ns:poor"
}

# on any cluster
test_usage() {
    refuses 2 "--no-such-option" -- kassette backup x --no-such-option
    refuses 2 "is not a command" -- kassette bakup
    refuses 2 "missing" -- kassette backup
    refuses 2 "--max-freeze" -- kassette backup "$ns" --max-freeze soon
    refuses 1 "nothing-like-it" "not found" -- kassette describe nothing-like-it
}
