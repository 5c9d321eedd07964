/* SPDX-License-Identifier: Apache-2.0 */
/* What an object must be to be read as one of a resource's kind. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/custom/custom.h"
#include "sandbox/types/decode.h"
#include "sandbox/types/gotext.h"

enum { MAX_TEXT_BYTES = 16 * 1024 * 1024 };

static bool is_custom(const struct kst_resource *resource)
{
    return resource->flags & KST_RES_CUSTOM;
}

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* The short name of a group in the Go type names that messages hold. */
static char *go_package(const struct kst_resource *resource)
{
    return *resource->group ? kst_strndup(resource->group, strcspn(resource->group, "."))
                            : kst_strdup("core");
}

/* Group versions that 1.20 can read, and converts, without our serving them. */
static bool is_readable_version(const struct kst_api *self, const char *api_version,
                                const char *kind)
{
    static const char *const others[] = {"admissionregistration.k8s.io/v1beta1",
                                         "apps/v1beta1",
                                         "apps/v1beta2",
                                         "autoscaling/v2beta1",
                                         "autoscaling/v2beta2",
                                         "batch/v2alpha1",
                                         "coordination.k8s.io/v1beta1",
                                         "extensions/v1beta1",
                                         "networking.k8s.io/v1beta1",
                                         "rbac.authorization.k8s.io/v1alpha1",
                                         "rbac.authorization.k8s.io/v1beta1",
                                         "scheduling.k8s.io/v1alpha1",
                                         "scheduling.k8s.io/v1beta1",
                                         "storage.k8s.io/v1beta1"};
    for (size_t i = 0; i < KST_ARRAY_LEN(others); i++)
        if (same(api_version, others[i]))
            return true;
    return kst_registry_find_kind(self->registry, api_version, kind);
}

/* Why an object is not read as one of the resource's kind; the caller of kst_api_read_patched()
 * finds the reason behind "cannot be handled as". */
static struct kst_json *cannot_handle(const struct kst_resource *resource,
                                      const struct kst_json *object, const char *why)
{
    const char *version = kst_api_text(object, "apiVersion"), *slash = strchr(version, '/');
    return kst_status_bad_request("%s in version \"%s\" cannot be handled as a %s: %s",
                                  kst_api_text(object, "kind"), slash ? slash + 1 : version,
                                  resource->kind, why);
}

static struct kst_json *check_builtin_type(struct kst_api *self,
                                           const struct kst_resource *resource,
                                           struct kst_json *object)
{
    if (!*kst_api_text(object, "kind"))
        kst_json_set_str(object, "kind", resource->kind);
    if (!*kst_api_text(object, "apiVersion"))
        kst_json_set_str(object, "apiVersion", resource->api_version);
    const char *version = kst_api_text(object, "apiVersion"), *kind = kst_api_text(object, "kind");
    bool is_version = same(version, resource->api_version) || same(version, resource->stored_as);
    if (is_version && same(kind, resource->kind))
        return NULL;
    if (!is_readable_version(self, version, kind)) {
        kst_auto_free char *why = kst_asprintf(
            "no kind \"%s\" is registered for version \"%s\" in scheme "
            "\"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
            kind, version);
        return cannot_handle(resource, object, why);
    }
    if (same(kind, resource->kind))
        return kst_status_bad_request("the API version in the data (%s) does not match the "
                                      "expected API version (%s)",
                                      version, resource->api_version);
    kst_auto_free char *package = go_package(resource);
    const char *slash = strchr(version, '/');
    kst_auto_free char *why = kst_asprintf("converting (%s.%s) to (%s.%s): unknown conversion",
                                           slash ? slash + 1 : version, kind, package,
                                           resource->kind);
    return cannot_handle(resource, object, why);
}

/* Reads an object into the type of its kind, which drops what the type does not have. */
static struct kst_json *read_into_type(const struct kst_api_call *call, struct kst_json *object)
{
    const struct kst_resource *resource = call->resource;
    const struct kst_go_struct *type = kst_decode_type(resource->group, resource->version,
                                                       resource->kind);
    if (!type)
        return NULL;
    kst_auto_buf text = KST_BUF_INIT(MAX_TEXT_BYTES), why = KST_BUF_INIT(MAX_TEXT_BYTES);
    if (!call->text)
        kst_go_json(&text, object);
    if (kst_decode(type, object))
        return NULL;
    if (call->text)
        kst_decode_explain(type, call->text->data, call->text->len, &why);
    else
        kst_decode_explain(type, text.data, text.len, &why);
    return cannot_handle(resource, object, why.data);
}

struct kst_json *kst_api_read(struct kst_api *self, const struct kst_api_call *call,
                              struct kst_json *object)
{
    if (is_custom(call->resource))
        return kst_custom_decode(call, object);
    struct kst_json *status = check_builtin_type(self, call->resource, object);
    return status ? status : read_into_type(call, object);
}

/* ---- what a patch has made ---- */

/* fmt's %v of what was in the patch. */
static void print_patch(const struct kst_json *value, struct kst_buf *out)
{
    bool is_map = kst_json_type(value) == KST_JSON_OBJECT;
    if (!is_map && kst_json_type(value) != KST_JSON_ARRAY) {
        kst_auto_free char *text = kst_json_text(value);
        bool null = kst_json_type(value) == KST_JSON_NULL;
        kst_buf_adds(out, kst_json_str(value) ? kst_json_str(value) : null ? "<nil>" : text);
        return;
    }
    kst_buf_adds(out, is_map ? "map[" : "[");
    for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e)) {
        kst_buf_addf(out, "%s%s%s", e == kst_json_first(value) ? "" : " ",
                     is_map ? kst_json_key(e) : "", is_map ? ":" : "");
        print_patch(e, out);
    }
    kst_buf_addc(out, ']');
}

struct kst_json *kst_api_read_patched(struct kst_api *self, const struct kst_api_call *call,
                                      const struct kst_json *patch, struct kst_json *object)
{
    kst_auto_buf shown = KST_BUF_INIT(MAX_TEXT_BYTES), quoted = KST_BUF_INIT(MAX_TEXT_BYTES);
    if (is_custom(call->resource))
        return kst_api_read(self, call, object);
    if (patch)
        print_patch(patch, &shown);
    else
        kst_json_print(object, KST_JSON_COMPACT, &shown);
    struct kst_json *status = NULL;
    if (kst_json_type(object) != KST_JSON_OBJECT)
        status = kst_status_bad_request(
            "couldn't get version/kind; json parse error: json: cannot unmarshal %s into Go value "
            "of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
            "\"json:\\\"kind,omitempty\\\"\" }",
            kst_decode_name(object));
    else
        status = kst_api_read(self, call, object);
    if (kst_status_code(status) != 400 || !status)
        return status;
    kst_auto_json struct kst_json *causes = kst_json_array(), *refused = status;
    kst_auto_free char *mark = kst_asprintf("cannot be handled as a %s: ", call->resource->kind);
    const char *message = kst_status_message(refused), *why = strstr(message, mark);
    kst_go_quote(&quoted, shown.data);
    kst_cause_add(causes, "FieldValueInvalid", "patch", "Invalid value: %s: %s", quoted.data,
                  why ? why + strlen(mark) : message);
    const struct kst_resource nothing = {.group = "", .kind = ""};
    struct kst_json *invalid = kst_status_invalid(&nothing, "", causes);
    kst_json_remove(kst_json_mut(invalid, "details"), "kind");
    kst_json_remove(kst_json_mut(invalid, "details"), "name");
    return invalid;
}

struct kst_json *kst_api_read_applied(const struct kst_api_call *call, struct kst_json *object)
{
    static const char *const marks[] = {"unmarshalerDecoder: ", "decode base64: "};
    const struct kst_resource *resource = call->resource;
    const struct kst_go_struct *type = kst_decode_type(resource->group, resource->version,
                                                       resource->kind);
    kst_auto_buf text = KST_BUF_INIT(MAX_TEXT_BYTES), words = KST_BUF_INIT(MAX_TEXT_BYTES);
    if (is_custom(resource) || !type)
        return NULL;
    kst_json_print(object, KST_JSON_COMPACT, &text);
    if (kst_decode(type, object))
        return NULL;
    kst_decode_explain(type, text.data, text.len, &words);
    /* Types were right: what is left are texts that cannot be read, and numbers that do not fit. */
    const char *why = "cannot convert float64 to int32", *prefix = "";
    for (size_t i = 0; i < KST_ARRAY_LEN(marks); i++) {
        char *found = strstr(words.data, marks[i]), *end = strstr(words.data, ", error found in #");
        if (!found || !end)
            continue;
        *end = '\0';
        why = found + strlen(marks[i]);
        prefix = i ? "error decoding from json: " : "";
    }
    return kst_status_internal("failed to convert new object to proper version: unable to convert "
                               "unstructured object to %s%s, Kind=%s: %s%s",
                               *resource->group ? "" : "/", resource->api_version, resource->kind,
                               prefix, why);
}
