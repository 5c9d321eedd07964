-- What a blueprint and the standard library can see (docs: the sandbox). Everything else of Lua's
-- own library (io, os, debug, package, load) is not there, so luacheck does not know it either.
stds.kassette = {
  read_globals = {
    "_G", "_VERSION", "assert", "collectgarbage", "error", "getmetatable", "ipairs", "next",
    "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "require", "select",
    "setmetatable", "tonumber", "tostring", "type", "warn", "xpcall",
    string = { other_fields = true },
    table = { other_fields = true },
    math = { other_fields = true },
    utf8 = { other_fields = true },
    coroutine = { other_fields = true },
  },
}
std = "kassette"
max_line_length = false -- tests/lint/text.awk says it for all languages
-- A phase function has the same arguments everywhere, used or not.
unused_args = false

-- The standard library alone sees the natives that it stands on.
files["**/lua/kassette/*.lua"] = { read_globals = { native = { other_fields = true } } }

-- Declarations for editors: functions without bodies, globals that only exist there.
files["**/types/*.lua"] = {
  ignore = { "111", "112", "113", "121", "122", "131", "142", "143", "211", "241" },
}
files["**/.luacheckrc"] = { std = "max", ignore = { "111", "112", "113" } }
