/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server of the embedded cluster answers: sequences of requests, each with its code
 * and what its answer must say. The conformance list has more of them, from the real server; here
 * are those that it does not reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/http.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"
#include "sandbox/bootstrap.h"
#include "sandbox/server/server.h"

enum { ANSWER_BYTES = 16 * 1024 * 1024, WAIT_MS = 30000 };

#define APIS  "/apis/"
#define NS    "/api/v1/namespaces/default/"
#define RBAC  APIS "rbac.authorization.k8s.io/v1/namespaces/default/"
#define AUTHZ APIS "authorization.k8s.io/v1/"

/* One request; `said` is in the answer (with ' for "), `not_said` (may be NULL) is not. A header is
 * sent along where it is not NULL; "{}" in a target is the continue token of the answer before. */
struct step {
    const char *method, *target, *header, *body;
    long code;
    const char *said, *not_said;
};

struct play {
    const struct step *steps;
    size_t count;
    struct kst_server *server;
    char *token; /* to continue with */
};

static char *quoted(const char *text)
{
    char *copy = kst_strdup(text);
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

static char *target_of(const struct play *self, const struct step *step)
{
    const char *hole = strstr(step->target, "{}");
    if (!hole)
        return kst_asprintf("%s%s", kst_server_url(self->server), step->target);
    return kst_asprintf("%s%.*s%s%s", kst_server_url(self->server), (int)(hole - step->target),
                        step->target, self->token, hole + 2);
}

static void keep_token(struct play *self, const struct kst_buf *answer)
{
    kst_auto_json struct kst_json *value = NULL;
    if (kst_json_parse(answer->data, answer->len, &value, NULL) < 0 ||
        !kst_json_path_str(value, "metadata.continue"))
        return;
    free(self->token);
    self->token = kst_strdup(kst_json_path_str(value, "metadata.continue"));
}

static void take_step(struct play *self, const struct step *step)
{
    const char *headers[] = {"Content-Type: application/json", "Expect:", step->header, NULL};
    kst_auto_free char *url = target_of(self, step), *body = quoted(step->body ? step->body : ""),
                       *said = quoted(step->said);
    kst_auto_free char *not_said = step->not_said ? quoted(step->not_said) : NULL;
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_buf out = KST_BUF_INIT(ANSWER_BYTES);
    const struct kst_http_request request = {
        .method = step->method,
        .url = url,
        .headers = step->header && strncmp(step->header, "Content-Type", 12) == 0 ? headers + 1
                                                                                  : headers,
        .body = body,
        .body_len = strlen(body),
        .deadline_ms = kst_deadline_in_ms(WAIT_MS)};
    struct kst_http_response response = {0};
    if (kst_http_do(kst_fiber_loop(), &request, &response, &out, &err) < 0)
        fail_msg("%s %s: %s", step->method, step->target, kst_err_message(err));
    kst_http_response_release(&response);
    const char *text = out.data ? out.data : "";
    if (response.status != step->code || !strstr(text, said) ||
        (not_said && strstr(text, not_said)))
        fail_msg("%s %s: %ld: %.600s", step->method, step->target, (long)response.status, text);
    keep_token(self, &out);
}

static int run_play(void *arg, struct kst_err **err)
{
    struct play *self = arg;
    const struct kst_server_options options = {.tls = false};
    struct kst_api *api = kst_api_new();
    int rc = kst_server_new(kst_fiber_loop(), api, &options, &self->server, err);
    if (rc == 0) {
        kst_bootstrap(api);
        kst_store_compact(kst_api_store(api));
        for (size_t i = 0; i < self->count; i++)
            take_step(self, &self->steps[i]);
        kst_server_stop(self->server);
    }
    kst_server_free(self->server);
    kst_api_free(api);
    free(self->token);
    return rc;
}

static void play_all(const struct step *steps, size_t count)
{
    struct play play = {.steps = steps, .count = count};
    struct kst_loop *loop = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    if (kst_loop_run(loop, "test", run_play, &play, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    kst_loop_free(loop);
}
#define PLAY(steps) play_all((steps), KST_ARRAY_LEN(steps))

/* Pages over all namespaces go on behind the last name, and where the version is forgotten the
 * token of the refusal does. */
static void test_pages(void **state)
{
    static const struct step steps[] = {
        {"POST", NS "configmaps", NULL,
         "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'b'}}", 201, "'b'", NULL},
        {"POST", NS "configmaps", NULL,
         "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'c'}}", 201, "'c'", NULL},
        {"POST", "/api/v1/namespaces/kube-system/configmaps", NULL,
         "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'}}", 201, "'a'", NULL},
        {"GET", "/api/v1/configmaps?limit=1", NULL, NULL, 200, "'remainingItemCount':2", NULL},
        {"GET", "/api/v1/configmaps?limit=1&continue={}", NULL, NULL, 200, "'name':'c'",
         "'name':'b'"},
        {"GET", "/api/v1/configmaps?limit=1&continue={}", NULL, NULL, 200, "'name':'a'",
         "'continue'"},
        /* {"v":"meta.k8s.io/v1","rv":1,"start":"b\\u0000"}, made by hand */
        {"GET",
         NS "configmaps?limit=1&continue="
            "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJiXHUwMDAwIn0",
         NULL, NULL, 410, "'reason':'Expired'", NULL},
        {"GET", NS "configmaps?limit=1&continue={}", NULL, NULL, 200, "'name':'c'", "'name':'b'"},
        {"GET", NS "configmaps?continue=%21", NULL, NULL, 400, "illegal base64 data", NULL},
        {"GET", NS "configmaps?labelSelector=%2Ca", NULL, NULL, 400, "end of string", NULL},
    };
    PLAY(steps);
}

/* The same Event in both groups; a definition of v1beta1 is one of v1. */
static void test_versions_of_other_form(void **state)
{
    static const struct step steps[] = {
        {"POST", APIS "events.k8s.io/v1/namespaces/default/events", NULL,
         "{'apiVersion':'events.k8s.io/v1','kind':'Event','metadata':{'name':'e'},'regarding':{"
         "'kind':'Pod','name':'p','namespace':'default'},'note':'it was','eventTime':"
         "'2026-01-02T03:04:05.000006Z','reportingController':'x/y','reportingInstance':'z',"
         "'action':'a','reason':'r','type':'Normal'}",
         201, "'note':'it was'", "'message'"},
        {"GET", NS "events/e", NULL, NULL, 200, "'message':'it was'", "'note'"},
        {"GET", NS "events?fieldSelector=involvedObject.name=p", NULL, NULL, 200, "'x/y'", NULL},
        {"PATCH", APIS "events.k8s.io/v1beta1/namespaces/default/events/e",
         "Content-Type: application/merge-patch+json", "{'note':'it is'}", 200, "'note':'it is'",
         NULL},
        {"GET", APIS "events.k8s.io/v1/namespaces/default/events", NULL, NULL, 200, "'regarding':{",
         "'involvedObject'"},
        {"POST", APIS "apiextensions.k8s.io/v1beta1/customresourcedefinitions", NULL,
         "{'apiVersion':'apiextensions.k8s.io/v1beta1','kind':'CustomResourceDefinition',"
         "'metadata':{'name':'as.example.com'},'spec':{'group':'example.com','version':'v1',"
         "'scope':'Namespaced','names':{'plural':'as','singular':'a','kind':'A','listKind':"
         "'AList'},'subresources':{'status':{}},'additionalPrinterColumns':[{'name':'Size',"
         "'type':'integer','JSONPath':'.spec.size'}],'validation':{'openAPIV3Schema':{'type':"
         "'object','properties':{'spec':{'type':'object','properties':{'size':{'type':"
         "'integer'}}}}}}}}",
         201, "'JSONPath':'.spec.size'", "'jsonPath'"},
        {"GET", APIS "apiextensions.k8s.io/v1/customresourcedefinitions/as.example.com", NULL, NULL,
         200, "'jsonPath':'.spec.size'", "'JSONPath'"},
        {"GET", APIS "example.com/v1", NULL, NULL, 200, "'as/status'", NULL},
        {"GET", "/openapi/v2", NULL, NULL, 200, "'com.example.v1.A'", NULL},
    };
    PLAY(steps);
}

/* Versions that 1.20 does not have are not found, those that it has beside the first are. */
static void test_versions_of_1_20(void **state)
{
    static const struct step steps[] = {
        {"GET", APIS "policy/v1", NULL, NULL, 404, "could not find the requested resource", NULL},
        {"GET", APIS "batch/v1", NULL, NULL, 200, "'jobs'", "'cronjobs'"},
        {"GET", APIS "coordination.k8s.io/v1beta1", NULL, NULL, 200, "'leases'", NULL},
        {"GET", APIS "no.example.com/v1", NULL, NULL, 404, "404 page not found", NULL},
        {"POST", APIS, NULL, "{}", 405, "MethodNotAllowed", NULL},
        {"GET", "/openapi/v3", NULL, NULL, 404, "'paths'", NULL},
    };
    PLAY(steps);
}

static void test_deletions(void **state)
{
    static const struct step steps[] = {
        {"POST", NS "configmaps", NULL,
         "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a','finalizers':["
         "'example.com/hold']}}",
         201, "'a'", NULL},
        {"DELETE", NS "configmaps/a", NULL, "{'gracePeriodSeconds':'soon'}", 500,
         "cannot unmarshal string", NULL},
        {"DELETE", NS "configmaps/a?propagationPolicy=Foreground", NULL, NULL, 200,
         "'foregroundDeletion'", NULL},
        /* Whoever says nothing changes nothing, whoever says otherwise does. */
        {"DELETE", NS "configmaps/a", NULL, NULL, 200, "'foregroundDeletion'", NULL},
        {"DELETE", NS "configmaps/a?propagationPolicy=Background", NULL, NULL, 200, "'a'",
         "'foregroundDeletion'"},
        {"DELETE", NS "configmaps", NULL, NULL, 200, "'kind':'ConfigMapList'", NULL},
        {"DELETE", "/api/v1/namespaces/kube-public", NULL, NULL, 403,
         "this namespace may not be deleted", NULL},
        {"PATCH", "/api/v1/namespaces/default", "Content-Type: application/merge-patch+json",
         "{'spec':{'finalizers':[]}}", 200, "'finalizers':['kubernetes']", NULL},
    };
    PLAY(steps);
}

#define AS_BOB "Impersonate-User: bob"

/* Nobody gives more than he has, by a role or by a binding. */
static void test_grants(void **state)
{
    static const struct step steps[] = {
        {"POST", RBAC "roles", NULL,
         "{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'Role','metadata':{'name':'writer'},"
         "'rules':[{'apiGroups':['rbac.authorization.k8s.io'],'resources':['roles',"
         "'rolebindings'],'verbs':['create','patch','get']},{'apiGroups':[''],'resources':["
         "'pods'],'verbs':['get','list']}]}",
         201, "'writer'", NULL},
        {"POST", RBAC "rolebindings", NULL,
         "{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'RoleBinding','metadata':{'name':"
         "'bob'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':'Role','name':'writer'},"
         "'subjects':[{'kind':'User','name':'bob','apiGroup':'rbac.authorization.k8s.io'}]}",
         201, "'bob'", NULL},
        {"POST", RBAC "roles", AS_BOB,
         "{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'Role','metadata':{'name':'less'},"
         "'rules':[{'apiGroups':[''],'resources':['pods'],'resourceNames':['p'],'verbs':['get']}]}",
         201, "'less'", NULL},
        {"POST", RBAC "roles", AS_BOB,
         "{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'Role','metadata':{'name':'more'},"
         "'rules':[{'apiGroups':[''],'resources':['pods','pods/exec'],'verbs':['get']}]}",
         403, "attempting to grant RBAC permissions not currently held", NULL},
        {"PATCH", RBAC "roles/less", AS_BOB, "[]", 415, "Unsupported Media Type", NULL},
        {"POST", RBAC "rolebindings", AS_BOB,
         "{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'RoleBinding','metadata':{'name':"
         "'more'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':'ClusterRole','name':"
         "'cluster-admin'},'subjects':[{'kind':'User','name':'bob','apiGroup':"
         "'rbac.authorization.k8s.io'}]}",
         403, "not currently held", NULL},
    };
    PLAY(steps);
}

/* A rule for one object allows to list and watch that one alone. */
static void test_rule_for_one_name(void **state)
{
    static const struct step steps[] = {
        {"POST", RBAC "roles", NULL,
         "{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'Role','metadata':{'name':'one'},"
         "'rules':[{'apiGroups':[''],'resources':['configmaps'],'resourceNames':['mine'],"
         "'verbs':['list']}]}",
         201, "'one'", NULL},
        {"POST", RBAC "rolebindings", NULL,
         "{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'RoleBinding','metadata':{'name':"
         "'one'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':'Role','name':'one'},"
         "'subjects':[{'kind':'User','name':'bob','apiGroup':'rbac.authorization.k8s.io'}]}",
         201, "'one'", NULL},
        {"GET", NS "configmaps?fieldSelector=metadata.name%3Dmine", AS_BOB, NULL, 200,
         "'kind':'ConfigMapList'", NULL},
        {"GET", NS "configmaps?fieldSelector=metadata.name%3D%3Dmine", AS_BOB, NULL, 200,
         "'kind':'ConfigMapList'", NULL},
        {"GET", NS "configmaps?fieldSelector=metadata.name%3Dyours", AS_BOB, NULL, 403,
         "cannot list resource", NULL},
        {"GET", NS "configmaps?fieldSelector=metadata.name!%3Dmine", AS_BOB, NULL, 403,
         "cannot list resource", NULL},
        {"GET", NS "configmaps", AS_BOB, NULL, 403, "cannot list resource", NULL},
    };
    PLAY(steps);
}

static void test_questions(void **state)
{
    static const struct step steps[] = {
        {"POST", AUTHZ "subjectaccessreviews", NULL,
         "{'apiVersion':'authorization.k8s.io/v1','kind':'SubjectAccessReview','spec':{"
         "'resourceAttributes':{'verb':'get','resource':'pods'}}}",
         422, "at least one of user or group must be specified", NULL},
        {"POST", AUTHZ "selfsubjectaccessreviews", NULL,
         "{'apiVersion':'authorization.k8s.io/v1','kind':'SelfSubjectAccessReview','spec':{"
         "'nonResourceAttributes':{'verb':'get','path':'/version'}}}",
         201, "'allowed':true", NULL},
        {"POST", AUTHZ "selfsubjectrulesreviews", AS_BOB,
         "{'apiVersion':'authorization.k8s.io/v1','kind':'SelfSubjectRulesReview','spec':{"
         "'namespace':'default'}}",
         201, "'nonResourceURLs'", "'resources':['*']"},
        {"POST", APIS "authentication.k8s.io/v1/tokenreviews", NULL,
         "{'apiVersion':'authentication.k8s.io/v1','kind':'TokenReview','spec':{'token':'x.y.z'}}",
         201, "invalid bearer token", "'authenticated'"},
    };
    PLAY(steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_versions_of_other_form),
        cmocka_unit_test(test_versions_of_1_20),
        cmocka_unit_test(test_deletions),
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_rule_for_one_name),
        cmocka_unit_test(test_questions),
    };
    kst_http_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kst_http_global_release();
    return failed;
}
