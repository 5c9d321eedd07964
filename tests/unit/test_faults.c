/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of `kassette sandbox --faults`: which request goes wrong, and what is no rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/server/faults.h"

static struct kst_faults *rules_of(const char *text, struct kst_err **err)
{
    struct kst_faults *faults = NULL;
    kst_auto_json struct kst_json *json = NULL;
    assert_int_equal(kst_json_parse(text, strlen(text), &json, NULL), 0);
    int rc = kst_faults_new(json, &faults, err);
    assert_int_equal(rc == 0, faults != NULL);
    return faults;
}

static void test_what_is_no_rule(void **state)
{
    static const struct {
        const char *rules, *message;
    } rows[] = {
        {"{}", "faults are a list"},
        {"[5]", "fault 1: expected an object, found a number"},
        {"[[{\"fault\":\"500\"}]]", "fault 1: expected an object, found a"},
        {"[{\"fault\":\"500\"},{}]", "fault 2: '' is no fault"},
        {"[{\"fault\":\"501\"}]", "'501' is no fault"},
        {"[{\"fault\":500,\"kind\":\"Pod\"}]", "'kind' is no field"},
        {"[{\"fault\":500,\"verb\":5}]", "'verb' must be a text"},
        {"[{\"fault\":500,\"name\":null}]", "'name' must be a text"},
        {"[{\"fault\":500,\"times\":\"2\"}]", "'times' must be a whole number"},
        {"[{\"fault\":500,\"times\":1.5}]", "'times' must be a whole number"},
        {"[{\"fault\":500,\"after\":-1}]", "'after' must be a whole number"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_err struct kst_err *err = NULL;
        struct kst_faults *faults = rules_of(rows[i].rules, &err);
        if (faults || !strstr(kst_err_message(err), rows[i].message))
            fail_msg("%s: %s", rows[i].rules, kst_err_message(err));
    }
}

/* Each letter is a request: c creates a snapshot, l lists Pods, p gets one. */
static void test_what_goes_wrong(void **state)
{
    static const struct {
        const char *rules, *requests, *expected; /* "." for what goes well */
    } rows[] = {
        {"[]", "clp", "..."},
        {"[{\"fault\":503,\"times\":2}]", "clpc", "55.."},
        {"[{\"fault\":503,\"times\":0}]", "clpc", "5555"},
        {"[{\"fault\":\"hang\",\"verb\":\"list\"}]", "clpl", ".h.."},
        {"[{\"fault\":\"hang\",\"resource\":\"pods\",\"after\":1}]", "clplp", "..h.."},
        {"[{\"fault\":\"hang\",\"name\":\"db-0\"},{\"fault\":503,\"times\":3}]", "pcpl", "h555"},
        {"[{\"fault\":503,\"agent\":\"kub\"}]", "cl", "5."},
        {"[{\"fault\":503,\"agent\":\"kassette\",\"times\":0}]", "cl", ".."},
        {"[{\"fault\":503,\"namespace\":\"\",\"subresource\":\"log\"}]", "clp", "..."},
    };
    static const struct kst_server_look looks[] = {
        {.verb = "create", .resource = "volumesnapshots", .ns = "shop", .name = ""},
        {.verb = "list", .resource = "pods", .ns = "shop", .name = ""},
        {.verb = "get", .resource = "pods", .ns = "shop", .name = "db-0"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct kst_faults *faults = rules_of(rows[i].rules, NULL);
        for (size_t at = 0; rows[i].requests[at]; at++) {
            struct kst_server_look look = looks[strchr("clp", rows[i].requests[at]) - "clp"];
            look.method = "GET";
            look.path = "/";
            look.user = "";
            look.subresource = "";
            look.agent = "kubectl/v1.20.2";
            enum kst_server_fault fault = kst_faults_next(faults, &look);
            char found = fault == KST_FAULT_503 ? '5' : fault == KST_FAULT_HANG ? 'h' : '.';
            if (found != rows[i].expected[at])
                fail_msg("%s: request %zu: expected %c, found %c", rows[i].rules, at + 1,
                         rows[i].expected[at], found);
        }
        kst_faults_free(faults);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_rule),
        cmocka_unit_test(test_what_goes_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
