/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/config.h"
#include "kube/resource.h"
#include "loop/fiber.h"

enum { PATIENCE_MS = 30 * 1000 };

struct kst_kube *kst_kube_new(struct kst_loop *loop, struct kst_kube_config *config)
{
    struct kst_kube *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->config = config;
    self->root = self;
    self->patience_ms = PATIENCE_MS;
    self->agent = "kassette";
    return self;
}

struct kst_kube *kst_kube_fork(struct kst_kube *self)
{
    struct kst_kube *fork = kst_kube_new(self->loop, self->config);
    fork->root = self->root;
    fork->patience_ms = self->patience_ms;
    fork->trace = self->trace;
    fork->trace_arg = self->trace_arg;
    fork->root->forks++;
    return fork;
}

void kst_kube_free(struct kst_kube *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < KST_KUBE_SLOTS; i++)
        kst_kube_set_slot(self, i, NULL, NULL);
    assert(self->under_way == 0);
    if (self->root != self)
        self->root->forks--;
    assert(self->forks == 0);
    kst_kube_discovery_free(self->discovery);
    free(self->manager);
    free(self);
}

struct kst_loop *kst_kube_loop(const struct kst_kube *self)
{
    return self->loop;
}

struct kst_kube_config *kst_kube_get_config(const struct kst_kube *self)
{
    return self->config;
}

struct kst_kube *kst_kube_root(struct kst_kube *self)
{
    return self->root;
}

void kst_kube_set_patience_ms(struct kst_kube *self, int64_t patience_ms)
{
    self->patience_ms = patience_ms;
}

void kst_kube_set_agent(struct kst_kube *self, const char *agent)
{
    self->root->agent = agent;
}

void kst_kube_set_manager(struct kst_kube *self, const char *manager)
{
    free(self->manager);
    self->manager = kst_strdup(manager);
}

void kst_kube_set_trace(struct kst_kube *self,
                        void (*trace)(void *arg, const char *method, const char *path, long status,
                                      int64_t took_us),
                        void *arg)
{
    self->trace = trace;
    self->trace_arg = arg;
}

void kst_kube_call_trace(struct kst_kube *self, const char *method, const char *path, long status,
                         int64_t took_us)
{
    if (self->trace)
        self->trace(self->trace_arg, method, path, status, took_us);
}

void kst_kube_set_guard(struct kst_kube *self, int (*guard)(void *arg, struct kst_err **err),
                        void *arg)
{
    self->guard = guard;
    self->guard_arg = arg;
}

int kst_kube_check_guard(struct kst_kube *self, struct kst_err **err)
{
    return self->guard ? self->guard(self->guard_arg, err) : 0;
}

void *kst_kube_get_slot(const struct kst_kube *self, enum kst_kube_slot slot)
{
    return self->slots[slot].value;
}

void kst_kube_set_slot(struct kst_kube *self, enum kst_kube_slot slot, void *value,
                       void (*release)(void *value))
{
    void *old = self->slots[slot].value;
    if (old && old != value && self->slots[slot].release)
        self->slots[slot].release(old);
    self->slots[slot].value = value;
    self->slots[slot].release = release;
}

int64_t kst_kube_give_up_ms(const struct kst_kube *self)
{
    int64_t patience = self->patience_ms == KST_NEVER ? KST_NEVER
                                                      : kst_deadline_in_ms(self->patience_ms);
    int64_t deadline = kst_deadline_get();
    return deadline < patience ? deadline : patience;
}

char *kst_kube_describe(const struct kst_json *object)
{
    const char *kind = kst_json_path_str(object, "kind");
    const char *ns = kst_json_path_str(object, "metadata.namespace");
    const char *name = kst_json_path_str(object, "metadata.name");
    if (!name)
        name = kst_json_path_str(object, "metadata.generateName");
    return kst_asprintf("%s%s%s/%s", kind ? kind : "object", ns ? "/" : "", ns ? ns : "",
                        name ? name : "(unnamed)");
}

char *kst_kube_what(const struct kst_kube_resource *resource, const char *ns, const char *name)
{
    return kst_asprintf("%s%s%s%s%s", resource->kind, ns ? "/" : "", ns ? ns : "", name ? "/" : "",
                        name ? name : "");
}

void kst_kube_add_query(struct kst_buf *path, const char *key, const char *value)
{
    if (!value)
        return;
    kst_buf_addf(path, "%c%s=", strchr(path->data, '?') ? '&' : '?', key);
    kst_url_escape(path, value);
}

int kst_kube_server_version(struct kst_kube *self, char **version, struct kst_err **err)
{
    struct kst_kube_request request = {
        .method = "GET",
        .path = "/version",
        .idempotent = true,
        .what = "the server's version",
        .verb = "get",
    };
    kst_auto_json struct kst_json *answer = NULL;
    int rc = kst_kube_do(self, &request, &answer, err);
    if (rc < 0)
        return rc;
    const char *text = kst_json_path_str(answer, "gitVersion");
    if (!text)
        return kst_err_set(err, KST_E_PROTOCOL, "%s/version: expected gitVersion, found none",
                           kst_kube_config_server(self->config));
    *version = kst_strdup(text);
    return 0;
}
