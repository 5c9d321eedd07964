-- SPDX-License-Identifier: Apache-2.0
local test = require "kassette.test"
local blueprint = require "blueprint"

local function mariadb(world)
  world.pods[1].containers = { {
    name = "mariadb", image = "mariadb:10.11",
    mounts = { { path = "/var/lib/mysql", claim = "data-db-0" } },
  } }
  world.client = function(statement)
    if statement:find("GET_LOCK", 1, true) then
      return "1"
    elseif statement:find("IS_USED_LOCK", 1, true) then
      return "NULL"
    elseif statement:find("VERSION()", 1, true) then
      return "10.11.6-MariaDB"
    elseif statement:find("SHOW MASTER STATUS", 1, true) then
      return "binlog.000003\t1234\t\t"
    end
    return ""
  end
end

-- The client, except for one statement.
local function except(world, text, answer)
  local inner = world.client
  world.client = function(statement)
    if statement:find(text, 1, true) then
      return answer
    end
    return inner(statement)
  end
end

return test.describe("mariadb", blueprint, function(it)
  it("holds the lock while the volumes are cut", function(world)
    mariadb(world)
    test.equal(world:backup(), nil)
    local lock, cut = world:position("FLUSH TABLES WITH READ LOCK"), world:position("cut data-db-0")
    local unlock, close = world:position("UNLOCK TABLES"), world:position("close db-0")
    test.truthy(lock < cut and cut < unlock and unlock < close, "the order")
    test.equal(world.artifacts.binlog_position, "binlog.000003:1234")
    test.equal(world.open, 0, "sessions that are open")
  end)

  it("blocks commits alone with lock = backup_stage", function(world)
    mariadb(world)
    world.params.lock = "backup_stage"
    test.equal(world:backup(), nil)
    test.truthy(world:position("BLOCK_COMMIT") < world:position("cut data-db-0"), "the order")
    world:position("BACKUP STAGE END")
    test.truthy(not world:has("FLUSH TABLES WITH READ LOCK"), "no global lock")
  end)

  it("lets the server end a lock holder that nobody ends", function(world)
    mariadb(world)
    world:backup()
    world:position("SET SESSION wait_timeout = 120")
    world:position("lock_wait_timeout = 10")
  end)

  it("fails, and keeps nothing, where the lock cannot be had", function(world)
    mariadb(world)
    except(world, "FLUSH TABLES WITH READ LOCK", nil)
    test.truthy(world:backup(), "a failure")
    test.equal(#world.cuts, 0)
    test.equal(world.open, 0, "sessions that are open")
  end)

  it("fails where another backup of the same name holds the lock", function(world)
    mariadb(world)
    except(world, "GET_LOCK", "0")
    local message = world:backup()
    test.truthy(message and message:find("holds the lock", 1, true), tostring(message))
    test.equal(world.open, 0, "sessions that are open")
  end)

  it("closes every connection though the first one breaks", function(world)
    mariadb(world)
    world.pods[2] = {
      name = "db-1", ready = true, phase = "Running", containers = world.pods[1].containers,
    }
    local inner, broken = world.client, false
    world.client = function(statement, session)
      if statement:find("UNLOCK", 1, true) and session.pod == "db-0" and not broken then
        broken = true
        return nil
      end
      return inner(statement)
    end
    test.truthy(world:backup(), "a failure")
    test.equal(world.open, 0, "sessions that are open")
  end)

  it("asks a MySQL of today for its position as it wants to be asked", function(world)
    mariadb(world)
    except(world, "VERSION()", "8.4.2")
    except(world, "SHOW BINARY LOG STATUS", "binlog.000009\t77\t\t")
    test.equal(world:backup(), nil)
    test.equal(world.artifacts.binlog_position, "binlog.000009:77")
  end)

  it("ends the connection of an engine that died", function(world)
    mariadb(world)
    except(world, "IS_USED_LOCK", "42")
    test.equal(world:recover(), nil)
    world:position("KILL 42;")
    test.equal(world.open, 0, "sessions that are open")
  end)
end)
