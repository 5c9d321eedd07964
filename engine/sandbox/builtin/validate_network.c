/* SPDX-License-Identifier: Apache-2.0 */
/* Services and what leads to Pods (pkg/apis/{core,networking}/validation). */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/validate.h"

#define EACH(entry, list)                                \
    const struct kst_json *entry = kst_json_first(list); \
    entry;                                               \
    entry = kst_json_next(entry)

#define PROTOCOLS "SCTP TCP UDP"

enum { MAX_AFFINITY_SECONDS = 86400 };

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool is_headless(const struct kst_json *spec)
{
    const struct kst_json *list = kst_json_get(spec, "clusterIPs");
    return kst_json_len(list) == 1 && is(kst_read_text(list, "0"), "None");
}

/* ---- ports of a Service ---- */

static void check_protocol(const struct kst_place *at, const char *protocol)
{
    if (!*protocol)
        kst_say_required(at, "protocol", "");
    else if (!kst_is_one_of(protocol, PROTOCOLS))
        kst_say_unsupported(at, "protocol", protocol, PROTOCOLS);
}

static bool named_before(const struct kst_json *list, const struct kst_json *port, const char *name)
{
    for (EACH(p, list)) {
        if (p == port)
            return false;
        if (is(kst_read_text(p, "name"), name))
            return true;
    }
    return false;
}

static void check_port(const struct kst_place *at, const struct kst_json *list,
                       const struct kst_json *port)
{
    const char *name = kst_read_text(port, "name"), *app = kst_read_text(port, "appProtocol");
    if (*name) {
        kst_check_text(at, "name", KST_TEXT_LABEL, name);
        if (named_before(list, port, name))
            kst_say_duplicate(at, "name", name);
    } else if (kst_json_len(list) > 1) {
        kst_say_required(at, "name", "");
    }
    kst_check_port(at, "port", kst_read_int(port, "port"));
    check_protocol(at, kst_read_text(port, "protocol"));
    kst_check_port_or_name(at, "targetPort", kst_json_get(port, "targetPort"));
    if (kst_has(port, "appProtocol"))
        kst_check_text(at, "appProtocol", KST_TEXT_QUALIFIED, app);
}

/* Whether an earlier port has the same protocol and the same number. */
static bool is_repeated(const struct kst_json *list, const struct kst_json *port, const char *field)
{
    for (EACH(p, list)) {
        if (p == port)
            return false;
        if (kst_read_int(p, field) == kst_read_int(port, field) &&
            is(kst_read_text(p, "protocol"), kst_read_text(port, "protocol")))
            return true;
    }
    return false;
}

static void check_repeated_ports(const struct kst_place *ports, const struct kst_json *list)
{
    int i = 0, j = 0;
    for (EACH(p, list)) {
        struct kst_place at = kst_place_index(ports, i++);
        struct kst_place node = kst_place_field(&at, "nodePort");
        kst_auto_free char *number = kst_asprintf("%lld", (long long)kst_read_int(p, "nodePort"));
        if (kst_read_int(p, "nodePort") != 0 && is_repeated(list, p, "nodePort"))
            kst_say_duplicate_value(&node, "", number);
    }
    for (EACH(p, list)) {
        struct kst_place at = kst_place_index(ports, j++);
        kst_auto_free char *shown = kst_asprintf(
            "core.ServicePort{Name:\"\", Protocol:\"%s\", AppProtocol:(*string)(nil), Port:%lld, "
            "TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:\"\"}, NodePort:0}",
            kst_read_text(p, "protocol"), (long long)kst_read_int(p, "port"));
        if (is_repeated(list, p, "port"))
            kst_say_duplicate_value(&at, "", shown);
    }
}

/* ---- addresses ---- */

static void check_special(const struct kst_place *at, const char *field, const char *text)
{
    unsigned char b[16];
    bool four = inet_pton(AF_INET, text, b) == 1;
    static const unsigned char zero[16] = {0};
    if (!four && inet_pton(AF_INET6, text, b) != 1) {
        kst_say_invalid_text(at, field, text, "must be a valid IP address");
        return;
    }
    bool low = four || memcmp(b, zero, 15) == 0;
    if (memcmp(b, zero, four ? 4 : 16) == 0)
        kst_say_invalid_text(at, field, text, "may not be unspecified (0.0.0.0)");
    if (four ? b[0] == 127 : low && b[15] == 1)
        kst_say_invalid_text(at, field, text, "may not be in the loopback range (127.0.0.0/8)");
    if (four ? b[0] == 169 && b[1] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
        kst_say_invalid_text(at, field, text,
                             "may not be in the link-local range (169.254.0.0/16)");
    if (four ? b[0] == 224 && !b[1] && !b[2] : b[0] == 0xff && (b[1] & 0x0f) == 0x02)
        kst_say_invalid_text(at, field, text,
                             "may not be in the link-local multicast range (224.0.0.0/24)");
}

static void check_cluster_ips(const struct kst_place *spec, const struct kst_json *value)
{
    struct kst_place place = kst_place_field(spec, "clusterIPs");
    const struct kst_json *list = kst_json_get(value, "clusterIPs");
    const char *ip = kst_read_text(value, "clusterIP");
    kst_auto_free char *shown = kst_shown_texts(list);
    int i = 0;
    if (*ip && kst_json_len(list) == 0)
        kst_say_required(&place, "", "");
    else if (*ip && !is(kst_read_text(list, "0"), ip))
        kst_say_invalid(&place, "", shown, "element [0] must match clusterIP");
    else if (!*ip && kst_json_len(list) > 0)
        kst_say_invalid(&place, "", shown, "must be empty when clusterIP is empty");
    for (EACH(one, list)) {
        struct kst_place at = kst_place_index(&place, i);
        const char *text = kst_json_str(one) ? kst_json_str(one) : "";
        bool first = i++ == 0;
        if (!first || !is(text, "None"))
            kst_check_text(&at, "", KST_TEXT_IP, text);
        else if (kst_json_len(list) > 1)
            kst_say_invalid(&place, "", shown, "'None' must be the first and only value");
    }
    if (kst_json_len(list) > 2)
        kst_say_invalid(&place, "", shown, "may only hold up to 2 values");
}

/* ---- the Service ---- */

static void check_external_name(const struct kst_place *spec, const struct kst_json *value)
{
    if (kst_json_len(kst_json_get(value, "clusterIPs")) > 0)
        kst_say_forbidden(spec, "clusterIPs", "may not be set for ExternalName services");
    kst_auto_free char *name = kst_strdup(kst_read_text(value, "externalName"));
    size_t len = strlen(name);
    if (len && name[len - 1] == '.')
        name[len - 1] = '\0';
    if (*name)
        kst_check_text(spec, "externalName", KST_TEXT_SUBDOMAIN, name);
    else
        kst_say_required(spec, "externalName", "");
}

static void check_type(const struct kst_place *spec, const struct kst_json *value)
{
    struct kst_place ips = kst_place_field(spec, "clusterIPs");
    struct kst_place first = kst_place_index(&ips, 0);
    const char *type = kst_read_text(value, "type");
    if (is(type, "ExternalName"))
        check_external_name(spec, value);
    else if (is(type, "LoadBalancer") && is_headless(value))
        kst_say_invalid_text(&first, "", "None",
                             "may not be set to 'None' for LoadBalancer services");
    else if (is(type, "NodePort") && is_headless(value))
        kst_say_invalid_text(&first, "", "None", "may not be set to 'None' for NodePort services");
}

static void check_affinity(const struct kst_place *spec, const struct kst_json *value)
{
    const char *affinity = kst_read_text(value, "sessionAffinity");
    int64_t seconds = kst_read_int(value, "sessionAffinityConfig.clientIP.timeoutSeconds");
    if (!*affinity)
        kst_say_required(spec, "sessionAffinity", "");
    else if (!kst_is_one_of(affinity, "ClientIP None"))
        kst_say_unsupported(spec, "sessionAffinity", affinity, "ClientIP None");
    if (is(affinity, "ClientIP") && (seconds <= 0 || seconds > MAX_AFFINITY_SECONDS))
        kst_say_invalid_int(spec, "sessionAffinityConfig.clientIP.timeoutSeconds", seconds,
                            "must be greater than 0 and less than 86400");
}

static void check_external_ips(const struct kst_place *spec, const struct kst_json *list)
{
    struct kst_place place = kst_place_field(spec, "externalIPs");
    int i = 0;
    for (EACH(ip, list)) {
        struct kst_place at = kst_place_index(&place, i++);
        const char *text = kst_json_str(ip) ? kst_json_str(ip) : "";
        if (kst_check_text(&at, "", KST_TEXT_IP, text))
            check_special(&at, "", text);
    }
}

/* An address that was given stays, unless the Service changes from or to an external name. */
static void check_service_update(const struct kst_place *spec, const struct kst_json *value,
                                 const struct kst_json *old)
{
    struct kst_place place = kst_place_field(spec, "clusterIPs");
    struct kst_place first = kst_place_index(&place, 0);
    const struct kst_json *list = kst_json_get(value, "clusterIPs");
    const struct kst_json *before = kst_json_get(old, "clusterIPs");
    kst_auto_free char *shown = kst_shown_texts(list);
    if (is(kst_read_text(value, "type"), "ExternalName") ||
        is(kst_read_text(old, "type"), "ExternalName") || (is_headless(value) && is_headless(old)))
        return;
    if (kst_json_len(before) > 0 && kst_json_len(list) == 0)
        kst_say_invalid(&first, "", shown, "primary clusterIP can not be unset");
    else if (kst_json_len(before) > 0 && !is(kst_read_text(list, "0"), kst_read_text(before, "0")))
        kst_say_invalid(&first, "", shown, "may not change once set");
}

/* An address and the length of its prefix, 0 bits where it is none. */
static int read_cidr(const char *text, unsigned char bytes[16], int *family)
{
    const char *slash = strchr(text, '/');
    kst_auto_free char *address = kst_strndup(text, slash ? (size_t)(slash - text) : 0);
    char *end = NULL;
    *family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (!slash || inet_pton(*family, address, bytes) != 1 || !slash[1])
        return -1;
    long bits = strtol(slash + 1, &end, 10);
    return *end || bits < 0 || bits > (*family == AF_INET ? 32 : 128) ? -1 : (int)bits;
}

static void check_ranges(const struct kst_place *spec, const struct kst_json *ranges)
{
    unsigned char bytes[16];
    int family;
    bool wrong = false;
    kst_auto_buf shown = KST_BUF_INIT(64 * 1024);
    for (EACH(range, ranges)) {
        const char *text = kst_json_str(range) ? kst_json_str(range) : "";
        wrong = wrong || read_cidr(text, bytes, &family) < 0;
        kst_buf_addf(&shown, "%s%s", range == kst_json_first(ranges) ? "[" : " ", text);
    }
    kst_buf_addc(&shown, ']');
    if (wrong)
        kst_say_invalid_text(spec, "LoadBalancerSourceRanges", shown.data,
                             "must be a list of IP ranges. For example, "
                             "10.240.0.0/24,10.250.0.0/24 ");
}

static void check_load_balancer(const struct kst_place *spec, const struct kst_json *value)
{
    const struct kst_json *ranges = kst_json_get(value, "loadBalancerSourceRanges");
    const char *policy = kst_read_text(value, "externalTrafficPolicy");
    if (kst_json_len(ranges) > 0 && !is(kst_read_text(value, "type"), "LoadBalancer"))
        kst_say_forbidden(spec, "LoadBalancerSourceRanges",
                          "may only be used when `type` is 'LoadBalancer'");
    check_ranges(spec, ranges);
    if (*policy && !kst_is_one_of(policy, "Cluster Local"))
        kst_say_invalid_text(spec, "externalTrafficPolicy", policy,
                             "ExternalTrafficPolicy must be empty, Cluster or Local");
    if (kst_read_int(value, "healthCheckNodePort") < 0)
        kst_say_invalid_int(spec, "healthCheckNodePort", kst_read_int(value, "healthCheckNodePort"),
                            "HealthCheckNodePort must be not less than 0");
}

void kst_validate_service(const struct kst_place *top, const struct kst_json *object,
                          const struct kst_json *old)
{
    static const char types[] = "ClusterIP ExternalName LoadBalancer NodePort";
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place ports = kst_place_field(&spec, "ports");
    struct kst_place selector = kst_place_field(&spec, "selector");
    const struct kst_json *value = kst_json_get(object, "spec"),
                          *list = kst_json_get(value, "ports");
    const char *type = kst_read_text(value, "type");
    int i = 0, j = 0;
    if (old)
        check_service_update(&spec, value, kst_json_get(old, "spec"));
    if (kst_json_len(list) == 0 && !is_headless(value) && !is(type, "ExternalName"))
        kst_say_required(&ports, "", "");
    check_type(&spec, value);
    for (EACH(port, list)) {
        struct kst_place at = kst_place_index(&ports, i++);
        check_port(&at, list, port);
    }
    kst_check_labels(&selector, kst_json_get(value, "selector"));
    check_affinity(&spec, value);
    if (!is(type, "ExternalName"))
        check_cluster_ips(&spec, value);
    check_external_ips(&spec, kst_json_get(value, "externalIPs"));
    if (!*type)
        kst_say_required(&spec, "type", "");
    else if (!kst_is_one_of(type, types))
        kst_say_unsupported(&spec, "type", type, types);
    for (EACH(port, list)) {
        struct kst_place at = kst_place_index(&ports, j++);
        if (is(type, "ClusterIP") && kst_read_int(port, "nodePort") != 0)
            kst_say_forbidden(&at, "nodePort", "may not be used when `type` is 'ClusterIP'");
    }
    check_repeated_ports(&ports, list);
    check_load_balancer(&spec, value);
}

/* ---- Endpoints ---- */

static void check_address(const struct kst_place *at, const struct kst_json *address)
{
    const char *ip = kst_read_text(address, "ip");
    kst_check_text(at, "ip", KST_TEXT_IP, ip);
    if (*kst_read_text(address, "hostname"))
        kst_check_text(at, "hostname", KST_TEXT_LABEL, kst_read_text(address, "hostname"));
    if (kst_has(address, "nodeName"))
        kst_check_text(at, "nodeName", KST_TEXT_SUBDOMAIN, kst_read_text(address, "nodeName"));
    check_special(at, "ip", ip);
}

static void check_subset(const struct kst_place *at, const struct kst_json *subset)
{
    static const char *const lists[] = {"addresses", "notReadyAddresses"};
    struct kst_place ports = kst_place_field(at, "ports");
    const struct kst_json *list = kst_json_get(subset, "ports");
    size_t count = 0;
    int j = 0;
    for (size_t k = 0; k < KST_ARRAY_LEN(lists); k++)
        count += kst_json_len(kst_json_get(subset, lists[k]));
    if (!count)
        kst_say_required(at, "", "must specify `addresses` or `notReadyAddresses`");
    for (size_t k = 0; k < KST_ARRAY_LEN(lists); k++) {
        struct kst_place addresses = kst_place_field(at, lists[k]);
        int i = 0;
        for (EACH(address, kst_json_get(subset, lists[k]))) {
            struct kst_place one = kst_place_index(&addresses, i++);
            check_address(&one, address);
        }
    }
    for (EACH(port, list)) {
        struct kst_place one = kst_place_index(&ports, j++);
        const char *name = kst_read_text(port, "name");
        if (*name)
            kst_check_text(&one, "name", KST_TEXT_LABEL, name);
        else if (kst_json_len(list) > 1)
            kst_say_required(&one, "name", "");
        kst_check_port(&one, "port", kst_read_int(port, "port"));
        check_protocol(&one, kst_read_text(port, "protocol"));
    }
}

void kst_validate_endpoints(const struct kst_place *top, const struct kst_json *object,
                            const struct kst_json *old)
{
    struct kst_place subsets = kst_place_field(top, "subsets");
    int i = 0;
    for (EACH(subset, kst_json_get(object, "subsets"))) {
        struct kst_place at = kst_place_index(&subsets, i++);
        check_subset(&at, subset);
    }
}

/* ---- NetworkPolicy ---- */

static bool within(const unsigned char *inner, const unsigned char *outer, int bits)
{
    int whole = bits / 8, rest = bits % 8;
    unsigned char mask = (unsigned char)(0xff00 >> rest);
    return memcmp(inner, outer, (size_t)whole) == 0 &&
           (!rest || ((inner[whole] ^ outer[whole]) & mask) == 0);
}

static void check_block(const struct kst_place *at, const struct kst_json *block)
{
    unsigned char all[16], some[16];
    int family, other, i = 0;
    const char *cidr = kst_read_text(block, "cidr");
    int bits = read_cidr(cidr, all, &family);
    struct kst_place except = kst_place_field(at, "except");
    if (!*cidr)
        kst_say_required(at, "cidr", "");
    else if (bits < 0)
        kst_say_invalid_text(at, "cidr", cidr, "not a valid CIDR");
    for (EACH(e, bits < 0 ? NULL : kst_json_get(block, "except"))) {
        struct kst_place one = kst_place_index(&except, i++);
        const char *text = kst_json_str(e) ? kst_json_str(e) : "";
        int more = read_cidr(text, some, &other);
        if (more < 0) {
            kst_say_invalid_text(&one, "", text, "not a valid CIDR");
            return;
        }
        if (other != family || more <= bits || !within(some, all, bits))
            kst_say_invalid_text(&one, "", text, "must be a strict subset of `cidr`");
    }
}

static void check_peer(const struct kst_place *at, const struct kst_json *peer)
{
    static const char *const selectors[] = {"podSelector", "namespaceSelector"};
    struct kst_place block = kst_place_field(at, "ipBlock");
    int count = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(selectors); i++) {
        struct kst_place place = kst_place_field(at, selectors[i]);
        count += kst_has(peer, selectors[i]);
        kst_check_selector(&place, kst_json_get(peer, selectors[i]));
    }
    if (kst_has(peer, "ipBlock"))
        check_block(&block, kst_json_get(peer, "ipBlock"));
    else if (!count)
        kst_say_required(at, "", "must specify a peer");
    if (kst_has(peer, "ipBlock") && count)
        kst_say_forbidden(at, "", "may not specify both ipBlock and another peer");
}

static void check_rules(const struct kst_place *spec, const char *field, const char *peers,
                        const struct kst_json *list)
{
    struct kst_place place = kst_place_field(spec, field);
    int i = 0;
    for (EACH(rule, list)) {
        struct kst_place at = kst_place_index(&place, i++);
        struct kst_place ports = kst_place_field(&at, "ports"), side = kst_place_field(&at, peers);
        int j = 0, k = 0;
        for (EACH(port, kst_json_get(rule, "ports"))) {
            struct kst_place one = kst_place_index(&ports, j++);
            const char *protocol = kst_read_text(port, "protocol");
            if (*protocol && !kst_is_one_of(protocol, "TCP UDP SCTP"))
                kst_say_unsupported(&one, "protocol", protocol, "TCP UDP SCTP");
            if (kst_has(port, "port"))
                kst_check_port_or_name(&one, "port", kst_json_get(port, "port"));
        }
        for (EACH(peer, kst_json_get(rule, peers))) {
            struct kst_place one = kst_place_index(&side, k++);
            check_peer(&one, peer);
        }
    }
}

void kst_validate_network_policy(const struct kst_place *top, const struct kst_json *object,
                                 const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place selector = kst_place_field(&spec, "podSelector");
    struct kst_place types = kst_place_field(&spec, "policyTypes");
    const struct kst_json *value = kst_json_get(object, "spec");
    int i = 0;
    kst_check_selector(&selector, kst_json_get(value, "podSelector"));
    check_rules(&spec, "ingress", "from", kst_json_get(value, "ingress"));
    check_rules(&spec, "egress", "to", kst_json_get(value, "egress"));
    for (EACH(type, kst_json_get(value, "policyTypes"))) {
        struct kst_place at = kst_place_index(&types, i++);
        const char *text = kst_json_str(type) ? kst_json_str(type) : "";
        if (!kst_is_one_of(text, "Ingress Egress"))
            kst_say_unsupported(&at, "", text, "Ingress Egress");
    }
}

/* ---- Ingress ---- */

static void check_host(const struct kst_place *at, const char *field, const char *host)
{
    kst_check_text(at, field, strchr(host, '*') ? KST_TEXT_WILDCARD : KST_TEXT_SUBDOMAIN, host);
}

static void check_backend(const struct kst_place *at, const struct kst_json *backend)
{
    struct kst_place service = kst_place_field(at, "service");
    struct kst_place port = kst_place_field(&service, "port");
    const struct kst_json *value = kst_json_get(backend, "service");
    const char *name = kst_read_text(value, "name"), *port_name = kst_read_text(value, "port.name");
    int64_t number = kst_read_int(value, "port.number");
    if (kst_has(backend, "resource") && kst_has(backend, "service")) {
        kst_say_invalid_text(at, "", "", "cannot set both resource and service backends");
        return;
    }
    if (kst_has(backend, "resource"))
        return;
    if (!kst_has(backend, "service")) {
        kst_say_invalid_text(at, "", "", "resource or service backend is required");
        return;
    }
    if (!*name)
        kst_say_required(&service, "name", "");
    else
        kst_check_text(&service, "name", KST_TEXT_DNS1035, name);
    if (*port_name && number)
        kst_say_invalid_text(at, "", "", "cannot set both port name & port number");
    else if (*port_name)
        kst_check_text(&port, "name", KST_TEXT_PORT_NAME, port_name);
    else if (number)
        kst_check_port(&port, "number", number);
    else
        kst_say_required(at, "", "port name or number is required");
}

/* Sequences that would mean another path than the one that is written. */
static void check_sequences(const struct kst_place *at, const char *path)
{
    static const char *const anywhere[] = {"//", "/./", "/../", "%2f", "%2F"};
    static const char *const last[] = {"/..", "/."};
    for (size_t i = 0; i < KST_ARRAY_LEN(anywhere); i++) {
        kst_auto_free char *why = kst_asprintf("must not contain '%s'", anywhere[i]);
        if (strstr(path, anywhere[i]))
            kst_say_invalid_text(at, "path", path, why);
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(last); i++) {
        kst_auto_free char *why = kst_asprintf("cannot end with '%s'", last[i]);
        size_t len = strlen(path), end = strlen(last[i]);
        if (len >= end && is(path + len - end, last[i]))
            kst_say_invalid_text(at, "path", path, why);
    }
}

static void check_path(const struct kst_place *at, const struct kst_json *value)
{
    static const char types[] = "Exact ImplementationSpecific Prefix";
    const char *path = kst_read_text(value, "path"), *type = kst_read_text(value, "pathType");
    struct kst_place backend = kst_place_field(at, "backend");
    if (!kst_has(value, "pathType"))
        kst_say_required(at, "pathType", "pathType must be specified");
    else if (!kst_is_one_of(type, types))
        kst_say_unsupported(at, "pathType", type, types);
    else if (*path != '/' && (*path || kst_is_one_of(type, "Exact Prefix")))
        kst_say_invalid_text(at, "path", path, "must be an absolute path");
    else if (kst_is_one_of(type, "Exact Prefix"))
        check_sequences(at, path);
    check_backend(&backend, kst_json_get(value, "backend"));
}

static void check_ingress_rule(const struct kst_place *at, const struct kst_json *rule)
{
    const char *host = kst_read_text(rule, "host");
    struct kst_place http = kst_place_field(at, "http"), paths = kst_place_field(&http, "paths");
    const struct kst_json *list = kst_json_path(rule, "http.paths");
    kst_auto_json struct kst_json *no_ip = kst_text_wrong(KST_TEXT_IP, host);
    int i = 0;
    if (*host && !no_ip)
        kst_say_invalid_text(at, "host", host, "must be a DNS name, not an IP address");
    if (*host)
        check_host(at, "host", host);
    if (kst_has(rule, "http") && kst_json_len(list) == 0)
        kst_say_required(&paths, "", "");
    for (EACH(path, list)) {
        struct kst_place one = kst_place_index(&paths, i++);
        check_path(&one, path);
    }
}

void kst_validate_ingress(const struct kst_place *top, const struct kst_json *object,
                          const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place rules = kst_place_field(&spec, "rules"), tls = kst_place_field(&spec, "tls");
    struct kst_place backend = kst_place_field(&spec, "defaultBackend");
    const struct kst_json *value = kst_json_get(object, "spec");
    const struct kst_json *list = kst_json_get(value, "rules");
    int i = 0, j = 0;
    if (kst_json_len(list) == 0 && !kst_has(value, "defaultBackend"))
        kst_say_invalid(&spec, "", "[]networking.IngressRule(nil)",
                        "either `defaultBackend` or `rules` must be specified");
    if (kst_has(value, "defaultBackend"))
        check_backend(&backend, kst_json_get(value, "defaultBackend"));
    for (EACH(rule, list)) {
        struct kst_place at = kst_place_index(&rules, i++);
        check_ingress_rule(&at, rule);
    }
    for (EACH(one, kst_json_get(value, "tls"))) {
        struct kst_place at = kst_place_index(&tls, j++), hosts = kst_place_field(&at, "hosts");
        int k = 0;
        for (EACH(host, kst_json_get(one, "hosts"))) {
            struct kst_place place = kst_place_index(&hosts, k++);
            check_host(&place, "", kst_json_str(host) ? kst_json_str(host) : "");
        }
        if (*kst_read_text(one, "secretName"))
            kst_check_text(&at, "secretName", KST_TEXT_SUBDOMAIN, kst_read_text(one, "secretName"));
    }
    if (kst_has(value, "ingressClassName"))
        kst_check_text(&spec, "ingressClassName", KST_TEXT_SUBDOMAIN,
                       kst_read_text(value, "ingressClassName"));
}
