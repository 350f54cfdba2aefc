#!/bin/bash
# The plain way, as a sandbox tool does it: a source and replicas side by side in this one container, initialised and
# started at once, replication set up with raw SQL. Prints the seconds until a row of the source is on every replica.
# Usage: plain.sh SERVERS, as root in the image that the topology's nodes are made from.
#
# No TLS certificates of its own, no accounts but the replication user, no checks, no data that outlives the container.
set -eu
servers=$1
tank=/tmp/plain
mkdir "$tank"
# The first process of a container is not ended by a signal that it does not trap.
trap 'exit 143' INT TERM

sql() {
    mysql --no-defaults --user=root --socket="$tank/$1.sock" --batch --skip-column-names --execute="$2"
}

answers() {
    mysqladmin --no-defaults --user=root --socket="$tank/$1.sock" ping >/dev/null 2>&1
}

start_server() {
    local options="--no-defaults --user=mysql --datadir=$tank/$1 --port=$((3306 + $1)) --socket=$tank/$1.sock
        --pid-file=$tank/$1.pid --mysqlx=OFF --server-id=$1 --log-bin=binlog --gtid-mode=ON
        --enforce-gtid-consistency=ON --innodb-buffer-pool-size=128M"
    mkdir "$tank/$1"
    chown mysql "$tank/$1"
    # shellcheck disable=SC2086 # the options are words
    mysqld $options --initialize-insecure >"$tank/$1.log" 2>&1
    # shellcheck disable=SC2086
    mysqld $options >>"$tank/$1.log" 2>&1 &
    until answers "$1"; do sleep 0.05; done
}

replicate() {
    sql "$1" "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=3307, SOURCE_USER='repl',
        SOURCE_PASSWORD='plain', SOURCE_AUTO_POSITION=1, SOURCE_SSL=1; START REPLICA"
}

side_by_side() {
    local jobs="" number
    for number in $(seq "$2" "$servers"); do
        "$1" "$number" &
        jobs="$jobs $!"
    done
    # shellcheck disable=SC2086
    for number in $jobs; do wait "$number"; done
}

chmod 755 "$tank"
chown mysql "$tank"
began=$(date +%s.%N)
side_by_side start_server 1
sql 1 "CREATE USER repl IDENTIFIED BY 'plain'; GRANT REPLICATION SLAVE ON *.* TO repl; RESET BINARY LOGS AND GTIDS"
side_by_side replicate 2
sql 1 "CREATE DATABASE plain; CREATE TABLE plain.t (id INT PRIMARY KEY); INSERT INTO plain.t VALUES (1)"
for number in $(seq 2 "$servers"); do
    until [ "$(sql "$number" "SELECT id FROM plain.t" 2>/dev/null)" = 1 ]; do sleep 0.02; done
done
echo "$began $(date +%s.%N)" | awk '{printf "%.2f\n", $2 - $1}'
