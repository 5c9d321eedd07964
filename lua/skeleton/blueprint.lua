-- SPDX-License-Identifier: Apache-2.0
-- @NAME@: how it is made to hold still while its volumes are cut, and let go again.
--
-- Each function gets `run`, which does things (run:exec, run:session, run:get, …), and `app`, the
-- workload that is backed up (app:pod(), app:volumes(), …). What is left out here, Kassette does:
-- all volumes of the workload are cut at once.

-- The container to talk to; nil is the Pod's first.
local function container_of(run)
  return run.params.container ~= "" and run.params.container or nil
end

return {
  name = "@NAME@",
  summary = "@NAME@, held still while its volumes are cut",

  -- Which workloads it serves by itself; all that is given must hold. `image` is a regular
  -- expression. Any other workload asks for it: kassette.io/blueprint: @NAME@ (an annotation).
  match = { kind = "@KIND@", image = [[@IMAGE@]] },

  -- What people may change: kassette backup … --param container=main
  params = {
    container = { default = "", doc = "where commands run; left out, the Pod's first container" },
    timeout = { type = "duration", default = "10s", doc = "how long one command may take" },
  },

  -- How long the application may be frozen; beyond of it, it is let go, and the backup tried again.
  max_freeze = "20s",

  -- First in the freeze. The session stays open until post_hook closes it: what was taken in its
  -- connection (a lock, say) is given up by the application itself, should the engine die.
  pre_hook = function(run, app)
    local shell = run:session {
      pod = app:pod(), container = container_of(run), command = { "sh" },
      timeout = run.params.timeout,
    }
    run.frozen.shell = shell
    shell:ask("sync") -- instead of this: what makes @NAME@ write everything, and hold still
  end,

  -- Last in the freeze, and always, once pre_hook was attempted: it may find that pre_hook failed
  -- half-way, or ran in an engine that has died. Then run.frozen is empty.
  post_hook = function(run)
    local shell = run.frozen.shell
    if shell then
      shell:ask("echo thawed") -- instead of this: what lets @NAME@ go on
      shell:close()
    end
  end,

  -- Proves that a restored workload works.
  verify = function(run, app)
    run:exec {
      pod = app:pod(), container = container_of(run), command = { "true" },
      timeout = run.params.timeout,
    }
  end,
}
