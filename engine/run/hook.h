/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calling a blueprint's functions: each gets `run` and `app`, the standard library's objects for
 * this binding and attempt.
 */
#ifndef KST_RUN_HOOK_H
#define KST_RUN_HOOK_H

#include <stdbool.h>

#include "run/run.h"

/* Makes the interpreter with all natives, loads the blueprints that status.bindings names, resolves
 * their parameters. Idempotent. Yields. Errors name the blueprint. */
int kst_hook_load(struct kst_run *run, struct kst_err **err);
/* Frees the interpreter and everything of it, so that kst_hook_load() makes a fresh one. No fiber
 * may be inside. */
void kst_hook_unload(struct kst_run *run);
/* A fresh interpreter in place of one whose walls were broken; what is known of each binding's
 * freeze stays. Yields. */
int kst_hook_renew(struct kst_run *run, struct kst_err **err);
/* The blueprint at `path` of the bundle, loaded into the run's interpreter at the first call; it
 * belongs to the run. Yields. */
int kst_hook_blueprint(struct kst_run *run, const char *path, struct kst_blueprint **out,
                       struct kst_err **err);
/* Fresh `run` and `app` objects for every binding, at the start of an attempt or phase. */
int kst_hook_begin(struct kst_run *run, struct kst_err **err);
/* The same where there are none yet: a run that is resumed after its freeze has had no attempt. */
int kst_hook_continue(struct kst_run *run, struct kst_err **err);
/* Calls the function where the blueprint has it (else 0 with *result untouched). *result may be
 * NULL. Yields. The error says "pre_hook of blueprint postgresql on StatefulSet/shop/db: …". */
int kst_hook_call(struct kst_run *run, struct kst_binding *binding, const char *function,
                  struct kst_json **result, struct kst_err **err);

#endif
