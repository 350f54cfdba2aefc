"""A source and two replicas behind ProxySQL: what is changed at runtime by hand, and what it cannot do without."""

import contextlib

from wavetank.machine import containers
from wavetank.servers.node import Servers, query_on
from wavetank.topology.proxies import ADMIN
from wavetank.waiting import wait_until

from damages import Case, Damage, by_up, one_after_the_other, sql

OPTIONS = {"TOPOLOGY": "proxysql"}
# The tests of lag, loss and clients have it, too: bringing it up is most of their time.
LANE = "proxysql"
PLAIN = """
    SELECT COUNT(*) FROM performance_schema.threads
     WHERE PROCESSLIST_USER = 'app_rw' AND CONNECTION_TYPE = 'TCP/IP'
"""
CONFIGURATION = frozenset({"proxy_configuration"})


def told(what: str, *statements: str) -> Damage:
    """Tell the ProxySQL something by hand, and load it to runtime."""
    return lambda servers: servers[servers.topology.proxies[0].side].execute(
        *statements, f"LOAD MYSQL {what} TO RUNTIME", account=ADMIN
    )


def requires(node: str, what: str, *, tls: bool) -> Damage:
    """Let the accounts that come through the proxy require TLS or nothing, and end their connections."""

    def damage(servers: Servers) -> None:
        server = servers[node]
        server.execute(
            f"SET GLOBAL require_secure_transport = {tls:d}", "SET sql_log_bin = OFF",
            "SET GLOBAL super_read_only = OFF", f"ALTER USER app_rw REQUIRE {what}",
            f"ALTER USER monitor REQUIRE {what}", "SET GLOBAL super_read_only = ON",
        )  # fmt: skip
        for row in server.query("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'app_rw'", account="admin"):
            server.execute(f"KILL {row['ID']}")

    return damage


def read_in_plain(node: str) -> Damage:
    """Read through the proxy until it has connected to a server without TLS."""

    def damage(servers: Servers) -> None:
        def seen() -> bool:
            through = servers[servers.topology.proxies[0].name]
            # A session of its own: one that is kept may stay with the other server.
            with contextlib.closing(through.connect("app_rw")) as connection:
                query_on(connection, "SELECT 1", node=through.name)
            return bool(servers[node].value(PLAIN))

        wait_until(f"a connection to {node} without TLS", seen, timeout_s=20)

    return damage


CASES = {
    "a killed proxy": Case(
        "proxy_reachable", "proxy1", lambda s: containers.kill(s.topology.container(s.topology.proxies[0])),
        undo=by_up(),
    ),
    "a removed proxy": Case(
        "proxy_reachable", "proxy1", lambda s: containers.remove(s.topology.container(s.topology.proxies[0])),
        undo=by_up(),
    ),
    "a frozen proxy": Case(
        "proxy_reachable", "proxy1", lambda s: containers.pause(s.topology.container(s.topology.proxies[0])),
        undo=by_up(),
    ),
    "rules added and narrowed by hand": Case(
        "proxy_configuration", "proxy1",
        told("QUERY RULES",
             "INSERT INTO mysql_query_rules (rule_id, active, match_digest, destination_hostgroup) "
             "VALUES (5, 1, '^SHOW', 20)",
             "UPDATE mysql_query_rules SET username = 'app_rw' WHERE rule_id = 100"),
    ),
    "users added, changed and removed by hand": Case(
        "proxy_configuration", "proxy1",
        told("USERS",
             "INSERT INTO mysql_users (username, password, default_hostgroup) VALUES ('intruder', 'x', 10)",
             "UPDATE mysql_users SET transaction_persistent = 0 WHERE username = 'app_rw'",
             "DELETE FROM mysql_users WHERE username = 'app_ro'"),
    ),
    "a password of another kind": Case(
        "proxy_configuration", "proxy1",
        told("USERS", "UPDATE mysql_users SET password = 'other' WHERE username = 'app_ro'"),
    ),
    "servers added and taken out by hand": Case(
        "proxy_configuration", "proxy1",
        told("SERVERS",
             "INSERT INTO mysql_servers (hostgroup_id, hostname, use_ssl) VALUES (30, 'db3', 1)",
             "UPDATE mysql_servers SET status = 'OFFLINE_SOFT' WHERE hostname = 'db3' AND hostgroup_id = 20"),
    ),
    "a threshold set by hand": Case(
        "proxy_configuration", "proxy1",
        told("VARIABLES", "UPDATE global_variables SET variable_value = '7000' "
             "WHERE variable_name = 'mysql-monitor_ping_interval'"),
    ),
    "memory and runtime apart": Case(
        # As after a hasty repair: the memory tables are as they should be, and nobody loaded them.
        "proxy_configuration", "proxy1",
        one_after_the_other(
            told("QUERY RULES", "UPDATE mysql_query_rules SET active = 0 WHERE rule_id = 100"),
            lambda s: s["proxy1 admin"].execute("UPDATE mysql_query_rules SET active = 1", account=ADMIN),
        ),
        undo=by_up(),
    ),
    "locking reads sent to the replicas": Case(
        "statement_routing", "proxy1",
        told("QUERY RULES", "UPDATE mysql_query_rules SET destination_hostgroup = 20 "
             "WHERE match_digest LIKE '%SHARE%'"),
        CONFIGURATION,
    ),
    "reads sent to the source": Case(
        "statement_routing", "proxy1",
        told("QUERY RULES", "UPDATE mysql_query_rules SET active = 0 WHERE destination_hostgroup = 20"),
        CONFIGURATION | {"read_spread"},
    ),
    "no rule at all": Case(
        "statement_routing", "proxy1", told("QUERY RULES", "DELETE FROM mysql_query_rules"),
        CONFIGURATION | {"read_spread"},
    ),
    "weights that nobody declared": Case(
        "read_spread", "proxy1",
        told("SERVERS", "UPDATE mysql_servers SET weight = 9 * weight WHERE hostname = 'db2'"), CONFIGURATION,
    ),
    "a monitor that does not get in": Case(
        "proxy_monitor", "proxy1",
        one_after_the_other(
            told("VARIABLES", "UPDATE global_variables SET variable_value = 'other' "
                 "WHERE variable_name = 'mysql-monitor_password'"),
            sql("db1", "DO SLEEP(5)"),
        ),
        CONFIGURATION,
    ),
    "a server spoken to in plain": Case(
        "proxy_backend_tls", "proxy1",
        one_after_the_other(
            requires("db2", "NONE", tls=False),
            told("SERVERS", "UPDATE mysql_servers SET use_ssl = 0 WHERE hostname = 'db2'"),
            read_in_plain("db2"),
        ),
        CONFIGURATION | {"accounts", "settings"},
        undo=one_after_the_other(
            # What it has connected to, it keeps.
            told("SERVERS", "UPDATE mysql_servers SET use_ssl = 1"), requires("db2", "SSL", tls=True),
        ),
    ),
}  # fmt: skip

# For topology-up each row is a task.
AT_ONCE = (
    (
        "rules added and narrowed by hand", "a password of another kind", "weights that nobody declared",
        "a threshold set by hand",
    ),
)  # fmt: skip
ALIKE = {
    "locking reads sent to the replicas": "rules added and narrowed by hand",
    "reads sent to the source": "rules added and narrowed by hand",
    "no rule at all": "rules added and narrowed by hand",
    "users added, changed and removed by hand": "a password of another kind",
    "servers added and taken out by hand": "weights that nobody declared",
    "a monitor that does not get in": "a threshold set by hand",
}
