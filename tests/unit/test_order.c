/* SPDX-License-Identifier: Apache-2.0 */
#include "app/capture/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"

static void ranks(void **state)
{
    static const struct {
        const char *group, *kind;
        enum kst_rank rank;
    } table[] = {
        {"", "Namespace", KST_RANK_NAMESPACE},
        {"apiextensions.k8s.io", "CustomResourceDefinition", KST_RANK_DEFINITION},
        {"snapshot.storage.k8s.io", "VolumeSnapshotClass", KST_RANK_CLASS},
        {"", "Secret", KST_RANK_CONFIG},
        {"rbac.authorization.k8s.io", "RoleBinding", KST_RANK_RIGHTS},
        {"", "PersistentVolumeClaim", KST_RANK_VOLUME},
        {"", "Service", KST_RANK_SERVICE},
        {"serving.knative.dev", "Service", KST_RANK_CUSTOM},
        {"acid.zalan.do", "postgresql", KST_RANK_CUSTOM},
        {"", "Pod", KST_RANK_POD},
        {"apps", "StatefulSet", KST_RANK_WORKLOAD},
        {"", "ReplicationController", KST_RANK_WORKLOAD},
        {"networking.k8s.io", "Ingress", KST_RANK_POLICY},
        {"extensions", "Ingress", KST_RANK_POLICY},
        {"", "ResourceQuota", KST_RANK_QUOTA},
        {"admissionregistration.k8s.io", "MutatingWebhookConfiguration", KST_RANK_WEBHOOK},
        {"", "", KST_RANK_CUSTOM},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++)
        assert_int_equal(kst_order_rank(table[i].group, table[i].kind), table[i].rank);
    for (int rank = 0; rank < KST_RANKS; rank++)
        assert_true(*kst_order_rank_name((enum kst_rank)rank));
}

/* Each before all that come after it. */
static void objects(void **state)
{
    static const char *const sorted[] = {
        "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'shop'}}",
        "{'apiVersion':'v1','kind':'ServiceAccount','metadata':{'namespace':'shop','name':'a'}}",
        "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'namespace':'shop','name':'z'}}",
        "{'apiVersion':'v1','kind':'Secret','metadata':{'namespace':'a','name':'z'}}",
        "{'apiVersion':'v1','kind':'Secret','metadata':{'namespace':'shop','name':'B'}}",
        "{'apiVersion':'v1','kind':'Secret','metadata':{'namespace':'shop','name':'a'}}",
        "{'apiVersion':'v1','kind':'Secret','metadata':{'namespace':'shop','name':'a.b'}}",
        "{'apiVersion':'v1','kind':'Secret','metadata':{'namespace':'shop','name':'a0'}}",
        ("{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'ClusterRole',"
         "'metadata':{'name':'r'}}"),
        "{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'Role','metadata':{'name':'r'}}",
        "{'apiVersion':'v1','kind':'PersistentVolume','metadata':{'name':'v'}}",
        "{'apiVersion':'v1','kind':'PersistentVolumeClaim','metadata':{'name':'c'}}",
        "{'apiVersion':'a.example/v1','kind':'Z','metadata':{'name':'x'}}",
        "{'apiVersion':'b.example/v1','kind':'A','metadata':{'name':'x'}}",
        "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p'}}",
        "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d'}}",
        "{'apiVersion':'batch/v1','kind':'CronJob','metadata':{'name':'c'}}",
    };
    struct kst_json *made[KST_ARRAY_LEN(sorted)];
    for (size_t i = 0; i < KST_ARRAY_LEN(sorted); i++)
        made[i] = kst_json_make(sorted[i]);
    for (size_t i = 0; i < KST_ARRAY_LEN(sorted); i++) {
        for (size_t j = 0; j < KST_ARRAY_LEN(sorted); j++) {
            int order = kst_order_compare(made[i], made[j]);
            assert_int_equal(order < 0 ? -1 : order > 0, i < j ? -1 : i > j);
        }
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(sorted); i++)
        kst_json_free(made[i]);
}

/* Another version of the same group is the same kind; what is no object has a place too. */
static void versions(void **state)
{
    kst_auto_json struct kst_json *old = kst_json_make(
        "{'apiVersion':'batch/v1beta1','kind':'CronJob','metadata':{'name':'c'}}");
    kst_auto_json struct kst_json *new = kst_json_make(
        "{'apiVersion':'batch/v1','kind':'CronJob','metadata':{'name':'c'}}");
    kst_auto_json struct kst_json *empty = kst_json_object();
    assert_int_equal(kst_order_compare(old, new), 0);
    assert_true(kst_order_compare(empty, new) < 0);
    assert_int_equal(kst_order_compare(empty, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks),
        cmocka_unit_test(objects),
        cmocka_unit_test(versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
