-- SPDX-License-Identifier: Apache-2.0
-- The `run` object that a blueprint's functions get: everything that a blueprint can do.
--
-- It stands on natives (C functions that take and give JSON and wait without holding the engine).
-- What acts on the cluster is a step: outside the freeze its result is journaled, and a run that is
-- resumed gets the recorded result instead of acting twice.
--
-- A failure raises an error that carries code, reason, message and hint; pcall catches it, except a
-- cancel, a lost lease and a broken limit.

local application = require "kassette.app"
local session = require "kassette.session"

local Run = {}
local metatable = { __index = Run }

-- Which step scope each Lua thread is in: branches of run:parallel count their steps apart, so that
-- the same step has the same id whatever order the branches run in.
local scopes = {}

local function scope_of(run)
  return scopes[coroutine.running()] or run._scope
end

local function check_table(value, name)
  if type(value) ~= "table" then
    error("run:" .. name .. " takes a table, not " .. type(value), 3)
  end
  return value
end

local function check_field(options, name, field, kind)
  if type(options[field]) ~= kind then
    error(("run:%s: expected %s = %s, found %s"):format(name, field, kind, type(options[field])), 3)
  end
end

-- A list of strings, from a list or one string.
local function as_command(options, name)
  local command = options.command
  if type(command) == "string" then
    error("run:" .. name .. ": command is a list like { \"sh\", \"-c\", \"…\" }, not a string", 3)
  end
  check_field(options, name, "command", "table")
  if #command == 0 then
    error(("run:%s: command is empty"):format(name), 3)
  end
  return command
end

local function with(options, more)
  local copy = {}
  for key, value in pairs(options) do
    copy[key] = value
  end
  for key, value in pairs(more) do
    copy[key] = value
  end
  return copy
end

-- Runs fn once: a finished step of the same id gives its recorded result.
local function step(run, kind, target, name, fn)
  local scope = scope_of(run)
  if not name then
    scope.ordinal = scope.ordinal + 1
    name = kind .. "-" .. scope.ordinal
  end
  local begun = native.step_begin {
    binding = run._binding, phase = run.phase, scope = scope.path, name = name,
    kind = kind, target = target,
  }
  if begun.done then
    return begun.result
  end
  local ok, result = pcall(fn)
  if not ok then
    native.step_end { id = begun.id, error = tostring(result) }
    error(result, 0)
  end
  native.step_end { id = begun.id, result = result }
  return result
end

--- Runs `fn` as a step of its own name: on resume a finished step returns its recorded result and
--- is not executed again.
function Run:step(name, fn)
  if type(name) ~= "string" or name == "" then
    error("run:step takes a name and a function", 2)
  end
  if type(fn) ~= "function" then
    error("run:step: expected a function, found " .. type(fn), 2)
  end
  return step(self, "step", name, name, fn)
end

--- Runs functions side by side and returns a list of their first results, in order. The first
--- failure cancels the others and is raised.
function Run:parallel(functions)
  check_table(functions, "parallel")
  local scope = scope_of(self)
  scope.ordinal = scope.ordinal + 1
  local base = scope.path .. "p" .. scope.ordinal .. "."
  local wrapped = {}
  for i, fn in ipairs(functions) do
    if type(fn) ~= "function" then
      error("run:parallel takes a list of functions; entry " .. i .. " is a " .. type(fn), 2)
    end
    wrapped[i] = function()
      local thread = coroutine.running()
      scopes[thread] = { path = base .. i .. ".", ordinal = 0 }
      local ok, result = pcall(fn)
      scopes[thread] = nil
      if not ok then
        error(result, 0)
      end
      return result
    end
  end
  return native.parallel(wrapped)
end

--- Waits. `duration` is text such as "500ms" or "2s", or a number of seconds.
function Run:sleep(duration)
  native.sleep { duration = duration }
end

--- Runs a command in a container and waits for its end.
function Run:exec(options)
  check_table(options, "exec")
  check_field(options, "exec", "pod", "string")
  as_command(options, "exec")
  return step(self, "exec", options.pod, options.step, function()
    return native.exec(with(options, { binding = self._binding }))
  end)
end

--- Runs a command in several Pods at once: `pods` is a list of names, by default the workload's.
function Run:exec_all(options)
  check_table(options, "exec_all")
  as_command(options, "exec_all")
  return step(self, "exec_all", options.pods and table.concat(options.pods, ",") or "all Pods",
    options.step, function()
      return native.exec_all(with(options, { binding = self._binding }))
    end)
end

--- Opens an exec stream that stays open, across the freeze where it is not closed.
function Run:session(options)
  check_table(options, "session")
  check_field(options, "session", "pod", "string")
  as_command(options, "session")
  return session.open(options)
end

--- Runs a Pod from an image to its end.
function Run:task(options)
  check_table(options, "task")
  check_field(options, "task", "image", "string")
  return step(self, "task", options.image, options.step, function()
    return native.task(with(options, { binding = self._binding }))
  end)
end

--- Sets the replicas of a workload (by default the bound one) and waits until they are there.
function Run:scale(options)
  check_table(options, "scale")
  check_field(options, "scale", "replicas", "number")
  return step(self, "scale", options.name or self._context.name, options.step, function()
    return native.scale(with(options, { binding = self._binding }))
  end)
end

--- Waits until an object has a condition, a value at a path, or is deleted.
function Run:wait(options)
  check_table(options, "wait")
  check_field(options, "wait", "kind", "string")
  check_field(options, "wait", "name", "string")
  return native.wait(with(options, { binding = self._binding }))
end

--- An object, or nil where there is none.
function Run:get(options)
  check_table(options, "get")
  check_field(options, "get", "kind", "string")
  check_field(options, "get", "name", "string")
  return native.get(with(options, { binding = self._binding }))
end

--- A list of objects.
function Run:list(options)
  check_table(options, "list")
  check_field(options, "list", "kind", "string")
  return native.list(with(options, { binding = self._binding }))
end

local function object_name(object)
  local metadata = type(object) == "table" and object.metadata
  return tostring(object.kind) .. "/" .. tostring(metadata and metadata.name)
end

--- The log of a container, as text.
function Run:logs(options)
  check_table(options, "logs")
  check_field(options, "logs", "pod", "string")
  return native.logs(with(options, { binding = self._binding }))
end

--- Applies an object (server-side apply; field manager "kassette").
function Run:apply(object, options)
  check_table(object, "apply")
  options = options or {}
  return step(self, "apply", object_name(object), options.step, function()
    return native.apply(with(options, { binding = self._binding, object = object }))
  end)
end

--- Patches an object: `patch` is a table; `type` is "merge" (the default), "strategic" or "json".
function Run:patch(options)
  check_table(options, "patch")
  check_field(options, "patch", "kind", "string")
  check_field(options, "patch", "name", "string")
  check_field(options, "patch", "patch", "table")
  return step(self, "patch", options.kind .. "/" .. options.name, options.step, function()
    return native.patch(with(options, { binding = self._binding }))
  end)
end

--- Deletes an object; one that is not there is deleted already. Waits until it is gone with
--- wait = true.
function Run:delete(options)
  check_table(options, "delete")
  check_field(options, "delete", "kind", "string")
  check_field(options, "delete", "name", "string")
  return step(self, "delete", options.kind .. "/" .. options.name, options.step, function()
    return native.delete(with(options, { binding = self._binding }))
  end)
end

--- Cuts snapshots of the given volumes (by default all of the workload's) at once and waits until
--- each has its point in time.
function Run:snapshot(options)
  options = options or {}
  check_table(options, "snapshot")
  return native.snapshot(with(options, { binding = self._binding }))
end

--- Keeps a small text under a name in the Run's status (status.artifacts).
function Run:artifact(name, value)
  if type(name) ~= "string" or name == "" then
    error("run:artifact takes a name and a value", 2)
  end
  native.artifact { binding = self._binding, name = name, value = value }
end

--- Says something in the log of the run.
function Run:log(message, ...)
  if select("#", ...) > 0 then
    message = message:format(...)
  end
  native.log { binding = self._binding, message = tostring(message) }
end

--- Fails the run, with a message for people, and optionally what to do and a CamelCase reason.
function Run:fail(message, options)
  options = options or {}
  native.fail { message = tostring(message), hint = options.hint, reason = options.reason }
end

local M = {}

--- The objects of one binding in one attempt: made by the engine.
function M.new(context)
  local run = setmetatable({
    id = context.id,
    attempt = context.attempt,
    action = context.action,
    params = context.params or {},
    frozen = {},
    phase = "",
    _context = context,
    _binding = context.binding,
    _scope = { path = "", ordinal = 0 },
  }, metatable)
  return { run = run, app = application.new(context) }
end

--- Calls a function of the blueprint: by the engine.
function M.invoke(objects, fn, name)
  objects.run.phase = name
  objects.run._scope = { path = "", ordinal = 0 }
  return fn(objects.run, objects.app)
end

M.Run = Run
return M
