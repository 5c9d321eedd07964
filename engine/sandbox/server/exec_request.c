/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/exec_request.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/status.h"
#include "sandbox/server/httpd.h"

static bool flag(const struct kst_httpd_request *request, const char *name)
{
    const char *value = kst_httpd_query(request, name);
    return value && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

void kst_exec_request_read(struct kst_httpd_request *request, struct kst_exec_request *out)
{
    const char *word;
    *out = (struct kst_exec_request){.streams = {.in = flag(request, "stdin"),
                                                 .out = flag(request, "stdout"),
                                                 .errors = flag(request, "stderr"),
                                                 .tty = flag(request, "tty")}};
    while (out->count < KST_EXEC_WORDS &&
           (word = kst_httpd_query_at(request, "command", out->count)))
        out->command[out->count++] = word;
}

void kst_exec_request_refuse(struct kst_httpd_request *request, struct kst_json *status)
{
    kst_auto_free char *text = kst_json_text(status);
    kst_httpd_reply(request, kst_status_code(status), "application/json", text, strlen(text));
    kst_json_free(status);
}

bool kst_exec_request_agree(struct kst_httpd_request *request, struct kst_exec_request *self)
{
    kst_auto_err struct kst_err *err = NULL;
    int rc = kst_remote_choose(kst_httpd_header(request, "Upgrade"),
                               kst_httpd_header(request, "Sec-WebSocket-Key"),
                               kst_httpd_header(request, "Sec-WebSocket-Version"),
                               kst_httpd_header(request, "Sec-WebSocket-Protocol"),
                               kst_httpd_header(request, "X-Stream-Protocol-Version"), &self->shake,
                               &err);
    if (rc < 0)
        kst_httpd_reply(request, rc == KST_E_FORBIDDEN ? 403 : 400, "text/plain; charset=utf-8",
                        kst_err_message(err), strlen(kst_err_message(err)));
    return rc == 0;
}

int kst_exec_request_connect(struct kst_httpd_request *request, const struct kst_exec_request *self,
                             struct kst_remote **out)
{
    int fd = -1;
    struct kst_str early;
    if (*self->shake.accept) {
        kst_httpd_add_header(request, "Sec-WebSocket-Accept", self->shake.accept);
        kst_httpd_add_header(request, "Sec-WebSocket-Protocol", self->shake.subprotocol);
    } else {
        kst_httpd_add_header(request, "X-Stream-Protocol-Version", self->shake.subprotocol);
    }
    int rc = kst_httpd_upgrade(request, self->shake.upgrade, &fd, &early, NULL);
    if (rc < 0)
        return rc;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return KST_E_IO;
    return kst_remote_open(own, early.data, early.len, self->shake.protocol, self->streams, out,
                           NULL);
}
