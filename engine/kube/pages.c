/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/pages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_walk.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/resource.h"
#include "loop/fiber.h"

enum {
    FIRST_PAGE = 100,
    LARGEST_PAGE = 2000,
    PATH_BYTES = 64 * 1024,
    PAGE_BYTES = 2 * 1024 * 1024,    /* what a page should be */
    MOST_BYTES = 2 * PAGE_BYTES,     /* what it may be, before it is asked for in pieces */
    OBJECT_BYTES = 64 * 1024 * 1024, /* what one object may be */
    RESTARTS = 5,
    TURN = 16, /* objects between two turns of the loop, which moves the next page meanwhile */
};

struct item {
    struct kst_str text; /* in the page's */
    char *name;
};

struct page {
    struct kst_buf text;
    struct item *items;
    size_t count, at;
};

struct kst_kube_pages {
    struct kst_kube *kube;
    const struct kst_kube_resource *resource;
    char *ns, *label_selector, *field_selector, *what;
    struct kst_kube_list_options options; /* with the texts above */
    bool whole;
    struct page *present; /* is handed out */
    /* Of the reading, in a fiber of its own, which is there while a page is under way or waits: */
    struct kst_fiber *fiber;
    struct page *ahead;
    int limit;
    char *token;   /* continue; NULL for the first page, and behind the last */
    char *last;    /* name of the last object of all pages that were read */
    int restarts;  /* after a 410 */
    bool repeated; /* what comes may have come before */
};

static void page_free(struct page *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        free(self->items[i].name);
    free(self->items);
    kst_buf_release(&self->text);
    free(self);
}

/* ---- What came ---- */

static int bad(const struct kst_kube_pages *self, const char *what, struct kst_err **err)
{
    return kst_err_set(err, KST_E_PROTOCOL, "list %s: %s", self->what, what);
}

/* What only the server is to know of an object need not be parsed: it is overwritten with null. The
 * text is the page's own. */
static void blank(struct kst_str value)
{
    char *text = (char *)value.data;
    if (value.len < 4)
        return;
    memset(text, ' ', value.len);
    memcpy(text, "null", 4);
}

static char *read_item(const struct kst_kube_pages *self, struct kst_str text)
{
    struct kst_json_walk walk;
    struct kst_str key, value;
    char *name = NULL;
    if (kst_json_walk_begin(&walk, kst_json_walk_find(text, "metadata"), NULL) < 0)
        return NULL;
    while (kst_json_walk_next(&walk, &key, &value, NULL) == 1) {
        if (!name && kst_str_eq(key, "name"))
            name = kst_json_walk_string(value);
        else if (!self->whole && kst_str_eq(key, "managedFields"))
            blank(value);
    }
    return name;
}

static int read_items(const struct kst_kube_pages *self, struct page *page, struct kst_str items,
                      struct kst_err **err)
{
    struct kst_json_walk walk;
    struct kst_str text;
    size_t size = 0;
    if (items.len == 0 || kst_str_eq(items, "null"))
        return 0;
    int rc = kst_json_walk_begin(&walk, items, NULL);
    if (rc < 0 || walk.object)
        return bad(self, "expected a list of items, found something else", err);
    while ((rc = kst_json_walk_next(&walk, NULL, &text, NULL)) == 1) {
        if (page->count == size) {
            size = size ? 2 * size : 16;
            page->items = kst_realloc(page->items, size * sizeof(*page->items));
        }
        char *name = read_item(self, text);
        if (!name)
            return bad(self, "an item is not an object with a name", err);
        page->items[page->count++] = (struct item){.text = text, .name = name};
    }
    return rc < 0 ? bad(self, "its items are damaged or cut off", err) : 0;
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

static void sort(struct page *page)
{
    for (size_t i = 1; i < page->count; i++) {
        if (strcmp(page->items[i - 1].name, page->items[i].name) > 0) {
            qsort(page->items, page->count, sizeof(*page->items), compare_items);
            return;
        }
    }
}

/* After a list was begun anew, until it is where it was. */
static void drop_known(struct kst_kube_pages *self, struct page *page)
{
    while (page->at < page->count && strcmp(page->items[page->at].name, self->last) <= 0)
        page->at++;
    self->repeated = page->at == page->count;
}

static int check_order(struct kst_kube_pages *self, struct page *page, struct kst_err **err)
{
    sort(page);
    if (self->last && self->repeated)
        drop_known(self, page);
    if (page->at == page->count)
        return 0;
    const char *first = page->items[page->at].name;
    if (self->last && strcmp(first, self->last) <= 0)
        return kst_err_set(err, KST_E_PROTOCOL,
                           "list %s: expected the pages in the order of names, found \"%s\" after "
                           "\"%s\"",
                           self->what, first, self->last);
    free(self->last);
    self->last = kst_strdup(page->items[page->count - 1].name);
    return 0;
}

static int read_page(struct kst_kube_pages *self, struct page *page, struct kst_err **err)
{
    struct kst_json_walk walk;
    struct kst_str key, value, items = {0}, metadata = {0};
    int rc = kst_json_walk_begin(&walk, kst_str_buf(&page->text), NULL);
    if (rc < 0 || !walk.object)
        return bad(self, "expected a list as JSON, found something else", err);
    while ((rc = kst_json_walk_next(&walk, &key, &value, NULL)) == 1) {
        if (kst_str_eq(key, "items"))
            items = value;
        else if (kst_str_eq(key, "metadata"))
            metadata = value;
    }
    if (rc < 0)
        return bad(self, "the answer is damaged or cut off", err);
    rc = read_items(self, page, items, err);
    if (rc == 0)
        rc = check_order(self, page, err);
    free(self->token);
    self->token = kst_json_walk_string(kst_json_walk_find(metadata, "continue"));
    if (self->token && !*self->token)
        free(kst_take(self->token));
    return rc;
}

/* ---- Reading ahead ---- */

static int fetch_once(struct kst_kube_pages *self, struct kst_buf *out, struct kst_err **err)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    int rc = kst_kube_list_path(self->resource, self->ns, &self->options, self->limit, self->token,
                                &path, err);
    const struct kst_kube_request request = {
        .method = "GET",
        .path = path.data,
        .accept = kst_kube_list_accept(&self->options),
        .idempotent = true,
        .what = self->what,
        .verb = "list",
    };
    kst_buf_init(out, self->limit == 1 ? OBJECT_BYTES : MOST_BYTES);
    if (rc == 0)
        rc = kst_kube_exchange(self->kube, &request, out, NULL, err);
    if (rc < 0)
        kst_buf_release(out);
    return rc;
}

/* One page of text. What is too large is asked for in smaller pieces; what the server has forgotten
 * (410) from the beginning. */
static int fetch(struct kst_kube_pages *self, struct kst_buf *out, struct kst_err **err)
{
    for (;;) {
        struct kst_err *cause = NULL;
        int rc = fetch_once(self, out, &cause);
        bool too_large = rc == KST_E_LIMIT && self->limit > 1;
        bool gone = rc == KST_E_GONE && self->restarts < RESTARTS;
        if (rc == 0 || (!too_large && !gone))
            return rc < 0 ? kst_err_move(err, &cause) : 0;
        kst_err_clear(&cause);
        if (too_large) {
            self->limit = self->limit > 8 ? self->limit / 8 : 1;
        } else {
            free(kst_take(self->token));
            self->restarts++;
            self->repeated = true;
        }
    }
}

/* So many that the next page is of the size it should be. */
static void adapt(struct kst_kube_pages *self, const struct page *page)
{
    if (page->count == 0)
        return;
    size_t each = page->text.len / page->count + 1, limit = PAGE_BYTES / each;
    self->limit = limit < 1 ? 1 : limit > LARGEST_PAGE ? LARGEST_PAGE : (int)limit;
}

static int read_ahead(void *arg, struct kst_err **err)
{
    struct kst_kube_pages *self = arg;
    struct page *page;
    bool more;
    do {
        page = kst_calloc(1, sizeof(*page));
        int rc = fetch(self, &page->text, err);
        if (rc == 0)
            rc = read_page(self, page, err);
        if (rc < 0) {
            page_free(page);
            return rc;
        }
        adapt(self, page);
        more = self->token && page->at == page->count;
        if (more)
            page_free(page);
    } while (more);
    self->ahead = page;
    return 0;
}

static void begin_reading(struct kst_kube_pages *self)
{
    self->fiber = kst_fiber_spawn(kst_kube_loop(self->kube), self->what, read_ahead, self);
}

struct kst_kube_pages *kst_kube_pages_open(struct kst_kube *kube,
                                           const struct kst_kube_resource *resource, const char *ns,
                                           const struct kst_kube_list_options *options, bool whole)
{
    assert(!ns == !resource->namespaced);
    struct kst_kube_pages *self = kst_calloc(1, sizeof(*self));
    self->kube = kube;
    self->resource = resource;
    self->ns = kst_strdup(ns);
    self->whole = whole;
    self->what = kst_asprintf("%s%s%s", resource->plural, ns ? " in " : "", ns ? ns : "");
    if (options)
        self->options = *options;
    self->options.label_selector = self->label_selector = kst_strdup(self->options.label_selector);
    self->options.field_selector = self->field_selector = kst_strdup(self->options.field_selector);
    self->limit = self->options.page_size > 0 ? self->options.page_size : FIRST_PAGE;
    begin_reading(self);
    return self;
}

/* ---- Handing out ---- */

/* The page that was read ahead becomes the present one. 0 where there is none any more. */
static int turn_page(struct kst_kube_pages *self, struct kst_err **err)
{
    if (!self->fiber)
        return 0;
    int rc = kst_fiber_join(kst_take(self->fiber), err);
    if (rc < 0)
        return rc;
    page_free(self->present);
    self->present = kst_take(self->ahead);
    if (self->token)
        begin_reading(self);
    return 1;
}

int kst_kube_pages_next(struct kst_kube_pages *self, struct kst_json **object, struct kst_err **err)
{
    while (!self->present || self->present->at == self->present->count) {
        int rc = turn_page(self, err);
        if (rc <= 0)
            return rc;
    }
    struct item *item = &self->present->items[self->present->at++];
    if (self->fiber && self->present->at % TURN == 0)
        kst_yield();
    struct kst_err *cause = NULL;
    struct kst_json *value = NULL;
    int rc = kst_json_parse(item->text.data, item->text.len, &value, &cause);
    if (rc < 0) {
        kst_err_set(err, KST_E_PROTOCOL, "list %s: \"%s\" is not valid JSON: %s", self->what,
                    item->name, kst_err_message(cause));
        kst_err_free(cause);
        return KST_E_PROTOCOL;
    }
    kst_kube_complete_item(self->resource, value);
    *object = value;
    return 1;
}

void kst_kube_pages_close(struct kst_kube_pages *self)
{
    if (!self)
        return;
    if (self->fiber) {
        kst_fiber_cancel(self->fiber);
        kst_fiber_join(self->fiber, NULL);
    }
    page_free(self->present);
    page_free(self->ahead);
    free(self->ns);
    free(self->label_selector);
    free(self->field_selector);
    free(self->what);
    free(self->token);
    free(self->last);
    free(self);
}
