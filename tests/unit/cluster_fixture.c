/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/sandbox.h"

enum { PATIENCE_MS = 30000, TURN_MS = 5 };

static const char ns[] = "default";

static int run(void *arg, struct kst_err **err)
{
    struct cluster *self = arg;
    const struct kst_sandbox_options options = {.no_node = !self->node};
    int rc = kst_sandbox_new(kst_fiber_loop(), &options, &self->sandbox, err);
    if (rc < 0)
        return rc;
    self->api = kst_sandbox_api(self->sandbox);
    cluster_settle(self);
    self->body(self);
    kst_sandbox_free(self->sandbox);
    return 0;
}

void cluster_run(bool node, void (*body)(struct cluster *self))
{
    struct cluster cluster = {.body = body, .node = node};
    struct kst_loop *loop = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    if (kst_loop_run(loop, "test", run, &cluster, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    kst_loop_free(loop);
}

/* ---- doing ---- */

struct kst_json *cluster_create(struct cluster *self, const char *yaml)
{
    struct kst_json *object = NULL;
    assert_int_equal(kst_yaml_parse(yaml, strlen(yaml), &object, NULL), 0);
    const struct kst_resource *resource = kst_registry_find_kind(
        kst_api_registry(self->api), kst_json_path_str(object, "apiVersion"),
        kst_json_path_str(object, "kind"));
    assert_non_null(resource);
    const struct kst_api_call call = {
        .resource = resource,
        .ns = resource->flags & KST_RES_NAMESPACED ? ns : "",
        .manager = "test",
    };
    return kst_api_create(self->api, &call, object, NULL);
}

void cluster_load(struct cluster *self, const char *yaml)
{
    kst_auto_json struct kst_json *status = cluster_create(self, yaml);
    if (status)
        fail_msg("%s", kst_status_message(status));
    cluster_settle(self);
}

void cluster_settle(struct cluster *self)
{
    int64_t deadline_ms = kst_now_ms() + PATIENCE_MS;
    do {
        kst_yield();
        assert_true(kst_now_ms() < deadline_ms);
    } while (!kst_sandbox_is_idle(self->sandbox));
}

/* Of the bucket's objects: "" where they are the cluster's. */
static const char *ns_of(struct cluster *self, const char *bucket)
{
    const struct kst_api_call call = kst_api_call_for(self->api, bucket, "", NULL, "test");
    return call.resource->flags & KST_RES_NAMESPACED ? ns : "";
}

static struct kst_api_call call_for(struct cluster *self, const char *bucket, const char *name)
{
    return kst_api_call_for(self->api, bucket, ns_of(self, bucket), name, "test");
}

void cluster_patch(struct cluster *self, const char *bucket, const char *name,
                   const char *subresource, const char *patch)
{
    kst_auto_json struct kst_json *json = kst_json_make(patch);
    struct kst_api_call call = call_for(self, bucket, name);
    call.subresource = subresource;
    kst_auto_json struct kst_json *status = kst_api_patch(self->api, &call, KST_API_PATCH_MERGE,
                                                          json, false, NULL, NULL);
    if (status)
        fail_msg("%s", kst_status_message(status));
    cluster_settle(self);
}

void cluster_delete(struct cluster *self, const char *bucket, const char *name,
                    const char *propagation)
{
    const struct kst_api_call call = call_for(self, bucket, name);
    const struct kst_api_delete options = {.propagation = propagation, .grace_seconds = -1};
    kst_auto_json struct kst_json *status = kst_api_delete(self->api, &call, &options, NULL);
    if (status)
        fail_msg("%s", kst_status_message(status));
    cluster_settle(self);
}

void cluster_pod_is(struct cluster *self, const char *pod, const char *phase, bool ready)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    const struct kst_object *object = kst_api_find(self->api, "/pods", ns, pod);
    assert_non_null(object);
    struct kst_json *status = kst_json_make(
        "{'phase':%s,'podIP':'192.0.2.1','podIPs':[{'ip':'192.0.2.1'}],'startTime':%s,"
        "'conditions':[{'type':'Ready','status':%s,'lastTransitionTime':%s}]}",
        phase, now, ready ? "True" : "False", now);
    kst_api_set_status(self->api, "/pods", object, status, "kubelet");
    cluster_settle(self);
}

void cluster_pods_are_ready(struct cluster *self)
{
    struct kst_control_list list = kst_control_list(self->api, "/pods", ns);
    for (size_t i = 0; i < list.count; i++) {
        const struct kst_object *pod = kst_api_find(self->api, "/pods", ns, list.objects[i]->name);
        if (pod && kst_pod_is_active(pod->json) && !kst_pod_is_ready(pod->json))
            cluster_pod_is(self, list.objects[i]->name, "Running", true);
    }
    kst_control_list_release(&list);
}

/* ---- seeing ---- */

static struct kst_bucket *bucket_of(struct cluster *self, const char *bucket)
{
    return kst_store_bucket(kst_api_store(self->api), bucket);
}

const struct kst_json *cluster_get(struct cluster *self, const char *bucket, const char *name)
{
    const struct kst_object *object = kst_bucket_get(bucket_of(self, bucket), ns_of(self, bucket),
                                                     name);
    return object ? object->json : NULL;
}

size_t cluster_count(struct cluster *self, const char *bucket)
{
    size_t first = 0, count = 0;
    kst_bucket_range(bucket_of(self, bucket), ns_of(self, bucket), &first, &count);
    return count;
}

const char *cluster_name(struct cluster *self, const char *bucket, size_t index)
{
    size_t first = 0, count = 0;
    kst_bucket_range(bucket_of(self, bucket), ns_of(self, bucket), &first, &count);
    assert_true(index < count);
    return kst_bucket_at(bucket_of(self, bucket), first + index)->name;
}

char *cluster_value(struct cluster *self, const char *bucket, const char *name, const char *path)
{
    const struct kst_json *value = kst_json_path(cluster_get(self, bucket, name), path);
    if (!value)
        return kst_strdup("");
    return kst_json_str(value) ? kst_strdup(kst_json_str(value)) : kst_json_text(value);
}

void cluster_has(struct cluster *self, const char *bucket, const char *name, const char *path,
                 const char *expected)
{
    kst_auto_free char *value = cluster_value(self, bucket, name, path);
    if (strcmp(value, expected) != 0)
        fail_msg("%s %s: %s: expected \"%s\", found \"%s\"", bucket, name, path, expected, value);
}

void cluster_await(struct cluster *self, const char *bucket, const char *name, const char *path,
                   const char *expected)
{
    int64_t deadline_ms = kst_now_ms() + PATIENCE_MS;
    for (bool same = false; !same && kst_now_ms() < deadline_ms;) {
        kst_auto_free char *value = cluster_value(self, bucket, name, path);
        same = strcmp(value, expected) == 0;
        if (!same)
            kst_sleep_ms(TURN_MS, NULL);
    }
    cluster_has(self, bucket, name, path, expected);
}

void cluster_await_count(struct cluster *self, const char *bucket, size_t count)
{
    int64_t deadline_ms = kst_now_ms() + PATIENCE_MS;
    while (cluster_count(self, bucket) != count && kst_now_ms() < deadline_ms)
        kst_sleep_ms(TURN_MS, NULL);
    assert_int_equal(cluster_count(self, bucket), count);
}

const char *cluster_condition(struct cluster *self, const char *bucket, const char *name,
                              const char *type, const char *key)
{
    const struct kst_json *list = kst_json_path(cluster_get(self, bucket, name),
                                                "status.conditions");
    const char *text = kst_json_path_str(kst_control_condition(list, type), key);
    return text ? text : "";
}

bool cluster_said(struct cluster *self, const char *name, const char *reason, const char *message)
{
    for (size_t i = 0; i < cluster_count(self, "/events"); i++) {
        const struct kst_json *event = cluster_get(self, "/events",
                                                   cluster_name(self, "/events", i));
        if (strcmp(kst_json_path_str(event, "involvedObject.name"), name) == 0 &&
            strcmp(kst_json_path_str(event, "reason"), reason) == 0 &&
            strstr(kst_json_path_str(event, "message"), message))
            return true;
    }
    return false;
}
