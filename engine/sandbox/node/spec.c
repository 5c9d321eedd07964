/* SPDX-License-Identifier: Apache-2.0 */
/* From a container of a Pod's spec, and its image, to a process. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/node/image.h"
#include "sandbox/node/internal.h"

enum { VALUE_BYTES = 1024 * 1024 };

/* Lists of owned texts, ended by NULL. */
struct texts {
    char **items;
    size_t count, size;
};

static void texts_release(struct texts *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->items[i]);
    free(self->items);
}
#define auto_texts __attribute__((cleanup(texts_release))) struct texts

static void texts_add(struct texts *self, char *text)
{
    if (self->count + 2 > self->size) {
        self->size = self->size ? self->size * 2 : 32;
        self->items = kst_realloc(self->items, self->size * sizeof(char *));
    }
    self->items[self->count++] = text;
    self->items[self->count] = NULL;
}

/* ---- environment ---- */

static const char *value_of(const struct texts *env, const char *name, size_t len)
{
    for (size_t i = env->count; i-- > 0;)
        if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=')
            return env->items[i] + len + 1;
    return NULL;
}

/* $(NAME) becomes the variable's value, $$ a dollar; what is unknown stays as it is. */
static char *expand(const struct texts *env, const char *text)
{
    struct kst_buf out = KST_BUF_INIT(VALUE_BYTES);
    while (*text) {
        size_t plain = strcspn(text, "$");
        kst_buf_add(&out, text, plain);
        text += plain;
        const char *end = text[0] == '$' && text[1] == '(' ? strchr(text, ')') : NULL;
        const char *value = end ? value_of(env, text + 2, (size_t)(end - text - 2)) : NULL;
        if (value) {
            kst_buf_adds(&out, value);
            text = end + 1;
        } else if (*text) {
            kst_buf_addc(&out, '$');
            text += text[1] == '$' ? 2 : 1;
        }
    }
    return kst_buf_take(&out);
}

static void set_env(struct texts *env, const char *name, const char *value)
{
    size_t len = strlen(name);
    char *text = kst_asprintf("%s=%s", name, value);
    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=') {
            free(env->items[i]);
            env->items[i] = text;
            return;
        }
    texts_add(env, text);
}

/* metadata.labels['app'], spec.nodeName, status.podIP … */
static char *field_value(const struct kst_pod *pod, const char *path)
{
    const char *quote = strchr(path, '\'');
    if (quote) {
        kst_auto_free char *key = kst_strndup(quote + 1, strcspn(quote + 1, "'"));
        bool labels = strncmp(path, "metadata.labels", 15) == 0;
        const struct kst_json *map = kst_json_path(pod->json, labels ? "metadata.labels"
                                                                     : "metadata.annotations");
        const char *text = kst_json_str(kst_json_get(map, key));
        return kst_strdup(text ? text : "");
    }
    if (strcmp(path, "status.podIP") == 0)
        return kst_strdup(pod->ip);
    if (strcmp(path, "status.hostIP") == 0)
        return kst_strdup("127.0.0.1");
    return kst_strdup(kst_api_text(pod->json, path));
}

/* A key of a ConfigMap or Secret. */
static int key_value(const struct kst_pod *pod, const struct kst_json *ref, bool secret,
                     char **value, struct kst_err **err)
{
    const char *name = kst_api_text(ref, "name"), *key = kst_api_text(ref, "key");
    const struct kst_object *object = kst_api_find(
        pod->node->api, secret ? "/secrets" : "/configmaps", pod->ns, name);
    const struct kst_json *found = object ? kst_json_get(kst_json_get(object->json, "data"), key)
                                          : NULL;
    kst_auto_buf data = KST_BUF_INIT(VALUE_BYTES);
    if (!found && kst_json_path_true(ref, "optional"))
        return 0;
    if (!object)
        return kst_err_set(err, KST_E_NOT_FOUND, "%s \"%s\" not found",
                           secret ? "secret" : "configmap", name);
    if (!found)
        return kst_err_set(err, KST_E_NOT_FOUND, "couldn't find key %s in %s %s/%s", key,
                           secret ? "Secret" : "ConfigMap", pod->ns, name);
    if (secret)
        kst_base64_decode(&data, kst_str_of(kst_json_str(found)), true);
    else
        kst_buf_adds(&data, kst_json_str(found) ? kst_json_str(found) : "");
    *value = kst_buf_take(&data);
    return 0;
}

static int add_variable(const struct kst_pod *pod, struct texts *env, const struct kst_json *entry,
                        struct kst_err **err)
{
    kst_auto_free char *value = NULL;
    const struct kst_json *from = kst_json_get(entry, "valueFrom");
    const struct kst_json *map = kst_json_get(from, "configMapKeyRef"),
                          *secret = kst_json_get(from, "secretKeyRef");
    int rc = 0;
    if (kst_json_get(from, "fieldRef"))
        value = field_value(pod, kst_api_text(from, "fieldRef.fieldPath"));
    else if (map || secret)
        rc = key_value(pod, map ? map : secret, secret != NULL, &value, err);
    else
        value = expand(env, kst_api_text(entry, "value"));
    if (rc == 0 && value)
        set_env(env, kst_api_text(entry, "name"), value);
    return rc;
}

static int add_from(const struct kst_pod *pod, struct texts *env, const struct kst_json *entry,
                    struct kst_err **err)
{
    const struct kst_json *map = kst_json_get(entry, "configMapRef"),
                          *secret = kst_json_get(entry, "secretRef");
    const struct kst_json *ref = map ? map : secret;
    const struct kst_object *object = kst_api_find(pod->node->api, map ? "/configmaps" : "/secrets",
                                                   pod->ns, kst_api_text(ref, "name"));
    if (!object && !kst_json_path_true(ref, "optional"))
        return kst_err_set(err, KST_E_NOT_FOUND, "%s \"%s\" not found",
                           map ? "configmap" : "secret", kst_api_text(ref, "name"));
    const struct kst_json *data = object ? kst_json_get(object->json, "data") : NULL;
    for (const struct kst_json *v = kst_json_first(data); v; v = kst_json_next(v)) {
        kst_auto_buf text = KST_BUF_INIT(VALUE_BYTES);
        kst_auto_free char *name = kst_asprintf("%s%s", kst_api_text(entry, "prefix"),
                                                kst_json_key(v));
        if (secret)
            kst_base64_decode(&text, kst_str_of(kst_json_str(v)), true);
        else
            kst_buf_adds(&text, kst_json_str(v) ? kst_json_str(v) : "");
        set_env(env, name, text.data);
    }
    return 0;
}

static int make_env(const struct kst_pod_container *self, const struct kst_image *image,
                    struct texts *env, struct kst_err **err)
{
    const struct kst_pod *pod = self->pod;
    kst_auto_free char *port = kst_asprintf("%d", pod->node->api_port);
    int rc = 0;
    for (size_t i = 0; image->env[i]; i++)
        texts_add(env, kst_strdup(image->env[i]));
    set_env(env, "HOSTNAME", pod->name);
    set_env(env, "KUBERNETES_SERVICE_HOST", pod->node->api_host);
    set_env(env, "KUBERNETES_SERVICE_PORT", port);
    const struct kst_json *list = kst_json_get(self->spec, "envFrom");
    for (const struct kst_json *e = kst_json_first(list); e && rc == 0; e = kst_json_next(e))
        rc = add_from(pod, env, e, err);
    list = kst_json_get(self->spec, "env");
    for (const struct kst_json *e = kst_json_first(list); e && rc == 0; e = kst_json_next(e))
        rc = add_variable(pod, env, e, err);
    return rc;
}

/* ---- the command ---- */

static void add_list(struct texts *out, const struct texts *env, const struct kst_json *list)
{
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        texts_add(out, expand(env, kst_json_str(e) ? kst_json_str(e) : ""));
}

static void add_plain(struct texts *out, const char *const *list)
{
    for (size_t i = 0; list && list[i]; i++)
        texts_add(out, kst_strdup(list[i]));
}

/* command replaces the image's entrypoint and its cmd, args the cmd alone. */
static void make_command(const struct kst_pod_container *self, const struct kst_image *image,
                         const struct texts *env, struct texts *command)
{
    const struct kst_json *own = kst_json_get(self->spec, "command"),
                          *args = kst_json_get(self->spec, "args");
    if (own)
        add_list(command, env, own);
    else
        add_plain(command, image->entrypoint);
    if (args)
        add_list(command, env, args);
    else if (!own)
        add_plain(command, image->cmd);
}

/* ---- mounts ---- */

static bool is_mounted(const struct kst_container_mount *mounts, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(mounts[i].path, path) == 0)
            return true;
    return false;
}

static void add_image_mounts(const struct kst_image *image, struct kst_container_mount *mounts,
                             size_t *count, size_t max)
{
    for (size_t i = 0; i < image->nfiles && *count < max; i++)
        mounts[(*count)++] = (struct kst_container_mount){
            .source = image->files[i].source, .path = image->files[i].path, .read_only = true};
    for (size_t i = 0; image->volumes && image->volumes[i] && *count < max; i++)
        if (!is_mounted(mounts, *count, image->volumes[i]))
            mounts[(*count)++] = (struct kst_container_mount){.path = image->volumes[i]};
}

char *kst_pod_log_path(const struct kst_pod_container *self, int restarts)
{
    return kst_asprintf("%s/%s.%d.log", self->pod->dir, self->name, restarts);
}

/* The Pod's own security context, unless the container has one. */
static int64_t run_as(const struct kst_pod_container *self, const char *key, int64_t otherwise)
{
    const struct kst_json *own = kst_json_get(kst_json_get(self->spec, "securityContext"), key);
    const struct kst_json *pod = kst_json_get(
        kst_json_path(self->pod->json, "spec.securityContext"), key);
    int64_t value = 0;
    return kst_json_int(own ? own : pod, &value) ? value : otherwise;
}

int kst_pod_container_start(struct kst_pod_container *self, struct kst_err **err)
{
    enum { MOST = KST_POD_MOUNTS * 2 };
    struct kst_pod *pod = self->pod;
    const struct kst_image *image = NULL;
    auto_texts env = {0}, command = {0};
    kst_auto_free struct kst_container_mount *mounts = kst_calloc(MOST, sizeof(*mounts));
    size_t nmounts = 0;
    int rc = kst_images_find(pod->node->images, kst_api_text(self->spec, "image"), &image, err);
    if (rc < 0) {
        kst_err_reason(err, "ErrImagePull");
        return rc;
    }
    self->pulled = true;
    rc = make_env(self, image, &env, err);
    if (rc < 0) {
        kst_err_reason(err, "CreateContainerConfigError");
        return rc;
    }
    make_command(self, image, &env, &command);
    rc = kst_pod_mounts(pod, self->spec, mounts, &nmounts, err);
    if (rc < 0)
        return rc;
    add_image_mounts(image, mounts, &nmounts, MOST);
    if (command.count == 0)
        return kst_err_set(err, KST_E_INVALID,
                           "the image %s has no command, and the container "
                           "gives none",
                           kst_api_text(self->spec, "image"));
    rc = kst_pod_await_release(pod, err);
    if (rc < 0)
        return rc;
    kst_auto_free char *log = kst_pod_log_path(self, self->restarts);
    const char *dir = kst_json_path_str(self->spec, "workingDir");
    const struct kst_container_spec spec = {
        .name = self->name,
        .group = pod->group,
        .command = (const char *const *)command.items,
        .env = (const char *const *)env.items,
        .working_dir = dir ? dir : image->working_dir,
        .mounts = mounts,
        .nmounts = nmounts,
        .run_as_user = run_as(self, "runAsUser", image->user),
        .run_as_group = run_as(self, "runAsGroup", -1),
        .log_path = log,
        .stop_signal = image->stop_signal,
    };
    rc = kst_container_start(pod->node->loop, &spec, &self->process, err);
    if (rc < 0)
        kst_err_reason(err, "StartError");
    return rc;
}
