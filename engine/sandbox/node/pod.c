/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a Pod on the node: one fiber for the Pod, one for each container that runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/node/image.h"
#include "sandbox/node/internal.h"
#include "sandbox/storage/storage.h"

enum { RETRY_MS = 1000, FIRST_BACKOFF_MS = 1000, MOST_BACKOFF_MS = 60000, WELL_AFTER_MS = 60000 };

static void state_release(struct kst_pod_state *self)
{
    free(self->reason);
    free(self->message);
    *self = (struct kst_pod_state){0};
}

void kst_pod_set_waiting(struct kst_pod_container *self, const char *reason, const char *message)
{
    state_release(&self->state);
    self->state.now = KST_STATE_WAITING;
    self->state.reason = kst_strdup(reason);
    self->state.message = kst_strdup(message);
}

static void set_running(struct kst_pod_container *self)
{
    state_release(&self->state);
    self->state.now = KST_STATE_RUNNING;
    kst_container_running(self->process, &self->state.started_ms);
    const bool probed = kst_json_get(self->spec, "startupProbe") != NULL;
    self->started = !probed;
    self->ready = false;
}

static void set_ended(struct kst_pod_container *self, int code, int64_t ended_ms)
{
    int64_t started = self->state.started_ms;
    state_release(&self->state);
    self->state.now = KST_STATE_ENDED;
    self->state.started_ms = started;
    self->state.ended_ms = ended_ms;
    self->state.exit_code = code;
    self->state.reason = kst_strdup(code == 0 ? "Completed" : "Error");
    self->ready = false;
    self->started = false;
}

/* ---- one container ---- */

/* The end of a container and that of its Pod may both want this at once: the first does it. */
static void stop_probes(struct kst_pod_container *self)
{
    struct kst_fiber *probes = kst_take(self->probes);
    if (!probes)
        return;
    kst_fiber_cancel(probes);
    kst_fiber_join(probes, NULL);
}

/* Waits for its end, and frees the process once no exec uses it. */
static int await_end(struct kst_pod_container *self)
{
    int code = 0;
    int64_t ended_ms = 0;
    kst_shield_begin(); /* its end is awaited whatever happens: who wants it sooner kills it */
    kst_container_wait(self->process, &code, &ended_ms, NULL);
    stop_probes(self);
    set_ended(self, code, ended_ms);
    kst_pod_tell(self->pod);
    while (self->users > 0)
        kst_cond_wait(&self->unused, KST_NEVER, NULL);
    kst_container_free(self->process);
    self->process = NULL;
    kst_shield_end();
    return code;
}

static void run_hook(struct kst_pod_container *self, const char *name)
{
    enum { HOOK_MS = 30000 };
    const struct kst_json *hook = kst_json_get(kst_json_get(self->spec, "lifecycle"), name);
    kst_auto_err struct kst_err *err = NULL;
    if (hook && kst_pod_run_handler(self, hook, HOOK_MS, &err) < 0)
        kst_logf(KST_LOG_DEBUG, "%s of %s/%s: %s", name, self->pod->name, self->name,
                 kst_err_message(err));
}

/* It was not started: it waits for what is missing, or has ended where its program cannot be run,
 * as with any runtime. -1, or the code that it ended with. */
static int tell_failure(struct kst_pod_container *self, const struct kst_err *err)
{
    enum { CANNOT_RUN = 128 };
    const char *reason = kst_err_get_reason(err), *hint = kst_err_get_hint(err);
    bool pull = strcmp(reason, "ErrImagePull") == 0;
    kst_auto_free char *message = kst_asprintf("%s%s%s", kst_err_message(err), hint ? ". " : "",
                                               hint ? hint : "");
    if (pull)
        kst_pod_event(self, "Warning", "Failed", "Failed to pull image \"%s\": %s",
                      kst_api_text(self->spec, "image"), message);
    kst_pod_event(self, "Warning", "Failed", "Error: %s", pull ? reason : message);
    if (strcmp(reason, "StartError") == 0) {
        self->state.started_ms = kst_wall_ms();
        set_ended(self, CANNOT_RUN, kst_wall_ms());
        free(self->state.reason);
        self->state.reason = kst_strdup(reason);
        self->state.message = kst_take(message);
    } else {
        bool config = strcmp(reason, "CreateContainerConfigError") == 0;
        kst_pod_set_waiting(self, pull || config ? reason : "CreateContainerError", message);
    }
    kst_pod_tell(self->pod);
    return strcmp(reason, "StartError") == 0 ? CANNOT_RUN : -1;
}

/* One run of it, from start to end: its exit code, or -1 where it could not be started. */
static int run_once(struct kst_pod_container *self)
{
    kst_auto_err struct kst_err *err = NULL;
    if (kst_pod_container_start(self, &err) < 0)
        return tell_failure(self, err);
    kst_pod_event(self, "Normal", "Pulled", "Container image \"%s\" already present on machine",
                  kst_api_text(self->spec, "image"));
    kst_pod_event(self, "Normal", "Created", "Created container %s", self->name);
    kst_pod_event(self, "Normal", "Started", "Started container %s", self->name);
    set_running(self);
    run_hook(self, "postStart");
    if (!self->init)
        self->probes = kst_fiber_spawn(self->pod->node->loop, "probes", kst_pod_probe, self);
    kst_pod_tell(self->pod);
    return await_end(self);
}

void kst_pod_container_end(struct kst_pod_container *self)
{
    int64_t grace_s = kst_json_path_int(self->pod->json, "spec.terminationGracePeriodSeconds", 30);
    if (!self->process)
        return;
    self->users++;
    kst_container_stop(self->process, grace_s * 1000, NULL);
    if (--self->users == 0)
        kst_cond_signal(&self->unused);
}

static bool restarts(const struct kst_pod_container *self, int code)
{
    const char *policy = kst_api_text(self->pod->json, "spec.restartPolicy");
    if (self->pod->ending)
        return false;
    if (code == -1)
        return true; /* it may start another time */
    if (self->init)
        return code != 0 && strcmp(policy, "Never") != 0;
    return strcmp(policy, "Always") == 0 || (code != 0 && strcmp(policy, "OnFailure") == 0);
}

static int64_t longer(int64_t backoff_ms)
{
    return backoff_ms * 2 < MOST_BACKOFF_MS ? backoff_ms * 2 : MOST_BACKOFF_MS;
}

/* What it was becomes what it was before. */
static void keep_last(struct kst_pod_container *self)
{
    if (self->state.now != KST_STATE_ENDED)
        return;
    state_release(&self->last);
    self->last = self->state;
    self->state = (struct kst_pod_state){0};
}

static void back_off_starting(struct kst_pod_container *self, int64_t backoff_ms)
{
    kst_auto_free char *message = kst_asprintf(
        "back-off %llds restarting failed container=%s pod=%s_%s(%s)", (long long)backoff_ms / 1000,
        self->name, self->pod->name, self->pod->ns, self->pod->uid);
    keep_last(self);
    kst_pod_set_waiting(self, "CrashLoopBackOff", message);
    kst_pod_tell(self->pod);
    kst_pod_event(self, "Warning", "BackOff", "Back-off restarting failed container");
}

static void back_off_pulling(struct kst_pod_container *self)
{
    const char *image = kst_api_text(self->spec, "image");
    kst_auto_free char *message = kst_asprintf("Back-off pulling image \"%s\": %s", image,
                                               self->state.message);
    kst_pod_set_waiting(self, "ImagePullBackOff", message);
    kst_pod_tell(self->pod);
    kst_pod_event(self, "Normal", "BackOff", "Back-off pulling image \"%s\"", image);
    kst_pod_event(self, "Warning", "Failed", "Error: ImagePullBackOff");
}

/* Until it is tried again: KST_E_CANCELLED where it is not to be. */
static int await_next(struct kst_pod_container *self, int code, int64_t backoff_ms)
{
    if (code != -1) {
        if (backoff_ms > 0)
            back_off_starting(self, backoff_ms);
        return kst_sleep_ms(backoff_ms, NULL);
    }
    int rc = kst_sleep_ms(RETRY_MS, NULL);
    if (rc == KST_E_CANCELLED || strcmp(self->state.reason, "ErrImagePull") != 0)
        return rc;
    back_off_pulling(self);
    return kst_sleep_ms(backoff_ms, NULL);
}

/* Runs it again and again, as the Pod's policy says. */
static int supervise(void *arg, struct kst_err **err)
{
    struct kst_pod_container *self = arg;
    int64_t backoff_ms = 0;
    for (;;) {
        int64_t began_ms = kst_now_ms();
        int code = run_once(self);
        if (!restarts(self, code))
            break;
        if (kst_now_ms() - began_ms > WELL_AFTER_MS)
            backoff_ms = 0;
        if (await_next(self, code, backoff_ms) == KST_E_CANCELLED || self->pod->ending)
            break;
        backoff_ms = backoff_ms ? longer(backoff_ms) : FIRST_BACKOFF_MS;
        if (code != -1) {
            keep_last(self);
            self->restarts++;
        }
    }
    kst_cond_signal(&self->pod->wake);
    return 0;
}

/* ---- the Pod ---- */

struct kst_pod *kst_pod_find(const struct kst_node *node, const char *ns, const char *name)
{
    for (struct kst_pod *pod = node->pods; pod; pod = pod->next)
        if (strcmp(pod->ns, ns) == 0 && strcmp(pod->name, name) == 0 && !pod->gone)
            return pod;
    return NULL;
}

struct kst_pod_container *kst_pod_container_find(struct kst_pod *self, const char *name)
{
    for (size_t i = 0; i < self->ncontainers; i++)
        if (strcmp(self->containers[i].name, name) == 0)
            return &self->containers[i];
    return NULL;
}

static void add_containers(struct kst_pod *self, const char *path, bool init)
{
    const struct kst_json *list = kst_json_path(self->json, path);
    for (const struct kst_json *c = kst_json_first(list);
         c && self->ncontainers < KST_POD_CONTAINERS; c = kst_json_next(c)) {
        struct kst_pod_container *container = &self->containers[self->ncontainers++];
        container->pod = self;
        container->name = kst_strdup(kst_api_text(c, "name"));
        container->spec = c;
        container->init = init;
        kst_pod_set_waiting(container, "ContainerCreating", NULL);
    }
}

/* Work of a controller with an end: it speaks to the API server, and serves nobody. */
static bool is_of_job(const struct kst_json *pod)
{
    const struct kst_json *owners = kst_json_path(pod, "metadata.ownerReferences");
    for (const struct kst_json *o = kst_json_first(owners); o; o = kst_json_next(o))
        if (strcmp(kst_api_text(o, "kind"), "Job") == 0)
            return true;
    return false;
}

static bool wants_host_network(const struct kst_pod *self)
{
    if (kst_json_path_true(self->json, "spec.hostNetwork") || is_of_job(self->json))
        return true;
    const struct kst_json *all = kst_json_path(self->json, "spec.containers");
    for (const struct kst_json *c = kst_json_first(all); c; c = kst_json_next(c)) {
        const struct kst_image *image = NULL;
        if (kst_images_find(self->node->images, kst_api_text(c, "image"), &image, NULL) == 0 &&
            image->host_network)
            return true;
    }
    return false;
}

/* Whether the object still wants to live; tells the fiber's caller when it does not. */
static bool is_wanted(struct kst_pod *self)
{
    const struct kst_object *object = kst_api_find(self->node->api, "/pods", self->ns, self->name);
    self->gone = !object || strcmp(object->uid, self->uid) != 0;
    return !self->gone && !kst_api_is_deleting(object->json) && !self->node->stopping;
}

/* When it has run for as long as it may (spec.activeDeadlineSeconds). */
static int64_t deadline_of(const struct kst_pod *self)
{
    int64_t seconds = kst_json_path_int(self->json, "spec.activeDeadlineSeconds", -1);
    if (seconds < 0)
        return KST_NEVER;
    return kst_now_ms() + self->start_ms + seconds * 1000 - kst_wall_ms();
}

/* Whether it is to be run: wanted, and not for too long. */
static bool goes_on(struct kst_pod *self)
{
    return is_wanted(self) && deadline_of(self) > kst_now_ms();
}

/* Until the volumes are there: 0, or KST_E_CANCELLED where the Pod is not wanted any more. */
static int await_volumes(struct kst_pod *self)
{
    while (goes_on(self)) {
        kst_auto_err struct kst_err *err = NULL;
        if (kst_pod_make_volumes(self, &err) == 0)
            return 0;
        for (size_t i = 0; i < self->ncontainers; i++)
            kst_pod_set_waiting(&self->containers[i], "ContainerCreating", kst_err_message(err));
        kst_pod_tell(self);
        kst_cond_wait(&self->wake, kst_now_ms() + RETRY_MS, NULL);
    }
    return KST_E_CANCELLED;
}

static void begin(struct kst_pod_container *self)
{
    self->fiber = kst_fiber_spawn(self->pod->node->loop, self->name, supervise, self);
}

/* Init containers one after the other; false where one failed for good, or the Pod ends. */
static bool run_init(struct kst_pod *self)
{
    for (size_t i = 0; i < self->ncontainers; i++) {
        struct kst_pod_container *container = &self->containers[i];
        if (!container->init)
            return true;
        begin(container);
        while (!kst_fiber_ended(container->fiber) && goes_on(self))
            kst_cond_wait(&self->wake, kst_now_ms() + RETRY_MS, NULL);
        if (!goes_on(self) || container->state.now != KST_STATE_ENDED ||
            container->state.exit_code != 0)
            return false;
    }
    return true;
}

static bool all_ended(const struct kst_pod *self)
{
    for (size_t i = 0; i < self->ncontainers; i++)
        if (self->containers[i].fiber && !kst_fiber_ended(self->containers[i].fiber))
            return false;
    return true;
}

/* ---- the end ---- */

static int64_t grace_ms(const struct kst_pod *self)
{
    const struct kst_object *object = kst_api_find(self->node->api, "/pods", self->ns, self->name);
    if (self->gone || self->node->stopping || !object)
        return 0;
    return kst_api_ms(kst_json_path_int(object->json, "metadata.deletionGracePeriodSeconds", 30));
}

struct stopping {
    struct kst_pod_container *container;
    int64_t grace_ms;
};

static int stop_one(void *arg, struct kst_err **err)
{
    const struct stopping *self = arg;
    struct kst_pod_container *container = self->container;
    if (!container->process)
        return 0;
    container->users++;
    kst_pod_event(container, "Normal", "Killing", "Stopping container %s", container->name);
    if (self->grace_ms > 0)
        run_hook(container, "preStop");
    kst_container_stop(container->process, self->grace_ms, NULL);
    if (--container->users == 0)
        kst_cond_signal(&container->unused);
    return 0;
}

static void stop_all(struct kst_pod *self)
{
    struct stopping all[KST_POD_CONTAINERS];
    struct kst_group *group = kst_group_new(self->node->loop, false);
    int64_t grace = grace_ms(self);
    self->ending = true;
    for (size_t i = 0; i < self->ncontainers; i++) {
        all[i] = (struct stopping){.container = &self->containers[i], .grace_ms = grace};
        stop_probes(&self->containers[i]);
        if (self->containers[i].fiber && !self->containers[i].process)
            kst_fiber_cancel(self->containers[i].fiber);
        if (self->containers[i].process)
            kst_group_spawn(group, "stop", stop_one, &all[i]);
    }
    kst_group_wait(group, NULL);
    kst_group_free(group);
    for (size_t i = 0; i < self->ncontainers; i++) {
        if (!self->containers[i].fiber)
            continue;
        kst_fiber_cancel(self->containers[i].fiber);
        kst_fiber_join(self->containers[i].fiber, NULL);
        self->containers[i].fiber = NULL;
    }
}

void kst_pod_kill(struct kst_pod *self)
{
    for (size_t i = 0; self->ending && i < self->ncontainers; i++)
        if (self->containers[i].process)
            kst_container_kill(self->containers[i].process);
}

/* The node has done its part: the object may go. */
static void confirm(struct kst_pod *self)
{
    const struct kst_object *object = kst_api_find(self->node->api, "/pods", self->ns, self->name);
    if (!object || strcmp(object->uid, self->uid) != 0 || !kst_api_is_deleting(object->json))
        return;
    const struct kst_api_call call = kst_api_call_for(self->node->api, "/pods", self->ns,
                                                      self->name, "kubelet");
    const struct kst_api_delete options = {.uid = self->uid, .grace_seconds = 0};
    kst_json_free(kst_api_delete(self->node->api, &call, &options, NULL));
}

static bool has_finished(const struct kst_pod *self)
{
    const struct kst_object *object = kst_api_find(self->node->api, "/pods", self->ns, self->name);
    const char *phase = object ? kst_api_text(object->json, "status.phase") : "";
    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

/* It has run for too long. */
static void expire(struct kst_pod *self)
{
    stop_all(self);
    self->overdue = true;
    kst_pod_tell(self);
}

static int live(void *arg, struct kst_err **err)
{
    struct kst_pod *self = arg;
    kst_pod_tell(self);
    kst_auto_err struct kst_err *why = NULL;
    int rc = await_volumes(self);
    if (rc == 0)
        rc = kst_container_group_new(self->node->loop, self->name, self->host_network, &self->group,
                                     &why);
    if (rc < 0 && why)
        kst_logf(KST_LOG_ERROR, "Pod %s/%s: %s", self->ns, self->name, kst_err_message(why));
    if (rc == 0 && run_init(self))
        for (size_t i = 0; i < self->ncontainers; i++)
            if (!self->containers[i].init)
                begin(&self->containers[i]);
    while (is_wanted(self)) {
        if (all_ended(self))
            kst_pod_tell(self);
        bool over = self->overdue || has_finished(self);
        if (!over && !goes_on(self))
            expire(self);
        else
            kst_cond_wait(&self->wake, over ? KST_NEVER : deadline_of(self), NULL);
    }
    stop_all(self);
    if (!self->gone && !self->node->stopping) {
        kst_pod_tell(self);
        confirm(self);
    }
    self->gone = true;
    kst_cond_signal(&self->node->changed);
    return 0;
}

/* From a timer, so that the Pod's fiber is nobody's child: it was the controllers' or a request's
 * that made the object, and they end before it. */
static void begin_pod(void *arg)
{
    struct kst_pod *self = arg;
    self->fiber = kst_fiber_spawn(self->node->loop, self->name, live, self);
}

struct kst_pod *kst_pod_start(struct kst_node *node, const struct kst_object *object)
{
    struct kst_pod *self = kst_calloc(1, sizeof(*self));
    self->node = node;
    self->json = kst_json_dup(object->json);
    self->ns = kst_strdup(object->ns);
    self->name = kst_strdup(object->name);
    self->uid = kst_strdup(object->uid);
    self->dir = kst_asprintf("%s/pods/%s", node->dir, self->uid);
    self->host_network = wants_host_network(self);
    unsigned n = ++node->addresses;
    self->ip = self->host_network ? kst_strdup("127.0.0.1")
                                  : kst_asprintf("10.244.%u.%u", n / 250 % 250, 2 + n % 250);
    self->start_ms = kst_wall_ms();
    mkdir(self->dir, 0700);
    add_containers(self, "spec.initContainers", true);
    add_containers(self, "spec.containers", false);
    self->next = node->pods;
    node->pods = self;
    kst_timer_start(node->loop, kst_now_ms(), begin_pod, self);
    return self;
}

void kst_pod_free(struct kst_pod *self)
{
    kst_container_group_free(self->group);
    for (size_t i = 0; i < self->ncontainers; i++) {
        state_release(&self->containers[i].state);
        state_release(&self->containers[i].last);
        kst_cond_release(&self->containers[i].unused);
        free(self->containers[i].name);
    }
    for (size_t i = 0; i < KST_POD_MOUNTS; i++)
        free(self->paths[i]);
    kst_storage_remove(self->dir, NULL);
    kst_cond_release(&self->wake);
    kst_json_free(self->json);
    free(self->ns);
    free(self->name);
    free(self->uid);
    free(self->dir);
    free(self->ip);
    free(self);
}
