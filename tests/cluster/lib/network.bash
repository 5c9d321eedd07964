# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# One /24 a cluster out of 198.19.0.0/16, which is set aside for the benchmarking of networks
# (RFC 2544) and so in nobody's way: .1 the node, .2 the host, .128/25 the Pods. The node has a
# network namespace of its own; a veth pair joins it to the host, and the host has a route to the
# Pods, so that no address translation (and no iptables) is needed. The node has no default route:
# what would leave is refused at once, such as kubelet's search for a cloud (11 s otherwise).

# Sets $node_ip, $host_ip, $pod_cidr to those of a block that no route of this host knows.
choose_addresses() {
    local first=$((16#${id:0:2})) i octet
    for ((i = 0; i < 256; i++)); do
        octet=$(((first + i) % 256))
        if [ -z "$(ip -4 route show to match "198.19.$octet.1" | sed "/^default/d")" ]; then
            node_ip=198.19.$octet.1
            host_ip=198.19.$octet.2
            pod_cidr=198.19.$octet.128/25
            return 0
        fi
    done
    die "no free address block in 198.19.0.0/16 on this host (ip -4 route)"
}

# The process that keeps the node's namespaces. Its mount namespace hears of the host's mounts
# and not the other way round: what containerd and kubelet mount ends with them.
make_namespaces() {
    launch node unshare --net --mount --propagation slave sleep infinity
    # unshare becomes sleep once the namespaces are there.
    await 10 "the node's namespaces" grep -q sleep "/proc/$(pid_of node)/comm"
}

make_network() {
    local pid
    pid=$(pid_of node)
    ip link delete "ks$id" 2>/dev/null || true
    ip link add "ks$id" type veth peer name node0 netns "$pid"
    ip address add "$host_ip/30" dev "ks$id"
    ip link set "ks$id" up
    in_node ip link set lo up
    in_node ip address add "$node_ip/30" dev node0
    # With no kube-proxy, the API server itself listens on the service address.
    in_node ip address add "$service_ip/32" dev node0
    in_node ip link set node0 up
    in_node sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    ip route add "$pod_cidr" via "$node_ip" dev "ks$id"
}

write_cni_config() {
    mkdir -p "$dir/cni/net.d"
    cat >"$dir/cni/net.d/10-kassette.conflist" <<JSON
{
  "cniVersion": "0.4.0",
  "name": "$name",
  "plugins": [{
    "type": "bridge", "bridge": "pods", "isGateway": true, "hairpinMode": true,
    "ipam": {
      "type": "host-local", "dataDir": "$dir/cni/leases",
      "ranges": [[{"subnet": "$pod_cidr"}]], "routes": [{"dst": "0.0.0.0/0"}]
    }
  }]
}
JSON
}
