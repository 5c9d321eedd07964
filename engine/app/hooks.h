/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks by annotation: the commands that Velero's annotations on Pods name
 * (pre.hook.backup.velero.io/command and its like; docs/hooks.md). Each annotated Pod is a binding
 * of its own, "Pod/name", served by the built-in blueprint velero-hooks, whose parameters are what
 * the annotations say now: a successor thaws with the same commands, whatever they say later.
 * https://velero.io/docs/main/backup-hooks/
 */
#ifndef KST_APP_HOOKS_H
#define KST_APP_HOOKS_H

#include "run/run.h"

/* Adds rows to status.bindings, after kst_bind_workloads(): for each Pod of `pods` that runs and
 * has hooks, unless it or one of `workloads` that it belongs to says kassette.io/blueprint: none
 * (both as kst_application_find() gives them). The row of such a Pod that is a workload itself, and
 * has no hooks of a blueprint, is replaced. KST_E_INVALID names the Pod and the annotation that
 * says what it cannot mean. Yields. */
int kst_hooks_bind(struct kst_run *run, const struct kst_json *workloads,
                   const struct kst_json *pods, struct kst_err **err);

/* What the annotations of one Pod say, as parameters of velero-hooks; *out is NULL where there are
 * no commands, and the caller frees it. KST_E_INVALID as above. Never yields. */
int kst_hooks_read(const struct kst_json *pod, struct kst_json **out, struct kst_err **err);

#endif
