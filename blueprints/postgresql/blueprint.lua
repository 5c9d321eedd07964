-- SPDX-License-Identifier: Apache-2.0
-- PostgreSQL, from one volume or several.
--
-- PostgreSQL writes on while it is backed up. What makes the volumes fit together is their order:
-- the write-ahead log is cut after the data, so that it holds every change that the data has, and a
-- start from the snapshots is a recovery from a crash. That needs the log from the checkpoint on
-- with which the backup began; the blueprint makes sure that no newer checkpoint took its place.

-- "$1" user, "$2" database, "$3" application_name. The password, where one is needed, stays in the
-- Pod: the variables are those of the usual images.
local PSQL = [[
if [ -z "${PGPASSWORD:-}" ]; then
  PGPASSWORD="${POSTGRES_PASSWORD:-${POSTGRESQL_PASSWORD:-}}"
  for file in "${POSTGRES_PASSWORD_FILE:-}" "${POSTGRESQL_PASSWORD_FILE:-}"; do
    if [ -z "$PGPASSWORD" ] && [ -n "$file" ] && [ -r "$file" ]; then PGPASSWORD=$(cat "$file"); fi
  done
fi
[ -z "$PGPASSWORD" ] || export PGPASSWORD
export PGAPPNAME="$3" PGCONNECT_TIMEOUT=10 PGOPTIONS="-c statement_timeout=0"
exec psql -XqAt -v ON_ERROR_STOP=1 -w -U "${1:-${POSTGRES_USER:-postgres}}" -d "$2"]]

local function application_name(run)
  return "kassette-" .. run.id
end

local function command(run)
  return { "sh", "-c", PSQL, "psql", run.params.user, run.params.database, application_name(run) }
end

-- The container of the Pod that runs the database.
local function container_of(run, pod)
  if run.params.container ~= "" then
    return run.params.container
  end
  for _, container in ipairs(pod.containers) do
    if container.image:find("postgres", 1, true) then
      return container.name
    end
  end
  return pod.containers[1].name
end

-- A session on the primary, and its Pod.
local function connect(run, app)
  local standbys = 0
  for _, pod in ipairs(app:pods()) do
    if pod.ready then
      local db = run:session {
        pod = pod.name, container = container_of(run, pod), command = command(run),
        marker = "\\echo %s\n", timeout = run.params.timeout,
      }
      if db:ask("SELECT pg_is_in_recovery();") == "f" then
        return db, pod
      end
      db:close()
      standbys = standbys + 1
    end
  end
  if standbys == 0 then
    app:pod() -- fails, and says why no Pod is ready
  end
  run:fail(("%s/%s in %s: expected one of its Pods to be the primary, but all %d that are ready "
    .. "are standbys"):format(app.kind, app.name, app.namespace, standbys),
    { reason = "NoPrimary" })
end

-- The claim on which the container has `path`: that of the longest mount path above it.
local function claim_at(pod, container_name, path)
  local claim, longest = nil, -1
  for _, container in ipairs(pod.containers) do
    for _, mount in ipairs(container.name == container_name and container.mounts or {}) do
      local root = mount.path:gsub("/+$", "")
      if #root > longest and (path == root or path:sub(1, #root + 1) == root .. "/") then
        claim, longest = mount.claim, #root
      end
    end
  end
  return claim
end

-- The claims that hold the write-ahead log and nothing of the data, in all Pods: they are cut last.
local function wal_claims(run, app, db)
  local data = db:ask("SHOW data_directory;")
  local wal = db:ask(("\\! readlink -f '%s/pg_wal'"):format(data:gsub("'", "'\\''")))
  local claims = {}
  for _, pod in ipairs(app:pods()) do
    local container = container_of(run, pod)
    local of_wal, of_data = claim_at(pod, container, wal), claim_at(pod, container, data)
    if of_wal and of_wal ~= of_data then
      claims[of_wal] = true
    end
  end
  return claims
end

-- Where the recovery of what is cut now would begin.
local function redo_of(db)
  return db:ask("SELECT redo_lsn FROM pg_control_checkpoint();")
end

-- Ends what an engine that died may have left: its psql, which has not seen the end of its input.
local function release(run, app)
  for _, pod in ipairs(app:pods()) do
    if pod.ready then
      local db = run:session {
        pod = pod.name, container = container_of(run, pod), command = command(run),
        marker = "\\echo %s\n", timeout = run.params.timeout,
      }
      db:ask(("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        .. "WHERE application_name = '%s' AND pid <> pg_backend_pid();"):format(
        application_name(run)))
      db:close()
    end
  end
end

return {
  name = "postgresql",
  summary = "PostgreSQL 12 and later, also with its write-ahead log on a volume of its own",
  match = {
    kind = { "StatefulSet", "Deployment" },
    image = [[(^|/)(postgres|postgresql|postgis|timescaledb|pgvector)(-ha)?(:|@|$)]],
  },
  params = {
    container = {
      default = "", doc = "the container of the database; left out, the one with its image",
    },
    user = {
      default = "", doc = "a superuser; left out, $POSTGRES_USER of the container, or postgres",
    },
    database = { default = "postgres", doc = "the database to connect to" },
    timeout = {
      type = "duration", default = "20s",
      doc = "how long one statement may take, a checkpoint above all",
    },
  },

  pre_hook = function(run, app)
    local db, pod = connect(run, app)
    run.frozen.db = db
    local version = tonumber(db:ask("SHOW server_version_num;"))
    run.frozen.wal = wal_claims(run, app, db)
    run.frozen.stop = version >= 150000 and "SELECT labelfile FROM pg_backup_stop(false);"
      or "SELECT labelfile FROM pg_stop_backup(false, false);"
    db:ask((version >= 150000 and "SELECT pg_backup_start('%s', true);"
      or "SELECT pg_start_backup('%s', true, false);"):format(run.id))
    run.frozen.started = true
    run.frozen.redo = redo_of(db)
    run:log("%s: backup started at %s", pod.name, run.frozen.redo)
  end,

  snapshot = function(run, app)
    local first, last = {}, {}
    for _, volume in ipairs(app:volumes()) do
      local list = run.frozen.wal[volume.claim] and last or first
      list[#list + 1] = volume.claim
    end
    run:snapshot { volumes = first }
    if #last == 0 then
      return
    end
    run:snapshot { volumes = last }
    local redo = redo_of(run.frozen.db)
    if redo ~= run.frozen.redo then
      run:fail(("%s/%s in %s: a checkpoint ended between the cuts of the data and of the "
        .. "write-ahead log (redo %s, then %s)"):format(app.kind, app.name, app.namespace,
        run.frozen.redo, redo), {
        reason = "CheckpointInFreeze",
        hint = "try again, or raise max_wal_size of the database",
      })
    end
  end,

  post_hook = function(run, app)
    local db = run.frozen.db
    run.frozen.db = nil
    if not db then
      release(run, app)
      return
    end
    if run.frozen.started then
      run:artifact("backup_label", db:ask(run.frozen.stop))
    end
    db:close()
  end,

  verify = function(run, app)
    local db = connect(run, app)
    local names = db:ask("SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1;")
    for name in names:gmatch("[^\n]+") do
      db:ask(("\\connect -reuse-previous=on \"dbname='%s'\""):format(name:gsub("[\\']", "\\%0")))
      db:ask("SELECT count(*) FROM pg_class;")
    end
    db:close()
  end,
}
