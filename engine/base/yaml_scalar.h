/* SPDX-License-Identifier: Apache-2.0 */
/* What a plain YAML scalar is, as go-yaml v2 resolves it. Internal to yaml.c and yaml_print.c. */
#ifndef KST_BASE_YAML_SCALAR_H
#define KST_BASE_YAML_SCALAR_H

#include <stdbool.h>
#include <stddef.h>

struct kst_json;

/* The value of a plain scalar: null, boolean, number or string; NULL for a number that JSON cannot
 * hold (.inf, .nan). */
struct kst_json *kst_yaml_resolve(const char *text, size_t len);
/* Whether it would be something else than the string that it is. */
bool kst_yaml_is_special(const char *text, size_t len);

#endif
