/* SPDX-License-Identifier: Apache-2.0 */
/* Long lists, from a server that says what the test has written down. */
#include "kube/pages.h"

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
#include "loop/fiber.h"

/* What the server answers, in the order of the requests; NULL: 410. */
struct script {
    const char *const *answers;
    size_t count;
    bool whole; /* managedFields are asked for */
    struct kst_buf names;
    char *first; /* object, as text */
};

static void answer(void *arg, const struct fake_http_request *request, struct fake_http_answer *out)
{
    const struct script *self = arg;
    if (request->index >= self->count || !self->answers[request->index]) {
        out->status = 410;
        out->body = kst_strdup("{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}");
        return;
    }
    out->body = kst_strdup(self->answers[request->index]);
}

static int read_all(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct script *self = arg;
    struct kst_kube_pages *pages = kst_kube_pages_open(kube, &kst_res_configmaps, "shop", NULL,
                                                       self->whole);
    int rc;
    for (;;) {
        kst_auto_json struct kst_json *object = NULL;
        rc = kst_kube_pages_next(pages, &object, err);
        if (rc <= 0)
            break;
        kst_buf_addf(&self->names, "%s ", kst_json_path_str(object, "metadata.name"));
        if (!self->first)
            self->first = kst_json_text(object);
    }
    kst_kube_pages_close(pages);
    return rc;
}

/* What comes of the answers: names, or an error that says so. */
static void check(const char *const *answers, size_t count, const char *names, int code,
                  const char *says)
{
    struct script script = {.answers = answers, .count = count, .names = KST_BUF_INIT(4096)};
    kst_auto_err struct kst_err *err = NULL;
    int rc = kube_fixture_run(answer, &script, 1000, read_all, &err);
    assert_string_equal(script.names.data, names);
    assert_int_equal(rc, code);
    if (says && !strstr(kst_err_message(err), says))
        fail_msg("found: %s; expected: %s", kst_err_message(err), says);
    kst_buf_release(&script.names);
    free(script.first);
}

#define PAGE(token, items) \
    "{\"metadata\":{\"continue\":\"" token "\",\"resourceVersion\":\"7\"},\"items\":[" items "]}"
#define ITEM(name) "{\"metadata\":{\"name\":\"" name "\"}}"

static void pages(void **state)
{
    static const char *const one[] = {PAGE("", ITEM("a") "," ITEM("b"))};
    static const char *const three[] = {PAGE("t", ITEM("a")), PAGE("t", ""), PAGE("", ITEM("b"))};
    static const char *const none[] = {"{\"items\":null,\"metadata\":{}}"};
    static const char *const late[] = {"{\"items\":[" ITEM(
                                           "a") "],\"metadata\":{\"continue\":\"t\"}}",
                                       "{\"items\":[" ITEM("b") "]}"};
    static const char *const mixed[] = {PAGE("", ITEM("b") "," ITEM("c") "," ITEM("a"))};
    check(one, 1, "a b ", 0, NULL);
    check(three, 3, "a b ", 0, NULL);
    check(none, 1, "", 0, NULL);
    check(late, 2, "a b ", 0, NULL);
    check(mixed, 1, "a b c ", 0, NULL);
}

/* A list that was forgotten begins anew, and no object comes twice. */
static void forgotten(void **state)
{
    static const char *const once[] = {
        PAGE("t", ITEM("a") "," ITEM("c")),
        NULL,
        PAGE("u", ITEM("a") "," ITEM("b") "," ITEM("c")),
        PAGE("", ITEM("d")),
    };
    static const char *const twice[] = {
        PAGE("t", ITEM("a") "," ITEM("c")), NULL, PAGE("u", ITEM("a")), NULL,
        PAGE("", ITEM("b") "," ITEM("d")),
    };
    static const char *const always[] = {PAGE("t", ITEM("a")), NULL, PAGE("t", ITEM("a")), NULL,
                                         PAGE("t", ITEM("a")), NULL, PAGE("t", ITEM("a")), NULL,
                                         PAGE("t", ITEM("a")), NULL, PAGE("t", ITEM("a")), NULL};
    static const char *const first[] = {NULL, PAGE("", ITEM("a"))};
    static const char *const at_once[] = {NULL};
    check(once, 4, "a c d ", 0, NULL);
    check(twice, 5, "a c d ", 0, NULL);
    check(first, 2, "a ", 0, NULL);
    check(always, 12, "a ", KST_E_GONE, "configmaps in shop");
    check(at_once, 1, "", KST_E_GONE, "configmaps in shop");
}

static void damaged(void **state)
{
    static const struct {
        const char *answers[2];
        const char *names, *says;
    } table[] = {
        {{"[]"}, "", "expected a list as JSON"},
        {{"no"}, "", "expected a list as JSON"},
        {{"{\"items\":[" ITEM("a")}, "", "damaged or cut off"},
        {{"{\"items\":{}}"}, "", "expected a list of items"},
        {{"{\"items\":[7]}"}, "", "not an object with a name"},
        {{"{\"items\":[{\"metadata\":{}}]}"}, "", "not an object with a name"},
        {{"{\"items\":[" ITEM("a") ",{\"metadata\":{\"name\":\"b\"},\"x\":nil}]}"},
         "a ",
         "\"b\" is not valid JSON"},
        {{PAGE("t", ITEM("b")), PAGE("", ITEM("a"))}, "b ", "found \"a\" after \"b\""},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++)
        check(table[i].answers, table[i].answers[1] ? 2 : 1, table[i].names, KST_E_PROTOCOL,
              table[i].says);
}

/* As it came, but for what is left out. */
static void objects(void **state)
{
    static const char *const list[] = {
        PAGE("", "{\"kind\":\"Odd\",\"metadata\":{\"managedFields\":[{\"a\":1}],\"name\":\"a\"},"
                 "\"x\":1.0}")};
    static const struct {
        bool whole;
        const char *text;
    } table[] = {
        {false, "{\"apiVersion\":\"v1\",\"kind\":\"Odd\",\"metadata\":{\"managedFields\":null,"
                "\"name\":\"a\"},\"x\":1.0}"},
        {true, "{\"apiVersion\":\"v1\",\"kind\":\"Odd\",\"metadata\":{\"managedFields\":[{\"a\":1}"
               "],\"name\":\"a\"},\"x\":1.0}"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        struct script script = {
            .answers = list, .count = 1, .whole = table[i].whole, .names = KST_BUF_INIT(4096)};
        assert_int_equal(kube_fixture_run(answer, &script, 1000, read_all, NULL), 0);
        assert_string_equal(script.first, table[i].text);
        kst_buf_release(&script.names);
        free(script.first);
    }
}

/* Closed while its first page is on the way, and before its second was asked for. */
static int leave(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct kst_json *object = NULL;
    kst_kube_pages_close(kst_kube_pages_open(kube, &kst_res_configmaps, "shop", NULL, false));
    struct kst_kube_pages *list = kst_kube_pages_open(kube, &kst_res_configmaps, "shop", NULL,
                                                      false);
    int rc = kst_kube_pages_next(list, &object, err);
    kst_json_free(object);
    kst_kube_pages_close(list);
    return rc;
}

static void left(void **state)
{
    static const char *const endless[] = {PAGE("t", ITEM("a")), PAGE("t", ITEM("a")),
                                          PAGE("t", ITEM("b")), PAGE("t", ITEM("c"))};
    struct script script = {.answers = endless, .count = 4};
    assert_int_equal(kube_fixture_run(answer, &script, 1000, leave, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages),   cmocka_unit_test(forgotten), cmocka_unit_test(damaged),
        cmocka_unit_test(objects), cmocka_unit_test(left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
