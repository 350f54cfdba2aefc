"""What a ProxySQL should hold, row by row, and what it holds: in its memory tables, and at runtime."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wavetank.drift import refuse_if_dead
from wavetank.node import Row, Server, Servers, query_on
from wavetank.proxies import ADMIN, Proxy
from wavetank.replication import CA, PORT
from wavetank.topology import Topology
from wavetank.waiting import wait_until

# Who may come through a proxy.
APP_ACCOUNTS = ("app_rw", "app_ro")
MONITOR = "monitor"
# The newest beat, whoever beat last: the row of a source that has been replaced stays in the table itself.
HEARTBEAT = "wavetank.newest_heartbeat"
START_TIMEOUT_S = 30.0
_RULE_STEP = 100
# The monitor's logs, and what each calls its errors.
_LOGS = {"connect": "connect_error", "ping": "ping_error", "read_only": "error", "replication_lag": "error"}
# The newest word on each server: SQLite takes the other columns from the row of the maximum.
_NEWEST = "SELECT hostname, {error} AS error, MAX(time_start_us) FROM monitor.mysql_server_{log}_log GROUP BY hostname"
_SHUNNED = re.compile("SHUNNED.*")
_REMOVED = "OFFLINE_HARD"

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Table:
    """One of ProxySQL's tables; `load` is what LOAD ... TO RUNTIME calls it."""

    name: str
    keys: tuple[str, ...]
    load: str

    def key(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what makes a row of this table unlike the others."""
        return tuple(_text(row[name]) for name in self.keys)


SERVERS = Table("mysql_servers", ("hostgroup_id", "hostname", "port"), "MYSQL SERVERS")
HOSTGROUPS = Table("mysql_replication_hostgroups", ("writer_hostgroup", "reader_hostgroup"), "MYSQL SERVERS")
USERS = Table("mysql_users", ("username",), "MYSQL USERS")
RULES = Table("mysql_query_rules", ("rule_id",), "MYSQL QUERY RULES")
VARIABLES = Table("global_variables", ("variable_name",), "MYSQL VARIABLES")


@dataclass
class Deviation:
    """One row that is not as it should be; None stands for no such row."""

    table: Table
    key: tuple[str, ...]
    expected: Mapping[str, Any] | None
    found: Mapping[str, Any] | None

    @property
    def differing(self) -> dict[str, tuple[str, str]]:
        """Expected and found value by column, of the columns that differ."""
        if self.expected is None or self.found is None:
            return {}
        pairs = {name: (_text(value), _text(self.found[name])) for name, value in self.expected.items()}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass
class Needs:
    """What has to be done to one ProxySQL: rows to take away, rows to state, what to load to runtime."""

    absent: dict[str, Rows] = field(default_factory=dict)
    present: dict[str, Rows] = field(default_factory=dict)
    load: list[str] = field(default_factory=list)


def expected_rows(topology: Topology, proxy: Proxy, passwords: Mapping[str, str]) -> dict[Table, Rows]:
    """Return every row that the inventory makes ProxySQL hold, by table."""
    return {
        HOSTGROUPS: [_hostgroups(topology, proxy)],
        SERVERS: list(_servers(topology, proxy)),
        USERS: list(_users(proxy, passwords)),
        RULES: list(_rules(proxy)),
        VARIABLES: list(_variables(proxy, passwords)),
    }


def _hostgroups(topology: Topology, proxy: Proxy) -> dict[str, Any]:
    groups = proxy.settings["hostgroups"]
    return {
        "writer_hostgroup": groups["writer"],
        "reader_hostgroup": groups["reader"],
        "check_type": "super_read_only",
        "comment": topology.instance,
    }


def _servers(topology: Topology, proxy: Proxy) -> Iterator[dict[str, Any]]:
    settings = proxy.settings
    for node in topology.nodes:
        # A source has no lag bound, so that it is there for the reads when the heartbeat has stopped.
        shared = {
            "hostname": node.name,
            "port": PORT,
            "weight": 1 if node.is_source else node.weight * settings["weight_unit"],
            "max_connections": settings["max_connections"],
            "max_replication_lag": 0 if node.is_source else int(topology.lag_bound_s),
            "use_ssl": 1,
            "status": "ONLINE",
        }
        if node.is_source:
            yield {"hostgroup_id": settings["hostgroups"]["writer"], **shared}
        yield {"hostgroup_id": settings["hostgroups"]["reader"], **shared}


def _users(proxy: Proxy, passwords: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for account in APP_ACCOUNTS:
        yield {
            "username": account,
            "password": passwords[account],
            "active": 1,
            "use_ssl": 0,
            "default_hostgroup": proxy.settings["hostgroups"]["writer"],
            "transaction_persistent": 1,
            "fast_forward": 0,
        }


def _rules(proxy: Proxy) -> Iterator[dict[str, Any]]:
    for number, rule in enumerate(proxy.settings["rules"], 1):
        yield {
            "rule_id": number * _RULE_STEP,
            "active": 1,
            "flagIN": 0,
            "match_digest": rule.get("digest"),
            "match_pattern": rule.get("pattern"),
            "negate_match_pattern": 0,
            "re_modifiers": "CASELESS",
            "destination_hostgroup": proxy.settings["hostgroups"].get(rule.get("to")),
            "error_msg": rule.get("error"),
            "next_query_flagIN": None,
            "apply": 1,
            "comment": rule["comment"],
            # What would narrow a rule, or do something else than send.
            "username": None,
            "schemaname": None,
            "client_addr": None,
            "flagOUT": None,
            "replace_pattern": None,
            "OK_msg": None,
            "mirror_hostgroup": None,
        }


def _variables(proxy: Proxy, passwords: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    derived = {
        "interfaces": f"0.0.0.0:{proxy.settings['ports']['main']}",
        "default_authentication_plugin": "caching_sha2_password",
        "have_ssl": "true",
        "ssl_p2s_ca": CA,
        "monitor_enabled": "true",
        "monitor_username": MONITOR,
        "monitor_password": passwords[MONITOR],
        "monitor_replication_lag_use_percona_heartbeat": HEARTBEAT,
    }
    for name, value in {**derived, **proxy.settings["variables"]}.items():
        yield {"variable_name": f"mysql-{name}", "variable_value": _text(value)}


def wait_for_proxysql(servers: Servers, proxy: Proxy) -> None:
    """Wait until a ProxySQL can be administered.

    Raises:
        UsageError: its container has exited, or it did not answer in time.
    """
    container = servers.topology.container(proxy)
    wait_until(
        f"{proxy.name} to accept connections",
        lambda: servers[proxy.side].greets() or refuse_if_dead(proxy.name, container),
        timeout_s=START_TIMEOUT_S,
        interval_s=0.05,
        hint=f"docker logs {container}",
    )


def server_states(servers: Servers, proxy: Proxy) -> list[Row]:
    """Return hostgroup_id, hostname and status of every server at runtime, as they are when statements come.

    A server that was shunned for its errors is tried again when somebody wants to read, and not before.

    Raises:
        UnreachableError: nobody can read now.
    """
    # A session of its own: one that is kept may stay with the one server that it has met.
    with contextlib.closing(servers[proxy.name].connect(APP_ACCOUNTS[0])) as connection:
        query_on(connection, "SELECT 1", node=proxy.name)
    return servers[proxy.side].query("SELECT hostgroup_id, hostname, status FROM runtime_mysql_servers", account=ADMIN)


def monitor_errors(servers: Servers, proxy: Proxy) -> Iterator[tuple[str, str, str]]:
    """Yield log, hostname and error of each server that the monitor complained about when it last looked."""
    for log, error in _LOGS.items():
        for row in servers[proxy.side].query(_NEWEST.format(log=log, error=error), account=ADMIN):
            if row["error"]:
                yield log, row["hostname"], row["error"]


def deviations(servers: Servers, proxy: Proxy, *, runtime: bool) -> Iterator[Deviation]:
    """Yield what differs between the rows that the inventory asks for and those in memory, or at runtime."""
    admin = servers[proxy.side]
    expected = expected_rows(servers.topology, proxy, _passwords(servers))
    for table, rows in expected.items():
        found = {table.key(row): row for row in _rows(admin, table, runtime=runtime)}
        wanted = {table.key(row): row for row in rows}
        for key, row in wanted.items():
            deviation = Deviation(table, key, row, found.get(key))
            if deviation.found is None or deviation.differing:
                yield deviation
        if table is not VARIABLES:
            for key in found.keys() - wanted.keys():
                yield Deviation(table, key, None, found[key])


def needs(servers: Servers, proxy: Proxy) -> Needs:
    """Return what makes a ProxySQL hold what the inventory asks for, and run by it."""
    found = Needs()
    in_memory = list(deviations(servers, proxy, runtime=False))
    for deviation in in_memory:
        table = deviation.table
        # A row that differs is taken away first: no module can set a column back to NULL.
        if deviation.found is not None and table is not VARIABLES:
            row = {name: deviation.found[name] for name in table.keys}
            found.absent.setdefault(table.name, []).append(row)
        if deviation.expected is not None:
            stated = {name: value for name, value in deviation.expected.items() if value is not None}
            found.present.setdefault(table.name, []).append(stated)
    differing = [*in_memory, *deviations(servers, proxy, runtime=True)]
    found.load = list(dict.fromkeys(deviation.table.load for deviation in differing))
    return found


def _passwords(servers: Servers) -> dict[str, str]:
    return {account: servers.instance.password(account) for account in (MONITOR, *APP_ACCOUNTS)}


def _rows(admin: Server, table: Table, *, runtime: bool) -> list[Row]:
    rows = admin.query(f"SELECT * FROM {'runtime_' if runtime else ''}{table.name}", account=ADMIN)
    if table is USERS:
        return [row for row in rows if str(row["frontend"]) == "1"]
    if table is SERVERS and runtime:
        # Shunned by itself is a matter of health, taken out by hand is not; what was removed may linger.
        return [row | {"status": _SHUNNED.sub("ONLINE", row["status"])} for row in rows if row["status"] != _REMOVED]
    return rows


def _text(value: object) -> str:
    return "" if value is None else str(value)
