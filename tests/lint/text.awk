# SPDX-License-Identifier: Apache-2.0
# Rules that every text file keeps. Prints "file:line: rule: what is wrong".
#   spdx     the licence in the first line (of a script: the second)
#   columns  at most 100 of them
#   tab      none, but in make's files
#   space    none at the end of a line
#   newline  the last line ends, and is not empty
#   lines    at most 1000 in a file of code

function report(line, rule, text) { printf "%s:%d: %s: %s\n", FILENAME, line, rule, text }

function finish() {
  if (name == "") return
  if (code && lines > 1000)
    printf "%s:%d: lines: the file has %d lines, at most 1000 are allowed: split it\n", \
      name, lines, lines
  if (lines && last ~ /^[ \t]*$/)
    printf "%s:%d: newline: the file ends with an empty line\n", name, lines
}

FNR == 1 {
  finish()
  name = FILENAME
  lines = 0
  c = name ~ /\.[ch]$/
  lua = name ~ /\.lua$/
  script = $0 ~ /^#!/ || name ~ /\.bash$/
  spdx_line = script && $0 ~ /^#!/ ? 2 : script ? 1 : 0
  make = name ~ /(^|\/)Makefile$/
  code = c || lua || script || name ~ /\.awk$/
  wide = !code || script # prose, manifests and the commands of a script may be wide
  if (c && $0 != "/* SPDX-License-Identifier: Apache-2.0 */")
    report(1, "spdx", "the first line is not /* SPDX-License-Identifier: Apache-2.0 */")
  if (lua && $0 != "-- SPDX-License-Identifier: Apache-2.0")
    report(1, "spdx", "the first line is not -- SPDX-License-Identifier: Apache-2.0")
}
FNR == spdx_line && $0 != "# SPDX-License-Identifier: Apache-2.0" {
  report(FNR, "spdx", "the line is not # SPDX-License-Identifier: Apache-2.0")
}
{
  lines = FNR
  last = $0
  if (!make && index($0, "\t") && (code || name ~ /\.ya?ml$/))
    report(FNR, "tab", "indented or aligned with a tab: use spaces")
  if ($0 ~ /[ \t\r]$/) report(FNR, "space", "white space at the end of the line")
  if (!wide) {
    text = $0
    sub(/https?:\/\/[^ ]+/, "", text) # cannot be broken
    gsub(/[\200-\277]/, "", text) # the bytes of UTF-8 that follow the first one
    if (length(text) > 100)
      report(FNR, "columns", "the line has " length(text) " columns, at most 100 are allowed")
  }
}
END { finish() }
