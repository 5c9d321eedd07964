/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node without processes, for tests: Pods run as soon as they have their node, and what commands
 * in them answer is asked of the caller. A question is an object with `type`:
 *
 *   exec   {id, namespace, pod, container, command: […], input}  a command that is to end
 *          -> {code, stdout, stderr}, or {hang: true}, or {failure: "why it cannot be run"}
 *   open   {id, namespace, pod, container, command}              one whose input stays open
 *          -> {} or {failure}
 *   say    {id, data}                                            input of it
 *          -> {stdout, stderr}; with `code` it ends after that
 *   close  {id}                                                  the end of its input
 *   status {pod: the object}                                     a Pod that has got its node
 *          -> {phase, ready}: "Running" and true where they are left out
 *   run    {pod: the object}                                     a Pod that is to end by itself
 *          -> {code, stdout}
 *
 * Whether a command with input ends, or is one whose input stays open, is known when its first
 * input came: the whole of an input is there at once. 64 KiB and more are such an input, too.
 */
#ifndef KST_SANDBOX_NODE_SCRIPT_H
#define KST_SANDBOX_NODE_SCRIPT_H

#include <stddef.h>

struct kst_api;
struct kst_err;
struct kst_httpd_request;
struct kst_json;
struct kst_loop;
struct kst_object;
struct kst_script;

/* Answers a question, in a fiber that may wait; *answer (taken) may stay NULL. An error ends what
 * was asked about. */
typedef int kst_script_ask(void *arg, const struct kst_json *question, struct kst_json **answer,
                           struct kst_err **err);

/* One that asks; the caller frees it. */
struct kst_script *kst_script_new(kst_script_ask *ask, void *arg);
/* Takes care of the Pods of a cluster from here on. */
void kst_script_start(struct kst_script *self, struct kst_loop *loop, struct kst_api *api);
/* Yields until nothing is asked any more, before the cluster ends. Commands that hang go on to
 * hang until their clients are gone. */
void kst_script_stop(struct kst_script *self);
/* After the cluster's end; NULL is allowed. */
void kst_script_free(struct kst_script *self);
/* How many commands are under way. */
size_t kst_script_busy(const struct kst_script *self);

/* For kst_server_options, with the script as `node`. */
void kst_script_exec(void *arg, struct kst_httpd_request *request, const struct kst_object *pod);
void kst_script_log(void *arg, struct kst_httpd_request *request, const struct kst_object *pod);

#endif
