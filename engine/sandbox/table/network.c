/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of Services and of what leads to them. */
#include "sandbox/table/internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

enum { SHOWN = 3 };

/* Texts of which the first three are shown: "a,b,c + 2 more...". */
struct some {
    struct kst_buf text;
    size_t count;
};

static void some_add(struct some *self, const char *text)
{
    if (self->count < SHOWN)
        kst_buf_addf(&self->text, "%s%s", self->count > 0 ? "," : "", text);
    self->count++;
}

static void some_end(struct some *self, struct kst_table_row *row, const char *empty)
{
    if (self->count > SHOWN)
        kst_buf_addf(&self->text, " + %zu more...", self->count - SHOWN);
    kst_cell_buf(row, &self->text, empty);
    kst_buf_release(&self->text);
}

/* The addresses of a load balancer in the order of their bytes, each once. */
static void add_balancer(struct kst_buf *out, const struct kst_json *object)
{
    kst_auto_json struct kst_json *set = kst_json_object();
    const struct kst_json *ingress = kst_json_first(
        kst_json_path(object, "status.loadBalancer.ingress"));
    for (; ingress; ingress = kst_json_next(ingress)) {
        const char *address = kst_cell_text(ingress, "ip");
        if (!*address)
            address = kst_cell_text(ingress, "hostname");
        if (*address)
            kst_json_set_bool(set, address, true);
    }
    size_t count;
    kst_auto_free const char **addresses = kst_cell_sorted_keys(set, &count);
    for (size_t i = 0; i < count; i++)
        kst_buf_addf(out, "%s%s", i > 0 ? "," : "", addresses[i]);
}

static void external_ip(struct kst_table_row *row)
{
    const char *type = kst_cell_text(row->object, "spec.type");
    const struct kst_json *external = kst_json_path(row->object, "spec.externalIPs");
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    const char *none = "<none>";
    if (strcmp(type, "ExternalName") == 0) {
        kst_cell_text_at(row, "spec.externalName", "");
        return;
    }
    if (strcmp(type, "LoadBalancer") == 0) {
        none = "<pending>";
        add_balancer(&text, row->object);
        if (text.len > 0 && kst_json_len(external) > 0)
            kst_buf_addc(&text, ',');
    } else if (strcmp(type, "ClusterIP") != 0 && strcmp(type, "NodePort") != 0) {
        kst_cell_str(row, "<unknown>");
        return;
    }
    kst_cell_join(&text, external, ",");
    kst_cell_buf(row, &text, none);
}

static void service_ports(struct kst_table_row *row)
{
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    const struct kst_json *port = kst_json_first(kst_json_path(row->object, "spec.ports"));
    for (; port; port = kst_json_next(port)) {
        kst_buf_addf(&text, "%s%lld", text.len > 0 ? "," : "",
                     (long long)kst_json_path_int(port, "port", 0));
        long long node_port = kst_json_path_int(port, "nodePort", 0);
        if (node_port > 0)
            kst_buf_addf(&text, ":%lld", node_port);
        kst_buf_addf(&text, "/%s", kst_cell_text(port, "protocol"));
    }
    kst_cell_buf(row, &text, "<none>");
}

void kst_table_service(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_text_at(row, "spec.type", "");
    const char *ip = kst_cell_text(row->object, "spec.clusterIPs.0");
    if (*ip)
        kst_cell_str(row, ip);
    else
        kst_cell_text_at(row, "spec.clusterIP", "<none>");
    external_ip(row);
    service_ports(row);
    kst_cell_age(row);
    kst_cell_labels_at(row, "spec.selector");
}

static void add_subset(struct some *some, const struct kst_json *subset)
{
    const struct kst_json *ports = kst_json_get(subset, "ports");
    const struct kst_json *port = kst_json_first(ports);
    do {
        const struct kst_json *a = kst_json_first(kst_json_get(subset, "addresses"));
        for (; a; a = kst_json_next(a)) {
            const char *ip = kst_cell_text(a, "ip");
            bool six = strchr(ip, ':') != NULL;
            kst_auto_free char *text = port ? kst_asprintf(
                                                  "%s%s%s:%lld", six ? "[" : "", ip, six ? "]" : "",
                                                  (long long)kst_json_path_int(port, "port", 0))
                                            : kst_strdup(ip);
            some_add(some, text);
        }
        port = kst_json_next(port);
    } while (port);
}

void kst_table_endpoints(struct kst_table_row *row)
{
    const struct kst_json *subsets = kst_json_get(row->object, "subsets");
    struct some some = {.text = KST_BUF_INIT(KST_TABLE_CELL_BYTES)};
    for (const struct kst_json *s = kst_json_first(subsets); s; s = kst_json_next(s))
        add_subset(&some, s);
    kst_cell_name(row);
    some_end(&some, row, kst_json_len(subsets) == 0 ? "<none>" : "");
    kst_cell_age(row);
}

static void slice_ports(struct kst_table_row *row)
{
    struct some some = {.text = KST_BUF_INIT(KST_TABLE_CELL_BYTES)};
    const struct kst_json *port = kst_json_first(kst_json_get(row->object, "ports"));
    for (; port; port = kst_json_next(port)) {
        const char *number = kst_json_number(kst_json_get(port, "port"));
        const char *name = kst_json_path_str(port, "name");
        some_add(&some, number ? number : name ? name : "*");
    }
    some_end(&some, row, "<unset>");
}

void kst_table_endpointslice(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_text_at(row, "addressType", "");
    slice_ports(row);
    struct some some = {.text = KST_BUF_INIT(KST_TABLE_CELL_BYTES)};
    const struct kst_json *endpoint = kst_json_first(kst_json_get(row->object, "endpoints"));
    for (; endpoint; endpoint = kst_json_next(endpoint)) {
        const struct kst_json *a = kst_json_first(kst_json_get(endpoint, "addresses"));
        for (; a; a = kst_json_next(a))
            some_add(&some, kst_cell_text(a, NULL));
    }
    some_end(&some, row, "<unset>");
    kst_cell_age(row);
}

static void ingress_hosts(struct kst_table_row *row)
{
    const struct kst_json *rules = kst_json_path(row->object, "spec.rules");
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    size_t shown = 0;
    bool more = false;
    for (const struct kst_json *rule = kst_json_first(rules); rule; rule = kst_json_next(rule)) {
        const char *host = kst_cell_text(rule, "host");
        more = more || shown == SHOWN;
        if (!more && *host)
            kst_buf_addf(&text, "%s%s", shown++ > 0 ? "," : "", host);
    }
    if (more)
        kst_buf_addf(&text, " + %zu more...", kst_json_len(rules) - SHOWN);
    kst_cell_buf(row, &text, "*");
}

void kst_table_ingress(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_text_at(row, "spec.ingressClassName", "<none>");
    ingress_hosts(row);
    kst_auto_buf address = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    add_balancer(&address, row->object);
    kst_cell_buf(row, &address, "");
    kst_cell_str(row, kst_json_len(kst_json_path(row->object, "spec.tls")) > 0 ? "80, 443" : "80");
    kst_cell_age(row);
}

void kst_table_ingressclass(struct kst_table_row *row)
{
    const struct kst_json *parameters = kst_json_path(row->object, "spec.parameters");
    kst_cell_name(row);
    kst_cell_text_at(row, "spec.controller", "");
    if (kst_json_type(parameters) == KST_JSON_OBJECT) {
        const char *group = kst_json_path_str(parameters, "apiGroup");
        kst_cell_format(row, "%s%s%s/%s", kst_cell_text(parameters, "kind"), group ? "." : "",
                        group ? group : "", kst_cell_text(parameters, "name"));
    } else {
        kst_cell_str(row, "<none>");
    }
    kst_cell_age(row);
}

void kst_table_networkpolicy(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_selector_at(row, "spec.podSelector");
    kst_cell_age(row);
}
