# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# What blueprints can do, on a real cluster; and where they come from.

# on any cluster
test_functions_of_a_blueprint() {
    box_replicas=2 start_box 1
    blueprint box <<'LUA'
local function equal(what, found, expected)
  if found ~= expected then
    error(("%s: expected %s, found %s"):format(what, tostring(expected), tostring(found)), 2)
  end
end

return {
  name = "box",
  match = { kind = "StatefulSet", name = "^box$" },
  params = { who = "nobody", count = { type = "integer", default = 1 }, image = "none" },
  actions = {
    all = function(run, app)
      equal("who", run.params.who, "me")
      equal("count", run.params.count + 1, 6)
      equal("Pods", #app:pods(), 2)
      equal("workload", app:workload().metadata.name, "box")

      local names = run:exec_all { command = { "hostname" } }
      equal("first Pod", names["box-0"].stdout, "box-0\n")
      equal("second Pod", names["box-1"].stdout, "box-1\n")
      local echo = run:exec { pod = "box-1", command = { "head", "-c", "5" }, input = "hello" }
      equal("input", echo.stdout, "hello")
      local odd = run:exec {
        pod = app:pod(), command = { "sh", "-c", "echo oh >&2; exit 3" }, check = false,
      }
      equal("exit code", odd.code, 3)
      equal("stderr", odd.stderr, "oh\n")
      local ok, message = pcall(run.exec, run, { pod = app:pod(), command = { "false" } })
      equal("a command that fails", ok, false)
      equal("its message", tostring(message):find("exit code 1", 1, true) ~= nil, true)

      run:apply {
        apiVersion = "v1", kind = "ConfigMap",
        metadata = { name = "notes", labels = { of = "test" } }, data = { a = "1" },
      }
      run:patch { kind = "configmap", name = "notes", patch = { data = { b = "2" } } }
      local map = run:get { kind = "ConfigMap", name = "notes" }
      equal("applied", map.data.a, "1")
      equal("patched", map.data.b, "2")
      equal("listed", #run:list { kind = "configmaps", selector = "of=test" }, 1)
      run:wait { kind = "configmap", name = "notes", path = "data.b", value = "2" }
      run:delete { kind = "configmap", name = "notes", wait = true }
      equal("deleted", run:get { kind = "configmap", name = "notes" }, nil)

      run:scale { replicas = 1 }
      equal("scaled", app:workload().spec.replicas, 1)
      run:wait { kind = "pod", name = "box-0", condition = "Ready" }

      local task = run:task {
        image = run.params.image,
        command = { "sh", "-c",
          [[echo '###Phase-output###: {"key":"colour","value":"'"$COLOUR"'"}'; echo done]] },
        env = { COLOUR = "green" },
      }
      equal("output of the task", task.output.colour, "green")

      local both = run:parallel {
        function() run:sleep("50ms") return "a" end,
        function() return "b" end,
      }
      equal("parallel", table.concat(both), "ab")

      local sh = run:session { pod = app:pod(), command = { "sh" } }
      equal("session", sh:ask("echo one; echo two"), "one\ntwo")
      sh:send("echo x=42\n")
      equal("expected", sh:expect("x=(%d+)"), "42")
      sh:close()

      run:artifact("result", "all is well")
      run:log("%d things tried", 20)
    end,
    fails = function(run)
      run:fail("the moon is not full", { reason = "WrongMoon", hint = "wait for it" })
    end,
  },
}
LUA
    backup 0 --name all --blueprints "$work/blueprints" --action all --param who=me \
        --param count=5 --param "image=${KASSETTE_TEST_IMAGE:-kassette.test/busybox:1.35}"
    equal "artifact" "$(kn get run all -o json | jq -r '.status.artifacts["StatefulSet/box.result"]')" \
        "all is well"
    nothing_left all 0
    backup 1 --name fails --blueprints "$work/blueprints" --action fails
    says "$work/out" "the moon is not full" "hint: wait for it"
    equal "reason" "$(run_field fails '{.status.reason}')" WrongMoon
    backup 1 --name none --blueprints "$work/blueprints" --action nothing
    says "$work/out" "nothing"
}

# A step that has ended is not executed again by who resumes the run.
test_finished_steps_are_remembered() {
    start_box 1
    blueprint box <<'LUA'
return {
  name = "box",
  match = { kind = "StatefulSet", name = "^box$" },
  actions = {
    work = function(run, app)
      local first = run:exec {
        pod = app:pod(), command = { "sh", "-c", "echo x >> /v0/first; echo 7" },
      }
      run:exec {
        pod = app:pod(),
        command = { "sh", "-c", "echo x >> /v0/second; until [ -e /v0/go ]; do sleep 0.1; done" },
      }
      run:artifact("first", first.stdout)
    end,
  },
}
LUA
    backup_start --name b1 --blueprints "$work/blueprints" --action work
    eventually 60 "the second step" kn exec box-0 -- test -e /v0/second
    kill -9 "$engine"
    kn exec box-0 -- touch /v0/go
    kassette run b1 || fail "the successor failed"
    phase_is b1 Succeeded
    equal "times of the first step" "$(kn exec box-0 -- sh -c 'wc -l < /v0/first')" 1
    equal "times of the second step" "$(kn exec box-0 -- sh -c 'wc -l < /v0/second')" 2
    equal "artifact" "$(kn get run b1 -o json | jq -r '.status.artifacts["StatefulSet/box.first"]')" 7
}

# Credentials of the repository are in a Secret; a resumed run uses the commit it began with.
test_blueprints_from_a_private_repository() {
    start_box 1
    freezing_blueprint
    git_options=(--user "robot:s3same-0pen")
    serve_blueprints
    kn create secret generic repository --from-literal=username=robot \
        --from-literal=password=s3same-0pen >/dev/null
    backup 0 --name b1 --source "$git_url" --source-secret repository
    equal "commit" "$(run_field b1 '{.status.source.commit}')" "$git_commit"
    kn get run b1 -o yaml >"$work/run"
    ! grep -q s3same "$work/run" "$work/out" || fail "the password is told"
    kn delete secret repository >/dev/null
    backup 1 --name b2 --source "$git_url"
    says "$work/out" "hint:"
    box_writes
}

# on any cluster
test_output_formats() {
    start_box 1
    freezing_blueprint
    backup 0 --name b1 --blueprints "$work/blueprints" -o json
    equal "phase in JSON" "$(jq -r .status.phase "$work/out")" Succeeded
    equal "a list in JSON" "$(kassette get -o json | jq -r '.items[0].metadata.name')" b1
    equal "names" "$(kassette get runs -o name)" run.kassette.io/b1
    kassette get b1 -o yaml | k apply --dry-run=client -f - -o name >"$work/yaml"
    says "$work/yaml" "run.kassette.io/b1"
    kassette get -o wide >"$work/wide"
    says "$work/wide" "ATTEMPT" "b1" "Succeeded"
    kassette get -n nowhere 2>"$work/none"
    says "$work/none" "No Runs found"
    kassette describe b1 >"$work/described"
    says "$work/described" "Freeze:" "v0-box-0" "pre_hook" "Started"
    kassette backup "$ns" --blueprints "$work/blueprints" --dry-run -o json >"$work/plan"
    equal "a plan in JSON" "$(jq -r '.status.volumes[0].claim' "$work/plan")" v0-box-0
    kassette blueprint show postgresql >"$work/shown"
    says "$work/shown" "PARAMETER" "timeout"
}
