# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Databases under load, backed up and started anew from their snapshots.

# Every row committed before the freeze is there, in whole transactions, and none is missing.
rows_are_whole() { # COUNT-A COUNT-B MAX MIN-EXPECTED
    equal "rows of table b" "$2" "$1"
    equal "the highest row" "$3" "$1"
    [ "$1" -ge "$4" ] || fail "row $4 was committed before the freeze, the restored database ends at $1"
}

test_postgres_under_load() {
    local before
    start_postgres db
    pg_writer db-0 &
    eventually 60 "the first rows" has_acks 100
    before=$(acked)
    backup 0 --name b1
    eventually 60 "rows after the freeze" has_acks $((before + 50))
    touch "$work/stop"
    restore_claims b1 db restored
    start_postgres restored
    rows_are_whole "$(pg restored-0 'SELECT count(*) FROM a')" \
        "$(pg restored-0 'SELECT count(*) FROM b')" \
        "$(pg restored-0 'SELECT max(id) FROM a')" "$before"
    pg restored-0 "INSERT INTO a VALUES (1000000)" || fail "the restored database takes no writes"
    phase_is b1 Succeeded
    thawed b1
    nothing_left b1 2
}

test_mariadb_under_load() {
    local before first last seen
    start_mariadb maria
    my_writer maria-0 &
    eventually 60 "the first rows" has_acks 100
    before=$(acked)
    touch "$KASSETTE_CUTS"
    seen=$(wc -l <"$KASSETTE_CUTS")
    set_faults "$ns.log-maria-0.cutDelayMs=1500"
    backup 0 --name b1
    # The lock is gone when the Run says so.
    timeout 30 "$KASSETTE_KUBECTL" -n "$ns" exec maria-0 -- mariadb -u root -e \
        "INSERT INTO t.a VALUES (-1); DELETE FROM t.a WHERE id = -1" ||
        fail "the database takes no writes after the Run has succeeded"
    eventually 60 "rows after the freeze" has_acks $((before + 100))
    touch "$work/stop"
    # No commit between the first and the last cut; the server's clock may be asked a moment later.
    awk -v ns="$ns/" -v seen="$seen" 'NR > seen && index($4, ns) == 1 {print $3}' "$KASSETTE_CUTS" |
        sort -n >"$work/cuts"
    first=$(head -1 "$work/cuts")
    last=$(tail -1 "$work/cuts")
    [ $(((last - first) / 1000000)) -ge 1000 ] || fail "the cuts were not apart: $first to $last"
    equal "commits between the first and the last cut" \
        "$(awk -v a="$first" -v b="$last" '$2 * 1e9 > a + 3e8 && $2 * 1e9 < b' "$work/acks" | wc -l)" 0
    restore_claims b1 maria restored
    start_mariadb restored
    rows_are_whole "$(my restored-0 'SELECT count(*) FROM t.a')" \
        "$(my restored-0 'SELECT count(*) FROM t.b')" \
        "$(my restored-0 'SELECT max(id) FROM t.a')" "$before"
    thawed b1
    nothing_left b1 2
}

test_mariadb_engine_killed_in_the_freeze() {
    start_mariadb maria
    my maria-0 "CREATE DATABASE t; CREATE TABLE t.a (id INT PRIMARY KEY)"
    set_faults cutDelayMs=8000
    backup_start --name b1
    eventually 60 "the freeze" output_has "the application is frozen"
    ! timeout 2 "$KASSETTE_KUBECTL" -n "$ns" exec maria-0 -- mariadb -u root -e \
        "INSERT INTO t.a VALUES (1)" 2>/dev/null || fail "the database was not locked in the freeze"
    kill -9 "$engine"
    timeout 30 "$KASSETTE_KUBECTL" -n "$ns" exec maria-0 -- mariadb -u root -e \
        "INSERT INTO t.a VALUES (2)" || fail "the lock outlived the engine"
    clear_faults
    kassette run b1 >"$work/out" 2>&1 || fail "the successor failed: $(cat "$work/out")"
    phase_is b1 Succeeded
    thawed b1
    nothing_left b1 2
}
