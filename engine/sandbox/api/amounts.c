/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/amounts.h"

#include <stddef.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/quantity.h"

static struct kst_quantity read(const struct kst_json *amount)
{
    struct kst_quantity quantity = {0};
    if (!amount || !kst_quantity_read(amount, &quantity))
        quantity = (struct kst_quantity){0};
    return quantity;
}

int kst_amount_compare(const struct kst_json *a, const struct kst_json *b)
{
    const struct kst_quantity left = read(a), right = read(b);
    return kst_quantity_compare(&left, &right);
}

static void put(struct kst_json *self, const char *name, const struct kst_quantity *quantity)
{
    char text[KST_QUANTITY_TEXT];
    kst_quantity_print(quantity, text);
    kst_json_set_str(self, name, text);
}

/* The sum is written as the first is, unless that is nothing. */
static void change(struct kst_json *self, const char *name, const struct kst_json *amount, int sign)
{
    struct kst_quantity sum = read(kst_json_get(self, name));
    const struct kst_quantity more = read(amount);
    if (sum.nano == 0)
        sum.format = more.format;
    sum.nano += sign * more.nano;
    put(self, name, &sum);
}

void kst_amounts_add(struct kst_json *self, const char *name, const struct kst_json *amount)
{
    change(self, name, amount, 1);
}

void kst_amounts_subtract(struct kst_json *self, const char *name, const struct kst_json *amount)
{
    change(self, name, amount, -1);
}

void kst_amounts_count(struct kst_json *self, const char *name, int count)
{
    kst_auto_json struct kst_json *number = kst_json_from_int(count);
    change(self, name, number, 1);
}

static void add_all(struct kst_json *self, const struct kst_json *list)
{
    for (const struct kst_json *a = kst_json_first(list); a; a = kst_json_next(a))
        kst_amounts_add(self, kst_json_key(a), a);
}

struct kst_json *kst_amounts_of_pod(const struct kst_json *pod, const char *key)
{
    struct kst_json *sums = kst_json_object();
    const struct kst_json *list = kst_json_path(pod, "spec.containers");
    for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c))
        add_all(sums, kst_json_get(kst_json_get(c, "resources"), key));
    list = kst_json_path(pod, "spec.initContainers");
    for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c)) {
        const struct kst_json *amounts = kst_json_get(kst_json_get(c, "resources"), key);
        for (const struct kst_json *a = kst_json_first(amounts); a; a = kst_json_next(a))
            if (kst_amount_compare(a, kst_json_get(sums, kst_json_key(a))) > 0)
                kst_json_set(sums, kst_json_key(a), kst_json_dup(a));
    }
    add_all(sums, kst_json_path(pod, "spec.overhead"));
    return sums;
}
