#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a database in an empty $PGDATA, then becomes the server. The log of changes goes to
# /var/lib/postgresql/wal where a volume is mounted there. Arguments go to the server.
# POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB mean what they do in the official image.
# It is the entrypoint of the test cluster's image and of the sandbox; an ordinary user, who can
# become nobody else, runs the server as himself.
set -eu

: "${PGDATA:=/var/lib/postgresql/data}" "${POSTGRES_USER:=postgres}" "${POSTGRES_PASSWORD:=}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
wal=/var/lib/postgresql/wal
if [ "$(id -u)" = 0 ]; then
    as='setpriv --reuid=postgres --regid=postgres --init-groups'
    own() { chown postgres:postgres "$@"; }
else
    as=
    own() { :; }
fi

make_database() {
    set -- --pgdata="$PGDATA/.new" --username="$POSTGRES_USER" --encoding=UTF8 \
        --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 --no-sync
    if mountpoint -q "$wal"; then
        find "$wal" -mindepth 1 -delete
        own "$wal"
        chmod 700 "$wal"
        set -- "$@" --waldir="$wal"
    fi
    if [ -n "$POSTGRES_PASSWORD" ]; then
        (umask 077 && printf '%s\n' "$POSTGRES_PASSWORD" >/var/run/postgresql/.password)
        own /var/run/postgresql/.password
        set -- "$@" --pwfile=/var/run/postgresql/.password
    fi
    $as initdb "$@"
    rm -f /var/run/postgresql/.password
    [ -z "$POSTGRES_PASSWORD" ] ||
        echo 'host all all all scram-sha-256' >>"$PGDATA/.new/pg_hba.conf"
    [ "$POSTGRES_DB" = postgres ] || printf 'CREATE DATABASE "%s"\n' "$POSTGRES_DB" |
        $as postgres --single -D "$PGDATA/.new" postgres >/dev/null
}

mkdir -p "$PGDATA" /var/run/postgresql
own "$PGDATA" /var/run/postgresql
chmod 700 "$PGDATA"

# PG_VERSION arrives last: without it, whatever is there is what an interrupted start left.
if [ ! -e "$PGDATA/PG_VERSION" ]; then
    find "$PGDATA" -mindepth 1 -delete
    make_database
    mv "$PGDATA/.new/PG_VERSION" "$PGDATA/.version"
    find "$PGDATA/.new" -mindepth 1 -maxdepth 1 -exec mv {} "$PGDATA" \;
    rmdir "$PGDATA/.new"
    sync "$PGDATA" || true
    mv "$PGDATA/.version" "$PGDATA/PG_VERSION"
fi

exec $as postgres -c listen_addresses='*' "$@"
