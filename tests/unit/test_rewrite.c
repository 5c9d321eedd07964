/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/rewrite.h"

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

enum { FILE_BYTES = 1024 * 1024 };

static struct kst_json *cases(void)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    struct kst_json *all = NULL;
    assert_int_equal(kst_buf_read_file(&text, "tests/unit/rewrite_cases.yaml", NULL), 0);
    assert_int_equal(kst_yaml_parse(text.data, text.len, &all, NULL), 0);
    return all;
}

static struct kst_rewrite rewrite_for(const struct kst_json *c)
{
    const char *to = kst_json_path_str(c, "to");
    return (struct kst_rewrite){
        .from_ns = "shop",
        .to_ns = to ? to : "shop",
        .names = kst_json_get(c, "names"),
        .storage_classes = kst_json_get(c, "classes"),
        .service_dns = kst_json_path_true(c, "dns"),
    };
}

static void what_becomes_of_objects(void **state)
{
    kst_auto_json struct kst_json *all = cases();
    assert_true(kst_json_len(all) > 40);
    for (const struct kst_json *c = kst_json_first(all); c; c = kst_json_next(c)) {
        const struct kst_rewrite self = rewrite_for(c);
        kst_auto_json struct kst_json *object = kst_json_dup(kst_json_get(c, "object"));
        kst_auto_json struct kst_json *expected = kst_json_dup(object);
        const struct kst_json *e = kst_json_first(kst_json_get(c, "becomes"));
        for (; e; e = kst_json_next(e))
            kst_json_set(expected, kst_json_key(e), kst_json_dup(e));
        kst_rewrite(&self, object);
        if (!kst_json_equal(object, expected)) {
            kst_auto_free char *a = kst_json_text(object), *b = kst_json_text(expected);
            fail_msg("%s:\n%s instead of\n%s", kst_json_path_str(c, "about"), a, b);
        }
    }
}

/* The name that others are told is the one that the object gets. */
static void names(void **state)
{
    kst_auto_json struct kst_json *given = kst_json_make(
        "{'db':'pg','StatefulSet/web':'site','ClusterRole/reads':'looks'}");
    const struct kst_rewrite self = {.from_ns = "a", .to_ns = "a", .names = given};
    static const struct {
        const char *kind, *name, *now;
    } rows[] = {
        {"StatefulSet", "db", "pg"},
        {"Secret", "db", "pg"},
        {"StatefulSet", "web", "site"},
        {"Deployment", "web", "web"},
        {"PersistentVolumeClaim", "data-web-0", "data-site-0"},
        {"PersistentVolumeClaim", "data-db-3", "data-pg-3"},
        {"PersistentVolumeClaim", "web-0", "web-0"},
        {"ConfigMap", "data-web-0", "data-web-0"},
        {"ClusterRole", "reads", "looks"},
        {"ClusterRole", "db", "db"},
        {"User", "db", "db"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_free char *now = kst_rewrite_name(&self, rows[i].kind, rows[i].name);
        assert_string_equal(now, rows[i].now);
    }
    const struct kst_rewrite none = {.from_ns = "a", .to_ns = "a"};
    kst_auto_free char *same = kst_rewrite_name(&none, "StatefulSet", "db");
    assert_string_equal(same, "db");
}

static void what_cannot_come_along(void **state)
{
    static const struct {
        const char *object;
        bool skipped;
    } rows[] = {
        {"{'apiVersion':'admissionregistration.k8s.io/v1','kind':'MutatingWebhookConfiguration',"
         "'webhooks':[{'clientConfig':{'url':'x'}},"
         "{'clientConfig':{'service':{'namespace':'shop'}}}]}",
         true},
        {"{'apiVersion':'admissionregistration.k8s.io/v1','kind':'ValidatingWebhookConfiguration',"
         "'webhooks':[{'clientConfig':{'service':{'namespace':'shop'}}}]}",
         true},
        {"{'apiVersion':'admissionregistration.k8s.io/v1','kind':'ValidatingWebhookConfiguration',"
         "'webhooks':[{'clientConfig':{'service':{'namespace':'other'}}}]}",
         false},
        {"{'apiVersion':'apiregistration.k8s.io/v1','kind':'APIService','spec':{'service':"
         "{'namespace':'shop'}}}",
         true},
        {"{'apiVersion':'apiregistration.k8s.io/v1','kind':'APIService'}", false},
        {"{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','spec':"
         "{'conversion':{'webhook':{'clientConfig':{'service':{'namespace':'shop'}}}}}}",
         true},
        {"{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition'}", false},
        {"{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'shop'}}", false},
    };
    const struct kst_rewrite moves = {.from_ns = "shop", .to_ns = "copy"};
    const struct kst_rewrite stays = {.from_ns = "shop", .to_ns = "shop"};
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *object = kst_json_make(rows[i].object);
        assert_true(!kst_rewrite_skip(&moves, object) == !rows[i].skipped);
        assert_null(kst_rewrite_skip(&stays, object));
    }
}

/* Objects come from anybody: every wrong type in every place. */
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
    kst_auto_json struct kst_json *all = cases();
    kst_auto_json struct kst_json *values = kst_json_make(
        "[null, 7, 'shop', '', true, [], [1,'shop',null,{'x':[]}], {}, {'a':{'b':1}}, [[]]]");
    for (const struct kst_json *c = kst_json_first(all); c; c = kst_json_next(c))
        for (size_t i = 0; i < kst_json_len(values) * 9; i++) {
            struct kst_rewrite self = rewrite_for(c);
            self.service_dns = true;
            kst_auto_json struct kst_json *object = kst_json_dup(kst_json_get(c, "object"));
            replace_all(object, kst_json_at(values, i / 9), (int)(i % 9));
            if (i % 9 > 0)
                kst_json_set(object, "apiVersion",
                             kst_json_dup(kst_json_path(c, "object.apiVersion")));
            kst_rewrite(&self, object);
            kst_rewrite_skip(&self, object);
        }
    kst_auto_json struct kst_json *names_of = kst_json_make("{'a':1,'/':'x','a/':'y','/a':null}");
    const struct kst_rewrite odd = {.from_ns = "", .to_ns = "x", .names = names_of};
    kst_auto_free char *now = kst_rewrite_name(&odd, "", "");
    assert_string_equal(now, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_becomes_of_objects),
        cmocka_unit_test(names),
        cmocka_unit_test(what_cannot_come_along),
        cmocka_unit_test(wrong_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
