/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of definitions, in the server's order. It looks at them in a form of its own, in which
 * what all versions have in common stands above them (spec.validation, spec.subresources,
 * spec.additionalPrinterColumns); its fields are those of that form.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/cause.h"
#include "sandbox/custom/crd.h"
#include "sandbox/custom/crd_internal.h"
#include "sandbox/types/gotext.h"

enum { TEXT_BYTES = 1024 * 1024 };

static const char *text_at(const struct kst_json *json, const char *key)
{
    const char *text = kst_json_str(kst_json_get(json, key));
    return text ? text : "";
}

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static const struct kst_json *schema_of(const struct kst_json *version)
{
    const struct kst_json *schema = kst_json_path(version, "schema.openAPIV3Schema");
    return kst_json_type(schema) == KST_JSON_OBJECT ? schema : NULL;
}

/* Whether all versions have the same at a key. */
static bool is_common(const struct kst_json *versions, const char *key)
{
    const struct kst_json *first = kst_json_get(kst_json_first(versions), key);
    for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v))
        if (!kst_json_equal(kst_json_get(v, key), first))
            return false;
    return true;
}

/* ---- values as Go shows them ---- */

/* A pointer is shown as one, whose number nobody can know. */
static const char *show_pointer(bool there)
{
    return there ? "0xc000000000" : "nil";
}

static void show_version(struct kst_buf *out, const struct kst_json *versions,
                         const struct kst_json *version)
{
    static const char go[] = "apiextensions.CustomResource";
    const struct kst_json *warning = kst_json_get(version, "deprecationWarning");
    const struct kst_json *columns = kst_json_get(version, "additionalPrinterColumns");
    bool own = kst_json_len(columns) > 0 && !is_common(versions, "additionalPrinterColumns");
    kst_buf_addf(out, "%sDefinitionVersion{Name:", go);
    kst_go_quote(out, text_at(version, "name"));
    kst_buf_addf(
        out,
        ", Served:%s, Storage:%s, Deprecated:%s, DeprecationWarning:(*string)(%s), "
        "Schema:(*%sValidation)(%s), Subresources:(*%sSubresources)(%s), "
        "AdditionalPrinterColumns:[]%sColumnDefinition",
        kst_json_true(kst_json_get(version, "served")) ? "true" : "false",
        kst_json_true(kst_json_get(version, "storage")) ? "true" : "false",
        kst_json_true(kst_json_get(version, "deprecated")) ? "true" : "false",
        show_pointer(warning), go,
        show_pointer(kst_json_get(version, "schema") && !is_common(versions, "schema")), go,
        show_pointer(kst_json_get(version, "subresources") && !is_common(versions, "subresources")),
        go);
    kst_buf_adds(out, own ? "{" : "(nil)");
    for (const struct kst_json *c = own ? kst_json_first(columns) : NULL; c; c = kst_json_next(c)) {
        static const char *const keys[] = {"name", "type", "format", "description"};
        static const char *const names[] = {"Name", "Type", "Format", "Description"};
        kst_buf_addf(out, "%sColumnDefinition{", go);
        for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
            kst_buf_addf(out, "%s:", names[i]);
            kst_go_quote(out, text_at(c, keys[i]));
            kst_buf_adds(out, ", ");
        }
        kst_buf_addf(out,
                     "Priority:%lld, JSONPath:", (long long)kst_json_path_int(c, "priority", 0));
        kst_go_quote(out, text_at(c, "jsonPath"));
        kst_buf_adds(out, kst_json_next(c) ? "}, " : "}");
    }
    kst_buf_adds(out, own ? "}}" : "}");
}

static void wrong_versions(const struct kst_json *versions, const char *detail,
                           struct kst_json *causes)
{
    kst_auto_buf shown = KST_BUF_INIT(TEXT_BYTES);
    kst_buf_adds(&shown, "[]apiextensions.CustomResourceDefinitionVersion");
    kst_buf_adds(&shown, kst_json_type(versions) == KST_JSON_ARRAY ? "{" : "(nil)");
    for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v)) {
        show_version(&shown, versions, v);
        kst_buf_adds(&shown, kst_json_next(v) ? ", " : "");
    }
    kst_buf_adds(&shown, kst_json_type(versions) == KST_JSON_ARRAY ? "}" : "");
    kst_cause_invalid_value(causes, "spec.versions", NULL, shown.data, detail);
}

/* ---- parts of versions ---- */

static void check_path(const char *text, const char *path, const char *child, const char *prefix,
                       const char *other, const char *where, struct kst_json *causes)
{
    kst_auto_free char *detail = kst_asprintf("should be a json path under %s", where);
    if (*text != '.')
        kst_cause_invalid(causes, path, child, text, "must be a simple json path starting with .");
    else if (strncmp(text, prefix, strlen(prefix)) != 0 &&
             (!other || strncmp(text, other, strlen(other)) != 0))
        kst_cause_invalid(causes, path, child, text, detail);
}

static void check_subresources(const struct kst_json *subresources, const char *path,
                               struct kst_json *causes)
{
    const struct kst_json *scale = kst_json_get(subresources, "scale");
    const char *spec = text_at(scale, "specReplicasPath");
    const char *status = text_at(scale, "statusReplicasPath");
    const char *selector = text_at(scale, "labelSelectorPath");
    if (kst_json_type(scale) != KST_JSON_OBJECT)
        return;
    if (*spec)
        check_path(spec, path, "scale.specReplicasPath", ".spec.", NULL, ".spec", causes);
    else
        kst_cause_required(causes, path, "scale.specReplicasPath", "");
    if (*status)
        check_path(status, path, "scale.statusReplicasPath", ".status.", NULL, ".status", causes);
    else
        kst_cause_required(causes, path, "scale.statusReplicasPath", "");
    if (*selector)
        check_path(selector, path, "scale.labelSelectorPath", ".spec.", ".status.",
                   "either .spec or .status", causes);
}

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same(text, list[i]))
            return true;
    return false;
}

static void check_column(const struct kst_json *column, const char *path, struct kst_json *causes)
{
    static const char *const types[] = {"boolean", "date", "integer", "number", "string"};
    static const char *const formats[] = {"byte",  "date",  "date-time", "double",
                                          "float", "int32", "int64",     "password"};
    static const char type_rule[] = "must be one of boolean,date,integer,number,string";
    static const char format_rule[] =
        "must be one of byte,date,date-time,double,float,int32,int64,password";
    const char *type = text_at(column, "type"), *format = text_at(column, "format");
    const char *json_path = text_at(column, "jsonPath");
    if (!*text_at(column, "name"))
        kst_cause_required(causes, path, "name", "");
    if (!*type)
        kst_cause_required(causes, path, "type", type_rule);
    else if (!is_one_of(type, types, KST_ARRAY_LEN(types)))
        kst_cause_invalid(causes, path, "type", type, type_rule);
    if (*format && !is_one_of(format, formats, KST_ARRAY_LEN(formats)))
        kst_cause_invalid(causes, path, "format", format, format_rule);
    if (!*json_path)
        kst_cause_required(causes, path, "JSONPath", "");
    else if (*json_path != '.')
        kst_cause_invalid(causes, path, "JSONPath", json_path,
                          "must be a simple json path starting with .");
}

static void check_columns(const struct kst_json *columns, const char *path, struct kst_json *causes)
{
    size_t index = 0;
    for (const struct kst_json *c = kst_json_first(columns); c; c = kst_json_next(c)) {
        kst_auto_free char *at = kst_asprintf("%s[%zu]", path, index++);
        check_column(c, at, causes);
    }
}

/* With the subresource, the status is validated by what the root says of it; that may not depend
 * on anything else. */
static bool check_root(const struct kst_json *schema, const char *path, struct kst_json *causes)
{
    static const char *const fields[] = {"id",
                                         "$schema",
                                         "$ref",
                                         "nullable",
                                         "default",
                                         "enum",
                                         "allOf",
                                         "oneOf",
                                         "anyOf",
                                         "not",
                                         "maxProperties",
                                         "minProperties",
                                         "dependencies",
                                         "definitions",
                                         "additionalProperties",
                                         "additionalItems",
                                         "patternProperties",
                                         "x-kubernetes-embedded-resource",
                                         "x-kubernetes-int-or-string",
                                         "x-kubernetes-list-map-keys",
                                         "x-kubernetes-list-type",
                                         "x-kubernetes-map-type"};
    const char *type = text_at(schema, "type");
    if (*type && !same(type, "object")) {
        kst_cause_invalid(causes, path, "type", type,
                          "only \"object\" is allowed as the type at the root of the schema if the "
                          "status subresource is enabled");
        return false;
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        if (!kst_json_get(schema, fields[i]))
            continue;
        kst_cause_invalid_value(
            causes, path, NULL, "apiextensions.JSONSchemaProps{...}",
            "only [Description Type Format Title Maximum ExclusiveMaximum Minimum "
            "ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf "
            "Required Items Properties ExternalDocs Example XPreserveUnknownFields] fields are "
            "allowed at the root of the schema if the status subresource is enabled");
        return false;
    }
    return true;
}

static void check_schema(const struct kst_json *schema, bool status, const char *path,
                         struct kst_json *causes)
{
    if (!schema)
        return;
    bool refused = status && !check_root(schema, path, causes);
    if (kst_json_true(kst_json_get(schema, "nullable"))) {
        refused = true;
        kst_cause_forbidden(causes, path, "nullable", "nullable cannot be true at the root");
    }
    kst_crd_validate_schema(schema, path, refused, causes);
}

static void check_warning(const struct kst_json *version, const char *path, struct kst_json *causes)
{
    const char *warning = kst_json_str(kst_json_get(version, "deprecationWarning"));
    if (!warning)
        return;
    if (!kst_json_true(kst_json_get(version, "deprecated"))) {
        kst_cause_invalid(causes, path, "deprecationWarning", warning,
                          "can only be set for deprecated versions");
        return;
    }
    if (strlen(warning) > 256)
        kst_cause_invalid(causes, path, "deprecationWarning", warning,
                          "must be <= 256 characters long");
    if (!*warning)
        kst_cause_invalid(causes, path, "deprecationWarning", warning,
                          "must not be an empty string");
    size_t odd = kst_go_printable(warning);
    kst_auto_free char *detail = kst_asprintf("must only contain printable UTF-8 characters; "
                                              "non-printable character found at index %zu",
                                              odd);
    if (warning[odd])
        kst_cause_invalid(causes, path, "deprecationWarning", warning, detail);
}

static void check_version(const struct kst_json *versions, const struct kst_json *version,
                          const char *path, struct kst_json *causes)
{
    kst_auto_free char *why = kst_cause_form(KST_TEXT_DNS1035, text_at(version, "name"));
    if (why)
        kst_cause_invalid(causes, path, "name", text_at(version, "name"), why);
    check_warning(version, path, causes);
    if (!is_common(versions, "schema")) {
        kst_auto_free char *at = kst_asprintf("%s.schema.openAPIV3Schema", path);
        check_schema(schema_of(version), kst_json_path(version, "subresources.status"), at, causes);
    }
    if (!is_common(versions, "subresources")) {
        kst_auto_free char *at = kst_asprintf("%s.subresources", path);
        check_subresources(kst_json_get(version, "subresources"), at, causes);
    }
    if (!is_common(versions, "additionalPrinterColumns")) {
        kst_auto_free char *at = kst_asprintf("%s.additionalPrinterColumns", path);
        check_columns(kst_json_get(version, "additionalPrinterColumns"), at, causes);
    }
}

/* ---- all versions ---- */

static void check_schemas_are_there(const struct kst_json *versions, struct kst_json *causes)
{
    size_t index = 0;
    for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v), index++) {
        kst_auto_free char *at = kst_asprintf("spec.versions[%zu].schema", index);
        if (!schema_of(v))
            kst_cause_required(causes, at, "openAPIV3Schema", "schemas are required");
    }
}

static bool has_null_in_enum(const struct kst_json *schema)
{
    const struct kst_json *list = kst_json_get(schema, "enum");
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        if (kst_json_type(e) == KST_JSON_NULL)
            return true;
    for (const struct kst_json *e = kst_json_first(schema); e; e = kst_json_next(e)) {
        const char *key = kst_json_key(e);
        bool is_value = key && (same(key, "default") || same(key, "example") || same(key, "enum"));
        if (!is_value && has_null_in_enum(e))
            return true;
    }
    return false;
}

/* The server does not get a null in an enum into its own form, and then takes what it has. */
static bool is_half_read(const struct kst_json *versions)
{
    return kst_json_len(versions) == 1 && has_null_in_enum(schema_of(kst_json_first(versions)));
}

static void check_versions(const struct kst_json *versions, struct kst_json *causes)
{
    size_t index = 0, stored = 0;
    bool twice = false;
    for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v), index++) {
        kst_auto_free char *at = kst_asprintf("spec.versions[%zu]", index);
        check_version(versions, v, at, causes);
        stored += kst_json_true(kst_json_get(v, "storage"));
        for (const struct kst_json *w = kst_json_first(versions); w != v; w = kst_json_next(w))
            twice = twice || same(text_at(v, "name"), text_at(w, "name"));
    }
    if (is_half_read(versions))
        wrong_versions(versions,
                       "per-version schemas may not all be set to identical values (top-level "
                       "validation should be used instead)",
                       causes);
    if (twice)
        wrong_versions(versions, "must contain unique version names", causes);
    if (stored != 1)
        wrong_versions(versions, "must have exactly one version marked as storage version", causes);
    const char *first = text_at(kst_json_first(versions), "name");
    kst_auto_free char *why = *first ? kst_cause_form(KST_TEXT_DNS1035, first) : NULL;
    if (why)
        kst_cause_invalid(causes, "spec.version", NULL, first, why);
}

/* What stands above the versions. */
static void check_common(const struct kst_json *versions, struct kst_json *causes)
{
    const struct kst_json *first = kst_json_first(versions);
    bool status = false;
    for (const struct kst_json *v = first; v; v = kst_json_next(v))
        status = status || kst_json_path(v, "subresources.status");
    if (is_common(versions, "schema") && !is_half_read(versions))
        check_schema(schema_of(first), status, "spec.validation.openAPIV3Schema", causes);
    if (is_common(versions, "subresources"))
        check_subresources(kst_json_get(first, "subresources"), "spec.subresources", causes);
    if (is_common(versions, "additionalPrinterColumns"))
        check_columns(kst_json_get(first, "additionalPrinterColumns"),
                      "spec.additionalPrinterColumns", causes);
}

/* ---- group, names, conversion ---- */

static void check_group(const char *group, struct kst_json *causes)
{
    kst_auto_free char *why = kst_cause_form(KST_TEXT_SUBDOMAIN, group);
    if (!*group)
        kst_cause_required(causes, "spec", "group", "");
    else if (why)
        kst_cause_invalid(causes, "spec", "group", group, why);
    else if (!strchr(group, '.'))
        kst_cause_invalid(causes, "spec", "group", group,
                          "should be a domain with at least one dot");
}

static void check_scope(const char *scope, struct kst_json *causes)
{
    static const char *const scopes[] = {"Cluster", "Namespaced"};
    if (!*scope)
        kst_cause_required(causes, "spec", "scope", "");
    else if (!same(scope, scopes[0]) && !same(scope, scopes[1]))
        kst_cause_not_supported(causes, "spec", "scope", scope, scopes, KST_ARRAY_LEN(scopes));
}

static void check_name(const char *name, bool mixed_case, const char *child,
                       struct kst_json *causes)
{
    kst_auto_free char *lower = kst_strdup(name);
    for (char *at = lower; mixed_case && *at; at++)
        *at = (char)tolower((unsigned char)*at);
    kst_auto_free char *why = kst_cause_form(KST_TEXT_DNS1035, lower);
    kst_auto_free char *detail = kst_asprintf(
        "%s%s", mixed_case ? "may have mixed case, but should otherwise match: " : "",
        why ? why : "");
    if (why)
        kst_cause_invalid(causes, "spec.names", child, name, detail);
}

static void check_name_list(const struct kst_json *names, const char *key, struct kst_json *causes)
{
    size_t index = 0;
    const struct kst_json *list = kst_json_get(names, key);
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e)) {
        kst_auto_free char *child = kst_asprintf("%s[%zu]", key, index++);
        check_name(kst_json_str(e) ? kst_json_str(e) : "", false, child, causes);
    }
}

static void check_names(const struct kst_json *names, struct kst_json *causes)
{
    static const char *const keys[] = {"plural", "singular", "kind", "listKind"};
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++)
        if (!*text_at(names, keys[i]))
            kst_cause_required(causes, "spec.names", keys[i], "");
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++)
        if (*text_at(names, keys[i]))
            check_name(text_at(names, keys[i]), i >= 2, keys[i], causes);
    check_name_list(names, "shortNames", causes);
    if (*text_at(names, "kind") && same(text_at(names, "kind"), text_at(names, "listKind")))
        kst_cause_invalid(causes, "spec.names", "listKind", text_at(names, "listKind"),
                          "kind and listKind may not be the same");
    check_name_list(names, "categories", causes);
}

static void check_url(const char *url, struct kst_json *causes)
{
    static const char field[] = "spec.conversion.webhookClientConfig.url";
    static const char form[] = "desired format: https://host[/path]";
    const char *scheme_end = strstr(url, "://");
    kst_auto_free char *scheme = kst_strndup(url, scheme_end ? (size_t)(scheme_end - url) : 0);
    const char *host = scheme_end ? scheme_end + 3 : url;
    kst_auto_free char *only = kst_asprintf("'https' is the only allowed URL scheme; %s", form);
    kst_auto_free char *need = kst_asprintf("host must be provided; %s", form);
    if (!same(scheme, "https"))
        kst_cause_invalid(causes, field, NULL, scheme, only);
    if (!scheme_end || !*host || strchr("/?#", *host))
        kst_cause_invalid(causes, field, NULL, "", need);
    const char *fragment = strchr(url, '#'), *query = strchr(url, '?');
    const char *at = strchr(host, '@');
    if (at && at < host + strcspn(host, "/?#")) {
        kst_auto_free char *user = kst_strndup(host, (size_t)(at - host));
        kst_cause_invalid(causes, field, NULL, user,
                          "user information is not permitted in the URL");
    }
    if (fragment && fragment[1])
        kst_cause_invalid(causes, field, NULL, fragment + 1,
                          "fragments are not permitted in the URL");
    kst_auto_free char *asked = query ? kst_strndup(query + 1, strcspn(query + 1, "#")) : NULL;
    if (asked && *asked && (!fragment || query < fragment))
        kst_cause_invalid(causes, field, NULL, asked,
                          "query parameters are not permitted in the URL");
}

static void check_service(const struct kst_json *service, struct kst_json *causes)
{
    static const char field[] = "spec.conversion.webhookClientConfig.service";
    if (!*text_at(service, "name"))
        kst_cause_required(causes, field, "name", "service name is required");
    if (!*text_at(service, "namespace"))
        kst_cause_required(causes, field, "namespace", "service namespace is required");
    int64_t port = kst_json_path_int(service, "port", 443);
    kst_auto_free char *shown = kst_asprintf("%lld", (long long)port);
    if (port < 1 || port > 65535)
        kst_cause_invalid_value(causes, field, "port", shown,
                                "port is not valid: must be between 1 and 65535, inclusive");
}

static void check_review_versions(const struct kst_json *list, struct kst_json *causes)
{
    static const char field[] = "spec.conversion.conversionReviewVersions";
    bool known = false;
    size_t index = 0;
    kst_auto_buf shown = KST_BUF_INIT(TEXT_BYTES);
    if (kst_json_len(list) == 0) {
        kst_cause_required(causes, field, NULL, "");
        return;
    }
    kst_buf_adds(&shown, "[]string{");
    for (const struct kst_json *v = kst_json_first(list); v; v = kst_json_next(v)) {
        const char *name = kst_json_str(v) ? kst_json_str(v) : "";
        kst_auto_free char *at = kst_asprintf("%s[%zu]", field, index++);
        kst_auto_free char *why = kst_cause_form(KST_TEXT_DNS1035, name);
        bool before = false;
        for (const struct kst_json *w = kst_json_first(list); w != v; w = kst_json_next(w))
            before = before || kst_json_equal(w, v);
        if (before)
            kst_cause_invalid(causes, at, NULL, name, "duplicate version");
        else if (why)
            kst_cause_invalid(causes, at, NULL, name, why);
        known = known || same(name, "v1") || same(name, "v1beta1");
        kst_go_quote(&shown, name);
        kst_buf_adds(&shown, kst_json_next(v) ? ", " : "}");
    }
    if (!known)
        kst_cause_invalid_value(causes, field, NULL, shown.data,
                                "must include at least one of v1, v1beta1");
}

static void check_conversion(const struct kst_json *conversion, struct kst_json *causes)
{
    static const char *const strategies[] = {"None", "Webhook"};
    static const char none[] = "should not be set when strategy is not set to Webhook";
    const char *strategy = text_at(conversion, "strategy");
    const struct kst_json *webhook = kst_json_get(conversion, "webhook");
    const struct kst_json *client = kst_json_get(webhook, "clientConfig");
    const struct kst_json *reviews = kst_json_get(webhook, "conversionReviewVersions");
    const char *url = kst_json_str(kst_json_get(client, "url"));
    const struct kst_json *service = kst_json_get(client, "service");
    if (!*strategy)
        kst_cause_required(causes, "spec.conversion", "strategy", "");
    else if (!same(strategy, strategies[0]) && !same(strategy, strategies[1]))
        kst_cause_not_supported(causes, "spec.conversion", "strategy", strategy, strategies,
                                KST_ARRAY_LEN(strategies));
    if (!same(strategy, "Webhook")) {
        if (client)
            kst_cause_forbidden(causes, "spec.conversion", "webhookClientConfig", none);
        if (kst_json_len(reviews) > 0)
            kst_cause_forbidden(causes, "spec.conversion", "conversionReviewVersions", none);
        return;
    }
    if (!client)
        kst_cause_required(causes, "spec.conversion", "webhookClientConfig",
                           "required when strategy is set to Webhook");
    else if (!url == !service)
        kst_cause_required(causes, "spec.conversion", "webhookClientConfig",
                           "exactly one of url or service is required");
    else if (url)
        check_url(url, causes);
    else
        check_service(service, causes);
    check_review_versions(reviews, causes);
}

/* ---- all of it ---- */

static void check_object_name(const struct kst_json *crd, struct kst_json *causes)
{
    const char *name = kst_crd_text(crd, "metadata.name");
    kst_auto_free char *wanted = kst_asprintf("%s.%s", kst_crd_text(crd, "spec.names.plural"),
                                              kst_crd_text(crd, "spec.group"));
    if (!same(name, wanted))
        kst_cause_invalid(causes, "metadata", "name", name,
                          "must be spec.names.plural+\".\"+spec.group");
}

static void check_unchanged(const struct kst_json *spec, const struct kst_json *old,
                            const char *path, struct kst_json *causes)
{
    if (!same(kst_crd_text(spec, path), kst_crd_text(old, path)))
        kst_cause_invalid(causes, "spec", path, kst_crd_text(spec, path), "field is immutable");
}

static void check_update(const struct kst_json *crd, const struct kst_json *old,
                         struct kst_json *causes)
{
    const struct kst_json *spec = kst_json_get(crd, "spec"), *before = kst_json_get(old, "spec");
    if (kst_crd_is(old, "Established")) {
        check_unchanged(spec, before, "scope", causes);
        check_unchanged(spec, before, "names.kind", causes);
    }
    check_unchanged(spec, before, "group", causes);
    check_unchanged(spec, before, "names.plural", causes);
}

static void check_stored(const struct kst_json *crd, struct kst_json *causes)
{
    const struct kst_json *stored = kst_json_path(crd, "status.storedVersions");
    const struct kst_json *versions = kst_json_path(crd, "spec.versions");
    size_t index = 0;
    if (kst_json_len(stored) == 0) {
        kst_cause_invalid_value(causes, "status", "storedVersions", "[]string(nil)",
                                "must have at least one stored version");
        return;
    }
    for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v)) {
        bool listed = false;
        for (const struct kst_json *s = kst_json_first(stored); s; s = kst_json_next(s))
            listed = listed || same(kst_json_str(s) ? kst_json_str(s) : "", text_at(v, "name"));
        if (listed || !kst_json_true(kst_json_get(v, "storage")))
            continue;
        kst_auto_buf shown = KST_BUF_INIT(TEXT_BYTES);
        kst_auto_free char *detail = kst_asprintf("must have the storage version %s",
                                                  text_at(v, "name"));
        show_version(&shown, versions, v);
        kst_cause_invalid_value(causes, "status", "storedVersions", shown.data, detail);
    }
    for (const struct kst_json *s = kst_json_first(stored); s; s = kst_json_next(s), index++) {
        kst_auto_free char *child = kst_asprintf("storedVersions[%zu]", index);
        const char *name = kst_json_str(s) ? kst_json_str(s) : "";
        bool known = false;
        for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v))
            known = known || same(name, text_at(v, "name"));
        if (!known)
            kst_cause_invalid(causes, "status", child, name, "must appear in spec.versions");
    }
}

static void check_approval(const struct kst_json *crd, const struct kst_json *old,
                           struct kst_json *causes)
{
    static const char field[] = "metadata.annotations[" KST_CRD_APPROVED "]";
    const struct kst_json *annotations = kst_json_path(crd, "metadata.annotations");
    kst_auto_free char *why = NULL, *before = NULL;
    if (!kst_crd_is_protected(kst_crd_text(crd, "spec.group")))
        return;
    enum kst_crd_approval state = kst_crd_approval(crd, &why);
    if (old && kst_crd_approval(old, &before) == state)
        return;
    if (state == KST_CRD_INVALID)
        kst_cause_invalid(causes, field, NULL, text_at(annotations, KST_CRD_APPROVED), why);
    else if (state == KST_CRD_MISSING)
        kst_cause_required(causes, field, NULL, why);
}

void kst_crd_validate(const struct kst_json *crd, const struct kst_json *old,
                      struct kst_json *causes)
{
    const struct kst_json *spec = kst_json_get(crd, "spec");
    const struct kst_json *versions = kst_json_get(spec, "versions");
    if (!old)
        check_object_name(crd, causes);
    check_group(text_at(spec, "group"), causes);
    check_scope(text_at(spec, "scope"), causes);
    check_schemas_are_there(versions, causes);
    check_versions(versions, causes);
    check_names(kst_json_get(spec, "names"), causes);
    check_common(versions, causes);
    check_conversion(kst_json_get(spec, "conversion"), causes);
    if (old)
        check_update(crd, old, causes);
    check_stored(crd, causes);
    check_approval(crd, old, causes);
    if (kst_json_true(kst_json_get(spec, "preserveUnknownFields")))
        kst_cause_invalid_value(causes, "spec", "preserveUnknownFields", "true",
                                "cannot set to true, set x-preserve-unknown-fields to true in "
                                "spec.versions[*].schema instead");
}
