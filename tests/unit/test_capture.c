/* SPDX-License-Identifier: Apache-2.0 */
/* Capture, from the embedded cluster into an archive in memory: what is in it, and what is not. */
#include "app/capture/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/application.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cluster_fixture.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"
#include "sandbox/sandbox.h"

enum { ARCHIVE_BYTES = 64 << 20, MEMBERS = 3 };

/* ---- An archive in memory ---- */

struct memory {
    struct kst_buf members[MEMBERS];
    size_t puts;
};

static struct kst_buf *member(struct memory *self, const char *name)
{
    static const char *const names[MEMBERS] = {KST_ARCHIVE_INDEX, KST_ARCHIVE_OBJECTS,
                                               KST_ARCHIVE_BLUEPRINTS};
    for (size_t i = 0; i < MEMBERS; i++)
        if (strcmp(names[i], name) == 0)
            return &self->members[i];
    fail_msg("no member %s", name);
    return NULL;
}

static int put(void *arg, const char *name, unsigned part, const void *data, size_t len,
               struct kst_err **err)
{
    struct memory *self = arg;
    assert_int_equal(member(self, name)->len, (size_t)part * KST_ARCHIVE_PART_BYTES);
    self->puts++;
    return kst_buf_add(member(self, name), data, len);
}

static int get(void *arg, const char *name, unsigned part, struct kst_buf *out,
               struct kst_err **err)
{
    const struct kst_buf *from = member(arg, name);
    size_t at = (size_t)part * KST_ARCHIVE_PART_BYTES;
    if (at >= from->len)
        return kst_err_set(err, KST_E_NOT_FOUND, "no part %u", part);
    size_t left = from->len - at;
    return kst_buf_add(out, from->data + at,
                       left < KST_ARCHIVE_PART_BYTES ? left : KST_ARCHIVE_PART_BYTES);
}

/* ---- A cluster, its client, and what was captured ---- */

struct world {
    struct cluster *cluster;
    struct kst_kube_config *config;
    struct kst_kube *kube;
    const char *spec; /* of the Run, as kst_json_make() reads it */
    struct memory memory;
    struct kst_json *index;
    struct kst_buf warnings;
};

/* Credentials of another user where `as` is not NULL. */
static void connect_as(struct world *self, const char *as)
{
    const struct kst_kube_config_options options = {
        .kubeconfig = kst_sandbox_kubeconfig(self->cluster->sandbox),
        .as = as,
    };
    if (self->kube)
        kst_kube_free(self->kube);
    kst_kube_config_free(self->config);
    assert_int_equal(kst_kube_config_load(&options, &self->config, NULL), 0);
    self->kube = kst_kube_new(kst_fiber_loop(), self->config);
}

static void world_init(struct world *self, struct cluster *cluster)
{
    *self = (struct world){.cluster = cluster};
    for (size_t i = 0; i < MEMBERS; i++)
        kst_buf_init(&self->memory.members[i], ARCHIVE_BYTES);
    kst_buf_init(&self->warnings, 1 << 20);
    connect_as(self, NULL);
}

static void world_clear(struct world *self)
{
    for (size_t i = 0; i < MEMBERS; i++)
        kst_buf_clear(&self->memory.members[i]);
    kst_buf_clear(&self->warnings);
    kst_json_free(kst_take(self->index));
}

static void world_release(struct world *self)
{
    world_clear(self);
    for (size_t i = 0; i < MEMBERS; i++)
        kst_buf_release(&self->memory.members[i]);
    kst_buf_release(&self->warnings);
    kst_kube_free(self->kube);
    kst_kube_config_free(self->config);
}

/* Creates the documents in their order, those without a namespace in "shop". */
static void load(struct world *self, const char *yaml)
{
    kst_auto_json struct kst_json *documents = NULL;
    kst_auto_err struct kst_err *err = NULL;
    if (kst_yaml_parse_all(yaml, strlen(yaml), &documents, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    for (const struct kst_json *doc = kst_json_first(documents); doc; doc = kst_json_next(doc)) {
        const struct kst_kube_resource *resource = NULL;
        int rc = kst_kube_find_kind(self->kube, kst_json_path_str(doc, "apiVersion"),
                                    kst_json_path_str(doc, "kind"), &resource, &err);
        const char *ns = kst_json_path_str(doc, "metadata.namespace");
        if (rc == 0)
            rc = kst_kube_create(self->kube, resource,
                                 resource->namespaced ? (ns ? ns : "shop") : NULL, doc, false, NULL,
                                 &err);
        if (rc < 0)
            fail_msg("%s %s: %s", kst_json_path_str(doc, "kind"),
                     kst_json_path_str(doc, "metadata.name"), kst_err_message(err));
    }
    cluster_settle(self->cluster);
}

static struct world *present; /* whose Run is planned */

static const struct kst_action action = {.name = "backup"};
static const struct kst_action *const actions[] = {&action, NULL};

static int capture(struct kst_run *run, struct kst_err **err)
{
    kst_auto_json struct kst_json *workloads = NULL, *claims = NULL;
    const struct kst_archive_sink sink = {.put = put, .arg = &present->memory};
    struct kst_capturer *capturer = NULL;
    int rc = kst_application_find(run, NULL, &workloads, &claims, NULL, err);
    if (rc == 0)
        rc = kst_capturer_new(run, workloads, &capturer, err);
    if (rc == 0)
        rc = kst_capturer_write(capturer, &sink, &present->index, err);
    kst_capturer_free(capturer);
    return rc;
}

static void note(void *arg, const struct kst_run *run, enum kst_note what, const char *text,
                 const struct kst_json *detail)
{
    struct world *self = arg;
    if (what == KST_NOTE_WARNING)
        kst_buf_addf(&self->warnings, "%s\n", text);
}

static int run_capture(struct world *self, const char *spec, struct kst_err **err)
{
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'Run','metadata':{'name':'b','namespace':"
        "'kassette'},'spec':{'action':'backup','application':{'namespace':'shop'}}}");
    kst_auto_json struct kst_json *more = kst_json_make(spec);
    for (const struct kst_json *field = kst_json_first(more); field; field = kst_json_next(field))
        kst_json_set(kst_json_mut(object, "spec"), kst_json_key(field), kst_json_dup(field));
    const struct kst_run_options options = {
        .kube = self->kube,
        .home = "kassette",
        .name = "b",
        .actions = actions,
        .observer = {.note = note, .arg = self},
    };
    kst_auto_json struct kst_json *status = NULL;
    world_clear(self);
    present = self;
    return kst_run_plan(&options, object, capture, &status, err);
}

static void must_capture(struct world *self, const char *spec)
{
    kst_auto_err struct kst_err *err = NULL;
    if (run_capture(self, spec, &err) < 0)
        fail_msg("%s", kst_err_message(err));
}

static int add_name(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                    struct kst_err **err)
{
    const char *kind = kst_json_path_str(object, "kind");
    bool is_volume = strcmp(kind, "PersistentVolume") == 0; /* named by chance */
    return kst_buf_addf(arg, "%s/%s\n", kind,
                        is_volume ? "*" : kst_json_path_str(object, "metadata.name"));
}

static void each(struct world *self,
                 int (*fn)(void *arg, const struct kst_archive_place *place,
                           struct kst_json *object, struct kst_err **err),
                 void *arg)
{
    const struct kst_archive_source source = {.get = get, .arg = &self->memory};
    struct kst_archive_reader *reader = NULL;
    assert_int_equal(kst_archive_open(&source, &reader, NULL), 0);
    assert_int_equal(kst_archive_each(reader, fn, arg, NULL), 0);
    kst_archive_close(reader);
}

/* Long texts: cmocka would cut them. */
static void same(const char *found, const char *expected)
{
    if (strcmp(found, expected) == 0)
        return;
    fprintf(stderr, "found:\n%s\nexpected:\n%s\n", found, expected);
    fail_msg("another text");
}

/* "Kind/name" of every object, a line each. */
static void has(struct world *self, const char *expected)
{
    kst_auto_buf names = KST_BUF_INIT(1 << 20);
    each(self, add_name, &names);
    same(names.data, expected);
}

/* Reasons and counts, as kst_json_make() reads them; Events are as many as controllers told. */
static void left_out(struct world *self, const char *expected)
{
    kst_auto_json struct kst_json *excluded = kst_json_dup(kst_json_get(self->index, "excluded"));
    kst_auto_json struct kst_json *wanted = kst_json_make(expected);
    if (kst_json_get(excluded, "event"))
        assert_true(kst_json_path_int(excluded, "event", 0) >= 2);
    kst_json_remove(excluded, "event");
    kst_auto_free char *text = kst_json_text(excluded);
    if (!kst_json_equal(excluded, wanted))
        same(text, expected);
}

/* ---- An application with a bit of everything ---- */

static const char definitions[] =
    "apiVersion: v1\n"
    "kind: Namespace\n"
    "metadata: {name: shop, labels: {team: sales}}\n"
    "---\n"
    "apiVersion: apiextensions.k8s.io/v1\n"
    "kind: CustomResourceDefinition\n"
    "metadata: {name: widgets.acid.example}\n"
    "spec:\n"
    "  group: acid.example\n"
    "  names: {kind: Widget, plural: widgets, singular: widget}\n"
    "  scope: Namespaced\n"
    "  versions:\n"
    "  - name: v1\n"
    "    served: true\n"
    "    storage: true\n"
    "    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n"
    "---\n"
    "apiVersion: apiextensions.k8s.io/v1\n"
    "kind: CustomResourceDefinition\n"
    "metadata: {name: gadgets.acid.example}\n"
    "spec:\n"
    "  group: acid.example\n"
    "  names: {kind: Gadget, plural: gadgets, singular: gadget}\n"
    "  scope: Namespaced\n"
    "  versions:\n"
    "  - name: v1\n"
    "    served: true\n"
    "    storage: true\n"
    "    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n"
    "---\n"
    "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: important}, value: "
    "7}\n"
    "---\n"
    "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: unused}, value: 8}\n"
    "---\n"
    "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: gvisor}, handler: runsc}\n"
    "---\n"
    "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: shiny}, spec: "
    "{controller: a.example/b}}\n"
    "---\n"
    "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: unused}, spec: "
    "{controller: a.example/b}}\n";

static const char rights[] =
    "{apiVersion: v1, kind: ServiceAccount, metadata: {name: web}, imagePullSecrets: [{name: "
    "registry}]}\n"
    "---\n"
    "apiVersion: rbac.authorization.k8s.io/v1\n"
    "kind: ClusterRole\n"
    "metadata: {name: gathered}\n"
    "aggregationRule: {clusterRoleSelectors: [{matchLabels: {gather: this}}]}\n"
    "rules: []\n"
    "---\n"
    "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: part, labels: "
    "{gather: this}}, rules: []}\n"
    "---\n"
    "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: unused}, "
    "rules: []}\n"
    "---\n"
    "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader}, rules: []}\n"
    "---\n"
    "apiVersion: rbac.authorization.k8s.io/v1\n"
    "kind: RoleBinding\n"
    "metadata: {name: web-reads}\n"
    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}\n"
    "subjects: [{kind: ServiceAccount, name: web, namespace: shop}]\n"
    "---\n"
    "apiVersion: rbac.authorization.k8s.io/v1\n"
    "kind: RoleBinding\n"
    "metadata: {name: people-view}\n"
    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\n"
    "subjects: [{kind: Group, name: people, apiGroup: rbac.authorization.k8s.io}]\n"
    "---\n"
    "apiVersion: rbac.authorization.k8s.io/v1\n"
    "kind: ClusterRoleBinding\n"
    "metadata: {name: web-gathers}\n"
    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gathered}\n"
    "subjects: [{kind: ServiceAccount, name: web, namespace: shop}]\n"
    "---\n"
    "apiVersion: rbac.authorization.k8s.io/v1\n"
    "kind: ClusterRoleBinding\n"
    "metadata: {name: others}\n"
    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: unused}\n"
    "subjects: [{kind: ServiceAccount, name: web, namespace: elsewhere}]\n";

static const char configuration[] =
    "{apiVersion: v1, kind: Secret, metadata: {name: db, labels: {app: db}}, stringData: "
    "{password: sesame}}\n"
    "---\n"
    "{apiVersion: v1, kind: Secret, metadata: {name: registry}, stringData: {a: b}}\n"
    "---\n"
    "{apiVersion: v1, kind: Secret, metadata: {name: certificate}, stringData: {a: b}}\n"
    "---\n"
    "{apiVersion: v1, kind: Secret, type: helm.sh/release.v1, metadata: {name: "
    "sh.helm.release.v1.web.v1, labels: {owner: helm}}, stringData: {release: x}}\n"
    "---\n"
    "{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: "
    "web-token-x7x2q, annotations: {kubernetes.io/service-account.name: web}}}\n"
    "---\n"
    "{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: "
    "by-hand, annotations: {kubernetes.io/service-account.name: web}}}\n"
    "---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: '1'}}\n"
    "---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: extra, labels: {app: web}}, data: {a: "
    "'1'}}\n"
    "---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: election, annotations: "
    "{control-plane.alpha.kubernetes.io/leader: '{}'}}}\n"
    "---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: unwanted, labels: {kassette.io/exclude: "
    "'true'}}}\n"
    "---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: unwanted-too, annotations: "
    "{velero.io/exclude-from-backup: 'true'}}}\n"
    "---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: wanted, annotations: "
    "{velero.io/exclude-from-backup: 'false'}}}\n"
    "---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: kassettes, labels: {kassette.io/run: "
    "'x'}}}\n"
    "---\n"
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: going, finalizers: [a.example/b]}}\n"
    "---\n"
    "{apiVersion: v1, kind: LimitRange, metadata: {name: limits}, spec: {limits: [{type: "
    "PersistentVolumeClaim, max: {storage: 8Ti}}]}}\n"
    "---\n"
    "{apiVersion: v1, kind: ResourceQuota, metadata: {name: quota}, spec: {hard: {configmaps: "
    "'1000'}}}\n";

static const char volumes[] =
    "apiVersion: v1\n"
    "kind: PersistentVolumeClaim\n"
    "metadata: {name: files}\n"
    "spec: {accessModes: [ReadWriteOnce], storageClassName: dir, resources: {requests: {storage: "
    "1Mi}}}\n"
    "---\n"
    "apiVersion: snapshot.storage.k8s.io/v1\n"
    "kind: VolumeSnapshot\n"
    "metadata: {name: earlier}\n"
    "spec: {source: {persistentVolumeClaimName: files}}\n";

static const char network[] =
    "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: "
    "[{port: 80}]}}\n"
    "---\n"
    "{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {clusterIP: None, selector: "
    "{app: db}, ports: [{port: 5432}]}}\n"
    "---\n"
    "{apiVersion: v1, kind: Service, metadata: {name: outside}, spec: {ports: [{port: 80}]}}\n"
    "---\n"
    "{apiVersion: v1, kind: Endpoints, metadata: {name: outside}, subsets: [{addresses: [{ip: "
    "192.0.2.7}], ports: [{port: 80}]}]}\n"
    "---\n"
    "apiVersion: networking.k8s.io/v1\n"
    "kind: Ingress\n"
    "metadata: {name: front}\n"
    "spec: {ingressClassName: shiny, tls: [{secretName: certificate}], defaultBackend: {service: "
    "{name: web, port: {number: 80}}}}\n"
    "---\n"
    "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: closed}, spec: "
    "{podSelector: {}}}\n"
    "---\n"
    "{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: web}, spec: "
    "{minAvailable: 1, selector: {matchLabels: {app: web}}}}\n"
    "---\n"
    "apiVersion: autoscaling/v1\n"
    "kind: HorizontalPodAutoscaler\n"
    "metadata: {name: web}\n"
    "spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n"
    "---\n"
    "apiVersion: admissionregistration.k8s.io/v1\n"
    "kind: ValidatingWebhookConfiguration\n"
    "metadata: {name: ours}\n"
    "webhooks: [{name: a.b.example, failurePolicy: Ignore, sideEffects: None, "
    "admissionReviewVersions: [v1], clientConfig: {service: {namespace: shop, name: web}}}]\n"
    "---\n"
    "apiVersion: admissionregistration.k8s.io/v1\n"
    "kind: ValidatingWebhookConfiguration\n"
    "metadata: {name: theirs}\n"
    "webhooks: [{name: a.b.example, failurePolicy: Ignore, sideEffects: None, "
    "admissionReviewVersions: [v1], clientConfig: {service: {namespace: other, name: web}}}]\n"
    "---\n"
    "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: leader}}\n"
    "---\n"
    "{apiVersion: v1, kind: Event, metadata: {name: e1}, involvedObject: {namespace: shop}}\n"
    "---\n"
    "{apiVersion: v1, kind: Event, metadata: {name: e2}, involvedObject: {namespace: shop}}\n";

static const char workloads[] =
    "apiVersion: apps/v1\n"
    "kind: Deployment\n"
    "metadata: {name: web, labels: {app: web}}\n"
    "spec:\n"
    "  replicas: 1\n"
    "  selector: {matchLabels: {app: web}}\n"
    "  template:\n"
    "    metadata: {labels: {app: web}}\n"
    "    spec:\n"
    "      serviceAccountName: web\n"
    "      priorityClassName: important\n"
    "      runtimeClassName: gvisor\n"
    "      containers:\n"
    "      - {name: web, image: web, envFrom: [{configMapRef: {name: settings}}]}\n"
    "---\n"
    "apiVersion: apps/v1\n"
    "kind: StatefulSet\n"
    "metadata: {name: db, labels: {app: db}}\n"
    "spec:\n"
    "  serviceName: db\n"
    "  selector: {matchLabels: {app: db}}\n"
    "  template:\n"
    "    metadata: {labels: {app: db}}\n"
    "    spec:\n"
    "      containers:\n"
    "      - name: db\n"
    "        image: db\n"
    "        env: [{name: P, valueFrom: {secretKeyRef: {name: db, key: password}}}]\n"
    "  volumeClaimTemplates:\n"
    "  - metadata: {name: data}\n"
    "    spec: {accessModes: [ReadWriteOnce], storageClassName: dir, resources: {requests: "
    "{storage: 1Mi}}}\n"
    "---\n"
    "apiVersion: batch/v1beta1\n"
    "kind: CronJob\n"
    "metadata: {name: report}\n"
    "spec:\n"
    "  schedule: 0 0 1 1 *\n"
    "  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "
    "c}]}}}}\n"
    "---\n"
    "apiVersion: v1\n"
    "kind: Pod\n"
    "metadata: {name: lonely}\n"
    "spec: {volumes: [{name: v, persistentVolumeClaim: {claimName: files}}], containers: [{name: "
    "c, image: c, volumeMounts: [{name: v, mountPath: /v}]}]}\n";

/* What no server of today would take, but hand out: whatever is stored is what is captured. */
#define EXACT                                                                       \
    "{\"exact\":9007199254740993,\"one\":1.0,\"huge\":1e400,\"minus\":-0,\"text\":" \
    "\"\xc3\x9cn\xc3\xaf\xf0\x9f\x8e\xb5 \\u0000 <&>\",\"empty\":{},\"none\":[],\"null\":null}"

static struct kst_bucket *bucket(struct world *self, const char *name)
{
    return kst_store_bucket(kst_api_store(self->cluster->api), name);
}

/* What an operator makes of a custom resource: the objects stay in, the Pod does not. */
static void load_operators(struct world *self)
{
    static const char widget[] = "{\"apiVersion\":\"acid.example/v1\",\"kind\":\"Widget\","
                                 "\"metadata\":{\"name\":\"w1\",\"namespace\":\"shop\",\"uid\":"
                                 "\"u-1\",\"managedFields\":[{\"manager\":\"m\"}]},\"spec\":" EXACT
                                 "}";
    struct kst_json *value = NULL;
    assert_int_equal(kst_json_parse(widget, strlen(widget), &value, NULL), 0);
    kst_bucket_put(bucket(self, "acid.example/widgets"), value);
    load(self,
         "apiVersion: acid.example/v1\n"
         "kind: Widget\n"
         "metadata: {name: w2, ownerReferences: [{apiVersion: acid.example/v1, kind: Widget, name: "
         "w1, uid: u-1, controller: true}]}\n"
         "---\n"
         "{apiVersion: v1, kind: Secret, metadata: {name: w1-key, ownerReferences: [{apiVersion: "
         "acid.example/v1, kind: Widget, name: w1, uid: u-1, controller: true}]}}\n"
         "---\n"
         "{apiVersion: v1, kind: Pod, metadata: {name: w1-0, ownerReferences: [{apiVersion: "
         "acid.example/v1, kind: Widget, name: w1, uid: u-1, controller: true}]}, spec: "
         "{containers: [{name: c, image: c}]}}\n");
}

static void load_application(struct world *self)
{
    load(self, definitions);
    load(self, rights);
    load(self, configuration);
    load(self, volumes);
    load(self, network);
    load(self, workloads);
    load_operators(self);
    assert_int_equal(kst_kube_delete(self->kube, &kst_res_configmaps, "shop", "going", NULL, NULL),
                     0);
    cluster_settle(self->cluster);
}

/* ---- What is in the archive ---- */

static int find_widget(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                       struct kst_err **err)
{
    const char *name = kst_json_path_str(object, "metadata.name");
    assert_null(kst_json_path(object, "metadata.managedFields"));
    if (strcmp(name, "w1") == 0)
        *(struct kst_json **)arg = kst_json_dup(object);
    return 0;
}

/* Each value as it is stored, and the keys in their order. */
static void check_exact(struct world *self)
{
    kst_auto_json struct kst_json *widget = NULL;
    each(self, find_widget, &widget);
    kst_auto_free char *spec = kst_json_text(kst_json_get(widget, "spec"));
    kst_auto_free char *whole = kst_json_text(widget);
    same(spec, EXACT);
    assert_true(strncmp(whole, "{\"apiVersion\":\"acid.example/v1\",\"kind\":\"Widget\",", 48) ==
                0);
}

static const char everything[] = "Namespace/shop\n"
                                 "CustomResourceDefinition/widgets.acid.example\n"
                                 "IngressClass/shiny\n"
                                 "RuntimeClass/gvisor\n"
                                 "PriorityClass/important\n"
                                 "VolumeSnapshotClass/dir\n"
                                 "StorageClass/dir\n"
                                 "ServiceAccount/default\n"
                                 "ServiceAccount/web\n"
                                 "ConfigMap/extra\n"
                                 "ConfigMap/settings\n"
                                 "ConfigMap/wanted\n"
                                 "LimitRange/limits\n"
                                 "Secret/by-hand\n"
                                 "Secret/certificate\n"
                                 "Secret/db\n"
                                 "Secret/registry\n"
                                 "Secret/sh.helm.release.v1.web.v1\n"
                                 "Secret/w1-key\n"
                                 "ClusterRole/gathered\n"
                                 "ClusterRole/part\n"
                                 "ClusterRoleBinding/web-gathers\n"
                                 "Role/reader\n"
                                 "RoleBinding/people-view\n"
                                 "RoleBinding/web-reads\n"
                                 "PersistentVolume/*\n"
                                 "PersistentVolume/*\n"
                                 "PersistentVolumeClaim/data-db-0\n"
                                 "PersistentVolumeClaim/files\n"
                                 "Endpoints/outside\n"
                                 "Service/db\n"
                                 "Service/outside\n"
                                 "Service/web\n"
                                 "NetworkPolicy/closed\n"
                                 "Widget/w1\n"
                                 "Widget/w2\n"
                                 "Pod/lonely\n"
                                 "Deployment/web\n"
                                 "StatefulSet/db\n"
                                 "CronJob/report\n"
                                 "HorizontalPodAutoscaler/web\n"
                                 "Ingress/front\n"
                                 "PodDisruptionBudget/web\n"
                                 "ResourceQuota/quota\n"
                                 "ValidatingWebhookConfiguration/ours\n";

/* Only what the StatefulSet says it uses, directly or not. */
static const char database[] = "Namespace/shop\n"
                               "VolumeSnapshotClass/dir\n"
                               "StorageClass/dir\n"
                               "ServiceAccount/default\n"
                               "Secret/db\n"
                               "PersistentVolume/*\n"
                               "PersistentVolumeClaim/data-db-0\n"
                               "Service/db\n"
                               "StatefulSet/db\n";

static const char website[] = "Namespace/shop\n"
                              "RuntimeClass/gvisor\n"
                              "PriorityClass/important\n"
                              "ServiceAccount/web\n"
                              "ConfigMap/extra\n"
                              "ConfigMap/settings\n"
                              "Secret/registry\n"
                              "ClusterRole/gathered\n"
                              "ClusterRole/part\n"
                              "ClusterRoleBinding/web-gathers\n"
                              "Role/reader\n"
                              "RoleBinding/web-reads\n"
                              "Deployment/web\n";

static void body_application(struct cluster *cluster)
{
    struct world self;
    world_init(&self, cluster);
    load_application(&self);

    must_capture(&self, "{}");
    has(&self, everything);
    left_out(&self, "{'made again by its controller':9,'token of a ServiceAccount':3,'excluded by "
                    "its label or annotation':2,'being deleted':1,'leader election':1,'lease':1,"
                    "'snapshot':1,'Kassette\\u0027s own':1}");
    assert_int_equal(kst_json_path_int(self.index, "objects.count", 0), 45);
    assert_string_equal(kst_json_path_str(self.index, "application.namespace"), "shop");
    assert_non_null(kst_json_path_str(self.index, "cluster.version"));
    assert_non_null(kst_json_path_str(self.index, "cluster.uid"));
    assert_int_equal(self.warnings.len, 0);
    check_exact(&self);

    must_capture(&self, "{'application':{'namespace':'shop','selector':'app=db'}}");
    has(&self, database);
    left_out(&self, "{'token of a ServiceAccount':1,'made again by its controller':2}");
    assert_string_equal(kst_json_path_str(self.index, "application.selector"), "app=db");
    must_capture(&self, "{'application':{'namespace':'shop','selector':'app=web'}}");
    has(&self, website);

    must_capture(&self, "{'capture':{'include':['secrets/db|web','cm','widgets','crd','sercets'],"
                        "'exclude':['*?app=web','configmaps/want.*','pvc']}}");
    has(&self, "CustomResourceDefinition/widgets.acid.example\nConfigMap/settings\nSecret/db\n"
               "Widget/w1\nWidget/w2\n");
    left_out(&self, "{'not included':5,'excluded by *?app=web':1,'excluded by configmaps/want.*':1,"
                    "'token of a ServiceAccount':3,'excluded by its label or annotation':2,'being "
                    "deleted':1,'leader election':1,'Kassette\\u0027s own':1}");
    assert_string_equal(self.warnings.data,
                        "the pattern 'sercets' picked nothing: is it what was meant?\n");
    world_release(&self);
}

static void application(void **state)
{
    cluster_run(false, body_application);
}

/* ---- What may not be read ---- */

static const char reader_role[] =
    "apiVersion: rbac.authorization.k8s.io/v1\n"
    "kind: ClusterRole\n"
    "metadata: {name: most}\n"
    "rules:\n"
    "- {apiGroups: [''], verbs: [get, list], resources: [namespaces, configmaps, endpoints, "
    "limitranges, persistentvolumeclaims, persistentvolumes, pods, podtemplates, "
    "replicationcontrollers, resourcequotas, serviceaccounts, services]}\n"
    "- {apiGroups: [apps, autoscaling, batch, discovery.k8s.io, networking.k8s.io, policy, "
    "rbac.authorization.k8s.io, storage.k8s.io, apiregistration.k8s.io, "
    "admissionregistration.k8s.io], verbs: [get, list], resources: ['*']}\n"
    "---\n"
    "apiVersion: rbac.authorization.k8s.io/v1\n"
    "kind: ClusterRoleBinding\n"
    "metadata: {name: most}\n"
    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: most}\n"
    "subjects: [{kind: User, name: ann, apiGroup: rbac.authorization.k8s.io}]\n";

/* Events, leases and what Kassette makes are left out anyway: they need not be readable. */
static void body_forbidden(struct cluster *cluster)
{
    struct world self;
    kst_auto_err struct kst_err *err = NULL;
    world_init(&self, cluster);
    load(&self, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n");
    load(&self, configuration);
    load(&self, reader_role);
    connect_as(&self, "ann");
    assert_int_equal(run_capture(&self, "{}", &err), KST_E_FORBIDDEN);
    assert_non_null(strstr(kst_err_message(err), "capture secrets of namespace shop"));
    assert_non_null(strstr(kst_err_get_hint(err), "--exclude secrets"));
    assert_non_null(strstr(kst_err_get_hint(err), "deploy/rbac.yaml"));
    must_capture(&self, "{'capture':{'exclude':['secrets']}}");
    has(&self, "Namespace/shop\nServiceAccount/default\nConfigMap/extra\nConfigMap/going\n"
               "ConfigMap/settings\nConfigMap/wanted\nLimitRange/limits\nResourceQuota/quota\n");
    world_release(&self);
}

static void forbidden(void **state)
{
    cluster_run(false, body_forbidden);
}

/* ---- Many objects ---- */

enum { MANY = 3000, LARGE = 40, LARGE_BYTES = 300000 };

static void make_config_map(struct world *self, const char *name, const char *text)
{
    kst_bucket_put(bucket(self, "/configmaps"),
                   kst_json_make("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':%s,"
                                 "'namespace':'shop','uid':%s},'data':{'text':%s}}",
                                 name, name, text));
}

struct requests {
    struct world *world;
    unsigned pages;              /* of ConfigMaps, beside the first of each list */
    unsigned compacts;           /* with this one the server forgets */
    unsigned first, least, most; /* limits */
};

static void on_request(void *arg, const char *method, const char *path, long status,
                       int64_t took_us)
{
    struct requests *self = arg;
    const char *limit = strstr(path, "limit=");
    if (status || !limit || !strstr(path, "/namespaces/shop/configmaps?"))
        return;
    unsigned value = (unsigned)strtoul(limit + strlen("limit="), NULL, 10);
    self->first = self->first ? self->first : value;
    self->least = !self->least || value < self->least ? value : self->least;
    self->most = value > self->most ? value : self->most;
    if (!strstr(path, "continue=") || ++self->pages != self->compacts)
        return;
    make_config_map(self->world, "cm-00000-new", "new");
    make_config_map(self->world, "zz-last", "new");
    kst_store_compact(kst_api_store(self->world->cluster->api));
}

static int count_names(void *arg, const struct kst_archive_place *place, struct kst_json *object,
                       struct kst_err **err)
{
    const char *name = kst_json_path_str(object, "metadata.name");
    char *last = arg;
    if (strcmp(kst_json_path_str(object, "kind"), "ConfigMap") != 0)
        return 0;
    assert_true(strcmp(last, name) < 0);
    snprintf(last, 64, "%s", name);
    return 0;
}

/* A list that the server has forgotten in its middle goes on where it was: nothing comes twice, and
 * nothing that was there all the time is missing. */
static void body_forgotten(struct cluster *cluster)
{
    struct world self;
    world_init(&self, cluster);
    load(&self, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n");
    for (int i = 0; i < MANY; i++) {
        kst_auto_free char *name = kst_asprintf("cm-%05d", i);
        make_config_map(&self, name, "text");
    }
    struct requests requests = {.world = &self, .compacts = 1};
    kst_kube_set_trace(self.kube, on_request, &requests);
    must_capture(&self, "{}");
    char last[64] = "";
    each(&self, count_names, last);
    assert_string_equal(last, "zz-last");
    const struct kst_json *kinds = kst_json_get(self.index, "kinds");
    int64_t count = 0;
    for (const struct kst_json *row = kst_json_first(kinds); row; row = kst_json_next(row))
        if (strcmp(kst_json_path_str(row, "kind"), "ConfigMap") == 0)
            count = kst_json_path_int(row, "count", 0);
    assert_int_equal(count, MANY + 1);
    assert_true(requests.pages >= 2 && requests.pages <= 6);
    assert_int_equal(requests.most, 2000);
    world_release(&self);
}

static void forgotten(void **state)
{
    cluster_run(false, body_forgotten);
}

/* Pages shrink until they are of some two MiB. */
static void body_large(struct cluster *cluster)
{
    struct world self;
    world_init(&self, cluster);
    load(&self, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n");
    kst_auto_free char *text = kst_malloc(LARGE_BYTES + 1);
    memset(text, 'x', LARGE_BYTES);
    text[LARGE_BYTES] = '\0';
    for (int i = 0; i < LARGE; i++) {
        kst_auto_free char *name = kst_asprintf("cm-%05d", i);
        make_config_map(&self, name, text);
    }
    struct requests requests = {.world = &self};
    kst_kube_set_trace(self.kube, on_request, &requests);
    must_capture(&self, "{}");
    assert_int_equal(kst_json_path_int(self.index, "objects.count", 0), LARGE + 2);
    assert_true(requests.first >= 100);
    assert_true(requests.least * LARGE_BYTES < 2 << 20);
    assert_true(requests.pages >= 4);
    world_release(&self);
}

static void large(void **state)
{
    cluster_run(false, body_large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(application),
        cmocka_unit_test(forbidden),
        cmocka_unit_test(forgotten),
        cmocka_unit_test(large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
