-- SPDX-License-Identifier: Apache-2.0
---@meta
-- What a blueprint can use, for editors with LuaLS (docs/blueprints.md says how they find this).
-- A duration is text such as "500ms", "30s" or "1m30s", or a number of seconds.

---@alias kassette.Duration string|number

---A file that returns one of these is a blueprint.
---@class kassette.Blueprint
---@field name string its name, as in kassette.io/blueprint
---@field summary? string one line for people
---@field match? kassette.Match which workloads it serves by itself
---@field params? table<string, kassette.Param|string|number|boolean> a value alone is a default
---@field order? integer freezes before those with a higher one, thaws after them; 0
---@field max_freeze? kassette.Duration how long the application may be frozen
---@field attempts? integer how often the freeze is tried
---@field post_hook_after? "snapshot"|"export" when post_hook runs; "snapshot"
---@field pre_hook? fun(run: kassette.Run, app: kassette.App) freezes
---@field snapshot? fun(run: kassette.Run, app: kassette.App) cuts the workload's volumes
---@field post_hook? fun(run: kassette.Run, app: kassette.App) thaws; always runs after a pre_hook
---@field export? fun(run: kassette.Run, app: kassette.App)
---@field pre_restore? fun(run: kassette.Run, app: kassette.App)
---@field restore? fun(run: kassette.Run, app: kassette.App)
---@field post_restore? fun(run: kassette.Run, app: kassette.App)
---@field verify? fun(run: kassette.Run, app: kassette.App) proves that a restored workload works
---@field delete? fun(run: kassette.Run, app: kassette.App)
---@field actions? table<string, fun(run: kassette.Run, app: kassette.App)> kassette backup --action

---All that is given must hold.
---@class kassette.Match
---@field kind? string|string[]
---@field api_version? string|string[]
---@field image? string a regular expression (PCRE2) that the image of any container matches
---@field name? string a regular expression that the workload's name matches
---@field labels? table<string, string> of the workload or its Pod template

---@class kassette.Param
---@field type? "string"|"integer"|"number"|"boolean"|"duration"|"size"|"list"
---@field default? any
---@field required? boolean
---@field secret? boolean its value is shown nowhere
---@field enum? string[]
---@field doc? string

---A Pod of the workload.
---@class kassette.Pod
---@field name string
---@field ready boolean
---@field phase string
---@field node string
---@field ip string
---@field labels table<string, string>
---@field containers kassette.Container[]

---@class kassette.Container
---@field name string
---@field image string
---@field mounts kassette.Mount[] where it has PersistentVolumeClaims

---@class kassette.Mount
---@field path string
---@field claim string
---@field sub_path? string

---@class kassette.Volume
---@field claim string
---@field volume string the PersistentVolume
---@field size string
---@field driver string
---@field storageClass string
---@field snapshotClass string

---The application, seen from the workload that the blueprint is bound to.
---@class kassette.App
---@field namespace string
---@field kind string of the workload
---@field name string of the workload
local App = {}

---The workload's Pods, those that are ready first.
---@return kassette.Pod[]
function App:pods() end

---The name of the first Pod that is ready; fails where none is.
---@return string
function App:pod() end

---The workload's object, as the API server has it now.
---@return table
function App:workload() end

---The workload's volumes.
---@return kassette.Volume[]
function App:volumes() end

---An exec stream that stays open, across the freeze where it is not closed.
---@class kassette.Session
local Session = {}

---Sends text as it is: most clients want a newline at its end.
---@param text string
function Session:send(text) end

---Waits until the output holds the Lua pattern; returns its captures, or the whole match.
---@param pattern string
---@param timeout? kassette.Duration
---@return string ...
function Session:expect(pattern, timeout) end

---Sends one statement and returns what it printed, without the last newline.
---@param text string
---@param timeout? kassette.Duration
---@return string
function Session:ask(text, timeout) end

---Closes the stream: the client reads end of file, and a lock that it held is gone.
function Session:close() end

---@class kassette.ExecOptions
---@field command string[] no shell: { "sh", "-c", "…" } for one. Never holds a secret.
---@field pod string
---@field container? string
---@field namespace? string one that the Run allows (spec.allowedNamespaces)
---@field input? string
---@field check? boolean false: a non-zero exit code does not fail
---@field max_output? integer bytes; 1 MiB
---@field timeout? kassette.Duration
---@field step? string a name for the step

---@class kassette.ExecAllOptions
---@field command string[]
---@field pods? string[] by default the workload's that run
---@field container? string
---@field input? string
---@field check? boolean
---@field max_output? integer
---@field timeout? kassette.Duration
---@field step? string

---@class kassette.ExecResult
---@field code integer
---@field stdout string
---@field stderr string

---@class kassette.SessionOptions
---@field command string[]
---@field pod string
---@field container? string
---@field namespace? string
---@field timeout? kassette.Duration of expect and ask where they say none
---@field marker? string how the client prints a line of ours, for ask: "echo %s\n"

---@class kassette.TaskOptions
---@field image string
---@field command? string[]
---@field args? string[]
---@field env? table<string, string|number|{ secret: string, key: string }>
---@field volumes? table<string, string> claim to mount path
---@field namespace? string
---@field service_account? string
---@field node? string
---@field resources? table
---@field image_pull_policy? "Always"|"IfNotPresent"|"Never"
---@field timeout? kassette.Duration
---@field step? string

---@class kassette.TaskResult
---@field code integer
---@field stdout string
---@field output table<string, string> of lines ###Phase-output###: {"key": …, "value": …}

---@class kassette.ObjectOptions
---@field kind string also a plural or short name
---@field name string
---@field api_version? string
---@field namespace? string

---@class kassette.ListOptions
---@field kind string
---@field api_version? string
---@field namespace? string
---@field selector? string
---@field field_selector? string

---@class kassette.WaitOptions: kassette.ObjectOptions
---@field condition? string "Ready"
---@field status? string of the condition; "True"
---@field path? string "status.phase"
---@field value? any what the path is to have; left out, anything
---@field deleted? boolean
---@field timeout? kassette.Duration

---@class kassette.PatchOptions: kassette.ObjectOptions
---@field patch table
---@field type? "merge"|"strategic"|"json"
---@field subresource? string
---@field step? string

---@class kassette.DeleteOptions: kassette.ObjectOptions
---@field propagation? "Background"|"Foreground"|"Orphan"
---@field grace_seconds? integer
---@field wait? boolean
---@field timeout? kassette.Duration
---@field step? string

---@class kassette.ScaleOptions
---@field replicas integer
---@field kind? string by default the bound workload
---@field name? string
---@field timeout? kassette.Duration
---@field step? string

---@class kassette.LogsOptions
---@field pod string
---@field container? string
---@field namespace? string
---@field previous? boolean
---@field tail_lines? integer

---Everything that a blueprint can do. What acts on the cluster is a step: a run that is resumed
---gets its recorded result instead of acting twice.
---@class kassette.Run
---@field id string the Run's name
---@field attempt integer
---@field action string "backup", …
---@field phase string the function that runs
---@field params table<string, any>
---@field frozen table what a pre_hook leaves for the post_hook of the same process
local Run = {}

---Runs fn as a step: on resume a finished one returns its recorded result.
---@generic T
---@param name string
---@param fn fun(): T
---@return T
function Run:step(name, fn) end

---Runs functions side by side, returns a list of their first results. The first failure cancels the
---others and is raised.
---@param functions (fun(): any)[]
---@return any[]
function Run:parallel(functions) end

---@param duration kassette.Duration
function Run:sleep(duration) end

---Runs a command in a container and waits for its end.
---@param options kassette.ExecOptions
---@return kassette.ExecResult
function Run:exec(options) end

---Runs a command in several Pods at once.
---@param options kassette.ExecAllOptions
---@return table<string, kassette.ExecResult> by Pod
function Run:exec_all(options) end

---Opens an exec stream that stays open.
---@param options kassette.SessionOptions
---@return kassette.Session
function Run:session(options) end

---Runs a Pod from an image to its end.
---@param options kassette.TaskOptions
---@return kassette.TaskResult
function Run:task(options) end

---Sets the replicas of a workload and waits until they are there.
---@param options kassette.ScaleOptions
---@return table
function Run:scale(options) end

---Waits until an object has a condition or a value, or is deleted.
---@param options kassette.WaitOptions
---@return table?
function Run:wait(options) end

---An object, or nil where there is none.
---@param options kassette.ObjectOptions
---@return table?
function Run:get(options) end

---@param options kassette.ListOptions
---@return table[]
function Run:list(options) end

---The log of a container.
---@param options kassette.LogsOptions
---@return string
function Run:logs(options) end

---Applies an object (server-side apply, field manager "kassette").
---@param object table
---@param options? { step?: string }
---@return table
function Run:apply(object, options) end

---@param options kassette.PatchOptions
---@return table
function Run:patch(options) end

---Deletes an object; one that is not there is deleted already.
---@param options kassette.DeleteOptions
function Run:delete(options) end

---Cuts snapshots of the given volumes (by default all of the workload's) at once and waits until
---each has its point in time. In the function `snapshot` only.
---@param options? { volumes?: (string|kassette.Volume)[] }
---@return table[]
function Run:snapshot(options) end

---Keeps a small text in the Run's status.
---@param name string
---@param value string|number|boolean
function Run:artifact(name, value) end

---Says something in the log of the run; with more arguments, `message` is a format.
---@param message any
---@param ... any
function Run:log(message, ...) end

---Fails the run, with a message for people.
---@param message string
---@param options? { reason?: string, hint?: string }
function Run:fail(message, options) end
