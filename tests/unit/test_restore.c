/* SPDX-License-Identifier: Apache-2.0 */
/* Restores of objects, from archives that the test writes, into an embedded cluster: what is there
 * afterwards, and what the run says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "app/actions.h"
#include "app/capture/order.h"
#include "app/point/archive.h"
#include "app/point/point.h"
#include "app/point/store.h"
#include "app/restore/report.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cluster_fixture.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/event.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "run/run.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/load.h"
#include "sandbox/sandbox.h"

enum { MAX_OBJECTS = 64 };

static const char home[] = "kassette";

struct scene {
    struct kst_kube_config *config;
    struct kst_kube *kube;
    const char *ns; /* of the application */
    unsigned runs;
    char *run; /* the last one's name */
    char *message, *hint;
    struct kst_api *api;
    void (*meanwhile)(struct scene *self); /* between the plan and what is done; NULL: nothing */
};

static void begin(struct scene *self, struct cluster *cluster)
{
    const struct kst_kube_config_options options = {
        .kubeconfig = kst_sandbox_kubeconfig(cluster->sandbox)};
    *self = (struct scene){.ns = "shop", .api = cluster->api};
    assert_int_equal(kst_kube_config_load(&options, &self->config, NULL), 0);
    self->kube = kst_kube_new(kst_fiber_loop(), self->config);
}

static void end(struct scene *self)
{
    kst_event_flush(self->kube);
    kst_kube_free(self->kube);
    kst_kube_config_free(self->config);
    free(self->run);
    free(self->message);
    free(self->hint);
}

/* ---- points ---- */

static int compare(const void *a, const void *b)
{
    return kst_order_compare(*(struct kst_json *const *)a, *(struct kst_json *const *)b);
}

static const struct kst_kube_resource *resource_of(struct scene *self,
                                                   const struct kst_json *object)
{
    /* What this cluster does not serve, some other one did. */
    static const struct kst_kube_resource gadgets = {.group = "gone.example.com",
                                                     .version = "v1",
                                                     .api_version = "gone.example.com/v1",
                                                     .kind = "Gadget",
                                                     .plural = "gadgets",
                                                     .namespaced = true};
    static const struct kst_kube_resource widgets = {.group = "example.com",
                                                     .version = "v1",
                                                     .api_version = "example.com/v1",
                                                     .kind = "Widget",
                                                     .plural = "widgets",
                                                     .namespaced = true};
    const char *kind = kst_json_path_str(object, "kind");
    if (strcmp(kind, "Gadget") == 0)
        return &gadgets;
    if (strcmp(kind, "Widget") == 0)
        return &widgets;
    const struct kst_kube_resource *resource = NULL;
    assert_int_equal(kst_kube_find_kind(self->kube, kst_json_path_str(object, "apiVersion"), kind,
                                        &resource, NULL),
                     0);
    return resource;
}

static struct kst_json *parse_all(const char *yaml)
{
    struct kst_json *documents = NULL;
    kst_auto_err struct kst_err *err = NULL;
    if (kst_yaml_parse_all(yaml, strlen(yaml), &documents, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    return documents;
}

/* A point of these objects (YAML documents), which are namespaced in "shop" unless they say so. */
static void make_point(struct scene *self, const char *name, const char *yaml)
{
    kst_auto_json struct kst_json *documents = parse_all(yaml), *point = NULL, *index = NULL;
    kst_auto_json struct kst_json *head = kst_json_make("{'application':{'namespace':'shop'}}");
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'RestorePoint','metadata':{'name':%s},"
        "'spec':{'application':{'namespace':'shop'},'run':%s}}",
        name, name);
    assert_int_equal(
        kst_kube_create(self->kube, &kst_res_restorepoints, home, object, false, &point, NULL), 0);
    kst_json_set(point, "status",
                 kst_json_make("{'phase':'Ready','conditions':[{'type':'Ready','status':'True',"
                               "'reason':'Ready','message':'ready'}]}"));
    kst_auto_json struct kst_json *ready = NULL;
    assert_int_equal(kst_kube_update(self->kube, &kst_res_restorepoints, home, point, "status",
                                     &ready, NULL),
                     0);
    struct kst_json *sorted[MAX_OBJECTS];
    size_t count = 0;
    for (struct kst_json *e = kst_json_first_mut(documents); e; e = kst_json_next_mut(e))
        sorted[count++] = e;
    qsort(sorted, count, sizeof(*sorted), compare);
    struct kst_point_store *store = kst_point_store_secrets(self->kube, ready);
    struct kst_archive_writer *writer = kst_archive_writer_new(kst_point_store_sink(store), head);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kst_archive_add(writer, resource_of(self, sorted[i]), sorted[i], NULL), 0);
    kst_auto_json struct kst_json *blueprints = kst_json_object();
    assert_int_equal(kst_archive_finish(writer, blueprints, NULL, &index, NULL), 0);
    kst_archive_writer_free(writer);
    kst_point_store_free(store);
}

/* ---- restores ---- */

static void on_note(void *arg, const struct kst_run *run, enum kst_note note, const char *text,
                    const struct kst_json *detail)
{
    struct scene *self = arg;
    if (note == KST_NOTE_PHASE && strcmp(text, "Quiesce") == 0 && self->meanwhile)
        self->meanwhile(self);
}

/* Restores with these wishes; the run's result. */
static int restore_as(struct scene *self, const char *point, const struct kst_json *spec)
{
    free(self->run);
    self->run = kst_asprintf("restore-%u", self->runs++);
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'Run','metadata':{'name':%s},'spec':{'action':"
        "'restore','restorePoint':%s,'application':{'namespace':%s},'readyTimeout':'5s',"
        "'restore':%J}}",
        self->run, point, self->ns, spec);
    kst_auto_err struct kst_err *refused = NULL, *err = NULL;
    if (kst_kube_create(self->kube, &kst_res_runs, home, object, false, NULL, &refused) < 0)
        fail_msg("%s", kst_err_message(refused));
    const struct kst_run_options options = {
        .kube = self->kube,
        .home = home,
        .name = self->run,
        .cache_dir = "/nonexistent",
        .actions = kst_actions,
        .observer = {.note = on_note, .arg = self},
    };
    int rc = kst_run_execute(&options, &err);
    free(self->message);
    free(self->hint);
    self->message = kst_strdup(kst_err_message(err));
    self->hint = kst_strdup(kst_err_get_hint(err) ? kst_err_get_hint(err) : "");
    return rc;
}

/* With wishes as a template of JSON. */
static int restore(struct scene *self, const char *point, const char *wishes)
{
    kst_auto_json struct kst_json *spec = kst_json_make(wishes);
    return restore_as(self, point, spec);
}

static void restores(struct scene *self, const char *point, const char *wishes)
{
    if (restore(self, point, wishes) < 0)
        fail_msg("%s\n%s", self->message, self->hint);
}

static void says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected it to say '%s', found: %s", part, text);
}

/* What the last run's report says of an object: "created", … */
static void did(struct scene *self, const char *kind, const char *name, const char *deed,
                const char *reason)
{
    kst_auto_json struct kst_json *rows = NULL;
    assert_int_equal(kst_report_read(self->kube, home, self->run, &rows, NULL), 0);
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (strcmp(kst_json_path_str(row, "kind"), kind) != 0 ||
            strcmp(kst_json_path_str(row, "name"), name) != 0)
            continue;
        assert_string_equal(kst_json_path_str(row, "deed"), deed);
        if (reason)
            says(kst_json_path_str(row, "reason"), reason);
        return;
    }
    if (deed)
        fail_msg("the report does not name %s/%s", kind, name);
}

/* ---- what is there ---- */

static struct kst_json *there(struct scene *self, const char *resource, const char *ns,
                              const char *name)
{
    const struct kst_kube_resource *found = NULL;
    struct kst_json *object = NULL;
    if (kst_kube_find_resource(self->kube, resource, &found, NULL) < 0)
        return NULL;
    kst_kube_get(self->kube, found, found->namespaced ? ns : NULL, name, &object, NULL);
    return object;
}

static void has(struct scene *self, const char *resource, const char *name, const char *path,
                const char *expected)
{
    kst_auto_json struct kst_json *object = there(self, resource, self->ns, name);
    if (!object)
        fail_msg("%s/%s is not there", resource, name);
    const struct kst_json *value = kst_json_path(object, path);
    kst_auto_free char *text = kst_json_text(value);
    const char *found = kst_json_str(value) ? kst_json_str(value) : text;
    if (strcmp(found, expected) != 0)
        fail_msg("%s/%s: %s: expected %s, found %s", resource, name, path, expected, found);
}

static void has_not(struct scene *self, const char *resource, const char *name)
{
    kst_auto_json struct kst_json *object = there(self, resource, self->ns, name);
    assert_null(object);
}

static char *value_of(struct scene *self, const char *resource, const char *name, const char *path)
{
    kst_auto_json struct kst_json *object = there(self, resource, self->ns, name);
    assert_non_null(object);
    return kst_strdup(kst_json_path_str(object, path));
}

static void create(struct scene *self, const char *yaml)
{
    kst_auto_json struct kst_json *documents = parse_all(yaml);
    for (const struct kst_json *e = kst_json_first(documents); e; e = kst_json_next(e)) {
        const struct kst_kube_resource *resource = resource_of(self, e);
        kst_auto_err struct kst_err *err = NULL;
        if (kst_kube_create(self->kube, resource, resource->namespaced ? self->ns : NULL, e, false,
                            NULL, &err) < 0)
            fail_msg("%s", kst_err_message(err));
    }
}

static const char namespace[] = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: "
                                "{team: a}}}\n---\n";

/* ---- the tests ---- */

static const char whole[] =
    "apiVersion: v1\n"
    "kind: Namespace\n"
    "metadata: {name: shop, uid: u-ns, resourceVersion: '5', labels: {team: a}}\n"
    "---\n"
    "apiVersion: apiextensions.k8s.io/v1\n"
    "kind: CustomResourceDefinition\n"
    "metadata: {name: widgets.example.com, uid: u-crd}\n"
    "spec:\n"
    "  group: example.com\n"
    "  scope: Namespaced\n"
    "  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}\n"
    "  versions:\n"
    "  - name: v1\n"
    "    served: true\n"
    "    storage: true\n"
    "    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n"
    "---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: config, uid: u-c, namespace: shop, "
    "managedFields: []}, data: {size: \"\\u00fc\\U0001F600\"}}\n"
    "---\n"
    "{apiVersion: v1, kind: Secret, metadata: {name: owned, uid: u-s, namespace: shop, "
    "ownerReferences: [{apiVersion: example.com/v1, kind: Widget, name: w, uid: u-w, controller: "
    "true}]}, type: Opaque, data: {a: YQ==}}\n"
    "---\n"
    "{apiVersion: v1, kind: Secret, metadata: {name: orphan, uid: u-o, namespace: shop, "
    "ownerReferences: [{apiVersion: example.com/v1, kind: Widget, name: gone, uid: u-gone}]}, "
    "type: Opaque, data: {a: YQ==}}\n"
    "---\n"
    "{apiVersion: v1, kind: Service, metadata: {name: web, uid: u-web, namespace: shop}, spec: "
    "{clusterIP: 10.0.0.77, selector: {app: web}, ports: [{port: 80, targetPort: 80, protocol: "
    "TCP}], type: ClusterIP, sessionAffinity: None}}\n"
    "---\n"
    "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w, uid: u-w, namespace: shop}, "
    "spec: {big: 9007199254740993, part: 0.25, empty: {}, none: []}}\n";

static void body_whole(struct cluster *cluster)
{
    struct scene self;
    begin(&self, cluster);
    make_point(&self, "p", whole);
    restores(&self, "p", "{}");
    has(&self, "namespaces", "shop", "metadata.labels.team", "a");
    has(&self, "configmaps", "config", "data.size", "ü😀");
    has(&self, "widgets", "w", "spec.big", "9007199254740993");
    has(&self, "widgets", "w", "spec.part", "0.25");
    has(&self, "widgets", "w", "spec.empty", "{}");
    kst_auto_free char *owner = value_of(&self, "widgets", "w", "metadata.uid");
    assert_string_not_equal(owner, "u-w");
    has(&self, "secrets", "owned", "metadata.ownerReferences.0.uid", owner);
    has(&self, "secrets", "orphan", "metadata.ownerReferences", "null");
    has(&self, "secrets", "owned", "metadata.labels", "null");
    has(&self, "secrets", "owned", "metadata.annotations", "null");
    did(&self, "Secret", "owned", "created", NULL);
    did(&self, "Widget", "w", "created", NULL);

    /* Again: nothing is written. */
    kst_auto_free char *before = value_of(&self, "services", "web", "metadata.resourceVersion");
    restores(&self, "p", "{}");
    has(&self, "services", "web", "metadata.resourceVersion", before);
    did(&self, "Widget", "w", "unchanged", "there already");

    /* What is missing is made, the rest stays. */
    const struct kst_kube_resource *secrets = &kst_res_secrets;
    assert_int_equal(kst_kube_delete(self.kube, secrets, "shop", "owned", NULL, NULL), 0);
    restores(&self, "p", "{}");
    has(&self, "secrets", "owned", "metadata.ownerReferences.0.uid", owner);
    did(&self, "ConfigMap", "config", "unchanged", NULL);
    end(&self);
}

static void test_everything_comes_back(void **state)
{
    cluster_run(false, body_whole);
}

static const char two_maps[] =
    "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop, uid: u-a}, data: {one: "
    "old, two: old}}\n---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: shop, uid: u-b}, data: {one: "
    "old}}\n---\n"
    "{apiVersion: v1, kind: Secret, metadata: {name: typed, namespace: shop, uid: u-t}, type: "
    "example.com/old, data: {one: b2xk}}\n";

static void body_policies(struct cluster *cluster)
{
    struct scene self;
    begin(&self, cluster);
    make_point(&self, "p", two_maps);
    create(&self, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
    create(&self,
           "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {one: new, three: new}}");
    create(&self, "{apiVersion: v1, kind: Secret, metadata: {name: typed}, type: "
                  "example.com/new, data: {one: bmV3}}");
    kst_auto_free char *version = value_of(&self, "configmaps", "a", "metadata.resourceVersion");
    kst_auto_free char *uid = value_of(&self, "secrets", "typed", "metadata.uid");

    assert_int_equal(restore(&self, "p", "{}"), KST_E_REFUSED);
    says(self.message, "2 objects are in the way");
    says(self.message, "ConfigMap/shop/a: it is there and differs: data.");
    says(self.message, "Secret/shop/typed");
    assert_null(strstr(self.message, "b2xk"));
    says(self.hint, "--on-conflict");
    has(&self, "configmaps", "a", "metadata.resourceVersion", version);
    has_not(&self, "configmaps", "b");

    restores(&self, "p", "{'onConflict':'skip'}");
    has(&self, "configmaps", "a", "metadata.resourceVersion", version);
    has(&self, "secrets", "typed", "metadata.uid", uid);
    has(&self, "configmaps", "b", "data.one", "old");
    did(&self, "ConfigMap", "a", "skipped", "differs");

    restores(&self, "p", "{'onConflict':'merge','exclude':['secrets']}");
    has(&self, "configmaps", "a", "data.one", "old");
    has(&self, "configmaps", "a", "data.two", "old");
    has(&self, "configmaps", "a", "data.three", "new");
    did(&self, "ConfigMap", "a", "changed", NULL);
    did(&self, "ConfigMap", "b", "unchanged", NULL);

    restores(&self, "p", "{'onConflict':'replace'}");
    has(&self, "configmaps", "a", "data", "{\"one\":\"old\",\"two\":\"old\"}");
    /* A Secret's type cannot be changed: it is another object now. */
    has(&self, "secrets", "typed", "type", "example.com/old");
    kst_auto_free char *now = value_of(&self, "secrets", "typed", "metadata.uid");
    assert_string_not_equal(now, uid);
    end(&self);
}

/* What an earlier Run of the same name has made is not this one's. */
static void body_name_again(struct cluster *cluster)
{
    struct scene self;
    begin(&self, cluster);
    make_point(&self, "p", two_maps);
    restores(&self, "p", "{}");
    assert_int_equal(kst_kube_delete(self.kube, &kst_res_runs, home, self.run, NULL, NULL), 0);
    self.runs--;
    kst_auto_free char *name = kst_strdup(self.run);
    kst_auto_json struct kst_json *patch = kst_json_make("{'data':{'one':'new'}}");
    assert_int_equal(kst_kube_patch(self.kube, &kst_res_configmaps, "shop", "a", NULL,
                                    KST_PATCH_MERGE, patch, NULL, NULL),
                     0);
    restores(&self, "p", "{'onConflict':'replace'}");
    assert_string_equal(self.run, name);
    has(&self, "configmaps", "a", "data.one", "old");
    did(&self, "ConfigMap", "a", "changed", NULL);
    end(&self);
}

static void test_name_again(void **state)
{
    cluster_run(false, body_name_again);
}

static void test_conflicts(void **state)
{
    cluster_run(false, body_policies);
}

/* What somebody else does at that moment. */
static void load_meanwhile(struct scene *self, const char *yaml)
{
    kst_auto_json struct kst_json *documents = parse_all(yaml);
    size_t count = 0;
    assert_int_equal(kst_load_documents(self->api, documents, "test", &count, NULL), 0);
}

static void delete_a(struct scene *self)
{
    const struct kst_object *a = kst_api_find(self->api, "/configmaps", "shop", "a");
    assert_non_null(a);
    assert_int_equal(kst_control_delete(self->api, "/configmaps", a), 0);
}

static void make_b(struct scene *self)
{
    load_meanwhile(self, "{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: shop}, "
                         "data: {one: new}}");
}

static void make_class(struct scene *self)
{
    load_meanwhile(self, "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: "
                         "high}, value: 7}");
}

/* What was to be replaced is gone: it was not made again, and the restore failed. What appears is
 * met as if it had been there: one of the whole cluster was replaced though nobody had named it. */
static void body_meanwhile(struct cluster *cluster)
{
    struct scene self;
    begin(&self, cluster);
    kst_auto_free char *yaml = kst_asprintf(
        "%s---\n%s", two_maps,
        "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 5, "
        "preemptionPolicy: PreemptLowerPriority}\n");
    make_point(&self, "p", yaml);
    create(&self, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
    create(&self, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {one: new}}");
    self.meanwhile = delete_a;
    restores(&self, "p", "{'onConflict':'replace','include':['configmaps/a']}");
    has(&self, "configmaps", "a", "data.two", "old");

    self.meanwhile = make_b;
    assert_int_equal(restore(&self, "p", "{'include':['configmaps']}"), KST_E_FAILED);
    says(self.message, "ConfigMap/b has appeared since the plan: it is there and differs: data.");
    has(&self, "configmaps", "b", "data.one", "new");

    self.meanwhile = make_class;
    restores(&self, "p", "{'onConflict':'replace','exclude':['secrets']}");
    has(&self, "priorityclasses", "high", "value", "7");
    did(&self, "PriorityClass", "high", "skipped", "only where --include names it");
    has(&self, "configmaps", "b", "data.one", "old");
    end(&self);
}

static void test_meanwhile(void **state)
{
    cluster_run(false, body_meanwhile);
}

static void body_parts(struct cluster *cluster)
{
    struct scene self;
    begin(&self, cluster);
    make_point(&self, "p", two_maps);
    restores(&self, "p", "{'include':['configmaps/b']}");
    has(&self, "configmaps", "b", "data.one", "old");
    has_not(&self, "configmaps", "a");
    has_not(&self, "secrets", "typed");
    assert_int_equal(restore(&self, "p", "{'include':['configmaps/nothing']}"), KST_E_USAGE);
    says(self.message, "picks nothing");
    assert_int_equal(restore(&self, "p", "{'volumes':['data']}"), KST_E_USAGE);
    says(self.message, "has no volume 'data'");
    assert_int_equal(restore(&self, "q", "{}"), KST_E_NOT_FOUND);
    says(self.message, "RestorePoint");
    end(&self);
}

static void test_parts(void **state)
{
    cluster_run(false, body_parts);
}

static void body_elsewhere(struct cluster *cluster)
{
    struct scene self;
    begin(&self, cluster);
    kst_auto_free char *yaml = kst_asprintf(
        "%s%s", namespace,
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot, namespace: shop}}\n---\n"
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: rb, "
        "namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "
        "view}, subjects: [{kind: ServiceAccount, name: robot, namespace: shop}]}\n---\n"
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: "
        "crb}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, "
        "subjects: [{kind: ServiceAccount, name: robot, namespace: shop}]}\n");
    make_point(&self, "p", yaml);
    restores(&self, "p", "{}");
    kst_auto_free char *version = value_of(&self, "rolebindings", "rb", "metadata.resourceVersion");
    self.ns = "copy";
    restores(&self, "p", "{}");
    has(&self, "namespaces", "copy", "metadata.labels.team", "a");
    has(&self, "rolebindings", "rb", "subjects.0.namespace", "copy");
    has(&self, "clusterrolebindings", "crb-copy", "subjects.0.namespace", "copy");
    has(&self, "clusterrolebindings", "crb", "subjects.0.namespace", "shop");
    self.ns = "shop";
    has(&self, "rolebindings", "rb", "metadata.resourceVersion", version);
    end(&self);
}

static void test_elsewhere(void **state)
{
    cluster_run(false, body_elsewhere);
}

static void body_failures(struct cluster *cluster)
{
    struct scene self;
    begin(&self, cluster);
    kst_auto_free char *yaml = kst_asprintf(
        "%s%s", namespace,
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}, data: {one: z}}\n"
        "---\n"
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: shop}, data: {one: z}}\n"
        "---\n"
        "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}, type: Opaque}\n"
        "---\n"
        "{apiVersion: gone.example.com/v1, kind: Gadget, metadata: {name: g, namespace: shop}}\n"
        "---\n"
        "{apiVersion: v1, kind: Service, metadata: {name: wrong, namespace: shop}, spec: {ports: "
        "[{port: 99999}]}}\n");
    make_point(&self, "p", yaml);
    create(&self, "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}");
    create(&self, "{apiVersion: v1, kind: ResourceQuota, metadata: {name: few}, spec: {hard: "
                  "{secrets: '0'}}}");
    cluster_settle(cluster);

    assert_int_equal(restore(&self, "p", "{}"), KST_E_FAILED);
    has(&self, "configmaps", "a", "data.one", "z");
    has(&self, "configmaps", "b", "data.one", "z");
    did(&self, "Secret", "s", "failed", "few");
    did(&self, "Gadget", "g", "failed", "does not serve gone.example.com/v1 Gadget");
    did(&self, "Service", "wrong", "failed", "spec.ports[0].port");
    says(self.message, "3 of ");

    /* The causes are mended: only the rest is done. */
    const struct kst_kube_resource *quotas = NULL;
    assert_int_equal(kst_kube_find_resource(self.kube, "resourcequotas", &quotas, NULL), 0);
    assert_int_equal(kst_kube_delete(self.kube, quotas, "shop", "few", NULL, NULL), 0);
    kst_auto_free char *version = value_of(&self, "configmaps", "a", "metadata.resourceVersion");
    static const char fix[] = "{\"select\":\"services/wrong\",\"patch\":[{\"op\":\"replace\","
                              "\"path\":\"/spec/ports/0/port\",\"value\":80}]}";
    kst_auto_json struct kst_json *wishes = kst_json_make(
        "{'exclude':['gadgets.gone.example.com'],'transforms':[{'name':'fix.json','text':%s}]}",
        fix);
    if (restore_as(&self, "p", wishes) < 0)
        fail_msg("%s", self.message);
    has(&self, "secrets", "s", "type", "Opaque");
    has(&self, "services", "wrong", "spec.ports.0.port", "80");
    has(&self, "configmaps", "a", "metadata.resourceVersion", version);
    end(&self);
}

static void test_failures(void **state)
{
    cluster_run(false, body_failures);
}

/* --rename, with what refers to the object; --preserve status, of a custom resource. */
static void body_wishes(struct cluster *cluster)
{
    struct scene self;
    begin(&self, cluster);
    kst_auto_free char *yaml = kst_asprintf(
        "%s%s", namespace,
        "apiVersion: apiextensions.k8s.io/v1\n"
        "kind: CustomResourceDefinition\n"
        "metadata: {name: widgets.example.com}\n"
        "spec:\n"
        "  group: example.com\n"
        "  scope: Namespaced\n"
        "  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}\n"
        "  versions:\n"
        "  - name: v1\n"
        "    served: true\n"
        "    storage: true\n"
        "    subresources: {status: {}}\n"
        "    schema:\n"
        "      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}\n"
        "---\n"
        "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w, namespace: shop}, spec: "
        "{size: 1}, status: {state: good}}\n"
        "---\n"
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}, data: {one: z}}\n"
        "---\n"
        "{apiVersion: batch/v1beta1, kind: CronJob, metadata: {name: c, namespace: shop}, spec: "
        "{schedule: '0 0 1 1 *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, "
        "containers: [{name: c, image: c, envFrom: [{configMapRef: {name: a}}]}]}}}}}}\n");
    make_point(&self, "p", yaml);
    restores(&self, "p", "{'rename':{'ConfigMap/a':'b'},'preserve':['status']}");
    has(&self, "configmaps", "b", "data.one", "z");
    has_not(&self, "configmaps", "a");
    has(&self, "cronjobs", "c",
        "spec.jobTemplate.spec.template.spec.containers.0.envFrom.0.configMapRef.name", "b");
    has(&self, "widgets", "w", "status.state", "good");

    /* Without the wish, status is the controllers' to say. */
    const struct kst_kube_resource *widgets = NULL;
    assert_int_equal(kst_kube_find_resource(self.kube, "widgets", &widgets, NULL), 0);
    assert_int_equal(kst_kube_delete(self.kube, widgets, "shop", "w", NULL, NULL), 0);
    restores(&self, "p", "{'include':['widgets']}");
    has(&self, "widgets", "w", "spec.size", "1");
    has(&self, "widgets", "w", "status", "null");
    end(&self);
}

static void test_wishes(void **state)
{
    cluster_run(false, body_wishes);
}

/* A namespace that goes takes nothing. */
static void body_terminating(struct cluster *cluster)
{
    struct scene self;
    begin(&self, cluster);
    make_point(&self, "p", two_maps);
    create(&self, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
    create(&self, "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: "
                  "[example.com/held]}}");
    assert_int_equal(kst_kube_delete(self.kube, &kst_res_namespaces, NULL, "shop", NULL, NULL), 0);
    assert_int_equal(restore(&self, "p", "{}"), KST_E_REFUSED);
    says(self.message, "Namespace/shop is being deleted");
    end(&self);
}

static void test_terminating_namespace(void **state)
{
    cluster_run(false, body_terminating);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_comes_back),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_name_again),
        cmocka_unit_test(test_meanwhile),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_terminating_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
