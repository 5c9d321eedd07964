-- SPDX-License-Identifier: Apache-2.0
-- What @NAME@'s blueprint does, tried without a cluster: kassette blueprint test
local test = require "kassette.test"
local blueprint = require "blueprint"

return test.describe("@NAME@", blueprint, function(it)
  -- A world has one Pod with one volume; `client` is what answers a session's statements.
  it("holds still while the volume is cut", function(world)
    world.client = function(statement)
      return statement == "echo thawed" and "thawed" or ""
    end
    test.equal(world:backup(), nil)
    test.truthy(world:position("sync") < world:position("cut data-db-0"), "held before the cut")
    test.truthy(world:position("cut data-db-0") < world:position("echo thawed"), "let go after it")
    test.equal(world.open, 0, "sessions that are open")
  end)

  it("cuts nothing where it does not hold still", function(world)
    world.client = function(statement)
      return statement ~= "sync" and "" or nil -- nil: the client breaks off
    end
    test.truthy(world:backup(), "a failure")
    test.equal(#world.cuts, 0)
    test.equal(world.open, 0, "sessions that are open")
  end)
end)
