/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How validations speak: places in an object, and what is wrong there, in the words and with the
 * reasons of k8s.io/apimachinery/pkg/util/validation. What an object does not have reads as the
 * zero of its type: "", 0, false, no entries.
 */
#ifndef KST_SANDBOX_BUILTIN_CHECK_H
#define KST_SANDBOX_BUILTIN_CHECK_H

#include <stdbool.h>
#include <stdint.h>

struct kst_json;

/* A place: what it is called in the place above it. Lives on the stack, below those above it. */
struct kst_place {
    struct kst_json *causes;
    const struct kst_place *up; /* NULL at the top, whose name is "" */
    const char *name;           /* of a field; NULL: an index or a key */
    const char *key;
    int index;
};

/* The object itself. */
struct kst_place kst_place_top(struct kst_json *causes);
/* Of a field; "a.b" is a field of a field. */
struct kst_place kst_place_field(const struct kst_place *up, const char *name);
struct kst_place kst_place_index(const struct kst_place *up, int index);
struct kst_place kst_place_key(const struct kst_place *up, const char *key);
/* "spec.containers[0].resources.limits[cpu]"; the caller frees it. */
char *kst_place_text(const struct kst_place *self);

/* What is wrong. `detail` may be "" in those without a format. Functions that name a field say it
 * of that field of the place, or, with "", of the place. */
void kst_say_required(const struct kst_place *place, const char *field, const char *detail);
void kst_say_forbidden(const struct kst_place *place, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* `shown` is the value as Go prints it: see kst_shown_*(). */
void kst_say_invalid(const struct kst_place *place, const char *field, const char *shown,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
void kst_say_invalid_text(const struct kst_place *place, const char *field, const char *text,
                          const char *detail);
void kst_say_invalid_int(const struct kst_place *place, const char *field, int64_t value,
                         const char *detail);
/* `supported`: the values, as they are listed, by spaces. */
void kst_say_unsupported(const struct kst_place *place, const char *field, const char *text,
                         const char *supported);
/* The same of a value that is no text. */
void kst_say_unsupported_value(const struct kst_place *place, const char *field, const char *shown,
                               const char *supported);
void kst_say_duplicate(const struct kst_place *place, const char *field, const char *text);
/* The same of a value that is no text. */
void kst_say_duplicate_value(const struct kst_place *place, const char *field, const char *shown);
void kst_say_not_found(const struct kst_place *place, const char *field, const char *text);
void kst_say_too_long(const struct kst_place *place, const char *field, int limit);

/* Values as Go prints them with %#v or %q; the caller frees them. */
char *kst_shown_share(const struct kst_json *value); /* intstr.IntOrString{...} */
char *kst_shown_text(const char *text);
char *kst_shown_texts(const struct kst_json *list);        /* []string{"a", "b"}, []string(nil) */
char *kst_shown_map(const struct kst_json *map);           /* map[string]string{"a":"b"} */
char *kst_shown_selector(const struct kst_json *selector); /* v1.LabelSelector{...} */

/* Forms of texts. Each says what is wrong with the text at the place; true where nothing is. */
enum kst_text_form {
    KST_TEXT_LABEL,       /* an RFC 1123 label */
    KST_TEXT_SUBDOMAIN,   /* an RFC 1123 subdomain */
    KST_TEXT_DNS1035,     /* a label that begins with a letter */
    KST_TEXT_QUALIFIED,   /* a name with an optional subdomain before it: "example.com/name" */
    KST_TEXT_LABEL_VALUE, /* the value of a label */
    KST_TEXT_PORT_NAME,
    KST_TEXT_ENV_NAME,
    KST_TEXT_CONFIG_KEY,
    KST_TEXT_HEADER,
    KST_TEXT_PATH_SEGMENT, /* anything that can be a part of a URL's path */
    KST_TEXT_IP,
    KST_TEXT_WILDCARD, /* "*." and a subdomain */
};
/* What is wrong with a text, an array of texts that the caller frees; NULL where nothing is. */
struct kst_json *kst_text_wrong(enum kst_text_form form, const char *text);
bool kst_check_text(const struct kst_place *place, const char *field, enum kst_text_form form,
                    const char *text);

/* Reading. */
const char *kst_read_text(const struct kst_json *object, const char *path);
int64_t kst_read_int(const struct kst_json *object, const char *path);
bool kst_read_true(const struct kst_json *object, const char *path);
/* Whether there is something, and not null. */
bool kst_has(const struct kst_json *object, const char *path);
/* The value where it is a map, else NULL: its entries have keys. */
const struct kst_json *kst_map(const struct kst_json *value);
/* A copy to change, of nothing an empty object; the caller frees it. */
struct kst_json *kst_copy_object(const struct kst_json *object);
/* Whether the text is one of those, by spaces. */
bool kst_is_one_of(const char *text, const char *texts);
/* Equal, where null, "", 0, false and what is empty are as good as absent. */
bool kst_same_value(const struct kst_json *a, const struct kst_json *b);

/* What many kinds have; `object` holds the field. */
void kst_check_not_negative(const struct kst_place *place, const struct kst_json *object,
                            const char *field);
void kst_check_labels(const struct kst_place *place, const struct kst_json *labels);
/* Of a field that may not change. */
void kst_check_immutable(const struct kst_place *place, const char *field,
                         const struct kst_json *value, const struct kst_json *old,
                         const char *shown);
void kst_check_selector(const struct kst_place *place, const struct kst_json *selector);
/* A port between 1 and 65535. */
void kst_check_port(const struct kst_place *place, const char *field, int64_t port);
/* A port's number, or its name. */
void kst_check_port_or_name(const struct kst_place *place, const char *field,
                            const struct kst_json *port);
/* Whether a selector can be made of it at all. */
bool kst_selector_is_right(const struct kst_json *selector);
/* Whether the labels are selected. */
bool kst_selects(const struct kst_json *selector, const struct kst_json *labels);

#endif
