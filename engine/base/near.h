/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean …": the nearest of some names. */
#ifndef KST_BASE_NEAR_H
#define KST_BASE_NEAR_H

#include <stddef.h>

/* How many bytes must be inserted, deleted, replaced or swapped to make `a` into `b` (names longer
 * than 63 bytes are taken as far apart). */
size_t kst_near_distance(const char *a, const char *b);
/* The nearest of `names` (ended by NULL) where it is near enough to be meant, else NULL. Borrowed.
 */
const char *kst_near_name(const char *name, const char *const *names);

#endif
