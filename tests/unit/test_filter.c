/* SPDX-License-Identifier: Apache-2.0 */
#include "app/capture/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/resource.h"

static const char *const database_names[] = {"pg", NULL};
static const struct kst_kube_resource secrets = {.group = "",
                                                 .kind = "Secret",
                                                 .plural = "secrets"};
static const struct kst_kube_resource claims = {.group = "",
                                                .kind = "PersistentVolumeClaim",
                                                .plural = "persistentvolumeclaims"};
static const struct kst_kube_resource deployments = {.group = "apps",
                                                     .kind = "Deployment",
                                                     .plural = "deployments",
                                                     .singular = "deployment"};
static const struct kst_kube_resource databases = {
    .group = "acid.example",
    .kind = "Postgresql",
    .plural = "postgresqls",
    .singular = "postgresql",
    .short_names = database_names,
};

/* Of lists as kst_json_make() reads them; NULL for none. */
static struct kst_filter *filter(const char *include, const char *exclude)
{
    kst_auto_json struct kst_json *takes = include ? kst_json_make(include) : NULL;
    kst_auto_json struct kst_json *leaves = exclude ? kst_json_make(exclude) : NULL;
    struct kst_filter *out = NULL;
    assert_int_equal(kst_filter_new(takes, leaves, &out, NULL), 0);
    return out;
}

static bool takes(struct kst_filter *self, const struct kst_kube_resource *resource,
                  const char *name, const char *label, const char **why)
{
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'metadata':{'name':%s,'labels':{'tier':%s}}}", name, label);
    bool taken = false;
    assert_int_equal(kst_filter_takes(self, resource, object, &taken, why, NULL), 0);
    return taken;
}

static void patterns(void **state)
{
    static const struct {
        const char *pattern;
        const struct kst_kube_resource *resource;
        const char *name, *label;
        bool picks;
    } table[] = {
        {"Secret", &secrets, "a", "x", true},
        {"secret", &secrets, "a", "x", true},
        {"secrets", &claims, "a", "x", false},
        {"pvc", &claims, "a", "x", true},
        {"persistentvolumeclaims", &claims, "a", "x", true},
        {"deploy", &deployments, "a", "x", true},
        {"deployments.apps", &deployments, "a", "x", true},
        {"Deployments.APPS", &deployments, "a", "x", true},
        {"deployments.extensions", &deployments, "a", "x", false},
        {"deployments.app", &deployments, "a", "x", false},
        {"pg", &databases, "a", "x", true},
        {"*", &databases, "a", "x", true},
        {"*.acid.example", &databases, "a", "x", true},
        {"*.acid.example", &deployments, "a", "x", false},
        {"Secret/db", &secrets, "db", "x", true},
        {"Secret/db", &secrets, "db2", "x", false},
        {"Secret/db", &secrets, "my-db", "x", false},
        {"Secret/db.*", &secrets, "db-credentials", "x", true},
        {"Secret/a|b", &secrets, "b", "x", true},
        {"Secret/a|b", &secrets, "ab", "x", false},
        {"Secret/ab{0,1}", &secrets, "a", "x", true},
        {"Secret/sh\\.helm\\.release\\..*", &secrets, "sh.helm.release.v1.web.v3", "x", true},
        {"Secret?tier=cache", &secrets, "a", "cache", true},
        {"Secret?tier=cache", &secrets, "a", "web", false},
        {"*?tier in (web,cache),!legacy", &claims, "a", "web", true},
        {"Secret/db?tier!=cache", &secrets, "db", "web", true},
        {"Secret/db?tier!=cache", &secrets, "db", "cache", false},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *list = kst_json_make("[%s]", table[i].pattern);
        struct kst_filter *in = NULL, *out = NULL;
        assert_int_equal(kst_filter_new(list, NULL, &in, NULL), 0);
        assert_int_equal(kst_filter_new(NULL, list, &out, NULL), 0);
        bool taken = takes(in, table[i].resource, table[i].name, table[i].label, NULL);
        bool left = takes(out, table[i].resource, table[i].name, table[i].label, NULL);
        if (taken != table[i].picks || left == table[i].picks)
            fail_msg("pattern %s picks %s/%s: %d", table[i].pattern, table[i].resource->kind,
                     table[i].name, taken);
        kst_filter_free(in);
        kst_filter_free(out);
    }
}

static void wrong_patterns(void **state)
{
    static const struct {
        const char *list, *says;
    } table[] = {
        {"['']", "pattern '': expected a resource"},
        {"['/db']", "pattern '/db': expected a resource"},
        {"['my secrets']", "pattern 'my secrets': expected a kind"},
        {"['Secret/']", "expected a name after the '/'"},
        {"['Secret?']", "expected a label selector after the '?'"},
        {"['Secret/colou?']", "{0,1}"},
        {"['Secret/a)|(b']", "offset 1"},
        {"['Secret/[a-']", "regular expression '[a-'"},
        {"['Secret?tier in web']", "expected '('"},
        {"['deployments.']", "expected an API group"},
        {"['deployments.a b']", "expected an API group"},
        {"[7]", "expected a pattern as a text, found a number"},
        {"{'a':'b'}", "expected a list of patterns, found an object"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *list = kst_json_make(table[i].list);
        kst_auto_err struct kst_err *err = NULL;
        struct kst_filter *out = NULL;
        assert_int_equal(kst_filter_new(NULL, list, &out, &err), KST_E_USAGE);
        assert_null(out);
        if (!strstr(kst_err_message(err), table[i].says))
            fail_msg("%s: %s", table[i].list, kst_err_message(err));
    }
}

static void include_and_exclude(void **state)
{
    struct kst_filter *self = filter("['secrets','deploy/web-.*']", "['secrets/web','*?tier=tmp']");
    const char *why = NULL;
    assert_true(takes(self, &secrets, "db", "x", &why));
    assert_true(takes(self, &deployments, "web-1", "x", &why));
    assert_null(why);
    assert_false(takes(self, &secrets, "web", "x", &why));
    assert_string_equal(why, "excluded by secrets/web");
    assert_false(takes(self, &secrets, "db", "tmp", &why));
    assert_string_equal(why, "excluded by *?tier=tmp");
    assert_false(takes(self, &deployments, "db", "x", &why));
    assert_string_equal(why, "not included");
    kst_filter_free(self);
}

static void kinds(void **state)
{
    struct kst_filter *all = filter(NULL, NULL);
    struct kst_filter *some = filter("['secrets/db','*.apps']", NULL);
    struct kst_filter *rest = filter("[]", "['secrets','pvc/tmp','deploy?tier=x']");
    assert_true(kst_filter_takes_kind(all, &databases));
    assert_true(kst_filter_takes_kind(some, &secrets));
    assert_true(kst_filter_takes_kind(some, &deployments));
    assert_false(kst_filter_takes_kind(some, &claims));
    assert_false(kst_filter_takes_kind(rest, &secrets));
    assert_true(kst_filter_takes_kind(rest, &claims));
    assert_true(kst_filter_takes_kind(rest, &deployments));
    kst_filter_free(all);
    kst_filter_free(some);
    kst_filter_free(rest);
}

/* What a typing mistake looks like. A pattern that another one overrules has picked something. */
static void unused(void **state)
{
    struct kst_filter *self = filter("['secrets','sercets','secrets/d.*']",
                                     "['pvc','deploy','secrets/nothing']");
    assert_true(takes(self, &secrets, "db", "x", NULL));
    assert_false(kst_filter_takes_kind(self, &claims));
    kst_auto_json struct kst_json *rest = kst_filter_unused(self);
    kst_auto_free char *text = kst_json_text(rest);
    assert_string_equal(text, "[\"sercets\",\"deploy\",\"secrets/nothing\"]");
    kst_filter_free(self);
}

static void pathological(void **state)
{
    struct kst_filter *self = filter("['secrets/(a+)+b']", NULL);
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'metadata':{'name':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaacb'}}");
    kst_auto_err struct kst_err *err = NULL;
    bool taken = false;
    int64_t start_ms = kst_now_ms();
    int rc = kst_filter_takes(self, &secrets, object, &taken, NULL, &err);
    assert_int_equal(rc, KST_E_LIMIT);
    assert_non_null(strstr(kst_err_message(err), "pattern 'secrets/(a+)+b'"));
    assert_true(kst_now_ms() - start_ms < 5000);
    kst_filter_free(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns), cmocka_unit_test(wrong_patterns),
        cmocka_unit_test(kinds),    cmocka_unit_test(include_and_exclude),
        cmocka_unit_test(unused),   cmocka_unit_test(pathological),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
