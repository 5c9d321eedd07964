/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the builtin module share. */
#ifndef KST_SANDBOX_BUILTIN_INTERNAL_H
#define KST_SANDBOX_BUILTIN_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

struct kst_json;

enum kst_fill {
    KST_FILL_ABSENT,    /* set where it is absent, null or "" */
    KST_FILL_ZERO,      /* set where it is absent, null, "" or 0 */
    KST_FILL_DROP,      /* removed where it is null, false, 0, "", [] or {} */
    KST_FILL_QUANTITY,  /* a quantity becomes canonical */
    KST_FILL_RESOURCES, /* a map of quantities, rounded up to thousandths */
    KST_FILL_ALWAYS,    /* set */
};

/* What happens to the value at a path: keys with dots between them, "[]" after the key of an array
 * for each of its entries ("ports[].protocol"). Where a container on the path is absent, nothing
 * does. `json` is a template of kst_json_make() without arguments. */
struct kst_fill_rule {
    const char *path, *json;
    enum kst_fill how;
};

/* Applies the rules in their order; kst_fill() takes an array of them. Of NULL, nothing. */
void kst_fill_all(struct kst_json *object, const struct kst_fill_rule *rules, size_t count);
#define kst_fill(object, rules) kst_fill_all((object), (rules), sizeof(rules) / sizeof((rules)[0]))
/* One value, as KST_FILL_ABSENT. */
void kst_fill_absent(struct kst_json *object, const char *path, const char *json);
/* The object, or the array, to edit at a path of keys; NULL where there is none. */
struct kst_json *kst_fill_object(struct kst_json *object, const char *path);
struct kst_json *kst_fill_array(struct kst_json *object, const char *path);
/* The text at a path, "" where there is none. */
const char *kst_fill_text(const struct kst_json *object, const char *path);
bool kst_fill_is(const struct kst_json *object, const char *path, const char *text);
/* Removes what is null, at any depth. */
void kst_fill_without_nulls(struct kst_json *value);

/* pod.c: of a PodSpec, of a PodTemplateSpec, and of a Pod. */
void kst_builtin_pod_spec(struct kst_json *spec);
void kst_builtin_pod_template(struct kst_json *owner, const char *path);
void kst_builtin_pod(struct kst_json *pod);
void kst_builtin_claim_spec(struct kst_json *spec);

#endif
