/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be known before the first object is written. The archive is in the order of restoring,
 * in which the cluster-scoped objects that an application needs come before those that refer to
 * them; and with a selector, a Secret comes before the workload that uses it. So what refers to
 * others (workloads, claims, accounts, bindings, …) is read twice, and what is large or many
 * (ConfigMaps, Secrets, custom resources) once.
 */
#ifndef KST_APP_CAPTURE_SURVEY_H
#define KST_APP_CAPTURE_SURVEY_H

#include <stdbool.h>
#include <stddef.h>

#include "app/capture/rule.h"
#include "app/capture/uses.h"

struct kst_err;
struct kst_filter;
struct kst_json;
struct kst_kube_resource;
struct kst_run;

struct kst_survey {
    struct kst_run *run;
    struct kst_filter *filter;
    const char *selector; /* NULL: all of the namespace */
    /* One of each stored kind that can be captured, by kst_survey_resources(); ended by NULL. */
    const struct kst_kube_resource **resources;
    struct kst_json *missing;         /* API groups that did not answer */
    const struct kst_json *workloads; /* rows of kst_application_find() */

    struct kst_rules rules;
    struct kst_uses uses;
    struct kst_json *accounts, *claims, *bindings; /* rows that wait for their resolving */
};

/* Finds the resources: each stored kind once, though several groups or versions serve it, in the
 * preferred version. Yields. */
int kst_survey_resources(struct kst_survey *self, struct kst_err **err);
/* The resource of this kind, or NULL where the cluster has none. */
const struct kst_kube_resource *kst_survey_resource(const struct kst_survey *self,
                                                    const char *group, const char *kind);
/* Reads and resolves: afterwards `uses` and `rules` are complete. Yields. */
int kst_survey(struct kst_survey *self, struct kst_err **err);
void kst_survey_release(struct kst_survey *self);

/* Whether the filters let objects of this kind through. */
bool kst_survey_takes(const struct kst_survey *self, enum kst_use use);
/* Whether the object of this resource belongs to the application. */
int kst_survey_picks(struct kst_survey *self, const struct kst_kube_resource *resource,
                     const struct kst_json *object, bool *picks, struct kst_err **err);

/* A list that was refused: says what may be done about it. Returns `code`. */
int kst_survey_refused(const struct kst_survey *self, const struct kst_kube_resource *resource,
                       int code, struct kst_err **err);
/* For the modules of the survey: calls `each` for every object of the resource, in the namespace
 * where it is namespaced, until it returns something but 0 (a positive value ends the list without
 * an error). Yields. */
int kst_survey_each(struct kst_survey *self, const struct kst_kube_resource *resource,
                    const char *selector, bool metadata_only, int page_size,
                    int (*each)(struct kst_survey *self, const struct kst_kube_resource *resource,
                                const struct kst_json *object, struct kst_err **err),
                    struct kst_err **err);
/* What the rows that were read lead to: accounts to their rights, claims to their volumes and
 * classes. Yields. */
int kst_survey_resolve(struct kst_survey *self, struct kst_err **err);

#endif
