/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of a JSON object or array, one after the other, as pieces of its text: for long lists
 * whose entries are parsed (json.h) one at a time. What is inside of an entry is only looked
 * through for its end, by brackets and strings; it need not be valid JSON otherwise.
 */
#ifndef KST_BASE_JSON_WALK_H
#define KST_BASE_JSON_WALK_H

#include <stdbool.h>

#include "base/buf.h"

struct kst_err;

/* Lives on the stack; nothing is to be released. */
struct kst_json_walk {
    const char *at, *end;
    bool object, begun;
};

/* Begins at an object or array, which the text must hold and nothing else but white space. The text
 * is borrowed. KST_E_PARSE for something else. */
int kst_json_walk_begin(struct kst_json_walk *self, struct kst_str text, struct kst_err **err);
/* 1 and the next entry, 0 after the last, KST_E_PARSE where the text is cut off or goes on. *key
 * (may be NULL) is what is between its quotes, as it is written; *value its text. */
int kst_json_walk_next(struct kst_json_walk *self, struct kst_str *key, struct kst_str *value,
                       struct kst_err **err);

/* The text of a member of an object, empty where it is absent or `object` is none. */
struct kst_str kst_json_walk_find(struct kst_str object, const char *key);
/* What a string's text ("a\tb") stands for; the caller frees it. NULL where it is no string. */
char *kst_json_walk_string(struct kst_str value);

#endif
