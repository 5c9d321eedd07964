/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the other kinds: namespaces, nodes, events, configuration, access. */
#include "sandbox/table/internal.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/quantity.h"

static void count_at(struct kst_table_row *row, const char *path)
{
    kst_cell_int(row, (int64_t)kst_json_len(kst_json_path(row->object, path)));
}

void kst_table_namespace(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_text_at(row, "status.phase", "");
    kst_cell_age(row);
}

void kst_table_configmap(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_int(row, (int64_t)(kst_json_len(kst_json_get(row->object, "data")) +
                                kst_json_len(kst_json_get(row->object, "binaryData"))));
    kst_cell_age(row);
}

void kst_table_secret(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_text_at(row, "type", "");
    count_at(row, "data");
    kst_cell_age(row);
}

void kst_table_serviceaccount(struct kst_table_row *row)
{
    kst_cell_name(row);
    count_at(row, "secrets");
    kst_cell_age(row);
}

void kst_table_lease(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_text_at(row, "spec.holderIdentity", "");
    kst_cell_age(row);
}

void kst_table_priorityclass(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_int_at(row, "value");
    kst_cell_bool(row, kst_json_path_true(row->object, "globalDefault"));
    kst_cell_age(row);
}

void kst_table_runtimeclass(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_text_at(row, "handler", "");
    kst_cell_age(row);
}

void kst_table_webhooks(struct kst_table_row *row)
{
    kst_cell_name(row);
    count_at(row, "webhooks");
    kst_cell_age(row);
}

/* ---- ResourceQuota ---- */

static void add_quantity(struct kst_buf *out, const struct kst_json *value)
{
    char text[KST_QUANTITY_TEXT];
    const char *stored = kst_json_str(value) ? kst_json_str(value) : kst_json_number(value);
    kst_buf_adds(out, stored && kst_quantity_canonical(stored, text) ? text : "0");
}

void kst_table_resourcequota(struct kst_table_row *row)
{
    const struct kst_json *hard = kst_json_path(row->object, "status.hard");
    const struct kst_json *used = kst_json_path(row->object, "status.used");
    kst_auto_buf requests = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    kst_auto_buf limits = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    size_t count;
    kst_auto_free const char **names = kst_cell_sorted_keys(hard, &count);
    for (size_t i = 0; i < count; i++) {
        struct kst_buf *out = strncmp(names[i], "limits.", 7) == 0 ? &limits : &requests;
        kst_buf_addf(out, "%s%s: ", out->len > 0 ? ", " : "", names[i]);
        add_quantity(out, kst_json_get(used, names[i]));
        kst_buf_addc(out, '/');
        add_quantity(out, kst_json_get(hard, names[i]));
    }
    kst_cell_name(row);
    kst_cell_age(row);
    kst_cell_str(row, requests.data);
    kst_cell_str(row, limits.data);
}

/* ---- RoleBinding and ClusterRoleBinding ---- */

void kst_table_binding(struct kst_table_row *row)
{
    kst_auto_buf users = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    kst_auto_buf groups = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    kst_auto_buf accounts = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    const struct kst_json *s = kst_json_first(kst_json_get(row->object, "subjects"));
    for (; s; s = kst_json_next(s)) {
        const char *kind = kst_cell_text(s, "kind"), *name = kst_cell_text(s, "name");
        if (strcmp(kind, "ServiceAccount") == 0)
            kst_buf_addf(&accounts, "%s%s/%s", accounts.len > 0 ? ", " : "",
                         kst_cell_text(s, "namespace"), name);
        else if (strcmp(kind, "User") == 0)
            kst_buf_addf(&users, "%s%s", users.len > 0 ? ", " : "", name);
        else if (strcmp(kind, "Group") == 0)
            kst_buf_addf(&groups, "%s%s", groups.len > 0 ? ", " : "", name);
    }
    kst_cell_name(row);
    kst_cell_format(row, "%s/%s", kst_cell_text(row->object, "roleRef.kind"),
                    kst_cell_text(row->object, "roleRef.name"));
    kst_cell_age(row);
    kst_cell_str(row, users.data);
    kst_cell_str(row, groups.data);
    kst_cell_str(row, accounts.data);
}

/* ---- Node ---- */

static void node_status(struct kst_table_row *row)
{
    const struct kst_json *c = kst_json_first(kst_json_path(row->object, "status.conditions"));
    const char *status = "Unknown";
    for (; c; c = kst_json_next(c)) {
        if (strcmp(kst_cell_text(c, "type"), "Ready") == 0)
            status = strcmp(kst_cell_text(c, "status"), "True") == 0 ? "Ready" : "NotReady";
    }
    bool off = kst_json_path_true(row->object, "spec.unschedulable");
    kst_cell_format(row, "%s%s", status, off ? ",SchedulingDisabled" : "");
}

static void node_roles(struct kst_table_row *row)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    const struct kst_json *label = kst_json_first(kst_json_path(row->object, "metadata.labels"));
    kst_auto_json struct kst_json *set = kst_json_object();
    for (; label; label = kst_json_next(label)) {
        const char *key = kst_json_key(label), *value = kst_cell_text(label, NULL);
        if (key && strncmp(key, prefix, strlen(prefix)) == 0 && key[strlen(prefix)])
            kst_json_set_bool(set, key + strlen(prefix), true);
        else if (key && strcmp(key, "kubernetes.io/role") == 0 && *value)
            kst_json_set_bool(set, value, true);
    }
    size_t count;
    kst_auto_free const char **roles = kst_cell_sorted_keys(set, &count);
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    for (size_t i = 0; i < count; i++)
        kst_buf_addf(&text, "%s%s", i > 0 ? "," : "", roles[i]);
    kst_cell_buf(row, &text, "<none>");
}

static void node_address(struct kst_table_row *row, const char *type)
{
    const struct kst_json *a = kst_json_first(kst_json_path(row->object, "status.addresses"));
    while (a && strcmp(kst_cell_text(a, "type"), type) != 0)
        a = kst_json_next(a);
    kst_cell_str(row, a ? kst_cell_text(a, "address") : "<none>");
}

void kst_table_node(struct kst_table_row *row)
{
    kst_cell_name(row);
    node_status(row);
    node_roles(row);
    kst_cell_age(row);
    kst_cell_text_at(row, "status.nodeInfo.kubeletVersion", "");
    node_address(row, "InternalIP");
    node_address(row, "ExternalIP");
    kst_cell_text_at(row, "status.nodeInfo.osImage", "<unknown>");
    kst_cell_text_at(row, "status.nodeInfo.kernelVersion", "<unknown>");
    kst_cell_text_at(row, "status.nodeInfo.containerRuntimeVersion", "<unknown>");
}

/* ---- Event, of the legacy group and of events.k8s.io ---- */

static const char *first_of(const struct kst_json *object, const char *const *paths)
{
    for (; *paths; paths++) {
        const char *text = kst_cell_text(object, *paths);
        if (*text)
            return text;
    }
    return NULL;
}

static void event_object(struct kst_table_row *row, const struct kst_json *about)
{
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    for (const char *at = kst_cell_text(about, "kind"); *at; at++)
        kst_buf_addc(&text, (char)tolower((unsigned char)*at));
    if (*kst_cell_text(about, "name"))
        kst_buf_addf(&text, "/%s", kst_cell_text(about, "name"));
    kst_cell_buf(row, &text, "");
}

static void event_source(struct kst_table_row *row)
{
    static const char *const components[] = {"source.component", "deprecatedSource.component",
                                             "reportingComponent", "reportingController", NULL};
    static const char *const hosts[] = {"source.host", "deprecatedSource.host", "reportingInstance",
                                        NULL};
    const char *component = first_of(row->object, components);
    const char *host = first_of(row->object, hosts);
    kst_cell_format(row, "%s%s%s", component ? component : "", host ? ", " : "", host ? host : "");
}

static void event_message(struct kst_table_row *row)
{
    static const char *const paths[] = {"message", "note", NULL};
    struct kst_str text = kst_str_trim(kst_str_of(first_of(row->object, paths)));
    kst_json_push(row->cells, kst_json_from_strn(text.len > 0 ? text.data : "", text.len));
}

static int64_t event_count(const struct kst_json *event)
{
    const struct kst_json *series = kst_json_get(event, "series");
    if (kst_json_type(series) == KST_JSON_OBJECT)
        return kst_json_path_int(series, "count", 0) + 1;
    int64_t count = kst_json_path_int(event, "count", 0);
    count = count ? count : kst_json_path_int(event, "deprecatedCount", 0);
    return count ? count : 1;
}

void kst_table_event(struct kst_table_row *row)
{
    static const char *const firsts[] = {"firstTimestamp", "deprecatedFirstTimestamp", "eventTime",
                                         NULL};
    static const char *const lasts[] = {"series.lastObservedTime", "lastTimestamp",
                                        "deprecatedLastTimestamp", NULL};
    char first[KST_TABLE_AGE], last[KST_TABLE_AGE];
    const char *last_time = first_of(row->object, lasts);
    kst_cell_age_of(row, first_of(row->object, firsts), first);
    kst_cell_age_of(row, last_time, last);
    const struct kst_json *about = kst_json_get(row->object, "involvedObject");
    if (!about)
        about = kst_json_get(row->object, "regarding");
    kst_cell_str(row, last_time ? last : first);
    kst_cell_text_at(row, "type", "");
    kst_cell_text_at(row, "reason", "");
    event_object(row, about);
    kst_cell_str(row, kst_cell_text(about, "fieldPath"));
    event_source(row);
    event_message(row);
    kst_cell_str(row, first);
    kst_cell_int(row, event_count(row->object));
    kst_cell_name(row);
}
