/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "fake_http.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube_fixture.h"
#include "loop/fiber.h"

/* ---- A server with few resources, in each form of discovery ---- */

struct world {
    bool aggregated;
    bool late; /* the group "late.io" is there from the second reading on */
    unsigned readings, requests;
    int (*run)(struct kst_kube *kube, struct world *world, struct kst_err **err);
};

/* clang-format off */
#define AGGREGATED(items)                                                                     \
    "{'kind':'APIGroupDiscoveryList','apiVersion':'apidiscovery.k8s.io/v2','items':[" items "]}"
#define GROUP(name, versions) "{'metadata':{'name':'" name "'},'versions':[" versions "]}"
#define VERSION(name, resources)                                                              \
    "{'version':'" name "','freshness':'Current','resources':[" resources "]}"
#define RESOURCE(plural, kind, singular, scope, more)                                         \
    "{'resource':'" plural "','responseKind':{'group':'','version':'','kind':'" kind "'},"    \
    "'scope':'" scope "','singularResource':'" singular "',"                                  \
    "'verbs':['get','list','watch']" more "}"
#define SHORT(name) ",'shortNames':['" name "']"

/* All texts here have ' for ". */
static const char core_aggregated[] = AGGREGATED(
    GROUP("", VERSION("v1",
        RESOURCE("pods", "Pod", "pod", "Namespaced",
                 SHORT("po") ",'subresources':[{'subresource':'status'}]") ","
        RESOURCE("events", "Event", "event", "Namespaced", SHORT("ev")) ","
        RESOURCE("nodes", "Node", "node", "Cluster", ""))));

static const char groups_aggregated[] = AGGREGATED(
    GROUP("apps", VERSION("v1",
        RESOURCE("deployments", "Deployment", "deployment", "Namespaced", SHORT("deploy")))) ","
    GROUP("events.k8s.io", VERSION("v1",
        RESOURCE("events", "Event", "event", "Namespaced", SHORT("ev")))) ","
    GROUP("batch",
        VERSION("v1", RESOURCE("jobs", "Job", "job", "Namespaced", "")) ","
        VERSION("v1beta1", RESOURCE("jobs", "Job", "job", "Namespaced", "") ","
            RESOURCE("cronjobs", "CronJob", "cronjob", "Namespaced", SHORT("cj")))) ","
    GROUP("down.io", "{'version':'v1','freshness':'Stale','resources':[]}"));

static const char late_aggregated[] = AGGREGATED(
    GROUP("late.io", VERSION("v1", RESOURCE("comers", "Comer", "comer", "Namespaced", ""))));

#define LISTED(name, kind, namespaced, more)                                                  \
    "{'name':'" name "','kind':'" kind "','namespaced':" namespaced ",'singularName':''" more "}"
#define VERBS ",'verbs':['get','list','watch']"

/* Path and answer, group by group. */
static const char *const plain[][2] = {
    {"/api", "{'kind':'APIVersions','versions':['v1']}"},
    {"/apis",
     "{'kind':'APIGroupList','groups':["
     "{'name':'apps','versions':[{'version':'v1'}],'preferredVersion':{'version':'v1'}},"
     "{'name':'events.k8s.io','versions':[{'version':'v1'}]},"
     "{'name':'batch','versions':[{'version':'v1beta1'},{'version':'v1'}],"
     "'preferredVersion':{'version':'v1'}},"
     "{'name':'down.io','versions':[{'version':'v1'}]}]}"},
    {"/api/v1",
     "{'resources':[" LISTED("pods", "Pod", "true", SHORT("po") VERBS) ","
     LISTED("pods/status", "Pod", "true", "") ","
     LISTED("events", "Event", "true", SHORT("ev")) ","
     LISTED("nodes", "Node", "false", "") "]}"},
    {"/apis/apps/v1", "{'resources':[" LISTED("deployments", "Deployment", "true", SHORT("deploy"))
     "]}"},
    {"/apis/events.k8s.io/v1", "{'resources':[" LISTED("events", "Event", "true", "") "]}"},
    {"/apis/batch/v1", "{'resources':[" LISTED("jobs", "Job", "true", "") "]}"},
    {"/apis/batch/v1beta1", "{'resources':[" LISTED("jobs", "Job", "true", "") ","
     LISTED("cronjobs", "CronJob", "true", SHORT("cj")) "]}"},
};
/* clang-format on */

static char *json_of(const char *text)
{
    char *out = kst_strdup(text);
    for (char *c = out; c && *c; c++)
        if (*c == '\'')
            *c = '"';
    return out;
}

static void serve(void *arg, const struct fake_http_request *request,
                  struct fake_http_answer *answer)
{
    struct world *world = arg;
    const char *path = request->target;
    world->requests++;
    if (strcmp(path, "/api") == 0)
        world->readings++;
    if (world->aggregated) {
        bool late = world->late && world->readings > 1;
        const char *text = strcmp(path, "/api") == 0    ? core_aggregated
                           : strcmp(path, "/apis") == 0 ? late ? late_aggregated : groups_aggregated
                                                        : NULL;
        answer->status = text ? 200 : 404;
        answer->body = json_of(text);
        return;
    }
    answer->status = strcmp(path, "/apis/down.io/v1") == 0 ? 403 : 404;
    for (size_t i = 0; i < KST_ARRAY_LEN(plain); i++) {
        if (strcmp(path, plain[i][0]) == 0) {
            answer->status = 200;
            answer->body = json_of(plain[i][1]);
        }
    }
}

static int call(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct world *world = arg;
    return world->run(kube, world, err);
}

static void in_world(struct world world,
                     int (*run)(struct kst_kube *kube, struct world *world, struct kst_err **err))
{
    struct kst_err *err = NULL;
    world.run = run;
    if (kube_fixture_run(serve, &world, 3000, call, &err) < 0)
        fail_msg("%s", kst_err_message(err));
}

/* ---- Names ---- */

static int find_names(struct kst_kube *kube, struct world *world, struct kst_err **err)
{
    static const struct {
        const char *name, *api_version, *plural;
    } rows[] = {
        {"pods", "v1", "pods"},
        {"pod", "v1", "pods"},
        {"po", "v1", "pods"},
        {"Pod", "v1", "pods"},
        {"PODS", "v1", "pods"},
        {"nodes", "v1", "nodes"},
        {"ev", "v1", "events"},
        {"events", "v1", "events"},
        {"events.events.k8s.io", "events.k8s.io/v1", "events"},
        {"deploy", "apps/v1", "deployments"},
        {"Deployment", "apps/v1", "deployments"},
        {"deployments.apps", "apps/v1", "deployments"},
        {"deployments.v1.apps", "apps/v1", "deployments"},
        {"Deployment.v1.apps", "apps/v1", "deployments"},
        {"deploy.apps", "apps/v1", "deployments"},
        {"events.events", "events.k8s.io/v1", "events"},
        {"jobs", "batch/v1", "jobs"},
        {"jobs.v1beta1.batch", "batch/v1beta1", "jobs"},
        {"cj", "batch/v1beta1", "cronjobs"},
        {"pods.v1.", "v1", "pods"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        const struct kst_kube_resource *r = NULL;
        int rc = kst_kube_find_resource(kube, rows[i].name, &r, err);
        if (rc < 0)
            return rc;
        if (strcmp(r->api_version, rows[i].api_version) != 0 ||
            strcmp(r->plural, rows[i].plural) != 0)
            fail_msg("%s gave %s %s", rows[i].name, r->api_version, r->plural);
    }
    assert_int_equal(world->readings, 1);
    return 0;
}

static int find_none(struct kst_kube *kube, struct world *world, struct kst_err **err)
{
    static const char *const names[] = {"deplyments", "x",  "",  ".",       "..",
                                        "pods.apps",  "v1", "*", "pods.v2."};
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++) {
        const struct kst_kube_resource *r = NULL;
        struct kst_err *cause = NULL;
        if (kst_kube_find_resource(kube, names[i], &r, &cause) != KST_E_NOT_FOUND)
            fail_msg("'%s' was found", names[i]);
        if (i == 0)
            assert_non_null(strstr(kst_err_get_hint(cause), "deployments.apps"));
        kst_err_free(cause);
    }
    return 0;
}

static int find_details(struct kst_kube *kube, struct world *world, struct kst_err **err)
{
    const struct kst_kube_resource *pods = NULL, *nodes = NULL, *jobs = NULL;
    assert_int_equal(kst_kube_find_resource(kube, "pods", &pods, err), 0);
    assert_int_equal(kst_kube_find_resource(kube, "nodes", &nodes, err), 0);
    assert_int_equal(kst_kube_find_resource(kube, "jobs.v1beta1.batch", &jobs, err), 0);
    assert_true(pods->namespaced && pods->has_status && pods->preferred);
    assert_string_equal(pods->group, "");
    assert_string_equal(pods->version, "v1");
    assert_string_equal(pods->singular, "pod");
    assert_string_equal(pods->short_names[0], "po");
    assert_int_equal(pods->verbs, KST_VERB_GET | KST_VERB_LIST | KST_VERB_WATCH);
    assert_false(nodes->namespaced || nodes->has_status);
    assert_false(jobs->preferred);
    return 0;
}

static int all_resources(struct kst_kube *kube, struct world *world, struct kst_err **err)
{
    const struct kst_kube_resource **all = NULL;
    kst_auto_free char *missing = NULL;
    int rc = kst_kube_all_resources(kube, &all, &missing, err);
    if (rc < 0)
        return rc;
    size_t count = 0;
    while (all[count])
        count++;
    assert_int_equal(count, 8);
    assert_string_equal(all[0]->plural, "pods");
    assert_string_equal(all[7]->plural, "cronjobs");
    assert_non_null(strstr(missing, "down.io/v1"));
    free(all);
    bool served = false;
    assert_int_equal(kst_kube_has_group(kube, "batch/v1beta1", &served, err), 0);
    assert_true(served);
    assert_int_equal(kst_kube_has_group(kube, "snapshot.storage.k8s.io/v1", &served, err), 0);
    assert_false(served);
    return 0;
}

static void test_both_forms_say_the_same(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct world world = {.aggregated = i == 1};
        in_world(world, find_names);
        in_world(world, find_none);
        in_world(world, find_details);
        in_world(world, all_resources);
    }
}

/* ---- The cache ---- */

static int find_late(struct kst_kube *kube, struct world *world, struct kst_err **err)
{
    const struct kst_kube_resource *pods = NULL, *comers = NULL;
    struct kst_kube *fork = kst_kube_fork(kube);
    assert_int_equal(kst_kube_find_resource(fork, "pods", &pods, err), 0);
    int rc = kst_kube_find_kind(fork, "late.io/v1", "Comer", &comers, err);
    assert_int_equal(world->readings, 2);
    kst_kube_free(fork);
    /* What was handed out before stays, and is the same. */
    const struct kst_kube_resource *again = NULL;
    assert_int_equal(kst_kube_find_resource(kube, "pods", &again, err), 0);
    assert_ptr_equal(pods, again);
    assert_string_equal(pods->kind, "Pod");
    assert_string_equal(comers->plural, "comers");
    assert_int_equal(world->readings, 2);
    return rc;
}

static void test_a_miss_reads_once_more(void **state)
{
    in_world((struct world){.aggregated = true, .late = true}, find_late);
}

static int find_pods(void *arg, struct kst_err **err)
{
    const struct kst_kube_resource *r = NULL;
    return kst_kube_find_resource(arg, "pods", &r, err);
}

static int find_at_once(struct kst_kube *kube, struct world *world, struct kst_err **err)
{
    struct kst_group *group = kst_group_new(kst_kube_loop(kube), false);
    for (int i = 0; i < 10; i++)
        kst_group_spawn(group, "find", find_pods, kube);
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    assert_int_equal(world->readings, 1);
    return rc;
}

static void test_many_fibers_read_once(void **state)
{
    in_world((struct world){.aggregated = true}, find_at_once);
    in_world((struct world){.aggregated = false}, find_at_once);
}

static int find_built_in(struct kst_kube *kube, struct world *world, struct kst_err **err)
{
    const struct kst_kube_resource *r = NULL;
    int rc = kst_kube_find_kind(kube, "apps/v1", "StatefulSet", &r, err);
    assert_ptr_equal(r, &kst_res_statefulsets);
    assert_int_equal(world->requests, 0);
    return rc;
}

static void test_built_in_kinds_need_no_request(void **state)
{
    in_world((struct world){.aggregated = true}, find_built_in);
}

static void serve_nonsense(void *arg, const struct fake_http_request *request,
                           struct fake_http_answer *answer)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "7",
        "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[1,{\"versions\":[2]}]}",
        "{\"versions\":[1,null]}",
        "{\"groups\":[{\"name\":1}]}"};
    answer->body = kst_strdup(texts[*(unsigned *)arg % KST_ARRAY_LEN(texts)]);
}

static int find_in_nonsense(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    const struct kst_kube_resource *r = NULL;
    assert_int_equal(kst_kube_find_resource(kube, "pods", &r, err), KST_E_PROTOCOL);
    return 0;
}

static void test_nonsense_is_refused(void **state)
{
    for (unsigned i = 0; i < 6; i++) {
        struct kst_err *err = NULL;
        kube_fixture_run(serve_nonsense, &i, 1000, find_in_nonsense, &err);
        kst_err_free(err);
    }
}

/* ---- Paths ---- */

static void test_paths(void **state)
{
    static const struct {
        const struct kst_kube_resource *resource;
        const char *ns, *name, *subresource, *path;
    } rows[] = {
        {&kst_res_pods, "shop", "db", NULL, "/api/v1/namespaces/shop/pods/db"},
        {&kst_res_pods, NULL, NULL, NULL, "/api/v1/pods"},
        {&kst_res_namespaces, NULL, "shop", NULL, "/api/v1/namespaces/shop"},
        {&kst_res_pvs, "shop", "v", NULL, "/api/v1/persistentvolumes/v"},
        {&kst_res_runs, "k", "r", "status",
         "/apis/kassette.io/v1alpha1/namespaces/k/runs/r/status"},
        {&kst_res_pods, "..", ".", NULL, "/api/v1/namespaces/%2E%2E/pods/%2E"},
        {&kst_res_pods, "", NULL, NULL, "/api/v1/pods"},
        {&kst_res_pods, "../x", "a/b?c", NULL, "/api/v1/namespaces/..%2Fx/pods/a%2Fb%3Fc"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_buf path = KST_BUF_INIT(1024);
        kst_kube_path(rows[i].resource, rows[i].ns, rows[i].name, rows[i].subresource, &path);
        assert_string_equal(path.data, rows[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_forms_say_the_same),
        cmocka_unit_test(test_a_miss_reads_once_more),
        cmocka_unit_test(test_many_fibers_read_once),
        cmocka_unit_test(test_built_in_kinds_need_no_request),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_paths),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kst_log_forget_secrets();
    return failed;
}
