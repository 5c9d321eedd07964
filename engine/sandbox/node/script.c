/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/node/script.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/bootstrap.h"
#include "sandbox/server/exec_request.h"
#include "sandbox/server/httpd.h"

enum { INPUT_BYTES = 16 * 1024 * 1024, WHOLE_BYTES = 64 * 1024 };

static const char manager[] = "kubelet";

struct kst_script {
    kst_script_ask *ask;
    void *arg;
    struct kst_loop *loop;
    struct kst_api *api;
    struct kst_fiber *keeper;
    struct kst_cond changed;
    bool stopping;
    int64_t last_id;
    size_t busy;
    struct kst_json *logs; /* "namespace/pod" -> what a Pod that has ended printed */
};

static int ask(struct kst_script *self, struct kst_json *question, struct kst_json **answer,
               struct kst_err **err)
{
    kst_auto_json struct kst_json *taken = question;
    return self->ask(self->arg, taken, answer, err);
}

/* ---- commands ---- */

struct command {
    struct kst_script *script;
    struct kst_remote *remote;
    const struct kst_exec_request *asked;
    const struct kst_object *pod;
    const char *container;
    int64_t id;
};

static struct kst_json *question_of(const struct command *self, const char *type)
{
    struct kst_json *question = kst_json_make(
        "{'type':%s,'id':%L,'namespace':%s,'pod':%s,'container':%s}", type, self->id, self->pod->ns,
        self->pod->name, self->container);
    struct kst_json *words = kst_json_ensure_array(question, "command");
    for (size_t i = 0; i < self->asked->count; i++)
        kst_json_push(words, kst_json_from_str(self->asked->command[i]));
    return question;
}

static void write_out(struct command *self, const struct kst_json *answer)
{
    static const char *const streams[] = {"stdout", "stderr"};
    for (int i = 0; i < 2; i++) {
        const char *text = kst_json_path_str(answer, streams[i]);
        if (text)
            kst_remote_write(self->remote, i + 1, text, strlen(text), NULL);
    }
}

static void end(struct command *self, int rc, const struct kst_json *answer,
                const struct kst_err *error)
{
    const char *failure = rc < 0 ? kst_err_message(error) : kst_json_path_str(answer, "failure");
    kst_auto_json struct kst_json *status = failure ? kst_remote_status(0, failure)
                                                    : kst_remote_exit_status(
                                                          (int)kst_json_path_int(answer, "code", 0),
                                                          self->asked->command);
    kst_remote_finish(self->remote, status, NULL);
}

static void hang(const struct command *self)
{
    kst_auto_buf nothing = KST_BUF_INIT(INPUT_BYTES);
    while (kst_remote_read(self->remote, &nothing, KST_NEVER, NULL) >= 0)
        kst_buf_clear(&nothing);
}

static void run_command(struct command *self, const struct kst_buf *input)
{
    kst_auto_json struct kst_json *answer = NULL;
    kst_auto_err struct kst_err *err = NULL;
    struct kst_json *question = question_of(self, "exec");
    if (input)
        kst_json_set(question, "input", kst_json_from_strn(input->data, input->len));
    int rc = ask(self->script, question, &answer, &err);
    if (rc == 0 && kst_json_path_true(answer, "hang")) {
        hang(self);
        return;
    }
    write_out(self, answer);
    end(self, rc, answer, err);
}

/* False where the command has ended. */
static bool say(struct command *self, const struct kst_buf *data)
{
    kst_auto_json struct kst_json *answer = NULL;
    kst_auto_err struct kst_err *err = NULL;
    struct kst_json *question = kst_json_make("{'type':'say','id':%L}", self->id);
    kst_json_set(question, "data", kst_json_from_strn(data->data, data->len));
    int rc = ask(self->script, question, &answer, &err);
    write_out(self, answer);
    if (rc == 0 && !kst_json_get(answer, "code"))
        return true;
    end(self, rc, answer, err);
    return false;
}

/* A command whose input stays open; `data` is the first of it. */
static void hold_session(struct command *self, struct kst_buf *data)
{
    kst_auto_json struct kst_json *answer = NULL;
    kst_auto_err struct kst_err *err = NULL;
    int rc = ask(self->script, question_of(self, "open"), &answer, &err);
    if (rc < 0 || kst_json_get(answer, "failure")) {
        end(self, rc, answer, err);
        return;
    }
    bool goes_on = data->len == 0 || say(self, data);
    while (goes_on) {
        kst_buf_clear(data);
        if (kst_remote_read(self->remote, data, KST_NEVER, NULL) <= 0)
            break;
        goes_on = say(self, data);
    }
    kst_err_clear(&err);
    ask(self->script, kst_json_make("{'type':'close','id':%L}", self->id), NULL, NULL);
    if (goes_on)
        end(self, 0, NULL, NULL);
}

/* The first input, and whether it ends with it: what a client sends at once is there at once. */
static bool reads_whole(struct command *self, struct kst_buf *input)
{
    int64_t got = kst_remote_read(self->remote, input, KST_NEVER, NULL);
    while (got > 0)
        got = kst_remote_read(self->remote, input, input->len < WHOLE_BYTES ? 0 : KST_NEVER, NULL);
    return got == 0;
}

static void converse(struct command *self)
{
    kst_auto_buf input = KST_BUF_INIT(INPUT_BYTES);
    if (!self->asked->streams.in)
        run_command(self, NULL);
    else if (reads_whole(self, &input))
        run_command(self, &input);
    else
        hold_session(self, &input);
}

/* ---- the request ---- */

/* The container that is meant; NULL with *status otherwise. */
static const char *choose(const struct kst_httpd_request *request, const struct kst_object *pod,
                          struct kst_json **status)
{
    const char *name = kst_httpd_query(request, "container");
    const struct kst_json *list = kst_json_path(pod->json, "spec.containers");
    if ((!name || !*name) && kst_json_len(list) == 1)
        return kst_api_text(kst_json_first(list), "name");
    for (const struct kst_json *row = kst_json_first(list); row && name; row = kst_json_next(row)) {
        if (strcmp(kst_api_text(row, "name"), name) == 0)
            return name;
    }
    *status = name && *name
                  ? kst_status_bad_request("container %s is not valid for pod %s", name, pod->name)
                  : kst_status_bad_request("a container name must be specified for pod %s",
                                           pod->name);
    return NULL;
}

void kst_script_exec(void *arg, struct kst_httpd_request *request, const struct kst_object *pod)
{
    struct kst_script *self = arg;
    struct kst_json *status = NULL;
    struct kst_exec_request asked;
    struct command command = {.script = self, .asked = &asked, .pod = pod, .id = ++self->last_id};
    kst_exec_request_read(request, &asked);
    command.container = choose(request, pod, &status);
    if (!status && strcmp(kst_api_text(pod->json, "status.phase"), "Running") != 0)
        status = kst_status_failure(500, "InternalError",
                                    "unable to upgrade connection: container not found (\"%s\")",
                                    command.container);
    if (status) {
        kst_exec_request_refuse(request, status);
        return;
    }
    if (!kst_exec_request_agree(request, &asked))
        return;
    self->busy++;
    if (kst_exec_request_connect(request, &asked, &command.remote) == 0)
        converse(&command);
    kst_remote_free(command.remote);
    self->busy--;
}

void kst_script_log(void *arg, struct kst_httpd_request *request, const struct kst_object *pod)
{
    const struct kst_script *self = arg;
    kst_auto_free char *key = kst_asprintf("%s/%s", pod->ns, pod->name);
    const char *text = kst_json_str(kst_json_get(self->logs, key));
    kst_httpd_reply(request, 200, "text/plain", text ? text : "", text ? strlen(text) : 0);
}

/* ---- Pods ---- */

static struct kst_json *container_status(const struct kst_json *container, bool ready,
                                         const struct kst_json *ended)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    kst_auto_json struct kst_json *state =
        ended ? kst_json_make("{'terminated':{'exitCode':%L,'reason':%s,'startedAt':%s,"
                              "'finishedAt':%s}}",
                              kst_json_path_int(ended, "code", 0),
                              kst_json_path_int(ended, "code", 0) ? "Error" : "Completed", now, now)
              : kst_json_make("{'running':{'startedAt':%s}}", now);
    return kst_json_make("{'name':%s,'state':%J,'lastState':{},'ready':%b,'restartCount':0,"
                         "'image':%s,'imageID':'','started':%b}",
                         kst_api_text(container, "name"), state, ready,
                         kst_api_text(container, "image"), !ended);
}

static void set_status(struct kst_script *self, const struct kst_object *pod, const char *phase,
                       bool ready, const struct kst_json *ended)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    static const char *const types[] = {"Initialized", "Ready", "ContainersReady", "PodScheduled"};
    struct kst_json *status = kst_json_make(
        "{'phase':%s,'hostIP':'127.0.0.1','podIP':'127.0.0.1','podIPs':[{'ip':'127.0.0.1'}],"
        "'startTime':%s}",
        phase, now);
    for (size_t i = 0; i < KST_ARRAY_LEN(types); i++) {
        bool holds = ready || i == 0 || i == 3;
        kst_json_push(kst_json_ensure_array(status, "conditions"),
                      kst_json_make("{'type':%s,'status':%s,'lastProbeTime':null,"
                                    "'lastTransitionTime':%s}",
                                    types[i], holds ? "True" : "False", now));
    }
    const struct kst_json *list = kst_json_path(pod->json, "spec.containers");
    for (const struct kst_json *row = kst_json_first(list); row; row = kst_json_next(row))
        kst_json_push(kst_json_ensure_array(status, "containerStatuses"),
                      container_status(row, ready, ended));
    kst_api_set_status(self->api, "/pods", pod, status, manager);
}

static void delete_pod(struct kst_script *self, const struct kst_object *pod)
{
    const struct kst_api_call call = kst_api_call_for(self->api, "/pods", pod->ns, pod->name,
                                                      manager);
    const struct kst_api_delete options = {.uid = pod->uid, .grace_seconds = 0};
    kst_json_free(kst_api_delete(self->api, &call, &options, NULL));
}

/* One that is to end by itself: what it does is asked, and it has ended. */
static void run_pod(struct kst_script *self, struct kst_object *pod)
{
    kst_auto_json struct kst_json *answer = NULL;
    kst_auto_free char *key = kst_asprintf("%s/%s", pod->ns, pod->name);
    int rc = ask(self, kst_json_make("{'type':'run','pod':%J}", pod->json), &answer, NULL);
    struct kst_object *live = kst_api_find(self->api, "/pods", pod->ns, pod->name);
    const char *text = kst_json_path_str(answer, "stdout");
    if (rc < 0) {
        kst_json_free(answer);
        answer = kst_json_make("{'code':1}");
    }
    if (!answer)
        answer = kst_json_object();
    kst_json_set_str(self->logs, key, text ? text : "");
    if (live && strcmp(live->uid, pod->uid) == 0)
        set_status(self, live, kst_json_path_int(answer, "code", 0) ? "Failed" : "Succeeded", false,
                   answer);
}

static void start_pod(struct kst_script *self, struct kst_object *pod)
{
    kst_auto_json struct kst_json *answer = NULL;
    if (strcmp(kst_api_text(pod->json, "spec.restartPolicy"), "Always") != 0) {
        run_pod(self, pod);
        return;
    }
    ask(self, kst_json_make("{'type':'status','pod':%J}", pod->json), &answer, NULL);
    const char *phase = kst_json_path_str(answer, "phase");
    const struct kst_json *ready = kst_json_get(answer, "ready");
    struct kst_object *live = kst_api_find(self->api, "/pods", pod->ns, pod->name);
    if (live && strcmp(live->uid, pod->uid) == 0)
        set_status(self, live, phase ? phase : "Running", !ready || kst_json_true(ready), NULL);
}

/* The first that something is to be done with, referenced; NULL where there is none. */
static struct kst_object *next_pod(const struct kst_script *self)
{
    struct kst_bucket *pods = kst_store_bucket(kst_api_store(self->api), "/pods");
    for (size_t i = 0; i < kst_bucket_count(pods); i++) {
        struct kst_object *pod = kst_bucket_at(pods, i);
        if (strcmp(kst_api_text(pod->json, "spec.nodeName"), KST_SANDBOX_NODE) != 0)
            continue;
        if (kst_api_is_deleting(pod->json) || !kst_json_path(pod->json, "status.containerStatuses"))
            return kst_object_ref(pod);
    }
    return NULL;
}

static int keep(void *arg, struct kst_err **err)
{
    struct kst_script *self = arg;
    kst_shield_begin();
    while (!self->stopping) {
        kst_auto_object struct kst_object *pod = next_pod(self);
        if (!pod)
            kst_cond_wait(&self->changed, KST_NEVER, NULL);
        else if (kst_api_is_deleting(pod->json))
            delete_pod(self, pod);
        else
            start_pod(self, pod);
    }
    kst_shield_end();
    return 0;
}

static void on_change(void *arg, struct kst_bucket *bucket, const struct kst_change *change)
{
    struct kst_script *self = arg;
    if (strcmp(kst_bucket_name(bucket), "/pods") == 0)
        kst_cond_signal(&self->changed);
}

/* ---- its life ---- */

struct kst_script *kst_script_new(kst_script_ask *ask_fn, void *arg)
{
    struct kst_script *self = kst_calloc(1, sizeof(*self));
    self->ask = ask_fn;
    self->arg = arg;
    self->logs = kst_json_object();
    return self;
}

void kst_script_start(struct kst_script *self, struct kst_loop *loop, struct kst_api *api)
{
    self->loop = loop;
    self->api = api;
    kst_store_listen(kst_api_store(api), on_change, self);
    self->keeper = kst_fiber_spawn(loop, "script", keep, self);
}

void kst_script_stop(struct kst_script *self)
{
    if (!self->keeper)
        return;
    self->stopping = true;
    kst_cond_signal(&self->changed);
    kst_fiber_join(self->keeper, NULL);
    self->keeper = NULL;
    kst_store_unlisten(kst_api_store(self->api), on_change, self);
}

void kst_script_free(struct kst_script *self)
{
    if (!self)
        return;
    kst_cond_release(&self->changed);
    kst_json_free(self->logs);
    free(self);
}

size_t kst_script_busy(const struct kst_script *self)
{
    return self->busy;
}
