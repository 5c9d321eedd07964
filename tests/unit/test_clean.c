/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object's second life: what an API server and its controllers have made of a manifest is read,
 * cleaned, and created again. The two lives must be the same, and nothing that the user wrote may
 * be lost on the way.
 */
#include "app/restore/clean.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cluster_fixture.h"
#include "sandbox/api/api.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"

enum { FILE_BYTES = 4 * 1024 * 1024 };

static const struct kst_clean_options plain = {0};

static struct kst_json *read_yaml(const char *path)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    struct kst_json *all = NULL;
    assert_int_equal(kst_buf_read_file(&text, path, NULL), 0);
    assert_int_equal(kst_yaml_parse_all(text.data, text.len, &all, NULL), 0);
    return all;
}

/* The manifests of this test, and those of the test of defaults; the caller frees them. */
static struct kst_json *manifests(void)
{
    struct kst_json *all = read_yaml("tests/unit/clean_lives.yaml");
    kst_auto_json struct kst_json *files = read_yaml("tests/unit/builtin_defaults.json");
    const struct kst_json *c = kst_json_first(kst_json_at(files, 0));
    for (; c; c = kst_json_next(c)) {
        struct kst_json *manifest = kst_json_dup(kst_json_get(c, "input"));
        kst_json_remove(manifest, "status");
        kst_json_push(all, manifest);
    }
    return all;
}

/* ---- two lives ---- */

static const struct kst_resource *resource_of(struct cluster *cluster,
                                              const struct kst_json *object)
{
    return kst_registry_find_kind(kst_api_registry(cluster->api),
                                  kst_json_path_str(object, "apiVersion"),
                                  kst_json_path_str(object, "kind"));
}

static struct kst_api_call call_for(const struct kst_resource *resource, const char *name)
{
    return (struct kst_api_call){
        .resource = resource,
        .ns = resource->flags & KST_RES_NAMESPACED ? "default" : "",
        .name = name,
        .manager = "test",
    };
}

/* Creates it, lets the controllers have it, and reads it. */
static struct kst_json *live(struct cluster *cluster, const struct kst_json *manifest)
{
    const struct kst_resource *resource = resource_of(cluster, manifest);
    struct kst_api_call call = call_for(resource, NULL);
    kst_auto_json struct kst_json *refusal = kst_api_create(cluster->api, &call,
                                                            kst_json_dup(manifest), NULL);
    if (refusal) {
        kst_auto_free char *text = kst_json_text(manifest);
        fail_msg("%s: %s", text, kst_status_message(refusal));
    }
    cluster_settle(cluster);
    struct kst_json *object = NULL;
    call.name = kst_json_path_str(manifest, "metadata.name");
    assert_null(kst_api_get(cluster->api, &call, &object));
    return object;
}

static void die(struct cluster *cluster, const struct kst_json *object)
{
    const struct kst_api_call call = call_for(resource_of(cluster, object),
                                              kst_json_path_str(object, "metadata.name"));
    const struct kst_api_delete options = {.propagation = "Background", .grace_seconds = 0};
    kst_json_free(kst_api_delete(cluster->api, &call, &options, NULL));
    cluster_settle(cluster);
    struct kst_json *left = NULL;
    kst_json_free(kst_api_get(cluster->api, &call, &left));
    if (left) { /* what waits for a finalizer */
        kst_auto_json struct kst_json *patch = kst_json_make("{'metadata':{'finalizers':null}}");
        kst_json_free(
            kst_api_patch(cluster->api, &call, KST_API_PATCH_MERGE, patch, false, NULL, NULL));
        kst_json_free(left);
        cluster_settle(cluster);
    }
}

/* What the server kept of the user's in the first life is there in the second. */
static void has_kept(const char *about, const struct kst_json *wrote, const struct kst_json *kept,
                     const struct kst_json *second)
{
    if (kst_json_len(wrote) == 0) {
        if (kst_json_equal(wrote, kept) && !kst_json_equal(wrote, second)) {
            kst_auto_free char *text = kst_json_text(wrote);
            fail_msg("%s: %s is lost", about, text);
        }
        return;
    }
    size_t index = 0;
    for (const struct kst_json *e = kst_json_first(wrote); e; e = kst_json_next(e), index++) {
        const char *key = kst_json_key(e);
        kst_auto_free char *inner = key ? kst_asprintf("%s.%s", about, key)
                                        : kst_asprintf("%s.%zu", about, index);
        has_kept(inner, e, key ? kst_json_get(kept, key) : kst_json_at(kept, index),
                 key ? kst_json_get(second, key) : kst_json_at(second, index));
    }
}

static void is_same(const char *about, const struct kst_json *a, const struct kst_json *b)
{
    kst_auto_free char *difference = kst_clean_difference(a, b);
    if (difference || kst_clean_hash(a) != kst_clean_hash(b)) {
        kst_auto_free char *one = kst_json_text(a), *two = kst_json_text(b);
        fail_msg("%s: %s:\n%s\n%s", about, difference ? difference : "the hash", one, two);
    }
}

/* What is dropped of a manifest, because it is about the old life also where a user wrote it. */
static void forget(struct kst_json *manifest)
{
    kst_json_remove(kst_json_mut(manifest, "spec"), "dataSource");
    if (kst_json_get(kst_json_path(manifest, "metadata"), "finalizers") &&
        strcmp(kst_json_path_str(manifest, "kind"), "Service") == 0)
        kst_json_remove(kst_json_mut(manifest, "metadata"), "finalizers");
}

static void live_twice(struct cluster *cluster, struct kst_json *manifest)
{
    kst_auto_free char *about = kst_asprintf("%s/%s", kst_json_path_str(manifest, "kind"),
                                             kst_json_path_str(manifest, "metadata.name"));
    kst_auto_json struct kst_json *first = live(cluster, manifest);
    kst_auto_json struct kst_json *cleaned = kst_json_dup(first);
    kst_clean(cleaned, &plain);
    assert_null(kst_json_path(cleaned, "metadata.uid"));
    assert_null(kst_json_path(cleaned, "metadata.resourceVersion"));
    assert_null(kst_json_path(cleaned, "metadata.managedFields"));
    die(cluster, first);
    kst_auto_json struct kst_json *second = live(cluster, cleaned);
    assert_string_not_equal(kst_json_path_str(first, "metadata.uid"),
                            kst_json_path_str(second, "metadata.uid"));
    forget(manifest);
    has_kept(about, manifest, first, second);
    kst_clean(second, &plain);
    is_same(about, cleaned, second);
    die(cluster, second);
}

/* Those of which a second life makes no sense, or that are the cluster's own. */
static bool is_left_out(const struct kst_json *manifest)
{
    static const char *const kinds[] = {"Node"};
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++)
        if (strcmp(kst_json_path_str(manifest, "kind"), kinds[i]) == 0)
            return true;
    return false;
}

static void all_lives(struct cluster *cluster)
{
    kst_auto_json struct kst_json *all = manifests();
    kst_auto_json struct kst_json *seen = kst_json_object();
    cluster_load(cluster, "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\n"
                          "metadata: {name: important}\nvalue: 1000\n");
    for (size_t i = 0; i < kst_json_len(all); i++) {
        struct kst_json *manifest = kst_json_mut_at(all, i);
        if (!resource_of(cluster, manifest) || is_left_out(manifest))
            continue;
        kst_json_set_bool(seen, kst_json_path_str(manifest, "kind"), true);
        live_twice(cluster, manifest);
    }
    const struct kst_resource *r;
    for (size_t i = 0; (r = kst_registry_at(kst_api_registry(cluster->api), i)); i++)
        if (!(r->flags & (KST_RES_CREATE_ONLY | KST_RES_READ_ONLY | KST_RES_CUSTOM))) {
            kst_auto_json struct kst_json *example = kst_json_make("{'apiVersion':%s,'kind':%s}",
                                                                   r->api_version, r->kind);
            if (!kst_json_get(seen, r->kind) && !kst_clean_skip(example))
                fail_msg("no %s has lived twice", r->kind);
        }
}

static void lives(void **state)
{
    cluster_run(false, all_lives);
}

/* ---- what the embedded cluster does not do ---- */

static bool keeps(const struct kst_json *c, const char *what)
{
    const struct kst_json *k = kst_json_first(kst_json_get(c, "keep"));
    for (; k; k = kst_json_next(k))
        if (strcmp(kst_json_str(k), what) == 0)
            return true;
    return false;
}

static void cases(void **state)
{
    kst_auto_json struct kst_json *files = read_yaml("tests/unit/clean_cases.yaml");
    const struct kst_json *all = kst_json_at(files, 0);
    assert_true(kst_json_len(all) > 20);
    for (const struct kst_json *c = kst_json_first(all); c; c = kst_json_next(c)) {
        const struct kst_clean_options options = {
            .keep_node_ports = keeps(c, "nodePorts"),
            .keep_cluster_ips = keeps(c, "clusterIPs"),
            .keep_status = keeps(c, "status"),
        };
        kst_auto_json struct kst_json *object = kst_json_dup(kst_json_get(c, "object"));
        /* Clean objects stay as they are, but for what only the managers of a life tell. */
        int most = kst_json_path(object, "metadata.managedFields") ? 1 : 2;
        for (int times = 0; times < most; times++) {
            kst_clean(object, &options);
            if (!kst_json_equal(object, kst_json_get(c, "cleaned"))) {
                kst_auto_free char *text = kst_json_text(object);
                fail_msg("%s: %s", kst_json_path_str(c, "about"), text);
            }
        }
    }
}

/* ---- what is not restored ---- */

static void skips(void **state)
{
    static const struct {
        const char *object; /* with ' for " */
        bool skipped;
    } rows[] = {
        {"{'apiVersion':'v1','kind':'Pod','status':{'phase':'Succeeded'}}", true},
        {"{'apiVersion':'v1','kind':'Pod','status':{'phase':'Failed'}}", true},
        {"{'apiVersion':'v1','kind':'Pod','status':{'phase':'Running'}}", false},
        {"{'apiVersion':'v1','kind':'Pod','metadata':{'annotations':"
         "{'kubernetes.io/config.mirror':'x'}}}",
         true},
        {"{'apiVersion':'batch/v1','kind':'Job','status':{'conditions':"
         "[{'type':'Complete','status':'True'}]}}",
         true},
        {"{'apiVersion':'batch/v1','kind':'Job','status':{'conditions':"
         "[{'type':'Failed','status':'True'}]}}",
         true},
        {"{'apiVersion':'batch/v1','kind':'Job','status':{'conditions':"
         "[{'type':'Suspended','status':'True'},{'type':'Failed','status':'False'}]}}",
         false},
        {"{'apiVersion':'v1','kind':'Secret','type':'kubernetes.io/service-account-token',"
         "'metadata':{'name':'db-token-x7xk2','annotations':"
         "{'kubernetes.io/service-account.name':'db'}}}",
         true},
        {"{'apiVersion':'v1','kind':'Secret','type':'kubernetes.io/service-account-token',"
         "'metadata':{'name':'mine','annotations':{'kubernetes.io/service-account.name':'db'}}}",
         false},
        {"{'apiVersion':'v1','kind':'Secret','type':'Opaque','metadata':{'name':'db-token-x7xk2',"
         "'annotations':{'kubernetes.io/service-account.name':'db'}}}",
         false},
        {"{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'kube-root-ca.crt'}}", true},
        {"{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'}}", false},
        {"{'apiVersion':'v1','kind':'ServiceAccount','metadata':{'name':'default'}}", false},
        {"{'apiVersion':'v1','kind':'Endpoints','subsets':[{'addresses':[{'ip':'10.0.0.1',"
         "'targetRef':{'kind':'Pod','name':'a'}}]}]}",
         true},
        {"{'apiVersion':'v1','kind':'Endpoints','metadata':{'labels':"
         "{'endpoints.kubernetes.io/managed-by':'endpoint-controller'}}}",
         true},
        {"{'apiVersion':'v1','kind':'Endpoints','subsets':[{'addresses':[{'ip':'10.0.0.1'}]}]}",
         false},
        {"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{'labels':"
         "{'endpointslice.kubernetes.io/managed-by':'endpointslice-controller.k8s.io'}}}",
         true},
        {"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{'labels':"
         "{'endpointslice.kubernetes.io/managed-by':'staff'}}}",
         false},
        {"{'apiVersion':'v1','kind':'Event'}", true},
        {"{'apiVersion':'events.k8s.io/v1','kind':'Event'}", true},
        {"{'apiVersion':'example.com/v1','kind':'Event'}", false},
        {"{'apiVersion':'coordination.k8s.io/v1','kind':'Lease'}", true},
        {"{'apiVersion':'v1','kind':'Node'}", true},
        {"{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshot'}", true},
        {"{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshotClass'}", false},
        {"{'apiVersion':'apiregistration.k8s.io/v1','kind':'APIService','metadata':{'labels':"
         "{'kube-aggregator.kubernetes.io/automanaged':'true'}}}",
         true},
        {"{'apiVersion':'apiregistration.k8s.io/v1','kind':'APIService'}", false},
        {"{'apiVersion':'scheduling.k8s.io/v1','kind':'PriorityClass','metadata':"
         "{'name':'system-node-critical'}}",
         true},
        {"{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'ClusterRole','metadata':{'labels':"
         "{'kubernetes.io/bootstrapping':'rbac-defaults'}}}",
         true},
        {"{'apiVersion':'v1','kind':'Service','metadata':{'name':'kubernetes',"
         "'namespace':'default'}}",
         true},
        {"{'apiVersion':'v1','kind':'Service','metadata':{'name':'kubernetes','namespace':'n'}}",
         false},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *object = kst_json_make(rows[i].object);
        const char *reason = kst_clean_skip(object);
        if (!reason != !rows[i].skipped)
            fail_msg("%s: %s", rows[i].object, reason ? reason : "is not skipped");
    }
}

/* ---- same and different ---- */

static void differences(void **state)
{
    static const struct {
        const char *wanted, *found, *difference; /* NULL: the same */
    } rows[] = {
        {"{'apiVersion':'batch/v1beta1','kind':'CronJob','spec':{'a':1,'b':[1,2]}}",
         "{'kind':'CronJob','spec':{'b':[1,2],'a':1,'suspend':false},'apiVersion':'batch/v1'}",
         NULL},
        {"{'apiVersion':'apps/v1','kind':'Deployment','spec':{'replicas':3}}",
         "{'apiVersion':'apps/v1','kind':'Deployment','spec':{'replicas':1}}",
         "spec.replicas: 3, now 1"},
        {"{'apiVersion':'apps/v1','kind':'Deployment','spec':{}}",
         "{'apiVersion':'apps/v1','kind':'Deployment','spec':{'paused':true}}",
         "spec.paused: absent, now true"},
        {"{'apiVersion':'apps/v1','kind':'Deployment'}",
         "{'apiVersion':'extensions/v1beta1','kind':'Deployment'}",
         "apiVersion: \"apps/v1\", now \"extensions/v1beta1\""},
        {"{'apiVersion':'v1','kind':'Pod','metadata':{'labels':{'a.b/c':'x'},"
         "'ownerReferences':[{'uid':'1'}]},'status':{'a':1}}",
         "{'apiVersion':'v1','kind':'Pod','metadata':{'labels':{'a.b/c':'y'}}}",
         "metadata.labels[\"a.b/c\"]: \"x\", now \"y\""},
        {"{'apiVersion':'v1','kind':'Pod','metadata':{'ownerReferences':[{'uid':'1'}],"
         "'annotations':{'kubectl.kubernetes.io/last-applied-configuration':'x'}},'status':{}}",
         "{'apiVersion':'v1','kind':'Pod','spec':{'a':{'b':{},'c':null,'d':[]}}}", NULL},
        {"{'apiVersion':'v1','kind':'Pod','spec':{'containers':[{'name':'a'},{'name':'b'}]}}",
         "{'apiVersion':'v1','kind':'Pod','spec':{'containers':[{'name':'a'},{'name':'c'}]}}",
         "spec.containers[1].name: \"b\", now \"c\""},
        {"{'apiVersion':'v1','kind':'Pod','spec':{'containers':[{'name':'a'},{}]}}",
         "{'apiVersion':'v1','kind':'Pod','spec':{'containers':[{'name':'a'}]}}",
         "spec.containers[1]: {}, now absent"},
        {"{'apiVersion':'v1','kind':'Pod','spec':{'containers':[{'env':[{'name':'A',"
         "'value':'x'}]}]}}",
         "{'apiVersion':'v1','kind':'Pod','spec':{'containers':[{'env':[{'name':'A',"
         "'value':'y'}]}]}}",
         "spec.containers[0].env[0].value differs"},
        {"{'apiVersion':'v1','kind':'Secret','data':{'password':'c2VjcmV0'}}",
         "{'apiVersion':'v1','kind':'Secret','data':{'password':'b3RoZXI='}}",
         "data.password differs"},
        {"{'apiVersion':'v1','kind':'Secret','data':{'password':'c2VjcmV0'}}",
         "{'apiVersion':'v1','kind':'Secret','type':'Opaque'}", "data is absent now"},
        {"{'apiVersion':'v1','kind':'Secret'}",
         "{'apiVersion':'v1','kind':'Secret','stringData':{'password':'secret'}}",
         "stringData is there now"},
        {"{'apiVersion':'v1','kind':'Pod','spec':{'containers':[{'env':[{'name':'A',"
         "'value':'secret'}]}]}}",
         "{'apiVersion':'v1','kind':'Pod','spec':{'containers':[{'env':[]}]}}",
         "spec.containers[0].env[0]: {\"name\":\"A\",…}, now absent"},
        {"{'apiVersion':'v1','kind':'Pod','spec':{'containers':[{'name':'a','env':1}]}}",
         "{'apiVersion':'v1','kind':'Pod'}", "spec: {…}, now absent"},
        {"{'apiVersion':'v1','kind':'Secret','metadata':{'labels':{'type':'Opaque'}}}",
         "{'apiVersion':'v1','kind':'Secret','metadata':{'labels':{'a':'b'}}}",
         "metadata.labels.type: \"Opaque\", now absent"},
        {"{'apiVersion':'example.com/v1','kind':'A','spec':{'n':1}}",
         "{'apiVersion':'example.com/v1','kind':'A','spec':{'n':1.0}}", "spec.n: 1, now 1.0"},
        {"{'apiVersion':'example.com/v1','kind':'A','spec':{}}",
         "{'apiVersion':'example.com/v1','kind':'A','spec':{'suspend':false}}",
         "spec.suspend: absent, now false"},
        {"{'apiVersion':'networking.k8s.io/v1','kind':'NetworkPolicy','spec':{'ingress':[{'from':"
         "[{'podSelector':{},'namespaceSelector':{}}]}]}}",
         "{'apiVersion':'networking.k8s.io/v1','kind':'NetworkPolicy','spec':{'ingress':[{'from':"
         "[{'podSelector':{}}]}]}}",
         "spec.ingress[0].from[0].namespaceSelector: {}, now absent"},
        {"{'apiVersion':'v1','kind':'Pod','spec':{'initContainers':[{'restartPolicy':'Always'}],"
         "'restartPolicy':'Always'}}",
         "{'apiVersion':'v1','kind':'Pod','spec':{'initContainers':[{}]}}",
         "spec.initContainers[0].restartPolicy: \"Always\", now absent"},
        {"{'apiVersion':'v1','kind':'ConfigMap','data':{'a':"
         "'0123456789012345678901234567890123456789012345678901234567éé'}}",
         "{'apiVersion':'v1','kind':'ConfigMap','data':{'a':'b'}}",
         "data.a: \"0123456789012345678901234567890123456789012345678901234567…, now \"b\""},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *wanted = kst_json_make(rows[i].wanted);
        kst_auto_json struct kst_json *found = kst_json_make(rows[i].found);
        kst_auto_free char *got = kst_clean_difference(wanted, found);
        const char *expected = rows[i].difference;
        if (!got != !expected || (got && strcmp(got, expected) != 0))
            fail_msg("%s: \"%s\" instead of \"%s\"", rows[i].wanted, got ? got : "none",
                     expected ? expected : "none");
        assert_true((kst_clean_hash(wanted) == kst_clean_hash(found)) == !expected);
    }
}

/* An object from a server of 1.20 against the same on one of 1.33. */
static void newer_servers(void **state)
{
    kst_auto_json struct kst_json *was = kst_json_make(
        "{'apiVersion':'apps/v1','kind':'StatefulSet','metadata':{'name':'a'},'spec':{"
        "'serviceName':'a','volumeClaimTemplates':[{'metadata':{'name':'d'}}]}}");
    kst_auto_json struct kst_json *is_now = kst_json_make(
        "{'apiVersion':'apps/v1','kind':'StatefulSet','metadata':{'name':'a'},'spec':{"
        "'serviceName':'a','replicas':1,'persistentVolumeClaimRetentionPolicy':{'whenDeleted':"
        "'Retain','whenScaled':'Retain'},'volumeClaimTemplates':[{'apiVersion':'v1','kind':"
        "'PersistentVolumeClaim','metadata':{'name':'d'}}]}}");
    is_same("StatefulSet", was, is_now);
    kst_json_set_str(kst_json_mut(kst_json_mut(is_now, "spec"),
                                  "persistentVolumeClaimRetentionPolicy"),
                     "whenScaled", "Delete");
    kst_auto_free char *difference = kst_clean_difference(was, is_now);
    assert_non_null(difference);
    assert_true(kst_clean_hash(was) != kst_clean_hash(is_now));
}

/* ---- objects come from anybody ---- */

static void replace_all(struct kst_json *value, const struct kst_json *by, int depth)
{
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(value); e; e = next) {
        next = kst_json_next_mut(e);
        if (depth > 0 && kst_json_len(e) > 0)
            replace_all(e, by, depth - 1);
        else if (!kst_json_key(e) || strcmp(kst_json_key(e), "kind") != 0)
            kst_json_replace(value, e, kst_json_dup(by));
    }
}

static void wrong_types(void **state)
{
    kst_auto_json struct kst_json *files = read_yaml("tests/unit/clean_cases.yaml");
    kst_auto_json struct kst_json *values = kst_json_make(
        "[null, 7, 'x', '', true, [], [1,'a',null,{'x':[]}], {}, {'a':{'b':1}}, [[]], [{}]]");
    const struct kst_json *c = kst_json_first(kst_json_at(files, 0));
    for (; c; c = kst_json_next(c))
        for (size_t i = 0; i < kst_json_len(values) * 6; i++) {
            kst_auto_json struct kst_json *object = kst_json_dup(kst_json_get(c, "object"));
            const struct kst_json *by = kst_json_at(values, i / 6);
            if (i % 6 < 5)
                replace_all(object, by, (int)(i % 6 + 1));
            kst_json_set(object, "apiVersion", kst_json_dup(kst_json_path(c, "object.apiVersion")));
            kst_auto_json struct kst_json *cleaned = i % 6 < 5 ? kst_json_dup(object)
                                                               : kst_json_dup(by);
            kst_clean(cleaned, &plain);
            kst_clean_skip(object);
            free(kst_clean_difference(object, cleaned));
            is_same("itself", cleaned, cleaned);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives),         cmocka_unit_test(cases),
        cmocka_unit_test(skips),         cmocka_unit_test(differences),
        cmocka_unit_test(newer_servers), cmocka_unit_test(wrong_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
