/* SPDX-License-Identifier: Apache-2.0 */
#include "app/capture/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void kst_names_release(struct kst_names *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->items[i]);
    free(self->items);
    *self = (struct kst_names){0};
}

void kst_names_add(struct kst_names *self, const char *name)
{
    if (!name || !*name)
        return;
    if (self->count == self->size) {
        self->size = self->size ? 2 * self->size : 16;
        self->items = kst_realloc(self->items, self->size * sizeof(*self->items));
    }
    self->items[self->count++] = kst_strdup(name);
    self->sorted = false;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void kst_names_sort(struct kst_names *self)
{
    size_t kept = 0;
    if (self->sorted || self->count == 0)
        return;
    qsort(self->items, self->count, sizeof(*self->items), compare);
    for (size_t i = 1; i < self->count; i++) {
        if (strcmp(self->items[i], self->items[kept]) == 0)
            free(self->items[i]);
        else
            self->items[++kept] = self->items[i];
    }
    self->count = kept + 1;
    self->sorted = true;
}

bool kst_names_has(struct kst_names *self, const char *name)
{
    if (!name || self->count == 0)
        return false;
    kst_names_sort(self);
    return bsearch(&name, self->items, self->count, sizeof(*self->items), compare) != NULL;
}
