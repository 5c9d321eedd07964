# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

start_etcd() {
    run_script etcd "$etcd" --name kassette --data-dir "$dir/etcd" --unsafe-no-fsync \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --logger zap --log-level warn
    launch etcd "$dir/run/etcd"
}

start_apiserver() {
    # Addresses, not names: nothing here resolves the name of a node.
    run_script kube-apiserver "$bin/kube-apiserver" \
        --etcd-servers http://127.0.0.1:2379 \
        --secure-port=443 --bind-address=0.0.0.0 --advertise-address="$node_ip" \
        --service-cluster-ip-range=10.0.0.0/24 \
        --authorization-mode=Node,RBAC --allow-privileged=true \
        --enable-admission-plugins=NodeRestriction \
        --client-ca-file="$dir/pki/ca.crt" \
        --tls-cert-file="$dir/pki/apiserver.crt" --tls-private-key-file="$dir/pki/apiserver.key" \
        --kubelet-preferred-address-types=InternalIP \
        --kubelet-certificate-authority="$dir/pki/ca.crt" \
        --kubelet-client-certificate="$dir/pki/apiserver-kubelet.crt" \
        --kubelet-client-key="$dir/pki/apiserver-kubelet.key" \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file="$dir/pki/service-account.pub" \
        --service-account-signing-key-file="$dir/pki/service-account.key"
    launch kube-apiserver "$dir/run/kube-apiserver"
}

start_controllers() {
    run_script kube-controller-manager "$bin/kube-controller-manager" \
        --kubeconfig="$dir/pki/controller-manager.kubeconfig" \
        --controllers=* --use-service-account-credentials=true --leader-elect=false \
        --root-ca-file="$dir/pki/ca.crt" \
        --service-account-private-key-file="$dir/pki/service-account.key" \
        --cluster-signing-cert-file="$dir/pki/ca.crt" \
        --cluster-signing-key-file="$dir/pki/ca.key" \
        --pvclaimbinder-sync-period=2s --kube-api-qps=200 --kube-api-burst=400
    launch kube-controller-manager "$dir/run/kube-controller-manager"
    run_script kube-scheduler "$bin/kube-scheduler" \
        --kubeconfig="$dir/pki/scheduler.kubeconfig" --leader-elect=false
    launch kube-scheduler "$dir/run/kube-scheduler"
}
