/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/server/labels.h"

/* The fields that a kind can be selected by, beside its name and namespace. */
static const struct selectable {
    const char *bucket;
    const char *fields[12];
} selectables[] = {
    {"/pods",
     {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
      "status.phase", "status.podIP", "status.nominatedNodeName"}},
    {"/events",
     {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
      "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
      "involvedObject.fieldPath", "reason", "source", "type", "reportingComponent"}},
    {"/secrets", {"type"}},
    {"/namespaces", {"status.phase", "name"}},
    {"/nodes", {"spec.unschedulable"}},
    {"/replicationcontrollers", {"status.replicas"}},
    {"apps/replicasets", {"status.replicas"}},
    {"batch/jobs", {"status.successful"}},
};

static const struct selectable *selectable_of(const struct kst_resource *resource)
{
    const char *name = kst_bucket_name(resource->bucket);
    for (size_t i = 0; i < KST_ARRAY_LEN(selectables); i++)
        if (strcmp(selectables[i].bucket, name) == 0)
            return &selectables[i];
    return NULL;
}

static struct kst_json *check_field(const struct kst_resource *resource, const char *path)
{
    if (strcmp(path, "metadata.name") == 0 || strcmp(path, "metadata.namespace") == 0)
        return NULL;
    const struct selectable *own = selectable_of(resource);
    for (size_t i = 0; own && i < KST_ARRAY_LEN(own->fields) && own->fields[i]; i++)
        if (strcmp(own->fields[i], path) == 0)
            return NULL;
    if (own || (resource->flags & KST_RES_CUSTOM))
        return kst_status_bad_request("field label not supported: %s", path);
    return kst_status_bad_request("\"%s\" is not a known field selector: only \"metadata.name\", "
                                  "\"metadata.namespace\"",
                                  path);
}

static struct kst_json *add_field(struct kst_select *self, const struct kst_resource *resource,
                                  struct kst_str term)
{
    term = kst_str_trim(term);
    if (term.len == 0)
        return NULL;
    const char *sign = memchr(term.data, '=', term.len);
    if (!sign || sign == term.data)
        return kst_status_bad_request("invalid selector: '%.*s'; can't understand '%.*s'",
                                      (int)term.len, term.data, (int)term.len, term.data);
    if (self->nfields == KST_SELECT_FIELDS)
        return kst_status_bad_request("more than %d fields in a selector", KST_SELECT_FIELDS);
    bool equal = sign[-1] != '!';
    size_t len = (size_t)(sign - term.data) - (equal ? 0 : 1);
    const char *value = sign + 1, *end = term.data + term.len;
    if (equal && value < end && *value == '=')
        value++;
    char *path = kst_strndup(term.data, len);
    struct kst_json *status = check_field(resource, path);
    if (status) {
        free(path);
        return status;
    }
    self->fields[self->nfields].path = path;
    self->fields[self->nfields].value = kst_strndup(value, (size_t)(end - value));
    self->fields[self->nfields++].equal = equal;
    return NULL;
}

struct kst_json *kst_select_init(struct kst_select *self, const struct kst_resource *resource,
                                 const char *ns, const char *labels, const char *fields)
{
    *self = (struct kst_select){.ns = ns};
    kst_auto_err struct kst_err *err = NULL;
    if (kst_labels_parse(labels, &self->labels, &err) < 0)
        return kst_status_bad_request("%s", kst_err_message(err));
    struct kst_str rest = kst_str_of(fields), term;
    while (kst_str_split(&rest, ',', &term)) {
        struct kst_json *status = add_field(self, resource, term);
        if (status) {
            kst_select_release(self);
            return status;
        }
    }
    return NULL;
}

void kst_select_release(struct kst_select *self)
{
    for (size_t i = 0; i < self->nfields; i++) {
        free(self->fields[i].path);
        free(self->fields[i].value);
    }
    self->nfields = 0;
    kst_labels_free(self->labels);
    self->labels = NULL;
}

bool kst_select_narrows(const struct kst_select *self)
{
    return !kst_labels_are_all(self->labels) || self->nfields > 0;
}

static bool field_is(const struct kst_json *object, const char *path, const char *value)
{
    char number[32];
    if (strcmp(path, "name") == 0)
        path = "metadata.name";
    if (strcmp(path, "source") == 0)
        path = "source.component";
    if (strcmp(path, "status.successful") == 0)
        path = "status.succeeded";
    const struct kst_json *found = kst_json_path(object, path);
    const char *text = kst_json_str(found);
    if (!text && kst_json_type(found) == KST_JSON_NUMBER)
        text = kst_json_number(found);
    if (!text && kst_json_type(found) == KST_JSON_BOOL) {
        snprintf(number, sizeof(number), "%s", kst_json_true(found) ? "true" : "false");
        text = number;
    }
    return strcmp(text ? text : "", value) == 0;
}

bool kst_select_has(const struct kst_select *self, const struct kst_object *object)
{
    if (!object || (self->ns && *self->ns && strcmp(self->ns, object->ns) != 0))
        return false;
    for (size_t i = 0; i < self->nfields; i++)
        if (field_is(object->json, self->fields[i].path, self->fields[i].value) !=
            self->fields[i].equal)
            return false;
    return kst_labels_select(self->labels, kst_json_path(object->json, "metadata.labels"));
}
