/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of validation share: parts that several kinds have. `old` is NULL where the
 * object is new. */
#ifndef KST_SANDBOX_BUILTIN_VALIDATE_H
#define KST_SANDBOX_BUILTIN_VALIDATE_H

#include "sandbox/builtin/check.h"

/* validate_meta.c: metadata that is not an object's own, of a template. */
void kst_validate_template_meta(const struct kst_place *meta, const struct kst_json *metadata);

/* validate_pod.c, _container.c, _volume.c */
void kst_validate_pod(const struct kst_place *top, const struct kst_json *pod,
                      const struct kst_json *old);
void kst_validate_pod_spec(const struct kst_place *spec, const struct kst_json *pod_spec);
/* Metadata and spec of a template of Pods. */
void kst_validate_pod_template(const struct kst_place *place, const struct kst_json *template);
void kst_validate_containers(const struct kst_place *place, const struct kst_json *spec, bool init,
                             const struct kst_json *volumes);
/* Names of the volumes that are right, with their sources; the caller frees them. */
struct kst_json *kst_validate_volumes(const struct kst_place *place, const struct kst_json *list);
void kst_validate_resources(const struct kst_place *place, const struct kst_json *resources);
/* A quantity of a resource: not negative, whole where the resource is. */
void kst_validate_quantity(const struct kst_place *place, const char *resource,
                           const struct kst_json *quantity);
/* The name of a resource of a container, or, else, of anything. */
void kst_validate_resource_name(const struct kst_place *place, const char *name, bool container);
/* A relative path without "..". */
void kst_validate_descending(const struct kst_place *place, const char *field, const char *path);
void kst_validate_no_backsteps(const struct kst_place *place, const char *field, const char *path);
/* validate_affinity.c */
void kst_validate_placement(const struct kst_place *spec, const struct kst_json *pod_spec);
void kst_validate_node_selector(const struct kst_place *place, const struct kst_json *selector);

typedef void kst_validate_fn(const struct kst_place *top, const struct kst_json *object,
                             const struct kst_json *old);
/* validate_workload.c */
kst_validate_fn kst_validate_deployment, kst_validate_replicaset, kst_validate_statefulset,
    kst_validate_daemonset, kst_validate_controller, kst_validate_job, kst_validate_cronjob,
    kst_validate_podtemplate, kst_validate_budget, kst_validate_autoscaler;
/* validate_network.c */
kst_validate_fn kst_validate_service, kst_validate_ingress, kst_validate_network_policy,
    kst_validate_endpoints;
/* validate_storage.c */
kst_validate_fn kst_validate_claim, kst_validate_volume, kst_validate_storage_class;
/* validate_config.c */
kst_validate_fn kst_validate_configmap, kst_validate_secret, kst_validate_role,
    kst_validate_binding, kst_validate_quota, kst_validate_limits, kst_validate_lease,
    kst_validate_priority_class, kst_validate_namespace, kst_validate_event;

#endif
