/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and ports of Services: 10.0.0.0/16 and 30000 to 32767. What a client leaves out is
 * given, and kept in updates; what it asks for must be free (pkg/registry/core/service).
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/builtin/check.h"

#define SERVICE_RANGE "10.0.0.0/16"

enum { FIRST_PORT = 30000, LAST_PORT = 32767, PORTS = LAST_PORT - FIRST_PORT + 1, HOSTS = 250 };

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool has_node_ports(const struct kst_json *spec)
{
    return kst_is_one_of(kst_read_text(spec, "type"), "NodePort LoadBalancer");
}

static bool has_address(const struct kst_json *spec)
{
    return !is(kst_read_text(spec, "type"), "ExternalName");
}

/* ---- what is taken ---- */

static bool has_node_port(const struct kst_json *spec, int64_t number)
{
    if (number && kst_read_int(spec, "healthCheckNodePort") == number)
        return true;
    const struct kst_json *port = kst_json_first(kst_json_get(spec, "ports"));
    for (; port; port = kst_json_next(port))
        if (kst_read_int(port, "nodePort") == number)
            return true;
    return false;
}

/* Whether another Service than that of the call has this address, or, with NULL, this port. */
static bool is_taken(struct kst_api *self, const struct kst_api_call *call, const char *name,
                     const char *address, int64_t port)
{
    struct kst_bucket *services = kst_store_bucket(self->store, "/services");
    const struct kst_object *other;
    for (size_t i = 0; (other = kst_bucket_at(services, i)); i++) {
        const struct kst_json *spec = kst_json_get(other->json, "spec");
        if (is(other->name, name) && is(other->ns, call->ns ? call->ns : ""))
            continue;
        if (address ? is(kst_read_text(spec, "clusterIP"), address) : has_node_port(spec, port))
            return true;
    }
    return false;
}

/* ---- what is given ---- */

static void give_address(struct kst_api *self, const struct kst_api_call *call,
                         struct kst_json *spec)
{
    for (int tries = 0; tries < HOSTS * HOSTS; tries++) {
        uint64_t n = ++self->service_ips;
        kst_auto_free char *made = kst_asprintf("10.0.%u.%u", (unsigned)(1 + n / HOSTS % HOSTS),
                                                (unsigned)(1 + n % HOSTS));
        if (is_taken(self, call, "", made, 0))
            continue;
        kst_json_set_str(spec, "clusterIP", made);
        return;
    }
}

/* 0 where all are taken. */
static int64_t free_port(struct kst_api *self, const struct kst_api_call *call,
                         const struct kst_json *spec)
{
    for (int tries = 0; tries < PORTS; tries++) {
        int64_t number = FIRST_PORT + (int64_t)(self->node_ports++ % PORTS);
        if (!has_node_port(spec, number) && !is_taken(self, call, "", NULL, number))
            return number;
    }
    return 0;
}

static void give_node_ports(struct kst_api *self, const struct kst_api_call *call,
                            struct kst_json *spec)
{
    struct kst_json *ports = kst_json_mut(spec, "ports");
    for (size_t i = 0; i < kst_json_len(ports); i++) {
        struct kst_json *port = kst_json_mut_at(ports, i);
        if (kst_read_int(port, "nodePort") == 0)
            kst_json_set_int(port, "nodePort", free_port(self, call, spec));
    }
}

/* ---- what is kept ---- */

static void keep_node_ports(const struct kst_json *before, struct kst_json *spec)
{
    struct kst_json *ports = kst_json_mut(spec, "ports");
    for (size_t i = 0; i < kst_json_len(ports); i++) {
        struct kst_json *port = kst_json_mut_at(ports, i);
        const struct kst_json *old = kst_json_first(kst_json_get(before, "ports"));
        for (; old && kst_read_int(port, "nodePort") == 0; old = kst_json_next(old)) {
            int64_t number = kst_read_int(old, "nodePort");
            if (number && kst_read_int(old, "port") == kst_read_int(port, "port") &&
                is(kst_read_text(old, "protocol"), kst_read_text(port, "protocol")) &&
                !has_node_port(spec, number))
                kst_json_set_int(port, "nodePort", number);
        }
    }
}

/* What belongs to the type that the Service had, and was not changed, goes with it. */
static void drop_of_old_type(const struct kst_json *before, struct kst_json *spec)
{
    struct kst_json *ports = kst_json_mut(spec, "ports");
    if (has_node_ports(before) && !has_node_ports(spec)) {
        for (size_t i = 0; i < kst_json_len(ports); i++)
            if (has_node_port(before, kst_read_int(kst_json_at(ports, i), "nodePort")))
                kst_json_remove(kst_json_mut_at(ports, i), "nodePort");
        if (is(kst_read_text(before, "externalTrafficPolicy"),
               kst_read_text(spec, "externalTrafficPolicy")))
            kst_json_remove(spec, "externalTrafficPolicy");
    }
    if (has_address(before) && !has_address(spec) &&
        is(kst_read_text(before, "clusterIP"), kst_read_text(spec, "clusterIP"))) {
        kst_json_remove(spec, "clusterIP");
        kst_json_remove(spec, "clusterIPs");
    }
}

static void keep(const struct kst_json *before, struct kst_json *spec)
{
    static const char *const fields[] = {"clusterIP", "clusterIPs"};
    for (size_t i = 0; has_address(before) && has_address(spec) && i < 2; i++)
        if (!kst_json_get(spec, fields[i]) && kst_json_get(before, fields[i]))
            kst_json_set(spec, fields[i], kst_json_dup(kst_json_get(before, fields[i])));
    if (has_node_ports(before) && has_node_ports(spec))
        keep_node_ports(before, spec);
    drop_of_old_type(before, spec);
}

void kst_admit_service(struct kst_api *self, const struct kst_api_call *call,
                       const struct kst_json *live, struct kst_json *service)
{
    struct kst_json *spec = kst_json_ensure_object(service, "spec");
    const struct kst_json *before = kst_json_get(live, "spec");
    if (live)
        keep(before, spec);
    bool listed = kst_json_len(kst_json_get(spec, "clusterIPs")) > 0;
    if (has_address(spec) && !*kst_read_text(spec, "clusterIP") && !listed)
        give_address(self, call, spec);
    /* Clients of one address change that one alone. */
    const char *address = kst_read_text(spec, "clusterIP");
    if (*address && (!listed || !is(address, kst_read_text(before, "clusterIP"))) &&
        (!listed || live)) {
        struct kst_json *list = kst_json_array();
        kst_json_push(list, kst_json_from_str(address));
        kst_json_set(spec, "clusterIPs", list);
    }
    if (has_node_ports(spec))
        give_node_ports(self, call, spec);
    bool local = is(kst_read_text(spec, "type"), "LoadBalancer") &&
                 is(kst_read_text(spec, "externalTrafficPolicy"), "Local");
    int64_t kept = kst_read_int(before, "healthCheckNodePort");
    if (local && kst_read_int(spec, "healthCheckNodePort") == 0)
        kst_json_set_int(spec, "healthCheckNodePort", kept ? kept : free_port(self, call, spec));
    else if (!local && kept && kept == kst_read_int(spec, "healthCheckNodePort"))
        kst_json_remove(spec, "healthCheckNodePort");
}

/* ---- what is refused ---- */

static bool in_range(const char *address)
{
    unsigned char bytes[4];
    return inet_pton(AF_INET, address, bytes) == 1 && bytes[0] == 10 && bytes[1] == 0;
}

static void check_address(struct kst_api *self, const struct kst_api_call *call, const char *name,
                          const struct kst_json *spec, const struct kst_place *place)
{
    const char *address = kst_read_text(spec, "clusterIP");
    kst_auto_free char *shown = kst_shown_texts(kst_json_get(spec, "clusterIPs"));
    if (!in_range(address))
        kst_say_invalid(place, "clusterIPs", shown,
                        "failed to allocated ip:%s with error:provided IP is not in the valid "
                        "range. The range of valid IPs is " SERVICE_RANGE,
                        address);
    else if (is_taken(self, call, name, address, 0))
        kst_say_invalid(place, "clusterIPs", shown,
                        "failed to allocated ip:%s with error:provided IP is already allocated",
                        address);
}

static void check_node_ports(struct kst_api *self, const struct kst_api_call *call,
                             const char *name, const struct kst_json *spec,
                             const struct kst_place *place)
{
    struct kst_place ports = kst_place_field(place, "ports");
    const struct kst_json *port = kst_json_first(kst_json_get(spec, "ports"));
    for (int i = 0; port; port = kst_json_next(port), i++) {
        struct kst_place at = kst_place_index(&ports, i);
        int64_t number = kst_read_int(port, "nodePort");
        if (number < FIRST_PORT || number > LAST_PORT)
            kst_say_invalid_int(&at, "nodePort", number,
                                "provided port is not in the valid range. The range of valid ports "
                                "is 30000-32767");
        else if (is_taken(self, call, name, NULL, number))
            kst_say_invalid_int(&at, "nodePort", number, "provided port is already allocated");
        else
            continue;
        return;
    }
}

/* What only some types of Services can have. */
static void check_traffic(const struct kst_json *spec, const struct kst_place *place)
{
    const char *policy = kst_read_text(spec, "externalTrafficPolicy");
    int64_t port = kst_read_int(spec, "healthCheckNodePort");
    bool local = is(kst_read_text(spec, "type"), "LoadBalancer") && is(policy, "Local");
    if (*policy && !has_node_ports(spec))
        kst_say_invalid_text(place, "externalTrafficPolicy", policy,
                             "ExternalTrafficPolicy can only be set on NodePort and LoadBalancer "
                             "service");
    if (port && !local)
        kst_say_invalid_int(place, "healthCheckNodePort", port,
                            "HealthCheckNodePort can only be set on LoadBalancer service with "
                            "ExternalTrafficPolicy=Local");
}

struct kst_json *kst_admit_service_check(struct kst_api *self, const struct kst_api_call *call,
                                         const struct kst_json *service)
{
    kst_auto_json struct kst_json *causes = kst_json_array();
    struct kst_place top = kst_place_top(causes), place = kst_place_field(&top, "spec");
    const struct kst_json *spec = kst_json_get(service, "spec");
    const char *address = kst_read_text(spec, "clusterIP");
    const char *name = kst_read_text(service, "metadata.name");
    check_traffic(spec, &place);
    if (kst_json_len(causes) == 0 && *address && !is(address, "None"))
        check_address(self, call, name, spec, &place);
    if (kst_json_len(causes) == 0 && has_node_ports(spec))
        check_node_ports(self, call, name, spec, &place);
    return kst_json_len(causes) ? kst_status_invalid(call->resource, name, causes) : NULL;
}
