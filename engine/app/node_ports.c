/* SPDX-License-Identifier: Apache-2.0 */
#include "app/node_ports.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/resource.h"

bool kst_node_ports_are_of(const struct kst_kube_resource *resource)
{
    return strcmp(resource->kind, "Service") == 0 && *resource->group == '\0';
}

/* What an entry of managedFields says of the spec's fields. */
static const struct kst_json *spec_of(const struct kst_json *entry)
{
    return kst_json_get(kst_json_get(entry, "fieldsV1"), "f:spec");
}

static bool owns_health_check(const struct kst_json *entry)
{
    return kst_json_get(spec_of(entry), "f:healthCheckNodePort") != NULL;
}

/* Whether `key` ("k:{"port":80,"protocol":"TCP"}") is the port's; NULL: any port's. */
static bool is_key_of(const char *key, const struct kst_json *port)
{
    kst_auto_json struct kst_json *keys = NULL;
    if (!port)
        return true;
    if (strncmp(key, "k:", 2) != 0 || kst_json_parse(key + 2, strlen(key + 2), &keys, NULL) < 0)
        return false;
    const char *protocol = kst_json_path_str(port, "protocol");
    const char *its = kst_json_path_str(keys, "protocol");
    return kst_json_path_int(keys, "port", 0) == kst_json_path_int(port, "port", -1) &&
           kst_same(its ? its : "TCP", protocol ? protocol : "TCP");
}

static bool owns_port(const struct kst_json *entry, const struct kst_json *port)
{
    const struct kst_json *row = kst_json_first(kst_json_get(spec_of(entry), "f:ports"));
    for (; row; row = kst_json_next(row)) {
        if (kst_json_get(row, "f:nodePort") && is_key_of(kst_json_key(row), port))
            return true;
    }
    return false;
}

void kst_node_ports_keep_owners(struct kst_json *service)
{
    struct kst_json *metadata = kst_json_mut(service, "metadata");
    kst_auto_json struct kst_json *all = kst_json_detach(metadata, "managedFields");
    kst_auto_json struct kst_json *kept = kst_json_array();
    for (const struct kst_json *entry = kst_json_first(all); entry; entry = kst_json_next(entry)) {
        if (owns_port(entry, NULL) || owns_health_check(entry))
            kst_json_push(kept, kst_json_dup(entry));
    }
    if (kst_json_len(kept))
        kst_json_set(metadata, "managedFields", kst_take(kept));
}

static bool was_applied(const struct kst_json *applied, int64_t number)
{
    const struct kst_json *port = kst_json_first(kst_json_path(applied, "spec.ports"));
    for (; port; port = kst_json_next(port)) {
        if (kst_json_path_int(port, "nodePort", 0) == number)
            return true;
    }
    return false;
}

static bool is_owned(const struct kst_json *service, const struct kst_json *port)
{
    const struct kst_json *entry = kst_json_first(kst_json_path(service, "metadata.managedFields"));
    while (entry && !(port ? owns_port(entry, port) : owns_health_check(entry)))
        entry = kst_json_next(entry);
    return entry;
}

void kst_node_ports_clean(struct kst_json *service, const struct kst_json *applied)
{
    struct kst_json *spec = kst_json_mut(service, "spec");
    struct kst_json *port = kst_json_first_mut(kst_json_mut(spec, "ports"));
    for (; port; port = kst_json_next_mut(port)) {
        int64_t number = kst_json_path_int(port, "nodePort", 0);
        if (!number || (!was_applied(applied, number) && !is_owned(service, port)))
            kst_json_remove(port, "nodePort");
    }
    if (kst_json_path_int(applied, "spec.healthCheckNodePort", 0) == 0 && !is_owned(service, NULL))
        kst_json_remove(spec, "healthCheckNodePort");
}

void kst_node_ports_remove(struct kst_json *service)
{
    struct kst_json *spec = kst_json_mut(service, "spec");
    struct kst_json *port = kst_json_first_mut(kst_json_mut(spec, "ports"));
    for (; port; port = kst_json_next_mut(port))
        kst_json_remove(port, "nodePort");
    if (spec)
        kst_json_remove(spec, "healthCheckNodePort");
}
