/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/bootstrap.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"

#define RBAC "rbac.authorization.k8s.io/v1"

struct seed {
    const char *api_version, *kind, *ns, *template;
};

/* clang-format off */
static const struct seed seeds[] = {
    {"v1", "Namespace", "", "{'metadata':{'name':'default'}}"},
    {"v1", "Namespace", "", "{'metadata':{'name':'kube-system'}}"},
    {"v1", "Namespace", "", "{'metadata':{'name':'kube-public'}}"},
    {"v1", "Namespace", "", "{'metadata':{'name':'kube-node-lease'}}"},
    {"v1", "Service", "default",
     "{'metadata':{'name':'kubernetes','labels':{'component':'apiserver','provider':'kubernetes'}},"
     "'spec':{'type':'ClusterIP','clusterIP':'10.0.0.1','sessionAffinity':'None',"
     "'ports':[{'name':'https','port':443,'protocol':'TCP','targetPort':443}]}}"},
    {"scheduling.k8s.io/v1", "PriorityClass", "",
     "{'metadata':{'name':'system-node-critical'},'value':2000001000,"
     "'description':'Used for system critical pods that must not be moved from their current "
     "node.'}"},
    {"scheduling.k8s.io/v1", "PriorityClass", "",
     "{'metadata':{'name':'system-cluster-critical'},'value':2000000000,"
     "'description':'Used for system critical pods that must run in the cluster, but can be moved "
     "to another node if necessary.'}"},
    {RBAC, "ClusterRole", "",
     "{'metadata':{'name':'cluster-admin'},'rules':["
     "{'apiGroups':['*'],'resources':['*'],'verbs':['*']},{'nonResourceURLs':['*'],"
     "'verbs':['*']}]}"},
    {RBAC, "ClusterRole", "",
     "{'metadata':{'name':'system:discovery'},'rules':[{'nonResourceURLs':['/api','/api/*','/apis',"
     "'/apis/*','/healthz','/livez','/openapi','/openapi/*','/readyz','/version','/version/'],"
     "'verbs':['get']}]}"},
    {RBAC, "ClusterRole", "",
     "{'metadata':{'name':'system:public-info-viewer'},'rules':[{'nonResourceURLs':['/healthz',"
     "'/livez','/readyz','/version','/version/'],'verbs':['get']}]}"},
    {RBAC, "ClusterRole", "",
     "{'metadata':{'name':'system:basic-user'},'rules':[{'apiGroups':['authorization.k8s.io'],"
     "'resources':['selfsubjectaccessreviews','selfsubjectrulesreviews'],'verbs':['create']}]}"},
    {RBAC, "ClusterRoleBinding", "",
     "{'metadata':{'name':'cluster-admin'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io',"
     "'kind':'ClusterRole',"
     "'name':'cluster-admin'},'subjects':[{'apiGroup':'rbac.authorization.k8s.io','kind':'Group',"
     "'name':'system:masters'}]}"},
    {RBAC, "ClusterRoleBinding", "",
     "{'metadata':{'name':'system:discovery'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io',"
     "'kind':'ClusterRole',"
     "'name':'system:discovery'},'subjects':[{'apiGroup':'rbac.authorization.k8s.io',"
     "'kind':'Group','name':'system:authenticated'}]}"},
    {RBAC, "ClusterRoleBinding", "",
     "{'metadata':{'name':'system:basic-user'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io',"
     "'kind':'ClusterRole',"
     "'name':'system:basic-user'},'subjects':[{'apiGroup':'rbac.authorization.k8s.io',"
     "'kind':'Group','name':'system:authenticated'}]}"},
    {RBAC, "ClusterRoleBinding", "",
     "{'metadata':{'name':'system:public-info-viewer'},"
     "'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':'ClusterRole',"
     "'name':'system:public-info-viewer'},'subjects':[{'apiGroup':'rbac.authorization.k8s.io',"
     "'kind':'Group','name':'system:authenticated'},"
     "{'apiGroup':'rbac.authorization.k8s.io','kind':'Group','name':'system:unauthenticated'}]}"},
};
/* clang-format on */

static void plant(struct kst_api *api, const struct seed *seed, struct kst_json *object)
{
    kst_json_set_str(object, "apiVersion", seed->api_version);
    kst_json_set_str(object, "kind", seed->kind);
    const struct kst_api_call call = {
        .resource = kst_registry_find_kind(kst_api_registry(api), seed->api_version, seed->kind),
        .ns = seed->ns,
        .manager = "kube-apiserver"};
    kst_auto_json struct kst_json *status = kst_api_create(api, &call, object, NULL);
    if (status)
        kst_logf(KST_LOG_ERROR, "the first %s: %s", seed->kind, kst_status_message(status));
    assert(!status);
}

static void plant_node(struct kst_api *api)
{
    static const struct seed node = {"v1", "Node", "", NULL};
    char now[KST_TIME_TEXT], host[64] = "localhost";
    kst_api_now(now);
    gethostname(host, sizeof(host) - 1);
    struct kst_json *object = kst_json_make(
        "{'metadata':{'name':%s,'labels':{'kubernetes.io/hostname':%s,'kubernetes.io/os':'linux'}},"
        "'spec':{},'status':{'addresses':[{'type':'InternalIP','address':'127.0.0.1'},{'type':"
        "'Hostname','address':%s}],'capacity':{'cpu':'64','memory':'64Gi','pods':'1000'},"
        "'allocatable':{'cpu':'64','memory':'64Gi','pods':'1000'},'conditions':[{'type':'Ready',"
        "'status':'True','reason':'KubeletReady','message':'the sandbox runs Pods as processes of "
        "this machine','lastTransitionTime':%s,'lastHeartbeatTime':%s}],'nodeInfo':{"
        "'kubeletVersion':'v1.20.2','operatingSystem':'linux','containerRuntimeVersion':"
        "'processes://1'}}}",
        KST_SANDBOX_NODE, KST_SANDBOX_NODE, host, now, now);
    plant(api, &node, object);
}

void kst_bootstrap(struct kst_api *api)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(seeds); i++)
        plant(api, &seeds[i], kst_json_make(seeds[i].template));
    plant_node(api);
}
