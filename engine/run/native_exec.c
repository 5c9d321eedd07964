/* SPDX-License-Identifier: Apache-2.0 */
/* Natives that run commands in the application's containers. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/exec.h"
#include "loop/fiber.h"
#include "lua/host.h"
#include "run/native_args.h"
#include "run/natives.h"
#include "run/pods.h"
#include "run/run.h"

enum {
    DEFAULT_OUTPUT_BYTES = 1024 * 1024,
    MAX_OUTPUT_BYTES = 16 * 1024 * 1024,
    TAIL_BYTES = 600, /* of what a failed command said, for its error */
};

struct command {
    struct kst_run *run;
    const struct kst_json *args;
    const char *pod;
    struct kst_json *result;
};

/* The end of what the command said, on one line. */
static char *tail_of(const struct kst_buf *errors, const struct kst_buf *output)
{
    const struct kst_buf *from = errors->len ? errors : output;
    struct kst_str text = kst_str_trim(kst_str_buf(from));
    if (text.len > TAIL_BYTES) {
        text.data += text.len - TAIL_BYTES;
        text.len = TAIL_BYTES;
    }
    char *tail = kst_strndup(text.data, text.len);
    for (char *at = tail; *at; at++) {
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    }
    return tail;
}

static int failed(const struct command *command, const char *ns, int exit_code,
                  const struct kst_buf *output, const struct kst_buf *errors, struct kst_err **err)
{
    kst_auto_free char *tail = tail_of(errors, output);
    const char *program = kst_json_str(kst_json_at(kst_json_get(command->args, "command"), 0));
    kst_err_set(err, KST_E_FAILED, "%s in Pod/%s/%s ended with exit code %d: %s",
                program ? program : "the command", ns, command->pod, exit_code,
                *tail ? tail : "it said nothing");
    kst_err_reason(err, "CommandFailed");
    return KST_E_FAILED;
}

static void tell_start(const struct command *command)
{
    kst_auto_json struct kst_json *detail = kst_json_make("{'pod':%s,'command':%J}", command->pod,
                                                          kst_json_get(command->args, "command"));
    kst_run_note(command->run, KST_NOTE_COMMAND, "exec", detail);
}

static void tell_end(const struct command *command, int64_t started_us, int rc, int exit_code,
                     const struct kst_buf *output, const struct kst_err *error)
{
    kst_auto_json struct kst_json *detail = kst_json_make(
        "{'pod':%s,'durationMs':%L}", command->pod, (kst_now_us() - started_us) / 1000);
    if (rc < 0)
        kst_json_set_str(detail, "error", kst_err_message(error));
    else
        kst_json_set_int(detail, "code", exit_code);
    kst_json_set(detail, "stdout", kst_json_from_strn(output->data, output->len));
    kst_run_note(command->run, KST_NOTE_COMMAND, "end", detail);
}

static int execute(const struct command *command, const char *ns, const char *const *argv,
                   struct kst_json **result, struct kst_err **err)
{
    const struct kst_json *args = command->args;
    int64_t cap = kst_json_path_int(args, "max_output", DEFAULT_OUTPUT_BYTES);
    if (cap < 0 || cap > MAX_OUTPUT_BYTES)
        return kst_err_set(err, KST_E_USAGE, "run:exec: expected max_output of 0 to %d, found %lld",
                           MAX_OUTPUT_BYTES, (long long)cap);
    const char *input = kst_json_path_str(args, "input");
    const struct kst_exec_request request = {
        .ns = ns,
        .pod = command->pod,
        .container = kst_json_path_str(args, "container"),
        .command = argv,
        .stdin_ = input != NULL,
    };
    kst_auto_buf output = KST_BUF_INIT((size_t)cap), errors = KST_BUF_INIT((size_t)cap);
    int exit_code = 0;
    int64_t started_us = kst_now_us();
    int rc = kst_run_check_owner(command->run, err);
    if (rc < 0)
        return rc;
    tell_start(command);
    rc = kst_exec_run(command->run->kube, &request, input, input ? strlen(input) : 0, &output,
                      &errors, &exit_code, err);
    tell_end(command, started_us, rc, exit_code, &output, err ? *err : NULL);
    if (rc == KST_E_LIMIT)
        kst_err_hint(err, "allow more with max_output (bytes), or let the command say less");
    if (rc < 0)
        return kst_err_wrap(err, rc, "exec in Pod/%s/%s", ns, command->pod);
    const struct kst_json *check = kst_json_get(args, "check");
    if (exit_code != 0 && (!check || kst_json_true(check)))
        return failed(command, ns, exit_code, &output, &errors, err);
    *result = kst_json_make("{'code':%d}", exit_code);
    kst_json_set(*result, "stdout", kst_json_from_strn(output.data, output.len));
    kst_json_set(*result, "stderr", kst_json_from_strn(errors.data, errors.len));
    return 0;
}

/* Tells a command that took its own time from one that was interrupted at the freeze's limit. */
static int explain_timeout(const struct command *command, const char *ns, int64_t timeout_ms,
                           struct kst_err **err)
{
    const char *program = kst_json_str(kst_json_at(kst_json_get(command->args, "command"), 0));
    char limit[KST_TIME_TEXT];
    kst_duration_format(timeout_ms, limit);
    kst_err_clear(err);
    kst_err_set(err, KST_E_TIMEOUT, "%s in Pod/%s/%s was not done after %s (its timeout)",
                program ? program : "the command", ns, command->pod, limit);
    kst_err_reason(err, "CommandTimeout");
    kst_err_hint(err, "find out what it waits for, or allow it a longer timeout");
    return KST_E_TIMEOUT;
}

static int run_command(void *arg, struct kst_err **err)
{
    struct command *command = arg;
    const char *ns = NULL;
    kst_auto_free const char **argv = NULL;
    int64_t timeout_ms = 0;
    int rc = kst_native_namespace(command->run, command->args, &ns, err);
    if (rc == 0)
        rc = kst_native_argv(command->args, "exec", "command", &argv, err);
    if (rc == 0)
        rc = kst_native_duration(command->args, "exec", "timeout", 0, &timeout_ms, err);
    if (rc < 0)
        return rc;
    int64_t own_ms = kst_deadline_in_ms(timeout_ms);
    int64_t outer = kst_native_deadline(timeout_ms);
    bool is_own = timeout_ms > 0 && own_ms <= kst_deadline_get();
    rc = execute(command, ns, argv, &command->result, err);
    kst_deadline_restore(outer);
    return rc == KST_E_TIMEOUT && is_own ? explain_timeout(command, ns, timeout_ms, err) : rc;
}

static int native_exec(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    struct command command = {.run = ctx, .args = args};
    int rc = kst_native_str(args, "exec", "pod", &command.pod, err);
    if (rc == 0)
        rc = run_command(&command, err);
    *result = command.result;
    return rc;
}

/* The Pods of exec_all: those that are named, else the workload's that run. */
static int pods_of(struct kst_run *run, const struct kst_json *args, struct kst_json **pods,
                   struct kst_err **err)
{
    const struct kst_json *given = kst_json_get(args, "pods");
    *pods = kst_json_array();
    for (const struct kst_json *pod = kst_json_first(given); pod; pod = kst_json_next(pod)) {
        const char *name = kst_json_str(pod) ? kst_json_str(pod) : kst_json_path_str(pod, "name");
        if (!name)
            return kst_err_set(err, KST_E_USAGE, "run:exec_all: pods is a list of names");
        kst_json_push(*pods, kst_json_from_str(name));
    }
    if (given)
        return 0;
    kst_auto_json struct kst_json *all = NULL;
    int rc = kst_pods_of(run, kst_native_binding(run, args), &all, err);
    for (const struct kst_json *pod = kst_json_first(all); pod; pod = kst_json_next(pod)) {
        if (strcmp(kst_json_path_str(pod, "phase"), "Running") == 0)
            kst_json_push(*pods, kst_json_from_str(kst_json_path_str(pod, "name")));
    }
    return rc;
}

static int native_exec_all(void *ctx, const struct kst_json *args, struct kst_json **result,
                           struct kst_err **err)
{
    struct kst_run *run = ctx;
    kst_auto_json struct kst_json *pods = NULL;
    int rc = pods_of(run, args, &pods, err);
    if (rc < 0)
        return rc;
    size_t count = kst_json_len(pods);
    kst_auto_free struct command *commands = kst_calloc(count + 1, sizeof(*commands));
    struct kst_group *group = kst_group_new(run->loop, true);
    size_t i = 0;
    for (const struct kst_json *pod = kst_json_first(pods); pod; pod = kst_json_next(pod)) {
        commands[i] = (struct command){.run = run, .args = args, .pod = kst_json_str(pod)};
        kst_group_spawn(group, "exec_all", run_command, &commands[i++]);
    }
    rc = kst_group_wait(group, err);
    kst_group_free(group);
    *result = kst_json_object();
    for (i = 0; i < count; i++) {
        if (commands[i].result)
            kst_json_set(*result, commands[i].pod, commands[i].result);
    }
    return rc;
}

const struct kst_lua_native kst_exec_natives[] = {
    {"exec", native_exec},
    {"exec_all", native_exec_all},
    {NULL, NULL},
};
