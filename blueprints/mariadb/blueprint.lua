-- SPDX-License-Identifier: Apache-2.0
-- MariaDB and MySQL: a global lock is held by a connection of ours while the volumes are cut, so
-- that no commit falls between two of them.

-- "$1" user. The password, where one is needed, stays in the Pod: the variables are those of the
-- usual images.
local CLIENT = [[
MYSQL_PWD="${MYSQL_PWD:-}"
for value in "${MARIADB_ROOT_PASSWORD:-}" "${MYSQL_ROOT_PASSWORD:-}"; do
  [ -n "$MYSQL_PWD" ] || MYSQL_PWD="$value"
done
for file in "${MARIADB_ROOT_PASSWORD_FILE:-}" "${MYSQL_ROOT_PASSWORD_FILE:-}"; do
  if [ -z "$MYSQL_PWD" ] && [ -n "$file" ] && [ -r "$file" ]; then MYSQL_PWD=$(cat "$file"); fi
done
if [ -n "$MYSQL_PWD" ]; then export MYSQL_PWD; else unset MYSQL_PWD; fi
client=$(command -v mariadb || command -v mysql) || {
  echo "there is no mariadb and no mysql client in this container" >&2
  exit 127
}
exec "$client" --no-defaults --batch --skip-column-names --unbuffered --raw \
  --connect-timeout=10 --user="$1"]]

local function container_of(run, pod)
  if run.params.container ~= "" then
    return run.params.container
  end
  for _, container in ipairs(pod.containers) do
    if container.image:find("mariadb", 1, true) or container.image:find("mysql", 1, true) then
      return container.name
    end
  end
  return pod.containers[1].name
end

-- A name that only our connection holds, so that a successor can find it.
local function lock_name(run)
  return "kassette-" .. run.id
end

local function connect(run, pod)
  local db = run:session {
    pod = pod.name, container = container_of(run, pod),
    command = { "sh", "-c", CLIENT, "mariadb", run.params.user },
    marker = "SELECT '%s';\n", timeout = run.params.timeout,
  }
  -- Should nobody end this client, the server does: the lock never outlives this by much.
  db:ask(("SET SESSION wait_timeout = %d, SESSION interactive_timeout = %d, "
    .. "SESSION lock_wait_timeout = %d;"):format(run.params.hold, run.params.hold,
    run.params.lock_wait))
  return db
end

local function ready_pods(app)
  local ready = {}
  for _, pod in ipairs(app:pods()) do
    if pod.ready then
      ready[#ready + 1] = pod
    end
  end
  if #ready == 0 then
    app:pod() -- fails, and says why no Pod is ready
  end
  return ready
end

-- Ends connections that an engine that died may have left, and with them their locks.
local function release(run, app)
  for _, pod in ipairs(ready_pods(app)) do
    local db = connect(run, pod)
    local id = db:ask(("SELECT IS_USED_LOCK('%s');"):format(lock_name(run)))
    if id:match("^%d+$") then
      db:ask(("KILL %s;"):format(id))
      run:log("%s: ended connection %s, which held the lock", pod.name, id)
    end
    db:close()
  end
end

local function lock(run, db)
  if db:ask(("SELECT GET_LOCK('%s', 0);"):format(lock_name(run))) ~= "1" then
    run:fail("another connection holds the lock " .. lock_name(run), { reason = "LockHeld" })
  end
  if run.params.lock == "backup_stage" then
    db:ask("BACKUP STAGE START;\nBACKUP STAGE FLUSH;\nBACKUP STAGE BLOCK_DDL;\n"
      .. "BACKUP STAGE BLOCK_COMMIT;")
    return "BACKUP STAGE END;"
  end
  db:ask("FLUSH TABLES WITH READ LOCK;")
  return "UNLOCK TABLES;"
end

-- File and place in the binary log, where there is one: for a recovery to a point in time.
local function position_of(db)
  local version = db:ask("SELECT VERSION();")
  local major, minor = version:match("^(%d+)%.(%d+)")
  local is_new = not version:find("MariaDB", 1, true)
    and tonumber(major) * 100 + tonumber(minor) >= 804
  local answer = db:ask(is_new and "SHOW BINARY LOG STATUS;" or "SHOW MASTER STATUS;")
  local file, place = answer:match("^([^\t]+)\t(%d+)")
  return file and file .. ":" .. place
end

return {
  name = "mariadb",
  summary = "MariaDB and MySQL: no commit between the cuts of its volumes",
  match = {
    kind = { "StatefulSet", "Deployment" },
    image = [[(^|/)(mariadb|mysql|mysql-server|percona|percona-server)(-galera)?(:|@|$)]],
  },
  params = {
    container = {
      default = "", doc = "the container of the database; left out, the one with its image",
    },
    user = { default = "root", doc = "a user who may lock all tables" },
    lock = {
      default = "tables", enum = { "tables", "backup_stage" },
      doc = "FLUSH TABLES WITH READ LOCK, or BACKUP STAGE BLOCK_COMMIT of MariaDB 10.4 and later, "
        .. "which lets reads and open transactions go on",
    },
    lock_wait = {
      type = "integer", default = 10,
      doc = "seconds to wait for the lock, while new statements wait too",
    },
    hold = {
      type = "integer", default = 120,
      doc = "seconds after which the server itself ends an idle lock holder",
    },
    timeout = { type = "duration", default = "20s", doc = "how long one statement may take" },
  },

  pre_hook = function(run, app)
    run.frozen.dbs = {}
    for _, pod in ipairs(ready_pods(app)) do
      local db = connect(run, pod)
      run.frozen.dbs[#run.frozen.dbs + 1] = { db = db }
      run.frozen.dbs[#run.frozen.dbs].unlock = lock(run, db)
      run.frozen.position = position_of(db) or run.frozen.position
    end
  end,

  post_hook = function(run, app)
    local dbs = run.frozen.dbs
    run.frozen.dbs = nil
    if not dbs then
      release(run, app)
      return
    end
    local first_error
    for _, held in ipairs(dbs) do
      local ok, message = pcall(function()
        if held.unlock then
          held.db:ask(held.unlock)
        end
      end)
      first_error = first_error or (not ok and message)
      held.db:close() -- whatever it said: without the connection there is no lock
    end
    if first_error then
      error(first_error, 0)
    end
    if run.frozen.position then
      run:artifact("binlog_position", run.frozen.position)
    end
  end,

  verify = function(run, app)
    for _, pod in ipairs(ready_pods(app)) do
      local db = connect(run, pod)
      db:ask("SELECT COUNT(*) FROM information_schema.tables;")
      db:close()
    end
  end,
}
