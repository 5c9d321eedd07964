/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests that a sandbox begins with. */
#include "sandbox/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"

static size_t load(struct kst_api *api, const char *template)
{
    kst_auto_json struct kst_json *documents = kst_json_make(template);
    kst_auto_err struct kst_err *err = NULL;
    size_t count = 0;
    if (kst_load_documents(api, documents, "test", &count, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    return count;
}

static const char definition[] =
    "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{'name':"
    "'foos.example.com'},'spec':{'group':'example.com','names':{'plural':'foos','kind':'Foo'},"
    "'scope':'Namespaced','versions':[{'name':'v1','served':true,'storage':true,'subresources':"
    "{'status':{}},'schema':{'openAPIV3Schema':{'type':'object',"
    "'x-kubernetes-preserve-unknown-fields':true}}}]}}";

static const char object[] =
    "{'apiVersion':'example.com/v1','kind':'Foo','metadata':{'name':'a'},'spec':{'x':%d},"
    "'status':{'ready':true}}";

/* A definition that came with the sandbox could not be loaded from its own file, and the status of
 * a custom resource was lost. */
static void test_again(void **state)
{
    struct kst_api *api = kst_api_new();
    for (int i = 1; i <= 2; i++) {
        kst_auto_free char *text = kst_asprintf("[%s,", definition);
        kst_auto_free char *one = kst_asprintf(object, i);
        kst_auto_free char *all = kst_asprintf("%s%s]", text, one);
        assert_int_equal(load(api, all), 2);
        const struct kst_object *stored = kst_api_find(api, "example.com/foos", "default", "a");
        assert_non_null(stored);
        assert_int_equal(kst_json_path_int(stored->json, "spec.x", 0), i);
        assert_true(kst_json_path_true(stored->json, "status.ready"));
        assert_int_equal(kst_json_path_int(stored->json, "metadata.generation", 0), i);
    }
    kst_api_free(api);
}

static void test_refused(void **state)
{
    struct kst_api *api = kst_api_new();
    kst_auto_json struct kst_json *documents = kst_json_make(
        "[{'apiVersion':'example.com/v1','kind':'Foo','metadata':{'name':'a'}}]");
    kst_auto_err struct kst_err *err = NULL;
    size_t count = 0;
    assert_int_equal(kst_load_documents(api, documents, "f.yaml", &count, &err), KST_E_INVALID);
    assert_string_equal(kst_err_message(err),
                        "f.yaml: Foo/a: no resource of kind \"Foo\" in version \"example.com/v1\"");
    assert_int_equal(count, 0);
    kst_api_free(api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
