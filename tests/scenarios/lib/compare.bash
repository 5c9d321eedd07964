# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# What changed between two looks at an application (compare). Sourced by `scenario`.

# Kinds that controllers write by themselves while nothing happens.
restless='^(HorizontalPodAutoscaler.autoscaling|Endpoints|ResourceQuota|PodDisruptionBudget.policy)/'

# look NAME [NAMESPACE]: keeps what is there now as NAME.
look() {
    rm -rf "$work/look-$1"
    "$lib/compare" dump "${2:-$ns}" "$work/look-$1" || fail "cannot look at ${2:-$ns}"
}

# same BEFORE AFTER [EXCEPT]: nothing that a user has set differs between two looks; EXCEPT is an
# expression for lines of `compare diff` that may be there.
same() {
    local status=0
    "$lib/compare" diff "$work/look-$1" "$work/look-$2" >"$work/differences" || status=$?
    # It says which by its status, and dies with the one of a difference as well.
    if [ "$status" -gt 1 ] || { [ "$status" = 1 ] && [ ! -s "$work/differences" ]; }; then
        fail "the comparison itself has failed"
    fi
    ! grep -vE "${3:-^$}" "$work/differences" >"$work/unexpected" ||
        fail "not as before: $(cat "$work/unexpected")"
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
