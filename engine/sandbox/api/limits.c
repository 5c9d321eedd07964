/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/amounts.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/types/quantity.h"

#define RANGES "/limitranges"

enum { TEXT_BYTES = 64 * 1024 };

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* ---- defaults ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Gives the container what it lacks of `defaults`, under `key`; appends the note of it. */
static void give(struct kst_json *container, const char *key, const struct kst_json *defaults,
                 const char *kind, struct kst_buf *note)
{
    const char **given = kst_calloc(kst_json_len(defaults) + 1, sizeof(*given));
    size_t count = 0;
    for (const struct kst_json *d = kst_json_first(defaults); d; d = kst_json_next(d)) {
        struct kst_json *list = kst_json_ensure_object(
            kst_json_ensure_object(container, "resources"), key);
        if (kst_json_get(list, kst_json_key(d)))
            continue;
        kst_json_set(list, kst_json_key(d), kst_json_dup(d));
        given[count++] = kst_json_key(d);
    }
    qsort(given, count, sizeof(*given), compare_names);
    for (size_t i = 0; i < count; i++)
        kst_buf_addf(note, "%s%s", i ? ", " : note->len ? "; " : "", given[i]);
    if (count > 0)
        kst_buf_addf(note, " %s for %s %s", is(key, "limits") ? "limit" : "request", kind,
                     kst_api_text(container, "name"));
    free(given);
}

static void fill(struct kst_json *pod, const struct kst_json *limit, struct kst_buf *note)
{
    for (int init = 0; init < 2; init++) {
        struct kst_json *list = kst_json_mut(kst_json_mut(pod, "spec"),
                                             init ? "initContainers" : "containers");
        const char *kind = init ? "init container" : "container";
        for (size_t i = 0; i < kst_json_len(list); i++) {
            struct kst_json *container = kst_json_mut_at(list, i);
            give(container, "requests", kst_json_get(limit, "defaultRequest"), kind, note);
            give(container, "limits", kst_json_get(limit, "default"), kind, note);
        }
    }
}

void kst_limits_fill(struct kst_api *api, const struct kst_api_call *call, struct kst_json *pod)
{
    struct kst_control_list list = kst_control_list(api, RANGES, call->ns);
    kst_auto_buf note = KST_BUF_INIT(TEXT_BYTES);
    for (size_t i = 0; i < list.count; i++) {
        const struct kst_json *limits = kst_json_path(list.objects[i]->json, "spec.limits");
        for (const struct kst_json *l = kst_json_first(limits); l; l = kst_json_next(l))
            if (is(kst_api_text(l, "type"), "Container"))
                fill(pod, l, &note);
    }
    if (note.len > 0) {
        kst_auto_free char *text = kst_asprintf("LimitRanger plugin set: %s", note.data);
        kst_json_set_str(kst_json_ensure_object(kst_json_mut(pod, "metadata"), "annotations"),
                         "kubernetes.io/limit-ranger", text);
    }
    kst_control_list_release(&list);
}

/* ---- limits ---- */

/* What one limit says of the amounts that somebody asks for; texts of errors are collected. */
struct check {
    const char *type;
    const struct kst_json *requests, *limits;
    struct kst_json *errors;
};

static void complain(struct check *self, char *text)
{
    kst_json_push(self->errors, kst_json_from_str(text));
    free(text);
}

static const char *text_of(const struct kst_json *amount)
{
    return kst_json_str(amount) ? kst_json_str(amount) : "";
}

static void check_min(struct check *self, const struct kst_json *least)
{
    const char *name = kst_json_key(least), *enforced = text_of(least);
    const struct kst_json *request = kst_json_get(self->requests, name);
    const struct kst_json *limit = kst_json_get(self->limits, name);
    if (!request)
        complain(self, kst_asprintf("minimum %s usage per %s is %s.  No request is specified", name,
                                    self->type, enforced));
    else if (kst_amount_compare(request, least) < 0)
        complain(self, kst_asprintf("minimum %s usage per %s is %s, but request is %s", name,
                                    self->type, enforced, text_of(request)));
    else if (limit && kst_amount_compare(limit, least) < 0)
        complain(self, kst_asprintf("minimum %s usage per %s is %s, but limit is %s", name,
                                    self->type, enforced, text_of(limit)));
}

static void check_max(struct check *self, const struct kst_json *most)
{
    const char *name = kst_json_key(most), *enforced = text_of(most);
    const struct kst_json *request = kst_json_get(self->requests, name);
    const struct kst_json *limit = kst_json_get(self->limits, name);
    if (!limit)
        complain(self, kst_asprintf("maximum %s usage per %s is %s.  No limit is specified", name,
                                    self->type, enforced));
    else if (kst_amount_compare(limit, most) > 0)
        complain(self, kst_asprintf("maximum %s usage per %s is %s, but limit is %s", name,
                                    self->type, enforced, text_of(limit)));
    else if (request && kst_amount_compare(request, most) > 0)
        complain(self, kst_asprintf("maximum %s usage per %s is %s, but request is %s", name,
                                    self->type, enforced, text_of(request)));
}

/* Claims have no limits: what they ask for counts. */
static void check_max_request(struct check *self, const struct kst_json *most)
{
    const char *name = kst_json_key(most), *enforced = text_of(most);
    const struct kst_json *request = kst_json_get(self->requests, name);
    if (!request)
        complain(self, kst_asprintf("maximum %s usage per %s is %s.  No request is specified", name,
                                    self->type, enforced));
    else if (kst_amount_compare(request, most) > 0)
        complain(self, kst_asprintf("maximum %s usage per %s is %s, but request is %s", name,
                                    self->type, enforced, text_of(request)));
}

static double number_of(const struct kst_json *amount)
{
    struct kst_quantity quantity;
    return kst_quantity_read(amount, &quantity) ? (double)quantity.nano / 1e9 : 0;
}

static void check_ratio(struct check *self, const struct kst_json *most)
{
    const char *name = kst_json_key(most), *enforced = text_of(most);
    double request = number_of(kst_json_get(self->requests, name));
    double limit = number_of(kst_json_get(self->limits, name));
    static const char format[] = "%s max limit to request ratio per %s is %s, but %s";
    if (request == 0)
        complain(self, kst_asprintf(format, name, self->type, enforced,
                                    "no request is specified or request is 0"));
    else if (limit == 0)
        complain(self, kst_asprintf(format, name, self->type, enforced,
                                    "no limit is specified or limit is 0"));
    else if (limit / request > number_of(most))
        complain(self, kst_asprintf("%s max limit to request ratio per %s is %s, but provided "
                                    "ratio is %f",
                                    name, self->type, enforced, limit / request));
}

static void each(struct check *self, const struct kst_json *amounts,
                 void (*call)(struct check *self, const struct kst_json *amount))
{
    for (const struct kst_json *a = kst_json_first(amounts); a; a = kst_json_next(a))
        call(self, a);
}

static void check_all(struct check *self, const struct kst_json *limit)
{
    each(self, kst_json_get(limit, "min"), check_min);
    each(self, kst_json_get(limit, "max"), check_max);
    each(self, kst_json_get(limit, "maxLimitRequestRatio"), check_ratio);
}

/* ---- what they are of ---- */

static void check_containers(const struct kst_json *pod, const struct kst_json *limit,
                             struct kst_json *errors)
{
    static const char *const lists[] = {"spec.containers", "spec.initContainers"};
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
        const struct kst_json *list = kst_json_path(pod, lists[i]);
        for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c)) {
            struct check check = {.type = "Container",
                                  .requests = kst_json_path(c, "resources.requests"),
                                  .limits = kst_json_path(c, "resources.limits"),
                                  .errors = errors};
            check_all(&check, limit);
        }
    }
}

static void check_pod(const struct kst_json *pod, const struct kst_json *limit,
                      struct kst_json *errors)
{
    kst_auto_json struct kst_json *requests = kst_amounts_of_pod(pod, "requests");
    kst_auto_json struct kst_json *limits = kst_amounts_of_pod(pod, "limits");
    struct check check = {.type = "Pod", .requests = requests, .limits = limits, .errors = errors};
    check_all(&check, limit);
}

static void check_claim(const struct kst_json *claim, const struct kst_json *limit,
                        struct kst_json *errors)
{
    struct check check = {.type = "PersistentVolumeClaim",
                          .requests = kst_json_path(claim, "spec.resources.requests"),
                          .errors = errors};
    each(&check, kst_json_get(limit, "min"), check_min);
    each(&check, kst_json_get(limit, "max"), check_max_request);
}

static void check_limit(const char *bucket, const struct kst_json *object,
                        const struct kst_json *limit, struct kst_json *errors)
{
    const char *type = kst_api_text(limit, "type");
    if (is(bucket, "/persistentvolumeclaims")) {
        if (is(type, "PersistentVolumeClaim"))
            check_claim(object, limit, errors);
    } else if (is(type, "Container")) {
        check_containers(object, limit, errors);
    } else if (is(type, "Pod")) {
        check_pod(object, limit, errors);
    }
}

/* One error as it is, several as a list. */
static struct kst_json *refuse(const struct kst_api_call *call, const struct kst_json *object,
                               const struct kst_json *errors)
{
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    for (const struct kst_json *e = kst_json_first(errors); e; e = kst_json_next(e))
        kst_buf_addf(&text, "%s%s", text.len ? ", " : "", kst_json_str(e));
    bool several = kst_json_len(errors) > 1;
    return kst_status_forbidden(call->resource, kst_api_text(object, "metadata.name"), "%s%s%s",
                                several ? "[" : "", text.data, several ? "]" : "");
}

struct kst_json *kst_limits_check(struct kst_api *api, const struct kst_api_call *call,
                                  const struct kst_json *live, const struct kst_json *object)
{
    const char *bucket = kst_bucket_name(call->resource->bucket);
    if ((!is(bucket, "/pods") || live) && !is(bucket, "/persistentvolumeclaims"))
        return NULL;
    struct kst_control_list list = kst_control_list(api, RANGES, call->ns);
    struct kst_json *status = NULL;
    for (size_t i = 0; i < list.count && !status; i++) {
        kst_auto_json struct kst_json *errors = kst_json_array();
        const struct kst_json *limits = kst_json_path(list.objects[i]->json, "spec.limits");
        for (const struct kst_json *l = kst_json_first(limits); l; l = kst_json_next(l))
            check_limit(bucket, object, l, errors);
        if (kst_json_len(errors) > 0)
            status = refuse(call, object, errors);
    }
    kst_control_list_release(&list);
    return status;
}
