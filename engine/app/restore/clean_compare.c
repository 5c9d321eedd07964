/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two lives of an object are the same: a hash and the first difference, which agree on what
 * counts. */
#include <string.h>

#include "app/restore/clean.h"
#include "app/restore/clean_internal.h"
#include "app/restore/manifest.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

enum { SHOWN = 60, PATH_BYTES = 4096, TEXT_BYTES = 16 * 1024 };

/* Where in the object something lies. */
struct place {
    const struct place *up; /* NULL: the object itself */
    const char *key;        /* NULL in a list */
    size_t index;
};

struct compare {
    const char *kind;
    bool builtin, secret;
};

static struct compare compare_for(const struct kst_json *object)
{
    return (struct compare){
        .kind = kst_manifest_kind(object),
        .builtin = kst_manifest_is_builtin(object),
        .secret = kst_manifest_is(object, "", "Secret"),
    };
}

/* ---- what counts ---- */

/* Here {} picks everything, and nothing picks nothing. */
static bool is_selector(const struct compare *self, const char *key)
{
    return (kst_same(key, "namespaceSelector") && !strstr(self->kind, "WebhookConfiguration")) ||
           kst_same(key, "podSelector") || kst_same(key, "labelSelector") ||
           (kst_same(key, "selector") && !kst_same(self->kind, "Service") &&
            !kst_same(self->kind, "ReplicationController"));
}

static bool counts(const struct compare *self, const struct place *at,
                   const struct kst_json *value);

static bool is_empty(const struct compare *self, const struct place *at,
                     const struct kst_json *value)
{
    enum kst_json_type type = kst_json_type(value);
    if (type == KST_JSON_ABSENT || type == KST_JSON_NULL)
        return true;
    if (type == KST_JSON_ARRAY)
        return kst_json_len(value) == 0;
    if (type != KST_JSON_OBJECT || is_selector(self, at->key))
        return false;
    for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e)) {
        const struct place inner = {.up = at, .key = kst_json_key(e)};
        if (counts(self, &inner, e))
            return false;
    }
    return true;
}

/* Whether a member of an object counts; entries of lists always do. */
static bool counts(const struct compare *self, const struct place *at, const struct kst_json *value)
{
    const struct place *up = at->up;
    if (!up->up && (kst_same(at->key, "status") || kst_same(at->key, "apiVersion")))
        return false;
    if (up->up && !up->up->up && kst_same(up->key, "metadata") &&
        kst_same(at->key, "ownerReferences"))
        return false;
    if (kst_same(up->key, "annotations") && kst_same(at->key, KST_MANIFEST_LAST_APPLIED))
        return false;
    if (is_empty(self, at, value))
        return false;
    if (!self->builtin)
        return true;
    const char *parent = up->key ? up->key : "";
    if (kst_same(at->key, "serviceAccount") && kst_same(parent, "spec")) /* as serviceAccountName */
        return false;
    return !kst_clean_is_default(self->kind, parent, at->key, value);
}

/* ---- hash ---- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t hash_text(const char *text, uint64_t seed)
{
    return mix(kst_hash(text, strlen(text)) + seed);
}

static uint64_t hash_value(const struct compare *self, const struct place *at,
                           const struct kst_json *value)
{
    enum kst_json_type type = kst_json_type(value);
    uint64_t sum = mix((uint64_t)type + 1);
    switch (type) {
    case KST_JSON_ABSENT:
    case KST_JSON_NULL:
        return sum;
    case KST_JSON_BOOL:
        return mix(sum + (kst_json_true(value) ? 1 : 2));
    case KST_JSON_NUMBER:
        return hash_text(kst_json_number(value), sum);
    case KST_JSON_STRING:
        return hash_text(kst_json_str(value), sum);
    case KST_JSON_ARRAY:
        for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e)) {
            const struct place inner = {.up = at};
            sum = mix(sum + hash_value(self, &inner, e));
        }
        return sum;
    case KST_JSON_OBJECT:
        break;
    }
    for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e)) {
        const struct place inner = {.up = at, .key = kst_json_key(e)};
        if (counts(self, &inner, e))
            sum += mix(hash_text(kst_json_key(e), 7) ^ hash_value(self, &inner, e));
    }
    return mix(sum);
}

uint64_t kst_clean_hash(const struct kst_json *object)
{
    const struct compare self = compare_for(object);
    const struct place root = {0};
    const char *group;
    size_t len = kst_manifest_group(object, &group);
    return mix(kst_hash(group, len) ^ hash_value(&self, &root, object));
}

/* ---- difference ---- */

static bool is_plain_key(const char *key)
{
    return *key && !strpbrk(key, ".[]\" ");
}

static void print_place(const struct place *at, struct kst_buf *out)
{
    if (!at->up)
        return;
    print_place(at->up, out);
    if (!at->key)
        kst_buf_addf(out, "[%zu]", at->index);
    else if (is_plain_key(at->key))
        kst_buf_addf(out, "%s%s", out->len ? "." : "", at->key);
    else
        kst_buf_addf(out, "[\"%s\"]", at->key);
}

/* Values of Secrets, and those of environment variables, which often are. */
static bool is_hidden(const struct compare *self, const struct place *at)
{
    if (kst_same(at->key, "value") && at->up->up && kst_same(at->up->up->key, "env"))
        return true;
    for (const struct place *p = at; self->secret && p->up; p = p->up)
        if (kst_same(p->key, "data") || kst_same(p->key, "stringData") ||
            kst_same(p->key, "annotations"))
            return true;
    return false;
}

/* What is inside of a container may be hidden: only a name is shown of it. */
static void print_value(const struct kst_json *value, struct kst_buf *out)
{
    if (!value) {
        kst_buf_adds(out, "absent");
        return;
    }
    if (kst_json_len(value) > 0 && kst_json_type(value) == KST_JSON_ARRAY) {
        kst_buf_adds(out, "[…]");
        return;
    }
    const char *name = kst_json_path_str(value, "name");
    if (kst_json_len(value) > 0 && !name) {
        kst_buf_adds(out, "{…}");
        return;
    }
    kst_auto_free char *text = name ? kst_asprintf("{\"name\":\"%s\",…}", name)
                                    : kst_json_text(value);
    size_t len = strlen(text), end = len > SHOWN ? SHOWN : len;
    while (end < len && end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    kst_buf_add(out, text, end);
    if (end < len)
        kst_buf_adds(out, "…");
}

static char *tell(const struct compare *self, const struct place *at, const struct kst_json *wanted,
                  const struct kst_json *found)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    print_place(at, &path);
    kst_buf_adds(&text, path.len ? path.data : "the object");
    if (is_hidden(self, at)) {
        kst_buf_adds(&text, !wanted ? " is there now" : !found ? " is absent now" : " differs");
        return kst_buf_take(&text);
    }
    kst_buf_adds(&text, ": ");
    print_value(wanted, &text);
    kst_buf_adds(&text, ", now ");
    print_value(found, &text);
    return kst_buf_take(&text);
}

static char *differ(const struct compare *self, const struct place *at,
                    const struct kst_json *wanted, const struct kst_json *found);

static char *differ_objects(const struct compare *self, const struct place *at,
                            const struct kst_json *wanted, const struct kst_json *found)
{
    const struct kst_json *e;
    for (e = kst_json_first(wanted); e; e = kst_json_next(e)) {
        const struct place inner = {.up = at, .key = kst_json_key(e)};
        const struct kst_json *other = kst_json_get(found, inner.key);
        if (!counts(self, &inner, e) && (!other || !counts(self, &inner, other)))
            continue;
        char *difference = differ(self, &inner, e, other);
        if (difference)
            return difference;
    }
    for (e = kst_json_first(found); e; e = kst_json_next(e)) {
        const struct place inner = {.up = at, .key = kst_json_key(e)};
        if (!kst_json_get(wanted, inner.key) && counts(self, &inner, e))
            return tell(self, &inner, NULL, e);
    }
    return NULL;
}

static char *differ_arrays(const struct compare *self, const struct place *at,
                           const struct kst_json *wanted, const struct kst_json *found)
{
    const struct kst_json *a = kst_json_first(wanted), *b = kst_json_first(found);
    for (size_t i = 0; a || b; i++) {
        const struct place inner = {.up = at, .index = i};
        char *difference = differ(self, &inner, a, b);
        if (difference)
            return difference;
        a = kst_json_next(a);
        b = kst_json_next(b);
    }
    return NULL;
}

static char *differ(const struct compare *self, const struct place *at,
                    const struct kst_json *wanted, const struct kst_json *found)
{
    enum kst_json_type type = kst_json_type(wanted);
    if (type == kst_json_type(found)) {
        if (type == KST_JSON_OBJECT)
            return differ_objects(self, at, wanted, found);
        if (type == KST_JSON_ARRAY)
            return differ_arrays(self, at, wanted, found);
        if (kst_json_equal(wanted, found))
            return NULL;
    }
    return tell(self, at, wanted, found);
}

char *kst_clean_difference(const struct kst_json *wanted, const struct kst_json *found)
{
    const struct compare self = compare_for(wanted);
    const struct place root = {0};
    const char *a, *b;
    size_t len = kst_manifest_group(wanted, &a);
    if (len != kst_manifest_group(found, &b) || memcmp(a, b, len) != 0) {
        const struct place version = {.up = &root, .key = "apiVersion"};
        return tell(&self, &version, kst_json_get(wanted, "apiVersion"),
                    kst_json_get(found, "apiVersion"));
    }
    return differ(&self, &root, wanted, found);
}
