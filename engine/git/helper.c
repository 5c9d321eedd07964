/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper process: everything that talks to a Git server happens here, where it can be limited
 * and ended without harm to a run.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sanitizer.h"
#include "git/library.h"
#include "git/session.h"

enum { MIB = 1 << 20, THREAD_STACK = 1 << 20, FILES = 256, DOING_MAX = 1024 };

/* The answer that the alarm gives. It is written ahead, since a signal's handler can write bytes
 * and do little else; two texts, so that one is always whole. */
static char timeout_answers[2][DOING_MAX * 2];
static char *volatile timeout_answer;
static const char *timeout_source = "";
static int64_t timeout_ms;

void kst_git_doing(const char *format, ...)
{
    kst_auto_err struct kst_err *why = NULL;
    kst_auto_buf doing = KST_BUF_INIT(DOING_MAX / 2);
    char limit[KST_TIME_TEXT];
    va_list args;

    if (timeout_ms == 0)
        return;
    va_start(args, format);
    kst_buf_addv(&doing, format, args);
    va_end(args);
    kst_duration_format(timeout_ms, limit);
    kst_err_set(&why, KST_E_TIMEOUT, "Git source %.*s: not done after %s, while %s", DOING_MAX / 2,
                timeout_source, limit, doing.data);
    kst_err_hint(&why, "check that the server answers, or allow more time");
    kst_auto_free char *text = kst_git_answer_print(NULL, why);
    char *next = timeout_answer == timeout_answers[0] ? timeout_answers[1] : timeout_answers[0];
    snprintf(next, sizeof(timeout_answers[0]), "%s", text);
    timeout_answer = next;
}

static void on_alarm(int signal_number)
{
    const char *text = timeout_answer;
    ssize_t written = write(STDOUT_FILENO, text, strlen(text));
    _exit(written > 0 ? 0 : 1);
}

static void start_alarm(const char *shown, int64_t after_ms)
{
    struct itimerval timer = {
        .it_value = {.tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000},
    };
    struct sigaction action = {.sa_handler = on_alarm};
    timeout_source = shown;
    timeout_ms = after_ms;
    kst_git_doing("starting");
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void limit(int resource, int64_t value)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
        return;
    if (now.rlim_max != RLIM_INFINITY && (rlim_t)value > now.rlim_max)
        return; /* it is stricter already */
    struct rlimit wanted = {(rlim_t)value, (rlim_t)value};
    setrlimit((__rlimit_resource_t)resource, &wanted);
}

static void set_limits(const struct kst_git_request *request)
{
    pthread_attr_t attributes;

    umask(077);
    /* No core file: there are secrets in memory. */
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, request->timeout_ms / 1000 + 5);
    limit(RLIMIT_NOFILE, FILES);
    /* A pack may be completed by objects that we have; an index is smaller than its pack or small.
     * Beyond the limit a write fails with EFBIG instead of a signal. */
    limit(RLIMIT_FSIZE, 2 * request->max_bytes + 16 * MIB);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    /* libgit2 starts a thread for each processor when it packs: their stacks and arenas would
     * count as address space. */
    mallopt(M_ARENA_MAX, 1);
    if (pthread_attr_init(&attributes) == 0) {
        pthread_attr_setstacksize(&attributes, THREAD_STACK);
        pthread_setattr_default_np(&attributes);
        pthread_attr_destroy(&attributes);
    }
#if !KST_WITH_ASAN /* which reserves address space */
    limit(RLIMIT_AS, 1024LL * MIB + 6 * request->max_bytes);
#endif
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int read_all(int fd, struct kst_buf *text, struct kst_err **err)
{
    for (;;) {
        char *room = kst_buf_room(text, 65536);
        if (!room)
            return kst_err_set(err, KST_E_LIMIT, "the request to the Git helper is too large");
        ssize_t got = read(fd, room, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kst_err_set(err, KST_E_IO, "cannot read the request to the Git helper: %m");
        if (got == 0)
            return 0;
        kst_buf_wrote(text, (size_t)got);
    }
}

static void write_all(const char *text)
{
    size_t len = strlen(text);
    while (len) {
        ssize_t wrote = write(STDOUT_FILENO, text, len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return;
        text += wrote;
        len -= (size_t)wrote;
    }
}

static int serve(const struct kst_git_request *request, struct kst_git_answer *answer,
                 struct kst_err **err)
{
    struct kst_git_session session;
    kst_auto_free char *shown = kst_source_url_redacted(request->url);

    start_alarm(shown, request->timeout_ms);
    set_limits(request);
    int code = kst_git_init(err);
    if (code < 0)
        return code;
    code = kst_git_session_init(&session, request, err);
    if (code == 0)
        code = kst_git_serve(&session, answer, err);
    kst_git_session_release(&session);
    kst_git_exit();
    /* From here on there is an answer; and the alarm's text refers to what ends here. */
    struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
    return code;
}

static struct kst_err *redacted(const struct kst_err *why)
{
    struct kst_err *safe = NULL;
    kst_auto_free char *message = kst_log_redact(kst_err_message(why));
    kst_err_set(&safe, kst_err_code(why), "%s", message);
    kst_err_reason(&safe, kst_err_get_reason(why));
    if (kst_err_get_hint(why)) {
        kst_auto_free char *hint = kst_log_redact(kst_err_get_hint(why));
        kst_err_hint(&safe, "%s", hint);
    }
    return safe;
}

int kst_source_helper_main(void)
{
    struct kst_buf text = KST_BUF_INIT(KST_GIT_REQUEST_MAX);
    struct kst_git_request request = {0};
    struct kst_git_answer answer = {0};
    kst_auto_err struct kst_err *why = NULL;
    kst_auto_err struct kst_err *safe = NULL;

    /* Whoever started us is gone: nobody wants the answer. */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    int code = read_all(STDIN_FILENO, &text, &why);
    if (code == 0)
        code = kst_git_request_parse(text.data, text.len, &request, &why);
    kst_git_text_release(&text);
    if (code == 0)
        code = serve(&request, &answer, &why);
    if (code < 0)
        safe = redacted(why);
    kst_auto_free char *out = kst_git_answer_print(&answer, safe);
    write_all(out);
    kst_git_answer_release(&answer);
    kst_git_request_release(&request);
    kst_log_forget_secrets();
    return 0;
}
