/* SPDX-License-Identifier: Apache-2.0 */
/* get, create, update, patch, delete. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/resource.h"
#include "loop/fiber.h"

enum {
    PATH_BYTES = 16 * 1024,
    UPDATE_TRIES = 20, /* of a change that somebody else's came before */
    UPDATE_PAUSE_MS = 50,
    CONFLICT_TRIES = 5, /* of what did not happen because of something else that did just then */
};

/* Names that Kubernetes has for no object, and that would lead a path elsewhere. */
static bool is_odd(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strpbrk(name, "/%");
}

static int make_path(const struct kst_kube_resource *resource, const char *ns, const char *name,
                     const char *subresource, struct kst_buf *path, struct kst_err **err)
{
    /* "" would address the collection: a delete of everything. */
    if (name && !*name)
        return kst_err_set(err, KST_E_INVALID, "%s%s%s: expected a name, found none",
                           resource->kind, ns ? "/" : "", ns ? ns : "");
    if ((name && is_odd(name)) || (ns && is_odd(ns)))
        return kst_err_set(err, KST_E_INVALID,
                           "%s%s%s/%s: expected a namespace and a name, found "
                           "what cannot be one",
                           resource->kind, ns ? "/" : "", ns ? ns : "", name ? name : "");
    kst_kube_path(resource, ns, name, subresource, path);
    return kst_buf_check(path, "the request's path", err);
}

int kst_kube_get(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                 const char *name, struct kst_json **out, struct kst_err **err)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_auto_free char *what = kst_kube_what(resource, ns, name);
    int rc = make_path(resource, ns, name, NULL, &path, err);
    if (rc < 0)
        return rc;
    struct kst_kube_request request = {
        .method = "GET", .path = path.data, .idempotent = true, .what = what, .verb = "get"};
    return kst_kube_do(self, &request, out, err);
}

bool kst_kube_is_managed_by(const struct kst_json *object, const char *manager)
{
    const struct kst_json *rows = kst_json_path(object, "metadata.managedFields");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *is = kst_json_path_str(row, "manager");
        if (is && strcmp(is, manager) == 0)
            return true;
    }
    return false;
}

bool kst_kube_has_written(const struct kst_kube *self, const struct kst_json *object)
{
    return self->manager && kst_kube_is_managed_by(object, self->manager);
}

static void add_manager(const struct kst_kube *self, struct kst_buf *path)
{
    if (self->manager)
        kst_kube_add_query(path, "fieldManager", self->manager);
}

/* ---- create ---- */

/* Whether what is there is what we made, or would have made: the run and the step say so. */
static bool is_ours(const struct kst_kube *kube, const struct kst_json *there,
                    const struct kst_json *object)
{
    if (kst_kube_has_written(kube, there))
        return true;
    static const char *const keys[] = {"kassette.io/run", "kassette.io/step"};
    const struct kst_json *a = kst_json_path(there, "metadata.labels");
    const struct kst_json *b = kst_json_path(object, "metadata.labels");
    if (!kst_json_str(kst_json_get(b, keys[0])))
        return false;
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
        const char *mine = kst_json_str(kst_json_get(b, keys[i]));
        const char *its = kst_json_str(kst_json_get(a, keys[i]));
        if (mine != its && (!mine || !its || strcmp(mine, its) != 0))
            return false;
    }
    return true;
}

static bool rest(struct kst_kube_backoff *backoff, int64_t give_up_ms)
{
    int64_t pause = kst_kube_backoff_next_ms(backoff, -1);
    return kst_deadline_in_ms(pause) < give_up_ms && kst_sleep_ms(pause, NULL) == 0;
}

/* One exchange, again after a 409: what is repeated here comes to the same. */
static int exchange_over_conflicts(struct kst_kube *self, const struct kst_kube_request *request,
                                   struct kst_json **out, bool *lost, struct kst_err **err)
{
    struct kst_kube_backoff backoff = {0};
    struct kst_err *cause = NULL;
    int64_t give_up_ms = kst_kube_give_up_ms(self);
    int conflicts = 0, rc;
    do {
        struct kst_kube_outcome outcome = {0};
        kst_err_clear(&cause);
        rc = kst_kube_exchange_json(self, request, out, &outcome, &cause);
        *lost = *lost || outcome.lost;
    } while (rc == KST_E_CONFLICT && conflicts++ < CONFLICT_TRIES && rest(&backoff, give_up_ms));
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

int kst_kube_over_conflicts(int (*fn)(void *arg, struct kst_err **err), void *arg,
                            struct kst_err **err)
{
    for (int i = 1;; i++) {
        struct kst_err *cause = NULL;
        int rc = fn(arg, &cause);
        if (rc != KST_E_CONFLICT || i == UPDATE_TRIES)
            return rc < 0 ? kst_err_move(err, &cause) : 0;
        kst_err_clear(&cause);
        rc = kst_sleep_ms(UPDATE_PAUSE_MS, err);
        if (rc < 0)
            return rc;
    }
}

struct creation {
    struct kst_kube *kube;
    const struct kst_kube_resource *resource;
    const char *ns;
    const struct kst_json *object;
    const char *name; /* NULL: generateName */
    const char *what;
    const char *path;
    bool adopt;
    bool lost; /* an earlier POST may have been executed */
    int64_t give_up_ms;
    struct kst_kube_backoff backoff;
    int conflicts;
};

/* After AlreadyExists, or an answer that was lost: 0 where the object is there and ours (*out),
 * KST_E_NOT_FOUND where it is not there. */
static int look(struct creation *c, struct kst_json **out, struct kst_err **err)
{
    struct kst_json *there = NULL;
    int rc = kst_kube_get(c->kube, c->resource, c->ns, c->name, &there, err);
    if (rc < 0)
        return rc;
    if (is_ours(c->kube, there, c->object)) {
        if (out)
            *out = there;
        else
            kst_json_free(there);
        return 0;
    }
    const char *run = kst_json_str(
        kst_json_get(kst_json_path(there, "metadata.labels"), "kassette.io/run"));
    if (run)
        kst_err_set(err, KST_E_EXISTS, "%s exists already, made by run %s", c->what, run);
    else
        kst_err_set(err, KST_E_EXISTS, "%s exists already, and is not of this run", c->what);
    kst_json_free(there);
    return KST_E_EXISTS;
}

static int post(struct creation *c, bool *lost, struct kst_json **out, struct kst_err **err)
{
    struct kst_kube_request request = {
        .method = "POST",
        .path = c->path,
        .body = c->object,
        .what = c->what,
        .verb = "create",
    };
    struct kst_kube_outcome outcome = {0};
    int rc = kst_kube_exchange_json(c->kube, &request, out, &outcome, err);
    *lost = rc < 0 && outcome.lost;
    return rc;
}

/* An answer was lost, and the object is not there (yet): whether to POST again. A second POST of
 * the same name cannot make a second object. */
static bool may_post_again(struct creation *c)
{
    return rest(&c->backoff, c->give_up_ms);
}

/* A 409 that is no AlreadyExists: a quota was written by somebody else at this moment, say. Nothing
 * was created. */
static bool is_passing_conflict(struct creation *c, int code)
{
    return code == KST_E_CONFLICT && c->conflicts++ < CONFLICT_TRIES && may_post_again(c);
}

static int create(struct creation *c, struct kst_json **out, struct kst_err **err)
{
    for (;;) {
        struct kst_err *cause = NULL;
        bool lost = false;
        int rc = post(c, &lost, out, &cause);
        if (rc == 0)
            return 0;
        if (lost && !c->name) {
            kst_err_hint(&cause, "It may have been created all the same: look for %s", c->what);
            return kst_err_move(err, &cause);
        }
        if (!lost && is_passing_conflict(c, rc)) {
            kst_err_free(cause);
            continue;
        }
        bool there = rc == KST_E_EXISTS && (c->adopt || c->lost);
        c->lost = c->lost || lost;
        if (!lost && !there)
            return kst_err_move(err, &cause);
        if (kst_fiber_check(NULL) < 0)
            return kst_err_move(err, &cause);
        struct kst_err *other = NULL;
        rc = look(c, out, &other);
        if (rc == 0 || rc != KST_E_NOT_FOUND) {
            kst_err_free(cause);
            return rc == 0 ? 0 : kst_err_move(err, &other);
        }
        kst_err_free(other);
        if (!may_post_again(c))
            return kst_err_move(err, &cause);
        kst_err_free(cause);
    }
}

int kst_kube_create(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                    const struct kst_json *object, bool adopt, struct kst_json **out,
                    struct kst_err **err)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    const char *name = kst_json_path_str(object, "metadata.name");
    const char *prefix = kst_json_path_str(object, "metadata.generateName");
    kst_auto_free char *what = kst_kube_what(resource, ns, name ? name : prefix ? prefix : "");
    int rc = make_path(resource, ns, NULL, NULL, &path, err);
    if (rc < 0)
        return rc;
    add_manager(self, &path);
    struct creation creation = {
        .kube = self,
        .resource = resource,
        .ns = ns,
        .object = object,
        .name = name && *name ? name : NULL,
        .what = what,
        .path = path.data,
        .adopt = adopt,
        .give_up_ms = kst_kube_give_up_ms(self),
    };
    return create(&creation, out, err);
}

/* ---- update and patch ---- */

/* Whether the server has what was sent: then a conflict after a lost answer was with ourselves. */
static bool has_arrived(const struct kst_json *there, const struct kst_json *sent,
                        const char *subresource)
{
    for (const struct kst_json *e = kst_json_first(sent); e; e = kst_json_next(e)) {
        const char *key = kst_json_key(e);
        bool counts = subresource ? strcmp(key, subresource) == 0
                                  : strcmp(key, "metadata") != 0 && strcmp(key, "status") != 0;
        if (counts && !kst_json_equal(e, kst_json_get(there, key)))
            return false;
    }
    return true;
}

int kst_kube_update(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                    const struct kst_json *object, const char *subresource, struct kst_json **out,
                    struct kst_err **err)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    const char *name = kst_json_path_str(object, "metadata.name");
    kst_auto_free char *what = kst_kube_what(resource, ns, name);
    int rc = make_path(resource, ns, name ? name : "", subresource, &path, err);
    if (rc < 0)
        return rc;
    add_manager(self, &path);
    struct kst_kube_request request = {
        .method = "PUT",
        .path = path.data,
        .body = object,
        .idempotent = kst_json_path_str(object, "metadata.resourceVersion") != NULL,
        .what = what,
        .verb = "update",
    };
    struct kst_kube_outcome outcome = {0};
    struct kst_err *cause = NULL;
    rc = kst_kube_exchange_json(self, &request, out, &outcome, &cause);
    if (rc == KST_E_CONFLICT && outcome.lost) {
        struct kst_json *there = NULL;
        if (kst_kube_get(self, resource, ns, name, &there, NULL) == 0 &&
            has_arrived(there, object, subresource)) {
            kst_err_clear(&cause);
            if (out)
                *out = kst_take(there);
            rc = 0;
        }
        kst_json_free(there);
    }
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

/* A JSON patch that tests the version first cannot be applied twice. */
static bool tests_version(const struct kst_json *patch)
{
    for (const struct kst_json *op = kst_json_first(patch); op; op = kst_json_next(op)) {
        const char *kind = kst_json_path_str(op, "op"), *path = kst_json_path_str(op, "path");
        if (kind && path && strcmp(kind, "test") == 0 &&
            strcmp(path, "/metadata/resourceVersion") == 0)
            return true;
    }
    return false;
}

int kst_kube_patch(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                   const char *name, const char *subresource, enum kst_kube_patch type,
                   const struct kst_json *patch, struct kst_json **out, struct kst_err **err)
{
    static const char *const content_types[] = {
        [KST_PATCH_JSON] = "application/json-patch+json",
        [KST_PATCH_MERGE] = "application/merge-patch+json",
        [KST_PATCH_STRATEGIC] = "application/strategic-merge-patch+json",
        [KST_PATCH_APPLY] = "application/apply-patch+yaml", /* JSON is YAML */
    };
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_auto_free char *what = kst_kube_what(resource, ns, name);
    int rc = make_path(resource, ns, name, subresource, &path, err);
    if (rc < 0)
        return rc;
    bool idempotent = type == KST_PATCH_APPLY ||
                      (type == KST_PATCH_JSON
                           ? tests_version(patch)
                           : kst_json_path_str(patch, "metadata.resourceVersion") != NULL);
    if (type == KST_PATCH_APPLY && !self->manager)
        kst_kube_add_query(&path, "fieldManager", "kassette");
    add_manager(self, &path);
    if (type == KST_PATCH_APPLY)
        kst_kube_add_query(&path, "force", "true");
    struct kst_kube_request request = {
        .method = "PATCH",
        .path = path.data,
        .content_type = content_types[type],
        .body = patch,
        .idempotent = idempotent,
        .what = what,
        .verb = "patch",
    };
    return kst_kube_do(self, &request, out, err);
}

int kst_kube_merge(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                   const char *name, const char *subresource, const struct kst_json *patch,
                   struct kst_json **out, struct kst_err **err)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_auto_free char *what = kst_kube_what(resource, ns, name);
    int rc = make_path(resource, ns, name, subresource, &path, err);
    if (rc < 0)
        return rc;
    const struct kst_kube_request request = {
        .method = "PATCH",
        .path = path.data,
        .content_type = "application/merge-patch+json",
        .body = patch,
        .idempotent = true,
        .what = what,
        .verb = "patch",
    };
    bool lost = false;
    return exchange_over_conflicts(self, &request, out, &lost, err);
}

int kst_kube_label(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                   const char *name, const struct kst_json *labels, struct kst_err **err)
{
    kst_auto_json struct kst_json *patch = kst_json_make("{'metadata':{'labels':%J}}", labels);
    return kst_kube_merge(self, resource, ns, name, NULL, patch, NULL, err);
}

/* ---- delete ---- */

int kst_kube_delete(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                    const char *name, const struct kst_kube_delete_options *options,
                    struct kst_err **err)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_auto_free char *what = kst_kube_what(resource, ns, name);
    int rc = make_path(resource, ns, name ? name : "", NULL, &path, err);
    if (rc < 0)
        return rc;
    kst_auto_json struct kst_json *body = kst_json_make(
        "{'apiVersion':'v1','kind':'DeleteOptions'}");
    if (options && options->propagation)
        kst_json_set_str(body, "propagationPolicy", options->propagation);
    if (options && options->grace_seconds >= 0)
        kst_json_set_int(body, "gracePeriodSeconds", options->grace_seconds);
    if (options && options->uid)
        kst_json_set(body, "preconditions", kst_json_make("{'uid':%s}", options->uid));
    struct kst_kube_request request = {
        .method = "DELETE",
        .path = path.data,
        .body = body,
        .idempotent = true, /* by uid, or by a name that only we use (client.h) */
        .what = what,
        .verb = "delete",
    };
    struct kst_err *cause = NULL;
    bool lost = false;
    rc = exchange_over_conflicts(self, &request, NULL, &lost, &cause);
    /* An earlier try, whose answer was lost, has deleted it. */
    if (rc == KST_E_NOT_FOUND && lost) {
        kst_err_clear(&cause);
        return 0;
    }
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}
