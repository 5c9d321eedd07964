/* SPDX-License-Identifier: Apache-2.0 */
/* The Go types of the core group; see decode_internal.h for the notation. */
#include "sandbox/types/decode_internal.h"

const struct kst_go_struct kst_go_core[] = {
    {"core/v1.AWSElasticBlockStoreVolumeSource",
     "volumeID:string fsType=FSType:string partition:int32 readOnly:bool"},
    {"core/v1.Affinity",
     "nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAntiAffinity"},
    {"core/v1.AttachedVolume", "name:string devicePath:string"},
    {"core/v1.AzureDiskVolumeSource",
     "diskName:string diskURI=DataDiskURI:string cachingMode:string fsType=FSType:string "
     "readOnly:bool kind:string"},
    {"core/v1.AzureFilePersistentVolumeSource",
     "secretName:string shareName:string readOnly:bool secretNamespace:string"},
    {"core/v1.AzureFileVolumeSource", "secretName:string shareName:string readOnly:bool"},
    {"core/v1.Binding", "@ target:ObjectReference"},
    {"core/v1.CSIPersistentVolumeSource",
     "driver:string volumeHandle:string readOnly:bool fsType=FSType:string "
     "volumeAttributes:{}string controllerPublishSecretRef:SecretReference "
     "nodeStageSecretRef:SecretReference nodePublishSecretRef:SecretReference "
     "controllerExpandSecretRef:SecretReference"},
    {"core/v1.CSIVolumeSource",
     "driver:string readOnly:bool fsType=FSType:string volumeAttributes:{}string "
     "nodePublishSecretRef:LocalObjectReference"},
    {"core/v1.Capabilities", "add:[]Capability$ drop:[]Capability$"},
    {"core/v1.CephFSPersistentVolumeSource",
     "monitors:[]string path:string user:string secretFile:string "
     "secretRef:SecretReference readOnly:bool"},
    {"core/v1.CephFSVolumeSource", "monitors:[]string path:string user:string secretFile:string "
                                   "secretRef:LocalObjectReference readOnly:bool"},
    {"core/v1.CinderPersistentVolumeSource",
     "volumeID:string fsType=FSType:string readOnly:bool secretRef:SecretReference"},
    {"core/v1.CinderVolumeSource",
     "volumeID:string fsType=FSType:string readOnly:bool secretRef:LocalObjectReference"},
    {"core/v1.ClientIPConfig", "timeoutSeconds:int32"},
    {"core/v1.ConfigMap", "@ immutable:bool data:{}string binaryData:{}bytes"},
    {"core/v1.ConfigMapEnvSource", "<LocalObjectReference optional:bool"},
    {"core/v1.ConfigMapKeySelector", "<LocalObjectReference key:string optional:bool"},
    {"core/v1.ConfigMapNodeConfigSource",
     "namespace:string name:string uid=UID:string resourceVersion:string "
     "kubeletConfigKey:string"},
    {"core/v1.ConfigMapProjection", "<LocalObjectReference items:[]KeyToPath optional:bool"},
    {"core/v1.ConfigMapVolumeSource",
     "<LocalObjectReference items:[]KeyToPath defaultMode:int32 optional:bool"},
    {"core/v1.Container",
     "name:string image:string command:[]string args:[]string workingDir:string "
     "ports:[]ContainerPort envFrom:[]EnvFromSource env:[]EnvVar "
     "resources:ResourceRequirements volumeMounts:[]VolumeMount "
     "volumeDevices:[]VolumeDevice livenessProbe:Probe readinessProbe:Probe "
     "startupProbe:Probe lifecycle:Lifecycle terminationMessagePath:string "
     "terminationMessagePolicy:string imagePullPolicy:string "
     "securityContext:SecurityContext stdin:bool stdinOnce:bool tty=TTY:bool"},
    {"core/v1.ContainerImage", "names:[]string sizeBytes:int64"},
    {"core/v1.ContainerPort",
     "name:string hostPort:int32 containerPort:int32 protocol:string hostIP:string"},
    {"core/v1.ContainerState", "waiting:ContainerStateWaiting running:ContainerStateRunning "
                               "terminated:ContainerStateTerminated"},
    {"core/v1.ContainerStateRunning", "startedAt:time"},
    {"core/v1.ContainerStateTerminated",
     "exitCode:int32 signal:int32 reason:string message:string startedAt:time "
     "finishedAt:time containerID:string"},
    {"core/v1.ContainerStateWaiting", "reason:string message:string"},
    {"core/v1.ContainerStatus",
     "name:string state:ContainerState lastState=LastTerminationState:ContainerState "
     "ready:bool restartCount:int32 image:string imageID:string containerID:string "
     "started:bool"},
    {"core/v1.DaemonEndpoint", "Port:int32"},
    {"core/v1.DownwardAPIProjection", "items:[]DownwardAPIVolumeFile"},
    {"core/v1.DownwardAPIVolumeFile",
     "path:string fieldRef:ObjectFieldSelector resourceFieldRef:ResourceFieldSelector "
     "mode:int32"},
    {"core/v1.DownwardAPIVolumeSource", "items:[]DownwardAPIVolumeFile defaultMode:int32"},
    {"core/v1.EmptyDirVolumeSource", "medium:string sizeLimit:quantity"},
    {"core/v1.EndpointAddress",
     "ip=IP:string hostname:string nodeName:string targetRef:ObjectReference"},
    {"core/v1.EndpointPort", "name:string port:int32 protocol:string appProtocol:string"},
    {"core/v1.EndpointSubset",
     "addresses:[]EndpointAddress notReadyAddresses:[]EndpointAddress ports:[]EndpointPort"},
    {"core/v1.Endpoints", "@ subsets:[]EndpointSubset"},
    {"core/v1.EnvFromSource",
     "prefix:string configMapRef:ConfigMapEnvSource secretRef:SecretEnvSource"},
    {"core/v1.EnvVar", "name:string value:string valueFrom:EnvVarSource"},
    {"core/v1.EnvVarSource", "fieldRef:ObjectFieldSelector resourceFieldRef:ResourceFieldSelector "
                             "configMapKeyRef:ConfigMapKeySelector secretKeyRef:SecretKeySelector"},
    {"core/v1.EphemeralContainer", "<EphemeralContainerCommon targetContainerName:string"},
    {"core/v1.EphemeralContainerCommon",
     "name:string image:string command:[]string args:[]string workingDir:string "
     "ports:[]ContainerPort envFrom:[]EnvFromSource env:[]EnvVar "
     "resources:ResourceRequirements volumeMounts:[]VolumeMount "
     "volumeDevices:[]VolumeDevice livenessProbe:Probe readinessProbe:Probe "
     "startupProbe:Probe lifecycle:Lifecycle terminationMessagePath:string "
     "terminationMessagePolicy:string imagePullPolicy:string "
     "securityContext:SecurityContext stdin:bool stdinOnce:bool tty=TTY:bool"},
    {"core/v1.EphemeralVolumeSource",
     "volumeClaimTemplate:PersistentVolumeClaimTemplate readOnly:bool"},
    {"core/v1.Event",
     "@ involvedObject:ObjectReference reason:string message:string source:EventSource "
     "firstTimestamp:time lastTimestamp:time count:int32 type:string eventTime:micro "
     "series:EventSeries action:string related:ObjectReference "
     "reportingComponent=ReportingController:string reportingInstance:string"},
    {"core/v1.EventSeries", "count:int32 lastObservedTime:micro"},
    {"core/v1.EventSource", "component:string host:string"},
    {"core/v1.ExecAction", "command:[]string"},
    {"core/v1.FCVolumeSource", "targetWWNs:[]string lun:int32 fsType=FSType:string readOnly:bool "
                               "wwids=WWIDs:[]string"},
    {"core/v1.FlexPersistentVolumeSource",
     "driver:string fsType=FSType:string secretRef:SecretReference readOnly:bool "
     "options:{}string"},
    {"core/v1.FlexVolumeSource",
     "driver:string fsType=FSType:string secretRef:LocalObjectReference readOnly:bool "
     "options:{}string"},
    {"core/v1.FlockerVolumeSource", "datasetName:string datasetUUID:string"},
    {"core/v1.GCEPersistentDiskVolumeSource",
     "pdName=PDName:string fsType=FSType:string partition:int32 readOnly:bool"},
    {"core/v1.GitRepoVolumeSource", "repository:string revision:string directory:string"},
    {"core/v1.GlusterfsPersistentVolumeSource",
     "endpoints=EndpointsName:string path:string readOnly:bool endpointsNamespace:string"},
    {"core/v1.GlusterfsVolumeSource", "endpoints=EndpointsName:string path:string readOnly:bool"},
    {"core/v1.HTTPGetAction", "path:string port:intstr host:string scheme:string "
                              "httpHeaders=HTTPHeaders:[]HTTPHeader"},
    {"core/v1.HTTPHeader", "name:string value:string"},
    {"core/v1.Handler",
     "exec:ExecAction httpGet=HTTPGet:HTTPGetAction tcpSocket=TCPSocket:TCPSocketAction"},
    {"core/v1.HostAlias", "ip=IP:string hostnames:[]string"},
    {"core/v1.HostPathVolumeSource", "path:string type:string"},
    {"core/v1.ISCSIPersistentVolumeSource",
     "targetPortal:string iqn=IQN:string lun:int32 iscsiInterface=ISCSIInterface:string "
     "fsType=FSType:string readOnly:bool portals:[]string "
     "chapAuthDiscovery=DiscoveryCHAPAuth:bool chapAuthSession=SessionCHAPAuth:bool "
     "secretRef:SecretReference initiatorName:string"},
    {"core/v1.ISCSIVolumeSource",
     "targetPortal:string iqn=IQN:string lun:int32 iscsiInterface=ISCSIInterface:string "
     "fsType=FSType:string readOnly:bool portals:[]string "
     "chapAuthDiscovery=DiscoveryCHAPAuth:bool chapAuthSession=SessionCHAPAuth:bool "
     "secretRef:LocalObjectReference initiatorName:string"},
    {"core/v1.KeyToPath", "key:string path:string mode:int32"},
    {"core/v1.Lifecycle", "postStart:Handler preStop:Handler"},
    {"core/v1.LimitRange", "@ spec:LimitRangeSpec"},
    {"core/v1.LimitRangeItem", "type:string max:{}quantity min:{}quantity default:{}quantity "
                               "defaultRequest:{}quantity maxLimitRequestRatio:{}quantity"},
    {"core/v1.LimitRangeSpec", "limits:[]LimitRangeItem"},
    {"core/v1.LoadBalancerIngress", "ip=IP:string hostname:string ports:[]PortStatus"},
    {"core/v1.LoadBalancerStatus", "ingress:[]LoadBalancerIngress"},
    {"core/v1.LocalObjectReference", "name:string"},
    {"core/v1.LocalVolumeSource", "path:string fsType=FSType:string"},
    {"core/v1.NFSVolumeSource", "server:string path:string readOnly:bool"},
    {"core/v1.Namespace", "@ spec:NamespaceSpec status:NamespaceStatus"},
    {"core/v1.NamespaceCondition",
     "type:string status:string lastTransitionTime:time reason:string message:string"},
    {"core/v1.NamespaceSpec", "finalizers:[]FinalizerName$"},
    {"core/v1.NamespaceStatus", "phase:string conditions:[]NamespaceCondition"},
    {"core/v1.Node", "@ spec:NodeSpec status:NodeStatus"},
    {"core/v1.NodeAddress", "type:string address:string"},
    {"core/v1.NodeAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:NodeSelector "
     "preferredDuringSchedulingIgnoredDuringExecution:[]PreferredSchedulingTerm"},
    {"core/v1.NodeCondition",
     "type:string status:string lastHeartbeatTime:time lastTransitionTime:time "
     "reason:string message:string"},
    {"core/v1.NodeConfigSource", "configMap:ConfigMapNodeConfigSource"},
    {"core/v1.NodeConfigStatus",
     "assigned:NodeConfigSource active:NodeConfigSource lastKnownGood:NodeConfigSource "
     "error:string"},
    {"core/v1.NodeDaemonEndpoints", "kubeletEndpoint:DaemonEndpoint"},
    {"core/v1.NodeSelector", "nodeSelectorTerms:[]NodeSelectorTerm"},
    {"core/v1.NodeSelectorRequirement", "key:string operator:string values:[]string"},
    {"core/v1.NodeSelectorTerm",
     "matchExpressions:[]NodeSelectorRequirement matchFields:[]NodeSelectorRequirement"},
    {"core/v1.NodeSpec",
     "podCIDR:string podCIDRs:[]string providerID:string unschedulable:bool taints:[]Taint "
     "configSource:NodeConfigSource externalID=DoNotUseExternalID:string"},
    {"core/v1.NodeStatus",
     "capacity:{}quantity allocatable:{}quantity phase:string conditions:[]NodeCondition "
     "addresses:[]NodeAddress daemonEndpoints:NodeDaemonEndpoints nodeInfo:NodeSystemInfo "
     "images:[]ContainerImage volumesInUse:[]UniqueVolumeName$ "
     "volumesAttached:[]AttachedVolume config:NodeConfigStatus"},
    {"core/v1.NodeSystemInfo",
     "machineID:string systemUUID:string bootID:string kernelVersion:string "
     "osImage=OSImage:string containerRuntimeVersion:string kubeletVersion:string "
     "kubeProxyVersion:string operatingSystem:string architecture:string"},
    {"core/v1.ObjectFieldSelector", "apiVersion=APIVersion:string fieldPath:string"},
    {"core/v1.ObjectReference",
     "kind:string namespace:string name:string uid=UID:string apiVersion=APIVersion:string "
     "resourceVersion:string fieldPath:string"},
    {"core/v1.PersistentVolume", "@ spec:PersistentVolumeSpec status:PersistentVolumeStatus"},
    {"core/v1.PersistentVolumeClaim",
     "@ spec:PersistentVolumeClaimSpec status:PersistentVolumeClaimStatus"},
    {"core/v1.PersistentVolumeClaimCondition",
     "type:string status:string lastProbeTime:time lastTransitionTime:time reason:string "
     "message:string"},
    {"core/v1.PersistentVolumeClaimSpec",
     "accessModes:[]PersistentVolumeAccessMode$ selector:meta/v1.LabelSelector "
     "resources:ResourceRequirements volumeName:string storageClassName:string "
     "volumeMode:string dataSource:TypedLocalObjectReference"},
    {"core/v1.PersistentVolumeClaimStatus",
     "phase:string accessModes:[]PersistentVolumeAccessMode$ capacity:{}quantity "
     "conditions:[]PersistentVolumeClaimCondition"},
    {"core/v1.PersistentVolumeClaimTemplate",
     "metadata=ObjectMeta:meta/v1.ObjectMeta spec:PersistentVolumeClaimSpec"},
    {"core/v1.PersistentVolumeClaimVolumeSource", "claimName:string readOnly:bool"},
    {"core/v1.PersistentVolumeSource",
     "gcePersistentDisk=GCEPersistentDisk:GCEPersistentDiskVolumeSource "
     "awsElasticBlockStore=AWSElasticBlockStore:AWSElasticBlockStoreVolumeSource "
     "hostPath:HostPathVolumeSource glusterfs:GlusterfsPersistentVolumeSource "
     "nfs=NFS:NFSVolumeSource rbd=RBD:RBDPersistentVolumeSource "
     "iscsi=ISCSI:ISCSIPersistentVolumeSource cinder:CinderPersistentVolumeSource "
     "cephfs=CephFS:CephFSPersistentVolumeSource fc=FC:FCVolumeSource "
     "flocker:FlockerVolumeSource flexVolume:FlexPersistentVolumeSource "
     "azureFile:AzureFilePersistentVolumeSource "
     "vsphereVolume:VsphereVirtualDiskVolumeSource quobyte:QuobyteVolumeSource "
     "azureDisk:AzureDiskVolumeSource "
     "photonPersistentDisk:PhotonPersistentDiskVolumeSource "
     "portworxVolume:PortworxVolumeSource scaleIO:ScaleIOPersistentVolumeSource "
     "local:LocalVolumeSource storageos=StorageOS:StorageOSPersistentVolumeSource "
     "csi=CSI:CSIPersistentVolumeSource"},
    {"core/v1.PersistentVolumeSpec",
     "capacity:{}quantity <PersistentVolumeSource "
     "accessModes:[]PersistentVolumeAccessMode$ claimRef:ObjectReference "
     "persistentVolumeReclaimPolicy:string storageClassName:string mountOptions:[]string "
     "volumeMode:string nodeAffinity:VolumeNodeAffinity"},
    {"core/v1.PersistentVolumeStatus", "phase:string message:string reason:string"},
    {"core/v1.PhotonPersistentDiskVolumeSource", "pdID:string fsType=FSType:string"},
    {"core/v1.Pod", "@ spec:PodSpec status:PodStatus"},
    {"core/v1.PodAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm "
     "preferredDuringSchedulingIgnoredDuringExecution:[]WeightedPodAffinityTerm"},
    {"core/v1.PodAffinityTerm",
     "labelSelector:meta/v1.LabelSelector namespaces:[]string topologyKey:string"},
    {"core/v1.PodAntiAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm "
     "preferredDuringSchedulingIgnoredDuringExecution:[]WeightedPodAffinityTerm"},
    {"core/v1.PodCondition",
     "type:string status:string lastProbeTime:time lastTransitionTime:time reason:string "
     "message:string"},
    {"core/v1.PodDNSConfig", "nameservers:[]string searches:[]string options:[]PodDNSConfigOption"},
    {"core/v1.PodDNSConfigOption", "name:string value:string"},
    {"core/v1.PodIP", "ip=IP:string"},
    {"core/v1.PodReadinessGate", "conditionType:string"},
    {"core/v1.PodSecurityContext",
     "seLinuxOptions=SELinuxOptions:SELinuxOptions "
     "windowsOptions:WindowsSecurityContextOptions runAsUser:int64 runAsGroup:int64 "
     "runAsNonRoot:bool supplementalGroups:[]int64 fsGroup=FSGroup:int64 sysctls:[]Sysctl "
     "fsGroupChangePolicy=FSGroupChangePolicy:string seccompProfile:SeccompProfile"},
    {"core/v1.PodSpec",
     "volumes:[]Volume initContainers:[]Container containers:[]Container "
     "ephemeralContainers:~[]EphemeralContainer restartPolicy:string "
     "terminationGracePeriodSeconds:int64 activeDeadlineSeconds:int64 "
     "dnsPolicy=DNSPolicy:string nodeSelector:{}string serviceAccountName:string "
     "serviceAccount=DeprecatedServiceAccount:string automountServiceAccountToken:bool "
     "nodeName:string hostNetwork:bool hostPID:bool hostIPC:bool "
     "shareProcessNamespace:bool securityContext:PodSecurityContext "
     "imagePullSecrets:[]LocalObjectReference hostname:string subdomain:string "
     "affinity:Affinity schedulerName:string tolerations:[]Toleration "
     "hostAliases:[]HostAlias priorityClassName:string priority:int32 "
     "dnsConfig=DNSConfig:PodDNSConfig readinessGates:[]PodReadinessGate "
     "runtimeClassName:string enableServiceLinks:bool preemptionPolicy:string "
     "overhead:{}quantity topologySpreadConstraints:[]TopologySpreadConstraint "
     "setHostnameAsFQDN:bool"},
    {"core/v1.PodStatus",
     "phase:string conditions:[]PodCondition message:string reason:string "
     "nominatedNodeName:string hostIP:string podIP:string podIPs:[]PodIP startTime:time "
     "initContainerStatuses:[]ContainerStatus containerStatuses:[]ContainerStatus "
     "qosClass=QOSClass:string ephemeralContainerStatuses:[]ContainerStatus"},
    {"core/v1.PodTemplate", "@ template:PodTemplateSpec"},
    {"core/v1.PodTemplateSpec", "metadata=ObjectMeta:meta/v1.ObjectMeta spec:PodSpec"},
    {"core/v1.PortStatus", "port:int32 protocol:string error:string"},
    {"core/v1.PortworxVolumeSource", "volumeID:string fsType=FSType:string readOnly:bool"},
    {"core/v1.PreferredSchedulingTerm", "weight:int32 preference:NodeSelectorTerm"},
    {"core/v1.Probe", "<Handler initialDelaySeconds:int32 timeoutSeconds:int32 periodSeconds:int32 "
                      "successThreshold:int32 failureThreshold:int32"},
    {"core/v1.ProjectedVolumeSource", "sources:[]VolumeProjection defaultMode:int32"},
    {"core/v1.QuobyteVolumeSource",
     "registry:string volume:string readOnly:bool user:string group:string tenant:string"},
    {"core/v1.RBDPersistentVolumeSource",
     "monitors=CephMonitors:[]string image=RBDImage:string fsType=FSType:string "
     "pool=RBDPool:string user=RadosUser:string keyring:string secretRef:SecretReference "
     "readOnly:bool"},
    {"core/v1.RBDVolumeSource",
     "monitors=CephMonitors:[]string image=RBDImage:string fsType=FSType:string "
     "pool=RBDPool:string user=RadosUser:string keyring:string "
     "secretRef:LocalObjectReference readOnly:bool"},
    {"core/v1.ReplicationController",
     "@ spec:ReplicationControllerSpec status:ReplicationControllerStatus"},
    {"core/v1.ReplicationControllerCondition",
     "type:string status:string lastTransitionTime:time reason:string message:string"},
    {"core/v1.ReplicationControllerSpec",
     "replicas:int32 minReadySeconds:int32 selector:{}string template:PodTemplateSpec"},
    {"core/v1.ReplicationControllerStatus",
     "replicas:int32 fullyLabeledReplicas:int32 readyReplicas:int32 "
     "availableReplicas:int32 observedGeneration:int64 "
     "conditions:[]ReplicationControllerCondition"},
    {"core/v1.ResourceFieldSelector", "containerName:string resource:string divisor:quantity"},
    {"core/v1.ResourceQuota", "@ spec:ResourceQuotaSpec status:ResourceQuotaStatus"},
    {"core/v1.ResourceQuotaSpec",
     "hard:{}quantity scopes:[]ResourceQuotaScope$ scopeSelector:ScopeSelector"},
    {"core/v1.ResourceQuotaStatus", "hard:{}quantity used:{}quantity"},
    {"core/v1.ResourceRequirements", "limits:{}quantity requests:{}quantity"},
    {"core/v1.SELinuxOptions", "user:string role:string type:string level:string"},
    {"core/v1.ScaleIOPersistentVolumeSource",
     "gateway:string system:string secretRef:SecretReference sslEnabled=SSLEnabled:bool "
     "protectionDomain:string storagePool:string storageMode:string volumeName:string "
     "fsType=FSType:string readOnly:bool"},
    {"core/v1.ScaleIOVolumeSource",
     "gateway:string system:string secretRef:LocalObjectReference "
     "sslEnabled=SSLEnabled:bool protectionDomain:string storagePool:string "
     "storageMode:string volumeName:string fsType=FSType:string readOnly:bool"},
    {"core/v1.ScopeSelector", "matchExpressions:[]ScopedResourceSelectorRequirement"},
    {"core/v1.ScopedResourceSelectorRequirement",
     "scopeName:string operator:string values:[]string"},
    {"core/v1.SeccompProfile", "type:string localhostProfile:string"},
    {"core/v1.Secret", "@ immutable:bool data:{}bytes stringData:{}string type:string"},
    {"core/v1.SecretEnvSource", "<LocalObjectReference optional:bool"},
    {"core/v1.SecretKeySelector", "<LocalObjectReference key:string optional:bool"},
    {"core/v1.SecretProjection", "<LocalObjectReference items:[]KeyToPath optional:bool"},
    {"core/v1.SecretReference", "name:string namespace:string"},
    {"core/v1.SecretVolumeSource",
     "secretName:string items:[]KeyToPath defaultMode:int32 optional:bool"},
    {"core/v1.SecurityContext",
     "capabilities:Capabilities privileged:bool "
     "seLinuxOptions=SELinuxOptions:SELinuxOptions "
     "windowsOptions:WindowsSecurityContextOptions runAsUser:int64 runAsGroup:int64 "
     "runAsNonRoot:bool readOnlyRootFilesystem:bool allowPrivilegeEscalation:bool "
     "procMount:string seccompProfile:SeccompProfile"},
    {"core/v1.Service", "@ spec:ServiceSpec status:ServiceStatus"},
    {"core/v1.ServiceAccount",
     "@ secrets:[]ObjectReference imagePullSecrets:[]LocalObjectReference "
     "automountServiceAccountToken:bool"},
    {"core/v1.ServiceAccountTokenProjection",
     "audience:string expirationSeconds:int64 path:string"},
    {"core/v1.ServicePort",
     "name:string protocol:string appProtocol:string port:int32 targetPort:intstr "
     "nodePort:int32"},
    {"core/v1.ServiceSpec",
     "ports:[]ServicePort selector:{}string clusterIP:string clusterIPs:[]string "
     "type:string externalIPs:[]string sessionAffinity:string loadBalancerIP:string "
     "loadBalancerSourceRanges:[]string externalName:string externalTrafficPolicy:string "
     "healthCheckNodePort:int32 publishNotReadyAddresses:bool "
     "sessionAffinityConfig:SessionAffinityConfig topologyKeys:[]string "
     "ipFamilies=IPFamilies:~[]IPFamily$ ipFamilyPolicy=IPFamilyPolicy:~string "
     "allocateLoadBalancerNodePorts:~bool"},
    {"core/v1.ServiceStatus", "loadBalancer:LoadBalancerStatus conditions:[]meta/v1.Condition"},
    {"core/v1.SessionAffinityConfig", "clientIP:ClientIPConfig"},
    {"core/v1.StorageOSPersistentVolumeSource",
     "volumeName:string volumeNamespace:string fsType=FSType:string readOnly:bool "
     "secretRef:ObjectReference"},
    {"core/v1.StorageOSVolumeSource",
     "volumeName:string volumeNamespace:string fsType=FSType:string readOnly:bool "
     "secretRef:LocalObjectReference"},
    {"core/v1.Sysctl", "name:string value:string"},
    {"core/v1.TCPSocketAction", "port:intstr host:string"},
    {"core/v1.Taint", "key:string value:string effect:string timeAdded:time"},
    {"core/v1.Toleration",
     "key:string operator:string value:string effect:string tolerationSeconds:int64"},
    {"core/v1.TopologySelectorLabelRequirement", "key:string values:[]string"},
    {"core/v1.TopologySelectorTerm", "matchLabelExpressions:[]TopologySelectorLabelRequirement"},
    {"core/v1.TopologySpreadConstraint",
     "maxSkew:int32 topologyKey:string whenUnsatisfiable:string "
     "labelSelector:meta/v1.LabelSelector"},
    {"core/v1.TypedLocalObjectReference", "apiGroup=APIGroup:string kind:string name:string"},
    {"core/v1.Volume", "name:string <VolumeSource"},
    {"core/v1.VolumeDevice", "name:string devicePath:string"},
    {"core/v1.VolumeMount",
     "name:string readOnly:bool mountPath:string subPath:string mountPropagation:string "
     "subPathExpr:string"},
    {"core/v1.VolumeNodeAffinity", "required:NodeSelector"},
    {"core/v1.VolumeProjection",
     "secret:SecretProjection downwardAPI:DownwardAPIProjection "
     "configMap:ConfigMapProjection serviceAccountToken:ServiceAccountTokenProjection"},
    {"core/v1.VolumeSource",
     "hostPath:HostPathVolumeSource emptyDir:EmptyDirVolumeSource "
     "gcePersistentDisk=GCEPersistentDisk:GCEPersistentDiskVolumeSource "
     "awsElasticBlockStore=AWSElasticBlockStore:AWSElasticBlockStoreVolumeSource "
     "gitRepo:GitRepoVolumeSource secret:SecretVolumeSource nfs=NFS:NFSVolumeSource "
     "iscsi=ISCSI:ISCSIVolumeSource glusterfs:GlusterfsVolumeSource "
     "persistentVolumeClaim:PersistentVolumeClaimVolumeSource rbd=RBD:RBDVolumeSource "
     "flexVolume:FlexVolumeSource cinder:CinderVolumeSource "
     "cephfs=CephFS:CephFSVolumeSource flocker:FlockerVolumeSource "
     "downwardAPI:DownwardAPIVolumeSource fc=FC:FCVolumeSource "
     "azureFile:AzureFileVolumeSource configMap:ConfigMapVolumeSource "
     "vsphereVolume:VsphereVirtualDiskVolumeSource quobyte:QuobyteVolumeSource "
     "azureDisk:AzureDiskVolumeSource "
     "photonPersistentDisk:PhotonPersistentDiskVolumeSource "
     "projected:ProjectedVolumeSource portworxVolume:PortworxVolumeSource "
     "scaleIO:ScaleIOVolumeSource storageos=StorageOS:StorageOSVolumeSource "
     "csi=CSI:CSIVolumeSource ephemeral:EphemeralVolumeSource"},
    {"core/v1.VsphereVirtualDiskVolumeSource",
     "volumePath:string fsType=FSType:string storagePolicyName:string "
     "storagePolicyID:string"},
    {"core/v1.WeightedPodAffinityTerm", "weight:int32 podAffinityTerm:PodAffinityTerm"},
    {"core/v1.WindowsSecurityContextOptions",
     "gmsaCredentialSpecName=GMSACredentialSpecName:string "
     "gmsaCredentialSpec=GMSACredentialSpec:string runAsUserName:string"},
};
const size_t kst_go_core_count = sizeof(kst_go_core) / sizeof(kst_go_core[0]);
