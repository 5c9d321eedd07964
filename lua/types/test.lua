-- SPDX-License-Identifier: Apache-2.0
---@meta kassette.test
-- What a test.lua beside a blueprint can use: require "kassette.test".

---@class kassette.test
---@field hang table what `execute` or `client` answers where nothing comes to an end
local M = {}

---What a test describes, and what happened in it. A case makes one backup.
---@class kassette.World
---@field blueprint kassette.Blueprint
---@field kind string of the workload; "StatefulSet", "Deployment" or "DaemonSet"
---@field name string
---@field namespace string
---@field action string "backup", or an action of the blueprint's own
---@field params table<string, any> those that differ from their defaults
---@field pods kassette.World.Pod[] of a StatefulSet: "db-0", "db-1", …
---@field attempts integer how often the freeze is tried; 1
---@field max_freeze? string "500ms"
---@field client fun(statement: string, session: kassette.Command): string|table? nil: it broke
---@field execute fun(command: kassette.Command): kassette.Answer? answers a command
---@field task fun(pod: table): kassette.Answer? answers a Pod that is to end by itself
---@field storage table<string, string|number|boolean> faults: cutDelayMs, errorOnce, neverReady, …
---@field faults table[] see fault()
---@field statements string[] what was sent to sessions
---@field commands kassette.Command[] what was executed
---@field sessions { options: kassette.Command }[] all that were opened
---@field cuts string[] the claims, in the order of their cuts
---@field phases string[]
---@field requests kassette.Request[] of the engine
---@field events string[] "open db-0", statements, "exec db-0", "cut data-db-0", "phase Export", …
---@field artifacts table<string, any>
---@field log string[]
---@field open integer sessions that the hooks left open
---@field status table of the Run
---@field reason? string of its failure
local World = {}

---@class kassette.World.Pod
---@field name string
---@field ready? boolean
---@field phase? string
---@field containers kassette.Container[] those of the first Pod are all Pods'

---@class kassette.Command
---@field namespace string
---@field pod string
---@field container string
---@field command string[]
---@field input? string

---@class kassette.Answer
---@field code? integer
---@field stdout? string
---@field stderr? string
---@field hang? boolean it never ends
---@field failure? string why it cannot be run

---@class kassette.Request
---@field verb string "get", "list", "watch", "create", "update", "patch", "delete"
---@field resource string "volumesnapshots"
---@field subresource string
---@field namespace string
---@field name string
---@field code integer

---A backup (or `action`) by the engine; the message of its failure, or nil.
---@return string?
function World:backup() end

---What a successor does for an engine that died in the freeze; the message of its failure, or nil.
---@return string?
function World:recover() end

---A manifest instead of the usual application: YAML, or an object as a table.
---@param manifest string|table
function World:load(manifest) end

---A request of the engine that goes wrong. fault: reset-before, reset-after, 500, 503, 429, 409,
---410, hang, truncate.
---@param rule kassette.Fault
function World:fault(rule) end

---@class kassette.Fault
---@field verb? string
---@field resource? string
---@field subresource? string
---@field namespace? string
---@field name? string
---@field fault "reset-before"|"reset-after"|"500"|"503"|"429"|"409"|"410"|"hang"|"truncate"
---@field after? integer so many requests go well first
---@field times? integer so many go wrong; 1, 0 for all

---An object of the cluster, or nil.
---@param kind string
---@param name string
---@param namespace? string by default the application's
---@return table?
function World:object(kind, name, namespace) end

---How many requests of the engine were like this.
---@param like { verb?: string, resource?: string, subresource?: string, name?: string, code?: any }
---@return integer
function World:requested(like) end

---Where in the order of events one that contains the text is; fails where none does.
---@param text string
---@return integer
function World:position(text) end

---@param text string
---@return boolean
function World:has(text) end

---@param name string
---@param blueprint kassette.Blueprint
---@param body fun(it: fun(case: string, fn: fun(world: kassette.World)))
---@return table suite what the file returns
function M.describe(name, blueprint, body) end

---@param found any
---@param expected any
---@param what? string
function M.equal(found, expected, what) end

---@param found any
---@param what? string
function M.truthy(found, what) end

return M
