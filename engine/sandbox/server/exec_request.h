/* SPDX-License-Identifier: Apache-2.0 */
/* What a request for a command in a container asks for, whoever runs it (node.h, script.h). */
#ifndef KST_SANDBOX_SERVER_EXEC_REQUEST_H
#define KST_SANDBOX_SERVER_EXEC_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/server/remote.h"

struct kst_httpd_request;
struct kst_json;

enum { KST_EXEC_WORDS = 256 };

struct kst_exec_request {
    const char *command[KST_EXEC_WORDS + 1]; /* ended by NULL */
    size_t count;
    struct kst_remote_streams streams;
    struct kst_remote_handshake shake;
};

/* Reads the query; all is borrowed from the request. */
void kst_exec_request_read(struct kst_httpd_request *request, struct kst_exec_request *out);
/* Answers the request with a Status (taken) that is a failure. */
void kst_exec_request_refuse(struct kst_httpd_request *request, struct kst_json *status);
/* Chooses the protocol; false where the client has none, which was answered. */
bool kst_exec_request_agree(struct kst_httpd_request *request, struct kst_exec_request *self);
/* Then: the streams, which the caller frees. Yields. Negative where the client went away. */
int kst_exec_request_connect(struct kst_httpd_request *request, const struct kst_exec_request *self,
                             struct kst_remote **out);

#endif
