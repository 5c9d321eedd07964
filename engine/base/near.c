/* SPDX-License-Identifier: Apache-2.0 */
#include "base/near.h"

#include <string.h>

enum { MAX = 63 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment. */
size_t kst_near_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > MAX || m > MAX)
        return n == m && strcmp(a, b) == 0 ? 0 : MAX;
    size_t rows[3][MAX + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *up = rows[(i - 1) % 3], *two_up = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            row[j] = least(least(up[j] + 1, row[j - 1] + 1), up[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_up[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

const char *kst_near_name(const char *name, const char *const *names)
{
    const char *best = NULL;
    size_t limit = strlen(name) / 3 + 1, nearest = limit + 1;
    for (; *names; names++) {
        size_t distance = kst_near_distance(name, *names);
        if (distance < nearest) {
            nearest = distance;
            best = *names;
        }
    }
    return best;
}
