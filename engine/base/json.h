/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON values, on cJSON, that survive: a number keeps its text (9007199254740993, 1.0, 1e400, -0),
 * an object its key order, a string every code point (also U+0000, which is held in memory as the
 * bytes C0 80). What was parsed is what is printed, value by value, byte for byte.
 *
 * RFC 8259, strictly: one value, no trailing text but white space, no duplicate keys in an object,
 * valid UTF-8 only, no lone surrogates. Depth at most KST_JSON_DEPTH.
 *
 * Ownership is a tree: a value put into a container belongs to it. `const struct kst_json *`
 * results are borrowed. All readers accept NULL (as "absent"), so that look-ups can be chained.
 * This module alone includes cJSON.
 */
#ifndef KST_BASE_JSON_H
#define KST_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_buf;
struct kst_err;
struct kst_json;

enum { KST_JSON_DEPTH = 200 };

enum kst_json_type {
    KST_JSON_ABSENT, /* the type of NULL */
    KST_JSON_NULL,
    KST_JSON_BOOL,
    KST_JSON_NUMBER,
    KST_JSON_STRING,
    KST_JSON_ARRAY,
    KST_JSON_OBJECT,
};

/* Parses; KST_E_PARSE with "line L, column C: what was expected" otherwise, KST_E_LIMIT for depth.
 * The caller frees *out. */
int kst_json_parse(const char *text, size_t len, struct kst_json **out, struct kst_err **err);
void kst_json_free(struct kst_json *self);
static inline void kst_json_autofree(struct kst_json **self)
{
    kst_json_free(*self);
}
#define kst_auto_json __attribute__((cleanup(kst_json_autofree)))
struct kst_json *kst_json_dup(const struct kst_json *self);

enum kst_json_style { KST_JSON_COMPACT, KST_JSON_PRETTY /* two spaces, as kubectl */ };

/* Appends to `out`; KST_E_LIMIT where the buffer's cap ends it. No HTML escaping. */
int kst_json_print(const struct kst_json *self, enum kst_json_style style, struct kst_buf *out);
/* Compact text that the caller frees. */
char *kst_json_text(const struct kst_json *self);

/* Readers. */
enum kst_json_type kst_json_type(const struct kst_json *self);
const char *kst_json_type_name(enum kst_json_type type);
size_t kst_json_len(const struct kst_json *self); /* entries of an array or object, else 0 */
const struct kst_json *kst_json_get(const struct kst_json *self, const char *key);
const struct kst_json *kst_json_at(const struct kst_json *self, size_t index);
/* A path of keys separated by dots ("status.phase"); a number indexes an array. For keys that
 * hold dots use kst_json_get(). */
const struct kst_json *kst_json_path(const struct kst_json *self, const char *path);
/* The string, or NULL where it is absent or of another type; with `path` as above. */
const char *kst_json_str(const struct kst_json *self);
const char *kst_json_path_str(const struct kst_json *self, const char *path);
/* A number's text, or NULL. */
const char *kst_json_number(const struct kst_json *self);
/* True where it is a whole number (also 3.0 or 1e3) that fits. */
bool kst_json_int(const struct kst_json *self, int64_t *value);
/* The whole number at `path`, else `fallback`. */
int64_t kst_json_path_int(const struct kst_json *self, const char *path, int64_t fallback);
/* True where it is the literal true. */
bool kst_json_true(const struct kst_json *self);
bool kst_json_path_true(const struct kst_json *self, const char *path);
/* Iteration, in order: for (e = kst_json_first(o); e; e = kst_json_next(e)) … kst_json_key(e). */
const struct kst_json *kst_json_first(const struct kst_json *self);
const struct kst_json *kst_json_next(const struct kst_json *self);
const char *kst_json_key(const struct kst_json *self); /* NULL for an entry of an array */
/* Same value: numbers by text, objects regardless of key order. */
bool kst_json_equal(const struct kst_json *a, const struct kst_json *b);
/* Objects only: every key of `subset` (all of them strings) is in `self` with the same value. */
bool kst_json_has_all(const struct kst_json *self, const struct kst_json *subset);

/* Writers. New values belong to the caller until they are put somewhere. */
struct kst_json *kst_json_object(void);
struct kst_json *kst_json_array(void);
struct kst_json *kst_json_null(void);
struct kst_json *kst_json_bool(bool value);
struct kst_json *kst_json_from_int(int64_t value);
/* `text` must be a JSON number (that asserts). */
struct kst_json *kst_json_from_number(const char *text);
/* Whether the text is one JSON number and nothing else. */
bool kst_json_is_number(const char *text);
struct kst_json *kst_json_from_str(const char *text);              /* NULL gives null */
struct kst_json *kst_json_from_strn(const char *text, size_t len); /* NULs become C0 80 */
/* The text as it is held in memory, NULs as C0 80: for keys. The caller frees it. */
char *kst_json_raw_text(const char *text, size_t len);

/* Sets key to `value` (taken; replaces in place, else appends). */
void kst_json_set(struct kst_json *self, const char *key, struct kst_json *value);
/* Appends a key that the object does not have, as the caller knows: it is not looked for, so that
 * an object of n keys takes n steps to make. */
void kst_json_append(struct kst_json *self, const char *key, struct kst_json *value);
/* As kst_json_append(), before all others. */
void kst_json_prepend(struct kst_json *self, const char *key, struct kst_json *value);
/* NULL for `value` removes the key. */
void kst_json_set_str(struct kst_json *self, const char *key, const char *value);
void kst_json_set_int(struct kst_json *self, const char *key, int64_t value);
void kst_json_set_bool(struct kst_json *self, const char *key, bool value);
void kst_json_push(struct kst_json *array, struct kst_json *value);
/* Puts `value` (taken) before the entry at `index`; at or beyond the end it is appended. */
void kst_json_insert(struct kst_json *array, size_t index, struct kst_json *value);
void kst_json_remove(struct kst_json *self, const char *key);
/* Takes the entry out; the caller owns it (NULL where there is none). */
struct kst_json *kst_json_detach(struct kst_json *self, const char *key);
struct kst_json *kst_json_detach_at(struct kst_json *array, size_t index);
/* The object or array at `key`, made where it is absent. */
struct kst_json *kst_json_ensure_object(struct kst_json *self, const char *key);
struct kst_json *kst_json_ensure_array(struct kst_json *self, const char *key);
/* Mutable access to a child, for values that the caller owns. */
struct kst_json *kst_json_mut(struct kst_json *self, const char *key);
struct kst_json *kst_json_mut_at(struct kst_json *self, size_t index);
/* As kst_json_first() and kst_json_next(); an entry may be changed, and be dropped or replaced once
 * the one after it is known. */
struct kst_json *kst_json_first_mut(struct kst_json *self);
struct kst_json *kst_json_next_mut(struct kst_json *self);
/* Removes an entry, which is freed, without looking for it. */
void kst_json_drop(struct kst_json *self, struct kst_json *entry);
/* Puts `value` (taken) in the place of an entry, which is freed; the key stays. Returns `value`. */
struct kst_json *kst_json_replace(struct kst_json *self, struct kst_json *entry,
                                  struct kst_json *value);

/* A value from a template, which is a constant of the program (a wrong one asserts): JSON in which
 * ' may stand for ", with %s (const char *, quoted and escaped; NULL gives null), %d (int),
 * %L (int64_t), %b (int as bool), %J (const struct kst_json *, copied; NULL gives null) where a
 * value stands; %s also where a key stands. The caller frees the result.
 *   kst_json_make("{'metadata':{'name':%s,'labels':%J},'spec':{'replicas':%d}}", name, labels, 0)
 */
struct kst_json *kst_json_make(const char *template, ...);

#endif
