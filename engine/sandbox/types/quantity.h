/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities of resources ("500m", "1.5Gi", "1e3") as the API server reads and writes them
 * (k8s.io/apimachinery/pkg/api/resource): exact to a billionth, rounded up beyond that, and printed
 * in a canonical form, so that what was stored as "1024Mi" is read as "1Gi".
 */
#ifndef KST_SANDBOX_TYPES_QUANTITY_H
#define KST_SANDBOX_TYPES_QUANTITY_H

#include <stdbool.h>

struct kst_json;

enum kst_quantity_format {
    KST_QUANTITY_DECIMAL,  /* 12M */
    KST_QUANTITY_BINARY,   /* 12Mi */
    KST_QUANTITY_EXPONENT, /* 12e6 */
};

enum { KST_QUANTITY_TEXT = 48 };

struct kst_quantity {
    __int128 nano; /* billionths */
    enum kst_quantity_format format;
};

/* Reads a text; false where it is no quantity, or one beyond about 10^29. Quantities of the binary
 * format end at 2^63-1, as on the server. */
bool kst_quantity_parse(const char *text, struct kst_quantity *quantity);
/* Reads a JSON string or number. */
bool kst_quantity_read(const struct kst_json *value, struct kst_quantity *quantity);
/* The text as the server stores it, by its rules: a number that it can hold in 64 bits and that
 * has no zeros to spare is kept as it was written ("+5", "007", "1E3"), any other is made
 * canonical. False where it is no quantity. `out` holds KST_QUANTITY_TEXT bytes. */
bool kst_quantity_canonical(const char *text, char *out);
/* The canonical text; `out` holds KST_QUANTITY_TEXT bytes. */
void kst_quantity_print(const struct kst_quantity *quantity, char *out);
/* -1, 0 or 1. */
int kst_quantity_compare(const struct kst_quantity *a, const struct kst_quantity *b);

#endif
