/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of a case of a test.lua: an embedded cluster whose commands the test answers, and runs
 * of the engine against it. lua/kassette/test.lua stands on its natives:
 *
 *   sandbox_start {objects: […], texts: [YAML…], faults: […]}  begins the cluster, and waits until
 *                       its Pods and claims are as they are to be
 *   sandbox_run {spec: of the Run}      makes a Run of it, and executes it to its end
 *   sandbox_recover {spec}              as a successor of an engine that died in the freeze
 *       -> {ok, code, message, reason, hint, status: of the Run, notes}
 *   sandbox_get {kind, name, namespace} -> the object, or nil
 *
 * What the cluster asks (sandbox/node/script.h) goes to the `call` of the suite (lua/suite.h), with
 * what has happened since it was asked last: `notes`, of {type: "phase", "cut", "hook", "log",
 * "request", …}.
 */
#ifndef KST_CMD_BLUEPRINT_WORLD_H
#define KST_CMD_BLUEPRINT_WORLD_H

#include <stdbool.h>

#include "lua/suite.h"

struct kst_loop;
struct kst_own_file;
struct kst_world;

/* `file` (the test) is in the blueprint's folder. Once *interrupted (may be NULL) is true, the
 * fiber is cancelled as soon as no run needs its cluster any more. Both are borrowed. */
struct kst_world *kst_world_new(struct kst_loop *loop, struct kst_own_file *file,
                                const bool *interrupted);
void kst_world_free(struct kst_world *self);
/* For kst_suite_run(). */
struct kst_suite_world kst_world_of_suite(struct kst_world *self);

#endif
