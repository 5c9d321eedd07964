/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that a regular expression is likely to match: examples of what an author meant. */
#ifndef KST_BASE_SAMPLE_H
#define KST_BASE_SAMPLE_H

#include <stdbool.h>

struct kst_json;

enum { KST_SAMPLES = 64 };

/* *out: an array of at most KST_SAMPLES texts, one for each way through the alternatives of the
 * pattern, with as few repetitions as it asks for; the caller frees it. Of a class a byte of
 * `alphabet` is taken where it has one. They are to be matched against the pattern itself before
 * they are used. Returns true where the ways are all there are and wholly understood: then what is
 * in every sample, and no choice from a class, is in everything that the pattern matches. */
bool kst_regex_samples(const char *pattern, const char *alphabet, struct kst_json **out);

#endif
