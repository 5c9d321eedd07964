/* SPDX-License-Identifier: Apache-2.0 */
/* The logs of containers, from files in the CRI format: "TIME STREAM F|P TEXT". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/node/internal.h"
#include "sandbox/server/httpd.h"

enum { LOG_BYTES = 256 * 1024 * 1024, FOLLOW_MS = 100 };

struct wish {
    bool follow, timestamps;
    long long tail, limit; /* -1: all */
    int64_t since_us;      /* 0: all */
};

struct reader {
    struct kst_httpd_request *request;
    struct wish wish;
    FILE *file;
    char *line;
    size_t size;
    bool partial; /* the line before was the first part of this one */
};

/* The text of a line of the file; false for one that is not wanted. */
static bool text_of(struct reader *self, size_t len, struct kst_buf *out)
{
    char *time = self->line, *stream = strchr(time, ' ');
    char *mark = stream ? strchr(stream + 1, ' ') : NULL;
    char *text = mark ? strchr(mark + 1, ' ') : NULL;
    int64_t when = 0;
    if (!text)
        return false;
    kst_auto_free char *stamp = kst_strndup(time, (size_t)(stream - time));
    if (self->wish.since_us && kst_time_parse_us(stamp, &when) && when < self->wish.since_us)
        return false;
    if (self->wish.timestamps && !self->partial)
        kst_buf_addf(out, "%s ", stamp);
    self->partial = mark[1] == 'P';
    size_t end = len - (self->line[len - 1] == '\n');
    kst_buf_add(out, text + 1, end - (size_t)(text + 1 - self->line));
    if (!self->partial)
        kst_buf_addc(out, '\n');
    return true;
}

/* What is in the file now, from where it was read to. */
static void read_on(struct reader *self, struct kst_buf *out)
{
    for (;;) {
        long before = ftell(self->file);
        ssize_t len = getline(&self->line, &self->size, self->file);
        if (len <= 0 || self->line[len - 1] != '\n') {
            clearerr(self->file);
            fseek(self->file, before, SEEK_SET); /* half a line: later */
            return;
        }
        text_of(self, (size_t)len, out);
    }
}

static void keep_tail(struct kst_buf *text, long long lines)
{
    size_t at = text->len;
    if (lines < 0)
        return;
    while (at > 0 && lines > 0) {
        at--;
        while (at > 0 && text->data[at - 1] != '\n')
            at--;
        lines--;
    }
    kst_buf_drop(text, at);
}

static void follow(struct reader *self, struct kst_pod_container *container, int restarts)
{
    for (;;) {
        kst_auto_buf more = KST_BUF_INIT(LOG_BYTES);
        bool ended = !container->process || container->restarts != restarts ||
                     container->state.now == KST_STATE_ENDED;
        read_on(self, &more);
        if (more.len && kst_httpd_stream_write(self->request, more.data, more.len, NULL) < 0)
            return;
        if (ended || kst_httpd_is_gone(self->request) ||
            kst_sleep_ms(FOLLOW_MS, NULL) == KST_E_CANCELLED)
            return;
    }
}

static void serve(struct reader *self, struct kst_pod_container *container, int restarts)
{
    kst_auto_buf text = KST_BUF_INIT(LOG_BYTES);
    read_on(self, &text);
    keep_tail(&text, self->wish.tail);
    if (self->wish.limit >= 0)
        kst_buf_truncate(&text, (size_t)self->wish.limit);
    if (!self->wish.follow) {
        kst_httpd_reply(self->request, 200, "text/plain", text.data, text.len);
        return;
    }
    kst_httpd_stream_begin(self->request, 200, "text/plain");
    container->users++;
    if (text.len == 0 || kst_httpd_stream_write(self->request, text.data, text.len, NULL) == 0)
        follow(self, container, restarts);
    if (--container->users == 0)
        kst_cond_signal(&container->unused);
    kst_httpd_stream_end(self->request);
}

static void refuse(struct kst_httpd_request *request, struct kst_json *status)
{
    kst_auto_free char *text = kst_json_text(status);
    kst_httpd_reply(request, kst_status_code(status), "application/json", text, strlen(text));
    kst_json_free(status);
}

static long long number(const struct kst_httpd_request *request, const char *name)
{
    long long value = -1;
    const char *text = kst_httpd_query(request, name);
    return text && kst_parse_int(text, &value) && value >= 0 ? value : -1;
}

static bool flag(const struct kst_httpd_request *request, const char *name)
{
    const char *value = kst_httpd_query(request, name);
    return value && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

static char *names_of(const struct kst_pod *pod)
{
    char *text = kst_strdup("");
    for (size_t i = 0; i < pod->ncontainers; i++) {
        char *longer = kst_asprintf("%s%s%s", text, *text ? " " : "", pod->containers[i].name);
        free(text);
        text = longer;
    }
    return text;
}

static struct kst_pod_container *choose(struct kst_pod *pod, struct kst_httpd_request *request,
                                        struct kst_json **status)
{
    const char *name = kst_httpd_query(request, "container");
    struct kst_pod_container *found = NULL;
    size_t count = 0;
    if (name && *name) {
        found = kst_pod_container_find(pod, name);
        if (!found)
            *status = kst_status_bad_request("container %s is not valid for pod %s", name,
                                             pod->name);
        return found;
    }
    for (size_t i = 0; i < pod->ncontainers; i++)
        if (!pod->containers[i].init && count++ == 0)
            found = &pod->containers[i];
    if (count > 1) {
        kst_auto_free char *names = names_of(pod);
        *status = kst_status_bad_request(
            "a container name must be specified for pod %s, choose one of: [%s]", pod->name, names);
        return NULL;
    }
    return found;
}

void kst_node_log(void *arg, struct kst_httpd_request *request, const struct kst_object *object)
{
    struct kst_pod *pod = kst_pod_find(arg, object->ns, object->name);
    struct kst_json *status = NULL;
    struct kst_pod_container *container = pod ? choose(pod, request, &status) : NULL;
    bool previous = flag(request, "previous");
    if (!status && !container)
        status = kst_status_failure(404, "NotFound", "the Pod is not on its node any more");
    if (!status && previous && container->restarts == 0)
        status = kst_status_bad_request(
            "previous terminated container \"%s\" in pod \"%s\" not found", container->name,
            object->name);
    if (!status && container->state.now == KST_STATE_WAITING && container->restarts == 0)
        status = kst_status_bad_request("container \"%s\" in pod \"%s\" is waiting to start: %s",
                                        container->name, object->name,
                                        container->state.reason ? container->state.reason : "");
    if (status) {
        refuse(request, status);
        return;
    }
    int restarts = container->restarts - previous;
    long long since = number(request, "sinceSeconds");
    kst_auto_free char *path = kst_pod_log_path(container, restarts);
    struct reader reader = {
        .request = request,
        .wish = {.follow = flag(request, "follow"),
                 .timestamps = flag(request, "timestamps"),
                 .tail = number(request, "tailLines"),
                 .limit = number(request, "limitBytes"),
                 .since_us = since >= 0 ? kst_wall_us() - kst_api_ms(since) * 1000 : 0},
        .file = fopen(path, "re"),
    };
    if (reader.file)
        serve(&reader, container, restarts);
    else
        kst_httpd_reply(request, 200, "text/plain", "", 0);
    if (reader.file)
        fclose(reader.file);
    free(reader.line);
}
