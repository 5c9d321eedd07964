# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Certificates by openssl: one authority, elliptic curves (milliseconds each), ten years.

# certificate NAME SUBJECT EXTENSIONS: $dir/pki/NAME.crt and .key, signed by the authority.
certificate() {
    local base=$dir/pki/$1
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$base.key" -out "$base.csr" -subj "$2" 2>/dev/null
    printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n%s\n' "$3" >"$base.ext"
    openssl x509 -req -in "$base.csr" -CA "$dir/pki/ca.crt" -CAkey "$dir/pki/ca.key" \
        -CAcreateserial -days 3650 -extfile "$base.ext" -out "$base.crt" 2>/dev/null
    rm "$base.csr" "$base.ext"
}

# kubeconfig FILE USER: stands alone, certificates inside.
kubeconfig() {
    cat >"$1" <<YAML
apiVersion: v1
kind: Config
clusters:
- name: kassette
  cluster:
    server: https://$node_ip:443
    certificate-authority-data: $(base64 -w0 <"$dir/pki/ca.crt")
users:
- name: $2
  user:
    client-certificate-data: $(base64 -w0 <"$dir/pki/$2.crt")
    client-key-data: $(base64 -w0 <"$dir/pki/$2.key")
contexts:
- name: kassette
  context:
    cluster: kassette
    user: $2
current-context: kassette
YAML
}

make_certificates() {
    local client=extendedKeyUsage=clientAuth server=extendedKeyUsage=serverAuth names
    mkdir -p "$dir/pki"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -keyout "$dir/pki/ca.key" -out "$dir/pki/ca.crt" -subj "/CN=kassette" \
        -addext "keyUsage=critical,keyCertSign,cRLSign,digitalSignature" 2>/dev/null
    names="DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost"
    names="$names,DNS:kubernetes.default.svc.cluster.local"
    certificate apiserver "/CN=kube-apiserver" \
        "$server"$'\n'"subjectAltName=$names,IP:127.0.0.1,IP:$node_ip,IP:$service_ip"
    certificate kubelet "/CN=$node_name" "$server"$'\n'"subjectAltName=DNS:$node_name,IP:$node_ip"
    certificate apiserver-kubelet "/O=system:masters/CN=kube-apiserver" "$client"
    certificate admin "/O=system:masters/CN=admin" "$client"
    certificate node "/O=system:nodes/CN=system:node:$node_name" "$client"
    certificate controller-manager "/CN=system:kube-controller-manager" "$client"
    certificate scheduler "/CN=system:kube-scheduler" "$client"
    openssl ecparam -name prime256v1 -genkey -noout -out "$dir/pki/service-account.key"
    openssl ec -in "$dir/pki/service-account.key" -pubout -out "$dir/pki/service-account.pub" \
        2>/dev/null
    chmod 600 "$dir"/pki/*.key
    (
        umask 077
        kubeconfig "$dir/kubeconfig" admin
        kubeconfig "$dir/pki/node.kubeconfig" node
        kubeconfig "$dir/pki/controller-manager.kubeconfig" controller-manager
        kubeconfig "$dir/pki/scheduler.kubeconfig" scheduler
    )
}
