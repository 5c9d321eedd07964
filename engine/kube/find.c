/* SPDX-License-Identifier: Apache-2.0 */
/* Resources by the names that people and objects give them, as kubectl's REST mapper does it. */
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "kube/discovery.h"
#include "kube/resource.h"

enum { NAME_BYTES = 512, NEAR_BYTES = 512, NEAR = 4, LONGEST_NEAR = 63 };

/* A reading of "name", "name.group" or "name.version.group". */
struct wanted {
    struct kst_str name, version, group;
    bool has_version, has_group;
};

/* Which of a resource's names matches, best first. */
enum rank { RANK_RESOURCE, RANK_SHORT, RANK_KIND, RANK_NONE };

static bool eq_caseless(struct kst_str a, const char *b)
{
    return strlen(b) == a.len && strncasecmp(a.data, b, a.len) == 0;
}

static enum rank rank_of(const struct kst_kube_resource *r, struct kst_str name)
{
    if (eq_caseless(name, r->plural) || eq_caseless(name, r->singular))
        return RANK_RESOURCE;
    for (size_t i = 0; r->short_names[i]; i++)
        if (eq_caseless(name, r->short_names[i]))
            return RANK_SHORT;
    return eq_caseless(name, r->kind) ? RANK_KIND : RANK_NONE;
}

/* The best ranked, of those the first in the server's order, which is core before others and the
 * preferred version before others. `prefix`: the group may be the beginning of one. */
static const struct kst_kube_resource *best(const struct kst_kube_discovery *d,
                                            const struct wanted *w, bool prefix)
{
    const struct kst_kube_resource *found = NULL;
    enum rank found_rank = RANK_NONE;
    for (size_t i = 0; i < d->count; i++) {
        const struct kst_kube_resource *r = d->resources[i];
        if (w->has_version && !eq_caseless(w->version, r->version))
            continue;
        if (w->has_group && !eq_caseless(w->group, r->group) &&
            !(prefix && w->group.len && strncasecmp(r->group, w->group.data, w->group.len) == 0))
            continue;
        enum rank rank = rank_of(r, w->name);
        if (rank < found_rank) {
            found = r;
            found_rank = rank;
        }
    }
    return found;
}

static const struct kst_kube_resource *look(const struct kst_kube_discovery *d, const char *name)
{
    struct wanted w = {.has_version = true, .has_group = true};
    const struct kst_kube_resource *found = NULL;
    struct kst_str rest = kst_str_of(name);
    if (!kst_str_split(&rest, '.', &w.name))
        return NULL;
    if (!strchr(name, '.')) {
        w.has_version = w.has_group = false;
        return best(d, &w, false);
    }
    struct kst_str group = rest;
    if (memchr(rest.data, '.', rest.len)) {
        w.group = rest;
        kst_str_split(&w.group, '.', &w.version);
        found = best(d, &w, false);
    }
    if (!found) {
        w.has_version = false;
        w.group = group;
        found = best(d, &w, false);
    }
    return found ? found : best(d, &w, true);
}

/* ---- What may have been meant ---- */

/* Levenshtein's distance, caseless, of short names. */
static size_t distance(const char *a, const char *b)
{
    size_t row[LONGEST_NEAR + 1], len = strlen(b);
    if (strlen(a) > LONGEST_NEAR || len > LONGEST_NEAR)
        return LONGEST_NEAR;
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t change = diagonal + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
            diagonal = row[j];
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[len];
}

static bool is_near(const struct kst_kube_resource *r, const char *name)
{
    size_t len = strcspn(name, ".");
    kst_auto_free char *first = kst_strndup(name, len);
    size_t allowed = len < 5 ? 1 : 2;
    return (len >= 4 && strncasecmp(r->plural, first, len) == 0) ||
           distance(first, r->plural) <= allowed || distance(first, r->singular) <= allowed;
}

static void hint_near(const struct kst_kube_discovery *d, const char *name, struct kst_err **err)
{
    kst_auto_buf near = KST_BUF_INIT(NEAR_BYTES);
    size_t count = 0;
    for (size_t i = 0; i < d->count && count < NEAR; i++) {
        const struct kst_kube_resource *r = d->resources[i];
        if (!r->preferred || !is_near(r, name))
            continue;
        kst_buf_addf(&near, "%s%s%s%s", count ? ", " : "", r->plural, *r->group ? "." : "",
                     r->group);
        count++;
    }
    if (count)
        kst_err_hint(err, "Did you mean %s?", near.data);
    else if (d->missing)
        kst_err_hint(err, "These groups could not be looked into: %s", d->missing);
    else
        kst_err_hint(err, "kubectl api-resources lists what there is; is a "
                          "CustomResourceDefinition missing?");
}

/* ---- The look-ups: once in what is known, and once more in what is read afresh ---- */

typedef const struct kst_kube_resource *look_fn(const struct kst_kube_discovery *d,
                                                const void *arg);

static int find(struct kst_kube *self, look_fn *fn, const void *arg,
                const struct kst_kube_resource **out, const struct kst_kube_discovery **read,
                struct kst_err **err)
{
    const struct kst_kube_discovery *d;
    int rc = kst_kube_discovery_read(self, 0, &d, err);
    if (rc < 0)
        return rc;
    const struct kst_kube_resource *found = fn(d, arg);
    if (!found) {
        rc = kst_kube_discovery_read(self, d->readings, &d, err);
        if (rc < 0)
            return rc;
        found = fn(d, arg);
    }
    *out = found;
    *read = d;
    return 0;
}

static const struct kst_kube_resource *look_name(const struct kst_kube_discovery *d,
                                                 const void *arg)
{
    return look(d, arg);
}

int kst_kube_find_resource(struct kst_kube *self, const char *name,
                           const struct kst_kube_resource **out, struct kst_err **err)
{
    const struct kst_kube_discovery *d;
    const struct kst_kube_resource *found = NULL;
    if (!*name || strlen(name) > NAME_BYTES)
        return kst_err_set(err, KST_E_NOT_FOUND, "expected the name of a resource, found %s",
                           *name ? "a very long text" : "nothing");
    int rc = find(self, look_name, name, &found, &d, err);
    if (rc < 0) {
        kst_err_wrap(err, rc, "resource %s", name);
        return rc;
    }
    if (!found) {
        kst_err_set(err, KST_E_NOT_FOUND, "the server has no resource \"%s\"", name);
        hint_near(d, name, err);
        return KST_E_NOT_FOUND;
    }
    *out = found;
    return 0;
}

struct kind {
    const char *api_version, *kind;
};

static const struct kst_kube_resource *look_kind(const struct kst_kube_discovery *d,
                                                 const void *arg)
{
    const struct kind *wanted = arg;
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->resources[i]->kind, wanted->kind) == 0 &&
            strcmp(d->resources[i]->api_version, wanted->api_version) == 0)
            return d->resources[i];
    return NULL;
}

/* Built into every server, at versions that stay: these need no discovery. */
static const struct kst_kube_resource *built_in(const char *api_version, const char *kind)
{
    static const struct kst_kube_resource *const all[] = {
        &kst_res_namespaces, &kst_res_pods,        &kst_res_secrets,      &kst_res_configmaps,
        &kst_res_pvcs,       &kst_res_pvs,         &kst_res_statefulsets, &kst_res_deployments,
        &kst_res_daemonsets, &kst_res_replicasets, &kst_res_jobs,         &kst_res_serviceaccounts,
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(all); i++)
        if (strcmp(all[i]->kind, kind) == 0 && strcmp(all[i]->api_version, api_version) == 0)
            return all[i];
    return NULL;
}

int kst_kube_find_kind(struct kst_kube *self, const char *api_version, const char *kind,
                       const struct kst_kube_resource **out, struct kst_err **err)
{
    const struct kst_kube_discovery *d;
    struct kind wanted = {api_version, kind};
    const struct kst_kube_resource *found = built_in(api_version, kind);
    int rc = found ? 0 : find(self, look_kind, &wanted, &found, &d, err);
    if (rc < 0) {
        kst_err_wrap(err, rc, "kind %s of %s", kind, api_version);
        return rc;
    }
    if (!found) {
        kst_err_set(err, KST_E_NOT_FOUND, "the server has no kind %s in %s", kind, api_version);
        hint_near(d, kind, err);
        return KST_E_NOT_FOUND;
    }
    *out = found;
    return 0;
}

int kst_kube_all_resources(struct kst_kube *self, const struct kst_kube_resource ***out,
                           char **missing, struct kst_err **err)
{
    const struct kst_kube_discovery *d;
    int rc = kst_kube_discovery_read(self, 0, &d, err);
    if (rc < 0)
        return rc;
    const struct kst_kube_resource **all = kst_calloc(d->count + 1, sizeof(*all));
    for (size_t i = 0; i < d->count; i++)
        all[i] = d->resources[i];
    *out = all;
    *missing = kst_strdup(d->missing);
    return 0;
}

static bool serves(const struct kst_kube_discovery *d, const char *api_version)
{
    for (size_t i = 0; d->versions && d->versions[i]; i++)
        if (strcmp(d->versions[i], api_version) == 0)
            return true;
    return false;
}

int kst_kube_has_group(struct kst_kube *self, const char *api_version, bool *served,
                       struct kst_err **err)
{
    const struct kst_kube_discovery *d;
    int rc = kst_kube_discovery_read(self, 0, &d, err);
    if (rc == 0 && !serves(d, api_version))
        rc = kst_kube_discovery_read(self, d->readings, &d, err);
    if (rc < 0)
        return rc;
    *served = serves(d, api_version);
    return 0;
}
