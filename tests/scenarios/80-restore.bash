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
    untouched before now '^(Pod|Endpoints|ReplicaSet.apps|Deployment.apps|ResourceQuota|PodDisruptionBudget.policy)/'
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
