# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Hooks by annotation: Velero's annotations on Pods, inside the same freeze.

freeze_command='["touch", "/v0/frozen"]'
thaw_command='["sh", "-c", "rm -f /v0/frozen; echo x >> /v0/thaws"]'

# annotate [POD] FIELD=VALUE...: annotations pre.hook.backup.velero.io/… and post.hook.… of a Pod
# (box-0), a pair of "pre/command=…" each.
hooks() {
    local pod=box-0 pair args=()
    case $1 in */*) ;; *) pod=$1 && shift ;; esac
    for pair in "$@"; do
        args+=("${pair%%/*}.hook.backup.velero.io/${pair#*/}")
    done
    kn annotate --overwrite pod "$pod" "${args[@]}" >/dev/null
}

thaws_of() { kn exec "$1" -- sh -c 'wc -l < /v0/thaws'; }

# on any cluster
test_hooks_of_a_pod() {
    start_box 2
    hooks "pre/command=$freeze_command" "post/command=$thaw_command"
    kassette backup "$ns" --dry-run >"$work/plan" || fail "dry run: status $?"
    cat "$work/plan"
    grep -Eq 'Pod/box-0 +velero-hooks +annotation' "$work/plan" || fail "the plan lacks the hooks"
    kn exec box-0 -- test ! -e /v0/thaws || fail "a dry run has run a hook"
    backup 0 --name b1
    box_writes
    phase_is b1 Succeeded
    thawed b1
    equal "times it was thawed" "$(thaws_of box-0)" 1
    equal "hooks" "$(run_field b1 '{range .status.attempts[*].hooks[*]}{.workload} {.hook}{"\n"}{end}' |
        grep Pod/)" "$(printf 'Pod/box-0 pre_hook\nPod/box-0 post_hook')"
    nothing_left b1 2
}

# on any cluster
test_hooks_pre_fails() {
    start_box 1
    hooks 'pre/command=["sh", "-c", "touch /v0/frozen; echo the disk is full >&2; exit 7"]' \
        "post/command=$thaw_command"
    backup 1 --name b1
    box_writes
    phase_is b1 Failed
    thawed b1
    says "$work/out" "Pod/box-0" "exit code 7" "the disk is full"
    equal "reason" "$(run_field b1 '{.status.reason}')" CommandFailed
    equal "times it was thawed" "$(thaws_of box-0)" 1
    nothing_left b1 0
}

# on any cluster
test_hooks_on_error_continue() {
    start_box 1
    hooks 'pre/command=["sh", "-c", "touch /v0/frozen; exit 7"]' pre/on-error=Continue \
        "post/command=$thaw_command"
    backup 0 --name b1
    box_writes
    says "$work/out" "on-error: Continue" "exit code 7"
    equal "times it was thawed" "$(thaws_of box-0)" 1
    nothing_left b1 1
}

# on any cluster
test_hooks_timeout() {
    start_box 1
    hooks 'pre/command=["sh", "-c", "touch /v0/frozen; sleep 600"]' pre/timeout=1s \
        "post/command=$thaw_command"
    backup 1 --name b1 --attempts 1
    box_writes
    phase_is b1 Failed
    thawed b1
    equal "reason" "$(run_field b1 '{.status.reason}')" CommandTimeout
    says "$work/out" "Pod/box-0" "not done after 1s" "a longer timeout"
    nothing_left b1 0
}

# What thaws is what the annotations said when the Run began.
test_hooks_engine_dies() {
    start_box 1
    hooks "pre/command=$freeze_command" "post/command=$thaw_command"
    set_faults cutDelayMs=10000
    backup_start --name b1
    eventually 60 "the freeze" output_has "the application is frozen"
    kn exec box-0 -- test -e /v0/frozen || fail "the application is not frozen"
    kill -KILL "$engine"
    wait "$engine" || true
    hooks "post/command=[\"false\"]"
    clear_faults
    kassette run b1 >"$work/second" 2>&1 || fail "the successor failed: $(cat "$work/second")"
    box_writes
    phase_is b1 Succeeded
    equal "attempts" "$(run_field b1 '{.status.attempts[*].state}')" "Abandoned Cut"
    equal "times it was thawed" "$(thaws_of box-0)" 2
    nothing_left b1 1
}

# The Pod's commands and the workload's blueprint, in one freeze.
# on any cluster
test_hooks_beside_a_blueprint() {
    start_box 1
    blueprint box <<'LUA'
return {
  name = "box",
  match = { kind = "StatefulSet", name = "^box$" },
  pre_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "touch", "/v0/by-blueprint" } }
  end,
  post_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "sh", "-c", "echo x >> /v0/blueprints" } }
  end,
}
LUA
    hooks "pre/command=$freeze_command" "post/command=$thaw_command"
    backup 0 --name b1 --blueprints "$work/blueprints"
    box_writes
    kn exec box-0 -- test -e /v0/by-blueprint || fail "the blueprint was not called"
    equal "times the blueprint thawed" "$(kn exec box-0 -- sh -c 'wc -l < /v0/blueprints')" 1
    equal "times the hook thawed" "$(thaws_of box-0)" 1
    nothing_left b1 1
}

planned() { # EXPECTED: the Pods whose hooks a backup would run
    shift 0
    kassette backup "$ns" "${@:2}" --dry-run >"$work/plan" || fail "dry run: $(cat "$work/plan")"
    equal "Pods with hooks" \
        "$(awk '$2 == "velero-hooks" {print $1}' "$work/plan" | sort | xargs)" "$1"
}

# on any cluster
test_hooks_of_some_pods() {
    box_replicas=3 start_box 1
    hooks box-0 pre/command=true
    hooks box-1 post/command=true
    planned "Pod/box-0 Pod/box-1"
    kn annotate pod box-1 kassette.io/exclude=true >/dev/null
    planned "Pod/box-0"
    kn annotate pod box-1 kassette.io/exclude- >/dev/null
    kn label pod box-0 velero.io/exclude-from-backup=true >/dev/null
    planned "Pod/box-1"
    kn label pod box-0 velero.io/exclude-from-backup- >/dev/null
    kn annotate pod box-0 kassette.io/blueprint=none >/dev/null
    planned "Pod/box-1"
    # The Pods of a workload that is selected, though they do not have its label.
    kn label statefulset box tier=data >/dev/null
    planned "Pod/box-1" --selector tier=data
    planned "Pod/box-1" --selector app=box
    kn annotate statefulset box kassette.io/blueprint=none >/dev/null
    planned ""
    kn annotate statefulset box kassette.io/blueprint=generic --overwrite >/dev/null
    planned "Pod/box-1"
    kn label statefulset box kassette.io/exclude=true >/dev/null
    planned ""
}

# on any cluster
test_hooks_that_are_misspelt() {
    start_box 1
    refused() { # HOOK TEXT...
        hooks pre/command=true "$1"
        backup 1 --name "b$((runs += 1))"
        says "$work/out" "Pod/$ns/box-0" "${@:2}"
        equal "reason" "$(run_field "b$runs" '{.status.reason}')" InvalidHook
        [ -z "$(run_field "b$runs" '{.status.attempts}')" ] || fail "it was frozen"
        kn annotate pod box-0 "${1%%/*}.hook.backup.velero.io/${1#*/}" >/dev/null 2>&1 || true
        kn annotate pod box-0 "$(cut -d= -f1 <<<"${1%%/*}.hook.backup.velero.io/${1#*/}")-" >/dev/null
    }
    local runs=0
    refused pre/on-error=continue "pre.hook.backup.velero.io/on-error" "Fail or Continue" "'continue'"
    refused pre/timeout=30 "pre.hook.backup.velero.io/timeout" "a duration such as" "'30'"
    refused pre/container=bx "pre.hook.backup.velero.io/container" "containers box" "'bx'"
    refused 'pre/command=["sleep", 5]' "pre.hook.backup.velero.io/command" "array of strings"
    refused post/comand=true "post.hook.backup.velero.io/comand" "did you mean"
}
