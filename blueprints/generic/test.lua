-- SPDX-License-Identifier: Apache-2.0
local test = require "kassette.test"
local blueprint = require "blueprint"

return test.describe("generic", blueprint, function(it)
  it("cuts all volumes at once and asks nothing of the application", function(world)
    test.equal(world:backup(), nil)
    test.equal(#world.cuts, 1)
    test.equal(#world.statements + #world.commands, 0)
  end)

  it("matches nothing by itself", function()
    test.equal(blueprint.match, nil)
  end)
end)
