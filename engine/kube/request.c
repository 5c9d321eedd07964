/* SPDX-License-Identifier: Apache-2.0 */
/* A request tried, and tried again where that is safe (client.h tells when). */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "loop/fiber.h"

enum {
    TRY_MS = 30 * 1000,
    SHORT_TRY_MS = 2000,
    FAIR_TRY_MS = 5000,
    ANSWER_BYTES = 64 * 1024 * 1024,
    HEADER_BYTES = 4096
};

/* One request over all of its tries. */
struct exchange {
    struct kst_kube *kube;
    const struct kst_kube_request *request;
    struct kst_kube_about about;
    const char *headers[3];
    struct kst_buf body;
    struct kst_buf *answer;
    int64_t give_up_ms;
    struct kst_kube_backoff backoff;
    bool renewed; /* the credentials, after a 401 */
    uint64_t rejected_generation;
    struct kst_kube_outcome outcome;
};

/* What the last try asks for. */
enum next { DONE, FAIL, AGAIN_NOW, AGAIN_LATER };

static bool is_read(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static int parse_status(const struct kst_buf *text, struct kst_json **out)
{
    if (text->len == 0 || text->data[0] != '{')
        return KST_E_PARSE;
    return kst_json_parse(text->data, text->len, out, NULL);
}

/* Turns an answer of 300 and more into *cause, and says what comes next. */
static enum next judge_answer(struct exchange *x, const struct kst_http_response *response,
                              uint64_t generation, struct kst_err **cause)
{
    kst_auto_json struct kst_json *status = NULL;
    long code = response->status;
    parse_status(x->answer, &status);
    kst_kube_status_error(x->kube, &x->about, code, status, kst_str_buf(x->answer), cause);
    /* Refused before it was looked at: whatever the verb, it was not executed. */
    if (code == 401 && !x->renewed) {
        x->renewed = true;
        x->rejected_generation = generation;
        return AGAIN_NOW;
    }
    if (code == 429)
        return AGAIN_LATER;
    if (!kst_kube_status_is_passing(code))
        return FAIL;
    if (!is_read(x->request->method))
        x->outcome.lost = true;
    return x->request->idempotent ? AGAIN_LATER : FAIL;
}

static enum next judge_failure(struct exchange *x, const struct kst_http_response *response,
                               int code, struct kst_err **cause)
{
    if (response->sent && !is_read(x->request->method))
        x->outcome.lost = true;
    if (code == KST_E_LIMIT) {
        kst_err_wrap(cause, code, "%s", x->about.what ? x->about.what : x->request->path);
        return FAIL;
    }
    if (code != KST_E_UNREACHABLE && code != KST_E_CLOSED && code != KST_E_TIMEOUT)
        return FAIL;
    if (code == KST_E_TIMEOUT && kst_fiber_check(NULL) < 0) {
        kst_err_wrap(cause, code, "%s", x->about.what ? x->about.what : x->request->path);
        return FAIL;
    }
    kst_kube_transport_error(x->kube, &x->about, response->sent, cause);
    /* Endless patience outlasts a wrong certificate too: somebody may mend it. */
    if (kst_kube_error_is_lasting(*cause) && x->kube->patience_ms != KST_NEVER)
        return FAIL;
    return !response->sent || x->request->idempotent ? AGAIN_LATER : FAIL;
}

static int make_call(struct exchange *x, struct kst_kube_call *call, bool *same,
                     struct kst_err **err)
{
    const struct kst_kube_request *r = x->request;
    if (x->rejected_generation == 0)
        return kst_kube_call_init(x->kube, call, r->method, r->path, x->headers, err);
    uint64_t rejected = x->rejected_generation;
    x->rejected_generation = 0;
    int rc = kst_kube_call_init_rejected(x->kube, call, r->method, r->path, x->headers, rejected,
                                         err);
    *same = rc == 0 && call->generation == rejected;
    return rc;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Half of the time until then, but not less than `least_ms`. */
static int64_t half_way(int64_t then_ms, int64_t least_ms)
{
    int64_t half_ms = then_ms == KST_NEVER ? TRY_MS : (then_ms - kst_now_ms()) / 2;
    return kst_deadline_in_ms(half_ms > least_ms ? half_ms : least_ms);
}

/* When a try is over. One that is never answered leaves time to the next: neither a freeze nor an
 * operation is lost by one request. */
static int64_t end_of_try(const struct exchange *x)
{
    const struct kst_kube_request *r = x->request;
    int64_t end_ms = kst_deadline_in_ms(r->timeout_ms ? r->timeout_ms : TRY_MS);
    end_ms = sooner(end_ms, half_way(kst_deadline_get(), SHORT_TRY_MS));
    end_ms = sooner(end_ms, half_way(x->give_up_ms, FAIR_TRY_MS));
    return sooner(end_ms, x->give_up_ms);
}

/* One try. On DONE *cause is NULL; else it says why not. */
static enum next try_once(struct exchange *x, int64_t *retry_after_ms, struct kst_err **cause)
{
    const struct kst_kube_request *r = x->request;
    kst_auto_call call = {0};
    struct kst_err *fresh = NULL;
    bool same = false;
    int rc = is_read(r->method) ? 0 : kst_kube_check_guard(x->kube, &fresh);
    if (rc == 0)
        rc = make_call(x, &call, &same, &fresh);
    if (rc == 0 && same && *cause)
        return FAIL; /* the 401 stands: there are no other credentials */
    kst_err_clear(cause);
    if (rc < 0) {
        *cause = fresh;
        return FAIL;
    }
    call.request.body = x->body.len ? x->body.data : NULL;
    call.request.body_len = x->body.len;
    call.request.deadline_ms = end_of_try(x);
    struct kst_http_response response = {.retry_after_ms = -1};
    kst_buf_clear(x->answer);
    kst_kube_call_trace(x->kube, r->method, r->path, 0, 0);
    int64_t started = kst_now_us();
    rc = kst_http_do(x->kube->loop, &call.request, &response, x->answer, cause);
    kst_kube_call_trace(x->kube, r->method, r->path, response.status, kst_now_us() - started);
    enum next next = DONE;
    if (rc < 0)
        next = judge_failure(x, &response, rc, cause);
    else if (response.status < 200 || response.status > 299)
        next = judge_answer(x, &response, call.generation, cause);
    *retry_after_ms = response.retry_after_ms;
    kst_http_response_release(&response);
    return next;
}

/* Whether there is time for a pause and another try; sleeps. On false *cause is the result: where
 * the fiber's own deadline or cancellation ended it, that, else what the last try said. */
static bool may_try_again(struct exchange *x, int64_t retry_after_ms, struct kst_err **cause)
{
    int64_t pause = kst_kube_backoff_next_ms(&x->backoff, retry_after_ms);
    int64_t deadline = kst_deadline_get();
    int64_t at = kst_deadline_in_ms(pause);
    struct kst_err *end = NULL;
    kst_log(KST_LOG_DEBUG, "request failed, trying again", "path", x->request->path, "reason",
            kst_err_message(*cause), NULL);
    if (at >= x->give_up_ms && x->give_up_ms != deadline)
        return false;
    /* With a deadline sooner than the pause, the wait ends at it: its error says what was tried. */
    int rc = kst_sleep_ms(pause, &end);
    if (rc == 0)
        return true;
    if (rc == KST_E_TIMEOUT) {
        kst_auto_free char *last = kst_strdup(kst_err_message(*cause));
        kst_auto_free char *hint = kst_strdup(kst_err_get_hint(*cause));
        kst_err_clear(cause);
        kst_err_set(cause, KST_E_TIMEOUT, "the deadline passed; the last try said: %s", last);
        if (hint)
            kst_err_hint(cause, "%s", hint);
        kst_err_clear(&end);
    } else {
        kst_err_clear(cause);
        *cause = end;
    }
    return false;
}

static int run_exchange(struct exchange *x, struct kst_err **err)
{
    struct kst_err *cause = NULL;
    for (;;) {
        int64_t retry_after_ms = -1;
        struct kst_err *end = NULL;
        if (kst_fiber_check(&end) < 0) {
            kst_err_clear(&cause);
            return kst_err_move(err, &end);
        }
        enum next next = try_once(x, &retry_after_ms, &cause);
        if (next == DONE)
            return 0;
        if (next == AGAIN_NOW)
            continue;
        if (next == AGAIN_LATER && may_try_again(x, retry_after_ms, &cause))
            continue;
        return kst_err_move(err, &cause);
    }
}

int kst_kube_exchange(struct kst_kube *self, const struct kst_kube_request *request,
                      struct kst_buf *out, struct kst_kube_outcome *outcome, struct kst_err **err)
{
    assert(request->method && request->path && request->path[0] == '/');
    kst_auto_free char *accept = kst_asprintf("Accept: %s", request->accept ? request->accept
                                                                            : "application/json");
    kst_auto_free char *content_type = kst_asprintf(
        "Content-Type: %s", request->content_type ? request->content_type : "application/json");
    struct exchange x = {
        .kube = self,
        .request = request,
        .about = {.what = request->what, .verb = request->verb, .path = request->path},
        .headers = {accept, request->body ? content_type : NULL},
        .body = KST_BUF_INIT(ANSWER_BYTES),
        .answer = out,
        .give_up_ms = kst_kube_give_up_ms(self),
    };
    int rc = request->body ? kst_json_print(request->body, KST_JSON_COMPACT, &x.body) : 0;
    self->under_way++;
    if (rc < 0)
        rc = kst_buf_check(&x.body, "the request's body", err);
    else
        rc = run_exchange(&x, err);
    self->under_way--;
    /* It may be a Secret's. */
    if (x.body.len)
        explicit_bzero(x.body.data, x.body.len);
    kst_buf_release(&x.body);
    x.outcome.body_bytes = (int64_t)out->len;
    if (outcome)
        *outcome = x.outcome;
    return rc;
}

int kst_kube_exchange_json(struct kst_kube *self, const struct kst_kube_request *request,
                           struct kst_json **out, struct kst_kube_outcome *outcome,
                           struct kst_err **err)
{
    kst_auto_buf answer = KST_BUF_INIT(request->max_bytes ? request->max_bytes
                                                          : (size_t)ANSWER_BYTES);
    int rc = kst_kube_exchange(self, request, &answer, outcome, err);
    if (rc < 0 || !out)
        return rc;
    struct kst_json *value = NULL;
    if (kst_str_trim(kst_str_buf(&answer)).len > 0) {
        struct kst_err *cause = NULL;
        if (kst_json_parse(answer.data, answer.len, &value, &cause) < 0) {
            rc = kst_err_set(err, KST_E_PROTOCOL,
                             "%s: expected JSON from the API server, found something else: %s",
                             request->what ? request->what : request->path, kst_err_message(cause));
            kst_err_free(cause);
            return rc;
        }
    }
    *out = value;
    return 0;
}

int kst_kube_do(struct kst_kube *self, const struct kst_kube_request *request,
                struct kst_json **out, struct kst_err **err)
{
    return kst_kube_exchange_json(self, request, out, NULL, err);
}

int kst_kube_do_text(struct kst_kube *self, const struct kst_kube_request *request,
                     struct kst_buf *out, struct kst_err **err)
{
    return kst_kube_exchange(self, request, out, NULL, err);
}
