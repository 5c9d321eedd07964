# SPDX-License-Identifier: Apache-2.0
# Rules of C files, line by line. Prints "file:line: rule: what is wrong".
#   layer        a layer includes itself and lower ones only; kube and git, app and sandbox are
#                on one level and do not know each other
#   include      our headers are written "layer/module.h" or "layer/room/module.h", seen from
#                engine/
#   third-party  each library's header is included by the module that wraps it, and by no other
#   function     at most 100 lines from { to }
#   banned       what engine/base/banned.h names is not called
#   guard        KST_<LAYER>_<MODULE>_H, from the path
#   comment      every prototype of a header of engine/ stands under a comment, or in a run of
#                lines that does
# Variables: banned=REGULAR EXPRESSION of function names.

BEGIN {
  level["base"] = 1
  level["loop"] = 2
  level["kube"] = level["git"] = 3
  level["lua"] = 4
  level["run"] = 5
  level["app"] = level["sandbox"] = 6
  level["cmd"] = 7

  # A header of a library, and the files that may include it.
  n = 0
  header[++n] = "^cjson/|cJSON\\.h$";     owner[n] = "^engine/base/json\\.c$"
  header[++n] = "^yaml\\.h$";             owner[n] = "^engine/base/yaml[a-z_]*\\.c$"
  header[++n] = "^pcre2";                 owner[n] = "^engine/base/regex\\.c$"
  header[++n] = "^curl/";                 owner[n] = "^engine/loop/http[a-z_]*\\.[ch]$"
  header[++n] = "^wslay/" # one end of it each
  owner[n] = "^engine/(kube/(websocket|exec[a-z_]*)|sandbox/server/remote_websocket)\\.c$"
  header[++n] = "^git2(/|\\.h$)";         owner[n] = "^engine/git/"
  header[++n] = "^(lua|lualib|lauxlib|luaconf)\\.h"; owner[n] = "^engine/lua/"
  header[++n] = "^openssl/"
  owner[n] = "^engine/(loop/http|base/hash|kube/cert)[a-z_]*\\.c$"
  header[++n] = "^gnutls/";              owner[n] = "^engine/sandbox/server/httpd_tls\\.c$"
  header[++n] = "^zstd(_errors)?\\.h$";  owner[n] = "^engine/base/zstd\\.c$"
  header[++n] = "^zlib\\.h$";            owner[n] = "^engine/sandbox/server/spdy[a-z_]*\\.c$"
  libraries = n
}

function report(line, rule, text) { printf "%s:%d: %s: %s\n", FILENAME, line, rule, text }

# The line without comments and without what is in quotes; `in_comment` goes on to the next one.
function strip(text,    out, at, close_at, quote, i, ch) {
  out = ""
  for (i = 1; i <= length(text); i++) {
    ch = substr(text, i, 1)
    if (in_comment) {
      if (substr(text, i, 2) == "*/") { in_comment = 0; i++ }
      continue
    }
    if (substr(text, i, 2) == "/*") { in_comment = 1; i++; continue }
    if (substr(text, i, 2) == "//") break
    if (ch == "\"" || ch == "'") {
      quote = ch
      out = out ch
      for (i++; i <= length(text) && substr(text, i, 1) != quote; i++)
        if (substr(text, i, 1) == "\\") i++
      out = out ch
      continue
    }
    out = out ch
  }
  return out
}

function check_include(    path, ours, layer, i) {
  path = $0
  sub(/^[ \t]*#[ \t]*include[ \t]*/, "", path)
  ours = path ~ /^"/
  path = substr(path, 2)
  sub(/[">].*/, "", path)
  if (in_engine && ours) {
    layer = path
    sub(/\/.*/, "", layer)
    if (!(layer in level) || path !~ /^[a-z]+\/([a-z]+\/)?[a-z0-9_]+\.h$/)
      report(FNR, "include", "\"" path "\" is not \"layer/module.h\" or \"layer/room/module.h\"")
    else if (level[layer] > level[own_layer])
      report(FNR, "layer", own_layer " includes " path ", of the higher layer " layer)
    else if (level[layer] == level[own_layer] && layer != own_layer)
      report(FNR, "layer", own_layer " includes " path ", though neither is above the other")
  }
  if (in_engine)
    for (i = 1; i <= libraries; i++)
      if (path ~ header[i] && FILENAME !~ owner[i])
        report(FNR, "third-party", "<" path "> belongs to another module: use what it offers")
}

# Collects the statements of a header's top level, and looks at those that declare a function.
# `documented` holds from a comment to the next empty line.
function check_prototype(    opened, closed, name) {
  if ($0 ~ /^[ \t]*$/) documented = 0
  if (in_macro || text ~ /^[ \t]*#/) {
    in_macro = $0 ~ /\\$/
    return
  }
  opened = gsub(/{/, "{", text)
  closed = gsub(/}/, "}", text)
  if (depth == 0 && text ~ /[^ \t]/) {
    if (statement == "") started = FNR
    statement = statement " " text
    if (statement ~ /;[ \t]*$/ && opened == 0 && closed == 0) {
      if (statement ~ /[A-Za-z0-9_]\(/ && statement !~ /^ (typedef|static) / && !documented) {
        name = statement
        sub(/\(.*/, "", name)
        sub(/^.*[^A-Za-z0-9_]/, "", name)
        report(started, "comment", name "() has no comment above it that says what it does")
      }
      statement = ""
    }
  }
  depth += opened - closed
  if (depth == 0 && (opened || closed)) statement = ""
}

FNR == 1 {
  in_comment = 0
  in_macro = 0
  body = 0
  depth = 0
  documented = 0
  statement = ""
  guard = ""
  is_header = FILENAME ~ /\.h$/
  in_engine = FILENAME ~ /^engine\/[a-z]+\//
  own_layer = FILENAME
  sub(/^engine\//, "", own_layer)
  sub(/\/.*/, "", own_layer)
  if (in_engine && !(own_layer in level))
    report(1, "layer", "engine/" own_layer " is not one of the layers (tests/lint/c.awk)")
  expected = FILENAME
  sub(/^engine\//, "", expected)
  expected = "KST_" toupper(expected)
  gsub(/[^A-Z0-9]/, "_", expected)
}

/^[ \t]*#[ \t]*include/ { check_include() }

is_header && guard == "" && /^[ \t]*#[ \t]*if/ {
  guard = $0
  if ($0 != "#ifndef " expected) report(FNR, "guard", "expected #ifndef " expected)
  next
}

{
  if (in_comment || $0 ~ /\/\*/) documented = 1
  text = strip($0)
  if (banned != "" && text ~ ("(^|[^A-Za-z0-9_])(" banned ")[ \t]*\\(")) {
    match(text, "(^|[^A-Za-z0-9_])(" banned ")[ \t]*\\(")
    called = substr(text, RSTART, RLENGTH)
    gsub(/[^A-Za-z0-9_]/, "", called)
    report(FNR, "banned", called "() is banned: engine/base/banned.h says what to use")
  }

  # A function's body is what { and } at column 0 enclose.
  if ($0 == "{") { body = FNR }
  else if (body && $0 ~ /^}/) {
    if (FNR - body + 1 > 100)
      report(body, "function", signature "() has " FNR - body + 1 \
        " lines, at most 100 are allowed: split it")
    body = 0
  } else if (!body && $0 ~ /^[A-Za-z_].*\(/) {
    signature = $0
    sub(/\(.*/, "", signature)
    sub(/^.*[^A-Za-z0-9_]/, "", signature)
  }

  if (is_header && in_engine) check_prototype()
}
