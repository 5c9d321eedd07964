/* SPDX-License-Identifier: Apache-2.0 */
/* The causes of a refusal, for comparison with those of the real server. */
#ifndef KST_TESTS_UNIT_CAUSES_H
#define KST_TESTS_UNIT_CAUSES_H

struct kst_json;

/* In one text, sorted: of {"reason","field","message"}, or of lists of the three. The caller frees
 * it. */
char *causes_sorted(const struct kst_json *causes);

#endif
