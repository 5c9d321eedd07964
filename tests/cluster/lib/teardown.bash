# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Ends a cluster, whatever state it is in, and leaves nothing of it.

# Directories that containerd and kubelet know by a fixed name. In the node's mount namespace they
# are folders of $dir, so these stay empty; those that were missing are removed by the last cluster
# to end.
fixed_dirs=(/run/containerd /run/netns /var/log/pods /var/log/containers /var/lib/cni)

# Every process of the cluster, containers included: they are in its cgroup or below.
cluster_processes() {
    local root
    root=$(tracking_cgroup)
    [ -d "$root" ] || return 0
    find "$root" -name cgroup.procs -exec cat {} + 2>/dev/null
}

kill_processes() {
    local deadline=$((SECONDS + 20)) pids
    while pids=$(cluster_processes) && [ -n "$pids" ]; do
        [ "$SECONDS" -lt "$deadline" ] || die "processes that do not end: ${pids//$'\n'/ }"
        # shellcheck disable=SC2086 # one word a process
        kill -KILL $pids 2>/dev/null || true
        sleep 0.1
    done
}

unmount_all() {
    local target
    # Deepest first. The node's own mounts ended with its namespace; these are the host's.
    while read -r target; do
        umount "$target" 2>/dev/null || umount --lazy "$target" 2>/dev/null || true
    done < <(awk -v dir="$dir/" 'index($2, dir) == 1 {print $2}' /proc/mounts | tac)
    # A mount whose backing file was removed by hand leaves its loop device behind.
    losetup --list --noheadings --output NAME,BACK-FILE 2>/dev/null |
        awk -v file="$dir/volumes.img" '$2 == file {print $1}' |
        while read -r target; do losetup --detach "$target" 2>/dev/null || true; done
}

remove_cgroups() {
    local root tries
    while read -r root; do
        [ -d "$root/$name" ] || continue
        for tries in 1 2 3 4 5; do
            find "$root/$name" -depth -type d -exec rmdir {} + 2>/dev/null && break
            sleep "0.$tries"
        done
    done < <(cgroup_roots; awk '$3 == "cgroup2" {print $2}' /proc/mounts)
}

remove_fixed_dirs() {
    local path
    [ -e "$cache/cluster.made-dirs" ] || return 0
    # While another cluster runs, a removal would take its mount with it.
    [ -z "$(compgen -G "$(dirname "$(tracking_cgroup)")/kassette-*")" ] || return 0
    while read -r path; do
        rmdir "$path" 2>/dev/null || true
    done <"$cache/cluster.made-dirs"
    rm "$cache/cluster.made-dirs"
}

teardown() {
    # What is removed at the end must be ours.
    if [ -n "$(ls -A "$dir" 2>/dev/null)" ] && [ ! -e "$dir/.kassette-cluster" ]; then
        die "$dir is not empty and not a cluster's: KASSETTE_CLUSTER_DIR must name a folder of its own"
    fi
    kill_processes
    # The device goes with the namespace, which the kernel takes down in its own time.
    ip link delete "ks$id" 2>/dev/null || true
    unmount_all
    remove_cgroups
    remove_fixed_dirs
    rm -rf --one-file-system "$dir"
}
