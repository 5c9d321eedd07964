/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which requests go wrong, from a file (YAML or JSON): a list of rules, the first that matches
 * counts.
 *
 *   - {verb: create, resource: volumesnapshots, fault: "503", times: 2, after: 1}
 *
 * verb, resource, subresource, namespace, name and agent (a prefix) are compared where they are
 * given; the first `after` requests that match are left alone, then `times` (default 1, 0 for ever)
 * go wrong. fault: reset-before, reset-after, 500, 503, 429, 409, 410, hang, truncate. The agents
 * begin with "kassette", of the engine, and "dircsi", of the sandbox's own storage.
 */
#ifndef KST_SANDBOX_SERVER_FAULTS_H
#define KST_SANDBOX_SERVER_FAULTS_H

#include "sandbox/server/server.h"

struct kst_err;
struct kst_faults;
struct kst_json;

/* KST_E_NOT_FOUND, KST_E_PARSE, KST_E_USAGE with the rule that is wrong. Blocks on the file. */
int kst_faults_read(const char *path, struct kst_faults **out, struct kst_err **err);
int kst_faults_new(const struct kst_json *rules, struct kst_faults **out, struct kst_err **err);
void kst_faults_free(struct kst_faults *self);
/* For kst_server_options.fault, with the faults as its arg. */
enum kst_server_fault kst_faults_next(void *self, const struct kst_server_look *look);
/* Its name, as it stands in the file; NULL where there is no such fault. */
const char *kst_faults_name(enum kst_server_fault fault);
/* By its name; KST_E_USAGE. */
int kst_faults_parse(const char *name, enum kst_server_fault *fault, struct kst_err **err);

#endif
