/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the managers own after each write is what kube-apiserver 1.20.2 answered to the same
 * writes, in the same order. In the tables ' stands for " and ` for \".
 */
#include "sandbox/merge/managed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_patch.h"
#include "base/mem.h"

enum verb { POST, PATCH, APPLY, FORCE };

struct step {
    enum verb verb;
    const char *manager;
    const char *body;    /* without apiVersion, kind and name */
    const char *managed; /* fields by "MANAGER OPERATION", or NULL where it is refused */
    const char *message; /* why */
};

static struct kst_json *value_of(const char *text)
{
    kst_auto_buf plain = KST_BUF_INIT(1 << 20);
    for (; *text; text++)
        kst_buf_adds(&plain, (const char[]){*text == '\''  ? '"'
                                            : *text == '`' ? '\\'
                                                           : *text,
                                            *text == '`' ? '"' : '\0', '\0'});
    struct kst_json *value = NULL;
    kst_auto_err struct kst_err *err = NULL;
    if (kst_json_parse(plain.data, plain.len, &value, &err) < 0)
        fail_msg("%s: %s", plain.data, kst_err_message(err));
    return value;
}

static void same(const struct kst_json *found, const struct kst_json *wanted, const char *what)
{
    kst_auto_free char *is = kst_json_text(found), *should = kst_json_text(wanted);
    if (!kst_json_equal(found, wanted))
        fail_msg("%s\ngave %s\nnot  %s", what, is, should);
}

/* The fields of all managers, by "MANAGER OPERATION". */
static struct kst_json *managed_of(const struct kst_json *object)
{
    struct kst_json *all = kst_json_object();
    const struct kst_json *row = kst_json_first(kst_json_path(object, "metadata.managedFields"));
    for (; row; row = kst_json_next(row)) {
        kst_auto_free char *name = kst_asprintf("%s %s", kst_json_path_str(row, "manager"),
                                                kst_json_path_str(row, "operation"));
        assert_string_equal(kst_json_path_str(row, "fieldsType"), "FieldsV1");
        assert_null(kst_json_get(all, name));
        kst_json_set(all, name, kst_json_dup(kst_json_get(row, "fieldsV1")));
    }
    return all;
}

static struct kst_json *configuration(const struct kst_managed_write *write,
                                      const struct kst_json *body)
{
    struct kst_json *object = kst_json_dup(body);
    if (!kst_json_get(object, "apiVersion"))
        kst_json_set_str(object, "apiVersion", write->api_version);
    kst_json_set_str(object, "kind", write->kind);
    kst_json_set_str(kst_json_ensure_object(object, "metadata"), "name", "g");
    return object;
}

static int take_step(const struct kst_managed_write *write, const struct step *step,
                     const struct kst_json *live, struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *body = value_of(step->body), *applied = NULL;
    switch (step->verb) {
    case POST:
        *out = configuration(write, body);
        kst_managed_update(write, NULL, *out);
        return 0;
    case PATCH:
        *out = kst_json_patch_merge(live, body);
        kst_managed_update(write, live, *out);
        return 0;
    default:
        applied = configuration(write, body);
        return kst_managed_apply(write, live, applied, step->verb == FORCE, out, NULL, err);
    }
}

static void run(struct kst_managed_write write, const struct step *steps, size_t count)
{
    kst_auto_json struct kst_json *live = NULL;
    for (size_t i = 0; i < count; i++) {
        kst_auto_free char *now = kst_asprintf("2026-01-01T00:00:%02zuZ", i);
        kst_auto_json struct kst_json *out = NULL;
        kst_auto_err struct kst_err *err = NULL;
        write.manager = steps[i].manager;
        write.now = now;
        int rc = take_step(&write, &steps[i], live, &out, &err);
        if (!steps[i].managed) {
            assert_true(rc < 0);
            assert_null(out);
            assert_string_equal(kst_err_message(err), steps[i].message);
            continue;
        }
        if (rc < 0)
            fail_msg("%s: %s", steps[i].body, kst_err_message(err));
        kst_auto_json struct kst_json *managed = managed_of(out);
        kst_auto_json struct kst_json *wanted = value_of(steps[i].managed);
        same(managed, wanted, steps[i].body);
        kst_json_free(live);
        live = kst_take(out);
    }
}

static const char plain_schema[] =
    "{'type':'object','properties':{'spec':{'type':'object',"
    "'properties':{'replicas':{'type':'integer'},'atomicList':{'type':'array',"
    "'items':{'type':'string'}},'set':{'type':'array','items':{'type':'string'},"
    "'x-kubernetes-list-type':'set'},'rows':{'type':'array',"
    "'x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['name'],"
    "'items':{'type':'object','required':['name'],'properties':{'name':{'type':'string'},"
    "'value':{'type':'string'}}}},'atomicMap':{'type':'object',"
    "'x-kubernetes-map-type':'atomic','properties':{'a':{'type':'string'},"
    "'b':{'type':'string'}}},'labels':{'type':'object',"
    "'additionalProperties':{'type':'string'}}}}}}";

static const struct step plain_steps[] = {
    {APPLY, "m1",
     "{'spec':{'replicas':1,'atomicList':['a'],'set':['a','b'],'rows':[{'name':'x',"
     "'value':'1'},{'name':'y'}],'atomicMap':{'a':'1'},'labels':{'q':'r'}},"
     "'metadata':{'labels':{'l':'1'},'finalizers':['a.b/c']}}",
     "{'m1 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{}},'f:labels':{'f:l':{}}},"
     "'f:spec':{'f:atomicList':{},'f:atomicMap':{},'f:labels':{'f:q':{}},'f:replicas':{},"
     "'f:rows':{'k:{`name`:`x`}':{'.':{},'f:name':{},'f:value':{}},"
     "'k:{`name`:`y`}':{'.':{},'f:name':{}}},'f:set':{'v:`a`':{},'v:`b`':{}}}}}",
     NULL},
    {APPLY, "m2",
     "{'spec':{'replicas':2,'atomicList':['b'],'set':['b','c'],'rows':[{'name':'x',"
     "'value':'2'},{'name':'z','value':'1'}],'atomicMap':{'b':'1'},'labels':{'q':'s',"
     "'t':'u'}}}",
     NULL,
     "Apply failed with 5 conflicts: conflicts with \"m1\":\n- .spec.atomicList\n- .spec.a"
     "tomicMap\n- .spec.replicas\n- .spec.labels.q\n- .spec.rows[name=\"x\"].value"},
    {APPLY, "m2",
     "{'spec':{'replicas':1,'set':['b','c'],'rows':[{'name':'x','value':'1'},{'name':'z',"
     "'value':'1'}],'labels':{'q':'r','t':'u'}},'metadata':{'finalizers':['a.b/c',"
     "'a.b/d']}}",
     "{'m1 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{}},'f:labels':{'f:l':{}}},"
     "'f:spec':{'f:atomicList':{},'f:atomicMap':{},'f:labels':{'f:q':{}},'f:replicas':{},"
     "'f:rows':{'k:{`name`:`x`}':{'.':{},'f:name':{},'f:value':{}},"
     "'k:{`name`:`y`}':{'.':{},'f:name':{}}},'f:set':{'v:`a`':{},'v:`b`':{}}}},"
     "'m2 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{},'v:`a.b/d`':{}}},"
     "'f:spec':{'f:labels':{'f:q':{},'f:t':{}},'f:replicas':{},"
     "'f:rows':{'k:{`name`:`x`}':{'.':{},'f:name':{},'f:value':{}},"
     "'k:{`name`:`z`}':{'.':{},'f:name':{},'f:value':{}}},'f:set':{'v:`b`':{},"
     "'v:`c`':{}}}}}",
     NULL},
    {APPLY, "m1", "{'spec':{'set':['a'],'rows':[{'name':'y'}],'labels':{}}}",
     "{'m1 Apply':{'f:spec':{'f:rows':{'k:{`name`:`y`}':{'.':{},'f:name':{}}},"
     "'f:set':{'v:`a`':{}}}},'m2 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{},"
     "'v:`a.b/d`':{}}},'f:spec':{'f:labels':{'f:q':{},'f:t':{}},'f:replicas':{},"
     "'f:rows':{'k:{`name`:`x`}':{'.':{},'f:name':{},'f:value':{}},"
     "'k:{`name`:`z`}':{'.':{},'f:name':{},'f:value':{}}},'f:set':{'v:`b`':{},"
     "'v:`c`':{}}}}}",
     NULL},
    {PATCH, "u1",
     "{'spec':{'replicas':5,'set':['a','z'],'rows':[{'name':'r','value':'1'}],"
     "'labels':{'k':'v','k2':'v'},'atomicMap':{'a':'9'}},'metadata':{'labels':{'n':'1'}}}",
     "{'m1 Apply':{'f:spec':{'f:set':{'v:`a`':{}}}},"
     "'m2 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{},'v:`a.b/d`':{}}},"
     "'f:spec':{'f:labels':{'f:q':{},'f:t':{}}}},"
     "'u1 Update':{'f:metadata':{'f:labels':{'.':{},'f:n':{}}},'f:spec':{'f:atomicMap':{},"
     "'f:labels':{'f:k':{},'f:k2':{}},'f:replicas':{},'f:rows':{'k:{`name`:`r`}':{'.':{},"
     "'f:name':{},'f:value':{}}},'f:set':{'v:`z`':{}}}}}",
     NULL},
    {PATCH, "u2", "{'spec':{'replicas':6,'labels':{'k':null}}}",
     "{'m1 Apply':{'f:spec':{'f:set':{'v:`a`':{}}}},"
     "'m2 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{},'v:`a.b/d`':{}}},"
     "'f:spec':{'f:labels':{'f:q':{},'f:t':{}}}},"
     "'u1 Update':{'f:metadata':{'f:labels':{'.':{},'f:n':{}}},'f:spec':{'f:atomicMap':{},"
     "'f:labels':{'f:k2':{}},'f:rows':{'k:{`name`:`r`}':{'.':{},'f:name':{},"
     "'f:value':{}}},'f:set':{'v:`z`':{}}}},'u2 Update':{'f:spec':{'f:replicas':{}}}}",
     NULL},
    {PATCH, "u3", "{'spec':{'replicas':6}}",
     "{'m1 Apply':{'f:spec':{'f:set':{'v:`a`':{}}}},"
     "'m2 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{},'v:`a.b/d`':{}}},"
     "'f:spec':{'f:labels':{'f:q':{},'f:t':{}}}},"
     "'u1 Update':{'f:metadata':{'f:labels':{'.':{},'f:n':{}}},'f:spec':{'f:atomicMap':{},"
     "'f:labels':{'f:k2':{}},'f:rows':{'k:{`name`:`r`}':{'.':{},'f:name':{},"
     "'f:value':{}}},'f:set':{'v:`z`':{}}}},'u2 Update':{'f:spec':{'f:replicas':{}}}}",
     NULL},
    {APPLY, "m1", "{'spec':{'replicas':7,'labels':{'k2':'x'},'rows':[{'name':'r','value':'2'}]}}",
     NULL,
     "Apply failed with 3 conflicts: conflicts with \"u1\" using patch.kassette.test/v1:\n"
     "- .spec.labels.k2\n- .spec.rows[name=\"r\"].value\nconflicts with \"u2\" using patch"
     ".kassette.test/v1:\n- .spec.replicas"},
    {FORCE, "m1", "{'spec':{'replicas':7,'labels':{'k2':'x'},'rows':[{'name':'r','value':'2'}]}}",
     "{'m1 Apply':{'f:spec':{'f:labels':{'f:k2':{}},'f:replicas':{},"
     "'f:rows':{'k:{`name`:`r`}':{'.':{},'f:name':{},'f:value':{}}}}},"
     "'m2 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{},'v:`a.b/d`':{}}},"
     "'f:spec':{'f:labels':{'f:q':{},'f:t':{}}}},"
     "'u1 Update':{'f:metadata':{'f:labels':{'.':{},'f:n':{}}},'f:spec':{'f:atomicMap':{},"
     "'f:rows':{'k:{`name`:`r`}':{'.':{},'f:name':{}}},'f:set':{'v:`z`':{}}}}}",
     NULL},
    {APPLY, "m1", "{'spec':{'rows':[{'name':'r','value':'2'}]}}",
     "{'m1 Apply':{'f:spec':{'f:rows':{'k:{`name`:`r`}':{'.':{},'f:name':{},"
     "'f:value':{}}}}},'m2 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{},"
     "'v:`a.b/d`':{}}},'f:spec':{'f:labels':{'f:q':{},'f:t':{}}}},"
     "'u1 Update':{'f:metadata':{'f:labels':{'.':{},'f:n':{}}},'f:spec':{'f:atomicMap':{},"
     "'f:rows':{'k:{`name`:`r`}':{'.':{},'f:name':{}}},'f:set':{'v:`z`':{}}}}}",
     NULL},
    {PATCH, "u2", "{'spec':null}",
     "{'m2 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{},'v:`a.b/d`':{}}}},"
     "'u1 Update':{'f:metadata':{'f:labels':{'.':{},'f:n':{}}}}}",
     NULL},
    {APPLY, "m9", "{'spec':{'frob':1}}", NULL,
     "failed to create typed patch object: .spec.frob: field not declared in schema"},
    {APPLY, "m9", "{'spec':{'replicas':'x'}}", NULL,
     "failed to create typed patch object: .spec.replicas: expected numeric (int or float)"
     ", got *value.valueUnstructured"},
    {APPLY, "m9", "{'spec':{'rows':[{'name':'a'},{'name':'a'}]}}", NULL,
     "failed to create typed patch object: .spec.rows: duplicate entries for key [name=\"a"
     "\"]"},
    {APPLY, "m9", "{'spec':{'rows':[{'value':'a'}]}}", NULL,
     "failed to create typed patch object: .spec.rows: element 0: associative list with ke"
     "ys has an element that omits key field \"name\" (and doesn't have default value)"},
    {APPLY, "m9", "{'spec':{'set':['a','a']}}", NULL,
     "failed to create typed patch object: .spec.set: duplicate entries for key [=\"a\"]"},
    {APPLY, "m9", "{'spec':{'set':[null]}}", NULL,
     "failed to create typed patch object: .spec.set: element 0: associative list without "
     "keys has an element that's an explicit null"},
    {APPLY, "m9", "{'spec':{'rows':[null]}}", NULL,
     "failed to create typed patch object: .spec.rows: element 0: associative list with ke"
     "ys may not have a null element"},
    {APPLY, "m9", "{'spec':{'rows':{}}}", NULL,
     "failed to create typed patch object: .spec.rows: expected list, got &{map[]}"},
    {APPLY, "m9", "{'spec':{'atomicMap':'x'}}", NULL,
     "failed to create typed patch object: .spec.atomicMap: expected map, got &{x}"},
    {APPLY, "m9", "{'spec':{'replicas':'x','rows':[{'name':'a'},{'name':'a'}]}}", NULL,
     "failed to create typed patch object: errors:\n  .spec.replicas: expected numeric (in"
     "t or float),"
     " got *value.valueUnstructured\n  .spec.rows: duplicate entries for key [name=\"a\"]"},
    {APPLY, "m9", "{'spec':{'atomicMap':{'a':5}}}", NULL,
     "failed to create typed patch object: .spec.atomicMap.a: expected string,"
     " got &value.valueUnstructured{Value:5}"},
    {APPLY, "m9", "{'spec':{'set':[{}]}}", NULL,
     "failed to create typed patch object: .spec.set: element 0: associative list without "
     "keys has an element that's a map type"},
    {APPLY, "m9", "{'spec':{'rows':['a']}}", NULL,
     "failed to create typed patch object: .spec.rows: element 0: associative list with ke"
     "ys may not have non-map elements"},
    {APPLY, "m9", "{'spec':{},'apiVersion':'v9/z'}", NULL,
     "Incorrect version specified in apply patch. Specified patch version: v9/z,"
     " expected: patch.kassette.test/v1"},
    {APPLY, "m9", "{'spec':{},'metadata':{'managedFields':[]}}", NULL,
     "metadata.managedFields must be nil"},
    {APPLY, "m9", "{'spec':{},'metadata':{'labels':{'a':null}}}",
     "{'m2 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{},'v:`a.b/d`':{}}}},"
     "'m9 Apply':{'f:metadata':{'f:labels':{'f:a':{}}}},"
     "'u1 Update':{'f:metadata':{'f:labels':{'.':{},'f:n':{}}}}}",
     NULL},
    {PATCH, "u1", "{'metadata':{'managedFields':[{}]}}", "{}", NULL},
    {PATCH, "u1", "{'spec':{'replicas':4}}", "{}", NULL},
    {APPLY, "m1", "{'spec':{'replicas':4}}",
     "{'m1 Apply':{'f:spec':{'f:replicas':{}}},"
     "'before-first-apply Update':{'f:metadata':{'f:finalizers':{'.':{},'v:`a.b/c`':{},"
     "'v:`a.b/d`':{}},'f:labels':{'.':{},'f:a':{},'f:n':{}}},'f:spec':{'.':{},"
     "'f:replicas':{}}}}",
     NULL},
    {APPLY, "m1", "{'spec':{'replicas':5}}", NULL,
     "Apply failed with 1 conflict: conflict with \"before-first-apply\" using patch.kasse"
     "tte.test/v1: .spec.replicas"},
};

static void test_custom_resource(void **state)
{
    kst_auto_json struct kst_json *schema = value_of(plain_schema);
    run((struct kst_managed_write){.api_version = "patch.kassette.test/v1",
                                   .group = "patch.kassette.test",
                                   .kind = "Plain",
                                   .schema = schema},
        plain_steps, KST_ARRAY_LEN(plain_steps));
}

static const char typed_schema[] =
    "{'type':'object','properties':{'spec':{'type':'object',"
    "'properties':{'atomicMap':{'type':'object','properties':{'a':{'type':'string'},"
    "'b':{'type':'string'}},'x-kubernetes-map-type':'atomic'},'deep':{'type':'object',"
    "'properties':{'a':{'type':'string'},'b':{'type':'object',"
    "'properties':{'c':{'type':'string'},'d':{'type':'string'}}}}},"
    "'intorstr':{'x-kubernetes-int-or-string':true},'labels':{'type':'object',"
    "'additionalProperties':{'type':'string'}},'name':{'type':'string'},"
    "'replicas':{'type':'integer'},'rows':{'type':'array','items':{'type':'object',"
    "'required':['name','port'],'properties':{'name':{'type':'string'},"
    "'nested':{'type':'object','properties':{'a':{'type':'string'},"
    "'b':{'type':'string'}}},'port':{'type':'integer'},'value':{'type':'string'}}},"
    "'x-kubernetes-list-map-keys':['name','port'],'x-kubernetes-list-type':'map'},"
    "'set':{'type':'array','items':{'type':'string'},'x-kubernetes-list-type':'set'}}},"
    "'status':{'type':'object','x-kubernetes-preserve-unknown-fields':true}}}";

static const struct step typed_steps[] = {
    {APPLY, "m1",
     "{'spec':{'replicas':1,'set':['a','b'],'rows':[{'name':'x','port':1}],"
     "'atomicMap':{'a':'1'},'labels':{'l':'1'},'deep':{'a':'1','b':{'c':'2'}},"
     "'intorstr':5},'metadata':{'labels':{'q':'1'},'finalizers':['a.b/c']}}",
     "{'m1 Apply':{'f:metadata':{'f:finalizers':{},'f:labels':{'.':{},'f:q':{}}},"
     "'f:spec':{'.':{},'f:atomicMap':{'.':{},'f:a':{}},'f:deep':{'.':{},'f:a':{},"
     "'f:b':{'.':{},'f:c':{}}},'f:intorstr':{},'f:labels':{'.':{},'f:l':{}},"
     "'f:replicas':{},'f:rows':{},'f:set':{}}}}",
     NULL},
    {APPLY, "m2", "{'spec':{'replicas':2,'rows':[{'name':'x','port':2}],'set':['b','c']}}", NULL,
     "Apply failed with 3 conflicts: conflicts with \"m1\":\n- .spec.replicas\n- .spec.row"
     "s\n- .spec.set"},
    {FORCE, "m2", "{'spec':{'replicas':2,'rows':[{'name':'x','port':2}],'set':['b','c']}}",
     "{'m1 Apply':{'f:metadata':{'f:finalizers':{},'f:labels':{'.':{},'f:q':{}}},"
     "'f:spec':{'.':{},'f:atomicMap':{'.':{},'f:a':{}},'f:deep':{'.':{},'f:a':{},"
     "'f:b':{'.':{},'f:c':{}}},'f:intorstr':{},'f:labels':{'.':{},'f:l':{}}}},"
     "'m2 Apply':{'f:spec':{'.':{},'f:replicas':{},'f:rows':{},'f:set':{}}}}",
     NULL},
    {PATCH, "u1", "{'spec':{'set':['a','z'],'labels':{'l2':'x'},'deep':{'b':{'d':'x'}}}}",
     "{'m1 Apply':{'f:metadata':{'f:finalizers':{},'f:labels':{'.':{},'f:q':{}}},"
     "'f:spec':{'.':{},'f:atomicMap':{'.':{},'f:a':{}},'f:deep':{'.':{},'f:a':{},"
     "'f:b':{'.':{},'f:c':{}}},'f:intorstr':{},'f:labels':{'.':{},'f:l':{}}}},"
     "'m2 Apply':{'f:spec':{'.':{},'f:replicas':{},'f:rows':{}}},"
     "'u1 Update':{'f:spec':{'f:deep':{'f:b':{'f:d':{}}},'f:labels':{'f:l2':{}},"
     "'f:set':{}}}}",
     NULL},
    {APPLY, "m9", "{'spec':{'deep':'x'}}", NULL,
     "Apply failed with 1 conflict: conflict with \"m1\": .spec.deep"},
    {PATCH, "u2", "{'spec':{'labels':{'l2':null},'rows':null,'deep':{'b':null}}}",
     "{'m1 Apply':{'f:metadata':{'f:finalizers':{},'f:labels':{'.':{},'f:q':{}}},"
     "'f:spec':{'.':{},'f:atomicMap':{'.':{},'f:a':{}},'f:deep':{'.':{},'f:a':{}},"
     "'f:intorstr':{},'f:labels':{'.':{},'f:l':{}}}},'m2 Apply':{'f:spec':{'.':{},"
     "'f:replicas':{}}},'u1 Update':{'f:spec':{'f:set':{}}}}",
     NULL},
    {PATCH, "u1", "{'status':{'a':{'b':1},'l':[1]}}",
     "{'m1 Apply':{'f:metadata':{'f:finalizers':{},'f:labels':{'.':{},'f:q':{}}},"
     "'f:spec':{'.':{},'f:atomicMap':{'.':{},'f:a':{}},'f:deep':{'.':{},'f:a':{}},"
     "'f:intorstr':{},'f:labels':{'.':{},'f:l':{}}}},'m2 Apply':{'f:spec':{'.':{},"
     "'f:replicas':{}}},'u1 Update':{'f:spec':{'f:set':{}},'f:status':{'.':{},"
     "'f:a':{'.':{},'f:b':{}},'f:l':{}}}}",
     NULL},
};

/* A field that is an integer or a string makes the server forget all list types. */
static void test_schema_that_cannot_be_read(void **state)
{
    kst_auto_json struct kst_json *schema = value_of(typed_schema);
    run((struct kst_managed_write){.api_version = "patch.kassette.test/v1",
                                   .group = "patch.kassette.test",
                                   .kind = "Typed",
                                   .schema = schema},
        typed_steps, KST_ARRAY_LEN(typed_steps));
}

/* What is stated by an apply of .spec.d, where .spec.probe tells that the schema was read. */
static void test_features_of_schemas(void **state)
{
    static const struct {
        const char *schema, *value, *fields;
    } rows[] = {
        {"{'type':'object','properties':{'x':{'type':'string','default':'h'}}}", "{}",
         "{'f:probe':{'v:`q`':{}}}"},
        {"{'type':'object','x-kubernetes-embedded-resource':true,"
         "'x-kubernetes-preserve-unknown-fields':true}",
         "{'apiVersion':'v1','kind':'P','metadata':{'labels':{'a':'b'}},'spec':{'q':1}}",
         "{'f:d':{'f:apiVersion':{},'f:kind':{},'f:metadata':{'f:labels':{'f:a':{}}},"
         "'f:spec':{'.':{},'f:q':{}}},'f:probe':{'v:`q`':{}}}"},
        {"{'x-kubernetes-int-or-string':true}", "5", "{'.':{},'f:d':{},'f:probe':{}}"},
        {"{'type':'string','nullable':true}", "null", "{'f:d':{},'f:probe':{'v:`q`':{}}}"},
        {"{'type':'object','x-kubernetes-preserve-unknown-fields':true}",
         "{'a':{'b':1},'c':[1],'e':{}}",
         "{'f:d':{'f:a':{},'f:c':{},'f:e':{}},'f:probe':{'v:`q`':{}}}"},
        {"{'type':'object','x-kubernetes-preserve-unknown-fields':true,"
         "'properties':{'a':{'type':'object','properties':{'b':{'type':'string'}}}}}",
         "{'a':{'b':'x'},'z':{'y':1}}",
         "{'f:d':{'f:a':{'f:b':{}},'f:z':{'.':{},'f:y':{}}},'f:probe':{'v:`q`':{}}}"},
        {"{'x-kubernetes-preserve-unknown-fields':true}", "{'a':{'b':1}}",
         "{'f:d':{},'f:probe':{'v:`q`':{}}}"},
        {"{'type':'object'}", "{}", "{'f:probe':{'v:`q`':{}}}"},
        {"{'type':'object','additionalProperties':{'type':'object',"
         "'properties':{'a':{'type':'string'}}}}",
         "{'k':{'a':'1'},'e':{}}",
         "{'f:d':{'f:e':{},'f:k':{'.':{},'f:a':{}}},'f:probe':{'v:`q`':{}}}"},
        {"{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['name',"
         "'proto'],'items':{'type':'object','required':['name'],"
         "'properties':{'name':{'type':'string'},'proto':{'type':'string','default':'TCP'},"
         "'v':{'type':'string'}}}}",
         "[{'name':'a'},{'name':'b','proto':'UDP'}]",
         "{'f:d':{'k:{`name`:`a`,`proto`:`TCP`}':{'.':{},'f:name':{}},'k:{`name`:`b`,"
         "`proto`:`UDP`}':{'.':{},'f:name':{},'f:proto':{}}},'f:probe':{'v:`q`':{}}}"},
        {"{'type':'array','x-kubernetes-list-type':'set','items':{'type':'integer'}}", "[1,2]",
         "{'f:d':{'v:1':{},'v:2':{}},'f:probe':{'v:`q`':{}}}"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *d = value_of(rows[i].schema), *v = value_of(rows[i].value);
        kst_auto_json struct kst_json *schema = kst_json_make(
            "{'type':'object','properties':{'spec':{'type':'object','properties':{'d':%J,"
            "'probe':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}}}}}}",
            d);
        struct kst_managed_write write = {
            .manager = "m", .api_version = "g/v1", .now = "", .kind = "F", .schema = schema};
        kst_auto_json struct kst_json *body = kst_json_make("{'spec':{'d':%J,'probe':['q']}}", v);
        kst_auto_json struct kst_json *applied = configuration(&write, body), *out = NULL;
        assert_int_equal(kst_managed_apply(&write, NULL, applied, false, &out, NULL, NULL), 0);
        kst_auto_json struct kst_json *managed = managed_of(out),
                                      *wanted = value_of(rows[i].fields);
        same(kst_json_get(kst_json_get(managed, "m Apply"), "f:spec"), wanted, rows[i].schema);
    }
}

static const struct step deployment_steps[] = {
    {APPLY, "m1",
     "{'spec':{'paused':true,'replicas':0,'selector':{'matchLabels':{'a':'b'}},"
     "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'a',"
     "'image':'ia','ports':[{'containerPort':1,'protocol':'TCP'},{'containerPort':2}],"
     "'env':[{'name':'A','value':'1'},{'name':'B','value':'2'}],"
     "'resources':{'limits':{'cpu':'1'}}},{'name':'b','image':'ib'}],"
     "'volumes':[{'name':'v','emptyDir':{}}],'tolerations':[{'operator':'Exists'}],"
     "'nodeSelector':{'n':'1'}}}},'metadata':{'labels':{'l':'1'},'annotations':{'x':'1'},"
     "'finalizers':['a.b/c']}}",
     "{'m1 Apply':{'f:metadata':{'f:annotations':{'f:x':{}},"
     "'f:finalizers':{'v:`a.b/c`':{}},'f:labels':{'f:l':{}}},'f:spec':{'f:paused':{},"
     "'f:replicas':{},'f:selector':{},'f:template':{'f:metadata':{'f:labels':{'f:a':{}}},"
     "'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},"
     "'f:env':{'k:{`name`:`A`}':{'.':{},'f:name':{},'f:value':{}},"
     "'k:{`name`:`B`}':{'.':{},'f:name':{},'f:value':{}}},'f:image':{},'f:name':{},"
     "'f:ports':{'k:{`containerPort`:1,`protocol`:`TCP`}':{'.':{},'f:containerPort':{},"
     "'f:protocol':{}},'k:{`containerPort`:2,`protocol`:`TCP`}':{'.':{},"
     "'f:containerPort':{}}},'f:resources':{'f:limits':{'f:cpu':{}}}},"
     "'k:{`name`:`b`}':{'.':{},'f:image':{},'f:name':{}}},'f:nodeSelector':{'f:n':{}},"
     "'f:tolerations':{},'f:volumes':{'k:{`name`:`v`}':{'.':{},'f:name':{}}}}}}}}",
     NULL},
    {PATCH, "u1",
     "{'spec':{'template':{'spec':{'terminationGracePeriodSeconds':5,"
     "'nodeSelector':{'n':'2'}}}},'metadata':{'labels':{'n':'2'},'annotations':{'x':'2'}}}",
     "{'m1 Apply':{'f:metadata':{'f:finalizers':{'v:`a.b/c`':{}},'f:labels':{'f:l':{}}},"
     "'f:spec':{'f:paused':{},'f:replicas':{},'f:selector':{},"
     "'f:template':{'f:metadata':{'f:labels':{'f:a':{}}},"
     "'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},"
     "'f:env':{'k:{`name`:`A`}':{'.':{},'f:name':{},'f:value':{}},"
     "'k:{`name`:`B`}':{'.':{},'f:name':{},'f:value':{}}},'f:image':{},'f:name':{},"
     "'f:ports':{'k:{`containerPort`:1,`protocol`:`TCP`}':{'.':{},'f:containerPort':{},"
     "'f:protocol':{}},'k:{`containerPort`:2,`protocol`:`TCP`}':{'.':{},"
     "'f:containerPort':{}}},'f:resources':{'f:limits':{'f:cpu':{}}}},"
     "'k:{`name`:`b`}':{'.':{},'f:image':{},'f:name':{}}},'f:tolerations':{},"
     "'f:volumes':{'k:{`name`:`v`}':{'.':{},'f:name':{}}}}}}},"
     "'u1 Update':{'f:metadata':{'f:annotations':{'f:x':{}},'f:labels':{'f:n':{}}},"
     "'f:spec':{'f:template':{'f:spec':{'f:nodeSelector':{'f:n':{}},"
     "'f:terminationGracePeriodSeconds':{}}}}}}",
     NULL},
    {APPLY, "m1",
     "{'spec':{'paused':true,'replicas':0,'selector':{'matchLabels':{'a':'b'}},"
     "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'a',"
     "'image':'ia','ports':[{'containerPort':1,'protocol':'TCP'},{'containerPort':2}],"
     "'env':[{'name':'A','value':'1'},{'name':'B','value':'2'}],"
     "'resources':{'limits':{'cpu':'1'}}},{'name':'b','image':'ib'}],"
     "'volumes':[{'name':'v','emptyDir':{}}],'tolerations':[{'operator':'Exists'}],"
     "'nodeSelector':{'n':'1'}}}},'metadata':{'labels':{'l':'1'},'annotations':{'x':'1'},"
     "'finalizers':['a.b/c']}}",
     NULL,
     "Apply failed with 2 conflicts: conflicts with \"u1\" using apps/v1:\n- .metadata.ann"
     "otations.x\n- .spec.template.spec.nodeSelector.n"},
    {FORCE, "m1",
     "{'spec':{'paused':true,'replicas':0,'selector':{'matchLabels':{'a':'b'}},"
     "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'a',"
     "'image':'ia','ports':[{'containerPort':1,'protocol':'TCP'},{'containerPort':2}],"
     "'env':[{'name':'A','value':'1'},{'name':'B','value':'2'}],"
     "'resources':{'limits':{'cpu':'1'}}},{'name':'b','image':'ib'}],"
     "'volumes':[{'name':'v','emptyDir':{}}],'tolerations':[{'operator':'Exists'}],"
     "'nodeSelector':{'n':'1'}}}},'metadata':{'labels':{'l':'1'},'annotations':{'x':'1'},"
     "'finalizers':['a.b/c']}}",
     "{'m1 Apply':{'f:metadata':{'f:annotations':{'f:x':{}},"
     "'f:finalizers':{'v:`a.b/c`':{}},'f:labels':{'f:l':{}}},'f:spec':{'f:paused':{},"
     "'f:replicas':{},'f:selector':{},'f:template':{'f:metadata':{'f:labels':{'f:a':{}}},"
     "'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},"
     "'f:env':{'k:{`name`:`A`}':{'.':{},'f:name':{},'f:value':{}},"
     "'k:{`name`:`B`}':{'.':{},'f:name':{},'f:value':{}}},'f:image':{},'f:name':{},"
     "'f:ports':{'k:{`containerPort`:1,`protocol`:`TCP`}':{'.':{},'f:containerPort':{},"
     "'f:protocol':{}},'k:{`containerPort`:2,`protocol`:`TCP`}':{'.':{},"
     "'f:containerPort':{}}},'f:resources':{'f:limits':{'f:cpu':{}}}},"
     "'k:{`name`:`b`}':{'.':{},'f:image':{},'f:name':{}}},'f:nodeSelector':{'f:n':{}},"
     "'f:tolerations':{},'f:volumes':{'k:{`name`:`v`}':{'.':{},'f:name':{}}}}}}},"
     "'u1 Update':{'f:metadata':{'f:labels':{'f:n':{}}},"
     "'f:spec':{'f:template':{'f:spec':{'f:terminationGracePeriodSeconds':{}}}}}}",
     NULL},
    {APPLY, "m2",
     "{'spec':{'paused':true,'replicas':0,'selector':{'matchLabels':{'a':'b'}},"
     "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'a',"
     "'image':'ia'},{'name':'z','image':'iz'}],'volumes':[{'name':'v','emptyDir':{}}]}}}}",
     "{'m1 Apply':{'f:metadata':{'f:annotations':{'f:x':{}},"
     "'f:finalizers':{'v:`a.b/c`':{}},'f:labels':{'f:l':{}}},'f:spec':{'f:paused':{},"
     "'f:replicas':{},'f:selector':{},'f:template':{'f:metadata':{'f:labels':{'f:a':{}}},"
     "'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},"
     "'f:env':{'k:{`name`:`A`}':{'.':{},'f:name':{},'f:value':{}},"
     "'k:{`name`:`B`}':{'.':{},'f:name':{},'f:value':{}}},'f:image':{},'f:name':{},"
     "'f:ports':{'k:{`containerPort`:1,`protocol`:`TCP`}':{'.':{},'f:containerPort':{},"
     "'f:protocol':{}},'k:{`containerPort`:2,`protocol`:`TCP`}':{'.':{},"
     "'f:containerPort':{}}},'f:resources':{'f:limits':{'f:cpu':{}}}},"
     "'k:{`name`:`b`}':{'.':{},'f:image':{},'f:name':{}}},'f:nodeSelector':{'f:n':{}},"
     "'f:tolerations':{},'f:volumes':{'k:{`name`:`v`}':{'.':{},'f:name':{}}}}}}},"
     "'m2 Apply':{'f:spec':{'f:paused':{},'f:replicas':{},'f:selector':{},"
     "'f:template':{'f:metadata':{'f:labels':{'f:a':{}}},"
     "'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},'f:image':{},'f:name':{}},"
     "'k:{`name`:`z`}':{'.':{},'f:image':{},'f:name':{}}},"
     "'f:volumes':{'k:{`name`:`v`}':{'.':{},'f:name':{}}}}}}},"
     "'u1 Update':{'f:metadata':{'f:labels':{'f:n':{}}},"
     "'f:spec':{'f:template':{'f:spec':{'f:terminationGracePeriodSeconds':{}}}}}}",
     NULL},
    {APPLY, "m1",
     "{'spec':{'paused':true,'replicas':0,'selector':{'matchLabels':{'a':'b'}},"
     "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'a',"
     "'image':'ia','env':[{'name':'A','value':'1'}]}]}}}}",
     "{'m1 Apply':{'f:spec':{'f:paused':{},'f:replicas':{},'f:selector':{},"
     "'f:template':{'f:metadata':{'f:labels':{'f:a':{}}},"
     "'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},"
     "'f:env':{'k:{`name`:`A`}':{'.':{},'f:name':{},'f:value':{}}},'f:image':{},"
     "'f:name':{}}}}}}},'m2 Apply':{'f:spec':{'f:paused':{},'f:replicas':{},"
     "'f:selector':{},'f:template':{'f:metadata':{'f:labels':{'f:a':{}}},"
     "'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},'f:image':{},'f:name':{}},"
     "'k:{`name`:`z`}':{'.':{},'f:image':{},'f:name':{}}},"
     "'f:volumes':{'k:{`name`:`v`}':{'.':{},'f:name':{}}}}}}},"
     "'u1 Update':{'f:metadata':{'f:labels':{'f:n':{}}},"
     "'f:spec':{'f:template':{'f:spec':{'f:terminationGracePeriodSeconds':{}}}}}}",
     NULL},
    {APPLY, "m9",
     "{'spec':{'paused':true,'replicas':0,'selector':{'matchLabels':{'a':'b'}},"
     "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'a',"
     "'image':'b'},{'name':'a','image':'c'}]}}}}",
     NULL,
     "failed to create typed patch object: .spec.template.spec.containers: duplicate entri"
     "es for key [name=\"a\"]"},
    {APPLY, "m9",
     "{'spec':{'paused':true,'replicas':0,'selector':{'matchLabels':{'a':'b'}},"
     "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'a',"
     "'env':[{'name':'A','value':'1'},{'name':'A','value':'2'}]}]}}}}",
     NULL,
     "failed to create typed patch object: .spec.template.spec.containers[name=\"a\"].env:"
     " duplicate entries for key [name=\"A\"]"},
    {FORCE, "m3",
     "{'metadata':{'labels':{'zz':null}},'spec':{'replicas':null,"
     "'selector':{'matchLabels':{'a':'b'}}}}",
     "{'m1 Apply':{'f:spec':{'f:paused':{},'f:selector':{},"
     "'f:template':{'f:metadata':{'f:labels':{'f:a':{}}},"
     "'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},"
     "'f:env':{'k:{`name`:`A`}':{'.':{},'f:name':{},'f:value':{}}},'f:image':{},"
     "'f:name':{}}}}}}},'m2 Apply':{'f:spec':{'f:paused':{},'f:selector':{},"
     "'f:template':{'f:metadata':{'f:labels':{'f:a':{}}},"
     "'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},'f:image':{},'f:name':{}},"
     "'k:{`name`:`z`}':{'.':{},'f:image':{},'f:name':{}}},"
     "'f:volumes':{'k:{`name`:`v`}':{'.':{},'f:name':{}}}}}}},"
     "'m3 Apply':{'f:metadata':{'f:labels':{'f:zz':{}}},'f:spec':{'f:replicas':{},"
     "'f:selector':{}}},'u1 Update':{'f:metadata':{'f:labels':{'f:n':{}}},"
     "'f:spec':{'f:template':{'f:spec':{'f:terminationGracePeriodSeconds':{}}}}}}",
     NULL},
};

static void test_deployment(void **state)
{
    run((struct kst_managed_write){.api_version = "apps/v1", .group = "apps", .kind = "Deployment"},
        deployment_steps, KST_ARRAY_LEN(deployment_steps));
}

static const struct {
    const char *group, *kind, *object, *managed;
} created[] = {
    {"", "ConfigMap", "{'metadata':{'name':'q'},'data':{'a':'b'},'binaryData':{'x':'aGk='}}",
     "{'u1 Update':{'f:binaryData':{'.':{},'f:x':{}},'f:data':{'.':{},'f:a':{}}}}"},
    {"apps", "StatefulSet",
     "{'metadata':{'name':'q'},'spec':{'replicas':0,'selector':{'matchLabels':{'a':'b'}},"
     "'template':{'metadata':{'creationTimestamp':null,'labels':{'a':'b'}},"
     "'spec':{'containers':[{'name':'a','image':'b','resources':{},"
     "'terminationMessagePath':'/dev/termination-log','terminationMessagePolicy':'File',"
     "'imagePullPolicy':'Always'}],'restartPolicy':'Always',"
     "'terminationGracePeriodSeconds':30,'dnsPolicy':'ClusterFirst','securityContext':{},"
     "'schedulerName':'default-scheduler'}},"
     "'volumeClaimTemplates':[{'kind':'PersistentVolumeClaim','apiVersion':'v1',"
     "'metadata':{'name':'d','creationTimestamp':null},"
     "'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}},"
     "'volumeMode':'Filesystem'},'status':{'phase':'Pending'}}],'serviceName':'q',"
     "'podManagementPolicy':'OrderedReady','updateStrategy':{'type':'RollingUpdate',"
     "'rollingUpdate':{'partition':0}},'revisionHistoryLimit':10},'status':{'replicas':0}}",
     "{'u1 Update':{'f:spec':{'f:podManagementPolicy':{},'f:replicas':{},"
     "'f:revisionHistoryLimit':{},'f:selector':{},'f:serviceName':{},"
     "'f:template':{'f:metadata':{'f:labels':{'.':{},'f:a':{}}},"
     "'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},'f:image':{},"
     "'f:imagePullPolicy':{},'f:name':{},'f:resources':{},'f:terminationMessagePath':{},"
     "'f:terminationMessagePolicy':{}}},'f:dnsPolicy':{},'f:restartPolicy':{},"
     "'f:schedulerName':{},'f:securityContext':{},'f:terminationGracePeriodSeconds':{}}},"
     "'f:updateStrategy':{'f:rollingUpdate':{'.':{},'f:partition':{}},'f:type':{}},"
     "'f:volumeClaimTemplates':{}}}}"},
    {"batch", "CronJob",
     "{'metadata':{'name':'q'},'spec':{'schedule':'1 1 1 1 1','concurrencyPolicy':'Allow',"
     "'suspend':true,'jobTemplate':{'metadata':{'creationTimestamp':null,"
     "'labels':{'a':'b'}},'spec':{'template':{'metadata':{'creationTimestamp':null},"
     "'spec':{'containers':[{'name':'a','image':'b','resources':{},"
     "'terminationMessagePath':'/dev/termination-log','terminationMessagePolicy':'File',"
     "'imagePullPolicy':'Always'}],'restartPolicy':'Never',"
     "'terminationGracePeriodSeconds':30,'dnsPolicy':'ClusterFirst','securityContext':{},"
     "'schedulerName':'default-scheduler'}}}},'successfulJobsHistoryLimit':3,"
     "'failedJobsHistoryLimit':1},'status':{}}",
     "{'u1 Update':{'f:spec':{'f:concurrencyPolicy':{},'f:failedJobsHistoryLimit':{},"
     "'f:jobTemplate':{'f:metadata':{'f:labels':{'.':{},'f:a':{}}},"
     "'f:spec':{'f:template':{'f:spec':{'f:containers':{'k:{`name`:`a`}':{'.':{},"
     "'f:image':{},'f:imagePullPolicy':{},'f:name':{},'f:resources':{},"
     "'f:terminationMessagePath':{},'f:terminationMessagePolicy':{}}},'f:dnsPolicy':{},"
     "'f:restartPolicy':{},'f:schedulerName':{},'f:securityContext':{},"
     "'f:terminationGracePeriodSeconds':{}}}}},'f:schedule':{},"
     "'f:successfulJobsHistoryLimit':{},'f:suspend':{}}}}"},
    {"", "ServiceAccount",
     "{'metadata':{'name':'q'},'secrets':[{'name':'s'}],'imagePullSecrets':[{'name':'s'}]}",
     "{'u1 Update':{'f:imagePullSecrets':{},'f:secrets':{'.':{},'k:{`name`:`s`}':{'.':{},"
     "'f:name':{}}}}}"},
    {"", "Event",
     "{'metadata':{'name':'q'},'involvedObject':{'kind':'Pod','namespace':'patchwork',"
     "'name':'x'},'reason':'R','message':'m','source':{'component':'c'},"
     "'firstTimestamp':'2026-01-01T00:00:00Z','lastTimestamp':'2026-01-01T00:00:00Z',"
     "'count':1,'type':'Normal','eventTime':null,'reportingComponent':'',"
     "'reportingInstance':''}",
     "{'u1 Update':{'f:count':{},'f:firstTimestamp':{},'f:involvedObject':{'f:kind':{},"
     "'f:name':{},'f:namespace':{}},'f:lastTimestamp':{},'f:message':{},'f:reason':{},"
     "'f:source':{'f:component':{}},'f:type':{}}}"},
    {"", "ReplicationController",
     "{'metadata':{'name':'q','labels':{'a':'b'}},'spec':{'replicas':0,"
     "'selector':{'a':'b'},'template':{'metadata':{'creationTimestamp':null,"
     "'labels':{'a':'b'}},'spec':{'containers':[{'name':'a','image':'b','resources':{},"
     "'terminationMessagePath':'/dev/termination-log','terminationMessagePolicy':'File',"
     "'imagePullPolicy':'Always'}],'restartPolicy':'Always',"
     "'terminationGracePeriodSeconds':30,'dnsPolicy':'ClusterFirst','securityContext':{},"
     "'schedulerName':'default-scheduler'}}},'status':{'replicas':0}}",
     "{'u1 Update':{'f:metadata':{'f:labels':{'.':{},'f:a':{}}},'f:spec':{'f:replicas':{},"
     "'f:selector':{'.':{},'f:a':{}},'f:template':{'.':{},'f:metadata':{'.':{},"
     "'f:creationTimestamp':{},'f:labels':{'.':{},'f:a':{}}},'f:spec':{'.':{},"
     "'f:containers':{'.':{},'k:{`name`:`a`}':{'.':{},'f:image':{},'f:imagePullPolicy':{},"
     "'f:name':{},'f:resources':{},'f:terminationMessagePath':{},"
     "'f:terminationMessagePolicy':{}}},'f:dnsPolicy':{},'f:restartPolicy':{},"
     "'f:schedulerName':{},'f:securityContext':{},"
     "'f:terminationGracePeriodSeconds':{}}}}}}"},
    {"networking.k8s.io", "NetworkPolicy",
     "{'metadata':{'name':'q'},'spec':{'podSelector':{'matchLabels':{'a':'b'}},"
     "'ingress':[{'ports':[{'protocol':'TCP','port':80}],'from':[{'podSelector':{}}]}],"
     "'policyTypes':['Ingress']}}",
     "{'u1 Update':{'f:spec':{'f:ingress':{},'f:podSelector':{},'f:policyTypes':{}}}}"},
    {"rbac.authorization.k8s.io", "RoleBinding",
     "{'metadata':{'name':'q'},'subjects':[{'kind':'ServiceAccount','name':'q',"
     "'namespace':'patchwork'}],'roleRef':{'apiGroup':'rbac.authorization.k8s.io',"
     "'kind':'Role','name':'q'}}",
     "{'u1 Update':{'f:roleRef':{'f:apiGroup':{},'f:kind':{},'f:name':{}},"
     "'f:subjects':{}}}"},
    {"storage.k8s.io", "StorageClass",
     "{'metadata':{'name':'q'},'provisioner':'p.q/r','parameters':{'a':'b'},"
     "'reclaimPolicy':'Delete','mountOptions':['x'],'volumeBindingMode':'Immediate'}",
     "{'u1 Update':{'f:mountOptions':{},'f:parameters':{'.':{},'f:a':{}},"
     "'f:provisioner':{},'f:reclaimPolicy':{},'f:volumeBindingMode':{}}}"},
    {"storage.k8s.io", "CSIDriver",
     "{'metadata':{'name':'q'},'spec':{'attachRequired':false,'podInfoOnMount':false,"
     "'volumeLifecycleModes':['Ephemeral'],'fsGroupPolicy':'ReadWriteOnceWithFSType'}}",
     "{'u1 Update':{'f:spec':{'f:attachRequired':{},'f:fsGroupPolicy':{},"
     "'f:podInfoOnMount':{},'f:volumeLifecycleModes':{'.':{},'v:`Ephemeral`':{}}}}}"},
    {"autoscaling", "HorizontalPodAutoscaler",
     "{'metadata':{'name':'q'},'spec':{'scaleTargetRef':{'kind':'Deployment','name':'x',"
     "'apiVersion':'apps/v1'},'minReplicas':1,'maxReplicas':3,"
     "'targetCPUUtilizationPercentage':80},'status':{'currentReplicas':0,"
     "'desiredReplicas':0}}",
     "{'u1 Update':{'f:spec':{'f:maxReplicas':{},'f:minReplicas':{},"
     "'f:scaleTargetRef':{'f:apiVersion':{},'f:kind':{},'f:name':{}},"
     "'f:targetCPUUtilizationPercentage':{}}}}"},
    {"discovery.k8s.io", "EndpointSlice",
     "{'metadata':{'name':'q'},'addressType':'IPv4','endpoints':[{'addresses':['1.2.3.4'],"
     "'conditions':{}}],'ports':[{'name':'x','protocol':'TCP','port':80}]}",
     "{'u1 Update':{'f:addressType':{},'f:endpoints':{},'f:ports':{}}}"},
};

static void test_created(void **state)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(created); i++) {
        struct step step = {POST, "u1", created[i].object, created[i].managed, NULL};
        run((struct kst_managed_write){.api_version = "v1",
                                       .group = created[i].group,
                                       .kind = created[i].kind},
            &step, 1);
    }
}

/* Who owns all of an object that is empty owns what comes into it, from the next write on. */
static const struct step reconciled_steps[] = {
    {POST, "u1", "{'metadata':{'labels':{'q':'r'}},'data':{'b':'1'}}",
     "{'u1 Update':{'f:data':{'.':{},'f:b':{}},'f:metadata':{'f:labels':{'.':{},'f:q':{}}}}}",
     NULL},
    {PATCH, "u2", "{'data':{'b':'2'},'metadata':{'managedFields':[]}}", "{}", NULL},
    {PATCH, "u3", "{'data':{'b':'3'}}", "{}", NULL},
    {APPLY, "m1", "{'data':{'b':'4'}}", NULL,
     "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.b"},
    {FORCE, "m1", "{'data':{'b':'4'}}",
     "{'m1 Apply':{'f:data':{'f:b':{}}},'before-first-apply Update':{'f:data':{},"
     "'f:metadata':{'f:labels':{'.':{},'f:q':{}}}}}",
     NULL},
    {APPLY, "m1", "{}",
     "{'before-first-apply Update':{'f:data':{'.':{},'f:b':{}},"
     "'f:metadata':{'f:labels':{'.':{},'f:q':{}}}}}",
     NULL},
};

static void test_reconciled(void **state)
{
    run((struct kst_managed_write){.api_version = "v1", .group = "", .kind = "ConfigMap"},
        reconciled_steps, KST_ARRAY_LEN(reconciled_steps));
}

static void test_conflicts(void **state)
{
    struct kst_managed_write write = {.manager = "u",
                                      .api_version = "v1",
                                      .now = "2026-01-01T00:00:00Z",
                                      .group = "",
                                      .kind = "ConfigMap"};
    kst_auto_json struct kst_json *live = kst_json_make(
        "{'apiVersion':'v1','kind':'ConfigMap','data':{'a':'1'}}");
    kst_managed_update(&write, NULL, live);
    write.manager = "m\"1";
    kst_auto_json struct kst_json *applied = kst_json_make(
        "{'apiVersion':'v1','kind':'ConfigMap','data':{'b':'1'}}");
    kst_auto_json struct kst_json *both = NULL, *none = NULL;
    assert_int_equal(kst_managed_apply(&write, live, applied, false, &both, NULL, NULL), 0);

    write.manager = "m2";
    kst_auto_json struct kst_json *other = kst_json_make(
        "{'apiVersion':'v1','kind':'ConfigMap','data':{'a':'2','b':'2'}}");
    kst_auto_json struct kst_json *conflicts = kst_json_array();
    assert_int_equal(kst_managed_apply(&write, both, other, false, &none, conflicts, NULL),
                     KST_E_CONFLICT);
    kst_auto_json struct kst_json *wanted = kst_json_make(
        "[{'manager':%s,'field':'.data.b','message':%s},{'manager':'u','field':'.data.a',"
        "'message':%s,'api_version':'v1'}]",
        "m\"1", "conflict with \"m\\\"1\"", "conflict with \"u\" using v1");
    same(conflicts, wanted, "the conflicts");
    assert_int_equal(kst_managed_apply(&write, both, other, true, &none, conflicts, NULL), 0);
    assert_int_equal(kst_json_len(conflicts), 2);
}

/* An entry's time is that of the last write that changed what it owns. */
static void test_times_and_order(void **state)
{
    static const struct {
        const char *manager, *now, *data;
    } writes[] = {
        {"zoe", "2026-01-01T00:00:01Z", "{'data':{'a':'1'}}"},
        {"bob", "2026-01-01T00:00:02Z", "{'data':{'b':'1'}}"},
        {"zoe", "2026-01-01T00:00:03Z", "{'data':{'a':'2'}}"},
        {"zoe", "2026-01-01T00:00:04Z", "{'data':{'c':'1'}}"},
        {"amy", "2026-01-01T00:00:04Z", "{'data':{'d':'1'}}"},
        {"bob", "2026-01-01T00:00:05Z", "{'data':{'b':'1'}}"},
    };
    struct kst_managed_write write = {.api_version = "v1", .group = "", .kind = "ConfigMap"};
    kst_auto_json struct kst_json *live = NULL;
    for (size_t i = 0; i < KST_ARRAY_LEN(writes); i++) {
        kst_auto_json struct kst_json *patch = kst_json_make(writes[i].data);
        struct kst_json *object = kst_json_patch_merge(live, patch);
        write.manager = writes[i].manager;
        write.now = writes[i].now;
        kst_managed_update(&write, live, object);
        kst_json_free(live);
        live = object;
    }
    kst_auto_buf seen = KST_BUF_INIT(4096);
    const struct kst_json *row = kst_json_first(kst_json_path(live, "metadata.managedFields"));
    for (; row; row = kst_json_next(row))
        kst_buf_addf(&seen, "%s %s;", kst_json_path_str(row, "manager"),
                     kst_json_path_str(row, "time") + 17);
    assert_string_equal(seen.data, "bob 02Z;amy 04Z;zoe 04Z;");
}

/* Beyond ten managers that update, the oldest become one. */
static void test_cap(void **state)
{
    struct kst_managed_write write = {.api_version = "v1", .group = "", .kind = "ConfigMap"};
    kst_auto_json struct kst_json *live = NULL;
    for (int i = 0; i < 13; i++) {
        kst_auto_free char *name = kst_asprintf("w%02d", i);
        kst_auto_free char *now = kst_asprintf("2026-01-01T00:00:%02dZ", i);
        kst_auto_json struct kst_json *patch = kst_json_make("{'data':{%s:'1'}}", name);
        struct kst_json *object = kst_json_patch_merge(live, patch);
        write.manager = name;
        write.now = now;
        kst_managed_update(&write, live, object);
        kst_json_free(live);
        live = object;
    }
    kst_auto_json struct kst_json *managed = managed_of(live);
    assert_int_equal(kst_json_len(managed), 10);
    kst_auto_json struct kst_json *wanted = kst_json_make(
        "{'f:data':{'.':{},'f:w00':{},'f:w01':{},'f:w02':{},'f:w03':{}}}");
    same(kst_json_get(managed, "ancient-changes Update"), wanted, "the oldest");
    assert_string_equal(kst_json_path_str(live, "metadata.managedFields.0.time"),
                        "2026-01-01T00:00:03Z");
}

/* kubectl's server-side apply takes over what its client-side apply stated, if that still is so,
 * and keeps the annotation. */
static void test_after_client_side_apply(void **state)
{
    struct kst_managed_write write = {.manager = "kubectl-client-side-apply",
                                      .api_version = "v1",
                                      .now = "2026-01-01T00:00:00Z",
                                      .group = "",
                                      .kind = "ConfigMap"};
    static const char annotation[] = "kubectl.kubernetes.io/last-applied-configuration";
    kst_auto_json struct kst_json *live = kst_json_make(
        "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'c','annotations':{%s:%s}},"
        "'data':{'a':'1','b':'1'}}",
        annotation,
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"},"
        "\"data\":{\"a\":\"1\",\"b\":\"0\"}}\n");
    kst_managed_update(&write, NULL, live);
    kst_auto_json struct kst_json *applied = kst_json_make(
        "{'kind':'ConfigMap','metadata':{'name':'c'},'data':{'a':'<2>'},'apiVersion':'v1'}");
    kst_auto_json struct kst_json *out = NULL, *conflicts = kst_json_array(), *none = NULL;
    write.manager = "other";
    assert_int_equal(kst_managed_apply(&write, live, applied, false, &none, conflicts, NULL),
                     KST_E_CONFLICT);
    write.manager = "kubectl";
    assert_int_equal(kst_managed_apply(&write, live, applied, false, &out, conflicts, NULL), 0);
    assert_string_equal(
        kst_json_str(kst_json_get(kst_json_path(out, "metadata.annotations"), annotation)),
        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"\\u003c2\\u003e\"},\"kind\":\"ConfigMap\","
        "\"metadata\":{\"name\":\"c\"}}\n");
    assert_string_equal(kst_json_path_str(out, "data.a"), "<2>");

    kst_json_set_str(kst_json_mut(applied, "data"), "b", "2");
    assert_int_equal(kst_managed_apply(&write, live, applied, false, &none, conflicts, NULL),
                     KST_E_CONFLICT);
    assert_string_equal(kst_json_path_str(kst_json_at(conflicts, 1), "field"), ".data.b");
}

/* What is no list of entries counts for nothing; a list with an entry twice ends the tracking. */
static void test_malformed(void **state)
{
    struct kst_managed_write write = {.manager = "u",
                                      .api_version = "v1",
                                      .now = "2026-01-01T00:00:00Z",
                                      .group = "",
                                      .kind = "Pod"};
    static const char *const lists[] = {
        "5",
        "'x'",
        "[5]",
        "[{'fieldsType':'FieldsV2','manager':'x'}]",
        "[{'fieldsType':'FieldsV1','fieldsV1':5}]",
        "[{'fieldsType':'FieldsV1','fieldsV1':{'f:a':5,'x':{},'':{},'.':{},'k:{':{},'f:':{}}}]",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
        kst_auto_json struct kst_json *list = kst_json_make(lists[i]);
        kst_auto_json struct kst_json *live = kst_json_make("{'metadata':{'managedFields':%J}}",
                                                            list);
        kst_auto_json struct kst_json *object = kst_json_dup(live), *out = NULL;
        kst_managed_update(&write, live, object);
        kst_auto_json struct kst_json *applied = kst_json_make(
            "{'apiVersion':'v1','metadata':{'labels':{'a':'b'}}}");
        assert_int_equal(kst_managed_apply(&write, live, applied, false, &out, NULL, NULL), 0);
        assert_true(kst_json_len(kst_json_path(out, "metadata.managedFields")) > 0);
    }
    kst_auto_json struct kst_json *twice = kst_json_make(
        "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'a','env':[{'name':'A'},"
        "{'name':'A'}]}]}}");
    kst_managed_update(&write, NULL, twice);
    assert_null(kst_json_path(twice, "metadata.managedFields"));
    kst_auto_json struct kst_json *odd = kst_json_make("{'metadata':5,'spec':[1]}");
    kst_managed_update(&write, NULL, odd);
    kst_auto_json struct kst_json *bare = kst_json_make("{'apiVersion':'v1','spec':'x'}");
    kst_auto_json struct kst_json *out = NULL;
    assert_int_equal(kst_managed_apply(&write, odd, bare, true, &out, NULL, NULL), KST_E_SERVER);
}

/* What was applied to built-in kinds was stored whatever it was; the words are a real server's. */
static void test_types_of_builtin_kinds(void **state)
{
    static const struct {
        const char *applied, *why;
    } table[] = {
        {"{'apiVersion':'apps/v1','spec':{'replicas':'x'}}",
         ".spec.replicas: expected numeric (int or float), got *value.valueUnstructured"},
        {"{'apiVersion':'apps/v1','spec':{'colour':1}}",
         ".spec.colour: field not declared in schema"},
        {"{'apiVersion':'apps/v1','spec':{'strategy':'x'}}",
         ".spec.strategy: expected map, got &{x}"},
        {"{'apiVersion':'apps/v1','spec':{'paused':'x'}}",
         ".spec.paused: expected boolean, got &{x}"},
        {"{'apiVersion':'apps/v1','metadata':{'labels':{'a':1}}}",
         ".metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}"},
        {"{'apiVersion':'apps/v1','spec':{'template':{'spec':{'containers':[{'name':'a',"
         "'ports':[{'containerPort':"
         "'80'}]}]}}}}",
         ".spec.template.spec.containers[name=\"a\"].ports[containerPort=\"80\",protocol=\"TCP\"]"
         ".containerPort: expected numeric (int or float), got *value.valueUnstructured"},
    };
    struct kst_managed_write write = {.manager = "u",
                                      .api_version = "apps/v1",
                                      .now = "2026-01-01T00:00:00Z",
                                      .group = "apps",
                                      .kind = "Deployment"};
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *applied = kst_json_make(table[i].applied), *out = NULL;
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_managed_apply(&write, NULL, applied, false, &out, NULL, &err),
                         KST_E_SERVER);
        if (!strstr(kst_err_message(err), table[i].why))
            fail_msg("%s instead of %s", kst_err_message(err), table[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_custom_resource),
        cmocka_unit_test(test_schema_that_cannot_be_read),
        cmocka_unit_test(test_features_of_schemas),
        cmocka_unit_test(test_deployment),
        cmocka_unit_test(test_created),
        cmocka_unit_test(test_reconciled),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_times_and_order),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_after_client_side_apply),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_types_of_builtin_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
