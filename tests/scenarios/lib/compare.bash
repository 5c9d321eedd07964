# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# What changed between two looks at an application (compare). Sourced by `scenario`.

# look NAME [NAMESPACE]: keeps what is there now as NAME.
look() {
    rm -rf "$work/look-$1"
    "$lib/compare" dump "${2:-$ns}" "$work/look-$1" || fail "cannot look at ${2:-$ns}"
}

# same BEFORE AFTER: nothing that a user has set differs between two looks.
same() {
    "$lib/compare" diff "$work/look-$1" "$work/look-$2" >"$work/differences" ||
        fail "not as before: $(cat "$work/differences")"
}

# versions NAME [NAMESPACE]: identity and version of each object as it is now, kept as NAME.
versions() {
    "$lib/compare" versions "${2:-$ns}" >"$work/versions-$1" || fail "cannot look at ${2:-$ns}"
}

# untouched BEFORE AFTER [EXCEPT]: no object was written between; EXCEPT is an expression for the
# lines ("Kind.group/name uid resourceVersion") of those that may have been.
untouched() {
    diff <(grep -vE "${3:-^$}" "$work/versions-$1") <(grep -vE "${3:-^$}" "$work/versions-$2") \
        >"$work/differences" || fail "written meanwhile: $(cat "$work/differences")"
}
