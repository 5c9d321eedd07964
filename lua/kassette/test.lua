-- SPDX-License-Identifier: Apache-2.0
-- Tests of blueprints, without a cluster: a blueprint's functions run against Pods, volumes and
-- clients that the test describes, in the order in which the engine calls them.
--
--   local test = require "kassette.test"
--   return test.describe("postgresql", require "blueprint", function(it)
--     it("stops the backup after the cut", function(world)
--       world.client = function(statement) return "…" end
--       world:backup()
--       test.equal(world.statements[1], "…")
--     end)
--   end)

local run_module = require "kassette.run"

local M = {}

local World = {}
World.__index = World

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local out = {}
  for key, entry in pairs(value) do
    out[key] = copy(entry)
  end
  return out
end

-- What an engine's error is to a blueprint: pcall gives it, tostring its message.
local function raise(message, reason)
  error(setmetatable({ message = message, reason = reason }, {
    __tostring = function(self)
      return self.message
    end,
  }), 0)
end

-- A world in which all is as usual: one ready Pod, one volume, a client that answers nothing.
local function new_world(blueprint)
  return setmetatable({
    blueprint = blueprint,
    kind = "StatefulSet", name = "db", namespace = "shop",
    params = {},
    pods = { {
      name = "db-0", ready = true, phase = "Running",
      containers = { {
        name = "main", image = "image", mounts = { { path = "/data", claim = "data-db-0" } },
      } },
    } },
    client = function()
      return ""
    end,
    execute = function()
      return { code = 0, stdout = "", stderr = "" }
    end,
    -- What happened.
    statements = {}, commands = {}, cuts = {}, artifacts = {}, log = {}, events = {},
    sessions = {}, open = 0,
  }, World)
end

function World:note(event)
  self.events[#self.events + 1] = event
end

-- The claims that the Pods mount.
function World:claims()
  local claims, seen = {}, {}
  for _, pod in ipairs(self.pods) do
    for _, container in ipairs(pod.containers) do
      for _, mount in ipairs(container.mounts or {}) do
        if not seen[mount.claim] then
          seen[mount.claim] = true
          claims[#claims + 1] = mount.claim
        end
      end
    end
  end
  return claims
end

function World:open_session(options)
  local id = #self.sessions + 1
  self.sessions[id] = { options = options, output = "" }
  self.open = self.open + 1
  self:note("open " .. options.pod)
  return { id = id }
end

function World:session(id)
  local session = self.sessions[id]
  if not session or session.closed then
    raise("the session was closed before", "SessionClosed")
  end
  return session
end

-- Statements end where the client's own marker line begins; see session:ask.
function World:send(id, data)
  local session = self:session(id)
  local from, to, mark = data:find("[^\n]*(kassette%-%d+%-%d+)[^\n]*\n$")
  local statement = data:sub(1, (from or #data + 1) - 1):gsub("\n$", "")
  self.statements[#self.statements + 1] = statement
  self:note(statement)
  local answer = self.client(statement, session.options)
  if answer == nil then
    session.closed = true
    self.open = self.open - 1
  elseif to then
    session.output = session.output .. (answer ~= "" and answer .. "\n" or "") .. mark .. "\n"
  else
    session.output = session.output .. answer
  end
end

function World:read(id)
  local session = self.sessions[id]
  if session.closed then
    raise("the session in Pod " .. session.options.pod .. " ended", "SessionClosed")
  end
  if session.output == "" then
    raise("the session in Pod " .. session.options.pod .. " was expected to print something")
  end
  local data = session.output
  session.output = ""
  return { data = data }
end

function World:close(id)
  local session = self.sessions[id]
  if session and not session.closed then
    session.closed = true
    self.open = self.open - 1
    self:note("close " .. session.options.pod)
  end
end

function World:cut(claims)
  local cut = {}
  for i, claim in ipairs(claims or self:claims()) do
    cut[i] = type(claim) == "table" and claim.claim or claim
  end
  self.cuts[#self.cuts + 1] = cut
  self:note("cut " .. table.concat(cut, " "))
  return {}
end

function World:volumes()
  local rows = {}
  for i, claim in ipairs(self:claims()) do
    rows[i] = { claim = claim, class = "class", driver = "driver", size = "1Gi" }
  end
  return rows
end

-- The natives that the standard library stands on, played by this world.
function World:natives()
  return {
    pods = function()
      return copy(self.pods)
    end,
    volumes = function()
      return self:volumes()
    end,
    session_open = function(options)
      return self:open_session(options)
    end,
    session_send = function(args)
      self:send(args.id, args.data)
    end,
    session_read = function(args)
      return self:read(args.id)
    end,
    session_close = function(args)
      self:close(args.id)
    end,
    exec = function(options)
      self.commands[#self.commands + 1] = options
      self:note("exec " .. options.pod)
      return self.execute(options)
    end,
    snapshot = function(args)
      return self:cut(args.volumes)
    end,
    artifact = function(args)
      self.artifacts[args.name] = args.value
    end,
    log = function(args)
      self.log[#self.log + 1] = args.message
    end,
    fail = function(args)
      raise(args.message, args.reason)
    end,
    sleep = function()
    end,
    step_begin = function(args)
      return { id = args.name }
    end,
    step_end = function()
    end,
  }
end

-- The parameters as a run has them: the defaults, over them the test's.
function World:resolved_params()
  local values = {}
  for name, spec in pairs(self.blueprint.params or {}) do
    values[name] = spec
    if type(spec) == "table" then
      values[name] = spec.default
    end
  end
  for name, value in pairs(self.params) do
    values[name] = value
  end
  return values
end

function World:objects()
  for name, fn in pairs(self:natives()) do
    rawset(native, name, fn)
  end
  return run_module.new {
    id = "run-1", attempt = 1, action = "backup", binding = 0, kind = self.kind, name = self.name,
    namespace = self.namespace, api_version = "apps/v1", params = self:resolved_params(),
  }
end

function World:call(objects, name)
  local fn = self.blueprint[name]
  if fn then
    run_module.invoke(objects, fn, name)
  elseif name == "snapshot" then
    self:cut()
  end
end

--- A backup as the engine does it: pre_hook, the cut, and post_hook whatever became of the two.
--- Returns the message of the first failure, or nil.
function World:backup()
  local objects = self:objects()
  local first
  local function try(name)
    local ok, message = pcall(self.call, self, objects, name)
    if not ok then
      first = first or tostring(message)
    end
    return ok
  end
  if try("pre_hook") then
    try("snapshot")
  end
  try("post_hook")
  return first
end

--- What a successor does for an engine that died in the freeze: post_hook alone, with nothing that
--- the dead one knew.
function World:recover()
  local ok, message = pcall(self.call, self, self:objects(), "post_hook")
  return not ok and tostring(message) or nil
end

--- Where in the order of events one that contains the text is; fails where none does.
function World:position(text)
  for i, event in ipairs(self.events) do
    if event:find(text, 1, true) then
      return i
    end
  end
  error(("expected an event with '%s', found: %s"):format(text,
    table.concat(self.events, " | ")), 2)
end

function World:has(text)
  for _, event in ipairs(self.events) do
    if event:find(text, 1, true) then
      return true
    end
  end
  return false
end

function M.equal(found, expected, what)
  if found ~= expected then
    error(("%s: expected %s, found %s"):format(what or "value", tostring(expected),
      tostring(found)), 2)
  end
end

function M.truthy(found, what)
  if not found then
    error((what or "value") .. ": expected it to hold, found " .. tostring(found), 2)
  end
end

--- A suite: `body` is called with a function that adds a case, `it(name, function(world) … end)`.
function M.describe(name, blueprint, body)
  local cases, names = {}, {}
  body(function(case, fn)
    names[#names + 1] = case
    cases[#cases + 1] = fn
  end)
  return {
    name = name,
    cases = names,
    functions = cases, -- where each case is, for reports
    run = function(index)
      cases[index](new_world(blueprint))
    end,
  }
end

return M
