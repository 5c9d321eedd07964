/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults and conditions of definitions; crd_validate.c has the rules. */
#include "sandbox/custom/crd.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/custom/crd_internal.h"
#include "sandbox/custom/schema.h"
#include "sandbox/types/gotext.h"

enum { MESSAGE_BYTES = 1024 * 1024 };

const char *kst_crd_text(const struct kst_json *json, const char *path)
{
    const char *text = kst_json_path_str(json, path);
    return text ? text : "";
}

static bool is_object(const struct kst_json *json)
{
    return kst_json_type(json) == KST_JSON_OBJECT;
}

/* ---- defaults ---- */

/* What a schema may hold, or is refused for. */
static const char *const known[] = {"id",
                                    "$schema",
                                    "$ref",
                                    "description",
                                    "type",
                                    "format",
                                    "title",
                                    "default",
                                    "maximum",
                                    "exclusiveMaximum",
                                    "minimum",
                                    "exclusiveMinimum",
                                    "maxLength",
                                    "minLength",
                                    "pattern",
                                    "maxItems",
                                    "minItems",
                                    "uniqueItems",
                                    "multipleOf",
                                    "enum",
                                    "maxProperties",
                                    "minProperties",
                                    "required",
                                    "items",
                                    "allOf",
                                    "oneOf",
                                    "anyOf",
                                    "not",
                                    "properties",
                                    "additionalProperties",
                                    "patternProperties",
                                    "dependencies",
                                    "additionalItems",
                                    "definitions",
                                    "externalDocs",
                                    "example",
                                    "nullable",
                                    "x-kubernetes-preserve-unknown-fields",
                                    "x-kubernetes-embedded-resource",
                                    "x-kubernetes-int-or-string",
                                    "x-kubernetes-list-map-keys",
                                    "x-kubernetes-list-type",
                                    "x-kubernetes-map-type"};

/* What Go's encoding leaves out where it is empty. */
static const char *const omitted[] = {"id",
                                      "$schema",
                                      "description",
                                      "type",
                                      "format",
                                      "title",
                                      "exclusiveMaximum",
                                      "exclusiveMinimum",
                                      "pattern",
                                      "uniqueItems",
                                      "enum",
                                      "required",
                                      "allOf",
                                      "oneOf",
                                      "anyOf",
                                      "properties",
                                      "nullable",
                                      "x-kubernetes-embedded-resource",
                                      "x-kubernetes-int-or-string",
                                      "x-kubernetes-list-map-keys"};

static bool is_empty(const struct kst_json *value)
{
    switch (kst_json_type(value)) {
    case KST_JSON_BOOL:
        return !kst_json_true(value);
    case KST_JSON_STRING:
        return !*kst_json_str(value);
    case KST_JSON_ARRAY:
    case KST_JSON_OBJECT:
        return kst_json_len(value) == 0;
    default:
        return false;
    }
}

static bool is_known(const char *key)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(known); i++)
        if (strcmp(known[i], key) == 0)
            return true;
    return false;
}

static void tidy_schema(struct kst_json *schema);

static void tidy_all(struct kst_json *schemas)
{
    for (struct kst_json *s = kst_json_first_mut(schemas); s; s = kst_json_next_mut(s))
        tidy_schema(s);
}

static void tidy_schema(struct kst_json *schema)
{
    static const char *const nested[] = {"not", "items", "additionalProperties"};
    static const char *const lists[] = {"allOf", "oneOf", "anyOf", "properties"};
    if (!is_object(schema))
        return;
    for (size_t i = 0; i < KST_ARRAY_LEN(omitted); i++)
        if (is_empty(kst_json_get(schema, omitted[i])))
            kst_json_remove(schema, omitted[i]);
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(schema); e; e = next) {
        next = kst_json_next_mut(e);
        if (kst_json_type(e) == KST_JSON_NULL || !is_known(kst_json_key(e)))
            kst_json_drop(schema, e);
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(nested); i++)
        tidy_schema(kst_json_mut(schema, nested[i]));
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++)
        tidy_all(kst_json_mut(schema, lists[i]));
}

static void default_names(struct kst_json *names)
{
    static const char *const lists[] = {"shortNames", "categories"};
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++)
        if (is_empty(kst_json_get(names, lists[i])))
            kst_json_remove(names, lists[i]);
    const char *kind = kst_crd_text(names, "kind");
    if (!*kst_crd_text(names, "singular")) {
        kst_auto_free char *singular = kst_strdup(kind);
        for (char *at = singular; *at; at++)
            *at = (char)tolower((unsigned char)*at);
        kst_json_set_str(names, "singular", *singular ? singular : NULL);
    }
    if (*kind && !*kst_crd_text(names, "listKind")) {
        kst_auto_free char *list = kst_asprintf("%sList", kind);
        kst_json_set_str(names, "listKind", list);
    }
}

static void tidy_column(struct kst_json *column)
{
    static const char *const texts[] = {"format", "description"};
    if (!is_object(column))
        return;
    for (size_t i = 0; i < KST_ARRAY_LEN(texts); i++)
        if (is_empty(kst_json_get(column, texts[i])))
            kst_json_remove(column, texts[i]);
    if (kst_json_path_int(column, "priority", 1) == 0)
        kst_json_remove(column, "priority");
}

static void default_version(struct kst_json *version)
{
    static const char *const flags[] = {"served", "storage"};
    if (!is_object(version))
        return;
    for (size_t i = 0; i < KST_ARRAY_LEN(flags); i++)
        if (!kst_json_get(version, flags[i]))
            kst_json_set_bool(version, flags[i], false);
    if (is_empty(kst_json_get(version, "additionalPrinterColumns")))
        kst_json_remove(version, "additionalPrinterColumns");
    if (is_empty(kst_json_get(version, "deprecated")))
        kst_json_remove(version, "deprecated");
    struct kst_json *columns = kst_json_mut(version, "additionalPrinterColumns");
    for (struct kst_json *c = kst_json_first_mut(columns); c; c = kst_json_next_mut(c))
        tidy_column(c);
    struct kst_json *schema = kst_json_mut(kst_json_mut(version, "schema"), "openAPIV3Schema");
    tidy_schema(schema);
    if (is_object(schema))
        kst_schema_numbers(schema);
}

const struct kst_json *kst_crd_storage(const struct kst_json *crd)
{
    const struct kst_json *versions = kst_json_path(crd, "spec.versions");
    for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v))
        if (kst_json_true(kst_json_get(v, "storage")))
            return v;
    return NULL;
}

static void add_stored(struct kst_json *status, const char *version)
{
    if (kst_json_type(kst_json_get(status, "storedVersions")) != KST_JSON_ARRAY)
        kst_json_set(status, "storedVersions", kst_json_array());
    struct kst_json *stored = kst_json_mut(status, "storedVersions");
    for (const struct kst_json *v = kst_json_first(stored); v; v = kst_json_next(v))
        if (kst_json_str(v) && strcmp(kst_json_str(v), version) == 0)
            return;
    kst_json_push(stored, kst_json_from_str(version));
}

void kst_crd_default(struct kst_json *crd)
{
    struct kst_json *spec = kst_json_mut(crd, "spec");
    if (!is_object(spec))
        return;
    if (is_object(kst_json_get(spec, "names")))
        default_names(kst_json_mut(spec, "names"));
    if (!is_object(kst_json_get(spec, "conversion")))
        kst_json_set(spec, "conversion", kst_json_make("{'strategy':'None'}"));
    struct kst_json *service = kst_json_mut(
        kst_json_mut(kst_json_mut(kst_json_mut(spec, "conversion"), "webhook"), "clientConfig"),
        "service");
    if (is_object(service) && !kst_json_get(service, "port"))
        kst_json_set_int(service, "port", 443);
    if (is_empty(kst_json_get(spec, "preserveUnknownFields")))
        kst_json_remove(spec, "preserveUnknownFields");
    struct kst_json *versions = kst_json_mut(spec, "versions");
    for (struct kst_json *v = kst_json_first_mut(versions); v; v = kst_json_next_mut(v))
        default_version(v);
    const char *stored = kst_json_path_str(kst_crd_storage(crd), "name");
    if (stored && is_object(kst_json_get(crd, "status")))
        add_stored(kst_json_mut(crd, "status"), stored);
}

/* ---- conditions ---- */

static struct kst_json *condition_of(struct kst_json *crd, const char *type)
{
    struct kst_json *list = kst_json_mut(kst_json_mut(crd, "status"), "conditions");
    for (struct kst_json *c = kst_json_first_mut(list); c; c = kst_json_next_mut(c))
        if (strcmp(kst_crd_text(c, "type"), type) == 0)
            return c;
    return NULL;
}

void kst_crd_set_condition(struct kst_json *crd, const char *type, bool status, const char *reason,
                           const char *message, const char *now)
{
    const char *value = status ? "True" : "False";
    struct kst_json *condition = condition_of(crd, type);
    if (condition) {
        if (strcmp(kst_crd_text(condition, "status"), value) != 0)
            kst_json_set_str(condition, "lastTransitionTime", now);
        kst_json_set_str(condition, "status", value);
        kst_json_set_str(condition, "reason", reason);
        kst_json_set_str(condition, "message", message);
        return;
    }
    if (!is_object(kst_json_get(crd, "status")))
        kst_json_set(crd, "status", kst_json_object());
    struct kst_json *own = kst_json_mut(crd, "status");
    if (kst_json_type(kst_json_get(own, "conditions")) != KST_JSON_ARRAY)
        kst_json_set(own, "conditions", kst_json_array());
    kst_json_push(kst_json_mut(own, "conditions"),
                  kst_json_make("{'type':%s,'status':%s,'lastTransitionTime':%s,'reason':%s,"
                                "'message':%s}",
                                type, value, now, reason, message));
}

bool kst_crd_is(const struct kst_json *crd, const char *condition)
{
    const struct kst_json *list = kst_json_path(crd, "status.conditions");
    for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c))
        if (strcmp(kst_crd_text(c, "type"), condition) == 0)
            return strcmp(kst_crd_text(c, "status"), "True") == 0;
    return false;
}

bool kst_crd_is_served(const struct kst_json *crd)
{
    return kst_crd_is(crd, "NamesAccepted") || kst_crd_is(crd, "Established");
}

/* ---- names ---- */

static bool has_text(const struct kst_json *list, const char *text)
{
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        if (kst_json_str(e) && strcmp(kst_json_str(e), text) == 0)
            return true;
    return false;
}

/* What the names of one group are settled with. */
struct names {
    const struct kst_json *wanted;
    struct kst_json *accepted;
    struct kst_json *resources, *kinds; /* in use, also by itself */
    const char *reason;
    char *message;
};

static void collect(struct names *self, const char *group, const struct kst_json *const *all,
                    size_t count)
{
    static const char *const of_resources[] = {"plural", "singular"};
    static const char *const of_kinds[] = {"kind", "listKind"};
    for (size_t i = 0; i < count; i++) {
        const struct kst_json *used = kst_json_path(all[i], "status.acceptedNames");
        if (strcmp(kst_crd_text(all[i], "spec.group"), group) != 0)
            continue;
        for (size_t n = 0; n < 2; n++) {
            kst_json_push(self->resources, kst_json_from_str(kst_crd_text(used, of_resources[n])));
            kst_json_push(self->kinds, kst_json_from_str(kst_crd_text(used, of_kinds[n])));
        }
        const struct kst_json *shorts = kst_json_get(used, "shortNames");
        for (const struct kst_json *s = kst_json_first(shorts); s; s = kst_json_next(s))
            kst_json_push(self->resources, kst_json_from_str(kst_json_str(s)));
    }
}

static void conflict(struct names *self, const char *reason, const char *message)
{
    free(self->message);
    self->message = kst_strdup(message);
    self->reason = reason;
}

/* The last conflict is the one that is told. */
static void settle_name(struct names *self, const char *key, const struct kst_json *used,
                        const char *reason)
{
    const char *name = kst_crd_text(self->wanted, key);
    if (strcmp(name, kst_crd_text(self->accepted, key)) != 0 && has_text(used, name)) {
        kst_auto_buf message = KST_BUF_INIT(MESSAGE_BYTES);
        kst_go_quote(&message, name);
        kst_buf_adds(&message, " is already in use");
        conflict(self, reason, message.data);
    } else {
        kst_json_set_str(self->accepted, key, *name ? name : NULL);
    }
}

static void settle_list(struct names *self, const char *key)
{
    if (kst_json_len(kst_json_get(self->wanted, key)) > 0)
        kst_json_set(self->accepted, key, kst_json_dup(kst_json_get(self->wanted, key)));
    else
        kst_json_remove(self->accepted, key);
}

static void settle_short_names(struct names *self)
{
    const struct kst_json *wanted = kst_json_get(self->wanted, "shortNames");
    const struct kst_json *own = kst_json_get(self->accepted, "shortNames");
    kst_auto_buf message = KST_BUF_INIT(MESSAGE_BYTES);
    kst_auto_json struct kst_json *taken = kst_json_array();
    for (const struct kst_json *s = kst_json_first(wanted); s; s = kst_json_next(s)) {
        const char *name = kst_json_str(s);
        if (!name || has_text(own, name) || !has_text(self->resources, name) ||
            has_text(taken, name))
            continue;
        kst_buf_adds(&message, kst_json_len(taken) ? ", " : "");
        kst_go_quote(&message, name);
        kst_buf_adds(&message, " is already in use");
        kst_json_push(taken, kst_json_dup(s));
    }
    if (kst_json_len(taken) > 1) {
        kst_auto_free char *list = kst_asprintf("[%s]", message.data);
        conflict(self, "ShortNamesConflict", list);
    } else if (kst_json_len(taken) == 1) {
        conflict(self, "ShortNamesConflict", message.data);
    } else {
        settle_list(self, "shortNames");
    }
}

static void settle_names(struct kst_json *crd, const struct kst_json *const *all, size_t count,
                         const char *now)
{
    struct kst_json *status = kst_json_mut(crd, "status");
    struct names self = {.wanted = kst_json_path(crd, "spec.names"),
                         .accepted = kst_json_mut(status, "acceptedNames"),
                         .resources = kst_json_array(),
                         .kinds = kst_json_array()};
    collect(&self, kst_crd_text(crd, "spec.group"), all, count);
    settle_name(&self, "plural", self.resources, "PluralConflict");
    settle_name(&self, "singular", self.resources, "SingularConflict");
    settle_short_names(&self);
    settle_name(&self, "kind", self.kinds, "KindConflict");
    settle_name(&self, "listKind", self.kinds, "ListKindConflict");
    settle_list(&self, "categories");
    if (!kst_json_get(self.accepted, "kind"))
        kst_json_set_str(self.accepted, "kind", "");
    if (!kst_json_get(self.accepted, "plural"))
        kst_json_set_str(self.accepted, "plural", "");
    kst_crd_set_condition(crd, "NamesAccepted", !self.reason,
                          self.reason ? self.reason : "NoConflicts",
                          self.message ? self.message : "no conflicts found", now);
    if (kst_crd_is(crd, "NamesAccepted") && !kst_crd_is(crd, "Established"))
        kst_crd_set_condition(crd, "Established", true, "InitialNamesAccepted",
                              "the initial names have been accepted", now);
    else if (!condition_of(crd, "Established"))
        kst_crd_set_condition(crd, "Established", false, "NotAccepted",
                              "not all names are accepted", now);
    free(self.message);
    kst_json_free(self.resources);
    kst_json_free(self.kinds);
}

/* ---- approval of groups that are Kubernetes' own ---- */

bool kst_crd_is_protected(const char *group)
{
    const struct kst_str text = kst_str_of(group);
    return strcmp(group, "k8s.io") == 0 || kst_str_has_suffix(text, ".k8s.io") ||
           strcmp(group, "kubernetes.io") == 0 || kst_str_has_suffix(text, ".kubernetes.io");
}

enum kst_crd_approval kst_crd_approval(const struct kst_json *crd, char **why)
{
    static const char see[] = "see https://github.com/kubernetes/enhancements/pull/1111";
    const struct kst_json *annotations = kst_json_path(crd, "metadata.annotations");
    const char *value = kst_json_str(kst_json_get(annotations, KST_CRD_APPROVED));
    const char *host = value ? strstr(value, "://") : NULL;
    if (!value || !*value) {
        *why = kst_asprintf("protected groups must have approval annotation \"%s\", %s",
                            KST_CRD_APPROVED, see);
        return KST_CRD_MISSING;
    }
    if (kst_str_has_prefix(kst_str_of(value), "unapproved")) {
        kst_auto_buf quoted = KST_BUF_INIT(MESSAGE_BYTES);
        kst_go_quote(&quoted, value);
        *why = kst_asprintf("not approved: %s", quoted.data);
        return KST_CRD_BYPASSED;
    }
    if (host && host > value && isalpha((unsigned char)*value) && host[3] &&
        !strchr("/?#", host[3])) {
        *why = kst_asprintf("approved in %s", value);
        return KST_CRD_APPROVED_BY;
    }
    *why = kst_asprintf(
        "protected groups must have approval annotation \"%s\" with either a URL or "
        "a reason starting with \"unapproved\", %s",
        KST_CRD_APPROVED, see);
    return KST_CRD_INVALID;
}

static void settle_approval(struct kst_json *crd, const char *now)
{
    static const char *const reasons[] = {"InvalidAnnotation", "ApprovedAnnotation",
                                          "UnapprovedAnnotation", "MissingAnnotation"};
    if (!kst_crd_is_protected(kst_crd_text(crd, "spec.group")))
        return;
    kst_auto_free char *why = NULL;
    enum kst_crd_approval state = kst_crd_approval(crd, &why);
    kst_crd_set_condition(crd, "KubernetesAPIApprovalPolicyConformant",
                          state == KST_CRD_APPROVED_BY, reasons[state], why, now);
}

void kst_crd_settle(struct kst_json *crd, const struct kst_json *const *all, size_t count,
                    const char *now)
{
    if (!is_object(kst_json_get(crd, "status")))
        kst_json_set(crd, "status", kst_json_object());
    struct kst_json *status = kst_json_mut(crd, "status");
    if (!is_object(kst_json_get(status, "acceptedNames")))
        kst_json_set(status, "acceptedNames", kst_json_make("{'plural':'','kind':''}"));
    /* As the controller does, which has nothing to do where they are the same. */
    if (!kst_json_equal(kst_json_path(crd, "spec.names"), kst_json_get(status, "acceptedNames")) ||
        !condition_of(crd, "NamesAccepted"))
        settle_names(crd, all, count, now);
    settle_approval(crd, now);
}

void kst_crd_terminate(struct kst_json *crd, const char *now)
{
    struct kst_json *metadata = kst_json_ensure_object(crd, "metadata");
    kst_json_set_str(metadata, "deletionTimestamp", now);
    if (!has_text(kst_json_get(metadata, "finalizers"), KST_CRD_FINALIZER))
        kst_json_push(kst_json_ensure_array(metadata, "finalizers"),
                      kst_json_from_str(KST_CRD_FINALIZER));
    kst_crd_set_condition(crd, "Terminating", true, "InstanceDeletionPending",
                          "CustomResourceDefinition marked for deletion; CustomResource deletion "
                          "will begin soon",
                          now);
}
