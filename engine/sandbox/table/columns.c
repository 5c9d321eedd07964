/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of the built-in kinds, as kube-apiserver 1.20.2 answers them.
 */
#include "sandbox/table/internal.h"

#include <string.h>

#include "base/mem.h"

const char kst_table_about_name[] =
    "Name must be unique within a namespace. Is required when creating resources, although some "
    "resources may allow a client to request the generation of an appropriate name "
    "automatically. Name is primarily intended for creation idempotence and configuration "
    "definition. Cannot be updated. More info: "
    "http://kubernetes.io/docs/user-guide/identifiers#names";
const char kst_table_about_age[] =
    "CreationTimestamp is a timestamp representing the server time when this object was created. "
    "It is not guaranteed to be set in happens-before order across separate operations. Clients "
    "may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by "
    "the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
static const char about_last_seen[] =
    "The time at which the most recent occurrence of this event was recorded.";
static const char about_type[] =
    "Type of this event (Normal, Warning), new types could be added in the future";
static const char about_reason[] =
    "This should be a short, machine understandable string that gives the reason for the "
    "transition into the object's current status.";
static const char about_object[] = "The object that this event is about.";
static const char about_subobject[] =
    "If referring to a piece of an object instead of an entire object, this string should "
    "contain a valid JSON/Go field access statement, such as "
    "desiredState.manifest.containers[2]. For example, if the object reference is to a container "
    "within a pod, this would take on a value like: \"spec.containers{name}\" (where \"name\" "
    "refers to the name of the container that triggered the event) or if no container name is "
    "specified \"spec.containers[2]\" (container with index 2 in this pod). This syntax is "
    "chosen only to have some well-defined way of referencing a part of an object.";
static const char about_source[] =
    "The component reporting this event. Should be a short machine understandable string.";
static const char about_message[] = "A human-readable description of the status of this operation.";
static const char about_first_seen[] =
    "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)";
static const char about_count[] = "The number of times this event has occurred.";
static const char about_internal_ip[] =
    "List of addresses reachable to the node. Queried from cloud provider, if available. More "
    "info: https://kubernetes.io/docs/concepts/nodes/node/#addresses Note: This field is "
    "declared as mergeable, but the merge key is not sufficiently unique, which can cause data "
    "corruption when it is merged. Callers should instead use a full-replacement patch. See "
    "http://pr.k8s.io/79391 for an example.";
static const char about_containers[] = "Names of each container in the template.";
static const char about_images[] = "Images referenced by each container in the template.";
static const char about_ready[] = "Number of the pod with ready state";
static const char about_selector[] =
    "A label query over pods that should match the pod count. Normally, the system sets this "
    "field for you. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors";
static const char about_class[] =
    "The name of the IngressClass resource that should be used for additional configuration";
static const char about_hosts[] =
    "Hosts that incoming requests are matched against before the ingress rule";
static const char about_address[] =
    "Address is a list containing ingress points for the load-balancer";
static const char about_ports[] = "Ports of TLS configurations that open";
static const char about_webhooks[] =
    "Webhooks indicates the number of webhooks registered in this configuration";

static const struct kst_table_column config_map_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Data", "string", "",
     "Data contains the configuration data. Each key must consist of alphanumeric characters, "
     "'-', '_' or '.'. Values with non-UTF-8 byte sequences must use the BinaryData field. The "
     "keys stored in Data must not overlap with the keys in the BinaryData field, this is "
     "enforced during validation process.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column endpoints_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Endpoints", "string", "",
     "The set of all endpoints is the union of all subsets. Addresses are placed into subsets "
     "according to the IPs they share. A single address with multiple ports, some of which are "
     "ready and some of which are not (because they come from different containers) will result "
     "in the address being displayed in different subsets for the different ports. No address "
     "will appear in both Addresses and NotReadyAddresses in the same subset. Sets of addresses "
     "and ports that comprise a service.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column event_columns[] = {
    {"Last Seen", "string", "", about_last_seen, 0},
    {"Type", "string", "", about_type, 0},
    {"Reason", "string", "", about_reason, 0},
    {"Object", "string", "", about_object, 0},
    {"Subobject", "string", "", about_subobject, 1},
    {"Source", "string", "", about_source, 1},
    {"Message", "string", "", about_message, 0},
    {"First Seen", "string", "", about_first_seen, 1},
    {"Count", "string", "", about_count, 1},
    {"Name", "string", "name", kst_table_about_name, 1},
};
static const struct kst_table_column namespace_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Status", "string", "", "The status of the namespace", 0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column node_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Status", "string", "", "The status of the node", 0},
    {"Roles", "string", "", "The roles of the node", 0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Version", "string", "", "Kubelet Version reported by the node.", 0},
    {"Internal-IP", "string", "", about_internal_ip, 1},
    {"External-IP", "string", "", about_internal_ip, 1},
    {"OS-Image", "string", "",
     "OS Image reported by the node from /etc/os-release (e.g. Debian GNU/Linux 7 (wheezy)).", 1},
    {"Kernel-Version", "string", "",
     "Kernel Version reported by the node from 'uname -r' (e.g. 3.16.0-0.bpo.4-amd64).", 1},
    {"Container-Runtime", "string", "",
     "ContainerRuntime Version reported by the node through runtime remote API (e.g. "
     "docker://1.5.0).",
     1},
};
static const struct kst_table_column persistent_volume_claim_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Status", "string", "", "Phase represents the current phase of PersistentVolumeClaim.", 0},
    {"Volume", "string", "",
     "VolumeName is the binding reference to the PersistentVolume backing this claim.", 0},
    {"Capacity", "string", "", "Represents the actual resources of the underlying volume.", 0},
    {"Access Modes", "string", "",
     "AccessModes contains the actual access modes the volume backing the PVC has. More info: "
     "https://kubernetes.io/docs/concepts/storage/persistent-volumes#access-modes-1",
     0},
    {"StorageClass", "string", "", "StorageClass of the pvc", 0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"VolumeMode", "string", "",
     "volumeMode defines what type of volume is required by the claim. Value of Filesystem is "
     "implied when not included in claim spec.",
     1},
};
static const struct kst_table_column persistent_volume_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Capacity", "string", "",
     "A description of the persistent volume's resources and capacity. More info: "
     "https://kubernetes.io/docs/concepts/storage/persistent-volumes#capacity",
     0},
    {"Access Modes", "string", "",
     "AccessModes contains all ways the volume can be mounted. More info: "
     "https://kubernetes.io/docs/concepts/storage/persistent-volumes#access-modes",
     0},
    {"Reclaim Policy", "string", "",
     "What happens to a persistent volume when released from its claim. Valid options are Retain "
     "(default for manually created PersistentVolumes), Delete (default for dynamically "
     "provisioned PersistentVolumes), and Recycle (deprecated). Recycle must be supported by the "
     "volume plugin underlying this PersistentVolume. More info: "
     "https://kubernetes.io/docs/concepts/storage/persistent-volumes#reclaiming",
     0},
    {"Status", "string", "",
     "Phase indicates if a volume is available, bound to a claim, or released by a claim. More "
     "info: https://kubernetes.io/docs/concepts/storage/persistent-volumes#phase",
     0},
    {"Claim", "string", "",
     "ClaimRef is part of a bi-directional binding between PersistentVolume and "
     "PersistentVolumeClaim. Expected to be non-nil when bound. claim.VolumeName is the "
     "authoritative bind between PV and PVC. More info: "
     "https://kubernetes.io/docs/concepts/storage/persistent-volumes#binding",
     0},
    {"StorageClass", "string", "", "StorageClass of the pv", 0},
    {"Reason", "string", "",
     "Reason is a brief CamelCase string that describes any failure and is meant for machine "
     "parsing and tidy display in the CLI.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"VolumeMode", "string", "",
     "volumeMode defines if a volume is intended to be used with a formatted filesystem or to "
     "remain in raw block state. Value of Filesystem is implied when not included in spec.",
     1},
};
static const struct kst_table_column pod_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Ready", "string", "", "The aggregate readiness state of this pod for accepting traffic.", 0},
    {"Status", "string", "", "The aggregate status of the containers in this pod.", 0},
    {"Restarts", "integer", "",
     "The number of times the containers in this pod have been restarted.", 0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"IP", "string", "",
     "IP address allocated to the pod. Routable at least within the cluster. Empty if not yet "
     "allocated.",
     1},
    {"Node", "string", "",
     "NodeName is a request to schedule this pod onto a specific node. If it is non-empty, the "
     "scheduler simply schedules this pod onto that node, assuming that it fits resource "
     "requirements.",
     1},
    {"Nominated Node", "string", "",
     "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot "
     "be scheduled right away as preemption victims receive their graceful termination periods. "
     "This field does not guarantee that the pod will be scheduled on this node. Scheduler may "
     "decide to place the pod elsewhere if other nodes become available sooner. Scheduler may "
     "also decide to give the resources on this node to a higher priority pod that is created "
     "after preemption. As a result, this field may be different than PodSpec.nodeName when the "
     "pod is scheduled.",
     1},
    {"Readiness Gates", "string", "",
     "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when "
     "all its containers are ready AND all conditions specified in the readiness gates have "
     "status equal to \"True\" More info: "
     "https://git.k8s.io/enhancements/keps/sig-network/0007-pod-ready%2B%2B.md",
     1},
};
static const struct kst_table_column pod_template_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Containers", "string", "", about_containers, 0},
    {"Images", "string", "", about_images, 0},
    {"Pod Labels", "string", "", "The labels for the pod template.", 0},
};
static const struct kst_table_column replication_controller_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Desired", "integer", "",
     "Replicas is the number of desired replicas. This is a pointer to distinguish between "
     "explicit zero and unspecified. Defaults to 1. More info: "
     "https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller#what-is-a-replicationcontroller",
     0},
    {"Current", "integer", "",
     "Replicas is the most recently oberved number of replicas. More info: "
     "https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller#what-is-a-replicationcontroller",
     0},
    {"Ready", "integer", "", "The number of ready replicas for this replication controller.", 0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Containers", "string", "", about_containers, 1},
    {"Images", "string", "", about_images, 1},
    {"Selector", "string", "",
     "Selector is a label query over pods that should match the Replicas count. If Selector is "
     "empty, it is defaulted to the labels present on the Pod template. Label keys and values "
     "that must match in order to be controlled by this replication controller, if empty "
     "defaulted to labels on Pod template. More info: "
     "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
     1},
};
static const struct kst_table_column resource_quota_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Request", "string", "",
     "Request represents a minimum amount of cpu/memory that a container may consume.", 0},
    {"Limit", "string", "",
     "Limits control the maximum amount of cpu/memory that a container may use independent of "
     "contention on the node.",
     0},
};
static const struct kst_table_column secret_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Type", "string", "", "Used to facilitate programmatic handling of secret data.", 0},
    {"Data", "string", "",
     "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' "
     "or '.'. The serialized form of the secret data is a base64 encoded string, representing "
     "the arbitrary (possibly non-string) data value here. Described in "
     "https://tools.ietf.org/html/rfc4648#section-4",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column service_account_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Secrets", "string", "",
     "Secrets is the list of secrets allowed to be used by pods running using this "
     "ServiceAccount. More info: https://kubernetes.io/docs/concepts/configuration/secret",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column service_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Type", "string", "",
     "type determines how the Service is exposed. Defaults to ClusterIP. Valid options are "
     "ExternalName, ClusterIP, NodePort, and LoadBalancer. \"ClusterIP\" allocates a "
     "cluster-internal IP address for load-balancing to endpoints. Endpoints are determined by "
     "the selector or if that is not specified, by manual construction of an Endpoints object or "
     "EndpointSlice objects. If clusterIP is \"None\", no virtual IP is allocated and the "
     "endpoints are published as a set of endpoints rather than a virtual IP. \"NodePort\" "
     "builds on ClusterIP and allocates a port on every node which routes to the same endpoints "
     "as the clusterIP. \"LoadBalancer\" builds on NodePort and creates an external "
     "load-balancer (if supported in the current cloud) which routes to the same endpoints as "
     "the clusterIP. \"ExternalName\" aliases this service to the specified externalName. "
     "Several other fields do not apply to ExternalName services. More info: "
     "https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types",
     0},
    {"Cluster-IP", "string", "",
     "clusterIP is the IP address of the service and is usually assigned randomly. If an address "
     "is specified manually, is in-range (as per system configuration), and is not in use, it "
     "will be allocated to the service; otherwise creation of the service will fail. This field "
     "may not be changed through updates unless the type field is also being changed to "
     "ExternalName (which requires this field to be blank) or the type field is being changed "
     "from ExternalName (in which case this field may optionally be specified, as describe "
     "above).  Valid values are \"None\", empty string (\"\"), or a valid IP address. Setting "
     "this to \"None\" makes a \"headless service\" (no virtual IP), which is useful when direct "
     "endpoint connections are preferred and proxying is not required.  Only applies to types "
     "ClusterIP, NodePort, and LoadBalancer. If this field is specified when creating a Service "
     "of type ExternalName, creation will fail. This field will be wiped when updating a Service "
     "to type ExternalName. More info: "
     "https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies",
     0},
    {"External-IP", "string", "",
     "externalIPs is a list of IP addresses for which nodes in the cluster will also accept "
     "traffic for this service.  These IPs are not managed by Kubernetes.  The user is "
     "responsible for ensuring that traffic arrives at a node with this IP.  A common example is "
     "external load-balancers that are not part of the Kubernetes system.",
     0},
    {"Port(s)", "string", "",
     "The list of ports that are exposed by this service. More info: "
     "https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Selector", "string", "",
     "Route service traffic to pods with label keys and values matching this selector. If empty "
     "or not present, the service is assumed to have an external process managing its endpoints, "
     "which Kubernetes will not modify. Only applies to types ClusterIP, NodePort, and "
     "LoadBalancer. Ignored if type is ExternalName. More info: "
     "https://kubernetes.io/docs/concepts/services-networking/service/",
     1},
};
static const struct kst_table_column controller_revision_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Controller", "string", "", "Controller of the object", 0},
    {"Revision", "string", "", "Revision indicates the revision of the state represented by Data.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column daemon_set_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Desired", "integer", "",
     "The total number of nodes that should be running the daemon pod (including nodes correctly "
     "running the daemon pod). More info: "
     "https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/",
     0},
    {"Current", "integer", "",
     "The number of nodes that are running at least 1 daemon pod and are supposed to run the "
     "daemon pod. More info: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/",
     0},
    {"Ready", "integer", "",
     "The number of nodes that should be running the daemon pod and have one or more of the "
     "daemon pod running and ready.",
     0},
    {"Up-to-date", "integer", "", "The total number of nodes that are running updated daemon pod",
     0},
    {"Available", "integer", "",
     "The number of nodes that should be running the daemon pod and have one or more of the "
     "daemon pod running and available (ready for at least spec.minReadySeconds)",
     0},
    {"Node Selector", "string", "",
     "NodeSelector is a selector which must be true for the pod to fit on a node. Selector which "
     "must match a node's labels for the pod to be scheduled on that node. More info: "
     "https://kubernetes.io/docs/concepts/configuration/assign-pod-node/",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Containers", "string", "", about_containers, 1},
    {"Images", "string", "", about_images, 1},
    {"Selector", "string", "",
     "A label query over pods that are managed by the daemon set. Must match in order to be "
     "controlled. If empty, defaulted to labels on Pod template. More info: "
     "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
     1},
};
static const struct kst_table_column deployment_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Ready", "string", "", about_ready, 0},
    {"Up-to-date", "string", "",
     "Total number of non-terminated pods targeted by this deployment that have the desired "
     "template spec.",
     0},
    {"Available", "string", "",
     "Total number of available pods (ready for at least minReadySeconds) targeted by this "
     "deployment.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Containers", "string", "", about_containers, 1},
    {"Images", "string", "", about_images, 1},
    {"Selector", "string", "",
     "Label selector for pods. Existing ReplicaSets whose pods are selected by this will be the "
     "ones affected by this deployment.",
     1},
};
static const struct kst_table_column replica_set_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Desired", "integer", "",
     "Replicas is the number of desired replicas. This is a pointer to distinguish between "
     "explicit zero and unspecified. Defaults to 1. More info: "
     "https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller/#what-is-a-replicationcontroller",
     0},
    {"Current", "integer", "",
     "Replicas is the most recently oberved number of replicas. More info: "
     "https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller/#what-is-a-replicationcontroller",
     0},
    {"Ready", "integer", "", "The number of ready replicas for this replica set.", 0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Containers", "string", "", about_containers, 1},
    {"Images", "string", "", about_images, 1},
    {"Selector", "string", "",
     "Selector is a label query over pods that should match the replica count. If the selector "
     "is empty, it is defaulted to the labels present on the pod template. Label keys and values "
     "that must match in order to be controlled by this replica set. More info: "
     "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
     1},
};
static const struct kst_table_column stateful_set_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Ready", "string", "", about_ready, 0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Containers", "string", "", about_containers, 1},
    {"Images", "string", "", about_images, 1},
};
static const struct kst_table_column horizontal_pod_autoscaler_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Reference", "string", "",
     "scaleTargetRef points to the target resource to scale, and is used to the pods for which "
     "metrics should be collected, as well as to actually change the replica count.",
     0},
    {"Targets", "string", "",
     "metrics contains the specifications for which to use to calculate the desired replica "
     "count (the maximum replica count across all metrics will be used).  The desired replica "
     "count is calculated multiplying the ratio between the target value and the current value "
     "by the current number of pods.  Ergo, metrics used must decrease as the pod count is "
     "increased, and vice-versa.  See the individual metric source types for more information "
     "about how each type of metric must respond.",
     0},
    {"MinPods", "string", "",
     "minReplicas is the lower limit for the number of replicas to which the autoscaler can "
     "scale down.  It defaults to 1 pod.  minReplicas is allowed to be 0 if the alpha feature "
     "gate HPAScaleToZero is enabled and at least one Object or External metric is configured.  "
     "Scaling is active as long as at least one metric value is available.",
     0},
    {"MaxPods", "string", "",
     "maxReplicas is the upper limit for the number of replicas to which the autoscaler can "
     "scale up. It cannot be less that minReplicas.",
     0},
    {"Replicas", "string", "",
     "currentReplicas is current number of replicas of pods managed by this autoscaler, as last "
     "seen by the autoscaler.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column job_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Completions", "string", "", "The number of pods which reached phase Succeeded.", 0},
    {"Duration", "string", "", "Time required to complete the job.", 0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Containers", "string", "", about_containers, 1},
    {"Images", "string", "", about_images, 1},
    {"Selector", "string", "", about_selector, 1},
};
static const struct kst_table_column cron_job_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Schedule", "string", "",
     "The schedule in Cron format, see https://en.wikipedia.org/wiki/Cron.", 0},
    {"Suspend", "boolean", "",
     "This flag tells the controller to suspend subsequent executions, it does not apply to "
     "already started executions.  Defaults to false.",
     0},
    {"Active", "integer", "", "A list of pointers to currently running jobs.", 0},
    {"Last Schedule", "string", "",
     "Information when was the last time the job was successfully scheduled.", 0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Containers", "string", "", about_containers, 1},
    {"Images", "string", "", about_images, 1},
    {"Selector", "string", "", about_selector, 1},
};
static const struct kst_table_column ingress_class_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Controller", "string", "", "Controller that is responsible for handling this class", 0},
    {"Parameters", "string", "", "A reference to a resource with additional parameters", 0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column ingress_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Class", "string", "", about_class, 0},
    {"Hosts", "string", "", about_hosts, 0},
    {"Address", "string", "", about_address, 0},
    {"Ports", "string", "", about_ports, 0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column network_policy_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Pod-Selector", "string", "",
     "Selects the pods to which this NetworkPolicy object applies.  The array of ingress rules "
     "is applied to any pods selected by this field. Multiple network policies can select the "
     "same set of pods.  In this case, the ingress rules for each are combined additively. This "
     "field is NOT optional and follows standard label selector semantics. An empty podSelector "
     "matches all pods in this namespace.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column pod_disruption_budget_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Min Available", "string", "", "The minimum number of pods that must be available.", 0},
    {"Max Unavailable", "string", "", "The maximum number of pods that may be unavailable.", 0},
    {"Allowed Disruptions", "integer", "",
     "Calculated number of pods that may be disrupted at this time.", 0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column cluster_role_binding_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Role", "string", "",
     "RoleRef can only reference a ClusterRole in the global namespace. If the RoleRef cannot be "
     "resolved, the Authorizer must return an error.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Users", "string", "", "Users in the clusterRoleBinding", 1},
    {"Groups", "string", "", "Groups in the clusterRoleBinding", 1},
    {"ServiceAccounts", "string", "", "ServiceAccounts in the clusterRoleBinding", 1},
};
static const struct kst_table_column role_binding_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Role", "string", "",
     "RoleRef can reference a Role in the current namespace or a ClusterRole in the global "
     "namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
    {"Users", "string", "", "Users in the roleBinding", 1},
    {"Groups", "string", "", "Groups in the roleBinding", 1},
    {"ServiceAccounts", "string", "", "ServiceAccounts in the roleBinding", 1},
};
static const struct kst_table_column csidriver_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"AttachRequired", "boolean", "",
     "attachRequired indicates this CSI volume driver requires an attach operation (because it "
     "implements the CSI ControllerPublishVolume() method), and that the Kubernetes attach "
     "detach controller should call the attach volume interface which checks the "
     "volumeattachment status and waits until the volume is attached before proceeding to "
     "mounting. The CSI external-attacher coordinates with CSI volume driver and updates the "
     "volumeattachment status when the attach operation is complete. If the CSIDriverRegistry "
     "feature gate is enabled and the value is specified to false, the attach operation will be "
     "skipped. Otherwise the attach operation will be called.",
     0},
    {"PodInfoOnMount", "boolean", "",
     "If set to true, podInfoOnMount indicates this CSI volume driver requires additional pod "
     "information (like podName, podUID, etc.) during mount operations. If set to false, pod "
     "information will not be passed on mount. Default is false. The CSI driver specifies "
     "podInfoOnMount as part of driver deployment. If true, Kubelet will pass pod information as "
     "VolumeContext in the CSI NodePublishVolume() calls. The CSI driver is responsible for "
     "parsing and validating the information passed in as VolumeContext. The following "
     "VolumeConext will be passed if podInfoOnMount is set to true. This list might grow, but "
     "the prefix will be used. \"csi.storage.k8s.io/pod.name\": pod.Name "
     "\"csi.storage.k8s.io/pod.namespace\": pod.Namespace \"csi.storage.k8s.io/pod.uid\": "
     "string(pod.UID) \"csi.storage.k8s.io/ephemeral\": \"true\" iff the volume is an ephemeral "
     "inline volume\n                                defined by a CSIVolumeSource, otherwise "
     "\"false\"\n\n\"csi.storage.k8s.io/ephemeral\" is a new feature in Kubernetes 1.16. It is "
     "only required for drivers which support both the \"Persistent\" and \"Ephemeral\" "
     "VolumeLifecycleMode. Other drivers can leave pod info disabled and/or ignore this field. "
     "As Kubernetes 1.15 doesn't support this field, drivers can only support one mode when "
     "deployed on such a cluster and the deployment determines which mode that is, for example "
     "via a command line parameter of the driver.",
     0},
    {"Modes", "string", "",
     "volumeLifecycleModes defines what kind of volumes this CSI volume driver supports. The "
     "default if the list is empty is \"Persistent\", which is the usage defined by the CSI "
     "specification and implemented in Kubernetes via the usual PV/PVC mechanism. The other mode "
     "is \"Ephemeral\". In this mode, volumes are defined inline inside the pod spec with "
     "CSIVolumeSource and their lifecycle is tied to the lifecycle of that pod. A driver has to "
     "be aware of this because it is only going to get a NodePublishVolume call for such a "
     "volume. For more information about implementing this mode, see "
     "https://kubernetes-csi.github.io/docs/ephemeral-local-volumes.html A driver can support "
     "one or more of these modes and more modes may be added in the future. This field is beta.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column csinode_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Drivers", "integer", "", "Drivers indicates the number of CSI drivers registered on the node",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column storage_class_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Provisioner", "string", "", "Provisioner indicates the type of the provisioner.", 0},
    {"ReclaimPolicy", "string", "",
     "Dynamically provisioned PersistentVolumes of this storage class are created with this "
     "reclaimPolicy. Defaults to Delete.",
     0},
    {"VolumeBindingMode", "string", "",
     "VolumeBindingMode indicates how PersistentVolumeClaims should be provisioned and bound.  "
     "When unset, VolumeBindingImmediate is used. This field is only honored by servers that "
     "enable the VolumeScheduling feature.",
     0},
    {"AllowVolumeExpansion", "string", "",
     "AllowVolumeExpansion shows whether the storage class allow volume expand", 0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column volume_attachment_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Attacher", "string", "name",
     "Attacher indicates the name of the volume driver that MUST handle this request. This is "
     "the name returned by GetPluginName().",
     0},
    {"PV", "string", "", "Name of the persistent volume to attach.", 0},
    {"Node", "string", "", "The node that the volume should be attached to.", 0},
    {"Attached", "boolean", "",
     "Indicates the volume is successfully attached. This field must only be set by the entity "
     "completing the attach operation, i.e. the external-attacher.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column mutating_webhook_configuration_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Webhooks", "integer", "", about_webhooks, 0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column priority_class_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Value", "integer", "",
     "The value of this priority class. This is the actual priority that pods receive when they "
     "have the name of this class in their pod spec.",
     0},
    {"Global-Default", "boolean", "",
     "globalDefault specifies whether this PriorityClass should be considered as the default "
     "priority for pods that do not have any priority class. Only one PriorityClass can be "
     "marked as `globalDefault`. However, if more than one PriorityClasses exists with their "
     "`globalDefault` field set to true, the smallest value of such global default "
     "PriorityClasses will be used as the default priority.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column lease_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Holder", "string", "",
     "holderIdentity contains the identity of the holder of a current lease.", 0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column runtime_class_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"Handler", "string", "", "", 0},
    {"Age", "string", "", kst_table_about_age, 0},
};
static const struct kst_table_column endpoint_slice_columns[] = {
    {"Name", "string", "name", kst_table_about_name, 0},
    {"AddressType", "string", "",
     "addressType specifies the type of address carried by this EndpointSlice. All addresses in "
     "this slice must be the same type. This field is immutable after creation. The following "
     "address types are currently supported: * IPv4: Represents an IPv4 Address. * IPv6: "
     "Represents an IPv6 Address. * FQDN: Represents a Fully Qualified Domain Name.",
     0},
    {"Ports", "string", "",
     "ports specifies the list of network ports exposed by each endpoint in this slice. Each "
     "port must have a unique name. When ports is empty, it indicates that there are no defined "
     "ports. When a port is defined with a nil port value, it indicates \"all ports\". Each "
     "slice may include a maximum of 100 ports.",
     0},
    {"Endpoints", "string", "",
     "endpoints is a list of unique endpoints in this slice. Each slice may include a maximum of "
     "1000 endpoints.",
     0},
    {"Age", "string", "", kst_table_about_age, 0},
};

#define KIND(group, kind, columns, print)                   \
    {                                                       \
        group, kind, columns, KST_ARRAY_LEN(columns), print \
    }
static const struct kst_table_kind kinds[] = {
    KIND("", "ConfigMap", config_map_columns, kst_table_configmap),
    KIND("", "Endpoints", endpoints_columns, kst_table_endpoints),
    KIND("", "Event", event_columns, kst_table_event),
    KIND("", "Namespace", namespace_columns, kst_table_namespace),
    KIND("", "Node", node_columns, kst_table_node),
    KIND("", "PersistentVolumeClaim", persistent_volume_claim_columns, kst_table_pvc),
    KIND("", "PersistentVolume", persistent_volume_columns, kst_table_pv),
    KIND("", "Pod", pod_columns, kst_table_pod),
    KIND("", "PodTemplate", pod_template_columns, kst_table_podtemplate),
    KIND("", "ReplicationController", replication_controller_columns, kst_table_replicas),
    KIND("", "ResourceQuota", resource_quota_columns, kst_table_resourcequota),
    KIND("", "Secret", secret_columns, kst_table_secret),
    KIND("", "ServiceAccount", service_account_columns, kst_table_serviceaccount),
    KIND("", "Service", service_columns, kst_table_service),
    KIND("apps", "ControllerRevision", controller_revision_columns, kst_table_controllerrevision),
    KIND("apps", "DaemonSet", daemon_set_columns, kst_table_daemonset),
    KIND("apps", "Deployment", deployment_columns, kst_table_deployment),
    KIND("apps", "ReplicaSet", replica_set_columns, kst_table_replicas),
    KIND("apps", "StatefulSet", stateful_set_columns, kst_table_statefulset),
    KIND("events.k8s.io", "Event", event_columns, kst_table_event),
    KIND("autoscaling", "HorizontalPodAutoscaler", horizontal_pod_autoscaler_columns,
         kst_table_hpa),
    KIND("batch", "Job", job_columns, kst_table_job),
    KIND("batch", "CronJob", cron_job_columns, kst_table_cronjob),
    KIND("networking.k8s.io", "IngressClass", ingress_class_columns, kst_table_ingressclass),
    KIND("networking.k8s.io", "Ingress", ingress_columns, kst_table_ingress),
    KIND("networking.k8s.io", "NetworkPolicy", network_policy_columns, kst_table_networkpolicy),
    KIND("extensions", "Ingress", ingress_columns, kst_table_ingress),
    KIND("policy", "PodDisruptionBudget", pod_disruption_budget_columns, kst_table_pdb),
    KIND("rbac.authorization.k8s.io", "ClusterRoleBinding", cluster_role_binding_columns,
         kst_table_binding),
    KIND("rbac.authorization.k8s.io", "RoleBinding", role_binding_columns, kst_table_binding),
    KIND("storage.k8s.io", "CSIDriver", csidriver_columns, kst_table_csidriver),
    KIND("storage.k8s.io", "CSINode", csinode_columns, kst_table_csinode),
    KIND("storage.k8s.io", "StorageClass", storage_class_columns, kst_table_storageclass),
    KIND("storage.k8s.io", "VolumeAttachment", volume_attachment_columns,
         kst_table_volumeattachment),
    KIND("admissionregistration.k8s.io", "MutatingWebhookConfiguration",
         mutating_webhook_configuration_columns, kst_table_webhooks),
    KIND("admissionregistration.k8s.io", "ValidatingWebhookConfiguration",
         mutating_webhook_configuration_columns, kst_table_webhooks),
    KIND("scheduling.k8s.io", "PriorityClass", priority_class_columns, kst_table_priorityclass),
    KIND("coordination.k8s.io", "Lease", lease_columns, kst_table_lease),
    KIND("node.k8s.io", "RuntimeClass", runtime_class_columns, kst_table_runtimeclass),
    KIND("discovery.k8s.io", "EndpointSlice", endpoint_slice_columns, kst_table_endpointslice),
};
#undef KIND

const struct kst_table_kind *kst_table_kind_find(const char *group, const char *kind)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].group, group) == 0 && strcmp(kinds[i].kind, kind) == 0)
            return &kinds[i];
    }
    return NULL;
}
