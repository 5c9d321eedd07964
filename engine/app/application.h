/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an application consists of, as far as a backup must know before it freezes: its workloads,
 * and the PersistentVolumeClaims that they use.
 */
#ifndef KST_APP_APPLICATION_H
#define KST_APP_APPLICATION_H

#include <stdbool.h>

#include "run/run.h"

struct kst_names;

/* *workloads: a JSON array of {apiVersion, kind, name, object, claims: [names]}, sorted by kind and
 * name: StatefulSets, Deployments, DaemonSets, Pods that no controller made, and objects of the
 * further kinds in `more_kinds` (a JSON array of {apiVersion, kind}), all selected by
 * spec.application.selector, without those that are excluded by label or annotation
 * (kassette.io/exclude, velero.io/exclude-from-backup). *claims: an array of the
 * PersistentVolumeClaim objects of these workloads, and of those that the selector picks (all,
 * where there is none); excluded ones and those of ephemeral volumes are left out. *pods (may be
 * NULL): an array of the Pod objects that are the application's: those that the selector selects,
 * and those of its workloads, without the excluded ones and those of excluded workloads. Yields.
 * KST_E_NOT_FOUND where the namespace does not exist; KST_E_INVALID where the application is empty.
 * The caller frees all of them. */
int kst_application_find(struct kst_run *run, const struct kst_json *more_kinds,
                         struct kst_json **workloads, struct kst_json **claims,
                         struct kst_json **pods, struct kst_err **err);

/* Adds to `claims` those that `names` has beside them: what else of the application uses them is
 * found by its capture. Names that no claim has, and claims that are left out as above, are passed
 * over. Yields. */
int kst_application_add_claims(struct kst_run *run, const struct kst_names *names,
                               struct kst_json *claims, struct kst_err **err);

/* Whether the Pod is one of the workload's, by the workload's own selector: false where it has none
 * that we can read. */
bool kst_application_is_pod_of(const struct kst_json *workload, const struct kst_json *pod);

#endif
