-- SPDX-License-Identifier: Apache-2.0
-- A database that is frozen by a command and stays so until another thaws it.

local function tell(app, verb)
  return { pod = app:pod(), command = { "/usr/bin/database", verb }, timeout = "6s" }
end

return {
  name = "locked",
  summary = "The database that hooks freeze and thaw",
  match = { kind = "StatefulSet", name = "^locked$" },

  pre_hook = function(run, app)
    run:exec(tell(app, "freeze"))
  end,

  post_hook = function(run, app)
    run:exec(tell(app, "thaw"))
  end,

  export = function(run)
    local said = run:task {
      image = "crash-database", command = { "/usr/bin/database", "task" },
      image_pull_policy = "Never", timeout = "20s",
    }
    run:artifact("said", said.output.said)
  end,
}
