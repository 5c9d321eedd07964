/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

static bool colours(void)
{
    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static void say(const struct kst_progress *self, const struct kst_run *run, const char *colour,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

static void say(const struct kst_progress *self, const struct kst_run *run, const char *colour,
                const char *format, ...)
{
    int64_t ms = kst_now_ms() - self->started_ms;
    bool coloured = colours();
    printf("%s%6lld.%03lld%s  ", coloured ? "\033[2m" : "", (long long)ms / 1000,
           (long long)ms % 1000, coloured ? "\033[0m" : "");
    if (self->with_names)
        printf("%s  ", run->name);
    va_list args;
    va_start(args, format);
    if (coloured && colour)
        fputs(colour, stdout);
    vprintf(format, args);
    if (coloured && colour)
        fputs("\033[0m", stdout);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static void say_hook(const struct kst_progress *self, const struct kst_run *run, const char *hook,
                     const struct kst_json *row)
{
    char took[KST_TIME_TEXT];
    kst_duration_format(kst_json_path_int(row, "durationMs", 0), took);
    const char *failed = kst_json_path_str(row, "message");
    say(self, run, failed ? "\033[31m" : NULL, "  %s of %s (%s) %s %s%s%s", hook,
        kst_json_path_str(row, "workload"), kst_json_path_str(row, "blueprint"),
        failed ? "failed after" : "took", took, failed ? ": " : "", failed ? failed : "");
}

/* "Config: 12 created, 1 failed". */
static void say_objects(const struct kst_progress *self, const struct kst_run *run,
                        const char *rank, const struct kst_json *counts)
{
    static const char *const names[] = {"created", "changed", "unchanged", "skipped", "failed"};
    char text[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        long long count = kst_json_path_int(counts, names[i], 0);
        if (count && len < sizeof(text))
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%lld %s", len ? ", " : "",
                                    count, names[i]);
    }
    say(self, run, kst_json_path_int(counts, "failed", 0) ? "\033[31m" : NULL, "  %s: %s", rank,
        text);
}

static void on_note(void *arg, const struct kst_run *run, enum kst_note note, const char *text,
                    const struct kst_json *detail)
{
    const struct kst_progress *self = arg;
    char took[KST_TIME_TEXT];
    if (self->quiet)
        return;
    switch (note) {
    case KST_NOTE_PHASE:
        say(self, run, "\033[1m", "%s", text);
        break;
    case KST_NOTE_HOOK:
        say_hook(self, run, text, detail);
        break;
    case KST_NOTE_FROZEN:
        say(self, run, "\033[36m", "  the application is frozen");
        break;
    case KST_NOTE_CUT:
        say(self, run, NULL, "  volume %s is cut (%s, class %s)", text,
            kst_json_path_str(detail, "size") ? kst_json_path_str(detail, "size") : "size unknown",
            kst_json_path_str(detail, "snapshotClass"));
        break;
    case KST_NOTE_THAWED:
        kst_duration_format(kst_json_path_int(detail, "durationMs", 0), took);
        if (text)
            say(self, run, "\033[31m", "  %s", text);
        else
            say(self, run, "\033[36m", "  the application runs on; it was frozen for %s", took);
        break;
    case KST_NOTE_READY:
        if (kst_json_path_str(detail, "snapshot"))
            say(self, run, NULL, "  volume %s is ready to be restored (VolumeSnapshot %s)", text,
                kst_json_path_str(detail, "snapshot"));
        else
            say(self, run, NULL, "  %s is ready", text);
        break;
    case KST_NOTE_OBJECTS:
        say_objects(self, run, text, detail);
        break;
    case KST_NOTE_WORKLOAD:
    case KST_NOTE_VOLUME:
    case KST_NOTE_LOG:
        say(self, run, NULL, "  %s", text);
        break;
    case KST_NOTE_WARNING:
        say(self, run, "\033[33m", "  warning: %s", text);
        break;
    case KST_NOTE_COMMAND:
        break; /* traces alone tell them */
    }
}

struct kst_run_observer kst_progress_observer(struct kst_progress *self)
{
    self->started_ms = kst_now_ms();
    return (struct kst_run_observer){.note = on_note, .arg = self};
}
