/* SPDX-License-Identifier: Apache-2.0 */
/* kassette sandbox: the embedded cluster, until it is interrupted or a command has ended. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "loop/child.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/load.h"
#include "sandbox/sandbox.h"
#include "sandbox/server/faults.h"

struct wishes {
    struct kst_list load;
    const char *port, *dir, *images, *faults;
    bool plain, bare, trace;
};

static void trace(void *arg, const struct kst_server_look *look, int code, double ms)
{
    fprintf(stderr, "%-7s %-60s %3d %7.1f ms  %.20s\n", look->method, look->path, code, ms,
            look->agent);
}

/* ---- an API server that goes away ---- */

/* The last signal counts: USR1 takes the server away, USR2 brings it back. */
struct absence {
    struct kst_sandbox *sandbox;
    struct kst_fiber *fiber;
    struct kst_cond changed;
    bool wanted, is_away;
};

static void on_absence(void *arg, int signal_number)
{
    struct absence *self = arg;
    self->wanted = signal_number == SIGUSR1;
    kst_cond_signal(&self->changed);
}

static int keep_absence(void *arg, struct kst_err **err)
{
    struct absence *self = arg;
    struct kst_server *server = kst_sandbox_server(self->sandbox);
    int rc = 0;
    while (rc == 0) {
        if (self->wanted == self->is_away) {
            rc = kst_cond_wait(&self->changed, KST_NEVER, err);
            continue;
        }
        self->is_away = self->wanted;
        if (self->is_away)
            kst_server_leave(server);
        else
            rc = kst_server_return(server, err);
    }
    if (rc != KST_E_CANCELLED)
        kst_logf(KST_LOG_ERROR, "the API server does not come back: %s",
                 err && *err ? kst_err_message(*err) : "");
    return rc;
}

static int absence_start(struct absence *self, struct kst_loop *loop, struct kst_sandbox *sandbox,
                         struct kst_err **err)
{
    self->sandbox = sandbox;
    int rc = kst_loop_on_signal(loop, SIGUSR1, on_absence, self, err);
    if (rc == 0)
        rc = kst_loop_on_signal(loop, SIGUSR2, on_absence, self, err);
    if (rc == 0)
        self->fiber = kst_fiber_spawn(loop, "absence", keep_absence, self);
    return rc;
}

static void absence_stop(struct absence *self, struct kst_loop *loop)
{
    kst_loop_on_signal(loop, SIGUSR1, NULL, NULL, NULL);
    kst_loop_on_signal(loop, SIGUSR2, NULL, NULL, NULL);
    if (self->fiber) {
        kst_fiber_cancel(self->fiber);
        kst_fiber_join(self->fiber, NULL);
    }
    kst_cond_release(&self->changed);
}

/* The command's own end is ours. */
static int run_command(struct kst_cmd *cmd, const struct kst_sandbox *sandbox, char *const *argv,
                       int *status, struct kst_err **err)
{
    kst_auto_free char *kubeconfig = kst_asprintf("KUBECONFIG=%s", kst_sandbox_kubeconfig(sandbox));
    kst_auto_free char *dir = kst_asprintf("KASSETTE_SANDBOX=%s", kst_sandbox_dir(sandbox));
    kst_auto_free char *pid = kst_asprintf("KASSETTE_SANDBOX_PID=%ld", (long)getpid());
    const char *const env[] = {kubeconfig, dir, pid, NULL};
    const struct kst_child_request request = {
        .argv = (const char *const *)argv, .env_add = env, .foreground = true};
    return kst_child_run(cmd->loop, &request, NULL, NULL, status, err);
}

static int wait_for_ever(const struct kst_sandbox *sandbox, struct kst_err **err)
{
    printf("A cluster is served at %s. Use it in another terminal:\n\n  export KUBECONFIG=%s\n\n"
           "Ctrl-C ends it.\n",
           kst_sandbox_url(sandbox), kst_sandbox_kubeconfig(sandbox));
    fflush(stdout);
    int rc;
    do
        rc = kst_sleep_ms(INT32_MAX, err);
    while (rc == 0);
    if (rc == KST_E_CANCELLED) {
        kst_err_clear(err);
        return 0;
    }
    return rc;
}

static int load_all(struct kst_api *api, const struct kst_list *files, struct kst_err **err)
{
    size_t count = 0;
    int rc = 0;
    for (size_t i = 0; i < files->count && rc == 0; i++)
        rc = kst_load_path(api, files->items[i], &count, err);
    return rc;
}

static int serve(struct kst_cmd *cmd, const struct wishes *wishes, int *status,
                 struct kst_err **err)
{
    struct kst_sandbox_options options = {.dir = wishes->dir,
                                          .images = wishes->images,
                                          .bare = wishes->bare,
                                          .server = {.tls = !wishes->plain}};
    struct kst_faults *faults = NULL;
    struct kst_sandbox *sandbox = NULL;
    struct absence absence = {0};
    long long port = 0;
    if (wishes->port && (!kst_parse_int(wishes->port, &port) || port < 0 || port > 65535))
        return kst_err_set(err, KST_E_USAGE, "option --port: expected 0 to 65535, found '%s'",
                           wishes->port);
    int rc = wishes->faults ? kst_faults_read(wishes->faults, &faults, err) : 0;
    if (rc < 0)
        return rc;
    options.server.port = (int)port;
    options.server.trace = wishes->trace ? trace : NULL;
    options.server.fault = faults ? kst_faults_next : NULL;
    options.server.fault_arg = faults;
    rc = kst_sandbox_new(cmd->loop, &options, &sandbox, err);
    if (rc == 0)
        rc = absence_start(&absence, cmd->loop, sandbox, err);
    if (rc == 0)
        rc = load_all(kst_sandbox_api(sandbox), &wishes->load, err);
    if (rc == 0)
        rc = cmd->args[0] ? run_command(cmd, sandbox, cmd->args, status, err)
                          : wait_for_ever(sandbox, err);
    kst_shield_begin();
    absence_stop(&absence, cmd->loop);
    kst_sandbox_free(sandbox);
    kst_shield_end();
    kst_faults_free(faults);
    return rc;
}

int kst_cmd_sandbox(struct kst_cmd *cmd, struct kst_err **err)
{
    struct wishes wishes = {0};
    const struct kst_option table[] = {
        {0, "load", "FILE|DIR", KST_OPTION_LIST, &wishes.load,
         "manifests to begin with; may be given several times"},
        {0, "port", "N", KST_OPTION_STRING, &wishes.port, "the port on 127.0.0.1 (default: any)"},
        {0, "plain", NULL, KST_OPTION_FLAG, &wishes.plain,
         "serve HTTP, without TLS: whoever reaches the port may do everything"},
        {0, "bare", NULL, KST_OPTION_FLAG, &wishes.bare,
         "without storage, snapshots and Kassette's own resources"},
        {0, "dir", "DIR", KST_OPTION_STRING, &wishes.dir,
         "where volumes, logs and the kubeconfig lie (default: a new one that is removed)"},
        {0, "images", "FILE", KST_OPTION_STRING, &wishes.images,
         "which programs of this machine stand for which images"},
        {0, "faults", "FILE", KST_OPTION_STRING, &wishes.faults,
         "what goes wrong: requests that fail"},
        {0, "trace", NULL, KST_OPTION_FLAG, &wishes.trace, "tell every request on stderr"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    int status = 0;
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc == 0)
        rc = serve(cmd, &wishes, &status, err);
    kst_list_release(&wishes.load);
    if (rc > 0)
        return 0;
    if (rc == 0 && status != 0)
        cmd->exit_status = status;
    return rc;
}
