-- SPDX-License-Identifier: Apache-2.0
-- Velero's backup hooks: the commands in the annotations of a Pod. The engine binds it to each Pod
-- that has them, and gives it what they said when the run began: a thaw does not depend on what
-- becomes of them later.

-- The most that run:exec takes; what a hook says is nobody's business unless it fails.
local OUTPUT_BYTES = 16 * 1024 * 1024

-- Failures of the command itself. All others are those of the way to it, which is not what
-- "on-error: Continue" is about: a post-hook that nobody heard is tried again.
local OWN = {
  CommandFailed = true, CommandNotRun = true, CommandTimeout = true, LimitExceeded = true,
}

local function pod_of(run, app)
  return run:get { kind = "Pod", name = app.name }
end

local function run_hook(run, app, when)
  local command, on_error = run.params[when .. "_command"], run.params[when .. "_on_error"]
  if #command == 0 then
    return
  end
  local container = run.params[when .. "_container"]
  local ok, failure = pcall(run.exec, run, {
    pod = app.name, container = container ~= "" and container or nil, command = command,
    timeout = run.params[when .. "_timeout"], max_output = OUTPUT_BYTES,
    -- The Pod may have a blueprint of its own besides, whose steps are counted apart.
    step = "velero-" .. when,
  })
  if ok then
    return
  end
  if on_error == "Continue" and type(failure) ~= "string" and OWN[failure.reason] then
    pod_of(run, app) -- fails where it was the cluster that did not answer in time
    run:log("the %s-hook of Pod/%s failed, which on-error: Continue allows: %s", when, app.name,
      failure.message)
    return
  end
  error(failure, 0)
end

-- A Pod that has ended, or whose place another has taken that does not run yet, holds no process
-- that could hold still.
local function check_alive(run, app)
  local pod = pod_of(run, app)
  local phase = pod and pod.status and pod.status.phase
  local is_same = pod and (run.params.uid == "" or pod.metadata.uid == run.params.uid)
  local is_over = phase == "Succeeded" or phase == "Failed"
  if not pod or is_over or (not is_same and phase ~= "Running") then
    run:fail(("Pod/%s/%s went away while it was frozen (it is %s now)"):format(app.namespace,
      app.name, pod and is_same and phase or "gone"), {
      reason = "NoPods", hint = "make the backup again when the application is at rest",
    })
  end
end

return {
  name = "velero-hooks",
  summary = "Velero's backup hooks: the commands in the annotations of Pods",
  params = {
    uid = { default = "", doc = "which Pod of that name it was" },
    pre_command = { type = "list", default = {}, doc = "what freezes; left out, nothing" },
    pre_container = { default = "", doc = "where pre_command runs" },
    pre_on_error = { default = "Fail", enum = { "Fail", "Continue" } },
    pre_timeout = { type = "duration", default = "30s", doc = "how long pre_command may take" },
    post_command = { type = "list", default = {}, doc = "what thaws; left out, nothing" },
    post_container = { default = "", doc = "where post_command runs" },
    post_on_error = { default = "Fail", enum = { "Fail", "Continue" } },
    post_timeout = { type = "duration", default = "30s", doc = "how long post_command may take" },
  },

  pre_hook = function(run, app)
    if app.kind ~= "Pod" then
      run:fail("velero-hooks serves Pods with annotations, not a " .. app.kind, {
        hint = "take the annotation kassette.io/blueprint away: Pods are found without it",
      })
    end
    run_hook(run, app, "pre")
  end,

  post_hook = function(run, app)
    if app.kind ~= "Pod" or #run.params.post_command == 0 then
      return
    end
    check_alive(run, app)
    run_hook(run, app, "post")
  end,
}
