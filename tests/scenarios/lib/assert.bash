# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# What scenarios assert with. Sourced by `scenario`.

k() { "$KASSETTE_KUBECTL" "$@"; }
kn() { k -n "$ns" "$@"; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# eventually SECONDS WHAT COMMAND...: until the command succeeds.
eventually() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "$what: not within $((SECONDS)) s: $*"
        sleep 0.2
    done
}

equal() { # WHAT FOUND EXPECTED
    [ "$2" = "$3" ] || fail "$1: expected '$3', found '$2'"
}

# says FILE TEXT...: the file holds each text.
says() {
    local file=$1 text
    shift
    for text in "$@"; do
        grep -qF -- "$text" "$file" || fail "expected '$text' in: $(cat "$file")"
    done
}

# A field of a Run: run_field NAME JSONPATH.
run_field() { kn get run "$1" -o "jsonpath=$2"; }

phase_is() { # RUN PHASE
    equal "phase of $1" "$(run_field "$1" '{.status.phase}')" "$2"
}

# backup EXPECTED-STATUS ARG...: runs `kassette backup $ns`, its output in $work/out.
backup() {
    local expected=$1 status=0
    shift
    kassette backup "$ns" "$@" >"$work/out" 2>&1 || status=$?
    cat "$work/out"
    equal "exit status of kassette backup $*" "$status" "$expected"
}

# backup_start ARG...: the same in the background; $engine is its process.
backup_start() {
    kassette backup "$ns" "$@" >"$work/out" 2>&1 &
    engine=$!
}

engine_ends() { # EXPECTED-STATUS
    local status=0
    wait "$engine" || status=$?
    cat "$work/out"
    equal "exit status of the engine" "$status" "$1"
}

output_has() { grep -qF -- "$1" "$work/out"; }

# Nothing of a run is left but the Run itself and, with SNAPSHOTS given, that many snapshots.
nothing_left() { # RUN SNAPSHOTS
    local list
    list=$(kn get volumesnapshots -l "kassette.io/run=$1" -o name | wc -l)
    equal "VolumeSnapshots of $1" "$list" "$2"
    # The controller takes those of snapshots that are gone, where a driver is at work when that is.
    eventually 60 "$2 VolumeSnapshotContents of $ns" contents_are "$2"
    list=$(kn get leases -o name | grep -c "run-$1\$" || true)
    equal "Leases of $1" "$list" 0
    list=$(kn get pods -l "kassette.io/run=$1,kassette.io/step" -o name | wc -l)
    equal "Pods of $1" "$list" 0
}

contents_of() { # NAMESPACE
    k get volumesnapshotcontents -o \
        "jsonpath={range .items[?(@.spec.volumeSnapshotRef.namespace==\"$1\")]}{.metadata.name}{\"\n\"}{end}"
}
contents_are() { [ "$(contents_of "$ns" | wc -l)" = "$1" ]; } # COUNT

# At the end of a scenario: its restore points with their snapshots, which outlive its namespace;
# where other scenarios have theirs in the same one, those that are named after this scenario. One
# that cannot be deleted keeps no namespace.
forget_points() {
    local points point
    points=$(k -n "$KASSETTE_NAMESPACE" get restorepoints -o 'jsonpath={.items[*].metadata.name}')
    for point in $points; do
        if [ "$KASSETTE_NAMESPACE" = kassette ] && [[ $point != "$ns" && $point != "$ns-"* ]]; then
            continue
        fi
        timeout 30 kassette delete point -y "$point" >/dev/null 2>&1 ||
            k -n "$KASSETTE_NAMESPACE" patch restorepoint "$point" --type merge \
                -p '{"metadata":{"finalizers":null}}' >/dev/null 2>&1 || true
    done
}

# The freeze of the last attempt is over, and the Run says so.
thawed() { # RUN
    equal "condition Thawed of $1" \
        "$(run_field "$1" '{.status.conditions[?(@.type=="Thawed")].status}')" True
}

# set_faults KEY=VALUE...: of the storage, see ../README.md; for the volumes of this scenario, or of
# one of its claims where KEY begins with its namespace.
set_faults() {
    local pair keys=()
    for pair in "$@"; do
        case $pair in
        "$ns".*) keys+=("$pair") ;;
        *) keys+=("$ns.$pair" "$ns-copy.$pair") ;;
        esac
    done
    set_faults_of_all "${keys[@]}"
}

# For the whole cluster; the scenario is one that is played alone.
set_faults_of_all() {
    clear_faults
    k -n kube-system create configmap dircsi-faults >/dev/null 2>&1 || true
    patch_faults "$(jq -n '[$ARGS.positional[] | capture("^(?<key>[^=]*)=(?<value>.*)")] | from_entries' \
        --args "$@")"
}

# This scenario's, and those of all, which no other scenario has now.
clear_faults() {
    local own
    own=$(k -n kube-system get configmap dircsi-faults --ignore-not-found -o json |
        jq -c --arg ns "$ns" '.data // {} | with_entries(select(.key |
            startswith($ns + ".") or startswith($ns + "-copy.") or (contains(".") | not)) | .value = null)')
    case $own in
    '' | '{}') ;;
    *) patch_faults "$own" ;;
    esac
}

patch_faults() { # DATA
    k -n kube-system patch configmap dircsi-faults --type merge -p "{\"data\":$1}" >/dev/null
}

show_state() {
    echo "---- the state at the end"
    kn get runs,pods,pvc,volumesnapshots,leases,jobs 2>&1
    k get volumesnapshotcontents -o json 2>/dev/null |
        jq -c --arg ns "$ns" '.items[] | select(.spec.volumeSnapshotRef.namespace == $ns) |
            [.metadata.name, .metadata.labels, .metadata.deletionTimestamp, .spec.deletionPolicy]' || true
    kn get runs -o yaml 2>&1 | sed -n '/^  status:/,$p' | head -150
    [ ! -e "${KASSETTE_STORAGE_LOG:-}" ] || tail -n 20 "$KASSETTE_STORAGE_LOG"
}
