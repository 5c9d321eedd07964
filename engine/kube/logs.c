/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs of Pods. Following one survives a connection that breaks: lines are asked for with their
 * time stamps, and what was delivered before is left out of what a new connection repeats.
 */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/resource.h"
#include "loop/fiber.h"

enum {
    PATH_BYTES = 16 * 1024,
    LINE_BYTES = 1024 * 1024,
    READ_BYTES = 64 * 1024,
    ERROR_BYTES = 64 * 1024,
    STAMP_BYTES = 64,
    STEADY_US = 1000 * 1000,
};

static int make_path(const char *ns, const char *pod, const char *container, struct kst_buf *path,
                     struct kst_err **err)
{
    if (!*pod || strchr(pod, '/') || strchr(ns, '/'))
        return kst_err_set(err, KST_E_INVALID, "Pod/%s: expected a name, found none", ns);
    kst_kube_path(&kst_res_pods, ns, pod, "log", path);
    kst_kube_add_query(path, "container", container);
    return kst_buf_check(path, "the request's path", err);
}

int kst_kube_logs(struct kst_kube *self, const char *ns, const char *pod, const char *container,
                  bool previous, int64_t tail_lines, struct kst_buf *out, struct kst_err **err)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_auto_free char *what = kst_kube_what(&kst_res_pods, ns, pod);
    int rc = make_path(ns, pod, container, &path, err);
    if (rc < 0)
        return rc;
    if (previous)
        kst_kube_add_query(&path, "previous", "true");
    if (tail_lines >= 0) {
        kst_auto_free char *lines = kst_asprintf("%lld", (long long)tail_lines);
        kst_kube_add_query(&path, "tailLines", lines);
    }
    struct kst_kube_request request = {
        .method = "GET",
        .path = path.data,
        .accept = "text/plain, application/json",
        .idempotent = true,
        .what = what,
        .verb = "get",
    };
    return kst_kube_do_text(self, &request, out, err);
}

/* ---- Following ---- */

/* A moment to the nanosecond, as log lines begin with. */
struct stamp {
    int64_t seconds;
    long nanos;
};

struct follow {
    struct kst_kube *kube;
    const char *ns, *pod, *container, *what;
    int (*each)(void *arg, const char *line, size_t len, struct kst_err **err);
    void *arg;
    struct kst_buf data;
    bool in_long_line; /* the rest of a line whose beginning was delivered already */
    struct stamp last; /* of the last line delivered */
    unsigned at_last;  /* how many lines with that stamp were */
    unsigned seen;     /* how many of these this connection has repeated */
    bool any;
    bool refused; /* by `each`: the following ends with that */
    bool renewed; /* credentials, since the last good answer */
    uint64_t rejected_generation;
    struct kst_kube_backoff backoff;
    int64_t give_up_ms; /* of what fails now; moves on with each line */
};

static bool parse_stamp(const char *text, size_t len, struct stamp *out)
{
    char copy[STAMP_BYTES];
    int64_t us;
    if (len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (!kst_time_parse_us(copy, &us))
        return false;
    out->seconds = us / 1000000;
    out->nanos = 0;
    const char *digit = strchr(copy, '.');
    long scale = 100000000;
    for (digit = digit ? digit + 1 : ""; *digit >= '0' && *digit <= '9'; digit++, scale /= 10)
        out->nanos += (*digit - '0') * scale;
    return true;
}

static int compare(const struct stamp *a, const struct stamp *b)
{
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? -1 : 1;
    return a->nanos < b->nanos ? -1 : a->nanos > b->nanos;
}

/* Whether an earlier connection delivered this line; counts it. */
static bool is_repeated(struct follow *f, const struct stamp *stamp)
{
    int order = f->any ? compare(stamp, &f->last) : 1;
    if (order < 0)
        return true;
    if (order == 0)
        return ++f->seen <= f->at_last;
    return false;
}

static int give(struct follow *f, const char *line, size_t len, struct kst_err **err)
{
    int rc = f->each(f->arg, line, len, err);
    f->refused = rc < 0;
    return rc;
}

static int deliver(struct follow *f, const char *line, size_t len, struct kst_err **err)
{
    struct stamp stamp;
    const char *space = memchr(line, ' ', len < STAMP_BYTES ? len : STAMP_BYTES);
    size_t stamp_len = space ? (size_t)(space - line) : len;
    if (f->in_long_line || !parse_stamp(line, stamp_len, &stamp))
        return give(f, line, len, err);
    if (is_repeated(f, &stamp))
        return 0;
    if (f->any && compare(&stamp, &f->last) == 0) {
        f->at_last++;
    } else {
        f->last = stamp;
        f->at_last = f->seen = 1;
    }
    f->any = true;
    f->give_up_ms = kst_kube_give_up_ms(f->kube);
    kst_kube_backoff_reset(&f->backoff);
    size_t skip = space ? stamp_len + 1 : len;
    return give(f, line + skip, len - skip, err);
}

/* Delivers the lines that are complete; at the end (`all`) the last one too. */
static int take_lines(struct follow *f, bool all, struct kst_err **err)
{
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && at < f->data.len) {
        const char *line = f->data.data + at;
        const char *end = memchr(line, '\n', f->data.len - at);
        size_t left = f->data.len - at;
        bool cut = !end && left >= LINE_BYTES / 2;
        if (!end && !all && !cut)
            break;
        size_t len = end ? (size_t)(end - line) : left;
        rc = deliver(f, line, len, err);
        f->in_long_line = cut;
        at += end ? len + 1 : len;
    }
    kst_buf_drop(&f->data, at);
    return rc;
}

/* The body of an answer that is an error. */
static int read_error(struct follow *f, struct kst_http_stream *stream, long code,
                      const struct kst_kube_about *about, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(ERROR_BYTES);
    kst_auto_json struct kst_json *status = NULL;
    while (text.len < ERROR_BYTES &&
           kst_http_read(stream, &text, ERROR_BYTES, f->give_up_ms, NULL) > 0)
        continue;
    if (text.len && text.data[0] == '{')
        kst_json_parse(text.data, text.len, &status, NULL);
    return kst_kube_status_error(f->kube, about, code, status, kst_str_buf(&text), err);
}

static int read_lines(struct follow *f, struct kst_http_stream *stream, struct kst_err **err)
{
    kst_buf_clear(&f->data);
    f->in_long_line = false;
    f->seen = 0;
    for (;;) {
        int64_t count = kst_http_read(stream, &f->data, READ_BYTES, KST_NEVER, err);
        if (count < 0)
            return (int)count;
        int rc = take_lines(f, count == 0, err);
        if (rc < 0 || count == 0)
            return rc;
    }
}

/* What became of one connection. */
enum ending { ENDED, BROKEN, FAILED };

static bool is_broken(int code)
{
    return code == KST_E_CLOSED || code == KST_E_UNREACHABLE || code == KST_E_TIMEOUT;
}

static int follow_path(struct follow *f, struct kst_buf *path, struct kst_err **err)
{
    int rc = make_path(f->ns, f->pod, f->container, path, err);
    kst_kube_add_query(path, "follow", "true");
    kst_kube_add_query(path, "timestamps", "true");
    if (f->any) {
        char since[KST_TIME_TEXT];
        kst_time_format(f->last.seconds * 1000, since);
        kst_kube_add_query(path, "sinceTime", since);
    }
    return rc;
}

static enum ending end_of_stream(struct follow *f, int code, const struct kst_kube_about *about,
                                 struct kst_err **err)
{
    if (code == 0)
        return ENDED;
    if (f->refused || !is_broken(code) || kst_fiber_check(NULL) < 0)
        return FAILED;
    kst_kube_transport_error(f->kube, about, true, err);
    return BROKEN;
}

static enum ending follow_once(struct follow *f, int64_t *retry_after_ms, struct kst_err **err)
{
    static const char *const headers[] = {"Accept: text/plain, application/json", NULL};
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_auto_call call = {0};
    int rc = follow_path(f, &path, err);
    struct kst_kube_about about = {.what = f->what, .verb = "get", .path = path.data};
    uint64_t rejected = f->rejected_generation;
    f->rejected_generation = 0;
    if (rc == 0)
        rc = rejected ? kst_kube_call_init_rejected(f->kube, &call, "GET", path.data, headers,
                                                    rejected, err)
                      : kst_kube_call_init(f->kube, &call, "GET", path.data, headers, err);
    if (rc < 0)
        return FAILED;
    struct kst_http_response response = {.retry_after_ms = -1};
    struct kst_http_stream *stream = NULL;
    kst_kube_call_trace(f->kube, "GET", path.data, 0, 0);
    int64_t started = kst_now_us();
    rc = kst_http_open(f->kube->loop, &call.request, &response, &stream, err);
    kst_kube_call_trace(f->kube, "GET", path.data, response.status, kst_now_us() - started);
    *retry_after_ms = response.retry_after_ms;
    enum ending ending;
    if (rc < 0) {
        ending = end_of_stream(f, rc, &about, err);
    } else if (response.status == 200) {
        f->renewed = false;
        ending = end_of_stream(f, read_lines(f, stream, err), &about, err);
        /* It worked for a while: what fails from here on is a new failure. */
        if (kst_now_us() - started > STEADY_US) {
            f->give_up_ms = kst_kube_give_up_ms(f->kube);
            kst_kube_backoff_reset(&f->backoff);
        }
    } else {
        read_error(f, stream, response.status, &about, err);
        ending = kst_kube_status_is_passing(response.status) ? BROKEN : FAILED;
        if (response.status == 401 && !f->renewed) {
            f->renewed = true;
            f->rejected_generation = call.generation;
            ending = BROKEN;
        }
    }
    kst_http_close(stream);
    kst_http_response_release(&response);
    return ending;
}

/* An API server that goes down ends its answers as if the log had ended: only the Pod itself tells
 * whether its container runs on. */
static int still_runs(struct follow *f, bool *runs, struct kst_err **err)
{
    kst_auto_json struct kst_json *pod = NULL;
    struct kst_err *cause = NULL;
    int rc = kst_kube_get(f->kube, &kst_res_pods, f->ns, f->pod, &pod, &cause);
    *runs = false;
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(&cause);
        return 0;
    }
    if (rc < 0)
        return kst_err_move(err, &cause);
    const struct kst_json *all = kst_json_path(pod, "status.containerStatuses");
    for (const struct kst_json *c = kst_json_first(all); c; c = kst_json_next(c)) {
        const char *name = kst_json_path_str(c, "name");
        if (!f->container || (name && strcmp(name, f->container) == 0)) {
            *runs = kst_json_path(c, "state.running") != NULL;
            break;
        }
    }
    return 0;
}

static int pause_follow(struct follow *f, int64_t retry_after_ms, struct kst_err **cause)
{
    int64_t pause = kst_kube_backoff_next_ms(&f->backoff, retry_after_ms);
    if (kst_deadline_in_ms(pause) >= f->give_up_ms && f->give_up_ms != kst_deadline_get())
        return kst_err_code(*cause);
    struct kst_err *end = NULL;
    int rc = kst_sleep_ms(pause, &end);
    kst_err_clear(cause);
    *cause = end;
    return rc;
}

static int run_follow(struct follow *f, struct kst_err **err)
{
    for (;;) {
        struct kst_err *cause = NULL;
        int64_t retry_after_ms = -1;
        bool runs = true;
        int rc = 0;
        enum ending ending = follow_once(f, &retry_after_ms, &cause);
        if (ending == FAILED)
            return kst_err_move(err, &cause);
        if (ending == ENDED) {
            rc = still_runs(f, &runs, err);
            if (rc < 0 || !runs)
                return rc;
            kst_err_set(&cause, KST_E_CLOSED, "%s: its log ended while it runs on", f->what);
        }
        if (pause_follow(f, retry_after_ms, &cause) < 0)
            return kst_err_move(err, &cause);
    }
}

int kst_kube_logs_follow(struct kst_kube *self, const char *ns, const char *pod,
                         const char *container,
                         int (*each)(void *arg, const char *line, size_t len, struct kst_err **err),
                         void *arg, struct kst_err **err)
{
    kst_auto_free char *what = kst_kube_what(&kst_res_pods, ns, pod);
    struct follow follow = {
        .kube = self,
        .ns = ns,
        .pod = pod,
        .container = container,
        .what = what,
        .each = each,
        .arg = arg,
        .data = KST_BUF_INIT(LINE_BYTES),
        .give_up_ms = kst_kube_give_up_ms(self),
    };
    self->under_way++;
    int rc = run_follow(&follow, err);
    self->under_way--;
    kst_buf_release(&follow.data);
    return rc;
}
