/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists, page by page.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
 */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/resource.h"
#include "loop/fiber.h"

enum {
    PAGE = 500,
    RESTARTS = 5,
    PATH_BYTES = 64 * 1024,
    LIST_BYTES = 64 * 1024 * 1024,
};

struct listing {
    struct kst_kube *kube;
    const struct kst_kube_resource *resource;
    const char *ns;
    const struct kst_kube_list_options *options;
    const char *what;
    int limit;
    char *token; /* continue; NULL at the first page */
    char *version;
    int (*each)(void *arg, const struct kst_json *object, struct kst_err **err);
    void *arg;
    int64_t left_bytes; /* of text that may come still; negative: any */
    bool gone;          /* the server has forgotten where the next page begins */
};

void kst_kube_complete_item(const struct kst_kube_resource *resource, struct kst_json *item)
{
    if (!kst_json_get(item, "kind"))
        kst_json_prepend(item, "kind", kst_json_from_str(resource->kind));
    if (!kst_json_get(item, "apiVersion"))
        kst_json_prepend(item, "apiVersion", kst_json_from_str(resource->api_version));
}

int kst_kube_list_path(const struct kst_kube_resource *resource, const char *ns,
                       const struct kst_kube_list_options *options, int limit, const char *token,
                       struct kst_buf *out, struct kst_err **err)
{
    kst_auto_free char *most = kst_asprintf("%d", limit);
    kst_kube_path(resource, ns, NULL, NULL, out);
    if (options) {
        kst_kube_add_query(out, "labelSelector", options->label_selector);
        kst_kube_add_query(out, "fieldSelector", options->field_selector);
    }
    kst_kube_add_query(out, "limit", most);
    kst_kube_add_query(out, "continue", token);
    return kst_buf_check(out, "the list's selectors", err);
}

const char *kst_kube_list_accept(const struct kst_kube_list_options *options)
{
    return options && options->metadata_only
               ? "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
               : NULL;
}

static int fetch_once(struct listing *l, struct kst_json **page, struct kst_err **err)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    int rc = kst_kube_list_path(l->resource, l->ns, l->options, l->limit, l->token, &path, err);
    if (rc < 0)
        return rc;
    struct kst_kube_request request = {
        .method = "GET",
        .path = path.data,
        .accept = kst_kube_list_accept(l->options),
        .idempotent = true,
        .what = l->what,
        .verb = "list",
        .max_bytes = l->left_bytes < 0   ? 0
                     : l->left_bytes > 0 ? (size_t)l->left_bytes
                                         : 1,
    };
    struct kst_kube_outcome outcome = {0};
    rc = kst_kube_exchange_json(l->kube, &request, page, &outcome, err);
    if (rc == 0 && l->left_bytes >= 0)
        l->left_bytes -= outcome.body_bytes < l->left_bytes ? outcome.body_bytes : l->left_bytes;
    return rc;
}

/* A page of large objects that is more than an answer may be is asked for in smaller pieces. */
static int fetch(struct listing *l, struct kst_json **page, struct kst_err **err)
{
    for (;;) {
        struct kst_err *cause = NULL;
        int rc = fetch_once(l, page, &cause);
        l->gone = rc == KST_E_GONE;
        if (rc != KST_E_LIMIT || l->left_bytes >= 0 || l->limit == 1)
            return rc < 0 ? kst_err_move(err, &cause) : 0;
        kst_err_clear(&cause);
        l->limit = l->limit > 8 ? l->limit / 8 : 1;
    }
}

static int deliver(struct listing *l, struct kst_json *page, struct kst_err **err)
{
    struct kst_json *items = kst_json_mut(page, "items");
    if (kst_json_type(items) != KST_JSON_ARRAY && kst_json_type(items) > KST_JSON_NULL)
        return kst_err_set(err, KST_E_PROTOCOL, "list %s: expected a list of items, found %s",
                           l->what, kst_json_type_name(kst_json_type(items)));
    for (struct kst_json *item = kst_json_first_mut(items); item; item = kst_json_next_mut(item)) {
        if (kst_json_type(item) != KST_JSON_OBJECT)
            return kst_err_set(err, KST_E_PROTOCOL, "list %s: an item is not an object", l->what);
        kst_kube_complete_item(l->resource, item);
        int rc = l->each(l->arg, item, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* One page, and where the next one begins (l->token). */
static int run_page(struct listing *l, struct kst_err **err)
{
    kst_auto_json struct kst_json *page = NULL;
    int rc = fetch(l, &page, err);
    if (rc == 0)
        rc = deliver(l, page, err);
    if (rc < 0)
        return rc;
    const char *token = kst_json_path_str(page, "metadata.continue");
    char *next = token && *token ? kst_strdup(token) : NULL;
    free(l->token);
    l->token = next;
    const char *version = kst_json_path_str(page, "metadata.resourceVersion");
    if (version) {
        free(l->version);
        l->version = kst_strdup(version);
    }
    return 0;
}

/* A 410 means that what the list was read from is too old; from its beginning it is read anew. */
static void start_again(struct listing *l, void (*restart)(void *arg))
{
    free(kst_take(l->token));
    if (restart)
        restart(l->arg);
    if (l->left_bytes >= 0)
        l->left_bytes = LIST_BYTES;
}

static int run_list(struct listing *l, void (*restart)(void *arg), struct kst_err **err)
{
    int restarts = 0;
    bool again;
    do {
        struct kst_err *cause = NULL;
        int rc = run_page(l, &cause);
        again = rc < 0 && l->gone && restarts++ < RESTARTS;
        if (rc < 0 && !again)
            return kst_err_move(err, &cause);
        kst_err_clear(&cause);
        if (again)
            start_again(l, restart);
    } while (again || l->token);
    return 0;
}

static int list(struct listing *l, void (*restart)(void *arg), char **resource_version,
                struct kst_err **err)
{
    kst_auto_free char *what = kst_asprintf("%s%s%s", l->resource->plural, l->ns ? " in " : "",
                                            l->ns ? l->ns : "");
    l->what = what;
    l->limit = l->options && l->options->page_size > 0 ? l->options->page_size : PAGE;
    int rc = run_list(l, restart, err);
    free(l->token);
    if (rc == 0 && resource_version)
        *resource_version = kst_take(l->version);
    free(l->version);
    return rc;
}

int kst_kube_list_each(struct kst_kube *self, const struct kst_kube_resource *resource,
                       const char *ns, const struct kst_kube_list_options *options,
                       int (*each)(void *arg, const struct kst_json *object, struct kst_err **err),
                       void (*restart)(void *arg), void *arg, char **resource_version,
                       struct kst_err **err)
{
    struct listing listing = {
        .kube = self,
        .resource = resource,
        .ns = ns,
        .options = options,
        .each = each,
        .arg = arg,
        .left_bytes = -1,
    };
    return list(&listing, restart, resource_version, err);
}

static int collect(void *arg, const struct kst_json *object, struct kst_err **err)
{
    kst_json_push(*(struct kst_json **)arg, kst_json_dup(object));
    return 0;
}

static void start_over(void *arg)
{
    struct kst_json **items = arg;
    kst_json_free(*items);
    *items = kst_json_make("[]");
}

int kst_kube_list(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                  const struct kst_kube_list_options *options, struct kst_json **items,
                  char **resource_version, struct kst_err **err)
{
    kst_auto_json struct kst_json *all = kst_json_make("[]");
    struct listing listing = {
        .kube = self,
        .resource = resource,
        .ns = ns,
        .options = options,
        .each = collect,
        .arg = &all,
        .left_bytes = LIST_BYTES,
    };
    int rc = list(&listing, start_over, resource_version, err);
    if (rc == 0)
        *items = kst_take(all);
    return rc;
}

/* ---- How many there are ---- */

static int count_one(void *arg, const struct kst_json *object, struct kst_err **err)
{
    ++*(int64_t *)arg;
    return 0;
}

static void count_anew(void *arg)
{
    *(int64_t *)arg = 0;
}

int kst_kube_count(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                   int64_t *count, struct kst_err **err)
{
    const struct kst_kube_list_options options = {.metadata_only = true};
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_auto_json struct kst_json *page = NULL;
    int rc = kst_kube_list_path(resource, ns, &options, 1, NULL, &path, err);
    const struct kst_kube_request request = {
        .method = "GET",
        .path = path.data,
        .accept = kst_kube_list_accept(&options),
        .idempotent = true,
        .what = resource->plural,
        .verb = "list",
    };
    if (rc < 0)
        return rc;
    struct kst_err *cause = NULL;
    rc = kst_kube_do(self, &request, &page, &cause);
    if (rc < 0 && rc != KST_E_GONE)
        return kst_err_move(err, &cause);
    kst_err_clear(&cause);
    const char *token = kst_json_path_str(page, "metadata.continue");
    int64_t none = rc < 0 || (token && *token) ? -1 : 0;
    int64_t left = kst_json_path_int(page, "metadata.remainingItemCount", none);
    *count = (int64_t)kst_json_len(kst_json_get(page, "items")) + left;
    if (left >= 0)
        return 0;
    /* It is not told, as for a selector, or was forgotten (410): then they are looked at. */
    *count = 0;
    return kst_kube_list_each(self, resource, ns, &options, count_one, count_anew, count, NULL,
                              err);
}
