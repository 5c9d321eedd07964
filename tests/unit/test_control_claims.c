/* SPDX-License-Identifier: Apache-2.0 */
/* Which volume a claim gets, when, and what is said where it gets none: as kube-controller-manager
 * and kube-scheduler 1.20 do. Nobody makes volumes here: see test_csi.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"

#define CLAIMS  "/persistentvolumeclaims"
#define VOLUMES "/persistentvolumes"

/* ---- What is done ---- */

static void make_class(struct cluster *self, const char *provisioner)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: late}, provisioner: "
        "%s, volumeBindingMode: WaitForFirstConsumer}",
        provisioner);
    cluster_load(self, yaml);
}

static void make_volume(struct cluster *self, const char *name, const char *size, const char *class,
                        const char *more)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: PersistentVolume, metadata: {name: %s}, spec: {capacity: {storage: "
        "%s}, accessModes: [ReadWriteOnce], storageClassName: %s, persistentVolumeReclaimPolicy: "
        "Retain, hostPath: {path: /nowhere}%s}}",
        name, size, class, more);
    cluster_load(self, yaml);
}

static void make_claim(struct cluster *self, const char *name, const char *class, const char *more)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: %s}, spec: {accessModes: "
        "[ReadWriteOnce], storageClassName: %s, resources: {requests: {storage: 2Gi}}%s}}",
        name, class, more);
    cluster_load(self, yaml);
}

static void make_pod(struct cluster *self)
{
    cluster_load(self, "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name:"
                       " c, image: busybox}], volumes: [{name: a, persistentVolumeClaim: "
                       "{claimName: a}}, {name: b, persistentVolumeClaim: {claimName: b}}]}}");
}

static void is_pending(struct cluster *self, const char *claim)
{
    cluster_has(self, CLAIMS, claim, "status.phase", "Pending");
    cluster_has(self, CLAIMS, claim, "spec.volumeName", "");
}

static const char *note(struct cluster *self, const char *claim, const char *key)
{
    const struct kst_json *notes = kst_json_path(cluster_get(self, CLAIMS, claim),
                                                 "metadata.annotations");
    const char *text = kst_json_str(kst_json_get(notes, key));
    return text ? text : "";
}

/* ---- What is seen ---- */

static void smallest(struct cluster *self)
{
    make_volume(self, "large", "9Gi", "''", "");
    make_volume(self, "fitting", "3Gi", "''", "");
    make_volume(self, "small", "1Gi", "''", "");
    make_volume(self, "other", "2Gi", "other", "");
    make_claim(self, "a", "''", "");
    cluster_has(self, CLAIMS, "a", "spec.volumeName", "fitting");
    make_claim(self, "b", "''", ", selector: {matchLabels: {disk: fast}}");
    is_pending(self, "b");
    assert_true(cluster_said(self, "b", "FailedBinding",
                             "no persistent volumes available for this claim and no storage class "
                             "is set"));
    cluster_patch(self, VOLUMES, "large", NULL, "{'metadata':{'labels':{'disk':'fast'}}}");
    cluster_has(self, CLAIMS, "b", "spec.volumeName", "large");
    make_claim(self, "c", "missing", "");
    assert_true(cluster_said(self, "c", "ProvisioningFailed",
                             "storageclass.storage.k8s.io \"missing\" not found"));
}

static void test_smallest(void **state)
{
    cluster_run(false, smallest);
}

static void named(struct cluster *self)
{
    make_volume(self, "small", "1Gi", "dir", "");
    make_volume(self, "taken", "3Gi", "dir", ", claimRef: {namespace: default, name: z}");
    make_claim(self, "a", "dir", ", volumeName: small");
    make_claim(self, "b", "dir", ", volumeName: taken");
    cluster_has(self, CLAIMS, "a", "status.phase", "Pending");
    cluster_has(self, CLAIMS, "b", "status.phase", "Pending");
    assert_true(cluster_said(self, "a", "VolumeMismatch",
                             "Cannot bind to requested volume \"small\": requested PV is too "
                             "small"));
    assert_true(cluster_said(self, "b", "FailedBinding",
                             "volume \"taken\" already bound to a different claim."));
    assert_string_equal(note(self, "a", "volume.beta.kubernetes.io/storage-provisioner"), "");
    /* Kept for it by name, whatever the class. */
    make_volume(self, "kept", "3Gi", "other", ", claimRef: {namespace: default, name: c}");
    cluster_has(self, VOLUMES, "kept", "status.phase", "Available");
    make_claim(self, "c", "dir", ", volumeName: kept");
    cluster_has(self, CLAIMS, "c", "status.phase", "Bound");
    cluster_has(self, VOLUMES, "kept", "status.phase", "Bound");
}

static void test_named(void **state)
{
    cluster_run(false, named);
}

/* A claim as it was captured, with what the binding left on it, is no new one. */
static void lost(struct cluster *self)
{
    static const char yaml[] =
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: %s, annotations: "
        "{pv.kubernetes.io/bind-completed: 'yes'}}, spec: {accessModes: [ReadWriteOnce], "
        "volumeName: %s, storageClassName: dir, resources: {requests: {storage: 1Gi}}}}";
    kst_auto_free char *gone = kst_asprintf(yaml, "a", "gone");
    kst_auto_free char *taken = kst_asprintf(yaml, "b", "taken");
    make_volume(self, "taken", "3Gi", "dir", ", claimRef: {namespace: default, name: b}");
    cluster_load(self, gone);
    cluster_load(self, taken);
    cluster_has(self, CLAIMS, "a", "status.phase", "Lost");
    cluster_has(self, CLAIMS, "b", "status.phase", "Lost");
    assert_true(cluster_said(self, "a", "ClaimLost",
                             "Bound claim has lost its PersistentVolume. Data on the volume is "
                             "lost!"));
    assert_true(cluster_said(self, "b", "ClaimMisbound",
                             "Two claims are bound to the same volume, this one is bound "
                             "incorrectly"));
}

static void test_lost(void **state)
{
    cluster_run(false, lost);
}

static void bound_elsewhere(struct cluster *self)
{
    make_volume(self, "one", "3Gi", "dir", "");
    make_claim(self, "a", "dir", "");
    cluster_has(self, CLAIMS, "a", "spec.volumeName", "one");
    kst_auto_free char *uid = cluster_value(self, CLAIMS, "a", "metadata.uid");
    kst_auto_free char *ref = kst_asprintf(", claimRef: {namespace: default, name: a, uid: %s}",
                                           uid);
    make_volume(self, "two", "3Gi", "dir", ref);
    cluster_has(self, VOLUMES, "one", "status.phase", "Bound");
    cluster_has(self, VOLUMES, "two", "status.phase", "Available");
    cluster_has(self, VOLUMES, "two", "spec.claimRef.name", "a");
    cluster_has(self, VOLUMES, "two", "spec.claimRef.uid", "");
}

static void test_bound_elsewhere(void **state)
{
    cluster_run(false, bound_elsewhere);
}

/* ---- The first Pod ---- */

static void late_and_made(struct cluster *self)
{
    make_class(self, "nobody.test");
    make_claim(self, "a", "late", "");
    make_claim(self, "b", "late", "");
    is_pending(self, "a");
    assert_string_equal(note(self, "a", "volume.beta.kubernetes.io/storage-provisioner"), "");
    assert_true(cluster_said(self, "a", "WaitForFirstConsumer",
                             "waiting for first consumer to be created before binding"));
    make_pod(self);
    const char *claims[] = {"a", "b"}; /* both at once: they wait for no other */
    for (size_t i = 0; i < 2; i++) {
        assert_string_not_equal(note(self, claims[i], "volume.kubernetes.io/selected-node"), "");
        assert_string_equal(note(self, claims[i], "volume.beta.kubernetes.io/storage-provisioner"),
                            "nobody.test");
        assert_true(cluster_said(self, claims[i], "ExternalProvisioning",
                                 "waiting for a volume to be created, either by external "
                                 "provisioner \"nobody.test\" or manually created by system "
                                 "administrator"));
    }
    cluster_has(self, "/pods", "p", "spec.nodeName", "");
    assert_false(cluster_said(self, "p", "FailedScheduling", ""));
}

static void test_late_and_made(void **state)
{
    cluster_run(false, late_and_made);
}

static void late_and_found(struct cluster *self)
{
    make_class(self, "kubernetes.io/no-provisioner");
    make_volume(self, "one", "3Gi", "late", "");
    make_claim(self, "a", "late", "");
    make_claim(self, "b", "late", "");
    is_pending(self, "a");
    make_pod(self);
    cluster_has(self, CLAIMS, "a", "spec.volumeName", "one");
    is_pending(self, "b");
    assert_true(
        cluster_said(self, "b", "WaitForPodScheduled", "waiting for pod p to be scheduled"));
    assert_true(cluster_said(self, "p", "FailedScheduling",
                             "0/1 nodes are available: 1 node(s) didn't find available persistent "
                             "volumes to bind."));
    make_volume(self, "two", "3Gi", "late", "");
    cluster_has(self, CLAIMS, "b", "spec.volumeName", "two");
    assert_true(cluster_said(self, "p", "Scheduled", "Successfully assigned default/p"));
}

static void test_late_and_found(void **state)
{
    cluster_run(false, late_and_found);
}

static void not_late(struct cluster *self)
{
    make_class(self, "nobody.test");
    cluster_load(self, "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: now}, "
                       "provisioner: nobody.test}");
    make_claim(self, "a", "late", "");
    make_claim(self, "b", "now", "");
    make_pod(self);
    assert_true(cluster_said(self, "p", "FailedScheduling",
                             "0/1 nodes are available: 1 pod has unbound immediate "
                             "PersistentVolumeClaims."));
    assert_string_equal(note(self, "a", "volume.kubernetes.io/selected-node"), "");
    /* What waits is told once, however often it is looked at. */
    make_claim(self, "c", "now", "");
    cluster_patch(self, CLAIMS, "c", NULL, "{'metadata':{'labels':{'a':'b'}}}");
    size_t told = 0;
    for (size_t i = 0; i < cluster_count(self, "/events"); i++) {
        kst_auto_free char *name = kst_strdup(cluster_name(self, "/events", i));
        if (strncmp(name, "b.", 2) != 0)
            continue;
        told++;
        cluster_has(self, "/events", name, "count", "1");
    }
    assert_int_equal(told, 1);
}

static void test_not_late(void **state)
{
    cluster_run(false, not_late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),      cmocka_unit_test(test_named),
        cmocka_unit_test(test_lost),          cmocka_unit_test(test_bound_elsewhere),
        cmocka_unit_test(test_late_and_made), cmocka_unit_test(test_late_and_found),
        cmocka_unit_test(test_not_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
