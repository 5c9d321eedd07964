/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "run/phase.h"

enum { BACKOFF_LIMIT = 6, GRACE_SECONDS = 60, KEEP_SECONDS = 24 * 60 * 60 };

const char *kst_job_image(const char *given)
{
    const char *image = given ? given : getenv("KASSETTE_IMAGE");
    return image && *image ? image : "kassette:" KST_VERSION;
}

static struct kst_json *environment(void)
{
    return kst_json_make(
        "[{'name':'KASSETTE_POD_NAME','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}},"
        "{'name':'KASSETTE_POD_NAMESPACE','valueFrom':{'fieldRef':{'fieldPath':"
        "'metadata.namespace'}}},"
        "{'name':'KASSETTE_POD_UID','valueFrom':{'fieldRef':{'fieldPath':'metadata.uid'}}},"
        "{'name':'XDG_CACHE_HOME','value':'/cache'}]");
}

/* Who restores must be able to make anything; who backs up must not. */
static const char *account_of(const struct kst_json *run)
{
    const char *action = kst_json_path_str(run, "spec.action");
    return action && strcmp(action, "restore") == 0 ? "kassette-restore" : "kassette";
}

int kst_job_check_account(struct kst_kube *kube, const char *home, const struct kst_json *run,
                          struct kst_err **err)
{
    const char *account = account_of(run);
    kst_auto_json struct kst_json *found = NULL;
    kst_auto_err struct kst_err *why = NULL;
    int rc = kst_kube_get(kube, &kst_res_serviceaccounts, home, account, &found, &why);
    if (rc != KST_E_NOT_FOUND)
        return 0; /* it is there, or this is not the place to say what is wrong */
    kst_err_set(err, rc, "ServiceAccount/%s/%s, as which the Job would run, does not exist", home,
                account);
    kst_err_hint(err, "%s",
                 strcmp(account, "kassette") == 0
                     ? "install Kassette: kubectl apply -k deploy"
                     : "allow restores in the cluster: kubectl apply -f "
                       "deploy/restore.yaml; or restore from here, without --in-cluster");
    return rc;
}

struct kst_json *kst_job_object(const struct kst_json *run, const char *image)
{
    const char *name = kst_json_path_str(run, "metadata.name");
    const char *ns = kst_json_path_str(run, "metadata.namespace");
    kst_auto_json struct kst_json *env = environment();
    kst_auto_json struct kst_json *labels = kst_json_make(
        "{'app.kubernetes.io/name':'kassette','kassette.io/run':%s}", name);
    kst_auto_json struct kst_json *container = kst_json_make(
        "{'name':'kassette','image':%s,'imagePullPolicy':'IfNotPresent',"
        "'args':['run','--home',%s,'--log-format','json',%s],'env':%J,"
        "'resources':{'requests':{'cpu':'20m','memory':'32Mi'},'limits':{'memory':'256Mi'}},"
        "'securityContext':{'allowPrivilegeEscalation':false,'readOnlyRootFilesystem':true,"
        "'runAsNonRoot':true,'runAsUser':65532,'capabilities':{'drop':['ALL']}},"
        "'volumeMounts':[{'name':'cache','mountPath':'/cache'}]}",
        image, ns, name, env);
    return kst_json_make(
        "{'apiVersion':'batch/v1','kind':'Job','metadata':{'name':%s,'namespace':%s,'labels':%J,"
        "'ownerReferences':[{'apiVersion':%s,'kind':'Run','name':%s,'uid':%s}]},"
        "'spec':{'backoffLimit':%d,'ttlSecondsAfterFinished':%d,'template':{"
        "'metadata':{'labels':%J},'spec':{'restartPolicy':'Never','serviceAccountName':%s,"
        "'terminationGracePeriodSeconds':%d,'containers':[%J],"
        "'volumes':[{'name':'cache','emptyDir':{'sizeLimit':'256Mi'}}]}}}}",
        name, ns, labels, kst_json_path_str(run, "apiVersion"), name,
        kst_json_path_str(run, "metadata.uid"), BACKOFF_LIMIT, KEEP_SECONDS, labels,
        account_of(run), GRACE_SECONDS, container);
}

struct following {
    bool quiet;
    char *phase;
    int64_t started_ms;
};

static int has_ended(void *arg, const struct kst_json *run, struct kst_err **err)
{
    struct following *self = arg;
    if (!run)
        return kst_err_set(err, KST_E_NOT_FOUND, "the Run was deleted");
    const char *phase = kst_json_path_str(run, "status.phase");
    if (phase && (!self->phase || strcmp(self->phase, phase) != 0)) {
        free(self->phase);
        self->phase = kst_strdup(phase);
        int64_t ms = kst_now_ms() - self->started_ms;
        if (!self->quiet)
            printf("%6lld.%03lld  %s\n", (long long)ms / 1000, (long long)ms % 1000, phase);
        fflush(stdout);
    }
    return phase && kst_phase_is_final(kst_phase_parse(phase));
}

static int result_of(const struct kst_json *run, struct kst_err **err)
{
    const struct kst_json *status = kst_json_get(run, "status");
    enum kst_phase phase = kst_phase_parse(kst_json_path_str(status, "phase"));
    if (phase == KST_PHASE_SUCCEEDED)
        return 0;
    const char *message = kst_json_path_str(status, "message");
    const char *hint = kst_json_path_str(status, "hint");
    int code = phase == KST_PHASE_CANCELLED ? KST_E_CANCELLED : KST_E_FAILED;
    kst_err_set(err, code, "%s", message ? message : "the run failed");
    if (kst_json_path_str(status, "reason"))
        kst_err_reason(err, kst_json_path_str(status, "reason"));
    if (hint)
        kst_err_hint(err, "%s", hint);
    return code;
}

/* A Job that gave up will not end its Run: says so. */
static int job_failed(void *arg, const struct kst_json *job, struct kst_err **err)
{
    const struct kst_json *all = kst_json_path(job, "status.conditions");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        const char *type = kst_json_path_str(row, "type"),
                   *status = kst_json_path_str(row, "status");
        if (type && status && strcmp(type, "Failed") == 0 && strcmp(status, "True") == 0)
            return 1;
    }
    return 0;
}

struct watching {
    struct kst_kube *kube;
    const char *home, *name;
    struct kst_fiber *follower;
    bool gave_up;
};

static int watch_job(void *arg, struct kst_err **err)
{
    struct watching *self = arg;
    int rc = kst_watch_until(self->kube, &kst_res_jobs, self->home, self->name, job_failed, NULL,
                             KST_NEVER, "to fail", NULL, err);
    if (rc < 0)
        return rc;
    kst_sleep_ms(1000, NULL); /* the Run's last words may be on their way */
    self->gave_up = true;
    kst_fiber_cancel(self->follower);
    return 0;
}

struct follow_run {
    struct watching *watching;
    struct following *following;
    struct kst_json *run;
};

static int follow_run(void *arg, struct kst_err **err)
{
    struct follow_run *self = arg;
    return kst_watch_until(self->watching->kube, &kst_res_runs, self->watching->home,
                           self->watching->name, has_ended, self->following, KST_NEVER, "to end",
                           &self->run, err);
}

int kst_job_follow(struct kst_kube *kube, const char *home, const char *name, bool quiet,
                   struct kst_json **run_out, struct kst_err **err)
{
    struct following following = {.quiet = quiet, .started_ms = kst_now_ms()};
    struct watching watching = {.kube = kube, .home = home, .name = name};
    struct follow_run follow = {.watching = &watching, .following = &following};
    watching.follower = kst_fiber_spawn(kst_kube_loop(kube), "follow", follow_run, &follow);
    struct kst_fiber *job = kst_fiber_spawn(kst_kube_loop(kube), "job", watch_job, &watching);
    int rc = kst_fiber_join(watching.follower, err);
    kst_fiber_cancel(job);
    kst_fiber_join(job, NULL);
    if (rc == KST_E_CANCELLED && watching.gave_up) {
        kst_err_clear(err);
        kst_err_set(err, KST_E_FAILED, "Job/%s/%s has failed before its Run ended", home, name);
        kst_err_hint(err, "see why with: kassette logs %s, or kubectl -n %s describe job %s", name,
                     home, name);
        rc = KST_E_FAILED;
    }
    if (rc == 0)
        rc = result_of(follow.run, err);
    if (run_out)
        *run_out = kst_take(follow.run);
    kst_json_free(follow.run);
    free(following.phase);
    return rc;
}
