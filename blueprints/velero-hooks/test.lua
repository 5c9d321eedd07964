-- SPDX-License-Identifier: Apache-2.0
local test = require "kassette.test"
local blueprint = require "blueprint"

local PREFIX = { pre = "pre.hook.backup.velero.io/", post = "post.hook.backup.velero.io/" }

-- A Pod with a volume and these annotations: { pre = { command = …, timeout = … }, post = … }.
local function load_pod(world, name, hooks)
  local annotations = {}
  for when, fields in pairs(hooks) do
    for field, value in pairs(fields) do
      annotations[(PREFIX[when] or when) .. field] = value
    end
  end
  world:load {
    apiVersion = "v1", kind = "PersistentVolumeClaim",
    metadata = { name = "data-" .. name, namespace = "shop" },
    spec = {
      accessModes = { "ReadWriteOnce" }, storageClassName = "dir",
      resources = { requests = { storage = "1Gi" } },
    },
  }
  world:load {
    apiVersion = "v1", kind = "Pod",
    metadata = { name = name, namespace = "shop", annotations = annotations },
    spec = {
      containers = { { name = "main", image = "image" }, { name = "side", image = "image" } },
      volumes = { {
        name = "data", persistentVolumeClaim = { claimName = "data-" .. name },
      } },
    },
  }
end

-- These Pods, by name, and what they need besides, as no controller has made it yet.
local function pods(world, list)
  world:load {
    apiVersion = "v1", kind = "ServiceAccount", metadata = { name = "default", namespace = "shop" },
  }
  for name, hooks in pairs(list) do
    load_pod(world, name, hooks)
  end
end

-- "web main freeze": what each command that was run was.
local function said(world)
  local list = {}
  for i, command in ipairs(world.commands) do
    list[i] = table.concat({ command.pod, command.container, table.concat(command.command, " ") },
      " ")
  end
  return table.concat(list, "; ")
end

-- "exec web, cut data-web, exec web": commands and cuts in their order.
local function order(world)
  local list = {}
  for _, event in ipairs(world.events) do
    if event:find("^exec ") or event:find("^cut ") then
      list[#list + 1] = event
    end
  end
  return table.concat(list, ", ")
end

-- Answers by the first word of a command.
local function answers(world, by_word)
  world.execute = function(question)
    return by_word[question.command[1]] or { code = 0, stdout = "", stderr = "" }
  end
end

return test.describe("velero-hooks", blueprint, function(it)
  it("freezes before the cut and thaws after it", function(world)
    pods(world, {
      web = {
        pre = { command = '["freeze", "it"]' }, post = { command = "thaw", container = "side" },
      },
    })
    test.equal(world:backup(), nil)
    test.equal(said(world), "web main freeze it; web side thaw")
    test.equal(order(world), "exec web, cut data-web, exec web")
    local row = world.status.bindings[1]
    test.equal(#world.status.bindings, 1, "bindings")
    test.equal(row.workload .. " " .. row.blueprint .. " " .. row.because,
      "Pod/web velero-hooks annotation")
  end)

  it("runs a post-hook that has no pre-hook", function(world)
    pods(world, { web = { post = { command = "thaw" } } })
    test.equal(world:backup(), nil)
    test.equal(order(world), "cut data-web, exec web")
  end)

  it("runs the hooks of the oldest spelling before the cut", function(world)
    pods(world, { web = { ["hook.backup.velero.io/"] = { command = "freeze" } } })
    test.equal(world:backup(), nil)
    test.equal(said(world), "web main freeze")
  end)

  it("thaws all where the freeze of one fails, and keeps nothing", function(world)
    pods(world, {
      one = { pre = { command = "freeze" }, post = { command = "thaw" } },
      two = { pre = { command = "stuck" }, post = { command = "thaw" } },
    })
    answers(world, { stuck = { code = 7, stdout = "", stderr = "the disk is full" } })
    local message = world:backup()
    test.truthy(message and message:find("Pod/two", 1, true), tostring(message))
    test.truthy(message:find("the disk is full", 1, true), message)
    test.equal(world.reason, "CommandFailed")
    test.equal(#world.cuts, 0, "cuts")
    test.truthy(said(world):find("one main thaw", 1, true), said(world))
    test.truthy(said(world):find("two main thaw", 1, true), said(world))
  end)

  it("goes on where on-error says Continue, and says so", function(world)
    pods(world, {
      web = {
        pre = { command = "stuck", ["on-error"] = "Continue" },
        post = { command = "stuck", ["on-error"] = "Continue" },
      },
    })
    answers(world, { stuck = { code = 7, stdout = "", stderr = "no valve" } })
    test.equal(world:backup(), nil)
    test.equal(#world.cuts, 1, "cuts")
    test.equal(said(world), "web main stuck; web main stuck")
    test.equal(#world.log, 2, "lines of log")
    test.truthy(world.log[1]:find("Pod/web", 1, true) and world.log[1]:find("no valve", 1, true),
      world.log[1])
  end)

  it("says that the application may be frozen where a post-hook fails", function(world)
    pods(world, { web = { pre = { command = "freeze" }, post = { command = "stuck" } } })
    answers(world, { stuck = { code = 7, stdout = "", stderr = "no valve" } })
    local message = world:backup()
    test.equal(world.reason, "ThawFailed")
    test.truthy(message:find("no valve", 1, true), message)
  end)

  it("waits for a hook no longer than its timeout", function(world)
    pods(world, {
      web = {
        pre = { command = "sleeps", timeout = "50ms" }, post = { command = "thaw" },
      },
    })
    answers(world, { sleeps = test.hang })
    test.truthy(world:backup(), "a failure")
    test.equal(world.reason, "CommandTimeout")
    test.equal(#world.cuts, 0, "cuts")
    test.equal(said(world), "web main sleeps; web main thaw")
  end)

  it("counts a timeout as a failure that Continue allows", function(world)
    pods(world, {
      web = {
        pre = { command = "sleeps", timeout = "50ms", ["on-error"] = "Continue" },
        post = { command = "sleeps", timeout = "50ms", ["on-error"] = "Continue" },
      },
    })
    answers(world, { sleeps = test.hang })
    test.equal(world:backup(), nil)
    test.equal(#world.cuts, 1, "cuts")
    test.equal(said(world), "web main sleeps; web main sleeps")
  end)

  it("tries a thaw again that the cluster lost, whatever on-error says", function(world)
    pods(world, {
      web = {
        pre = { command = "freeze" }, post = { command = "thaw", ["on-error"] = "Continue" },
      },
    })
    world:fault { resource = "pods", subresource = "exec", fault = "503", after = 1, times = 1 }
    test.equal(world:backup(), nil)
    test.equal(world:requested { resource = "pods", subresource = "exec" }, 3, "commands asked for")
    test.equal(said(world), "web main freeze; web main thaw")
  end)

  it("thaws with what the annotations said for an engine that died", function(world)
    pods(world, { web = { pre = { command = "freeze" }, post = { command = '["thaw", "it"]' } } })
    test.equal(world:recover(), nil)
    test.equal(said(world), "web main thaw it")
  end)

  it("leaves a Pod alone that runs no more", function(world)
    pods(world, {
      web = { pre = { command = "freeze" } }, job = { pre = { command = "freeze" } },
    })
    world.pods = { { name = "job", phase = "Succeeded", containers = {} } }
    test.equal(world:backup(), nil)
    test.equal(said(world), "web main freeze")
  end)

  it("refuses, before anything is frozen, what it cannot understand", function(world)
    pods(world, {
      one = { pre = { command = "freeze" } },
      two = { post = { command = "thaw", ["on-error"] = "Contniue" } },
    })
    local message = world:backup()
    for _, part in ipairs {
      "Pod/shop/two", "post.hook.backup.velero.io/on-error", "Fail or Continue", "'Contniue'",
    } do
      test.truthy(message and message:find(part, 1, true), part .. " in " .. tostring(message))
    end
    test.equal(world.reason, "InvalidHook")
    test.equal(said(world), "")
  end)

  it("serves no other workloads", function(world)
    local message = world:backup()
    test.truthy(message and message:find("not a StatefulSet", 1, true), tostring(message))
    test.equal(#world.cuts, 0, "cuts")
  end)
end)
