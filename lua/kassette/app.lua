-- SPDX-License-Identifier: Apache-2.0
-- The `app` object that a blueprint's functions get: the application, seen from the workload that
-- the blueprint is bound to.

local App = {}
local metatable = { __index = App }

--- The workload's Pods: a list of { name, ready, phase, node, containers, labels, ip }, running
--- ones that are ready first, then by ordinal. `containers` is a list of { name, image, mounts },
--- `mounts` one of { path, claim, sub_path } for the volumes that are PersistentVolumeClaims.
function App:pods()
  return native.pods { binding = self._context.binding }
end

--- The name of the Pod to talk to: the first that is ready. Fails where none is.
function App:pod()
  local pods = self:pods()
  for _, pod in ipairs(pods) do
    if pod.ready then
      return pod.name
    end
  end
  local seen = {}
  for _, pod in ipairs(pods) do
    seen[#seen + 1] = pod.name .. " is " .. tostring(pod.phase)
  end
  native.fail {
    reason = #pods > 0 and "PodNotReady" or "NoPods",
    message = ("%s/%s in %s has no Pod that is ready (%s)"):format(self.kind, self.name,
      self.namespace, #seen > 0 and table.concat(seen, ", ") or "it has no Pods"),
    hint = ("look at it with: kubectl -n %s describe pods"):format(self.namespace),
  }
end

--- The workload's object, as the API server has it now.
function App:workload()
  return native.get {
    binding = self._context.binding, kind = self.kind, name = self.name,
    api_version = self._context.api_version,
  }
end

--- The workload's volumes: a list of { claim, class, snapshot_class, driver, size, … }.
function App:volumes()
  return native.volumes { binding = self._context.binding }
end

local M = {}

function M.new(context)
  return setmetatable({
    namespace = context.namespace,
    kind = context.kind,
    name = context.name,
    _context = context,
  }, metatable)
end

M.App = App
return M
