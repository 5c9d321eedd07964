/* SPDX-License-Identifier: Apache-2.0 */
/* Which resources are captured, of a server that has each kind more than once. */
#include "app/capture/survey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/resource.h"
#include "kube_fixture.h"
#include "run/run.h"

/* clang-format off */
#define GROUP(name, versions) "{'metadata':{'name':'" name "'},'versions':[" versions "]}"
#define VERSION(name, resources)                                                              \
    "{'version':'" name "','freshness':'Current','resources':[" resources "]}"
#define RESOURCE(plural, kind, verbs)                                                         \
    "{'resource':'" plural "','responseKind':{'group':'','version':'','kind':'" kind "'},"    \
    "'scope':'Namespaced','singularResource':'','verbs':[" verbs "]}"
#define ALL "'get','list','create','delete'"
#define LIST(items)                                                                           \
    "{'kind':'APIGroupDiscoveryList','apiVersion':'apidiscovery.k8s.io/v2','items':[" items "]}"

static const char core[] = LIST(GROUP("", VERSION("v1",
    RESOURCE("secrets", "Secret", ALL) ","
    RESOURCE("bindings", "Binding", "'create'") ","
    RESOURCE("events", "Event", ALL))));
static const char groups[] = LIST(
    GROUP("extensions", VERSION("v1beta1",
        RESOURCE("ingresses", "Ingress", ALL) "," RESOURCE("oddities", "Oddity", ALL))) ","
    GROUP("networking.k8s.io", VERSION("v1", RESOURCE("ingresses", "Ingress", ALL)) ","
        VERSION("v1beta1", RESOURCE("ingresses", "Ingress", ALL))) ","
    GROUP("events.k8s.io", VERSION("v1", RESOURCE("events", "Event", ALL))) ","
    GROUP("metrics.k8s.io", VERSION("v1", RESOURCE("pods", "PodMetrics", "'get','list'"))) ","
    GROUP("batch", VERSION("v1", RESOURCE("jobs", "Job", ALL)) ","
        VERSION("v1beta1", RESOURCE("cronjobs", "CronJob", ALL))) ","
    GROUP("serving.knative.dev", VERSION("v1", RESOURCE("services", "Service", ALL))) ","
    GROUP("down.example", "{'version':'v1','freshness':'Stale','resources':[]}"));
/* clang-format on */

static void serve(void *arg, const struct fake_http_request *request,
                  struct fake_http_answer *answer)
{
    answer->body = kst_strdup(strcmp(request->target, "/api") == 0 ? core : groups);
    for (char *c = answer->body; *c; c++)
        if (*c == '\'')
            *c = '"';
}

static void note(void *arg, const struct kst_run *run, enum kst_note what, const char *text,
                 const struct kst_json *detail)
{
    assert_int_equal(what, KST_NOTE_WARNING);
    kst_buf_addf(arg, "%s\n", text);
}

static int list(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct kst_buf *out = arg;
    struct kst_run run = {.kube = kube, .observer = {.note = note, .arg = out}};
    struct kst_survey survey = {.run = &run};
    int rc = kst_survey_resources(&survey, err);
    for (size_t i = 0; rc == 0 && survey.resources[i]; i++)
        kst_buf_addf(out, "%s %s\n", survey.resources[i]->api_version, survey.resources[i]->kind);
    if (rc == 0)
        assert_int_equal(kst_json_len(survey.missing), 1);
    kst_survey_release(&survey);
    return rc;
}

/* In the order of restoring; what cannot be created is nothing to keep. */
static void resources(void **state)
{
    kst_auto_buf out = KST_BUF_INIT(4096);
    assert_int_equal(kube_fixture_run(serve, &out, 1000, list, NULL), 0);
    assert_string_equal(out.data,
                        "these API groups do not answer, what they hold is not in the backup: "
                        "down.example/v1 (its server does not answer)\n"
                        "v1 Secret\n"
                        "v1 Event\n"
                        "extensions/v1beta1 Oddity\n"
                        "serving.knative.dev/v1 Service\n"
                        "batch/v1beta1 CronJob\n"
                        "batch/v1 Job\n"
                        "networking.k8s.io/v1 Ingress\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
