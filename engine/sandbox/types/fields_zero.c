/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/types/fields.h"

#include <string.h>

#include "base/mem.h"

/* A template of Pods that is empty. */
#define TEMPLATE "{'metadata':{'creationTimestamp':null},'spec':{'containers':null}}"

static const struct {
    const char *kind, *zero;
} zeros[] = {
    {"/Pod", "{'spec':{'containers':null},'status':{}}"},
    {"/PodTemplate", "{'template':" TEMPLATE "}"},
    {"/ReplicationController", "{'spec':{},'status':{'replicas':0}}"},
    {"/Service", "{'spec':{},'status':{'loadBalancer':{}}}"},
    {"/Node", "{'spec':{},'status':{'daemonEndpoints':{'kubeletEndpoint':{'Port':0}},"
              "'nodeInfo':{'machineID':'','systemUUID':'','bootID':'','kernelVersion':'',"
              "'osImage':'','containerRuntimeVersion':'','kubeletVersion':'','kubeProxyVersion':'',"
              "'operatingSystem':'','architecture':''}}}"},
    {"/Namespace", "{'spec':{},'status':{}}"},
    {"/PersistentVolume", "{'spec':{},'status':{}}"},
    {"/PersistentVolumeClaim", "{'spec':{'resources':{}},'status':{}}"},
    {"/Event", "{'involvedObject':{},'source':{},'firstTimestamp':null,'lastTimestamp':null,"
               "'eventTime':null,'reportingComponent':'','reportingInstance':''}"},
    {"/LimitRange", "{'spec':{'limits':null}}"},
    {"/ResourceQuota", "{'spec':{},'status':{}}"},
    {"apps/Deployment",
     "{'spec':{'selector':null,'template':" TEMPLATE ",'strategy':{}},'status':{}}"},
    {"apps/StatefulSet", "{'spec':{'selector':null,'template':" TEMPLATE
                         ",'serviceName':'','updateStrategy':{}},'status':{'replicas':0}}"},
    {"apps/DaemonSet",
     "{'spec':{'selector':null,'template':" TEMPLATE
     ",'updateStrategy':{}},'status':{'currentNumberScheduled':0,'numberMisscheduled':0,"
     "'desiredNumberScheduled':0,'numberReady':0}}"},
    {"apps/ReplicaSet",
     "{'spec':{'selector':null,'template':" TEMPLATE "},'status':{'replicas':0}}"},
    {"apps/ControllerRevision", "{'data':null,'revision':0}"},
    {"batch/Job", "{'spec':{'template':" TEMPLATE "},'status':{}}"},
    {"batch/CronJob", "{'spec':{'schedule':'','jobTemplate':{'metadata':{'creationTimestamp':null},"
                      "'spec':{'template':" TEMPLATE "}}},'status':{}}"},
    {"networking.k8s.io/NetworkPolicy", "{'spec':{'podSelector':{}}}"},
    {"networking.k8s.io/Ingress", "{'spec':{},'status':{'loadBalancer':{}}}"},
    {"networking.k8s.io/IngressClass", "{'spec':{}}"},
    {"policy/PodDisruptionBudget",
     "{'spec':{},'status':{'disruptionsAllowed':0,'currentHealthy':0,'desiredHealthy':0,"
     "'expectedPods':0}}"},
    {"rbac.authorization.k8s.io/Role", "{'rules':null}"},
    {"rbac.authorization.k8s.io/RoleBinding", "{'roleRef':{'apiGroup':'','kind':'','name':''}}"},
    {"rbac.authorization.k8s.io/ClusterRole", "{'rules':null}"},
    {"rbac.authorization.k8s.io/ClusterRoleBinding",
     "{'roleRef':{'apiGroup':'','kind':'','name':''}}"},
    {"storage.k8s.io/StorageClass", "{'provisioner':''}"},
    {"storage.k8s.io/VolumeAttachment",
     "{'spec':{'attacher':'','source':{},'nodeName':''},'status':{'attached':false}}"},
    {"storage.k8s.io/CSIDriver", "{'spec':{}}"},
    {"storage.k8s.io/CSINode", "{'spec':{'drivers':null}}"},
    {"autoscaling/HorizontalPodAutoscaler",
     "{'spec':{'scaleTargetRef':{'kind':'','name':''},'maxReplicas':0},"
     "'status':{'currentReplicas':0,'desiredReplicas':0}}"},
    {"coordination.k8s.io/Lease", "{'spec':{}}"},
    {"events.k8s.io/Event", "{'eventTime':null,'regarding':{},'deprecatedSource':{},"
                            "'deprecatedFirstTimestamp':null,'deprecatedLastTimestamp':null}"},
    {"discovery.k8s.io/EndpointSlice", "{'addressType':'','endpoints':null,'ports':null}"},
    {"scheduling.k8s.io/PriorityClass", "{'value':0}"},
    {"node.k8s.io/RuntimeClass", "{'handler':''}"},
    {"certificates.k8s.io/CertificateSigningRequest",
     "{'spec':{'request':null,'signerName':''},'status':{}}"},
    {"apiextensions.k8s.io/CustomResourceDefinition",
     "{'spec':{'group':'','names':{'plural':'','kind':''},'scope':'','versions':null},"
     "'status':{'conditions':null,'acceptedNames':{'plural':'','kind':''},"
     "'storedVersions':null}}"},
    {"apiregistration.k8s.io/APIService",
     "{'spec':{'groupPriorityMinimum':0,'versionPriority':0},'status':{}}"},
};

const char *kst_fields_zero(const char *group, const char *kind)
{
    size_t len = group ? strlen(group) : 0;
    for (size_t i = 0; kind && i < KST_ARRAY_LEN(zeros); i++) {
        const char *name = zeros[i].kind;
        if (strncmp(name, group ? group : "", len) == 0 && name[len] == '/' &&
            strcmp(name + len + 1, kind) == 0)
            return zeros[i].zero;
    }
    return NULL;
}
