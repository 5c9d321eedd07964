/* SPDX-License-Identifier: Apache-2.0 */
#include "app/capture/filter.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/regex.h"
#include "kube/resource.h"
#include "kube/selector.h"

enum { MAX_PATTERNS = 1000, MAX_PATTERN_BYTES = 4096 };

struct pattern {
    char *text;             /* as it was given */
    char *why;              /* "excluded by TEXT" */
    char *resource;         /* NULL: any */
    char *group;            /* NULL: any */
    struct kst_regex *name; /* NULL: any */
    char *labels;           /* NULL: any */
    bool used;              /* has picked something */
};

struct patterns {
    struct pattern *rows;
    size_t count;
};

struct kst_filter {
    struct patterns include, exclude;
};

/* ---- Reading ---- */

static int wrong(const char *text, const char *what, struct kst_err **err)
{
    kst_err_set(err, KST_E_USAGE, "pattern '%s': %s", text, what);
    kst_err_hint(err,
                 "patterns look like: secrets, deployments.apps/web-.*, configmaps?tier=cache, "
                 "*.example.com");
    return KST_E_USAGE;
}

static bool is_word(const char *text, const char *more)
{
    for (const char *at = text; *at; at++) {
        bool alnum = (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') ||
                     (*at >= 'A' && *at <= 'Z');
        if (!alnum && !strchr(more, *at))
            return false;
    }
    return *text;
}

static int read_resource(struct pattern *self, struct kst_str part, struct kst_err **err)
{
    struct kst_str rest = part, name;
    kst_str_split(&rest, '.', &name);
    bool grouped = name.len < part.len;
    kst_auto_free char *resource = kst_strndup(name.data, name.len);
    kst_auto_free char *group = kst_strndup(rest.data, grouped ? rest.len : 0);
    if (!*resource)
        return wrong(self->text, "expected a resource at its beginning, found none", err);
    if (strcmp(resource, "*") != 0 && !is_word(resource, "-"))
        return wrong(self->text,
                     "expected a kind, plural, singular or short name, or \"*\", before any '/' "
                     "or '?'",
                     err);
    if (grouped && !is_word(group, "-."))
        return wrong(self->text, "expected an API group after the '.'", err);
    if (strcmp(resource, "*") != 0)
        self->resource = kst_take(resource);
    if (grouped)
        self->group = kst_take(group);
    return 0;
}

/* First as it stands, so that what it closes ("a)|(b") it has opened; then so that it must match
 * the whole. */
static int read_name(struct pattern *self, const char *name, struct kst_err **err)
{
    kst_auto_err struct kst_err *cause = NULL;
    struct kst_regex *plain = NULL;
    if (!*name)
        return wrong(self->text, "expected a name after the '/'; without one, leave out the '/'",
                     err);
    int rc = kst_regex_new(name, strlen(name), 0, &plain, &cause);
    kst_regex_free(plain);
    if (rc < 0)
        return wrong(self->text, kst_err_message(cause), err);
    kst_auto_free char *whole = kst_asprintf("\\A(?:%s)\\z", name);
    rc = kst_regex_new(whole, strlen(whole), 0, &self->name, &cause);
    return rc < 0 ? wrong(self->text, kst_err_message(cause), err) : 0;
}

static int read_labels(struct pattern *self, const char *labels, struct kst_err **err)
{
    kst_auto_err struct kst_err *cause = NULL;
    bool matches;
    if (!*labels)
        return wrong(self->text,
                     "expected a label selector after the '?'; in a name, write {0,1} for what "
                     "may be absent",
                     err);
    if (kst_selector_matches(labels, NULL, &matches, &cause) < 0)
        return wrong(self->text, kst_err_message(cause), err);
    self->labels = kst_strdup(labels);
    return 0;
}

static int read_pattern(struct pattern *self, const struct kst_json *value, struct kst_err **err)
{
    const char *text = kst_json_str(value);
    if (!text)
        return kst_err_set(err, KST_E_USAGE, "expected a pattern as a text, found %s",
                           kst_json_type_name(kst_json_type(value)));
    if (strlen(text) > MAX_PATTERN_BYTES)
        return kst_err_set(err, KST_E_USAGE, "a pattern is longer than %d bytes: %.60s…",
                           MAX_PATTERN_BYTES, text);
    self->text = kst_strdup(text);
    size_t len = strcspn(text, "/?");
    int rc = read_resource(self, (struct kst_str){text, len}, err);
    const char *labels = strchr(text + len, '?');
    if (rc == 0 && text[len] == '/') {
        const char *name = text + len + 1;
        kst_auto_free char *copy = kst_strndup(name,
                                               labels ? (size_t)(labels - name) : strlen(name));
        rc = read_name(self, copy, err);
    }
    return rc == 0 && labels ? read_labels(self, labels + 1, err) : rc;
}

static int read_all(struct patterns *self, const struct kst_json *list, const char *why,
                    struct kst_err **err)
{
    if (kst_json_type(list) > KST_JSON_NULL && kst_json_type(list) != KST_JSON_ARRAY)
        return kst_err_set(err, KST_E_USAGE, "expected a list of patterns, found %s",
                           kst_json_type_name(kst_json_type(list)));
    if (kst_json_len(list) > MAX_PATTERNS)
        return kst_err_set(err, KST_E_USAGE, "expected at most %d patterns, found %zu",
                           MAX_PATTERNS, kst_json_len(list));
    self->rows = kst_calloc(kst_json_len(list) + 1, sizeof(*self->rows));
    for (const struct kst_json *row = kst_json_first(list); row; row = kst_json_next(row)) {
        struct pattern *pattern = &self->rows[self->count++];
        int rc = read_pattern(pattern, row, err);
        if (rc < 0)
            return rc;
        pattern->why = kst_asprintf("%s %s", why, pattern->text);
    }
    return 0;
}

int kst_filter_new(const struct kst_json *include, const struct kst_json *exclude,
                   struct kst_filter **out, struct kst_err **err)
{
    struct kst_filter *self = kst_calloc(1, sizeof(*self));
    int rc = read_all(&self->include, include, "included by", err);
    if (rc == 0)
        rc = read_all(&self->exclude, exclude, "excluded by", err);
    if (rc < 0) {
        kst_filter_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

static void free_all(struct patterns *self)
{
    for (size_t i = 0; i < self->count; i++) {
        struct pattern *row = &self->rows[i];
        free(row->text);
        free(row->why);
        free(row->resource);
        free(row->group);
        free(row->labels);
        kst_regex_free(row->name);
    }
    free(self->rows);
}

void kst_filter_free(struct kst_filter *self)
{
    if (!self)
        return;
    free_all(&self->include);
    free_all(&self->exclude);
    free(self);
}

/* ---- Matching ---- */

/* What an archive tells of a resource has no short names in it; these stay what they are. */
static const struct {
    const char *short_name, *group, *kind;
} built_in[] = {
    {"cm", "", "ConfigMap"},
    {"ep", "", "Endpoints"},
    {"limits", "", "LimitRange"},
    {"ns", "", "Namespace"},
    {"po", "", "Pod"},
    {"pv", "", "PersistentVolume"},
    {"pvc", "", "PersistentVolumeClaim"},
    {"quota", "", "ResourceQuota"},
    {"rc", "", "ReplicationController"},
    {"sa", "", "ServiceAccount"},
    {"svc", "", "Service"},
    {"deploy", "apps", "Deployment"},
    {"ds", "apps", "DaemonSet"},
    {"rs", "apps", "ReplicaSet"},
    {"sts", "apps", "StatefulSet"},
    {"cj", "batch", "CronJob"},
    {"hpa", "autoscaling", "HorizontalPodAutoscaler"},
    {"pdb", "policy", "PodDisruptionBudget"},
    {"ing", "networking.k8s.io", "Ingress"},
    {"netpol", "networking.k8s.io", "NetworkPolicy"},
    {"sc", "storage.k8s.io", "StorageClass"},
    {"pc", "scheduling.k8s.io", "PriorityClass"},
    {"crd", "apiextensions.k8s.io", "CustomResourceDefinition"},
    {"crds", "apiextensions.k8s.io", "CustomResourceDefinition"},
};

static bool same(const char *a, const char *b)
{
    return a && strcasecmp(a, b) == 0;
}

static bool is_short_name(const struct kst_kube_resource *r, const char *name)
{
    for (size_t i = 0; r->short_names && r->short_names[i]; i++)
        if (same(r->short_names[i], name))
            return true;
    for (size_t i = 0; i < KST_ARRAY_LEN(built_in); i++)
        if (same(built_in[i].short_name, name) && strcmp(built_in[i].kind, r->kind) == 0 &&
            strcmp(built_in[i].group, r->group) == 0)
            return true;
    return false;
}

static bool picks_kind(const struct pattern *self, const struct kst_kube_resource *r)
{
    if (self->group && !same(self->group, r->group))
        return false;
    return !self->resource || same(r->kind, self->resource) || same(r->plural, self->resource) ||
           same(r->singular, self->resource) || is_short_name(r, self->resource);
}

static int picks(struct pattern *self, const struct kst_kube_resource *resource,
                 const struct kst_json *object, bool *picked, struct kst_err **err)
{
    *picked = picks_kind(self, resource);
    int rc = 0;
    if (*picked && self->name) {
        const char *name = kst_json_path_str(object, "metadata.name");
        rc = kst_regex_test(self->name, name ? name : "", picked, err);
    }
    if (rc == 0 && *picked && self->labels)
        rc = kst_selector_matches(self->labels, kst_json_path(object, "metadata.labels"), picked,
                                  err);
    self->used = self->used || (rc == 0 && *picked);
    return rc < 0 ? kst_err_wrap(err, rc, "pattern '%s'", self->text) : 0;
}

bool kst_filter_takes_kind(const struct kst_filter *self, const struct kst_kube_resource *resource)
{
    bool taken = self->include.count == 0;
    for (size_t i = 0; i < self->include.count; i++)
        taken = taken || picks_kind(&self->include.rows[i], resource);
    for (size_t i = 0; i < self->exclude.count; i++) {
        struct pattern *row = &self->exclude.rows[i];
        if (row->name || row->labels || !picks_kind(row, resource))
            continue;
        row->used = true; /* it has kept a kind from being looked at */
        taken = false;
    }
    return taken;
}

/* The first that picks it, or NULL. All are asked: each is to know whether it is of use. */
static int find(const struct patterns *self, const struct kst_kube_resource *resource,
                const struct kst_json *object, const struct pattern **found, struct kst_err **err)
{
    *found = NULL;
    for (size_t i = 0; i < self->count; i++) {
        bool picked;
        int rc = picks(&self->rows[i], resource, object, &picked, err);
        if (rc < 0)
            return rc;
        if (picked && !*found)
            *found = &self->rows[i];
    }
    return 0;
}

int kst_filter_takes(const struct kst_filter *self, const struct kst_kube_resource *resource,
                     const struct kst_json *object, bool *takes, const char **why,
                     struct kst_err **err)
{
    const struct pattern *included, *excluded;
    int rc = find(&self->include, resource, object, &included, err);
    if (rc == 0)
        rc = find(&self->exclude, resource, object, &excluded, err);
    if (rc < 0)
        return rc;
    *takes = (included || self->include.count == 0) && !excluded;
    if (!*takes && why)
        *why = excluded ? excluded->why : "not included";
    return 0;
}

static void add_unused(const struct patterns *self, struct kst_json *out)
{
    for (size_t i = 0; i < self->count; i++)
        if (!self->rows[i].used)
            kst_json_push(out, kst_json_from_str(self->rows[i].text));
}

struct kst_json *kst_filter_unused(const struct kst_filter *self)
{
    struct kst_json *out = kst_json_array();
    add_unused(&self->include, out);
    add_unused(&self->exclude, out);
    return out;
}
