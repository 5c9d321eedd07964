/* SPDX-License-Identifier: Apache-2.0 */
/* Which blueprint serves which workload. */
#ifndef KST_APP_BIND_H
#define KST_APP_BIND_H

#include "run/run.h"

/* Binds, and puts the rows into status.bindings: {workload: "Kind/name", apiVersion, kind, name,
 * blueprint, path, because, order, params, claims}. The annotation kassette.io/blueprint of the
 * workload (or its Pod template) decides first ("none": no hooks), then the match rules, else the
 * generic blueprint where the workload has volumes. KST_E_NOT_FOUND for an annotation that names
 * none, KST_E_REFUSED where the rules of several match, KST_E_USAGE for a parameter that no bound
 * blueprint has. Yields. */
int kst_bind_workloads(struct kst_run *run, const struct kst_json *workloads, struct kst_err **err);

/* Binds as an earlier run did: puts its rows (of a restore point, with the names of now) into
 * status.bindings, with this Run's parameters over theirs. KST_E_NOT_FOUND for a blueprint that is
 * not in the run's bundle, KST_E_USAGE as above. Yields. */
int kst_bind_again(struct kst_run *run, const struct kst_json *rows, struct kst_err **err);

/* What the annotation kassette.io/blueprint of the object, or of its Pod template, says; NULL where
 * there is none. Borrowed. */
const char *kst_bind_wish(const struct kst_json *object);

/* The kinds beside the usual workloads that the blueprints' match rules name, for
 * kst_application_find(): an array of {apiVersion, kind}; the caller frees it. Yields. */
int kst_bind_kinds(struct kst_run *run, struct kst_json **out, struct kst_err **err);

#endif
