/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/options.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/status.h"
#include "sandbox/server/ask.h"
#include "sandbox/server/httpd.h"
#include "sandbox/types/decode.h"

static bool is(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

/* "" where it is not given. */
static const char *query(const struct kst_ask *ask, const char *name)
{
    const char *value = kst_httpd_query(ask->http, name);
    return value ? value : "";
}

static struct kst_json *refused(const char *kind, const struct kst_json *causes)
{
    return kst_json_len(causes) > 0 ? kst_status_invalid_kind("meta.k8s.io", kind, causes) : NULL;
}

struct kst_json *kst_options_check_list(const struct kst_ask *ask)
{
    static const char *const field = "resourceVersionMatch";
    const char *version = query(ask, "resourceVersion"), *match = query(ask, field);
    kst_auto_json struct kst_json *causes = kst_json_array();
    bool exact = is(match, "Exact");
    if (!*match)
        return NULL;
    if (!*version)
        kst_cause_add(causes, "FieldValueForbidden", field,
                      "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is "
                      "provided");
    if (*query(ask, "continue"))
        kst_cause_add(causes, "FieldValueForbidden", field,
                      "Forbidden: resourceVersionMatch is forbidden when continue is provided");
    if (!exact && !is(match, "NotOlderThan"))
        kst_cause_add(causes, "FieldValueNotSupported", field,
                      "Unsupported value: \"%s\": supported values: \"Exact\", \"NotOlderThan\", "
                      "\"\"",
                      match);
    if (exact && is(version, "0"))
        kst_cause_add(causes, "FieldValueForbidden", field,
                      "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion "
                      "\"0\"");
    return refused("ListOptions", causes);
}

struct kst_json *kst_options_check_patch(const struct kst_ask *ask, enum kst_api_patch type)
{
    kst_auto_json struct kst_json *causes = kst_json_array();
    bool apply = type == KST_API_PATCH_APPLY;
    if (!apply && kst_httpd_query(ask->http, "force"))
        kst_cause_add(causes, "FieldValueForbidden", "force",
                      "Forbidden: may not be specified for non-apply patch");
    if (apply && !*query(ask, "fieldManager"))
        kst_cause_add(causes, "FieldValueRequired", "fieldManager",
                      "Required value: is required for apply patch");
    return refused("PatchOptions", causes);
}

struct kst_json *kst_options_dry_run(const struct kst_ask *ask, bool *dry_run)
{
    const char *value = query(ask, "dryRun");
    *dry_run = is(value, "All");
    if (!*value || *dry_run)
        return NULL;
    kst_auto_json struct kst_json *causes = kst_json_array();
    kst_cause_add(causes, "FieldValueNotSupported", "dryRun",
                  "Unsupported value: []string{\"%s\"}: supported values: \"All\"", value);
    return refused(is(ask->method, "PUT")     ? "UpdateOptions"
                   : is(ask->method, "PATCH") ? "PatchOptions"
                   : is(ask->method, "POST")  ? "CreateOptions"
                                              : "DeleteOptions",
                   causes);
}

/* ---- deleting ---- */

/* A body whose fields have the wrong types is no DeleteOptions; the server answers with 500. */
static struct kst_json *check_types(const struct kst_json *body)
{
    static const struct {
        const char *path;
        enum kst_json_type type;
        const char *go_name;
    } fields[] = {
        {"propagationPolicy", KST_JSON_STRING, "string"},
        {"orphanDependents", KST_JSON_BOOL, "bool"},
        {"gracePeriodSeconds", KST_JSON_NUMBER, "int64"},
        {"preconditions.uid", KST_JSON_STRING, "string"},
        {"preconditions.resourceVersion", KST_JSON_STRING, "string"},
        {"dryRun", KST_JSON_ARRAY, "[]string"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        const struct kst_json *value = kst_json_path(body, fields[i].path);
        enum kst_json_type type = kst_json_type(value);
        if (value && type != KST_JSON_NULL && type != fields[i].type)
            return kst_status_internal("json: cannot unmarshal %s into Go struct field "
                                       "DeleteOptions.%s of type %s",
                                       kst_decode_name(value), fields[i].path, fields[i].go_name);
    }
    return NULL;
}

static struct kst_json *check_propagation(const char *policy, bool orphan_too)
{
    kst_auto_json struct kst_json *causes = kst_json_array();
    if (policy && orphan_too)
        kst_cause_add(causes, "FieldValueInvalid", "propagationPolicy",
                      "Invalid value: \"%s\": orphanDependents and deletionPropagation cannot be "
                      "both set",
                      policy);
    if (policy && !is(policy, "Orphan") && !is(policy, "Background") && !is(policy, "Foreground"))
        kst_cause_add(causes, "FieldValueNotSupported", "propagationPolicy",
                      "Unsupported value: \"%s\": supported values: \"Foreground\", "
                      "\"Background\", \"Orphan\", \"nil\"",
                      policy);
    return refused("DeleteOptions", causes);
}

static struct kst_json *from_body(const struct kst_json *body, struct kst_api_delete *options,
                                  const char **orphan, bool *dry_run)
{
    struct kst_json *status = check_types(body);
    if (status)
        return status;
    const struct kst_json *dependents = kst_json_get(body, "orphanDependents");
    options->propagation = kst_json_path_str(body, "propagationPolicy");
    options->grace_seconds = kst_json_path_int(body, "gracePeriodSeconds", -1);
    options->uid = kst_json_path_str(body, "preconditions.uid");
    options->version = kst_json_path_str(body, "preconditions.resourceVersion");
    if (kst_json_type(dependents) == KST_JSON_BOOL)
        *orphan = kst_json_true(dependents) ? "true" : "false";
    *dry_run = *dry_run || kst_api_list_has(kst_json_get(body, "dryRun"), "All");
    return NULL;
}

struct kst_json *kst_options_delete(struct kst_ask *ask, struct kst_json **body,
                                    struct kst_api_delete *options, bool *dry_run)
{
    struct kst_json *status = NULL;
    const char *orphan = kst_httpd_query(ask->http, "orphanDependents");
    long long grace = 0;
    *options = (struct kst_api_delete){.grace_seconds = -1};
    if (kst_httpd_body(ask->http).len > 0) {
        orphan = NULL; /* a body is all there is */
        *body = kst_ask_body(ask, &status);
        if (!status)
            status = from_body(*body, options, &orphan, dry_run);
    } else {
        options->propagation = kst_httpd_query(ask->http, "propagationPolicy");
        if (kst_parse_int(query(ask, "gracePeriodSeconds"), &grace) && grace >= 0)
            options->grace_seconds = grace;
    }
    if (!status)
        status = check_propagation(options->propagation, orphan != NULL);
    if (!status && orphan)
        options->propagation = is(orphan, "true") ? "Orphan" : "Background";
    return status;
}
