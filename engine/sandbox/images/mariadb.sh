#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a database in an empty data directory, then becomes the server. InnoDB's redo log and the
# binary log go to /var/lib/mysql-log where a volume is mounted there. Arguments go to the server.
# It is the entrypoint of the test cluster's image and of the sandbox; an ordinary user, who can
# become nobody else, runs the server as himself.
set -eu

data=/var/lib/mysql
log=/var/lib/mysql-log
socket=/run/mysqld/mysqld.sock

mkdir -p "$data" /run/mysqld
if [ "$(id -u)" = 0 ]; then
    # The server's package makes a user for it, the package of its programs alone does not.
    user=mysql
    id "$user" >/dev/null 2>&1 || user=nobody
    own() { chown "$user:$(id -gn "$user")" "$@"; }
else
    user=$(id -un 2>/dev/null || id -u)
    own() { :; }
fi
set -- --no-defaults --user="$user" --datadir="$data" --socket="$socket" \
    --pid-file=/run/mysqld/mysqld.pid --bind-address=0.0.0.0 --innodb-log-file-size=48M "$@"
if mountpoint -q "$log"; then
    own "$log"
    set -- "$@" --innodb-log-group-home-dir="$log" --log-bin="$log/binlog" --server-id=1
fi
own "$data" /run/mysqld

# The mark goes last: while it is there, what lies beside it is what an interrupted start left.
if [ -e "$data/.unfinished" ] || [ ! -d "$data/mysql" ]; then
    find "$data" -mindepth 1 -delete
    ! mountpoint -q "$log" || find "$log" -mindepth 1 -delete
    touch "$data/.unfinished"
    mariadb-install-db "$@" --auth-root-authentication-method=socket --skip-test-db \
        --skip-log-bin --skip-name-resolve >/dev/null
    rm "$data/.unfinished"
fi

exec mariadbd "$@"
