#!/bin/sh
# The one entrypoint of every node, whichever MySQL image is below it. It is mounted, not baked.
#
#   seed      make the data directory that all nodes start from, in /seed
#   validate  let the server judge each /candidates/<node>/my.cnf; prints "<node>: <its complaint>"
#   serve     (default) bring the data directory about if there is none, and run the server
set -eu

SEED=/seed/data
DATA=/var/lib/mysql/data

seed() {
    rm -rf "$SEED"
    install -d -o mysql -g mysql /seed /run/mysqld
    # A small redo log keeps the copy small; the server grows it to what my.cnf says.
    set -- --no-defaults --user=mysql --datadir="$SEED" --innodb-redo-log-capacity=8M --skip-log-bin
    mysqld "$@" --initialize-insecure
    mysqld "$@" --skip-networking --mysqlx=OFF --event-scheduler=OFF --socket=/run/mysqld/seed.sock --plugin-load-add=auth_socket.so &
    server=$!
    tries=0
    until mysqladmin --no-defaults --user=root --socket=/run/mysqld/seed.sock --silent ping 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ]; then
            echo "the seeding server did not answer within 30 s" >&2
            exit 1
        fi
        sleep 0.2
    done
    for file in /etc/wavetank/seed/*.sql; do
        mysql --no-defaults --user=root --socket=/run/mysqld/seed.sock <"$file"
    done
    kill -TERM "$server"
    wait "$server"
    # Every server needs a UUID and keys of its own.
    rm -f "$SEED/auto.cnf" "$SEED"/*.pem
}

validate() {
    failed=0
    for file in /candidates/*/my.cnf; do
        if ! complaint=$(mysqld --defaults-file="$file" --user=mysql --validate-config 2>&1); then
            node=$(basename "$(dirname "$file")")
            echo "$node: $(echo "$complaint" | grep -m1 ERROR | sed 's/.*\] //')"
            failed=1
        fi
    done
    return "$failed"
}

serve() {
    install -d -o mysql -g mysql /run/mysqld /var/lib/mysql
    # What the server must read as mysql while the host's file is root's alone.
    install -d -o mysql -g mysql -m 0700 /run/wavetank
    install -o mysql -g mysql -m 0400 /etc/wavetank/init.sql /etc/wavetank/server-key.pem /run/wavetank/
    # The clients in the container read the same file, for the socket.
    ln -sf /etc/wavetank/my.cnf /etc/my.cnf
    if [ ! -d "$DATA" ]; then
        # The rename is the last step, so that an interrupted copy is never taken for a data directory.
        rm -rf "$DATA.new"
        cp -a --sparse=always "$SEED" "$DATA.new"
        mv "$DATA.new" "$DATA"
    fi
    exec mysqld --defaults-file=/etc/wavetank/my.cnf --user=mysql
}

"${1:-serve}"
