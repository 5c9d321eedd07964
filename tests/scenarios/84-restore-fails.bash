# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Restores in which something goes wrong: what is told, what is left, and what a second try does.

test_quota_is_exceeded() {
    local missing
    home_elsewhere
    start_shop
    does 0 backup "$ns" --name b1
    k create namespace "$ns-copy" >/dev/null
    k -n "$ns-copy" create quota few --hard=configmaps=2 >/dev/null
    eventually 60 "the quota counts" quota_counts
    does 1 restore b1 --name r1 --to-namespace "$ns-copy"
    ended r1 Failed
    missing=$(kassette report r1 -o json | jq -r '.[] | select(.deed == "failed") | "\(.kind)/\(.name)"')
    case $missing in
    ConfigMap/settings | ConfigMap/more) ;;
    *) fail "expected one ConfigMap to have failed, found '$missing'" ;;
    esac
    says "$work/out" "ConfigMap/$ns-copy/${missing#*/}" "exceeded quota: few" "hint:" ResourceQuota
    # The others are there.
    k -n "$ns-copy" get statefulset/box deployment/front secret/login pvc/v0-box-0 >/dev/null
    # Once more: only what is missing.
    k -n "$ns-copy" delete quota few >/dev/null
    k -n "$ns-copy" rollout status statefulset/box --timeout=60s >/dev/null
    versions before "$ns-copy"
    does 0 restore b1 --name r2 --to-namespace "$ns-copy"
    versions after "$ns-copy"
    untouched before after "^(ConfigMap|Endpoints|Deployment.apps|ReplicaSet.apps|Pod)/"
    equal "what was done" "$(kassette report r2 -o json |
        jq -r '.[] | select(.deed == "created") | "\(.kind)/\(.name)"')" "$missing"
    data_is first "$ns-copy"
    k -n "$ns-copy" rollout status deployment/front --timeout=60s >/dev/null
}
quota_counts() {
    [ "$(k -n "$ns-copy" get quota few -o 'jsonpath={.status.used.configmaps}')" = 1 ]
}

test_webhook_refuses() {
    local port
    home_elsewhere
    start_shop
    does 0 backup "$ns" --name b1
    k create namespace "$ns-copy" >/dev/null
    k label namespace "$ns-copy" "guarded=$ns" >/dev/null
    "$root/tests/lib/refusing-webhook" "$KASSETTE_HOST_IP" "$work" 'no greetings here' >"$work/hook.port" &
    eventually 60 "the webhook" test -s "$work/hook.port"
    read -r port <"$work/hook.port"
    k apply -f - >/dev/null <<YAML
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: $ns-guard}
webhooks:
- name: guard.kassette.test
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  namespaceSelector: {matchLabels: {guarded: $ns}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [secrets]}]
  clientConfig:
    url: https://$KASSETTE_HOST_IP:$port/
    caBundle: $(base64 -w0 <"$work/hook.crt")
YAML
    does 1 restore b1 --name r1 --to-namespace "$ns-copy" --exclude statefulsets --exclude pvc ||
        { k delete validatingwebhookconfiguration "$ns-guard"; exit 1; }
    k delete validatingwebhookconfiguration "$ns-guard" >/dev/null
    says "$work/out" "Secret/$ns-copy/login" "no greetings here" "hint:" webhook
    equal "what became of the Secret" "$(deed r1 Secret/login)" failed
    equal "what became of the Deployment" "$(deed r1 Deployment/front)" created
    does 0 restore b1 --name r2 --to-namespace "$ns-copy" --exclude statefulsets --exclude pvc
    k -n "$ns-copy" get secret login >/dev/null
}

test_definition_is_not_served_any_more() {
    home_elsewhere
    start_whole
    does 0 backup "$ns" --name b1
    delete_whole
    does 1 restore b1 --name r1 --exclude customresourcedefinitions
    ended r1 Failed
    says "$work/out" "Widget/$ns/parent" "does not serve $ns.kassette.test/v1 Widget" "hint:" \
        CustomResourceDefinition
    equal "what became of the other Widget" "$(deed r1 Widget/child)" failed
    equal "what became of the Deployment" "$(deed r1 Deployment/web)" created
    # What a Widget owned is there, and the garbage collector does not take it.
    whole_is_ready "$ns"
    rows_are_there "$ns"
    kn get secret of-parent >/dev/null
    versions before
    does 0 restore b1 --name r2
    versions after
    untouched before after '^(HorizontalPodAutoscaler.autoscaling|Endpoints|ResourceQuota|PodDisruptionBudget.policy|Widget|CustomResource|APIService)|^Secret/of-parent '
    kn get "widgets.$ns.kassette.test" parent child >/dev/null
}

test_storage_class_is_gone() {
    home_elsewhere
    other_class dir-gone
    KASSETTE_TEST_CLASS=dir-gone start_shop
    does 0 backup "$ns" --name b1
    k delete namespace "$ns" >/dev/null
    k delete storageclass dir-gone >/dev/null
    does 1 restore b1 --name r1 --exclude storageclasses
    says "$work/out" "PersistentVolumeClaim/$ns/v0-box-" "StorageClass" dir-gone "hint:" --storage-class
    ! k get namespace "$ns" >/dev/null 2>&1 || fail "something was made nevertheless"
    does 0 restore b1 --name r2 --exclude storageclasses --storage-class dir-gone=dir
    data_is first
    # The backup has the class, too.
    k delete namespace "$ns" >/dev/null
    does 0 restore b1 --name r3
    data_is first
    equal "class of the claims" "$(kn get pvc -o 'jsonpath={.items[*].spec.storageClassName}')" \
        "dir-gone dir-gone"
    k delete storageclass dir-gone >/dev/null
}

# It is told before anything stands still.
test_snapshot_is_gone() {
    local content pods
    home_elsewhere
    start_shop
    does 0 backup "$ns" --name b1
    for content in $(contents_of "$ns"); do
        k patch volumesnapshotcontent "$content" --type=merge -p '{"spec":{"deletionPolicy":"Delete"}}' >/dev/null
    done
    kn delete volumesnapshots --all >/dev/null
    eventually 60 "no contents" contents_are 0
    write_data second
    pods=$(box_pods)
    does 1 restore b1 --name r1 --only-data
    ended r1 Failed
    says "$work/out" "v0-box-" snapshot "hint:"
    equal "Pods of the box" "$(box_pods)" "$pods"
    shop_stands second
}

box_pods() { kn get pods -l app=box -o 'jsonpath={.items[*].metadata.uid}'; }

test_volume_is_not_made() {
    home_elsewhere
    start_shop
    does 0 backup "$ns" --name b1
    write_data second
    set_faults "$ns.v0-box-1.provisionError=the pool is full"
    does 1 restore b1 --name r1 --only-data --ready-timeout 5s
    clear_faults
    ended r1 Failed
    says "$work/out" "v0-box-1" "the pool is full"
    shop_stands second
    does 0 restore b1 --name r2 --only-data
    shop_stands first
}

test_pod_that_cannot_be_stopped() {
    home_elsewhere
    start_shop
    does 0 backup "$ns" --name b1
    write_data second
    kn apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: reader
    image: kassette.test/busybox:1.35
    imagePullPolicy: Never
    command: [sh, -c, "while :; do sleep 1; done"]
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: v0-box-0}}]
YAML
    kn wait --for=condition=Ready --timeout=60s pod/reader >/dev/null
    does 4 restore b1 --name r1 --only-data
    says "$work/out" "Pod/$ns/reader" "v0-box-0" "hint:"
    kn get pod reader >/dev/null
    shop_stands second
}

# ---- The engine dies ----

test_engine_killed_in_a_restore_in_place() {
    local phase
    home_elsewhere
    start_shop
    does 0 backup "$ns" --name b1
    for phase in Plan Quiesce Volumes Objects Ready PostRestore; do
        write_data "before-$phase"
        restore_start b1 --only-data --name "r-${phase,,}"
        engine_dies_when 60 "phase $phase" output_has "$phase"
        does 0 run "r-${phase,,}"
        ended "r-${phase,,}" Succeeded
        shop_stands first
    done
    equal "VolumeSnapshots" "$(kn get volumesnapshots -o name | wc -l)" 2
    eventually 60 "2 contents" contents_are 2
}

# The volumes wait while it dies: what it has taken down it has written down before.
test_engine_killed_while_volumes_are_made() {
    home_elsewhere
    start_shop
    does 0 backup "$ns" --name b1
    write_data second
    set_faults neverProvisioned=true
    restore_start b1 --only-data --name r1
    engine_dies_when 60 "a claim that waits" claims_wait
    equal "replicas meanwhile" "$(kn get statefulset box -o 'jsonpath={.spec.replicas}')" 0
    clear_faults
    does 0 run r1
    ended r1 Succeeded
    shop_stands first
}
claims_wait() { kn get pvc -o 'jsonpath={.items[*].status.phase}' | grep -q Pending; }

test_engine_killed_while_an_application_comes_back() {
    local phase
    home_elsewhere
    start_whole
    look before
    does 0 backup "$ns" --name b1
    delete_whole
    restore_start b1 --name r1
    for phase in Volumes Objects Ready; do
        engine_dies_when 90 "phase $phase" output_has "$phase"
        run_start r1
    done
    engine_ends 0
    ended r1 Succeeded
    whole_is_ready "$ns"
    rows_are_there "$ns"
    look after
    same before after
    equal "VolumeSnapshots" "$(kn get volumesnapshots -o name)" ""
    eventually 60 "5 contents of the point" contents_are 5
}

# ---- Somebody changes his mind ----

test_restore_is_cancelled_while_volumes_are_made() {
    home_elsewhere
    start_shop
    does 0 backup "$ns" --name b1
    write_data second
    set_faults neverProvisioned=true
    restore_start b1 --only-data --name r1
    eventually 60 "a claim that waits" claims_wait
    kassette cancel r1 || fail "kassette cancel: status $?"
    engine_ends 130
    clear_faults
    ended r1 Cancelled
    shop_stands second
    eventually 60 "2 contents" contents_are 2
    does 0 restore b1 --name r2 --only-data
    shop_stands first
}
