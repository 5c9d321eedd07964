/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which objects are restored, and therefore captured: namespaces, definitions, what
 * others refer to, volumes, custom resources, workloads, what leads to them, and webhooks at last.
 * Within a rank by group, kind, namespace and name, bytewise.
 */
#ifndef KST_APP_CAPTURE_ORDER_H
#define KST_APP_CAPTURE_ORDER_H

struct kst_json;

enum kst_rank {
    KST_RANK_NAMESPACE,  /* Namespace */
    KST_RANK_DEFINITION, /* CustomResourceDefinition */
    KST_RANK_CLASS,      /* StorageClass, VolumeSnapshotClass, PriorityClass, IngressClass, … */
    KST_RANK_ACCOUNT,    /* ServiceAccount */
    KST_RANK_CONFIG,     /* Secret, ConfigMap, LimitRange */
    KST_RANK_RIGHTS,     /* ClusterRole, Role, and their bindings */
    KST_RANK_VOLUME,     /* PersistentVolume, PersistentVolumeClaim */
    KST_RANK_SERVICE,    /* Service, Endpoints, NetworkPolicy */
    KST_RANK_CUSTOM,     /* whatever has no rank of its own: custom resources above all */
    KST_RANK_POD,        /* Pods that no controller makes */
    KST_RANK_WORKLOAD,   /* ReplicaSet, Deployment, StatefulSet, DaemonSet, Job, CronJob, … */
    KST_RANK_POLICY,     /* HorizontalPodAutoscaler, PodDisruptionBudget, Ingress */
    KST_RANK_QUOTA,      /* ResourceQuota: what it forbids now was there before it */
    KST_RANK_WEBHOOK,    /* APIService, Validating- and MutatingWebhookConfiguration */
    KST_RANKS,
};

/* By API group ("" for core) and kind. */
enum kst_rank kst_order_rank(const char *group, const char *kind);
/* "Namespaces", "Volumes", …: for progress. */
const char *kst_order_rank_name(enum kst_rank rank);
/* <0, 0, >0: two kinds, and two objects (their apiVersion, kind, metadata.namespace and .name). The
 * version does not count. */
int kst_order_compare_kinds(const char *group_a, const char *kind_a, const char *group_b,
                            const char *kind_b);
int kst_order_compare(const struct kst_json *a, const struct kst_json *b);

#endif
