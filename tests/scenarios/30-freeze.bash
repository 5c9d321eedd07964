# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Thaw is a promise: whatever goes wrong in the freeze, the application runs on afterwards.

# A pre-hook that cuts and post-hooks that count, for three workloads of which the second fails.
# on any cluster
test_second_of_three_pre_hooks_fails() {
    local name
    start_box 1
    for name in one two three; do
        kn get statefulset box -o json | jq "
            del(.metadata.uid, .metadata.resourceVersion, .status) |
            .metadata.name = \"$name\" | .spec.selector.matchLabels.app = \"$name\" |
            .spec.template.metadata.labels.app = \"$name\"" | kn apply -f - >/dev/null
    done
    for name in one two three; do ready "$name"; done
    blueprint trio <<'LUA'
return {
  name = "trio",
  match = { kind = "StatefulSet", name = "^(one|two|three)$" },
  pre_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "touch", "/v0/frozen" } }
    if app.name == "two" then
      run:exec { pod = app:pod(), command = { "sh", "-c", "echo the disk is full >&2; exit 7" } }
    end
  end,
  post_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "sh", "-c", "rm -f /v0/frozen; echo x >> /v0/thaws" } }
  end,
}
LUA
    backup 1 --name b1 --blueprints "$work/blueprints"
    for name in one two three; do
        kn exec "$name-0" -- test ! -e /v0/frozen || fail "$name is still frozen"
        equal "times $name was thawed" "$(kn exec "$name-0" -- sh -c 'wc -l < /v0/thaws')" 1
    done
    phase_is b1 Failed
    thawed b1
    nothing_left b1 0
    says "$work/out" "StatefulSet/two" "exit code 7" "the disk is full"
    equal "reason" "$(run_field b1 '{.status.reason}')" CommandFailed
    [ -n "$(run_field b1 '{.status.message}')" ] || fail "the Run has no message"
}

test_cut_takes_longer_than_max_freeze() {
    start_box 2
    freezing_blueprint
    set_faults "$ns.v1-box-0.cutDelayMs=8000"
    backup 1 --name b1 --blueprints "$work/blueprints" --max-freeze 2s --attempts 2
    box_writes
    phase_is b1 Failed
    thawed b1
    kassette describe b1 >"$work/described"
    says "$work/described" "Started" "AttemptAbandoned" "Thawed" "max_freeze"
    equal "attempts" "$(run_field b1 '{.status.attempts[*].state}')" "Abandoned Abandoned"
    equal "times the application was thawed" "$(kn exec box-0 -- sh -c 'wc -l < /v0/thaws')" 2
    equal "reason" "$(run_field b1 '{.status.reason}')" FreezeTimeout
    says "$work/out" "v1-box-0" "max_freeze"
    clear_faults
    nothing_left b1 0
}

test_application_never_thaws_late() {
    local frozen_ms
    start_box 1
    freezing_blueprint
    set_faults readyDelayMs=6000
    backup 0 --name b1 --blueprints "$work/blueprints"
    frozen_ms=$(run_field b1 '{.status.freeze.durationMs}')
    # The snapshot is ready after 6 s, and the application did not wait for that.
    [ "$frozen_ms" -lt 6000 ] || fail "it was frozen for $frozen_ms ms"
    nothing_left b1 1
}

test_terminated_in_the_freeze() {
    start_box 1
    freezing_blueprint
    set_faults cutDelayMs=6000
    backup_start --name b1 --blueprints "$work/blueprints"
    eventually 60 "the freeze" output_has "the application is frozen"
    kill -TERM "$engine"
    engine_ends 130
    box_writes
    phase_is b1 Cancelled
    thawed b1
    clear_faults
    nothing_left b1 0
}

test_cancelled_in_the_freeze() {
    start_box 1
    freezing_blueprint
    set_faults cutDelayMs=6000
    backup_start --name b1 --blueprints "$work/blueprints"
    eventually 60 "the freeze" output_has "the application is frozen"
    kassette cancel b1 || fail "kassette cancel: status $?"
    engine_ends 130
    box_writes
    phase_is b1 Cancelled
    nothing_left b1 0
}

# alone: the API server is everybody's.
test_api_server_restarts_in_the_freeze() {
    start_box 2
    freezing_blueprint
    set_faults cutDelayMs=3000
    backup_start --name b1 --blueprints "$work/blueprints"
    eventually 60 "the freeze" output_has "the application is frozen"
    "$KASSETTE_RESTART_APISERVER" --down 2 >/dev/null
    engine_ends 0
    box_writes
    phase_is b1 Succeeded
    thawed b1
    nothing_left b1 2
}

# alone, as that one.
test_api_server_away_until_after_max_freeze() {
    start_box 1
    freezing_blueprint
    set_faults cutDelayMs=4000
    backup_start --name b1 --blueprints "$work/blueprints" --max-freeze 6s --attempts 1
    eventually 60 "the freeze" output_has "the application is frozen"
    "$KASSETTE_RESTART_APISERVER" --down 8 >/dev/null
    engine_ends 1
    box_writes
    phase_is b1 Failed
    thawed b1
    clear_faults
    nothing_left b1 0
}

test_two_engines_for_one_run() {
    local other=0
    start_box 1
    freezing_blueprint
    set_faults cutDelayMs=10000
    backup_start --name b1 --blueprints "$work/blueprints"
    eventually 60 "the freeze" output_has "the application is frozen"
    kassette run b1 >"$work/second" 2>&1 || other=$?
    cat "$work/second"
    equal "exit status of the second engine" "$other" 4
    says "$work/second" "Lease/$ns/run-b1" "hint:"
    engine_ends 0
    phase_is b1 Succeeded
    equal "attempts" "$(run_field b1 '{.status.attempt}')" 1
    nothing_left b1 1
}

# on any cluster
test_hook_hangs() {
    start_box 1
    blueprint box <<'LUA'
return {
  name = "box",
  match = { kind = "StatefulSet", name = "^box$" },
  pre_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "sh", "-c", "touch /v0/frozen; sleep 600" } }
  end,
  post_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "rm", "-f", "/v0/frozen" } }
  end,
}
LUA
    backup 1 --name b1 --blueprints "$work/blueprints" --max-freeze 2s --attempts 1
    box_writes
    phase_is b1 Failed
    thawed b1
    equal "reason" "$(run_field b1 '{.status.reason}')" FreezeTimeout
    says "$work/out" "max_freeze" "pre_hook"
    nothing_left b1 0
}

# What cannot be thawed is said before anything else.
# on any cluster
test_post_hook_fails() {
    start_box 1
    blueprint box <<'LUA'
return {
  name = "box",
  match = { kind = "StatefulSet", name = "^box$" },
  pre_hook = function() end,
  post_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "sh", "-c", "echo stuck valve >&2; exit 3" } }
  end,
}
LUA
    backup 1 --name b1 --blueprints "$work/blueprints"
    phase_is b1 Failed
    equal "reason" "$(run_field b1 '{.status.reason}')" ThawFailed
    equal "condition Thawed" \
        "$(run_field b1 '{.status.conditions[?(@.type=="Thawed")].status}')" False
    says "$work/out" "may still be frozen" "stuck valve" "hint:"
    nothing_left b1 0
}

# An engine that was stopped, and has lost its Run meanwhile, does no more to it.
test_stopped_engine_does_not_come_back() {
    local version status=0
    start_box 1
    freezing_blueprint
    set_faults cutDelayMs=8000
    backup_start --name b1 --blueprints "$work/blueprints"
    eventually 60 "the freeze" output_has "the application is frozen"
    kill -STOP "$engine"
    clear_faults
    kassette run b1 >"$work/second" 2>&1 || fail "the successor failed: $(cat "$work/second")"
    phase_is b1 Succeeded
    version=$(run_field b1 '{.metadata.resourceVersion}')
    kill -CONT "$engine"
    wait "$engine" || status=$?
    cat "$work/out"
    equal "exit status of the engine that was stopped" "$status" 4
    equal "the Run's version" "$(run_field b1 '{.metadata.resourceVersion}')" "$version"
    box_writes
    equal "attempts" "$(run_field b1 '{.status.attempts[*].state}')" "Abandoned Cut"
    nothing_left b1 1
}
