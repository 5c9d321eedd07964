/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/trace.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"

enum { SHOWN = 100, LONG = 400 }; /* characters of a text */

static void say(const struct kst_trace *self, const char *arrow, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct kst_trace *self, const char *arrow, const char *format, ...)
{
    va_list args;
    printf("%9.1f  %s ", (double)(kst_now_us() - self->started_us) / 1000, arrow);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

/* The text in one line, as far as it is worth a line; the caller frees it. */
static char *in_a_line(const char *text, size_t shown)
{
    kst_auto_buf out = KST_BUF_INIT(64 * 1024);
    size_t count = 0;
    for (const char *at = text; *at && count < shown; at++) {
        unsigned char byte = (unsigned char)*at;
        bool blank = isspace(byte) || byte < 0x20 || byte == 0x7f;
        if (blank && (out.len == 0 || out.data[out.len - 1] == ' '))
            continue;
        kst_buf_addc(&out, blank ? ' ' : *at);
        count += (byte & 0xc0) != 0x80;
    }
    while (out.len && out.data[out.len - 1] == ' ')
        kst_buf_truncate(&out, out.len - 1);
    if (count >= shown)
        kst_buf_adds(&out, "…");
    return kst_buf_take(&out);
}

/* ---- requests ---- */

/* What is asked of what, without how it is picked. Commands are told by the run itself, with what
 * is said in them. */
static void on_request(void *arg, const char *method, const char *path, long status,
                       int64_t took_us)
{
    const struct kst_trace *self = arg;
    if (took_us == 0 || strstr(path, "/exec?"))
        return;
    bool is_watch = strstr(path, "watch=1") != NULL;
    kst_auto_free char *own = kst_strndup(path, strcspn(path, "?"));
    kst_auto_free char *result = status ? kst_asprintf("%ld", status) : kst_strdup("no answer");
    say(self, "->", "%-6s %s  %s  %.1f ms", is_watch ? "WATCH" : method, own, result,
        (double)took_us / 1000);
}

/* ---- commands ---- */

static char *words_of(const struct kst_json *command)
{
    kst_auto_buf out = KST_BUF_INIT(64 * 1024);
    for (const struct kst_json *word = kst_json_first(command); word; word = kst_json_next(word)) {
        const char *text = kst_json_str(word) ? kst_json_str(word) : "";
        bool bare = *text && !strpbrk(text, " \t\n'\"");
        kst_buf_addf(&out, "%s%s%s%s", out.len ? " " : "", bare ? "" : "'", text, bare ? "" : "'");
    }
    return in_a_line(out.data, SHOWN);
}

/* The statement without the line with which session:ask finds the answer's end, which the answer
 * ends with, too. */
static char *without_mark(const char *data)
{
    const char *mark = NULL;
    for (const char *at = data; (at = strstr(at, "kassette-")) != NULL; at++)
        mark = at;
    while (mark && mark > data && mark[-1] != '\n')
        mark--;
    kst_auto_free char *text = kst_strndup(data, mark ? (size_t)(mark - data) : strlen(data));
    return in_a_line(text, SHOWN);
}

static int64_t *sent_at(struct kst_trace *self, int64_t session)
{
    size_t at = (size_t)session % KST_TRACE_SESSIONS;
    if (self->sessions[at].id != session) {
        self->sessions[at].id = session;
        self->sessions[at].sent_us = kst_now_us();
    }
    return &self->sessions[at].sent_us;
}

static void on_end(const struct kst_trace *self, const struct kst_json *detail)
{
    const char *error = kst_json_path_str(detail, "error");
    const char *said = kst_json_path_str(detail, "stdout");
    kst_auto_free char *line = in_a_line(said ? said : "", SHOWN);
    if (error)
        say(self, "<=", "%s: %s", kst_json_path_str(detail, "pod"), error);
    else
        say(self, "<=", "%s: exit code %lld%s%s  %lld ms", kst_json_path_str(detail, "pod"),
            (long long)kst_json_path_int(detail, "code", 0), *line ? ": " : "", line,
            (long long)kst_json_path_int(detail, "durationMs", 0));
}

static void on_command(struct kst_trace *self, const char *what, const struct kst_json *detail)
{
    const char *pod = kst_json_path_str(detail, "pod"), *data = kst_json_path_str(detail, "data");
    int64_t session = kst_json_path_int(detail, "session", 0), now_us = kst_now_us();
    kst_auto_free char *words = words_of(kst_json_get(detail, "command"));
    kst_auto_free char *text = without_mark(data ? data : "");
    if (strcmp(what, "end") == 0) {
        on_end(self, detail);
    } else if (strcmp(what, "send") == 0) {
        *sent_at(self, session) = now_us;
        say(self, "=>", "%s: %s", pod, text);
    } else if (strcmp(what, "read") == 0) {
        say(self, "<=", "%s: %s  %.1f ms", pod, *text ? text : "(nothing)",
            (double)(now_us - *sent_at(self, session)) / 1000);
    } else {
        say(self, "=>", "%s %s%s%s", what, pod, *words ? ": " : "", words);
    }
}

/* ---- the run ---- */

static void on_hook(const struct kst_trace *self, const char *hook, const struct kst_json *detail)
{
    const char *error = kst_json_path_str(detail, "message");
    kst_auto_free char *line = in_a_line(error ? error : "", LONG);
    say(self, "--", "%s of %s %s%s  %lld ms", hook, kst_json_path_str(detail, "workload"),
        error ? "failed: " : "is done", line,
        (long long)kst_json_path_int(detail, "durationMs", 0));
}

static void on_note(void *arg, const struct kst_run *run, enum kst_note note, const char *text,
                    const struct kst_json *detail)
{
    struct kst_trace *self = arg;
    kst_auto_free char *line = in_a_line(text ? text : "", LONG);
    switch (note) {
    case KST_NOTE_PHASE:
        say(self, "==", "%s", text);
        break;
    case KST_NOTE_HOOK:
        on_hook(self, text, detail);
        break;
    case KST_NOTE_FROZEN:
        say(self, "--", "the application is frozen");
        break;
    case KST_NOTE_CUT:
        say(self, "--", "volume %s is cut", text);
        break;
    case KST_NOTE_THAWED:
        say(self, "--", "%s%s  frozen for %lld ms",
            text ? "thaw failed: " : "the application runs on", line,
            (long long)kst_json_path_int(detail, "durationMs", 0));
        break;
    case KST_NOTE_READY:
        say(self, "--", "volume %s is ready to be restored", text);
        break;
    case KST_NOTE_OBJECTS:
        say(self, "--", "%s: %lld made, %lld changed, %lld failed", text,
            (long long)kst_json_path_int(detail, "created", 0),
            (long long)kst_json_path_int(detail, "changed", 0),
            (long long)kst_json_path_int(detail, "failed", 0));
        break;
    case KST_NOTE_WORKLOAD:
    case KST_NOTE_VOLUME:
        say(self, "--", "%s", line);
        break;
    case KST_NOTE_LOG:
        say(self, "..", "%s", line);
        break;
    case KST_NOTE_WARNING:
        say(self, "!!", "%s", line);
        break;
    case KST_NOTE_COMMAND:
        on_command(self, text, detail);
        break;
    }
}

void kst_trace_begin(struct kst_trace *self, struct kst_kube *kube)
{
    *self = (struct kst_trace){.started_us = kst_now_us()};
    kst_kube_set_trace(kube, on_request, self);
}

struct kst_run_observer kst_trace_observer(struct kst_trace *self)
{
    return (struct kst_run_observer){.note = on_note, .arg = self};
}
