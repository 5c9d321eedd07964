/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The natives that lua/kassette/run.lua stands on: JSON in, JSON out, waiting on fibers. Each table
 * ends with a NULL name; ctx is the struct kst_run. Namespaces: what a blueprint leaves out is the
 * application's; another namespace than the application's or Kassette's own is refused unless the
 * Run's spec lists it (spec.allowedNamespaces).
 */
#ifndef KST_RUN_NATIVES_H
#define KST_RUN_NATIVES_H

#include "lua/host.h"

/* get, list, apply, create, patch, delete, scale, wait, pods, logs (native_kube.c) */
extern const struct kst_lua_native kst_kube_natives[];
/* exec, exec_all (native_exec.c) */
extern const struct kst_lua_native kst_exec_natives[];
/* task (native_task.c): a Pod from an image, run to its end */
extern const struct kst_lua_native kst_task_natives[];
/* sleep, log, now, step_begin, step_end, artifact (native_flow.c) */
extern const struct kst_lua_native kst_flow_natives[];

#endif
