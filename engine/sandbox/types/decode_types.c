/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up what decode_table*.c tells. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sandbox/types/decode_internal.h"

/* What "@" stands for. */
static const struct kst_go_struct every_kind = {"meta/v1.",
                                                "<TypeMeta metadata=ObjectMeta:ObjectMeta"};

static int compare_names(const void *name, const void *row)
{
    return strcmp(name, ((const struct kst_go_struct *)row)->name);
}

static const struct kst_go_struct *struct_named(const char *name)
{
    bool core = strncmp(name, "core/", 5) == 0;
    return bsearch(name, core ? kst_go_core : kst_go_others,
                   core ? kst_go_core_count : kst_go_others_count, sizeof(struct kst_go_struct),
                   compare_names);
}

const struct kst_go_struct *kst_decode_type(const char *group, const char *version,
                                            const char *kind)
{
    /* Versions that 1.20 does not serve yet have the types of those that it does. */
    static const struct {
        const char *group, *version, *type;
    } others[] = {
        {"batch", "v1/CronJob", "batch/v1beta1."},
        {"policy", "v1", "policy/v1beta1."},
    };
    kst_auto_free char *exact = kst_asprintf("%s/%s", version, kind);
    for (size_t i = 0; i < KST_ARRAY_LEN(others); i++) {
        size_t len = strlen(others[i].version);
        if (strcmp(group, others[i].group) == 0 && strncmp(exact, others[i].version, len) == 0 &&
            (exact[len] == '\0' || exact[len] == '/')) {
            kst_auto_free char *other = kst_asprintf("%s%s", others[i].type, kind);
            return struct_named(other);
        }
    }
    if (strchr(group, '.') && !kst_str_has_suffix(kst_str_of(group), ".k8s.io"))
        return NULL;
    kst_auto_free char *name = kst_asprintf("%.*s/%s.%s", *group ? (int)strcspn(group, ".") : 4,
                                            *group ? group : "core", version, kind);
    return struct_named(name);
}

static struct kst_str cut_token(struct kst_str *rest)
{
    struct kst_str token = {0};
    kst_str_split(rest, ' ', &token);
    return token;
}

static struct kst_str after(struct kst_str text, size_t skip)
{
    return (struct kst_str){.data = text.data + skip, .len = text.len - skip};
}

static const struct kst_go_struct *embedded_in(const struct kst_go_struct *self,
                                               struct kst_str token)
{
    if (kst_str_eq(token, "@"))
        return &every_kind;
    if (token.len && token.data[0] == '<')
        return kst_go_struct((struct kst_go_type){.owner = self, .text = after(token, 1)});
    return NULL;
}

static bool token_is(struct kst_str token, struct kst_str key)
{
    return token.len > key.len && memcmp(token.data, key.data, key.len) == 0 &&
           (token.data[key.len] == ':' || token.data[key.len] == '=');
}

/* The last part of "core/v1.VolumeSource". */
static struct kst_str short_name(struct kst_str name)
{
    for (size_t i = name.len; i > 0; i--)
        if (name.data[i - 1] == '.')
            return after(name, i);
    return name;
}

bool kst_go_find(const struct kst_go_struct *self, struct kst_str key, struct kst_go_field *field)
{
    struct kst_str rest = kst_str_of(self->fields);
    while (rest.len) {
        struct kst_str token = cut_token(&rest);
        const struct kst_go_struct *inner = embedded_in(self, token);
        if (inner && kst_go_find(inner, key, field)) {
            if (token.data[0] == '<')
                field->embedded = short_name(after(token, 1));
            return true;
        }
        if (inner || !token_is(token, key))
            continue;
        struct kst_str name = {0}, type = after(token, key.len + 1);
        if (token.data[key.len] == '=')
            kst_str_split(&type, ':', &name);
        bool dropped = kst_str_has_prefix(type, "~");
        type = after(type, dropped);
        *field = (struct kst_go_field){.key = {.data = token.data, .len = key.len},
                                       .name = name,
                                       .dropped = dropped,
                                       .type = {.owner = self, .text = type}};
        return true;
    }
    return false;
}

size_t kst_go_count(const struct kst_go_struct *self)
{
    size_t count = 0;
    struct kst_str rest = kst_str_of(self->fields);
    while (rest.len) {
        const struct kst_go_struct *inner = embedded_in(self, cut_token(&rest));
        count += inner ? kst_go_count(inner) : 1;
    }
    return count;
}

enum kst_go_kind kst_go_kind(struct kst_go_type type)
{
    static const char *const names[] = {
        [KST_GO_STRING] = "string", [KST_GO_BOOL] = "bool",         [KST_GO_INT32] = "int32",
        [KST_GO_INT64] = "int64",   [KST_GO_FLOAT64] = "float64",   [KST_GO_BYTES] = "bytes",
        [KST_GO_INTSTR] = "intstr", [KST_GO_QUANTITY] = "quantity", [KST_GO_TIME] = "time",
        [KST_GO_MICRO] = "micro",   [KST_GO_ANY] = "any",
    };
    if (kst_str_has_prefix(type.text, "[]"))
        return KST_GO_LIST;
    if (kst_str_has_prefix(type.text, "{}"))
        return KST_GO_MAP;
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++)
        if (kst_str_eq(type.text, names[i]))
            return (enum kst_go_kind)i;
    return kst_str_has_suffix(type.text, "$") ? KST_GO_STRING : KST_GO_STRUCT;
}

struct kst_go_type kst_go_entry(struct kst_go_type type)
{
    type.text = after(type.text, 2);
    return type;
}

/* "core/v1.Container", whichever way it is written; the caller frees it. */
static char *full_name(struct kst_go_type type)
{
    bool full = memchr(type.text.data, '.', type.text.len);
    int package = full ? 0 : (int)(strcspn(type.owner->name, ".") + 1);
    return kst_asprintf("%.*s%.*s", package, type.owner->name, (int)type.text.len, type.text.data);
}

const struct kst_go_struct *kst_go_struct(struct kst_go_type type)
{
    if (kst_go_kind(type) != KST_GO_STRUCT)
        return NULL;
    kst_auto_free char *name = full_name(type);
    return struct_named(name);
}

void kst_go_print(struct kst_go_type type, struct kst_buf *out)
{
    bool named = kst_go_struct(type) || kst_str_has_suffix(type.text, "$");
    if (kst_go_kind(type) == KST_GO_LIST) {
        kst_buf_adds(out, "[]");
        kst_go_print(kst_go_entry(type), out);
    } else if (named) {
        kst_auto_free char *name = full_name(type);
        name[strcspn(name, "$")] = '\0';
        kst_buf_adds(out, strchr(name, '/') + 1);
    } else {
        kst_buf_add(out, type.text.data, type.text.len);
    }
}
