/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: all at once or in pages, as they were at one version. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/server/ask.h"
#include "sandbox/server/httpd.h"
#include "sandbox/server/options.h"
#include "sandbox/server/select.h"

enum { TOKEN_BYTES = 2048 };

struct page {
    int64_t version; /* of the whole list */
    long long limit; /* 0: none */
    char *after;     /* "namespace/name" that the page before ended with; NULL: the first page */
    struct kst_object **objects;
    size_t count;
    size_t first, end, left; /* of what is selected */
};

static void page_release(struct page *self)
{
    kst_objects_free(self->objects, self->count);
    free(self->after);
}

/* ---- continue tokens: {"v","rv","start"} in base64url, as the real server makes them ---- */

/* The key of an object in the collection that is asked for. */
static char *key_of(const struct kst_ask *ask, const struct kst_object *object)
{
    return *ask->ns || !*object->ns ? kst_strdup(object->name)
                                    : kst_asprintf("%s/%s", object->ns, object->name);
}

/* `after` and the NUL behind it are the least key that is greater. */
static char *token_make(int64_t version, const char *after)
{
    struct kst_buf out = KST_BUF_INIT(TOKEN_BYTES);
    kst_auto_json struct kst_json *start = kst_json_from_strn(after, strlen(after) + 1);
    kst_auto_json struct kst_json *token = kst_json_make(
        "{'v':'meta.k8s.io/v1','rv':%L,'start':%J}", version, start);
    kst_auto_free char *text = kst_json_text(token);
    kst_base64_encode(&out, text, strlen(text));
    while (out.len > 0 && out.data[out.len - 1] == '=')
        kst_buf_truncate(&out, out.len - 1);
    for (size_t i = 0; i < out.len; i++)
        out.data[i] = out.data[i] == '+' ? '-' : out.data[i] == '/' ? '_' : out.data[i];
    return kst_buf_take(&out);
}

static bool token_decode(const char *text, struct kst_buf *out)
{
    kst_auto_buf plain = KST_BUF_INIT(TOKEN_BYTES);
    for (const char *c = text; *c; c++)
        kst_buf_addc(&plain, *c == '-' ? '+' : *c == '_' ? '/' : *c);
    while (plain.len % 4)
        kst_buf_addc(&plain, '=');
    return kst_base64_decode(out, kst_str_buf(&plain), false) == 0;
}

static struct kst_json *token_read(const char *text, struct page *page)
{
    static const char *const none = "invalid continue token: continue key is not valid: %s";
    kst_auto_buf plain = KST_BUF_INIT(TOKEN_BYTES);
    kst_auto_json struct kst_json *token = NULL;
    kst_auto_err struct kst_err *err = NULL;
    if (!token_decode(text, &plain))
        return kst_status_bad_request(none, "illegal base64 data");
    if (kst_json_parse(plain.data, plain.len, &token, &err) < 0)
        return kst_status_bad_request(none, kst_err_message(err));
    const char *kind = kst_json_path_str(token, "v"), *start = kst_json_path_str(token, "start");
    int64_t version = kst_json_path_int(token, "rv", 0);
    if (!kind || strcmp(kind, "meta.k8s.io/v1") != 0) {
        kst_auto_free char *why = kst_asprintf("server does not recognize this encoded version "
                                               "\"%s\"",
                                               kind ? kind : "");
        return kst_status_bad_request(none, why);
    }
    if (version == 0)
        return kst_status_bad_request("invalid continue token: incorrect encoded start "
                                      "resourceVersion (version meta.k8s.io/v1)");
    if (!start || !*start)
        return kst_status_bad_request("invalid continue token: encoded start key empty (version "
                                      "meta.k8s.io/v1)");
    if (version > 0) /* less: wherever the collection is now */
        page->version = version;
    page->after = kst_strndup(start, strcspn(start, "\xc0")); /* before a NUL, see json.h */
    return NULL;
}

/* Where a token's version is forgotten, another goes on from the same place in what is there now.
 */
static struct kst_json *expired(const struct page *page)
{
    struct kst_json *status = kst_status_expired(
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted "
        "between the time the first chunk was returned and now may show up in the list.");
    kst_auto_free char *token = token_make(-1, page->after);
    kst_json_set_str(kst_json_mut(status, "metadata"), "continue", token);
    return status;
}

/* ---- which version ---- */

static struct kst_json *choose_version(struct kst_ask *ask, struct page *page)
{
    struct kst_store *store = kst_api_store(ask->server->api);
    const char *version = kst_httpd_query(ask->http, "resourceVersion");
    const char *match = kst_httpd_query(ask->http, "resourceVersionMatch");
    long long asked = 0;
    page->version = kst_store_version(store);
    if (!version || !*version)
        return NULL;
    if (!kst_parse_int(version, &asked) || asked < 0)
        return kst_status_bad_version(version);
    if (asked > page->version)
        return kst_status_future_version(asked, page->version);
    bool exact = match && strcmp(match, "Exact") == 0;
    /* A page at a version means that very one; everything else is served with what is newer. */
    if (exact || (asked > 0 && page->limit > 0 && !(match && *match)))
        page->version = asked;
    return NULL;
}

static struct kst_json *read_page(struct kst_ask *ask, struct page *page)
{
    const char *limit = kst_httpd_query(ask->http, "limit");
    const char *token = kst_httpd_query(ask->http, "continue");
    if (limit && *limit && (!kst_parse_int(limit, &page->limit) || page->limit < 0))
        return kst_status_bad_request("strconv.ParseInt: parsing \"%s\": invalid syntax", limit);
    struct kst_json *status = kst_options_check_list(ask);
    if (!status)
        status = choose_version(ask, page);
    if (!status && token && *token) {
        const char *version = kst_httpd_query(ask->http, "resourceVersion");
        if (version && *version && strcmp(version, "0") != 0)
            status = kst_status_bad_request(
                "specifying resource version is not allowed when using continue");
        if (!status)
            status = token_read(token, page);
    }
    if (status)
        return status;
    if (kst_bucket_snapshot(ask->resource->bucket, page->version, &page->objects, &page->count))
        return NULL;
    return page->after ? expired(page)
                       : kst_status_expired("The resourceVersion for the provided list is too "
                                            "old.");
}

/* Whether an object comes after the end of the page before. */
static bool is_after(const struct kst_object *object, const char *last, bool all_namespaces)
{
    size_t ns_len = all_namespaces ? strcspn(last, "/") : 0;
    if (!all_namespaces || !last[ns_len])
        return strcmp(all_namespaces ? object->ns : object->name, last) > 0;
    kst_auto_free char *ns = kst_strndup(last, ns_len);
    int order = strcmp(object->ns, ns);
    return order > 0 || (order == 0 && strcmp(object->name, last + ns_len + 1) > 0);
}

/* Keeps what is selected and not before the page; `end` is where the page ends. */
static void select_page(const struct kst_ask *ask, struct page *page,
                        const struct kst_select *select)
{
    bool all = (ask->resource->flags & KST_RES_NAMESPACED) && !*ask->ns;
    size_t kept = 0;
    for (size_t i = 0; i < page->count; i++) {
        struct kst_object *object = page->objects[i];
        if (kst_select_has(select, object) && (!page->after || is_after(object, page->after, all)))
            page->objects[kept++] = object;
        else
            kst_object_unref(object);
    }
    page->count = kept;
    page->end = page->limit > 0 && (size_t)page->limit < kept ? (size_t)page->limit : kept;
    page->left = kept - page->end;
}

/* ---- printing ---- */

static struct kst_json *list_metadata(const struct kst_ask *ask, const struct page *page,
                                      bool narrowed)
{
    struct kst_json *metadata = kst_json_object();
    kst_auto_free char *version = kst_asprintf("%" PRId64, page->version);
    kst_json_set_str(metadata, "resourceVersion", version);
    /* Lists of custom resources say that nothing is left. */
    if (ask->resource->flags & KST_RES_CUSTOM && ask->form == KST_FORM_OBJECT)
        kst_json_set_str(metadata, "continue", "");
    if (page->left > 0) {
        kst_auto_free char *key = key_of(ask, page->objects[page->end - 1]);
        kst_auto_free char *token = token_make(page->version, key);
        kst_json_set_str(metadata, "continue", token);
        /* With a selector the real server does not count what is left. */
        if (!narrowed)
            kst_json_set_int(metadata, "remainingItemCount", (int64_t)page->left);
    }
    return metadata;
}

/* One item: built-in kinds come without their type, which the list tells. */
static void print_item(struct kst_buf *out, const struct kst_resource *resource,
                       const struct kst_json *object)
{
    bool typed = resource->flags & KST_RES_CUSTOM, first = true;
    kst_buf_addc(out, '{');
    for (const struct kst_json *e = kst_json_first(object); e; e = kst_json_next(e)) {
        const char *key = kst_json_key(e);
        bool version = strcmp(key, "apiVersion") == 0;
        if (!typed && (version || strcmp(key, "kind") == 0))
            continue;
        kst_auto_json struct kst_json *name = kst_json_from_str(key);
        kst_buf_adds(out, first ? "" : ",");
        first = false;
        kst_json_print(name, KST_JSON_COMPACT, out);
        kst_buf_addc(out, ':');
        if (version)
            kst_buf_addf(out, "\"%s\"", resource->api_version);
        else
            kst_json_print(e, KST_JSON_COMPACT, out);
    }
    kst_buf_addc(out, '}');
}

static void reply_objects(struct kst_ask *ask, const struct page *page,
                          const struct kst_json *metadata)
{
    const struct kst_resource *resource = ask->resource;
    bool partial = ask->form == KST_FORM_METADATA;
    kst_auto_buf out = KST_BUF_INIT(KST_ASK_ANSWER_BYTES);
    kst_buf_addf(&out, "{\"kind\":\"%s\",\"apiVersion\":\"%s%s\",\"metadata\":",
                 partial ? "PartialObjectMetadataList" : resource->list_kind,
                 partial ? "meta.k8s.io/" : "",
                 partial ? ask->form_version : resource->api_version);
    kst_json_print(metadata, KST_JSON_COMPACT, &out);
    kst_buf_adds(&out, ",\"items\":[");
    for (size_t i = 0; i < page->end; i++) {
        const struct kst_json *object = page->objects[i]->json;
        kst_buf_adds(&out, i ? "," : "");
        if (partial) {
            kst_auto_json struct kst_json *item = kst_ask_metadata_of(object, ask->form_version);
            kst_json_print(item, KST_JSON_COMPACT, &out);
        } else if (resource->flags & (KST_RES_OTHER_FORM | KST_RES_CUSTOM)) {
            kst_auto_json struct kst_json *item = kst_api_show(resource, page->objects[i]);
            print_item(&out, resource, item);
        } else {
            print_item(&out, resource, object);
        }
    }
    kst_buf_adds(&out, "]}\n");
    kst_ask_buf(ask, 200, "application/json", &out);
}

static void reply_page(struct kst_ask *ask, const struct page *page, bool narrowed)
{
    kst_auto_json struct kst_json *metadata = list_metadata(ask, page, narrowed);
    if (ask->form != KST_FORM_TABLE) {
        reply_objects(ask, page, metadata);
        return;
    }
    kst_auto_free const struct kst_json **objects = kst_malloc((page->end + 1) *
                                                               sizeof(const struct kst_json *));
    kst_auto_json struct kst_json *shown = kst_json_array();
    bool custom = ask->resource->flags & KST_RES_CUSTOM;
    for (size_t i = 0; i < page->end; i++) {
        struct kst_json *own = custom ? kst_api_show(ask->resource, page->objects[i]) : NULL;
        objects[i] = own ? own : page->objects[i]->json;
        if (own)
            kst_json_push(shown, own);
    }
    kst_auto_json struct kst_json *table = kst_ask_table(ask, metadata, objects, page->end, false);
    kst_ask_json(ask, 200, table);
}

void kst_serve_objects(struct kst_ask *ask, int64_t version, struct kst_object **objects,
                       size_t count)
{
    const struct page page = {.version = version, .objects = objects, .count = count, .end = count};
    reply_page(ask, &page, true);
}

void kst_serve_list(struct kst_ask *ask)
{
    struct page page = {0};
    struct kst_select select;
    struct kst_json *status = kst_select_init(&select, ask->resource, ask->ns,
                                              kst_httpd_query(ask->http, "labelSelector"),
                                              kst_httpd_query(ask->http, "fieldSelector"));
    if (status) {
        kst_ask_status(ask, status);
        return;
    }
    status = read_page(ask, &page);
    if (status) {
        kst_ask_status(ask, status);
    } else {
        select_page(ask, &page, &select);
        reply_page(ask, &page, kst_select_narrows(&select));
    }
    page_release(&page);
    kst_select_release(&select);
}
