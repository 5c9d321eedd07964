/* SPDX-License-Identifier: Apache-2.0 */
/* Parses as far as the command's name, and dispatches. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "git/source.h"
#include "kube/client.h"
#include "kube/config.h"
#include "loop/fiber.h"
#include "loop/http.h"
#include "loop/loop.h"
#include "run/run.h"

struct program {
    struct kst_cmd cmd;
    const struct kst_command *command;
    struct kst_fiber *fiber;
};

static int enter(void *arg, struct kst_err **err)
{
    struct program *program = arg;
    return kst_cmd_explain(program->command->run(&program->cmd, err), err);
}

/* A wish to stop: runs thaw and clean up before they end, for which what they run in must be there
 * yet; anything else ends at once. */
static void on_signal(void *arg, int signal_number)
{
    struct program *program = arg;
    const char *name = signal_number == SIGINT ? "interrupted (SIGINT)" : "asked to end (SIGTERM)";
    program->cmd.interrupted = true;
    if (kst_run_cancel(NULL, name) == 0)
        kst_fiber_cancel(program->fiber);
}

/* The one place where an error is told. */
static int report(const struct kst_cmd *cmd, int rc, const struct kst_err *err)
{
    if (rc >= 0)
        return KST_EXIT_OK;
    const char *hint = kst_err_get_hint(err);
    kst_auto_free char *message = kst_log_redact(kst_err_message(err));
    fflush(stdout);
    if (cmd->output == KST_OUTPUT_JSON) {
        kst_auto_json struct kst_json *value = kst_json_make(
            "{'error':{'reason':%s,'message':%s,'hint':%s}}", kst_err_get_reason(err), message,
            hint);
        kst_auto_free char *text = kst_json_text(value);
        fprintf(stderr, "%s\n", text);
    } else {
        fprintf(stderr, "error: %s\n", message);
        if (hint)
            fprintf(stderr, "hint: %s\n", hint);
    }
    if (strcmp(kst_err_get_reason(err), "Unauthorized") == 0)
        return KST_EXIT_UNREACHABLE; /* credentials that are no good reach nothing */
    return kst_err_exit(kst_err_code(err) ? kst_err_code(err) : rc);
}

static int run_command(struct program *program)
{
    kst_auto_err struct kst_err *err = NULL;
    struct kst_cmd *cmd = &program->cmd;
    kst_http_global_init();
    int rc = kst_loop_new(&cmd->loop, &err);
    if (rc < 0)
        return report(cmd, rc, err);
    kst_loop_on_signal(cmd->loop, SIGINT, on_signal, program, NULL);
    kst_loop_on_signal(cmd->loop, SIGTERM, on_signal, program, NULL);
    program->fiber = kst_fiber_spawn(cmd->loop, program->command->name, enter, program);
    rc = kst_fiber_join(program->fiber, &err);
    int status = report(cmd, rc, err);
    if (rc >= 0 && cmd->exit_status != 0)
        status = cmd->exit_status;
    if (cmd->kube)
        kst_kube_free(cmd->kube);
    kst_kube_config_free(cmd->config);
    kst_list_release(&cmd->as_groups);
    kst_loop_free(cmd->loop);
    kst_http_global_release();
    kst_log_forget_secrets();
    if (fflush(stdout) != 0 && status == KST_EXIT_OK)
        status = KST_EXIT_FAILED; /* what was asked for could not be said */
    return status;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    if (argc > 1 && strcmp(argv[1], KST_SOURCE_HELPER) == 0)
        return kst_source_helper_main();
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    struct program program = {.command = kst_cmd_find(name), .cmd.program = "/proc/self/exe"};
    if (!program.command) {
        fprintf(stderr, "error: '%s' is not a command of kassette\nhint: see kassette help\n",
                name);
        return KST_EXIT_USAGE;
    }
    char *no_args[] = {(char *)name, NULL};
    bool given = argc > 1;
    if (given)
        argv[1] = (char *)name;
    program.cmd.argc = given ? argc - 1 : 1;
    program.cmd.argv = given ? argv + 1 : no_args;
    return run_command(&program);
}
