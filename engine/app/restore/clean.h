/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an object belongs to its old life: identity (uid, resourceVersion, generation, times,
 * managedFields), what the cluster gave it (clusterIP, node ports, nodeName, volumeName, allocated
 * labels and annotations of controllers, token Secrets, status). Without it the API server takes
 * the object as a new one and controllers adopt it.
 */
#ifndef KST_APP_RESTORE_CLEAN_H
#define KST_APP_RESTORE_CLEAN_H

#include <stdbool.h>
#include <stdint.h>

struct kst_json;

struct kst_clean_options {
    bool keep_node_ports, keep_cluster_ips, keep_status;
};

/* Cleans a captured or living object in place. ownerReferences stay: they are the caller's. So do
 * finalizers that are not Kubernetes' own, the annotation of `kubectl apply`, and node ports that
 * it says the user has asked for. */
void kst_clean(struct kst_json *object, const struct kst_clean_options *options);
/* A hash of a cleaned object's user-set fields, whatever the order of keys: equal hashes are taken
 * for equal objects. ownerReferences, status, the version of the API, the annotation of `kubectl
 * apply`, what a server fills in (the versions of Kubernetes differ in it) and what is empty ({}
 * and
 * [] and null, but for selectors) do not count. */
uint64_t kst_clean_hash(const struct kst_json *object);
/* The first difference of two cleaned objects as "spec.replicas: 3, now 1", for reports; NULL where
 * there is none that counts, as in the hash. Values of Secrets and of environment variables are
 * never shown. The caller frees it. */
char *kst_clean_difference(const struct kst_json *wanted, const struct kst_json *found);
/* Why an object is not restored whatever the user asks (it is made again by something, or is over:
 * a Job that has completed, a Pod that has ended, a token Secret that a controller fills), or NULL.
 * A static text. */
const char *kst_clean_skip(const struct kst_json *object);

#endif
