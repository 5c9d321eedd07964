-- SPDX-License-Identifier: Apache-2.0
-- Tests of blueprints on an embedded cluster: the engine itself makes the backup; what the commands
-- in the Pods answer, the test says.
--
--   local test = require "kassette.test"
--   return test.describe("postgresql", require "blueprint", function(it)
--     it("stops the backup after the cut", function(world)
--       world.client = function(statement) return "…" end
--       test.equal(world:backup(), nil)
--       test.truthy(world:position("cut data-db-0") < world:position("pg_backup_stop"))
--     end)
--   end)

local M = {}

-- What `execute` answers for a command, or `client` for a statement, that never comes to an end.
M.hang = { hang = true }

local World = {}
World.__index = World

-- A world in which all is as usual: one ready Pod, one volume, a client that answers nothing.
local function new_world(blueprint)
  return setmetatable({
    blueprint = blueprint,
    kind = "StatefulSet", name = "db", namespace = "shop", action = "backup",
    params = {}, attempts = 1,
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
    task = function()
      return { code = 0, stdout = "" }
    end,
    faults = {}, storage = {},
    -- What happened.
    statements = {}, commands = {}, cuts = {}, artifacts = {}, log = {}, events = {},
    sessions = {}, phases = {}, requests = {}, open = 0,
    _texts = {}, _objects = {}, _seen = {}, _by_id = {},
  }, World)
end

-- ---- the cluster ----

-- "data" of the claim "data-db-0" that the Pod db-0 gets from its StatefulSet.
local function template_of(claim, pod)
  local suffix = "-" .. pod
  return claim:sub(-#suffix) == suffix and claim:sub(1, -#suffix - 1) or nil
end

local function claim_spec()
  return {
    accessModes = { "ReadWriteOnce" }, storageClassName = "dir",
    resources = { requests = { storage = "1Gi" } },
  }
end

-- The first Pod's containers as those of a template, and the claims that it mounts.
local function pod_spec(world)
  local pod = world.pods[1] or { containers = {} }
  local spec, claims, seen = { containers = {} }, {}, {}
  for i, container in ipairs(pod.containers) do
    local mounts = {}
    for j, mount in ipairs(container.mounts or {}) do
      local template = world.kind == "StatefulSet" and template_of(mount.claim, pod.name)
      local volume = template or mount.claim
      mounts[j] = { name = volume, mountPath = mount.path, subPath = mount.sub_path }
      if not seen[volume] then
        seen[volume] = true
        claims[#claims + 1] = { volume = volume, claim = not template and mount.claim or nil }
      end
    end
    spec.containers[i] = {
      name = container.name, image = container.image,
      volumeMounts = #mounts > 0 and mounts or nil,
    }
  end
  return spec, claims
end

-- A workload with these Pods, and its claims.
local function application(world)
  local spec, claims = pod_spec(world)
  local objects, templates, volumes = {}, {}, {}
  for _, row in ipairs(claims) do
    if row.claim then
      volumes[#volumes + 1] = {
        name = row.volume, persistentVolumeClaim = { claimName = row.claim },
      }
      objects[#objects + 1] = {
        apiVersion = "v1", kind = "PersistentVolumeClaim",
        metadata = { name = row.claim, namespace = world.namespace }, spec = claim_spec(),
      }
    else
      templates[#templates + 1] = { metadata = { name = row.volume }, spec = claim_spec() }
    end
  end
  spec.volumes = #volumes > 0 and volumes or nil
  local is_set = world.kind == "StatefulSet"
  objects[#objects + 1] = {
    apiVersion = "apps/v1", kind = world.kind,
    metadata = {
      name = world.name, namespace = world.namespace,
      annotations = { ["kassette.io/blueprint"] = world.blueprint.name },
    },
    spec = {
      replicas = world.kind ~= "DaemonSet" and #world.pods or nil,
      selector = { matchLabels = { app = world.name } },
      serviceName = is_set and world.name or nil,
      podManagementPolicy = is_set and "Parallel" or nil,
      template = { metadata = { labels = { app = world.name } }, spec = spec },
      volumeClaimTemplates = is_set and #templates > 0 and templates or nil,
    },
  }
  return objects
end

--- Manifests instead of the usual application: YAML, or an object as a table.
function World:load(manifest)
  if type(manifest) == "string" then
    self._texts[#self._texts + 1] = manifest
  else
    self._objects[#self._objects + 1] = manifest
  end
end

--- A request of the engine that goes wrong: { verb = "create", resource = "volumesnapshots", fault
--- = "503", after = 1, times = 1 }.
function World:fault(rule)
  local copy = { agent = "kassette/" }
  for key, value in pairs(rule) do
    copy[key] = value
  end
  self.faults[#self.faults + 1] = copy
end

-- Begins the cluster.
function World:_start()
  local objects = { {
    apiVersion = "v1", kind = "Namespace", metadata = { name = self.namespace },
  } }
  if next(self.storage) then
    local data = {}
    for key, value in pairs(self.storage) do
      data[key] = tostring(value)
    end
    objects[2] = {
      apiVersion = "v1", kind = "ConfigMap", data = data,
      metadata = { name = "dircsi-faults", namespace = "kube-system" },
    }
  end
  local own = #self._texts + #self._objects > 0 and self._objects or application(self)
  for _, object in ipairs(own) do
    objects[#objects + 1] = object
  end
  native.sandbox_start { objects = objects, texts = self._texts, faults = self.faults }
end

-- ---- what the cluster asks ----

function World:note(event)
  self.events[#self.events + 1] = event
end

local note = {}

function note.cut(world, row)
  world.cuts[#world.cuts + 1] = row.text
  world:note("cut " .. row.text)
end

function note.log(world, row)
  world.log[#world.log + 1] = row.text
end

function note.phase(world, row)
  world.phases[#world.phases + 1] = row.text
  world:note("phase " .. row.text)
end

function note.request(world, row)
  world.requests[#world.requests + 1] = row
end

function World:_take(rows)
  for _, row in ipairs(rows) do
    if note[row.type] then
      note[row.type](self, row)
    end
  end
end

local answer = {}

function answer.exec(world, question)
  world.commands[#world.commands + 1] = question
  world:note("exec " .. question.pod)
  return world.execute(question)
end

function answer.open(world, question)
  local session = { options = question, input = "" }
  world.sessions[#world.sessions + 1] = session
  world._by_id[question.id] = session
  world:note("open " .. question.pod)
end

-- Statements end where the client's own marker line begins; see session:ask.
function answer.say(world, question)
  local session = world._by_id[question.id]
  local data = session.input .. question.data
  if data:sub(-1) ~= "\n" then
    session.input = data -- the rest is to come
    return {}
  end
  session.input = ""
  local from, to, mark = data:find("[^\n]*(kassette%-%d+%-%d+)[^\n]*\n$")
  local statement = data:sub(1, (from or #data + 1) - 1):gsub("\n$", "")
  world.statements[#world.statements + 1] = statement
  world:note(statement)
  local text = world.client(statement, session.options)
  if text == nil then
    return { code = 1 }
  elseif text == M.hang then
    return {}
  elseif to then
    text = (text ~= "" and text .. "\n" or "") .. mark .. "\n"
  end
  return { stdout = text }
end

function answer.close(world, question)
  world:note("close " .. world._by_id[question.id].options.pod)
end

-- The Pod of this world that a Pod of the cluster is: by its name, or where names are made, the
-- next one.
function answer.status(world, question)
  local name = question.pod.metadata.name
  for _, pod in ipairs(world.pods) do
    if pod.name == name then
      return { phase = pod.phase, ready = pod.ready }
    end
  end
  world._seen[#world._seen + 1] = name
  local pod = world.kind ~= "StatefulSet" and world.pods[#world._seen] or {}
  return { phase = pod.phase, ready = pod.ready }
end

function answer.run(world, question)
  return world.task(question.pod)
end

-- ---- what a test does ----

local function text_of(value)
  return type(value) == "table" and table.concat(value, ",") or tostring(value)
end

function World:_spec()
  local params = {}
  for name, value in pairs(self.params) do
    params[name] = text_of(value)
  end
  return {
    action = self.action, application = { namespace = self.namespace },
    attempts = self.attempts, maxFreeze = self.max_freeze,
    params = next(params) and params or nil,
  }
end

function World:_finish(result)
  self:_take(result.notes)
  self.status = result.status
  self.open = result.open
  local own = self.kind .. "/" .. self.name .. "."
  for name, value in pairs(result.status.artifacts or {}) do
    self.artifacts[name:sub(1, #own) == own and name:sub(#own + 1) or name] = value
  end
  return result
end

--- A backup (or `action`) by the engine. Returns the message of its failure, or nil.
function World:backup()
  self:_start()
  local result = self:_finish(native.sandbox_run { spec = self:_spec() })
  self.reason = result.reason
  return not result.ok and result.message or nil
end

--- What a successor does for an engine that died in the freeze: it thaws. The message of its
--- failure, or nil.
function World:recover()
  self:_start()
  local result = self:_finish(native.sandbox_recover { spec = self:_spec() })
  self.reason = result.reason
  return not result.cancelled and (result.message or "it did not stop after the thaw") or nil
end

--- An object of the cluster, or nil; in the application's namespace unless another is given.
function World:object(kind, name, namespace)
  return native.sandbox_get { kind = kind, name = name, namespace = namespace or self.namespace }
end

--- How many requests of the engine were like this: { verb = "create", resource = "pods" }.
function World:requested(like)
  local count = 0
  for _, request in ipairs(self.requests) do
    local same = true
    for key, value in pairs(like) do
      same = same and request[key] == value
    end
    count = count + (same and 1 or 0)
  end
  return count
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
  local world
  body(function(case, fn)
    names[#names + 1] = case
    cases[#cases + 1] = fn
  end)
  return {
    name = name,
    cases = names,
    functions = cases, -- where each case is, for reports
    run = function(index)
      world = new_world(blueprint)
      cases[index](world)
    end,
    -- The cluster asks.
    call = function(question)
      world:_take(question.notes)
      return answer[question.type](world, question)
    end,
  }
end

return M
