/* SPDX-License-Identifier: Apache-2.0 */
/* "name.NAMESPACE.svc" in texts. A shorter form, "name.NAMESPACE", is left: nothing tells it from
 * another name with a dot. */
#include <string.h>

#include "app/restore/manifest.h"
#include "app/restore/rewrite.h"
#include "app/restore/rewrite_internal.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

enum { TEXT_BYTES = 16 * 1024 * 1024 };

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool goes_on(char c)
{
    return is_name(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

struct dns {
    const struct kst_rewrite *self;
    char *old; /* ".NAMESPACE.svc" */
};

/* Appends what is before the namespace, in which the last label names the Service. */
static void add_service(const struct dns *dns, const char *text, size_t len, struct kst_buf *out)
{
    size_t label = 0;
    while (label < len && is_name(text[len - label - 1]))
        label++;
    kst_auto_free char *name = kst_strndup(text + len - label, label);
    kst_auto_free char *now = kst_rewrite_name(dns->self, "Service", name);
    kst_buf_add(out, text, len - label);
    kst_buf_adds(out, now);
}

/* Whether `out` has got a changed copy of the text. */
static bool rewrite_text(const struct dns *dns, const char *text, size_t len, struct kst_buf *out)
{
    size_t needle = strlen(dns->old);
    const char *from = text, *end = text + len, *at = text;
    bool changed = false;
    while ((at = memmem(at, (size_t)(end - at), dns->old, needle))) {
        const char *after = at + needle;
        if (at > from && is_name(at[-1]) && (after == end || !goes_on(*after))) {
            add_service(dns, from, (size_t)(at - from), out);
            kst_buf_addf(out, ".%s.svc", dns->self->to_ns);
            from = after;
            changed = true;
        }
        at = after;
    }
    kst_buf_add(out, from, (size_t)(end - from));
    return changed && !out->overflown;
}

static void change_text(void *arg, struct kst_json *parent, struct kst_json *value)
{
    const char *text = kst_json_str(value);
    kst_auto_buf out = KST_BUF_INIT(TEXT_BYTES);
    if (text && rewrite_text(arg, text, strlen(text), &out))
        kst_json_replace(parent, value, kst_json_from_str(out.data));
}

/* A value of a Secret. */
static void change_encoded(void *arg, struct kst_json *parent, struct kst_json *value)
{
    const char *text = kst_json_str(value);
    kst_auto_buf plain = KST_BUF_INIT(TEXT_BYTES);
    kst_auto_buf out = KST_BUF_INIT(TEXT_BYTES);
    kst_auto_buf encoded = KST_BUF_INIT(2 * TEXT_BYTES);
    if (!text || kst_base64_decode(&plain, kst_str_of(text), true) < 0 ||
        !rewrite_text(arg, plain.data, plain.len, &out))
        return;
    kst_base64_encode(&encoded, out.data, out.len);
    kst_json_replace(parent, value, kst_json_from_str(encoded.data));
}

static void change_all(struct dns *dns, struct kst_json *value)
{
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(value); e; e = next) {
        next = kst_json_next_mut(e);
        if (kst_json_str(e))
            change_text(dns, value, e);
        else
            change_all(dns, e);
    }
}

static void change_custom(struct dns *dns, struct kst_json *object)
{
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(object); e; e = next) {
        next = kst_json_next_mut(e);
        const char *key = kst_json_key(e);
        if (strcmp(key, "metadata") != 0 && strcmp(key, "status") != 0)
            change_all(dns, e);
    }
}

static void change_pod(struct dns *dns, struct kst_json *pod)
{
    static const char *const lists[] = {"containers", "initContainers"};
    static const char *const places[] = {"env.*.value", "args.*", "command.*"};
    struct kst_json *spec = kst_json_mut(pod, "spec");
    for (size_t l = 0; l < KST_ARRAY_LEN(lists); l++) {
        struct kst_json *c = kst_json_first_mut(kst_json_mut(spec, lists[l]));
        for (; c; c = kst_json_next_mut(c))
            for (size_t i = 0; i < KST_ARRAY_LEN(places); i++)
                kst_manifest_visit(c, places[i], change_text, dns);
    }
}

void kst_rewrite_dns(const struct kst_rewrite *self, struct kst_json *object, bool everywhere)
{
    kst_auto_free char *old = kst_asprintf(".%s.svc", self->from_ns);
    struct dns dns = {.self = self, .old = old};
    if (kst_manifest_is(object, "", "Service"))
        kst_manifest_visit(object, "spec.externalName", change_text, &dns);
    if (!everywhere)
        return;
    change_pod(&dns, kst_manifest_pod(object));
    if (kst_manifest_is(object, "", "ConfigMap"))
        kst_manifest_visit(object, "data.*", change_text, &dns);
    if (kst_manifest_is(object, "", "Secret")) {
        kst_manifest_visit(object, "data.*", change_encoded, &dns);
        kst_manifest_visit(object, "stringData.*", change_text, &dns);
    }
    if (!kst_manifest_is_builtin(object))
        change_custom(&dns, object);
}
