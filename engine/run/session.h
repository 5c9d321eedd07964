/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: exec streams that a hook holds open across the freeze (run:session). They belong to the
 * run and its attempt; closing one closes its connection, at which the client in the Pod reads end
 * of file and the database drops its locks by itself.
 */
#ifndef KST_RUN_SESSION_H
#define KST_RUN_SESSION_H

#include <stddef.h>

#include "lua/host.h"
struct kst_run;
struct kst_sessions;

/* None open; to be freed before the run. */
struct kst_sessions *kst_sessions_new(struct kst_run *run);
/* Closes all that are open and frees. */
void kst_sessions_free(struct kst_sessions *self);
void kst_sessions_close_all(struct kst_sessions *self);
/* How many are open. */
size_t kst_sessions_count(const struct kst_sessions *self);

/* session_open, session_send, session_expect, session_ask, session_read, session_close. ctx: run.
 */
extern const struct kst_lua_native kst_session_natives[];

#endif
