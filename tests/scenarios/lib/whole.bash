# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# The whole application of apps/whole.yaml, with its databases and their rows. Sourced by `scenario`.

# Kassette's own objects are elsewhere: the application's namespace goes and comes back.
home_elsewhere() {
    home=$ns-home
    k delete namespace "$home" --ignore-not-found >/dev/null
    k create namespace "$home" >/dev/null
    export KASSETTE_NAMESPACE=$home
}

# At the end of a scenario that was at home elsewhere.
forget_whole() {
    k delete namespace "$home" "$ns-copy" --wait=false --ignore-not-found >/dev/null
    delete_cluster_objects
}

# A port of nodes that no Service has: other scenarios and the namespaces of earlier ones have some.
free_node_port() {
    local used port sum
    sum=$(printf '%s' "$ns" | cksum)
    port=$((30000 + ${sum%% *} % 2000))
    used=" $(k get services -A -o 'jsonpath={.items[*].spec.ports[*].nodePort}') "
    while [[ $used == *" $port "* ]]; do port=$((port + 1)); done
    printf '%s' "$port"
}

# start_whole: the application in $ns, ready, with rows in both databases.
start_whole() {
    k label namespace "$ns" team=shop >/dev/null
    k annotate namespace "$ns" "owner=Zoë 😀" >/dev/null
    sed -e "s/\bWHOLE\b/$ns/g" -e "s/NODE_PORT/$(free_node_port)/" "$root/tests/scenarios/apps/whole.yaml" |
        kn apply -f - >/dev/null
    created_port=$(free_node_port) # asked for without the annotation of kubectl apply
    kn create service nodeport port-of-creator --tcp=80 --node-port="$created_port" >/dev/null
    start_postgres db
    start_mariadb maria
    start_widgets
    whole_is_ready "$ns"
    pg db-0 "CREATE TABLE orders (id int PRIMARY KEY, what text);
        INSERT INTO orders SELECT i, 'größe ' || i FROM generate_series(1, 500) i"
    my maria-0 "CREATE DATABASE t; USE t; CREATE TABLE items (id INT PRIMARY KEY) ENGINE=InnoDB;
        INSERT INTO items SELECT seq FROM seq_1_to_300"
    kn exec deployment/web -- sh -c 'echo kept >/files/kept'
}

# Custom resources, byte for byte as written: clients that read YAML turn 1.0 into 1.
start_widgets() {
    local path=/apis/$ns.kassette.test/v1/namespaces/$ns/widgets uid
    k wait --for=condition=Established --timeout=30s "crd/widgets.$ns.kassette.test" >/dev/null
    eventually 60 "the definition is served" k get --raw "$path"
    create_raw "$path" <<JSON
{"apiVersion": "$ns.kassette.test/v1", "kind": "Widget",
 "metadata": {"name": "parent"},
 "spec": {"size": 9007199254740993, "one": 1.0, "huge": 1e300, "small": -0.1e-7, "list": [],
  "object": {}, "null": null, "nested": [[], {}, [null, {"a": []}]], "text": "Ünïcödé 世界 𝒳😀\u0000\u001f",
  "": "a key without letters", "yes": "no", "key \"quoted\"": "\\\\", "false": false}}
JSON
    uid=$(kn get "widgets.$ns.kassette.test" parent -o 'jsonpath={.metadata.uid}')
    create_raw "$path" <<JSON
{"apiVersion": "$ns.kassette.test/v1", "kind": "Widget",
 "metadata": {"name": "child", "ownerReferences": [{"apiVersion": "$ns.kassette.test/v1",
  "kind": "Widget", "name": "parent", "uid": "$uid", "controller": true, "blockOwnerDeletion": true}]},
 "spec": {}}
JSON
    create_raw "/api/v1/namespaces/$ns/secrets" <<JSON
{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"key": "AAEC/w=="},
 "metadata": {"name": "of-parent", "ownerReferences": [{"apiVersion": "$ns.kassette.test/v1",
  "kind": "Widget", "name": "parent", "uid": "$uid"}]}}
JSON
}

create_raw() { # PATH, the object on stdin
    k create --raw "$1" -f - >/dev/null || fail "$1 takes no object"
}

# The workloads of the application in a namespace are ready.
whole_is_ready() { # NAMESPACE
    local namespace=$1 what
    for what in statefulset/db statefulset/maria deployment/web; do
        k -n "$namespace" rollout status "$what" --timeout=120s >/dev/null ||
            fail "$what of $namespace is not ready: $(k -n "$namespace" get pods)"
    done
    k -n "$namespace" wait --for=condition=Ready --timeout=60s pod/alone >/dev/null
}

# What start_whole has written is there, in both databases and in the volume of the Deployment.
rows_are_there() { # NAMESPACE
    local ns=$1
    equal "rows of PostgreSQL in $ns" \
        "$(pg db-0 "SELECT count(*), min(id), max(id), max(what) FROM orders")" "500|1|500|größe 99"
    equal "rows of MariaDB in $ns" \
        "$(my maria-0 "SELECT count(*), min(id), max(id) FROM t.items" | tr '\t' '|')" "300|1|300"
    equal "the file of the Deployment's volume in $ns" \
        "$(kn exec deployment/web -- cat /files/kept)" kept
}

# The application goes, with all that belongs to no namespace, and its definition.
delete_whole() {
    k delete namespace "$ns" >/dev/null
    delete_cluster_objects
}

delete_cluster_objects() {
    k delete --ignore-not-found "crd/widgets.$ns.kassette.test" "priorityclass/$ns-high" \
        "ingressclass/$ns-edge" "clusterrole/$ns-nodes" "clusterrolebinding/$ns-nodes" >/dev/null
}
