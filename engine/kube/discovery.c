/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/discovery.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client_internal.h"

enum { AT_ONCE = 16, MISSING_BYTES = 4096, MOST_RESOURCES = 10000 };

static const char aggregated[] =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json";

static void free_resource(struct kst_kube_resource *r)
{
    free((char *)r->group);
    free((char *)r->version);
    free((char *)r->api_version);
    free((char *)r->kind);
    free((char *)r->plural);
    free((char *)r->singular);
    for (size_t i = 0; r->short_names && r->short_names[i]; i++)
        free((char *)r->short_names[i]);
    free((void *)r->short_names);
    free(r);
}

static void free_versions(char **versions)
{
    for (size_t i = 0; versions && versions[i]; i++)
        free(versions[i]);
    free(versions);
}

void kst_kube_discovery_free(struct kst_kube_discovery *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->known_count; i++)
        free_resource(self->known[i]);
    free(self->known);
    free(self->resources);
    free_versions(self->versions);
    free(self->missing);
    kst_cond_release(&self->done);
    free(self);
}

/* ---- One reading, collected beside what is known, so that a failed one changes nothing ---- */

struct reading {
    struct kst_kube *kube;
    struct kst_kube_discovery *into;
    const struct kst_kube_resource **resources;
    size_t count;
    char **versions;
    size_t version_count;
    struct kst_buf missing;
};

static bool same_names(const char *const *a, const char *const *b)
{
    size_t i = 0;
    while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
        i++;
    return !a[i] && !b[i];
}

static bool same_resource(const struct kst_kube_resource *a, const struct kst_kube_resource *b)
{
    return a->namespaced == b->namespaced && a->preferred == b->preferred &&
           a->has_status == b->has_status && a->verbs == b->verbs &&
           strcmp(a->plural, b->plural) == 0 && strcmp(a->api_version, b->api_version) == 0 &&
           strcmp(a->kind, b->kind) == 0 && strcmp(a->singular, b->singular) == 0 &&
           same_names(a->short_names, b->short_names);
}

/* Takes the resource. What was known before is used again, so that reading over and over does not
 * grow, and pointers stay. */
static void add_resource(struct reading *in, struct kst_kube_resource *resource)
{
    struct kst_kube_discovery *d = in->into;
    const struct kst_kube_resource *kept = NULL;
    for (size_t i = 0; i < d->known_count && !kept; i++)
        if (same_resource(d->known[i], resource))
            kept = d->known[i];
    if (kept) {
        free_resource(resource);
    } else {
        d->known = kst_realloc(d->known, (d->known_count + 1) * sizeof(*d->known));
        d->known[d->known_count++] = resource;
        kept = resource;
    }
    in->resources = kst_realloc(in->resources, (in->count + 1) * sizeof(*in->resources));
    in->resources[in->count++] = kept;
}

static char *api_version(const char *group, const char *version)
{
    return *group ? kst_asprintf("%s/%s", group, version) : kst_strdup(version);
}

static void add_version(struct reading *in, const char *group, const char *version)
{
    in->versions = kst_realloc(in->versions, (in->version_count + 2) * sizeof(*in->versions));
    in->versions[in->version_count++] = api_version(group, version);
    in->versions[in->version_count] = NULL;
}

static void add_missing(struct reading *in, const char *group, const char *version, const char *why)
{
    kst_auto_free char *text = api_version(group, version);
    kst_logf(KST_LOG_DEBUG, "discovery: %s is left out: %s", text, why);
    kst_buf_addf(&in->missing, "%s%s (%s)", in->missing.len ? ", " : "", text, why);
}

static unsigned verbs_of(const struct kst_json *list)
{
    static const struct {
        const char *name;
        unsigned verb;
    } verbs[] = {{"get", KST_VERB_GET},       {"list", KST_VERB_LIST},
                 {"watch", KST_VERB_WATCH},   {"create", KST_VERB_CREATE},
                 {"update", KST_VERB_UPDATE}, {"patch", KST_VERB_PATCH},
                 {"delete", KST_VERB_DELETE}, {"deletecollection", KST_VERB_DELETECOLLECTION}};
    unsigned out = 0;
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        for (size_t i = 0; kst_json_str(e) && i < KST_ARRAY_LEN(verbs); i++)
            if (strcmp(kst_json_str(e), verbs[i].name) == 0)
                out |= verbs[i].verb;
    return out;
}

static const char *const *short_names_of(const struct kst_json *list)
{
    const char **out = kst_calloc(kst_json_len(list) + 1, sizeof(*out));
    size_t count = 0;
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        if (kst_json_str(e))
            out[count++] = kst_strdup(kst_json_str(e));
    return out;
}

/* What both forms of discovery say of a resource. */
struct found {
    const char *group, *version, *kind, *plural, *singular;
    bool namespaced, preferred, has_status;
    const struct kst_json *verbs, *short_names;
};

static void add_found(struct reading *in, const struct found *f)
{
    if (!f->kind || !f->plural || !*f->kind || !*f->plural || in->count >= MOST_RESOURCES)
        return;
    struct kst_kube_resource *r = kst_calloc(1, sizeof(*r));
    char *singular = kst_strdup(f->singular && *f->singular ? f->singular : f->kind);
    for (char *c = singular; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    r->group = kst_strdup(f->group);
    r->version = kst_strdup(f->version);
    r->api_version = api_version(f->group, f->version);
    r->kind = kst_strdup(f->kind);
    r->plural = kst_strdup(f->plural);
    r->singular = singular;
    r->namespaced = f->namespaced;
    r->preferred = f->preferred;
    r->has_status = f->has_status;
    r->verbs = verbs_of(f->verbs);
    r->short_names = short_names_of(f->short_names);
    add_resource(in, r);
}

static int get(struct kst_kube *kube, const char *path, const char *accept, struct kst_json **out,
               struct kst_err **err)
{
    struct kst_kube_request request = {
        .method = "GET",
        .path = path,
        .accept = accept,
        .idempotent = true,
        .what = "the server's resources (discovery)",
        .verb = "get",
    };
    return kst_kube_do(kube, &request, out, err);
}

/* ---- Aggregated: apidiscovery.k8s.io ---- */

static bool has_subresource(const struct kst_json *resource, const char *name)
{
    const struct kst_json *list = kst_json_get(resource, "subresources");
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e)) {
        const char *text = kst_json_path_str(e, "subresource");
        if (text && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

static void add_aggregated_version(struct reading *in, const char *group,
                                   const struct kst_json *version, bool preferred)
{
    const char *name = kst_json_path_str(version, "version");
    const char *freshness = kst_json_path_str(version, "freshness");
    if (!name)
        return;
    add_version(in, group, name);
    if (freshness && strcmp(freshness, "Stale") == 0) {
        add_missing(in, group, name, "its server does not answer");
        return;
    }
    const struct kst_json *list = kst_json_get(version, "resources");
    for (const struct kst_json *r = kst_json_first(list); r; r = kst_json_next(r)) {
        const char *scope = kst_json_path_str(r, "scope");
        struct found found = {
            .group = group,
            .version = name,
            .kind = kst_json_path_str(r, "responseKind.kind"),
            .plural = kst_json_path_str(r, "resource"),
            .singular = kst_json_path_str(r, "singularResource"),
            .namespaced = scope && strcmp(scope, "Namespaced") == 0,
            .preferred = preferred,
            .has_status = has_subresource(r, "status"),
            .verbs = kst_json_get(r, "verbs"),
            .short_names = kst_json_get(r, "shortNames"),
        };
        add_found(in, &found);
    }
}

static void add_aggregated(struct reading *in, const struct kst_json *list)
{
    const struct kst_json *items = kst_json_get(list, "items");
    for (const struct kst_json *g = kst_json_first(items); g; g = kst_json_next(g)) {
        const char *group = kst_json_path_str(g, "metadata.name");
        bool preferred = true;
        const struct kst_json *versions = kst_json_get(g, "versions");
        for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v)) {
            add_aggregated_version(in, group ? group : "", v, preferred);
            preferred = false;
        }
    }
}

/* ---- Group by group ---- */

struct group_version {
    struct kst_kube *kube;
    char *group, *version;
    bool preferred;
    struct kst_json *list;
};

struct group_versions {
    struct group_version **rows;
    size_t count;
};

static void add_row(struct group_versions *rows, struct kst_kube *kube, const char *group,
                    const char *version, bool preferred)
{
    struct group_version *row = kst_calloc(1, sizeof(*row));
    row->kube = kube;
    row->group = kst_strdup(group);
    row->version = kst_strdup(version);
    row->preferred = preferred;
    rows->rows = kst_realloc(rows->rows, (rows->count + 1) * sizeof(*rows->rows));
    rows->rows[rows->count++] = row;
}

static void release_rows(struct group_versions *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->rows[i]->group);
        free(rows->rows[i]->version);
        kst_json_free(rows->rows[i]->list);
        free(rows->rows[i]);
    }
    free(rows->rows);
}

/* {"kind": "APIVersions", "versions": ["v1"]} */
static void add_core_rows(struct group_versions *rows, struct kst_kube *kube,
                          const struct kst_json *answer)
{
    const struct kst_json *versions = kst_json_get(answer, "versions");
    for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v))
        if (kst_json_str(v))
            add_row(rows, kube, "", kst_json_str(v), v == kst_json_first(versions));
}

/* {"kind": "APIGroupList", "groups": [{"name", "versions": [{"version"}], "preferredVersion"}]} */
static void add_group_rows(struct group_versions *rows, struct kst_kube *kube,
                           const struct kst_json *answer)
{
    const struct kst_json *groups = kst_json_get(answer, "groups");
    for (const struct kst_json *g = kst_json_first(groups); g; g = kst_json_next(g)) {
        const char *name = kst_json_path_str(g, "name");
        const char *preferred = kst_json_path_str(g, "preferredVersion.version");
        const struct kst_json *versions = kst_json_get(g, "versions");
        if (!name)
            continue;
        if (preferred)
            add_row(rows, kube, name, preferred, true);
        for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v)) {
            const char *version = kst_json_path_str(v, "version");
            if (version && (!preferred || strcmp(version, preferred) != 0))
                add_row(rows, kube, name, version, !preferred && v == kst_json_first(versions));
        }
    }
}

static int fetch_row(void *arg, struct kst_err **err)
{
    struct group_version *row = arg;
    kst_auto_free char *path = *row->group ? kst_asprintf("/apis/%s/%s", row->group, row->version)
                                           : kst_asprintf("/api/%s", row->version);
    return get(row->kube, path, NULL, &row->list, err);
}

static bool lists_status(const struct kst_json *resources, const char *plural)
{
    kst_auto_free char *wanted = kst_asprintf("%s/status", plural);
    for (const struct kst_json *r = kst_json_first(resources); r; r = kst_json_next(r)) {
        const char *name = kst_json_path_str(r, "name");
        if (name && strcmp(name, wanted) == 0)
            return true;
    }
    return false;
}

static void add_row_resources(struct reading *in, const struct group_version *row)
{
    const struct kst_json *resources = kst_json_get(row->list, "resources");
    for (const struct kst_json *r = kst_json_first(resources); r; r = kst_json_next(r)) {
        const char *plural = kst_json_path_str(r, "name");
        if (!plural || strchr(plural, '/'))
            continue;
        struct found found = {
            .group = row->group,
            .version = row->version,
            .kind = kst_json_path_str(r, "kind"),
            .plural = plural,
            .singular = kst_json_path_str(r, "singularName"),
            .namespaced = kst_json_path_true(r, "namespaced"),
            .preferred = row->preferred,
            .has_status = lists_status(resources, plural),
            .verbs = kst_json_get(r, "verbs"),
            .short_names = kst_json_get(r, "shortNames"),
        };
        add_found(in, &found);
    }
}

/* What a group that fails says in a list of them. */
static const char *short_reason(int code)
{
    return code == KST_E_FORBIDDEN ? "not allowed"
           : code == KST_E_SERVER  ? "its server does not answer"
                                   : "it cannot be read";
}

static int read_rows(struct reading *in, struct group_versions *rows, struct kst_err **err)
{
    struct kst_group *group = kst_group_new(in->kube->loop, false);
    kst_group_limit(group, AT_ONCE);
    for (size_t i = 0; i < rows->count; i++)
        kst_group_spawn(group, "discovery", fetch_row, rows->rows[i]);
    /* One group that fails is left out; only the fiber's own end ends the reading. */
    kst_group_wait(group, NULL);
    int rc = kst_fiber_check(err);
    size_t good = 0;
    for (size_t i = 0; rc == 0 && i < rows->count; i++) {
        const struct group_version *row = rows->rows[i];
        const struct kst_err *cause = NULL;
        int code = kst_group_result(group, (unsigned)i, &cause);
        add_version(in, row->group, row->version);
        if (code < 0) {
            add_missing(in, row->group, row->version, short_reason(code));
            continue;
        }
        add_row_resources(in, row);
        good++;
    }
    if (rc == 0 && good == 0 && rows->count > 0) {
        const struct kst_err *cause = NULL;
        kst_group_result(group, 0, &cause);
        struct kst_err *copy = kst_err_dup(cause);
        rc = kst_err_move(err, &copy);
    }
    kst_group_free(group);
    return rc;
}

static bool is_aggregated(const struct kst_json *answer)
{
    const char *kind = kst_json_path_str(answer, "kind");
    return kind && strcmp(kind, "APIGroupDiscoveryList") == 0;
}

static int read_all(struct reading *in, struct kst_err **err)
{
    kst_auto_json struct kst_json *core = NULL;
    kst_auto_json struct kst_json *groups = NULL;
    int rc = get(in->kube, "/api", aggregated, &core, err);
    if (rc == 0)
        rc = get(in->kube, "/apis", aggregated, &groups, err);
    if (rc < 0)
        return rc;
    struct group_versions rows = {0};
    if (is_aggregated(core))
        add_aggregated(in, core);
    else
        add_core_rows(&rows, in->kube, core);
    /* The core group comes first: where it is aggregated there are no rows yet. */
    if (!is_aggregated(groups))
        add_group_rows(&rows, in->kube, groups);
    if (rows.count)
        rc = read_rows(in, &rows, err);
    if (rc == 0 && is_aggregated(groups))
        add_aggregated(in, groups);
    release_rows(&rows);
    if (rc == 0 && in->count == 0)
        rc = kst_err_set(err, KST_E_PROTOCOL,
                         "discovery: expected the API server's resources, found none; is it one?");
    return rc;
}

static int read_now(struct kst_kube *root, struct kst_err **err)
{
    struct kst_kube_discovery *d = root->discovery;
    struct reading in = {.kube = root, .into = d, .missing = KST_BUF_INIT(MISSING_BYTES)};
    int rc = read_all(&in, err);
    if (rc < 0) {
        free(in.resources);
        free_versions(in.versions);
        kst_buf_release(&in.missing);
        return rc;
    }
    free(d->resources);
    free_versions(d->versions);
    free(d->missing);
    d->resources = in.resources;
    d->count = in.count;
    d->versions = in.versions;
    d->missing = in.missing.len ? kst_buf_take(&in.missing) : NULL;
    kst_buf_release(&in.missing);
    d->readings++;
    return 0;
}

int kst_kube_discovery_read(struct kst_kube *self, uint64_t after,
                            const struct kst_kube_discovery **out, struct kst_err **err)
{
    struct kst_kube *root = self->root;
    if (!root->discovery)
        root->discovery = kst_calloc(1, sizeof(*root->discovery));
    struct kst_kube_discovery *d = root->discovery;
    /* One fiber reads for all that ask meanwhile; if it is cancelled, the next one reads. */
    while (d->readings <= after && d->reading) {
        int rc = kst_cond_wait(&d->done, KST_NEVER, err);
        if (rc < 0)
            return rc;
    }
    if (d->readings <= after) {
        d->reading = true;
        int rc = read_now(root, err);
        d->reading = false;
        kst_cond_signal(&d->done);
        if (rc < 0)
            return rc;
    }
    *out = d;
    return 0;
}
