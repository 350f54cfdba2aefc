#!/bin/sh
# The plain way: a source and replicas side by side in this one container, as a skilled person would script it by hand.
# Usage: plain.sh SERVERS. Exits 0 when a row inserted on the source is on every replica.
#
# Runs as mysql in the image that the topology's nodes are made from. Each server is its own background job, so that
# nothing waits for anything but what it needs. No TLS, no accounts but the replication user, no checks.
set -eu
servers=$1
tank=/var/lib/mysql/plain
# Polls of 50 ms: no step may take more than a minute.
most_polls=1200
# The first process of a container is not ended by a signal that it does not trap.
trap 'exit 143' INT TERM

# Wait until a command succeeds; what it says on the way is of no interest.
until_true() {
    polls=0
    until "$@" >/dev/null 2>&1; do
        polls=$((polls + 1))
        if [ "$polls" -ge "$most_polls" ]; then
            echo "plain.sh: waited a minute for: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}

sql() {
    number=$1
    shift
    mysql --no-defaults --user=root --socket="$tank/$number.sock" --batch --skip-column-names --execute="$*"
}

start_server() {
    mysqld --no-defaults --initialize-insecure --datadir="$tank/$1" 2>"$tank/$1.log"
    # A background job's standard input is /dev/null already; the server lives as long as this container.
    mysqld --no-defaults --datadir="$tank/$1" --server-id="$1" --port="$((3306 + $1))" --socket="$tank/$1.sock" \
        --pid-file="$tank/$1.pid" --mysqlx=OFF --gtid-mode=ON --enforce-gtid-consistency=ON 2>>"$tank/$1.log" &
    # The socket costs nothing to look at and is there just before the server answers.
    until_true test -S "$tank/$1.sock"
    until_true sql "$1" "SELECT 1"
}

make_source() {
    start_server 1
    sql 1 "CREATE USER repl IDENTIFIED BY 'plain'; GRANT REPLICATION SLAVE ON *.* TO repl;
        CREATE DATABASE plain; CREATE TABLE plain.t (id INT PRIMARY KEY); INSERT INTO plain.t VALUES (1)"
    touch "$tank/source-ready"
}

has_row() {
    [ "$(sql "$1" "SELECT id FROM plain.t")" = 1 ]
}

make_replica() {
    start_server "$1"
    until_true test -e "$tank/source-ready"
    sql "$1" "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=3307, SOURCE_USER='repl',
        SOURCE_PASSWORD='plain', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA"
    until_true has_row "$1"
}

mkdir "$tank"
make_source &
jobs=$!
number=2
while [ "$number" -le "$servers" ]; do
    make_replica "$number" &
    jobs="$jobs $!"
    number=$((number + 1))
done
for job in $jobs; do
    wait "$job" || {
        tail -n 3 "$tank"/*.log >&2
        exit 1
    }
done
