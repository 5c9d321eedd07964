# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Whole applications, gone and brought back.

# What the other scenarios rest on: the comparison sees a live application change, and sees nothing
# where only its Pods are new.
test_comparison_of_a_living_application() {
    home_elsewhere
    start_whole
    rows_are_there "$ns"
    look before
    versions before
    kn delete pods -l app=web >/dev/null
    whole_is_ready "$ns"
    look now
    same before now
    versions now
    untouched before now "$restless|^(Pod|ReplicaSet.apps|Deployment.apps)/"
    kn patch "widgets.$ns.kassette.test" parent --type=merge -p '{"spec":{"size":9007199254740992}}' >/dev/null
    kn create configmap new >/dev/null
    kn delete service elsewhere >/dev/null
    k delete clusterrolebinding "$ns-nodes" >/dev/null
    look now
    ! "$lib/compare" diff "$work/look-before" "$work/look-now" >"$work/differences" ||
        fail "no change was seen"
    equal "what was seen" "$(sort "$work/differences")" "\
ClusterRoleBinding.rbac.authorization.k8s.io $ns-nodes: is not there any more
ConfigMap new: was not there before
Service elsewhere: is not there any more
Widget.$ns.kassette.test parent: spec.size: 9007199254740993 before, now 9007199254740992"
}

port_of_creator() { kn get service port-of-creator -o 'jsonpath={.spec.ports[0].nodePort}'; }

test_whole_application_gone_and_back() {
    home_elsewhere
    start_whole
    look before
    does 0 backup "$ns" --name b1
    delete_whole
    ! k get "crd/widgets.$ns.kassette.test" >/dev/null 2>&1 || fail "the definition is still there"
    does 0 restore b1 --name r1
    ended r1 Succeeded
    whole_is_ready "$ns"
    rows_are_there "$ns"
    look after
    same before after
    pg db-0 "INSERT INTO orders VALUES (501, 'new')" || fail "PostgreSQL takes no writes"
    my maria-0 "INSERT INTO t.items VALUES (301)" || fail "MariaDB takes no writes"
    equal "the port that was asked for" "$(port_of_creator)" "$created_port"
    equal "what became of the Job that was done" "$(deed r1 Job/migrated)" skipped
    equal "what became of the Deployment" "$(deed r1 Deployment/web)" created
    # Its snapshots are kept, and what was made to reach them is gone.
    equal "VolumeSnapshots" "$(kn get volumesnapshots -o name)" ""
    eventually 60 "5 contents of the point" contents_are 5
    # Once more there is nothing to do, and the new rows stay.
    versions before
    does 0 restore b1 --name r2
    versions after
    untouched before after "$restless"
    equal "rows of PostgreSQL" "$(pg db-0 'SELECT count(*) FROM orders')" 501
    does 0 delete point b1 -y
    eventually 60 "0 contents of a point that is deleted" contents_are 0
}

test_whole_application_beside_the_living_one() {
    home_elsewhere
    start_whole
    does 0 backup "$ns" --name b1
    look before
    versions before
    does 0 restore b1 --name r1 --to-namespace "$ns-copy"
    whole_is_ready "$ns-copy"
    rows_are_there "$ns-copy"
    look copy "$ns-copy"
    # A port of all nodes belongs to the original.
    same before copy '^Service port-of-users: spec.ports\[0\].nodePort'
    within "$ns-copy" pg db-0 "DELETE FROM orders"
    within "$ns-copy" my maria-0 "DELETE FROM t.items"
    look after
    same before after "^ClusterRoleBinding.rbac.authorization.k8s.io $ns-nodes-$ns-copy: was not there"
    versions after
    untouched before after "$restless|$ns-nodes-$ns-copy "
    rows_are_there "$ns"
    k auth can-i list nodes --as "system:serviceaccount:$ns:app" >/dev/null ||
        fail "the original has lost its rights"
    k auth can-i list nodes --as "system:serviceaccount:$ns-copy:app" >/dev/null ||
        fail "the copy has no rights"
    k auth can-i watch configmaps/settings -n "$ns-copy" \
        --as "system:serviceaccount:$ns-copy:app" >/dev/null || fail "the copy has no role"
}

# The second cluster is an embedded one, empty but for its storage.
test_whole_application_in_another_cluster() {
    home_elsewhere
    start_whole
    look before
    does 0 backup "$ns" --name b1
    does 0 save b1 "$work/tape"
    chmod 711 "$work"
    kassette sandbox --dir "$work/second" -- sleep infinity >"$work/sandbox" 2>&1 &
    eventually 60 "the second cluster" second k get --raw /readyz
    second k create namespace "$home" >/dev/null
    second does 0 load "$work/tape"
    second does 0 restore b1 --name r1 --only-objects
    second whole_is_ready "$ns"
    second look after
    # What an API server keeps by itself, and a second name that only old ones have.
    same before after '^(APIService.apiregistration.k8s.io|Ingress.extensions) .*: is not there any more$'
    equal "tables of an empty database" \
        "$(second pg db-0 "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")" 0
}
second() { KUBECONFIG=$work/second/kubeconfig "$@"; }

test_part_of_an_application() {
    home_elsewhere
    start_whole
    look before
    does 0 backup "$ns" --name b1
    kn delete deployment/web configmap/settings service/elsewhere >/dev/null
    versions before
    does 0 restore b1 --name r1 --include deployments/web --include configmaps/settings
    versions after
    untouched before after "$restless|^(Deployment.apps/web|ConfigMap/settings|ReplicaSet.apps/web-.*|Pod/web-.*) "
    look after
    same before after '^Service elsewhere: is not there any more$'
    kn rollout status deployment/web --timeout=60s >/dev/null
    equal "the file of its volume" "$(kn exec deployment/web -- cat /files/kept)" kept
}

test_one_volume_in_place() {
    local db maria
    home_elsewhere
    start_whole
    look before
    does 0 backup "$ns" --name b1
    pg db-0 "INSERT INTO orders VALUES (501, 'new')"
    my maria-0 "INSERT INTO t.items VALUES (301)"
    kn exec deployment/web -- sh -c 'echo lost >/files/kept'
    db=$(kn get pod db-0 -o 'jsonpath={.metadata.uid}')
    maria=$(kn get pod maria-0 -o 'jsonpath={.metadata.uid}')
    does 0 restore b1 --name r1 --volume files
    whole_is_ready "$ns"
    equal "the file" "$(kn exec deployment/web -- cat /files/kept)" kept
    equal "rows of PostgreSQL" "$(pg db-0 'SELECT count(*) FROM orders')" 501
    equal "rows of MariaDB" "$(my maria-0 'SELECT count(*) FROM t.items')" 301
    equal "the Pod of PostgreSQL" "$(kn get pod db-0 -o 'jsonpath={.metadata.uid}')" "$db"
    look after
    same before after
    # Both volumes of one database.
    does 0 restore b1 --name r2 --volume data-db-0 --volume wal-db-0
    whole_is_ready "$ns"
    equal "rows of PostgreSQL" "$(pg db-0 'SELECT count(*), max(id) FROM orders')" "500|500"
    equal "rows of MariaDB" "$(my maria-0 'SELECT count(*) FROM t.items')" 301
    equal "the Pod of MariaDB" "$(kn get pod maria-0 -o 'jsonpath={.metadata.uid}')" "$maria"
    pg db-0 "INSERT INTO orders VALUES (501, 'again')" || fail "PostgreSQL takes no writes"
    look after
    same before after
    eventually 60 "old volumes are gone" volumes_are "$ns" 5
}

test_other_storage_class() {
    home_elsewhere
    start_shop
    does 0 backup "$ns" --name b1
    other_class dir-two
    does 0 restore b1 --name r1 --to-namespace "$ns-copy" --storage-class dir=dir-two
    data_is first "$ns-copy"
    equal "classes of the claims" \
        "$(k -n "$ns-copy" get pvc -o 'jsonpath={.items[*].spec.storageClassName}')" "dir-two dir-two"
    # The next replica's claim is of the new class as well.
    equal "class of the StatefulSet" "$(k -n "$ns-copy" get statefulset box -o \
        'jsonpath={.spec.volumeClaimTemplates[0].spec.storageClassName}')" dir-two
    equal "classes of the original" \
        "$(kn get pvc -o 'jsonpath={.items[*].spec.storageClassName}')" "dir dir"
    k delete storageclass dir-two >/dev/null
}

# An image that is nowhere: what was asked for is seen, and why it does not start is told.
test_transforms_change_the_registry() {
    home_elsewhere
    start_shop
    does 0 backup "$ns" --name b1
    cat >"$work/mirror.lua" <<'LUA'
return function(object)
  if object.kind == "Deployment" then
    for _, container in ipairs(object.spec.template.spec.containers) do
      container.image = "mirror.test/lua/" .. container.name .. ":1"
    end
  end
  if object.kind == "ConfigMap" and object.metadata.name == "more" then return nil end
  return object
end
LUA
    does 1 restore b1 --name r1 --to-namespace "$ns-copy" --include deployments --include configmaps \
        --transform "$work/mirror.lua" --ready-timeout 4s
    says "$work/out" "Deployment/$ns-copy/front" "mirror.test/lua/front:1"
    image_is mirror.test/lua/front:1
    equal "what the transform left out" "$(k -n "$ns-copy" get configmap more --ignore-not-found)" ""
    k delete namespace "$ns-copy" >/dev/null
    cat >"$work/mirror.yaml" <<'YAML'
- select: deployments/front
  patch:
  - {op: test, path: /spec/replicas, value: 2}
  - {op: replace, path: /spec/template/spec/containers/0/image, value: "mirror.test/patch/front:1"}
YAML
    does 1 restore b1 --name r2 --to-namespace "$ns-copy" --include deployments --include configmaps \
        --transform "$work/mirror.yaml" --ready-timeout 4s
    image_is mirror.test/patch/front:1
    equal "a number beyond 2^53" "$(k -n "$ns-copy" get configmap more -o 'jsonpath={.data.number}')" \
        9007199254740993
    equal "image of the original" "$(kn get deployment front -o \
        'jsonpath={.spec.template.spec.containers[0].image}')" kassette.test/busybox:1.35
}
image_is() {
    equal "image of the copy" "$(k -n "$ns-copy" get deployment front -o \
        'jsonpath={.spec.template.spec.containers[0].image}')" "$1"
}
