/* SPDX-License-Identifier: Apache-2.0 */
/* Natives of a run's own flow: steps and their memory, artifacts, the log, waiting, failing. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "lua/host.h"
#include "run/journal.h"
#include "run/native_args.h"
#include "run/natives.h"
#include "run/run.h"

enum { MAX_MESSAGE_BYTES = 8 * 1024, MAX_ARTIFACT_BYTES = 64 * 1024, MAX_ARTIFACTS = 200 };

static int native_sleep(void *ctx, const struct kst_json *args, struct kst_json **result,
                        struct kst_err **err)
{
    int64_t ms = 0;
    int rc = kst_native_duration(args, "sleep", "duration", 0, &ms, err);
    return rc < 0 ? rc : kst_sleep_ms(ms, err);
}

static int native_log(void *ctx, const struct kst_json *args, struct kst_json **result,
                      struct kst_err **err)
{
    struct kst_run *run = ctx;
    const char *message = kst_json_path_str(args, "message");
    const struct kst_binding *binding = kst_native_binding(run, args);
    size_t len = message ? strnlen(message, MAX_MESSAGE_BYTES) : 0;
    kst_auto_free char *text = kst_strndup(message ? message : "", len);
    kst_log(KST_LOG_INFO, text, "run", run->name, "workload",
            binding ? kst_binding_workload(binding) : NULL, NULL);
    kst_run_note(run, KST_NOTE_LOG, text, NULL);
    return 0;
}

static int native_fail(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    const char *message = kst_json_path_str(args, "message");
    const char *reason = kst_json_path_str(args, "reason");
    const char *hint = kst_json_path_str(args, "hint");
    kst_err_set(err, KST_E_FAILED, "%s", message ? message : "the blueprint failed the run");
    kst_err_reason(err, reason ? reason : "BlueprintFailed");
    if (hint)
        kst_err_hint(err, "%s", hint);
    return KST_E_FAILED;
}

static int native_now(void *ctx, const struct kst_json *args, struct kst_json **result,
                      struct kst_err **err)
{
    char text[KST_TIME_TEXT];
    kst_time_format_micro(kst_wall_us(), text);
    *result = kst_json_make("{'time':%s,'monotonic_ms':%L}", text, kst_now_ms());
    return 0;
}

/* What belongs to one attempt, also where a successor runs it to thaw what a predecessor froze. */
static bool is_of_attempt(const char *function)
{
    static const char *const functions[] = {"pre_hook", "snapshot", "post_hook"};
    for (size_t i = 0; i < KST_ARRAY_LEN(functions); i++)
        if (strcmp(functions[i], function) == 0)
            return true;
    return false;
}

/* A step's id: the same for the same step of the same run, whoever executes it. That of a hook
 * names the attempt, as an attempt is never continued: were it not so, the thaw of one attempt
 * would count as that of the next. */
static char *step_id(const struct kst_run *run, const struct kst_binding *binding,
                     const struct kst_json *args)
{
    const char *phase = kst_json_path_str(args, "phase");
    const char *scope = kst_json_path_str(args, "scope");
    const char *name = kst_json_path_str(args, "name");
    kst_auto_free char *attempt = is_of_attempt(phase ? phase : "")
                                      ? kst_asprintf("a%lld.", (long long)run->attempt)
                                      : kst_strdup("");
    return kst_asprintf("%s%s.%s.%s%s", attempt, phase ? phase : "",
                        binding ? kst_binding_workload(binding) : "run", scope ? scope : "",
                        name ? name : "");
}

static int native_step_begin(void *ctx, const struct kst_json *args, struct kst_json **result,
                             struct kst_err **err)
{
    struct kst_run *run = ctx;
    kst_auto_free char *id = step_id(run, kst_native_binding(run, args), args);
    const struct kst_json *old = kst_journal_find_step(run->journal, id);
    const char *state = kst_json_path_str(old, "state");
    if (state && strcmp(state, "Done") == 0) {
        *result = kst_json_make("{'id':%s,'done':%b,'result':%J}", id, 1,
                                kst_json_get(old, "result"));
        return 0;
    }
    struct kst_json *row = kst_journal_step(run->journal, id, kst_json_path_str(args, "kind"),
                                            kst_json_path_str(args, "target"), err);
    if (!row)
        return KST_E_LIMIT;
    kst_json_set_str(row, "state", "Running");
    kst_json_remove(row, "message");
    kst_journal_stamp(row, "startedAt", true);
    *result = kst_json_make("{'id':%s,'done':%b}", id, 0);
    return 0;
}

/* What the journal keeps of a result. A large one of a freeze is kept for people only, so it is
 * cut; outside, a resumed run would go on with it, so it is refused. */
static int keep_result(struct kst_run *run, struct kst_json *row, const struct kst_json *value,
                       struct kst_err **err)
{
    if (!value)
        return 0;
    kst_auto_free char *text = kst_json_text(value);
    size_t len = strlen(text);
    if (len <= KST_JOURNAL_MAX_RESULT_BYTES) {
        kst_json_set(row, "result", kst_json_dup(value));
        return 0;
    }
    if (kst_journal_is_forbidden(run->journal)) {
        kst_json_set(row, "result", kst_json_make("{'omittedBytes':%L}", (int64_t)len));
        return 0;
    }
    kst_err_set(err, KST_E_LIMIT, "the result of step %s is %zu bytes; a journal keeps at most %d",
                kst_json_path_str(row, "id"), len, KST_JOURNAL_MAX_RESULT_BYTES);
    kst_err_hint(err, "let the command write large output to a file, and return a summary");
    return KST_E_LIMIT;
}

static int native_step_end(void *ctx, const struct kst_json *args, struct kst_json **result,
                           struct kst_err **err)
{
    struct kst_run *run = ctx;
    const char *id = kst_json_path_str(args, "id");
    struct kst_json *row = kst_journal_step(run->journal, id ? id : "", "step", NULL, err);
    if (!row)
        return KST_E_LIMIT;
    const char *message = kst_json_path_str(args, "error");
    kst_journal_stamp(row, "endedAt", true);
    kst_json_set_str(row, "state", message ? "Failed" : "Done");
    if (message) {
        kst_auto_free char *text = kst_strndup(message, strnlen(message, MAX_MESSAGE_BYTES));
        kst_json_set_str(row, "message", text);
    }
    int rc = keep_result(run, row, kst_json_get(args, "result"), err);
    if (rc < 0 || kst_journal_is_forbidden(run->journal))
        return rc;
    return kst_journal_write(run->journal, err);
}

static int native_artifact(void *ctx, const struct kst_json *args, struct kst_json **result,
                           struct kst_err **err)
{
    struct kst_run *run = ctx;
    const char *name = kst_json_path_str(args, "name");
    const struct kst_json *value = kst_json_get(args, "value");
    struct kst_json *all = kst_json_ensure_object(kst_journal_status(run->journal), "artifacts");
    const struct kst_binding *binding = kst_native_binding(run, args);
    kst_auto_free char *key = kst_asprintf("%s.%s", binding ? kst_binding_workload(binding) : "run",
                                           name ? name : "");
    kst_auto_free char *text = kst_json_text(value);
    if (!value || strlen(text) > MAX_ARTIFACT_BYTES || kst_json_len(all) >= MAX_ARTIFACTS)
        return kst_err_set(err, KST_E_LIMIT,
                           "artifact %s: a run keeps at most %d artifacts of at most %d bytes "
                           "each, found one of %zu",
                           key, MAX_ARTIFACTS, MAX_ARTIFACT_BYTES, value ? strlen(text) : 0);
    kst_json_set(all, key, kst_json_dup(value));
    return 0;
}

const struct kst_lua_native kst_flow_natives[] = {
    {"sleep", native_sleep},
    {"log", native_log},
    {"fail", native_fail},
    {"now", native_now},
    {"step_begin", native_step_begin},
    {"step_end", native_step_end},
    {"artifact", native_artifact},
    {NULL, NULL},
};
