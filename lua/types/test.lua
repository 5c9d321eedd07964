-- SPDX-License-Identifier: Apache-2.0
---@meta kassette.test
-- What a test.lua beside a blueprint can use: require "kassette.test".

---@class kassette.test
local M = {}

---What a test describes, and what happened in it.
---@class kassette.World
---@field kind string
---@field name string
---@field namespace string
---@field params table<string, any> those that differ from their defaults
---@field pods kassette.Pod[]
---@field client fun(statement: string, session: kassette.SessionOptions): string? nil: it broke
---@field execute fun(options: kassette.ExecOptions): kassette.ExecResult
---@field statements string[] what was sent to sessions
---@field commands kassette.ExecOptions[] what was executed
---@field cuts string[][] the claims of each cut
---@field artifacts table<string, any>
---@field log string[]
---@field open integer sessions that are open
---@field sessions { options: kassette.SessionOptions }[] all that were opened
local World = {}

---A backup as the engine does it; the message of its first failure, or nil.
---@return string?
function World:backup() end

---What a successor does for an engine that died in the freeze.
---@return string?
function World:recover() end

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
