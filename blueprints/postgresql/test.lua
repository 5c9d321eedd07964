-- SPDX-License-Identifier: Apache-2.0
local test = require "kassette.test"
local blueprint = require "blueprint"

-- A PostgreSQL of this version whose write-ahead log is on a volume of its own.
local function postgres(world, version, wal)
  world.pods[1].containers = { {
    name = "postgres", image = "docker.io/library/postgres:15",
    mounts = {
      { path = "/var/lib/postgresql/data", claim = "data-db-0" },
      wal and { path = "/var/lib/postgresql/wal", claim = "wal-db-0" } or nil,
    },
  } }
  world.redo = "0/2000028"
  world.client = function(statement)
    if statement:find("pg_is_in_recovery", 1, true) then
      return "f"
    elseif statement:find("server_version_num", 1, true) then
      return tostring(version)
    elseif statement:find("data_directory", 1, true) then
      return "/var/lib/postgresql/data"
    elseif statement:find("readlink", 1, true) then
      return wal and "/var/lib/postgresql/wal/pg_wal" or "/var/lib/postgresql/data/pg_wal"
    elseif statement:find("redo_lsn", 1, true) then
      return world.redo
    elseif statement:find("labelfile", 1, true) then
      return "START WAL LOCATION: 0/2000028\nLABEL: run-1"
    end
    return ""
  end
end

return test.describe("postgresql", blueprint, function(it)
  it("cuts the write-ahead log after the data, between start and stop", function(world)
    postgres(world, 150004, true)
    test.equal(world:backup(), nil)
    local start, data = world:position("pg_backup_start('run-1'"), world:position("cut data-db-0")
    local wal, stop = world:position("cut wal-db-0"), world:position("pg_backup_stop(false)")
    test.truthy(start < data and data < wal and wal < stop, "the order")
    test.equal(world.artifacts.backup_label, "START WAL LOCATION: 0/2000028\nLABEL: run-1")
    test.equal(world.open, 0, "sessions that are open")
  end)

  it("cuts once where all is on one volume", function(world)
    postgres(world, 150004, false)
    test.equal(world:backup(), nil)
    test.equal(#world.cuts, 1)
  end)

  it("speaks to versions 12 to 14", function(world)
    postgres(world, 120017, false)
    test.equal(world:backup(), nil)
    world:position("pg_start_backup('run-1', true, false)")
    world:position("pg_stop_backup(false, false)")
  end)

  it("fails where a checkpoint ended between the cuts, and stops the backup", function(world)
    postgres(world, 150004, true)
    local inner = world.client
    world.client = function(statement)
      local answer = inner(statement)
      world.redo = world:has("cut wal-db-0") and "0/3000028" or world.redo
      return statement:find("redo_lsn", 1, true) and world.redo or answer
    end
    local message = world:backup()
    test.truthy(message and message:find("a checkpoint ended", 1, true), tostring(message))
    world:position("pg_backup_stop")
    test.equal(world.open, 0, "sessions that are open")
  end)

  it("finds the primary among standbys", function(world)
    postgres(world, 150004, false)
    world.pods[2] = {
      name = "db-1", ready = true, phase = "Running", containers = world.pods[1].containers,
    }
    local inner = world.client
    world.client = function(statement, session)
      if statement:find("pg_is_in_recovery", 1, true) then
        return session.pod == "db-0" and "t" or "f"
      end
      return inner(statement)
    end
    test.equal(world:backup(), nil)
    test.equal(world.open, 0, "sessions that are open")
  end)

  it("says so where there is no primary", function(world)
    postgres(world, 150004, false)
    world.client = function()
      return "t"
    end
    local message = world:backup()
    test.truthy(message and message:find("to be the primary", 1, true), tostring(message))
  end)

  it("says so where no Pod is ready", function(world)
    postgres(world, 150004, false)
    world.pods[1].ready = false
    local message = world:backup()
    test.truthy(message and message:find("no Pod that is ready", 1, true), tostring(message))
  end)

  it("leaves nothing open when the session dies before the backup began", function(world)
    postgres(world, 150004, false)
    local inner = world.client
    world.client = function(statement)
      if statement:find("pg_backup_start", 1, true) then
        return nil
      end
      return inner(statement)
    end
    test.truthy(world:backup(), "a failure")
    test.equal(world.open, 0, "sessions that are open")
  end)

  it("ends the connection of an engine that died", function(world)
    postgres(world, 150004, false)
    test.equal(world:recover(), nil)
    world:position("pg_terminate_backend")
    world:position("application_name = 'kassette-run-1'")
    test.equal(world.open, 0, "sessions that are open")
  end)

  it("keeps the password out of the command", function(world)
    postgres(world, 150004, false)
    world:backup()
    local command = world.sessions[1].options.command
    test.equal(command[1], "sh")
    test.truthy(command[3]:find("POSTGRES_PASSWORD", 1, true), "the variable")
  end)
end)
