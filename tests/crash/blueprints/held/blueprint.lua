-- SPDX-License-Identifier: Apache-2.0
-- A database that is frozen as long as a connection holds its lock.

return {
  name = "held",
  summary = "The database that a session freezes",
  match = { kind = "StatefulSet", name = "^held$" },

  pre_hook = function(run, app)
    local db = run:session {
      pod = app:pod(), command = { "/usr/bin/database", "session" }, timeout = "6s",
    }
    db:send("lock\n")
    db:expect("locked\n")
    run.frozen.db = db
  end,

  post_hook = function(run, app)
    local db = run.frozen.db
    if db then
      db:send("unlock\n")
      db:expect("unlocked\n")
      db:close()
    else -- an engine that stands still may hold a connection yet
      run:exec { pod = app:pod(), command = { "/usr/bin/database", "release" }, timeout = "6s" }
    end
  end,
}
