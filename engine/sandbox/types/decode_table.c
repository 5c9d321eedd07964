/* SPDX-License-Identifier: Apache-2.0 */
/* The Go types of all groups but core; see decode_internal.h for the notation. */
#include "sandbox/types/decode_internal.h"

const struct kst_go_struct kst_go_others[] = {
    {"admissionregistration/v1.MutatingWebhook",
     "name:string clientConfig:WebhookClientConfig rules:[]RuleWithOperations "
     "failurePolicy:string matchPolicy:string namespaceSelector:meta/v1.LabelSelector "
     "objectSelector:meta/v1.LabelSelector sideEffects:string timeoutSeconds:int32 "
     "admissionReviewVersions:[]string reinvocationPolicy:string"},
    {"admissionregistration/v1.MutatingWebhookConfiguration", "@ webhooks:[]MutatingWebhook"},
    {"admissionregistration/v1.Rule",
     "apiGroups=APIGroups:[]string apiVersions=APIVersions:[]string resources:[]string "
     "scope:string"},
    {"admissionregistration/v1.RuleWithOperations", "operations:[]OperationType$ <Rule"},
    {"admissionregistration/v1.ServiceReference",
     "namespace:string name:string path:string port:int32"},
    {"admissionregistration/v1.ValidatingWebhook",
     "name:string clientConfig:WebhookClientConfig rules:[]RuleWithOperations "
     "failurePolicy:string matchPolicy:string namespaceSelector:meta/v1.LabelSelector "
     "objectSelector:meta/v1.LabelSelector sideEffects:string timeoutSeconds:int32 "
     "admissionReviewVersions:[]string"},
    {"admissionregistration/v1.ValidatingWebhookConfiguration", "@ webhooks:[]ValidatingWebhook"},
    {"admissionregistration/v1.WebhookClientConfig",
     "url=URL:string service:ServiceReference caBundle=CABundle:bytes"},
    {"apiextensions/v1.CustomResourceColumnDefinition",
     "name:string type:string format:string description:string priority:int32 "
     "jsonPath=JSONPath:string"},
    {"apiextensions/v1.CustomResourceConversion", "strategy:string webhook:WebhookConversion"},
    {"apiextensions/v1.CustomResourceDefinition",
     "@ spec:CustomResourceDefinitionSpec status:CustomResourceDefinitionStatus"},
    {"apiextensions/v1.CustomResourceDefinitionCondition",
     "type:string status:string lastTransitionTime:time reason:string message:string"},
    {"apiextensions/v1.CustomResourceDefinitionNames",
     "plural:string singular:string shortNames:[]string kind:string listKind:string "
     "categories:[]string"},
    {"apiextensions/v1.CustomResourceDefinitionSpec",
     "group:string names:CustomResourceDefinitionNames scope:string "
     "versions:[]CustomResourceDefinitionVersion conversion:CustomResourceConversion "
     "preserveUnknownFields:bool"},
    {"apiextensions/v1.CustomResourceDefinitionStatus",
     "conditions:[]CustomResourceDefinitionCondition "
     "acceptedNames:CustomResourceDefinitionNames storedVersions:[]string"},
    {"apiextensions/v1.CustomResourceDefinitionVersion",
     "name:string served:bool storage:bool deprecated:bool deprecationWarning:string "
     "schema:CustomResourceValidation subresources:CustomResourceSubresources "
     "additionalPrinterColumns:[]CustomResourceColumnDefinition"},
    {"apiextensions/v1.CustomResourceSubresourceScale",
     "specReplicasPath:string statusReplicasPath:string labelSelectorPath:string"},
    {"apiextensions/v1.CustomResourceSubresourceStatus", ""},
    {"apiextensions/v1.CustomResourceSubresources",
     "status:CustomResourceSubresourceStatus scale:CustomResourceSubresourceScale"},
    {"apiextensions/v1.CustomResourceValidation", "openAPIV3Schema:JSONSchemaProps"},
    {"apiextensions/v1.ExternalDocumentation", "description:string url=URL:string"},
    {"apiextensions/v1.JSONSchemaProps",
     "id=ID:string $schema=Schema:string $ref=Ref:string description:string type:string "
     "format:string title:string default:any maximum:float64 exclusiveMaximum:bool "
     "minimum:float64 exclusiveMinimum:bool maxLength:int64 minLength:int64 pattern:string "
     "maxItems:int64 minItems:int64 uniqueItems:bool multipleOf:float64 enum:[]any "
     "maxProperties:int64 minProperties:int64 required:[]string items:any "
     "allOf:[]JSONSchemaProps oneOf:[]JSONSchemaProps anyOf:[]JSONSchemaProps "
     "not:JSONSchemaProps properties:{}JSONSchemaProps additionalProperties:any "
     "patternProperties:{}JSONSchemaProps dependencies:{}any additionalItems:any "
     "definitions:{}JSONSchemaProps externalDocs:ExternalDocumentation example:any "
     "nullable:bool x-kubernetes-preserve-unknown-fields=XPreserveUnknownFields:bool "
     "x-kubernetes-embedded-resource=XEmbeddedResource:bool "
     "x-kubernetes-int-or-string=XIntOrString:bool "
     "x-kubernetes-list-map-keys=XListMapKeys:[]string "
     "x-kubernetes-list-type=XListType:string x-kubernetes-map-type=XMapType:string"},
    {"apiextensions/v1.ServiceReference", "namespace:string name:string path:string port:int32"},
    {"apiextensions/v1.WebhookClientConfig",
     "url=URL:string service:ServiceReference caBundle=CABundle:bytes"},
    {"apiextensions/v1.WebhookConversion",
     "clientConfig:WebhookClientConfig conversionReviewVersions:[]string"},
    {"apiregistration/v1.APIService", "@ spec:APIServiceSpec status:APIServiceStatus"},
    {"apiregistration/v1.APIServiceCondition",
     "type:string status:string lastTransitionTime:time reason:string message:string"},
    {"apiregistration/v1.APIServiceSpec",
     "service:ServiceReference group:string version:string insecureSkipTLSVerify:bool "
     "caBundle=CABundle:bytes groupPriorityMinimum:int32 versionPriority:int32"},
    {"apiregistration/v1.APIServiceStatus", "conditions:[]APIServiceCondition"},
    {"apiregistration/v1.ServiceReference", "namespace:string name:string port:int32"},
    {"apps/v1.ControllerRevision", "@ data:any revision:int64"},
    {"apps/v1.DaemonSet", "@ spec:DaemonSetSpec status:DaemonSetStatus"},
    {"apps/v1.DaemonSetCondition",
     "type:string status:string lastTransitionTime:time reason:string message:string"},
    {"apps/v1.DaemonSetSpec", "selector:meta/v1.LabelSelector template:core/v1.PodTemplateSpec "
                              "updateStrategy:DaemonSetUpdateStrategy minReadySeconds:int32 "
                              "revisionHistoryLimit:int32"},
    {"apps/v1.DaemonSetStatus",
     "currentNumberScheduled:int32 numberMisscheduled:int32 desiredNumberScheduled:int32 "
     "numberReady:int32 observedGeneration:int64 updatedNumberScheduled:int32 "
     "numberAvailable:int32 numberUnavailable:int32 collisionCount:int32 "
     "conditions:[]DaemonSetCondition"},
    {"apps/v1.DaemonSetUpdateStrategy", "type:string rollingUpdate:RollingUpdateDaemonSet"},
    {"apps/v1.Deployment", "@ spec:DeploymentSpec status:DeploymentStatus"},
    {"apps/v1.DeploymentCondition",
     "type:string status:string lastUpdateTime:time lastTransitionTime:time reason:string "
     "message:string"},
    {"apps/v1.DeploymentSpec",
     "replicas:int32 selector:meta/v1.LabelSelector template:core/v1.PodTemplateSpec "
     "strategy:DeploymentStrategy minReadySeconds:int32 revisionHistoryLimit:int32 "
     "paused:bool progressDeadlineSeconds:int32"},
    {"apps/v1.DeploymentStatus",
     "observedGeneration:int64 replicas:int32 updatedReplicas:int32 readyReplicas:int32 "
     "availableReplicas:int32 unavailableReplicas:int32 conditions:[]DeploymentCondition "
     "collisionCount:int32"},
    {"apps/v1.DeploymentStrategy", "type:string rollingUpdate:RollingUpdateDeployment"},
    {"apps/v1.ReplicaSet", "@ spec:ReplicaSetSpec status:ReplicaSetStatus"},
    {"apps/v1.ReplicaSetCondition",
     "type:string status:string lastTransitionTime:time reason:string message:string"},
    {"apps/v1.ReplicaSetSpec",
     "replicas:int32 minReadySeconds:int32 selector:meta/v1.LabelSelector "
     "template:core/v1.PodTemplateSpec"},
    {"apps/v1.ReplicaSetStatus",
     "replicas:int32 fullyLabeledReplicas:int32 readyReplicas:int32 "
     "availableReplicas:int32 observedGeneration:int64 conditions:[]ReplicaSetCondition"},
    {"apps/v1.RollingUpdateDaemonSet", "maxUnavailable:intstr"},
    {"apps/v1.RollingUpdateDeployment", "maxUnavailable:intstr maxSurge:intstr"},
    {"apps/v1.RollingUpdateStatefulSetStrategy", "partition:int32"},
    {"apps/v1.StatefulSet", "@ spec:StatefulSetSpec status:StatefulSetStatus"},
    {"apps/v1.StatefulSetCondition",
     "type:string status:string lastTransitionTime:time reason:string message:string"},
    {"apps/v1.StatefulSetSpec",
     "replicas:int32 selector:meta/v1.LabelSelector template:core/v1.PodTemplateSpec "
     "volumeClaimTemplates:[]core/v1.PersistentVolumeClaim serviceName:string "
     "podManagementPolicy:string updateStrategy:StatefulSetUpdateStrategy "
     "revisionHistoryLimit:int32"},
    {"apps/v1.StatefulSetStatus",
     "observedGeneration:int64 replicas:int32 readyReplicas:int32 currentReplicas:int32 "
     "updatedReplicas:int32 currentRevision:string updateRevision:string "
     "collisionCount:int32 conditions:[]StatefulSetCondition"},
    {"apps/v1.StatefulSetUpdateStrategy",
     "type:string rollingUpdate:RollingUpdateStatefulSetStrategy"},
    {"authentication/v1.BoundObjectReference",
     "kind:string apiVersion=APIVersion:string name:string uid=UID:string"},
    {"authentication/v1.TokenRequest", "@ spec:TokenRequestSpec status:TokenRequestStatus"},
    {"authentication/v1.TokenRequestSpec",
     "audiences:[]string expirationSeconds:int64 boundObjectRef:BoundObjectReference"},
    {"authentication/v1.TokenRequestStatus", "token:string expirationTimestamp:time"},
    {"authentication/v1.TokenReview", "@ spec:TokenReviewSpec status:TokenReviewStatus"},
    {"authentication/v1.TokenReviewSpec", "token:string audiences:[]string"},
    {"authentication/v1.TokenReviewStatus",
     "authenticated:bool user:UserInfo audiences:[]string error:string"},
    {"authentication/v1.UserInfo",
     "username:string uid=UID:string groups:[]string extra:{}[]string"},
    {"authorization/v1.LocalSubjectAccessReview",
     "@ spec:SubjectAccessReviewSpec status:SubjectAccessReviewStatus"},
    {"authorization/v1.NonResourceAttributes", "path:string verb:string"},
    {"authorization/v1.NonResourceRule", "verbs:[]string nonResourceURLs:[]string"},
    {"authorization/v1.ResourceAttributes",
     "namespace:string verb:string group:string version:string resource:string "
     "subresource:string name:string"},
    {"authorization/v1.ResourceRule",
     "verbs:[]string apiGroups=APIGroups:[]string resources:[]string "
     "resourceNames:[]string"},
    {"authorization/v1.SelfSubjectAccessReview",
     "@ spec:SelfSubjectAccessReviewSpec status:SubjectAccessReviewStatus"},
    {"authorization/v1.SelfSubjectAccessReviewSpec",
     "resourceAttributes:ResourceAttributes nonResourceAttributes:NonResourceAttributes"},
    {"authorization/v1.SelfSubjectRulesReview",
     "@ spec:SelfSubjectRulesReviewSpec status:SubjectRulesReviewStatus"},
    {"authorization/v1.SelfSubjectRulesReviewSpec", "namespace:string"},
    {"authorization/v1.SubjectAccessReview",
     "@ spec:SubjectAccessReviewSpec status:SubjectAccessReviewStatus"},
    {"authorization/v1.SubjectAccessReviewSpec",
     "resourceAttributes:ResourceAttributes nonResourceAttributes:NonResourceAttributes "
     "user:string groups:[]string extra:{}[]string uid=UID:string"},
    {"authorization/v1.SubjectAccessReviewStatus",
     "allowed:bool denied:bool reason:string evaluationError:string"},
    {"authorization/v1.SubjectRulesReviewStatus",
     "resourceRules:[]ResourceRule nonResourceRules:[]NonResourceRule incomplete:bool "
     "evaluationError:string"},
    {"autoscaling/v1.CrossVersionObjectReference",
     "kind:string name:string apiVersion=APIVersion:string"},
    {"autoscaling/v1.HorizontalPodAutoscaler",
     "@ spec:HorizontalPodAutoscalerSpec status:HorizontalPodAutoscalerStatus"},
    {"autoscaling/v1.HorizontalPodAutoscalerSpec",
     "scaleTargetRef:CrossVersionObjectReference minReplicas:int32 maxReplicas:int32 "
     "targetCPUUtilizationPercentage:int32"},
    {"autoscaling/v1.HorizontalPodAutoscalerStatus",
     "observedGeneration:int64 lastScaleTime:time currentReplicas:int32 "
     "desiredReplicas:int32 currentCPUUtilizationPercentage:int32"},
    {"autoscaling/v1.Scale", "@ spec:ScaleSpec status:ScaleStatus"},
    {"autoscaling/v1.ScaleSpec", "replicas:int32"},
    {"autoscaling/v1.ScaleStatus", "replicas:int32 selector:string"},
    {"batch/v1.Job", "@ spec:JobSpec status:JobStatus"},
    {"batch/v1.JobCondition",
     "type:string status:string lastProbeTime:time lastTransitionTime:time reason:string "
     "message:string"},
    {"batch/v1.JobSpec",
     "parallelism:int32 completions:int32 activeDeadlineSeconds:int64 backoffLimit:int32 "
     "selector:meta/v1.LabelSelector manualSelector:bool template:core/v1.PodTemplateSpec "
     "ttlSecondsAfterFinished=TTLSecondsAfterFinished:~int32"},
    {"batch/v1.JobStatus",
     "conditions:[]JobCondition startTime:time completionTime:time active:int32 "
     "succeeded:int32 failed:int32"},
    {"batch/v1beta1.CronJob", "@ spec:CronJobSpec status:CronJobStatus"},
    {"batch/v1beta1.CronJobSpec",
     "schedule:string startingDeadlineSeconds:int64 concurrencyPolicy:string suspend:bool "
     "jobTemplate:JobTemplateSpec successfulJobsHistoryLimit:int32 "
     "failedJobsHistoryLimit:int32"},
    {"batch/v1beta1.CronJobStatus", "active:[]core/v1.ObjectReference lastScheduleTime:time"},
    {"batch/v1beta1.JobTemplateSpec",
     "metadata=ObjectMeta:meta/v1.ObjectMeta spec:batch/v1.JobSpec"},
    {"certificates/v1.CertificateSigningRequest",
     "@ spec:CertificateSigningRequestSpec status:CertificateSigningRequestStatus"},
    {"certificates/v1.CertificateSigningRequestCondition",
     "type:string status:string reason:string message:string lastUpdateTime:time "
     "lastTransitionTime:time"},
    {"certificates/v1.CertificateSigningRequestSpec",
     "request:bytes signerName:string usages:[]KeyUsage$ username:string uid=UID:string "
     "groups:[]string extra:{}[]string"},
    {"certificates/v1.CertificateSigningRequestStatus",
     "conditions:[]CertificateSigningRequestCondition certificate:bytes"},
    {"coordination/v1.Lease", "@ spec:LeaseSpec"},
    {"coordination/v1.LeaseSpec",
     "holderIdentity:string leaseDurationSeconds:int32 acquireTime:micro renewTime:micro "
     "leaseTransitions:int32"},
    {"discovery/v1.Endpoint",
     "addresses:[]string conditions:discovery/v1beta1.EndpointConditions hostname:string "
     "targetRef:core/v1.ObjectReference deprecatedTopology:{}string nodeName:string "
     "zone:string hints:any"},
    {"discovery/v1.EndpointSlice",
     "@ addressType:string endpoints:[]Endpoint ports:[]discovery/v1beta1.EndpointPort"},
    {"discovery/v1beta1.Endpoint",
     "addresses:[]string conditions:EndpointConditions hostname:string "
     "targetRef:core/v1.ObjectReference topology:{}string nodeName:string"},
    {"discovery/v1beta1.EndpointConditions", "ready:bool serving:bool terminating:bool"},
    {"discovery/v1beta1.EndpointPort", "name:string protocol:string port:int32 appProtocol:string"},
    {"discovery/v1beta1.EndpointSlice",
     "@ addressType:string endpoints:[]Endpoint ports:[]EndpointPort"},
    {"events/v1.Event",
     "@ eventTime:micro series:EventSeries reportingController:string "
     "reportingInstance:string action:string reason:string "
     "regarding:core/v1.ObjectReference related:core/v1.ObjectReference note:string "
     "type:string deprecatedSource:core/v1.EventSource deprecatedFirstTimestamp:time "
     "deprecatedLastTimestamp:time deprecatedCount:int32"},
    {"events/v1.EventSeries", "count:int32 lastObservedTime:micro"},
    {"meta/v1.Condition",
     "type:string status:string observedGeneration:int64 lastTransitionTime:time "
     "reason:string message:string"},
    {"meta/v1.DeleteOptions",
     "<TypeMeta gracePeriodSeconds:int64 preconditions:Preconditions orphanDependents:bool "
     "propagationPolicy:string dryRun:[]string"},
    {"meta/v1.LabelSelector", "matchLabels:{}string matchExpressions:[]LabelSelectorRequirement"},
    {"meta/v1.LabelSelectorRequirement", "key:string operator:string values:[]string"},
    {"meta/v1.ManagedFieldsEntry",
     "manager:string operation:string apiVersion=APIVersion:string time:time "
     "fieldsType:string fieldsV1:any"},
    {"meta/v1.ObjectMeta",
     "name:string generateName:string namespace:string selfLink:string uid=UID:string "
     "resourceVersion:string generation:int64 creationTimestamp:time "
     "deletionTimestamp:time deletionGracePeriodSeconds:int64 labels:{}string "
     "annotations:{}string ownerReferences:[]OwnerReference finalizers:[]string "
     "clusterName:string managedFields:[]ManagedFieldsEntry"},
    {"meta/v1.OwnerReference",
     "apiVersion=APIVersion:string kind:string name:string uid=UID:string controller:bool "
     "blockOwnerDeletion:bool"},
    {"meta/v1.Preconditions", "uid=UID:string resourceVersion:string"},
    {"meta/v1.TypeMeta", "kind:string apiVersion=APIVersion:string"},
    {"networking/v1.HTTPIngressPath", "path:string pathType:string backend:IngressBackend"},
    {"networking/v1.HTTPIngressRuleValue", "paths:[]HTTPIngressPath"},
    {"networking/v1.IPBlock", "cidr=CIDR:string except:[]string"},
    {"networking/v1.Ingress", "@ spec:IngressSpec status:IngressStatus"},
    {"networking/v1.IngressBackend",
     "service:IngressServiceBackend resource:core/v1.TypedLocalObjectReference"},
    {"networking/v1.IngressClass", "@ spec:IngressClassSpec"},
    {"networking/v1.IngressClassSpec",
     "controller:string parameters:core/v1.TypedLocalObjectReference"},
    {"networking/v1.IngressRule", "host:string <IngressRuleValue"},
    {"networking/v1.IngressRuleValue", "http=HTTP:HTTPIngressRuleValue"},
    {"networking/v1.IngressServiceBackend", "name:string port:ServiceBackendPort"},
    {"networking/v1.IngressSpec",
     "ingressClassName:string defaultBackend:IngressBackend tls=TLS:[]IngressTLS "
     "rules:[]IngressRule"},
    {"networking/v1.IngressStatus", "loadBalancer:core/v1.LoadBalancerStatus"},
    {"networking/v1.IngressTLS", "hosts:[]string secretName:string"},
    {"networking/v1.NetworkPolicy", "@ spec:NetworkPolicySpec"},
    {"networking/v1.NetworkPolicyEgressRule", "ports:[]NetworkPolicyPort to:[]NetworkPolicyPeer"},
    {"networking/v1.NetworkPolicyIngressRule",
     "ports:[]NetworkPolicyPort from:[]NetworkPolicyPeer"},
    {"networking/v1.NetworkPolicyPeer",
     "podSelector:meta/v1.LabelSelector namespaceSelector:meta/v1.LabelSelector "
     "ipBlock=IPBlock:IPBlock"},
    {"networking/v1.NetworkPolicyPort", "protocol:string port:intstr"},
    {"networking/v1.NetworkPolicySpec",
     "podSelector:meta/v1.LabelSelector ingress:[]NetworkPolicyIngressRule "
     "egress:[]NetworkPolicyEgressRule policyTypes:[]PolicyType$"},
    {"networking/v1.ServiceBackendPort", "name:string number:int32"},
    {"node/v1.Overhead", "podFixed:{}quantity"},
    {"node/v1.RuntimeClass", "@ handler:string overhead:Overhead scheduling:Scheduling"},
    {"node/v1.Scheduling", "nodeSelector:{}string tolerations:[]core/v1.Toleration"},
    {"policy/v1beta1.Eviction", "@ deleteOptions:meta/v1.DeleteOptions"},
    {"policy/v1beta1.PodDisruptionBudget",
     "@ spec:PodDisruptionBudgetSpec status:PodDisruptionBudgetStatus"},
    {"policy/v1beta1.PodDisruptionBudgetSpec",
     "minAvailable:intstr selector:meta/v1.LabelSelector maxUnavailable:intstr"},
    {"policy/v1beta1.PodDisruptionBudgetStatus",
     "observedGeneration:int64 disruptedPods:{}time disruptionsAllowed:int32 "
     "currentHealthy:int32 desiredHealthy:int32 expectedPods:int32"},
    {"rbac/v1.AggregationRule", "clusterRoleSelectors:[]meta/v1.LabelSelector"},
    {"rbac/v1.ClusterRole", "@ rules:[]PolicyRule aggregationRule:AggregationRule"},
    {"rbac/v1.ClusterRoleBinding", "@ subjects:[]Subject roleRef:RoleRef"},
    {"rbac/v1.PolicyRule", "verbs:[]string apiGroups=APIGroups:[]string resources:[]string "
                           "resourceNames:[]string nonResourceURLs:[]string"},
    {"rbac/v1.Role", "@ rules:[]PolicyRule"},
    {"rbac/v1.RoleBinding", "@ subjects:[]Subject roleRef:RoleRef"},
    {"rbac/v1.RoleRef", "apiGroup=APIGroup:string kind:string name:string"},
    {"rbac/v1.Subject", "kind:string apiGroup=APIGroup:string name:string namespace:string"},
    {"scheduling/v1.PriorityClass",
     "@ value:int32 globalDefault:bool description:string preemptionPolicy:string"},
    {"storage/v1.CSIDriver", "@ spec:CSIDriverSpec"},
    {"storage/v1.CSIDriverSpec",
     "attachRequired:bool podInfoOnMount:bool volumeLifecycleModes:[]VolumeLifecycleMode$ "
     "storageCapacity:bool fsGroupPolicy=FSGroupPolicy:string tokenRequests:[]TokenRequest "
     "requiresRepublish:bool"},
    {"storage/v1.CSINode", "@ spec:CSINodeSpec"},
    {"storage/v1.CSINodeDriver",
     "name:string nodeID:string topologyKeys:[]string allocatable:VolumeNodeResources"},
    {"storage/v1.CSINodeSpec", "drivers:[]CSINodeDriver"},
    {"storage/v1.StorageClass",
     "@ provisioner:string parameters:{}string reclaimPolicy:string mountOptions:[]string "
     "allowVolumeExpansion:bool volumeBindingMode:string "
     "allowedTopologies:[]core/v1.TopologySelectorTerm"},
    {"storage/v1.TokenRequest", "audience:string expirationSeconds:int64"},
    {"storage/v1.VolumeAttachment", "@ spec:VolumeAttachmentSpec status:VolumeAttachmentStatus"},
    {"storage/v1.VolumeAttachmentSource",
     "persistentVolumeName:string inlineVolumeSpec:core/v1.PersistentVolumeSpec"},
    {"storage/v1.VolumeAttachmentSpec",
     "attacher:string source:VolumeAttachmentSource nodeName:string"},
    {"storage/v1.VolumeAttachmentStatus",
     "attached:bool attachmentMetadata:{}string attachError:VolumeError "
     "detachError:VolumeError"},
    {"storage/v1.VolumeError", "time:time message:string"},
    {"storage/v1.VolumeNodeResources", "count:int32"},
};
const size_t kst_go_others_count = sizeof(kst_go_others) / sizeof(kst_go_others[0]);
