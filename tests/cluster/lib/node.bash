# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# containerd and kubelet.

# One folder of ours in every hierarchy: kubelet's root, and the mark by which processes are found.
make_cgroups() {
    local root
    while read -r root; do
        mkdir -p "$root/$name"
        # Version 2 hands its controllers down one level at a time.
        if [ -e "$root/cgroup.subtree_control" ]; then
            sed 's/\([^ ]*\)/+\1/g' "$root/cgroup.controllers" >"$root/cgroup.subtree_control" || true
        fi
    done < <(cgroup_roots)
    mkdir -p "$(tracking_cgroup)/daemons"
}

# In the node's mount namespace the directories with fixed names are folders of ours, and the
# kernel settings that kubelet insists on are files of ours that already say what it wants: the
# host's are never written.
make_private_mounts() {
    local path setting
    for path in "${fixed_dirs[@]}"; do
        if [ ! -d "$path" ]; then
            mkdir -p "$path"
            echo "$path" >>"$cache/cluster.made-dirs"
        fi
        mkdir -p "$dir/private$path"
        in_node mount --bind "$dir/private$path" "$path"
    done
    mkdir -p "$dir/private/sysctl"
    for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 \
        kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 \
        kernel/keys/root_maxbytes=25000000; do
        path=/proc/sys/${setting%=*}
        [ -e "$path" ] || continue
        echo "${setting#*=}" >"$dir/private/sysctl/$(basename "$path")"
        in_node mount --bind "$dir/private/sysctl/$(basename "$path")" "$path"
    done
    # Mounts of kubelet must reach containers that ask for propagation.
    in_node mount --make-rshared /
}

# Volumes of the storage stand-in: btrfs, whose snapshots are instant and atomic, in a sparse file.
make_volumes() {
    mkdir -p "$dir/volumes"
    truncate --size "${KASSETTE_VOLUMES_SIZE:-20G}" "$dir/volumes.img"
    mkfs.btrfs --quiet "$dir/volumes.img" >/dev/null
    mount -o loop,noatime "$dir/volumes.img" "$dir/volumes" && return
    # Cuts are then copies (by reference where the file system can), which are not atomic.
    say "no loop device or no btrfs: the cuts of a database under load prove nothing here"
    rm "$dir/volumes.img"
    mount --bind "$dir/volumes" "$dir/volumes"
}

start_containerd() {
    mkdir -p "$dir/containerd"
    cat >"$dir/containerd/config.toml" <<TOML
version = 2
root = "$dir/containerd/root"
state = "$dir/containerd/state"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "$dir/containerd/socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "kassette.test/pause:latest"
  # Without CAP_SYS_RESOURCE a sandbox could not lower its score, and would not start.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
TOML
    run_script containerd containerd --config "$dir/containerd/config.toml" --log-level warn
    launch containerd "$dir/run/containerd"
}

containerd_answers() { ctr --address "$dir/containerd/socket" version; }

import_image() {
    ctr --address "$dir/containerd/socket" --namespace k8s.io images import "$1" >/dev/null
}

start_kubelet() {
    local flags=() minor
    mkdir -p "$dir/kubelet"
    : >"$dir/kubelet/resolv.conf"
    cat >"$dir/kubelet/config.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  x509: {clientCAFile: $dir/pki/ca.crt}
  webhook: {enabled: true}
  anonymous: {enabled: false}
authorization: {mode: Webhook}
tlsCertFile: $dir/pki/kubelet.crt
tlsPrivateKeyFile: $dir/pki/kubelet.key
cgroupDriver: cgroupfs
cgroupRoot: /$name
failSwapOn: false
makeIPTablesUtilChains: false
oomScoreAdj: 0
resolvConf: $dir/kubelet/resolv.conf
clusterDomain: cluster.local
# There is no DNS. An address with nobody behind the port refuses at once, and kubelet does not
# complain of the missing setting in an event of every Pod.
clusterDNS: [$service_ip]
# Nothing is evicted and no image is collected for the fullness of a developer's disk.
evictionHard: {memory.available: 0%, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%}
imageGCHighThresholdPercent: 100
# Pods are to start and end as fast as they can.
syncFrequency: 1s
fileCheckFrequency: 1s
nodeStatusUpdateFrequency: 2s
nodeStatusReportFrequency: 30s
configMapAndSecretChangeDetectionStrategy: Watch
kubeAPIQPS: 100
kubeAPIBurst: 200
eventRecordQPS: 0
registryPullQPS: 0
YAML
    # Kubernetes 1.24 dropped the choice of a runtime.
    minor=$("$bin/kubelet" --version | sed 's/.* v1\.\([0-9]*\).*/\1/')
    [[ $minor = [0-9]* && $minor -ge 24 ]] || flags=(--container-runtime=remote)
    run_script kubelet "$bin/kubelet" --config="$dir/kubelet/config.yaml" \
        --kubeconfig="$dir/pki/node.kubeconfig" --root-dir="$dir/kubelet/root" \
        --hostname-override="$node_name" --node-ip="$node_ip" \
        --container-runtime-endpoint="unix://$dir/containerd/socket" "${flags[@]}"
    launch kubelet "$dir/run/kubelet"
}
