-- SPDX-License-Identifier: Apache-2.0
-- Sessions: an exec stream that a hook holds open. What was taken in its connection (FLUSH TABLES
-- WITH READ LOCK, pg_backup_start) lasts until it is closed, and not longer, whatever happens to
-- the engine.

local Session = {}
local metatable = { __index = Session }

-- How the usual clients are made to print a line of ours, so that `ask` knows where an answer ends.
local markers = {
  psql = "\\echo %s\n",
  mariadb = "SELECT '%s';\n",
  mysql = "SELECT '%s';\n",
  ["redis-cli"] = "ECHO %s\n",
  ["valkey-cli"] = "ECHO %s\n",
  sh = "echo %s\n",
  bash = "echo %s\n",
  dash = "echo %s\n",
  mongosh = "print('%s')\n",
  sqlite3 = ".print %s\n",
}

local function marker_of(options)
  if options.marker then
    return options.marker
  end
  local program = options.command[1]:match("[^/]+$") or ""
  return markers[program]
end

--- Sends text as it is: commands of most clients end with a newline.
function Session:send(text)
  if type(text) ~= "string" then
    error("session:send takes a string, not " .. type(text), 2)
  end
  native.session_send { id = self._id, data = text }
end

-- Reads more output into the buffer.
function Session:_fill(timeout, what)
  local got = native.session_read { id = self._id, timeout = timeout, what = what }
  self._buffer = self._buffer .. got.data
end

--- Waits until the output holds the pattern, and returns its captures (or the whole match). What
--- came before it is dropped.
function Session:expect(pattern, timeout)
  if type(pattern) ~= "string" then
    error("session:expect takes a pattern, not " .. type(pattern), 2)
  end
  while true do
    local found = table.pack(self._buffer:find(pattern))
    if found[1] then
      local whole = self._buffer:sub(found[1], found[2])
      self._buffer = self._buffer:sub(found[2] + 1)
      if found.n > 2 then
        return table.unpack(found, 3, found.n)
      end
      return whole
    end
    self:_fill(timeout or self._timeout, "'" .. pattern .. "'")
  end
end

--- Sends one statement and returns all that it printed, without the last newline. The client must
--- be one whose marker is known (psql, mariadb, mysql, redis-cli, sh, …) or given as
--- marker = "command that prints %s\n".
function Session:ask(text, timeout)
  if not self._marker then
    error("session:ask: how this client prints a line is not known: give run:session a marker, "
      .. "such as marker = \"echo %s\\n\"", 2)
  end
  self._asked = self._asked + 1
  local mark = ("kassette-%s-%d"):format(self._id, self._asked)
  if text:sub(-1) ~= "\n" then
    text = text .. "\n"
  end
  self:send(text .. self._marker:format(mark))
  local line = mark .. "\n"
  while true do
    local first, last = self._buffer:find(line, 1, true)
    if first then
      local answer = self._buffer:sub(1, first - 1)
      self._buffer = self._buffer:sub(last + 1)
      return (answer:gsub("\n$", ""))
    end
    self:_fill(timeout or self._timeout, "the answer to a statement")
  end
end

--- Closes the connection: the client reads end of file. Returns nothing; closing twice is allowed.
function Session:close()
  native.session_close { id = self._id }
end

local M = {}

function M.open(options)
  local opened = native.session_open(options)
  return setmetatable({
    _id = opened.id,
    _buffer = "",
    _asked = 0,
    _timeout = options.timeout,
    _marker = marker_of(options),
  }, metatable)
end

M.Session = Session
return M
