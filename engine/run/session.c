/* SPDX-License-Identifier: Apache-2.0 */
#include "run/session.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/exec.h"
#include "loop/fiber.h"
#include "lua/host.h"
#include "run/native_args.h"
#include "run/run.h"

enum {
    MAX_SESSIONS = 64,
    READ_BYTES = 256 * 1024,
    TAIL_BYTES = 600, /* of stderr, for messages */
    SEND_TIMEOUT_MS = 30 * 1000,
};

struct session {
    const struct kst_run *run;
    struct session *next;
    int64_t id;
    char *pod;
    struct kst_exec *exec; /* NULL once it is closed */
    struct kst_buf errors; /* the end of its stderr */
};

struct kst_sessions {
    struct kst_run *run;
    struct session *first;
    int64_t last_id;
};

struct kst_sessions *kst_sessions_new(struct kst_run *run)
{
    struct kst_sessions *self = kst_calloc(1, sizeof(*self));
    self->run = run;
    return self;
}

static void close_session(struct session *session)
{
    kst_exec_close(session->exec);
    session->exec = NULL;
}

void kst_sessions_close_all(struct kst_sessions *self)
{
    if (!self)
        return;
    for (struct session *at = self->first; at; at = at->next)
        close_session(at);
}

size_t kst_sessions_count(const struct kst_sessions *self)
{
    size_t count = 0;
    for (const struct session *at = self->first; at; at = at->next)
        count += at->exec != NULL;
    return count;
}

void kst_sessions_free(struct kst_sessions *self)
{
    if (!self)
        return;
    kst_sessions_close_all(self);
    while (self->first) {
        struct session *gone = self->first;
        self->first = gone->next;
        kst_buf_release(&gone->errors);
        free(gone->pod);
        free(gone);
    }
    free(self);
}

/* The open session of args.id, or an error that says that it is gone. */
static int find(struct kst_run *run, const struct kst_json *args, struct session **out,
                struct kst_err **err)
{
    int64_t id = kst_json_path_int(args, "id", -1);
    for (struct session *at = run->sessions->first; at; at = at->next) {
        if (at->id != id)
            continue;
        if (!at->exec)
            break;
        *out = at;
        return 0;
    }
    kst_err_set(err, KST_E_CLOSED, "the session was closed before");
    kst_err_reason(err, "SessionClosed");
    return KST_E_CLOSED;
}

static void tell(const struct session *session, const char *what, const char *data, size_t len)
{
    const struct kst_run *run = session->run;
    if (!run->observer.note)
        return;
    kst_auto_json struct kst_json *detail = kst_json_make("{'pod':%s,'session':%L}", session->pod,
                                                          session->id);
    if (data)
        kst_json_set(detail, "data", kst_json_from_strn(data, len));
    kst_run_note(run, KST_NOTE_COMMAND, what, detail);
}

/* The end of a session that nobody asked for: says what its client said last. */
static int ended(struct session *session, struct kst_err **err)
{
    struct kst_str said = kst_str_trim(kst_str_buf(&session->errors));
    int exit_code = 0;
    kst_auto_err struct kst_err *cause = NULL;
    int rc = kst_exec_status(session->exec, &exit_code, &cause);
    kst_auto_free char *how = rc == 0
                                  ? kst_asprintf("its client ended with exit code %d", exit_code)
                                  : kst_strdup(kst_err_message(cause));
    kst_err_set(err, KST_E_CLOSED, "the session in Pod %s ended: %s%s%.*s", session->pod,
                *how ? how : "the connection broke", said.len ? ": " : "", (int)said.len,
                said.data);
    kst_err_reason(err, "SessionClosed");
    close_session(session);
    return KST_E_CLOSED;
}

static int native_open(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    struct kst_run *run = ctx;
    const char *ns = NULL, *pod = NULL;
    kst_auto_free const char **argv = NULL;
    int rc = kst_native_namespace(run, args, &ns, err);
    if (rc == 0)
        rc = kst_native_str(args, "session", "pod", &pod, err);
    if (rc == 0)
        rc = kst_native_argv(args, "session", "command", &argv, err);
    if (rc < 0)
        return rc;
    if (kst_sessions_count(run->sessions) >= MAX_SESSIONS)
        return kst_err_set(err, KST_E_LIMIT, "run:session: %d sessions are open already",
                           MAX_SESSIONS);
    const struct kst_exec_request request = {
        .ns = ns,
        .pod = pod,
        .container = kst_json_path_str(args, "container"),
        .command = argv,
        .stdin_ = true,
    };
    struct kst_exec *exec = NULL;
    rc = kst_run_check_owner(run, err);
    if (rc < 0)
        return rc;
    rc = kst_exec_open(run->kube, &request, &exec, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "open a session in Pod/%s/%s", ns, pod);
    struct session *session = kst_calloc(1, sizeof(*session));
    session->id = ++run->sessions->last_id;
    session->pod = kst_strdup(pod);
    session->exec = exec;
    kst_buf_init(&session->errors, TAIL_BYTES);
    session->run = run;
    session->next = run->sessions->first;
    run->sessions->first = session;
    kst_auto_json struct kst_json *detail = kst_json_make(
        "{'pod':%s,'session':%L,'command':%J}", pod, session->id, kst_json_get(args, "command"));
    kst_run_note(run, KST_NOTE_COMMAND, "open", detail);
    *result = kst_json_make("{'id':%L}", session->id);
    return 0;
}

static int native_send(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    struct session *session = NULL;
    int rc = find(ctx, args, &session, err);
    if (rc < 0)
        return rc;
    const char *data = kst_json_path_str(args, "data");
    tell(session, "send", data ? data : "", data ? strlen(data) : 0);
    rc = kst_exec_write(session->exec, data ? data : "", data ? strlen(data) : 0,
                        kst_deadline_in_ms(SEND_TIMEOUT_MS), err);
    return rc == KST_E_CLOSED ? (kst_err_clear(err), ended(session, err)) : rc;
}

/* Keeps the end of what the client says on stderr. */
static void keep_errors(struct session *session, const struct kst_buf *said)
{
    size_t len = said->len > TAIL_BYTES ? TAIL_BYTES : said->len;
    if (session->errors.len + len > TAIL_BYTES)
        kst_buf_drop(&session->errors, session->errors.len + len - TAIL_BYTES);
    kst_buf_add(&session->errors, said->data + said->len - len, len);
}

static int timed_out(const struct session *session, const struct kst_json *args,
                     struct kst_err **err)
{
    const char *what = kst_json_path_str(args, "what");
    struct kst_str said = kst_str_trim(kst_str_buf(&session->errors));
    kst_auto_free char *heard = said.len ? kst_asprintf("; it said: %.*s", (int)said.len, said.data)
                                         : kst_strdup("");
    kst_err_clear(err);
    return kst_err_set(err, KST_E_TIMEOUT,
                       "the session in Pod %s was expected to print %s in time%s", session->pod,
                       what ? what : "something", heard);
}

static int native_read(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    struct session *session = NULL;
    int64_t timeout_ms = 0;
    int rc = find(ctx, args, &session, err);
    if (rc == 0)
        rc = kst_native_duration(args, "session", "timeout", 0, &timeout_ms, err);
    if (rc < 0)
        return rc;
    int64_t deadline_ms = timeout_ms > 0 ? kst_deadline_in_ms(timeout_ms) : KST_NEVER;
    for (;;) {
        kst_auto_buf data = KST_BUF_INIT(READ_BYTES);
        enum kst_exec_stream stream = KST_EXEC_STDOUT;
        struct kst_err *error = NULL;
        int64_t got = kst_exec_read(session->exec, &data, &stream, deadline_ms, &error);
        if (got == 0 || got == KST_E_CLOSED) {
            kst_err_clear(&error);
            return ended(session, err);
        }
        if (got < 0) {
            rc = kst_err_move(err, &error);
            return rc == KST_E_TIMEOUT ? timed_out(session, args, err) : rc;
        }
        if (stream == KST_EXEC_STDERR) {
            keep_errors(session, &data);
            continue;
        }
        tell(session, "read", data.data, data.len);
        *result = kst_json_object();
        kst_json_set(*result, "data", kst_json_from_strn(data.data, data.len));
        return 0;
    }
}

static int native_close(void *ctx, const struct kst_json *args, struct kst_json **result,
                        struct kst_err **err)
{
    struct session *session = NULL;
    if (find(ctx, args, &session, NULL) == 0) {
        tell(session, "close", NULL, 0);
        close_session(session);
    }
    return 0;
}

const struct kst_lua_native kst_session_natives[] = {
    {"session_open", native_open},
    {"session_send", native_send},
    {"session_read", native_read},
    {"session_close", native_close},
    {NULL, NULL},
};
