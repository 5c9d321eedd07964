/* SPDX-License-Identifier: Apache-2.0 */
/* What the patches give is what kube-apiserver 1.20.2 answered to them. */
#include "sandbox/merge/strategic.h"

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
#include "base/mem.h"
#include "sandbox/types/fields.h"

static const char pod_text[] =
    "{'metadata':{'name':'d','labels':{'l':'1','m':'2'},'finalizers':['a.b/x',"
    "'a.b/y','a.b/z']},"
    "'spec':{'containers':[{'name':'a','image':'ia','args':['x','y'],'env':[{'name':'A',"
    "'value':'1'},{'name':'B','value':'2'},{'name':'C','valueFrom':{'fieldRef':{"
    "'apiVersion':'v1','fieldPath':'metadata.name'}}}],'ports':[{'containerPort':53,"
    "'protocol':'TCP','name':'t'},{'containerPort':53,'protocol':'UDP','name':'u'},"
    "{'containerPort':80,'protocol':'TCP'}],'resources':{'limits':{'cpu':'1'}},"
    "'volumeMounts':[{'name':'v1','mountPath':'/v1'}]},{'name':'b','image':'ib'},"
    "{'name':'c','image':'ic'}],'volumes':[{'name':'v1','emptyDir':{}},{'name':'v2',"
    "'configMap':{'name':'cm'}}],'tolerations':[{'key':'k','operator':'Exists'}],"
    "'securityContext':{}}}";

/* Containers by name and image alone. */
static struct kst_json *brief(const struct kst_json *containers)
{
    struct kst_json *list = kst_json_array();
    const struct kst_json *row = kst_json_first(containers);
    for (; row; row = kst_json_next(row))
        kst_json_push(list, kst_json_make("{'name':%J,'image':%J}", kst_json_get(row, "name"),
                                          kst_json_get(row, "image")));
    return list;
}

static void same(const struct kst_json *found, const char *wanted, const char *what)
{
    kst_auto_json struct kst_json *value = wanted ? kst_json_make(wanted) : NULL;
    kst_auto_free char *text = found ? kst_json_text(found) : NULL;
    if (!kst_json_equal(found, value))
        fail_msg("%s\ngave %s\nnot  %s", what, text ? text : "nothing",
                 wanted ? wanted : "nothing");
}

static int patch_with(const char *group, const char *kind, const char *object_text,
                      const char *patch_text, struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *object = kst_json_make(object_text);
    kst_auto_json struct kst_json *patch = kst_json_make(patch_text);
    int rc = kst_patch_strategic(group, kind, object, patch, out, err);
    same(object, object_text, "the patched object itself");
    same(patch, patch_text, "the patch itself");
    return rc;
}

struct applied {
    const char *patch, *at, *wanted;
};

static void check(const char *group, const char *kind, const char *object,
                  const struct applied *row)
{
    kst_auto_json struct kst_json *out = NULL;
    kst_auto_err struct kst_err *err = NULL;
    if (patch_with(group, kind, object, row->patch, &out, &err) < 0)
        fail_msg("%s: %s", row->patch, kst_err_message(err));
    const struct kst_json *found = kst_json_path(out, row->at);
    bool containers = strcmp(row->at, "spec.containers") == 0;
    kst_auto_json struct kst_json *shown = containers ? brief(found) : NULL;
    /* The server leaves empty maps out when it answers. */
    bool empty = !row->wanted && kst_json_len(found) == 0;
    same(shown ? shown : empty ? NULL : found, row->wanted, row->patch);
}

static const struct applied applied_rows[] = {
    {"{'metadata':{'labels':{'l':null,'n':'3'}}}", "metadata.labels", "{'m':'2','n':'3'}"},
    {"{'metadata':{'annotations':{'l':null,'n':'3'}}}", "metadata.annotations", "{'l':'','n':'3'}"},
    {"{'metadata':{'labels':{'$patch':'replace','n':'3','q':null}}}", "metadata.labels",
     "{'n':'3','q':''}"},
    {"{'metadata':{'labels':{'$patch':'delete','n':'3'}}}", "metadata.labels", NULL},
    {"{'metadata':{'labels':null}}", "metadata.labels", NULL},
    {"{'metadata':{'finalizers':['a.b/y','a.b/n']}}", "metadata.finalizers",
     "['a.b/x','a.b/y','a.b/n','a.b/z']"},
    {"{'metadata':{'finalizers':['a.b/n']}}", "metadata.finalizers",
     "['a.b/n','a.b/x','a.b/y','a.b/z']"},
    {"{'metadata':{'finalizers':['a.b/z','a.b/x']}}", "metadata.finalizers",
     "['a.b/y','a.b/z','a.b/x']"},
    {"{'metadata':{'finalizers':null}}", "metadata.finalizers", NULL},
    {"{'metadata':{'finalizers':[]}}", "metadata.finalizers", "['a.b/x','a.b/y','a.b/z']"},
    {"{'metadata':{'$deleteFromPrimitiveList/finalizers':['a.b/y']}}", "metadata.finalizers",
     "['a.b/x','a.b/z']"},
    {"{'metadata':{'$deleteFromPrimitiveList/finalizers':['a.b/y','a.b/q'],"
     "'finalizers':['a.b/w']}}",
     "metadata.finalizers", "['a.b/w','a.b/x','a.b/z']"},
    {"{'metadata':{'$deleteFromPrimitiveList/finalizers':['a.b/y'],"
     "'$setElementOrder/finalizers':['a.b/z','a.b/x']}}",
     "metadata.finalizers", "['a.b/z','a.b/x']"},
    {"{'metadata':{'$setElementOrder/finalizers':['a.b/z','a.b/n','a.b/x'],"
     "'finalizers':['a.b/n']}}",
     "metadata.finalizers", "['a.b/y','a.b/z','a.b/n','a.b/x']"},
    {"{'metadata':{'ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap',"
     "'name':'c','uid':'u1'}]}}",
     "metadata.ownerReferences", "[{'apiVersion':'v1','kind':'ConfigMap','name':'c','uid':'u1'}]"},
    {"{'spec':{'containers':[{'name':'b','image':'new'}]}}", "spec.containers",
     "[{'name':'a','image':'ia'},{'name':'b','image':'new'},{'name':'c','image':'ic'}]"},
    {"{'spec':{'containers':[{'name':'z','image':'new'}]}}", "spec.containers",
     "[{'name':'z','image':'new'},{'name':'a','image':'ia'},{'name':'b',"
     "'image':'ib'},{'name':'c','image':'ic'}]"},
    {"{'spec':{'containers':[{'name':'z','image':'new'},{'name':'b','image':'ib2'}]}}",
     "spec.containers",
     "[{'name':'z','image':'new'},{'name':'a','image':'ia'},{'name':'b',"
     "'image':'ib2'},{'name':'c','image':'ic'}]"},
    {"{'spec':{'containers':[{'name':'c','image':'new'},{'name':'a','image':'ia2'}]}}",
     "spec.containers",
     "[{'name':'b','image':'ib'},{'name':'c','image':'new'},{'name':'a','image':'ia2'}]"},
    {"{'spec':{'containers':[{'name':'b','$patch':'delete'}]}}", "spec.containers",
     "[{'name':'a','image':'ia'},{'name':'c','image':'ic'}]"},
    {"{'spec':{'containers':[{'name':'b','$patch':'delete'},{'name':'n','image':'x'}]}}",
     "spec.containers",
     "[{'name':'n','image':'x'},{'name':'a','image':'ia'},{'name':'c','image':'ic'}]"},
    {"{'spec':{'containers':[{'$patch':'replace'},{'name':'n','image':'x'}]}}", "spec.containers",
     "[{'name':'n','image':'x'}]"},
    {"{'spec':{'containers':[{'name':'n','image':'x'},{'$patch':'replace'}]}}", "spec.containers",
     "[{'name':'n','image':'x'}]"},
    {"{'spec':{'containers':[{'name':'a','args':['z']}]}}", "spec.containers.0.args", "['z']"},
    {"{'spec':{'containers':[{'name':'a','args':null}]}}", "spec.containers.0.args", NULL},
    {"{'spec':{'containers':[{'name':'a','ports':[{'containerPort':80,'name':'web'}]}]}}",
     "spec.containers.0.ports",
     "[{'name':'t','containerPort':53,'protocol':'TCP'},{'name':'u',"
     "'containerPort':53,'protocol':'UDP'},{'name':'web','containerPort':80,"
     "'protocol':'TCP'}]"},
    {"{'spec':{'containers':[{'name':'a','ports':[{'containerPort':53,'name':'web'}]}]}}",
     "spec.containers.0.ports",
     "[{'name':'web','containerPort':53,'protocol':'TCP'},{'name':'u',"
     "'containerPort':53,'protocol':'UDP'},{'containerPort':80,'protocol':'TCP'}]"},
    {"{'spec':{'containers':[{'name':'a','ports':[{'containerPort':53,'$patch':'delete'}]}]}}",
     "spec.containers.0.ports", "[{'containerPort':80,'protocol':'TCP'}]"},
    {"{'spec':{'containers':[{'name':'a','env':[{'name':'D','value':'4'},"
     "{'name':'A','value':null}]}]}}",
     "spec.containers.0.env",
     "[{'name':'D','value':'4'},{'name':'A'},{'name':'B','value':'2'},{'name':'C',"
     "'valueFrom':{'fieldRef':{'apiVersion':'v1','fieldPath':'metadata.name'}}}]"},
    {"{'spec':{'containers':[{'name':'a','env':[{'name':'C','value':'3','valueFrom':null}]}]}}",
     "spec.containers.0.env",
     "[{'name':'A','value':'1'},{'name':'B','value':'2'},{'name':'C','value':'3'}]"},
    {"{'spec':{'containers':[{'name':'a','$setElementOrder/env':[{'name':'B'},"
     "{'name':'D'},{'name':'A'}],'env':[{'name':'D','value':'4'}]}]}}",
     "spec.containers.0.env",
     "[{'name':'B','value':'2'},{'name':'D','value':'4'},{'name':'A','value':'1'},"
     "{'name':'C','valueFrom':{'fieldRef':{'apiVersion':'v1',"
     "'fieldPath':'metadata.name'}}}]"},
    {"{'spec':{'containers':[{'name':'a','$setElementOrder/env':[{'name':'B'},"
     "{'name':'A'}]}]}}",
     "spec.containers.0.env",
     "[{'name':'B','value':'2'},{'name':'A','value':'1'},{'name':'C',"
     "'valueFrom':{'fieldRef':{'apiVersion':'v1','fieldPath':'metadata.name'}}}]"},
    {"{'spec':{'containers':[{'name':'a','$setElementOrder/env':[{'name':'C'},"
     "{'name':'A'}],'env':[{'name':'B','$patch':'delete'}]}]}}",
     "spec.containers.0.env",
     "[{'name':'C','valueFrom':{'fieldRef':{'apiVersion':'v1',"
     "'fieldPath':'metadata.name'}}},{'name':'A','value':'1'}]"},
    {"{'spec':{'containers':[{'name':'a','resources':{'limits':{'cpu':null,"
     "'memory':'1Gi'}}}]}}",
     "spec.containers.0.resources", "{'limits':{'memory':'1Gi'}}"},
    {"{'spec':{'containers':[{'name':'a','resources':{'requests':{'cpu':null,"
     "'memory':'1Gi'}}}]}}",
     "spec.containers.0.resources", "{'limits':{'cpu':'1'},'requests':{'cpu':'0','memory':'1Gi'}}"},
    {"{'spec':{'containers':[{'name':'a','volumeMounts':[{'mountPath':'/v1',"
     "'subPath':'s'},{'mountPath':'/v2','name':'v2'}]}]}}",
     "spec.containers.0.volumeMounts",
     "[{'name':'v1','mountPath':'/v1','subPath':'s'},{'name':'v2','mountPath':'/v2'}]"},
    {"{'spec':{'containers':[{'name':'b','env':[{'name':'D','value':null},"
     "{'name':'E','$patch':'delete'}]}]}}",
     "spec.containers.1.env", "[{'name':'D'},{'name':'E'}]"},
    {"{'spec':{'$setElementOrder/containers':[{'name':'c'},{'name':'a'}]}}", "spec.containers",
     "[{'name':'b','image':'ib'},{'name':'c','image':'ic'},{'name':'a','image':'ia'}]"},
    {"{'spec':{'$setElementOrder/containers':[{'name':'c'},{'name':'a'},{'name':'b'}]}}",
     "spec.containers",
     "[{'name':'c','image':'ic'},{'name':'a','image':'ia'},{'name':'b','image':'ib'}]"},
    {"{'spec':{'$setElementOrder/containers':[{'name':'c'},{'name':'a'}],"
     "'containers':[{'name':'a','image':'x'}]}}",
     "spec.containers",
     "[{'name':'b','image':'ib'},{'name':'c','image':'ic'},{'name':'a','image':'x'}]"},
    {"{'spec':{'$setElementOrder/containers':[{'name':'n'},{'name':'c'}],"
     "'containers':[{'name':'n','image':'x'}]}}",
     "spec.containers",
     "[{'name':'n','image':'x'},{'name':'a','image':'ia'},{'name':'b',"
     "'image':'ib'},{'name':'c','image':'ic'}]"},
    {"{'spec':{'$setElementOrder/containers':[],'containers':[{'name':'b','image':'x'}]}}",
     "spec.containers",
     "[{'name':'a','image':'ia'},{'name':'b','image':'x'},{'name':'c','image':'ic'}]"},
    {"{'spec':{'$setElementOrder/containers':[{'name':'a'}],"
     "'containers':[{'name':'b','$patch':'delete'}]}}",
     "spec.containers", "[{'name':'a','image':'ia'},{'name':'c','image':'ic'}]"},
    {"{'spec':{'$setElementOrder/initContainers':[{'name':'a'}]}}", "spec.initContainers", NULL},
    {"{'spec':{'volumes':[{'name':'v1','emptyDir':null,'secret':{'secretName':'s'}}]}}",
     "spec.volumes",
     "[{'name':'v1','secret':{'secretName':'s'}},{'name':'v2','configMap':{'name':'cm'}}]"},
    {"{'spec':{'volumes':[{'name':'v1','$retainKeys':['name','secret'],"
     "'secret':{'secretName':'s'}}]}}",
     "spec.volumes",
     "[{'name':'v1','secret':{'secretName':'s'}},{'name':'v2','configMap':{'name':'cm'}}]"},
    {"{'spec':{'volumes':[{'name':'v9','$retainKeys':['name','secret'],"
     "'secret':{'secretName':'s'}}]}}",
     "spec.volumes",
     "[{'name':'v9','secret':{'secretName':'s'}},{'name':'v1','emptyDir':{}},"
     "{'name':'v2','configMap':{'name':'cm'}}]"},
    {"{'spec':{'tolerations':[{'key':'z','operator':'Exists'}]}}", "spec.tolerations",
     "[{'key':'z','operator':'Exists'}]"},
    {"{'spec':{'tolerations':[{'key':'z','operator':'Exists','$patch':'delete'}]}}",
     "spec.tolerations", "[{'key':'z','operator':'Exists'}]"},
    {"{'spec':{'nodeSelector':{'a':null}}}", "spec.nodeSelector", "{'a':''}"},
    {"{'spec':{'nodeSelector':{'a':'b'}}}", "spec.nodeSelector", "{'a':'b'}"},
    {"{'spec':{'imagePullSecrets':[{'name':'x'},{'name':'x'}]}}", "spec.imagePullSecrets",
     "[{'name':'x'},{'name':'x'}]"},
    {"{'spec':{'securityContext':{'$patch':'replace','runAsUser':5}}}", "spec.securityContext",
     "{'runAsUser':5}"},
    {"{'spec':{'securityContext':{'$patch':'delete'}}}", "spec.securityContext", "{}"},
    {"{'spec':{'affinity':{'nodeAffinity':null}}}", "spec.affinity", "{}"},
    {"{'spec':{'hostAliases':[{'ip':'1.2.3.4','hostnames':['a']}]}}", "spec.hostAliases",
     "[{'ip':'1.2.3.4','hostnames':['a']}]"},
};

static void test_applied(void **state)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(applied_rows); i++)
        check("", "Pod", pod_text, &applied_rows[i]);
}

static void test_other_kinds(void **state)
{
    static const char service[] =
        "{'spec':{'selector':{'a':'b'},'ports':[{'name':'p1','port':53,'protocol':'TCP'},"
        "{'name':'p2','port':53,'protocol':'UDP'},{'name':'p3','port':80,'protocol':'TCP'}]}}";
    static const char deployment[] =
        "{'spec':{'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1}},"
        "'template':{'spec':{'containers':[{'name':'a','image':'ia'}]}}}}";
    static const struct {
        const char *group, *kind, *object;
        struct applied row;
    } rows[] = {
        {"apps",
         "Deployment",
         deployment,
         {"{'spec':{'strategy':{'$retainKeys':['type'],'type':'Recreate'}}}", "spec.strategy",
          "{'type':'Recreate'}"}},
        {"apps",
         "Deployment",
         deployment,
         {"{'spec':{'strategy':{'rollingUpdate':{'maxUnavailable':1}}}}", "spec.strategy",
          "{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1,'maxUnavailable':1}}"}},
        {"apps",
         "Deployment",
         deployment,
         {"{'spec':{'template':{'spec':{'containers':[{'name':'b','image':'ib'}]}}}}",
          "spec.template.spec.containers",
          "[{'name':'b','image':'ib'},{'name':'a','image':'ia'}]"}},
        {"extensions.example.org",
         "Deployment",
         deployment,
         {"{'spec':{'template':{'spec':{'containers':[{'name':'b','image':'ib'}]}}}}",
          "spec.template.spec.containers", "[{'name':'b','image':'ib'}]"}},
        {"",
         "Service",
         service,
         {"{'spec':{'ports':[{'port':80,'name':'x'}]}}", "spec.ports",
          "[{'name':'p1','port':53,'protocol':'TCP'},{'name':'p2','port':53,'protocol':'UDP'},"
          "{'name':'x','port':80,'protocol':'TCP'}]"}},
        {"",
         "Service",
         service,
         {"{'spec':{'ports':[{'port':53,'$patch':'delete'}]}}", "spec.ports",
          "[{'name':'p3','port':80,'protocol':'TCP'}]"}},
        {"",
         "Service",
         service,
         {"{'spec':{'$setElementOrder/ports':[{'port':80},{'port':53}]}}", "spec.ports",
          "[{'name':'p3','port':80,'protocol':'TCP'},{'name':'p1','port':53,'protocol':'TCP'},"
          "{'name':'p2','port':53,'protocol':'UDP'}]"}},
        {"",
         "Service",
         service,
         {"{'spec':{'selector':{'a':null,'c':'d'}}}", "spec.selector", "{'c':'d'}"}},
        {"",
         "ConfigMap",
         "{'data':{'a':'1','b':'2'}}",
         {"{'data':{'a':null,'c':'3'}}", "data", "{'b':'2','c':'3'}"}},
        {"",
         "ConfigMap",
         "{'data':{'a':'1','b':'2'}}",
         {"{'data':{'$patch':'replace','c':'3'}}", "data", "{'c':'3'}"}},
        {"", "ConfigMap", "{}", {"{'data':{'a':null,'c':'3'}}", "data", "{'a':'','c':'3'}"}},
        {"",
         "ConfigMap",
         "{'metadata':{'name':'e'}}",
         {"{'metadata':{'finalizers':['a.b/c','a.b/c']}}", "metadata.finalizers",
          "['a.b/c','a.b/c']"}},
        {"",
         "ConfigMap",
         "{'metadata':{'name':'e'}}",
         {"{'metadata':{'$deleteFromPrimitiveList/finalizers':['a.b/y']}}", "metadata.finalizers",
          "['a.b/y']"}},
        {"",
         "ConfigMap",
         "{'metadata':{'name':'e'}}",
         {"{'metadata':{'$setElementOrder/finalizers':['a.b/y']}}", "metadata.finalizers", NULL}},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++)
        check(rows[i].group, rows[i].kind, rows[i].object, &rows[i].row);
}

static void test_refused(void **state)
{
    static const struct {
        const char *patch;
        int code;
        const char *message;
    } rows[] = {
        {"{'metadata':{'labels':{'$patch':'merge','n':'3'}}}", KST_E_SERVER,
         "unknown patch type: merge in map: map[$patch:merge n:3]"},
        {"{'metadata':{'labels':{'$patch':'frob','n':'3'}}}", KST_E_SERVER,
         "unknown patch type: frob in map: map[$patch:frob n:3]"},
        {"{'metadata':{'$setElementOrder/finalizers':['a.b/z'],'finalizers':['a.b/n']}}",
         KST_E_SERVER,
         "The order in patch list:\n[a.b/n]\n doesn't match $setElementOrder list:\n[a.b/z]\n"},
        {"{'metadata':{'$deleteFromPrimitiveListfinalizers':['a.b/y']}}", KST_E_PARSE,
         "invalid patch format of primitive list"},
        {"{'metadata':{'$setElementOrder/finalizers':'x'}}", KST_E_SERVER,
         "expected a []interface {}, but received a string"},
        {"{'metadata':{'$setElementOrderfinalizers':[]}}", KST_E_PARSE,
         "invalid patch format of setElementOrder list"},
        {"{'spec':{'containers':[{'image':'new'}]}}", KST_E_SERVER,
         "map: map[image:new] does not contain declared merge key: name"},
        {"{'spec':{'containers':[{'$patch':'delete'}]}}", KST_E_SERVER,
         "map: map[$patch:delete] does not contain declared merge key: name"},
        {"{'spec':{'containers':[{'$patch':'merge'},{'name':'n','image':'x'}]}}", KST_E_SERVER,
         "merging lists cannot yet be specified in the patch"},
        {"{'spec':{'containers':[{'$patch':'frob','name':'a'}]}}", KST_E_SERVER,
         "unknown patch type: frob in map: map[$patch:frob name:a]"},
        {"{'spec':{'containers':[{'name':'a','ports':[{'name':'web'}]}]}}", KST_E_SERVER,
         "map: map[name:web] does not contain declared merge key: containerPort"},
        {"{'spec':{'$setElementOrder/containers':[{'name':'n'}],"
         "'containers':[{'name':'m','image':'x'}]}}",
         KST_E_SERVER,
         "The order in patch list:\n[map[image:x name:m]]\n doesn't match $setElementO"
         "rder list:\n[map[name:n]]\n"},
        {"{'spec':{'$setElementOrder/containers':[{'name':'n'},{'name':'m'}],"
         "'containers':[{'name':'m','image':'x'},{'name':'n','image':'x'}]}}",
         KST_E_SERVER,
         "The order in patch list:\n[map[image:x name:m] map[image:x name:n]]\n doesn'"
         "t match $setElementOrder list:\n[map[name:n] map[name:m]]\n"},
        {"{'spec':{'$setElementOrder/containers':[{'image':'n'}],"
         "'containers':[{'name':'m','image':'x'}]}}",
         KST_E_SERVER, "map: map[image:n] does not contain declared merge key: name"},
        {"{'spec':{'$setElementOrder/initContainers':[],'initContainers':[]}}", KST_E_SERVER,
         "no elements in any of the given slices"},
        {"{'spec':{'volumes':[{'name':'v1','$retainKeys':['name'],'secret':{'secretName':'s'}}]}}",
         KST_E_PARSE, "invalid patch format of retainKeys"},
        {"{'spec':{'volumes':[{'name':'v1','$retainKeys':'name'}]}}", KST_E_PARSE,
         "invalid patch format of retainKeys"},
        {"{'spec':{'containers':[5]}}", KST_E_SERVER, NULL},
        {"{'spec':{'containers':[null]}}", KST_E_SERVER, NULL},
        {"{'spec':{'containers':[{'name':'a'},'a']}}", KST_E_SERVER, NULL},
        {"{'metadata':{'finalizers':['a',{}]}}", KST_E_SERVER,
         "list element types are not identical: [[a.b/x a.b/y a.b/z] [a map[]]]"},
        {"[]", KST_E_PARSE,
         "json: cannot unmarshal array into Go value of type map[string]interface {}"},
        {"5", KST_E_PARSE,
         "json: cannot unmarshal number into Go value of type map[string]interface {}"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *out = NULL;
        kst_auto_err struct kst_err *err = NULL;
        int rc = patch_with("", "Pod", pod_text, rows[i].patch, &out, &err);
        if (rc != rows[i].code)
            fail_msg("%s: %d %s", rows[i].patch, rc, kst_err_message(err));
        if (rows[i].message)
            assert_string_equal(kst_err_message(err), rows[i].message);
    }
}

/* The table is walked by names that it must hold. */
static void test_fields(void **state)
{
    static const struct {
        const char *group, *kind, *path, *merge, *apply;
    } rows[] = {
        {"", "Pod", "spec containers ports", "containerPort", "containerPort protocol"},
        {"apps", "StatefulSet", "spec volumeClaimTemplates metadata finalizers", "", "set"},
        {"apps", "Deployment", "spec selector", NULL, "atomic"},
        {"batch", "CronJob", "spec jobTemplate spec template spec volumes", "name", "name"},
        {"", "Service", "spec ports", "port", "port protocol!"},
        {"", "Service", "status conditions", "type", "type"},
        {"certificates.k8s.io", "CertificateSigningRequest", "status conditions", NULL, "type"},
        {"storage.k8s.io", "CSIDriver", "spec volumeLifecycleModes", NULL, "set"},
        {"storage.k8s.io", "VolumeAttachment", "spec source inlineVolumeSpec csi volumeAttributes",
         NULL, NULL},
        {"example.org", "Whatever", "metadata ownerReferences", "uid", "uid"},
        {NULL, NULL, "metadata labels", NULL, NULL},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        const char *type = kst_fields_root(rows[i].group, rows[i].kind);
        const struct kst_field *field = NULL;
        struct kst_str rest = kst_str_of(rows[i].path), part;
        while (kst_str_split(&rest, ' ', &part)) {
            kst_auto_free char *name = kst_strndup(part.data, part.len);
            field = kst_fields_find(type, name);
            if (!field)
                fail_msg("%s: no %s", rows[i].path, name);
            type = field->child;
        }
        assert_string_equal(field->merge ? field->merge : "-", rows[i].merge ? rows[i].merge : "-");
        assert_string_equal(field->apply ? field->apply : "-", rows[i].apply ? rows[i].apply : "-");
    }
    assert_null(kst_fields_find(NULL, "metadata"));
    assert_null(kst_fields_find(kst_fields_root("example.org", "Pod"), "spec"));
    assert_null(kst_fields_find("PodSpec", "metadata"));
    assert_null(kst_fields_find(kst_fields_root("", "Pod"), "data"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_applied),
        cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
