/* SPDX-License-Identifier: Apache-2.0 */
/* run:task: a Pod from an image, run to its end; what its log says is its output. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "lua/host.h"
#include "run/journal.h"
#include "run/native_args.h"
#include "run/natives.h"
#include "run/run.h"

enum {
    DEFAULT_TIMEOUT_MS = 60 * 60 * 1000,
    CLEAN_UP_MS = 30 * 1000,
    MAX_OUTPUT_BYTES = 1024 * 1024,
    TAIL_BYTES = 600,
};

/* A line of output by which images that embed kando, and `kassette output`, hand over a value. */
static const char phase_output[] = "###Phase-output###:";

struct task {
    struct kst_run *run;
    const struct kst_json *args;
    const char *ns;
    char *name;
};

/* The Pod's name: the same for the same step of the same run. */
static char *pod_name(const struct kst_run *run, const struct kst_json *args)
{
    const char *step = kst_json_path_str(args, "step");
    kst_auto_free char *key = kst_json_text(args);
    kst_auto_free char *full = kst_asprintf("%s-a%lld-%s-%08llx", run->name,
                                            (long long)run->attempt, step ? step : "task",
                                            kst_hash(key, strlen(key)) & 0xffffffff);
    return kst_name_make(full, 63);
}

static struct kst_json *environment(const struct kst_json *args)
{
    struct kst_json *list = kst_json_array();
    const struct kst_json *env = kst_json_get(args, "env");
    for (const struct kst_json *row = kst_json_first(env); row; row = kst_json_next(row)) {
        struct kst_json *entry = kst_json_make("{'name':%s}", kst_json_key(row));
        /* A value, or { secret = "name", key = "key" }: a secret never stands in a Pod's spec. */
        const char *secret = kst_json_path_str(row, "secret");
        if (secret)
            kst_json_set(entry, "valueFrom",
                         kst_json_make("{'secretKeyRef':{'name':%s,'key':%s}}", secret,
                                       kst_json_path_str(row, "key")));
        else
            kst_json_set_str(entry, "value",
                             kst_json_str(row) ? kst_json_str(row) : kst_json_number(row));
        kst_json_push(list, entry);
    }
    return list;
}

/* volumes = { CLAIM = "/mount/path" }. */
static void mount_claims(struct kst_json *spec, struct kst_json *container,
                         const struct kst_json *args)
{
    const struct kst_json *volumes = kst_json_get(args, "volumes");
    struct kst_json *list = kst_json_ensure_array(spec, "volumes");
    struct kst_json *mounts = kst_json_ensure_array(container, "volumeMounts");
    int index = 0;
    for (const struct kst_json *row = kst_json_first(volumes); row; row = kst_json_next(row)) {
        kst_auto_free char *name = kst_asprintf("volume-%d", index++);
        kst_json_push(list, kst_json_make("{'name':%s,'persistentVolumeClaim':{'claimName':%s}}",
                                          name, kst_json_key(row)));
        kst_json_push(mounts, kst_json_make("{'name':%s,'mountPath':%s}", name, kst_json_str(row)));
    }
}

static struct kst_json *pod_object(const struct task *task)
{
    const struct kst_json *args = task->args;
    kst_auto_json struct kst_json *labels = kst_run_labels(task->run, "task");
    kst_auto_json struct kst_json *env = environment(args);
    struct kst_json *pod = kst_json_make(
        "{'apiVersion':'v1','kind':'Pod','metadata':{'name':%s,'namespace':%s,'labels':%J},"
        "'spec':{'restartPolicy':'Never','containers':[{'name':'task','image':%s,'env':%J}]}}",
        task->name, task->ns, labels, kst_json_path_str(args, "image"), env);
    struct kst_json *spec = kst_json_mut(pod, "spec");
    struct kst_json *container = kst_json_mut_at(kst_json_mut(spec, "containers"), 0);
    static const struct {
        const char *from, *to;
    } of_container[] = {{"command", "command"},
                        {"args", "args"},
                        {"image_pull_policy", "imagePullPolicy"},
                        {"resources", "resources"}};
    static const struct {
        const char *from, *to;
    } of_pod[] = {{"service_account", "serviceAccountName"}, {"node", "nodeName"}};
    for (size_t i = 0; i < KST_ARRAY_LEN(of_container); i++)
        kst_json_set(container, of_container[i].to,
                     kst_json_dup(kst_json_get(args, of_container[i].from)));
    for (size_t i = 0; i < KST_ARRAY_LEN(of_pod); i++)
        kst_json_set(spec, of_pod[i].to, kst_json_dup(kst_json_get(args, of_pod[i].from)));
    mount_claims(spec, container, args);
    if (strcmp(task->ns, task->run->home) == 0) {
        struct kst_json *owners = kst_json_array();
        kst_json_push(owners, kst_run_owner(task->run));
        kst_json_set(kst_json_mut(pod, "metadata"), "ownerReferences", owners);
    }
    return pod;
}

/* Why a container does not start, where kubelet says that it will not by itself. */
static int check_waiting(const struct kst_json *pod, struct kst_err **err)
{
    static const char *const final[] = {
        "ErrImageNeverPull", "ImagePullBackOff",           "ErrImagePull",
        "InvalidImageName",  "CreateContainerConfigError", "CreateContainerError"};
    const struct kst_json *waiting = kst_json_path(pod, "status.containerStatuses.0.state.waiting");
    const char *reason = kst_json_path_str(waiting, "reason");
    const char *message = kst_json_path_str(waiting, "message");
    for (size_t i = 0; reason && i < KST_ARRAY_LEN(final); i++) {
        if (strcmp(reason, final[i]) == 0) {
            kst_err_set(err, KST_E_FAILED, "its container cannot start: %s: %s", reason,
                        message ? message : "");
            kst_err_reason(err, reason);
            return KST_E_FAILED;
        }
    }
    return 0;
}

static int has_ended(void *arg, const struct kst_json *pod, struct kst_err **err)
{
    if (!pod)
        return kst_err_set(err, KST_E_NOT_FOUND, "it was deleted by somebody");
    const char *phase = kst_json_path_str(pod, "status.phase");
    if (phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0))
        return 1;
    return check_waiting(pod, err);
}

/* {key: value} of the lines that hand over values; a line that is wrong is an error, as somebody
 * relies on it. */
static int read_output(const struct kst_buf *text, struct kst_json **out, struct kst_err **err)
{
    *out = kst_json_object();
    struct kst_str rest = kst_str_buf(text), line;
    while (kst_str_split(&rest, '\n', &line)) {
        line = kst_str_trim(line);
        if (!kst_str_has_prefix(line, phase_output))
            continue;
        kst_auto_json struct kst_json *row = NULL;
        int rc = kst_json_parse(line.data + sizeof(phase_output) - 1,
                                line.len - sizeof(phase_output) + 1, &row, err);
        if (rc < 0)
            return kst_err_wrap(err, rc, "a line of output that begins with %s", phase_output);
        const char *key = kst_json_path_str(row, "key");
        if (key)
            kst_json_set(*out, key, kst_json_dup(kst_json_get(row, "value")));
    }
    return 0;
}

static int finish(const struct task *task, const struct kst_json *pod, struct kst_json **result,
                  struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(MAX_OUTPUT_BYTES);
    int rc = kst_kube_logs(task->run->kube, task->ns, task->name, NULL, false, -1, &text, err);
    if (rc < 0)
        return rc;
    int64_t code = kst_json_path_int(pod, "status.containerStatuses.0.state.terminated.exitCode",
                                     -1);
    const struct kst_json *check = kst_json_get(task->args, "check");
    if (code != 0 && (!check || kst_json_true(check))) {
        struct kst_str said = kst_str_trim(kst_str_buf(&text));
        size_t skip = said.len > TAIL_BYTES ? said.len - TAIL_BYTES : 0;
        kst_err_set(err, KST_E_FAILED, "it ended with exit code %lld: %.*s", (long long)code,
                    (int)(said.len - skip), said.data + skip);
        kst_err_reason(err, "TaskFailed");
        return KST_E_FAILED;
    }
    struct kst_json *output = NULL;
    rc = read_output(&text, &output, err);
    *result = kst_json_make("{'code':%L,'output':%J}", code, output);
    kst_json_set(*result, "stdout", kst_json_from_strn(text.data, text.len));
    kst_json_free(output);
    return rc;
}

/* Whatever happened, the Pod goes. */
static void clean_up(const struct task *task)
{
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(kst_deadline_in_ms(CLEAN_UP_MS));
    const struct kst_kube_delete_options options = {.grace_seconds = 0};
    kst_auto_err struct kst_err *err = NULL;
    int rc = kst_kube_delete(task->run->kube, &kst_res_pods, task->ns, task->name, &options, &err);
    if (rc < 0 && rc != KST_E_NOT_FOUND)
        kst_log(KST_LOG_WARN, "the Pod of a task could not be deleted", "pod", task->name, "error",
                kst_err_message(err), NULL);
    kst_deadline_restore(outer);
    kst_shield_end();
}

static int run_task(const struct task *task, struct kst_json **result, struct kst_err **err)
{
    kst_auto_json struct kst_json *object = pod_object(task), *pod = NULL;
    int rc = kst_kube_create(task->run->kube, &kst_res_pods, task->ns, object, true, NULL, err);
    if (rc == 0)
        rc = kst_watch_until(task->run->kube, &kst_res_pods, task->ns, task->name, has_ended, NULL,
                             KST_NEVER, "to end", &pod, err);
    if (rc == 0)
        rc = finish(task, pod, result, err);
    if (rc < 0)
        kst_err_wrap(err, rc, "task Pod/%s/%s", task->ns, task->name);
    clean_up(task);
    return rc;
}

static int native_task(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    struct task task = {.run = ctx, .args = args};
    const char *image = NULL;
    int64_t timeout_ms = 0;
    int rc = kst_native_str(args, "task", "image", &image, err);
    if (rc == 0)
        rc = kst_native_namespace(task.run, args, &task.ns, err);
    if (rc == 0)
        rc = kst_native_duration(args, "task", "timeout", DEFAULT_TIMEOUT_MS, &timeout_ms, err);
    if (rc < 0)
        return rc;
    task.name = pod_name(task.run, args);
    int64_t outer = kst_native_deadline(timeout_ms);
    rc = run_task(&task, result, err);
    kst_deadline_restore(outer);
    free(task.name);
    return rc;
}

const struct kst_lua_native kst_task_natives[] = {
    {"task", native_task},
    {NULL, NULL},
};
