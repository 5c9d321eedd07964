# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# What every script of the cluster shares: where things are, how a daemon is started and found
# again. Sourced, with `here` set to the folder of the scripts.
#
# A cluster is one directory ($dir) and one cgroup named after it ($name). Everything that runs is
# in that cgroup, so a run that was killed hard is found and ended by it, without any guess by name.

dir=${KASSETTE_CLUSTER_DIR:-/tmp/kassette-cluster-$UID}
case $dir in
/*) ;;
*) dir=$PWD/$dir ;;
esac
cache=${KASSETTE_CACHE:-$HOME/.cache/kassette}
id=$(printf '%s' "$dir" | sha256sum)
id=${id:0:8}
name=kassette-$id
PATH=$PATH:/usr/sbin:/sbin
export PATH

service_ip=10.0.0.1
node_name=kassette

say() { printf 'cluster: %s\n' "$*"; }

die() {
    printf 'cluster: %s\n' "$*" >&2
    exit 1
}

need_root() {
    [ "$UID" = 0 ] || die "must run as root: it makes network namespaces, mounts and cgroups"
}

# The directory goes into sockets' names (107 bytes), configuration and scripts.
case $dir in
*[!A-Za-z0-9/._+-]*) die "KASSETTE_CLUSTER_DIR is '$dir': only letters, digits and /._+- may be in it" ;;
esac
[ "${#dir}" -le 80 ] || die "KASSETTE_CLUSTER_DIR is longer than 80 characters: $dir"

# One script at a time, whichever cluster it is about: they share the choice of addresses and the
# build of images. Daemons must not inherit the descriptor, see launch().
take_lock() {
    mkdir -p "$cache"
    exec 9>"$cache/cluster.lock"
    flock 9
}

# programs: sets $bin to the folder of the Kubernetes programs and $etcd to etcd. Those of
# KUBEBUILDER_ASSETS win where they are complete; setup-envtest's folder, which has no kubelet,
# cannot run a node.
find_programs() {
    local program missing=""
    bin=$cache/kubernetes/bin
    etcd=/usr/bin/etcd
    [ -n "${KUBEBUILDER_ASSETS:-}" ] || return 0
    for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl; do
        [ -x "$KUBEBUILDER_ASSETS/$program" ] || missing="$missing $program"
    done
    if [ -n "$missing" ]; then
        say "KUBEBUILDER_ASSETS lacks$missing: using Kubernetes from $bin"
    else
        bin=$KUBEBUILDER_ASSETS
    fi
    [ ! -x "$KUBEBUILDER_ASSETS/etcd" ] || etcd=$KUBEBUILDER_ASSETS/etcd
}

kubectl() { "$dir/bin/kubectl" --kubeconfig "$dir/kubeconfig" "$@"; }

# await SECONDS WHAT COMMAND...: until the command succeeds; dies naming WHAT.
await() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || die "$what: not there in time; see the logs in $dir/logs"
        sleep 0.1
    done
}

# The moment a process started, in clock ticks: with the number it names a process for good. One
# that ended is not there, even before its parent has taken notice.
started_at() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # After the name, which may hold anything: state is the first field, the start the 20th.
    read -ra fields <<<"${stat##*) }"
    [ "${fields[0]}" != Z ] && printf '%s\n' "${fields[19]}"
}

# alive NAME: whether the daemon of that name, recorded in $dir/pids, still runs.
alive() {
    local pid start
    [ -e "$dir/pids/$1" ] || return 1
    read -r pid start <"$dir/pids/$1"
    [ "$(started_at "$pid")" = "$start" ]
}

pid_of() {
    local pid
    read -r pid _ <"$dir/pids/$1"
    printf '%s\n' "$pid"
}

# launch NAME COMMAND...: starts a daemon in the cluster's cgroup, its output in $dir/logs, and
# records its process.
launch() {
    local daemon=$1 pid
    shift
    (
        echo "$BASHPID" >"$(tracking_cgroup)/daemons/cgroup.procs"
        exec 9>&-
        exec setsid "$@"
    ) </dev/null >>"$dir/logs/$daemon" 2>&1 &
    pid=$!
    disown "$pid"
    printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$dir/pids/$daemon"
}

# run_script NAME ARG...: leaves $dir/run/NAME, a script that runs the command inside the node's
# namespaces (`launch NAME $dir/run/NAME` starts it, and so does a restart).
run_script() {
    local script=$dir/run/$1
    shift
    {
        printf '#!/bin/sh\nexec nsenter --net=/proc/%s/ns/net --mount=/proc/%s/ns/mnt' \
            "$(pid_of node)" "$(pid_of node)"
        printf " \\\\\n    '%s'" "$@"
        printf '\n'
    } >"$script"
    chmod +x "$script"
}

in_node() {
    nsenter --net="/proc/$(pid_of node)/ns/net" --mount="/proc/$(pid_of node)/ns/mnt" "$@"
}

# Where cgroups are mounted: every v1 hierarchy, or the one of v2.
cgroup_roots() {
    awk '$3 == "cgroup" {print $2; v1 = 1} $3 == "cgroup2" {v2 = $2} END {if (!v1) print v2}' \
        /proc/mounts
}

# The cgroup by which the cluster's processes are found.
tracking_cgroup() {
    if [ -d /sys/fs/cgroup/pids ]; then
        printf '/sys/fs/cgroup/pids/%s\n' "$name"
    else
        printf '/sys/fs/cgroup/%s\n' "$name"
    fi
}
