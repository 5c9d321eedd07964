# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Blueprints that mean harm, or are broken: each fails its own run, and soon; the run of another
# blueprint in the same process is not touched.

# hostile NAME TEXT: what TEXT does at the top of a pre_hook fails its run, beside a good one.
# A third argument is expected in the message.
hostile() {
    local name=$1 code=$2 expected=$3 status=0 started ended
    mkdir -p "$work/h/$name"
    cat >"$work/h/$name/blueprint.lua" <<LUA
return {
  name = "$name",
  match = { kind = "StatefulSet", name = "^box\$" },
  pre_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "touch", "/v0/frozen" } }
    $code
  end,
  post_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "rm", "-f", "/v0/frozen" } }
  end,
}
LUA
    make_run "bad-$name" "$name" box
    make_run "good-$name" good other
    started=${EPOCHREALTIME/./}
    timeout 30 kassette run "bad-$name" "good-$name" >"$work/out" 2>&1 ||
        status=$?
    ended=${EPOCHREALTIME/./}
    equal "$name: exit status" "$status" 1
    equal "$name: phase" "$(run_field "bad-$name" '{.status.phase}')" Failed
    equal "$name: phase of the run beside it" "$(run_field "good-$name" '{.status.phase}')" Succeeded
    run_field "bad-$name" '{.status.message}' >"$work/message"
    says "$work/message" "$expected"
    kn exec box-0 -- test ! -e /v0/frozen || fail "$name: the application is still frozen"
    echo "$name: $(((ended - started) / 1000)) ms: $(cat "$work/message")"
}

make_run() { # NAME BLUEPRINT STATEFULSET
    kn annotate --overwrite statefulset "$3" "kassette.io/blueprint=$2" >/dev/null
    kn apply -f - >/dev/null <<YAML
apiVersion: kassette.io/v1alpha1
kind: Run
metadata: {name: $1}
spec: {action: backup, application: {namespace: $ns, selector: app=$3}, attempts: 1, source: {directory: $work/h}}
YAML
}

# on any cluster
test_hostile_blueprints() {
    start_box 1
    kn get statefulset box -o json | jq 'del(.metadata.uid, .metadata.resourceVersion, .status) |
        .metadata.name = "other" | .metadata.labels.app = "other" |
        .spec.selector.matchLabels.app = "other" | .spec.template.metadata.labels.app = "other" |
        .spec.volumeClaimTemplates[0].metadata.labels.app = "other"' | kn apply -f - >/dev/null
    ready other
    blueprint_good
    hostile loop "while true do end" "without waiting"
    hostile loop-in-pcall "while true do pcall(function() while true do end end) end" "without waiting"
    hostile pattern "string.find(('a'):rep(60), ('a*'):rep(12) .. '[bc]')" "pattern"
    hostile rep "local s = ('x'):rep(8 * 1024 * 1024 * 1024)" "too large"
    hostile tables "local t = {} for i = 1, 1e9 do t[i] = { i } end" "memory"
    hostile recursion "local function f() return 1 + f() end f()" "memory"
    hostile gc "setmetatable({}, { __gc = function() error('boo') end })" "__gc"
    hostile bytecode "load(string.char(27) .. 'Lua')()" ""
    hostile metatable "getmetatable('').__index = nil" ""
    hostile path "require('../../../../etc/passwd')" "require"
    hostile io "io.open('/etc/passwd')" "io"
    hostile coroutine "coroutine.wrap(function() while true do end end)()" "without waiting"
}

blueprint_good() {
    mkdir -p "$work/h/good"
    cat >"$work/h/good/blueprint.lua" <<'LUA'
return {
  name = "good",
  match = { kind = "StatefulSet", name = "^other$" },
  pre_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "touch", "/v0/frozen" } }
    run:sleep("200ms")
  end,
  post_hook = function(run, app)
    run:exec { pod = app:pod(), command = { "rm", "-f", "/v0/frozen" } }
  end,
}
LUA
}
