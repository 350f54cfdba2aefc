"""What a ProxySQL should hold, row by row, and what it holds: in its memory tables, and at runtime."""

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wavetank.machine import containers
from wavetank.machine.containers import refuse_if_dead
from wavetank.servers.node import Row, Server, Servers, query_on
from wavetank.servers.replication import CA, PORT
from wavetank.topology.hostgroups import Pair, pairs_of
from wavetank.topology.model import Topology
from wavetank.topology.proxies import ADMIN, Proxy
from wavetank.waiting import wait_until

# Who may come through a proxy.
APP_ACCOUNTS = ("app_rw", "app_ro")
MONITOR = "monitor"
# The newest beat, whoever beat last: the row of a source that has been replaced stays in the table itself.
HEARTBEAT = "wavetank.newest_heartbeat"
START_TIMEOUT_S = 30.0
STARTS_AGAIN = 2
_RULE_STEP = 100
# Where there are several pairs of hostgroups, rules first decide which half of one a statement is for, and then, by
# flagIN, which one: a hint says so, else the schema.
_FLAGS = {"writer": 1, "reader": 2}
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
# What rules leave open: where the session's schema is.
ROUTES = Table("mysql_query_rules_fast_routing", ("username", "schemaname", "flagIN"), "MYSQL QUERY RULES")
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
    """What has to be done to one ProxySQL: rows to take away, rows to state, what to load to runtime.

    Routes are stated all at once where one of them differs: there are many, and each row is a task.
    """

    absent: dict[str, Rows] = field(default_factory=dict)
    present: dict[str, Rows] = field(default_factory=dict)
    load: list[str] = field(default_factory=list)
    routes: bool = False


def expected_rows(topology: Topology, proxy: Proxy, passwords: Mapping[str, str]) -> dict[Table, Rows]:
    """Return every row that the inventory makes ProxySQL hold, by table."""
    pairs = pairs_of(topology, proxy)
    return {
        HOSTGROUPS: [_hostgroups(topology, pair) for pair in pairs],
        SERVERS: list(server_rows(topology, proxy)),
        USERS: list(_users(pairs[0], passwords)),
        RULES: list(_rules(proxy, pairs)),
        ROUTES: list(_routes(pairs)),
        VARIABLES: list(_variables(proxy, passwords)),
    }


def _hostgroups(topology: Topology, pair: Pair) -> dict[str, Any]:
    return {
        "writer_hostgroup": pair.writer,
        "reader_hostgroup": pair.reader,
        "check_type": "super_read_only",
        "comment": topology.instance,
    }


def server_rows(topology: Topology, proxy: Proxy, spared: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield a row for each server and what it is sent; those `spared` get as few reads as a source."""
    for pair in pairs_of(topology, proxy):
        yield from _servers(topology, proxy, pair, spared)


def _servers(topology: Topology, proxy: Proxy, pair: Pair, spared: Collection[str]) -> Iterator[dict[str, Any]]:
    settings = proxy.settings
    for node in pair.nodes:
        # A source has no lag bound, so that it is there for the reads when the heartbeat has stopped.
        rarely_read = node.is_source or node.name in spared
        shared = {
            "hostname": node.name,
            "port": PORT,
            "weight": 1 if rarely_read else node.weight * settings["weight_unit"],
            "max_connections": settings["max_connections"],
            "max_replication_lag": 0 if rarely_read else int(topology.lag_bound_s),
            "use_ssl": 1,
            "status": "ONLINE",
        }
        if node.is_source:
            yield {"hostgroup_id": pair.writer, **shared}
        yield {"hostgroup_id": pair.reader, **shared}


def _users(first: Pair, passwords: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for account in APP_ACCOUNTS:
        yield {
            "username": account,
            "password": passwords[account],
            "active": 1,
            "use_ssl": 0,
            "default_hostgroup": first.writer,
            "transaction_persistent": 1,
            "fast_forward": 0,
        }


def _rules(proxy: Proxy, pairs: tuple[Pair, ...]) -> Iterator[dict[str, Any]]:
    halves = [_of_half(proxy, pairs, rule) for rule in proxy.settings["rules"]]
    whole = [*halves, *_of_pairs(pairs)] if pairs[0].shard else halves
    for number, rule in enumerate(whole, 1):
        yield {
            "rule_id": number * _RULE_STEP,
            "active": 1,
            "flagIN": 0,
            "match_digest": None,
            "match_pattern": None,
            "negate_match_pattern": 0,
            "re_modifiers": "CASELESS",
            "destination_hostgroup": None,
            "error_msg": None,
            "next_query_flagIN": None,
            "apply": 1,
            # What would narrow a rule, or do something else than send.
            "username": None,
            "schemaname": None,
            "client_addr": None,
            "flagOUT": None,
            "replace_pattern": None,
            "OK_msg": None,
            "mirror_hostgroup": None,
            **rule,
        }


def _of_half(proxy: Proxy, pairs: tuple[Pair, ...], rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule of group_vars: with the hostgroup where there is one pair, else with what it decides of it."""
    row = {
        "match_digest": rule.get("digest"),
        "match_pattern": rule.get("pattern"),
        "error_msg": rule.get("error"),
        "comment": rule["comment"],
    }
    half = rule.get("to")
    if half and pairs[0].shard:
        return {**row, "flagOUT": _FLAGS[half], "apply": 0}
    return {**row, "destination_hostgroup": proxy.settings["hostgroups"].get(half)}


def _of_pairs(pairs: tuple[Pair, ...]) -> Iterator[dict[str, Any]]:
    """Yield what sends all that no rule has matched to a writer, then the hints; without one, the routes decide."""
    yield {"match_pattern": ".", "flagOUT": _FLAGS["writer"], "apply": 0, "comment": "what is no read"}
    for pair in pairs:
        for half, number in (("writer", pair.writer), ("reader", pair.reader)):
            yield {
                "flagIN": _FLAGS[half],
                "match_pattern": f"/[*][[:space:]]*shard:{pair.shard}[[:space:]]*[*]/",
                "destination_hostgroup": number,
                "comment": f"the hint for shard {pair.shard}, {half}",
            }
    # ProxySQL 2.7 looks at its routes only if the last rule of the list applies nothing, whether it matched or not.
    yield {"flagIN": _FLAGS["writer"], "match_pattern": ".", "apply": 0, "comment": "without a hint, the schema says"}


def _routes(pairs: tuple[Pair, ...]) -> Iterator[dict[str, Any]]:
    """Yield the hostgroup for each account, schema and half."""
    for pair in pairs if pairs[0].shard else ():
        for account in APP_ACCOUNTS:
            for half, number in (("writer", pair.writer), ("reader", pair.reader)):
                yield {
                    "username": account,
                    "schemaname": pair.schema,
                    "flagIN": _FLAGS[half],
                    "destination_hostgroup": number,
                    "comment": f"shard {pair.shard}, {half}",
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
    """Wait until a ProxySQL can be administered and takes clients, which it does when its start is over.

    One that crashes as it starts is started again: it can signal a loop that does not run yet, and in the foreground
    it has no angel process (https://github.com/sysown/proxysql/issues/3233).

    Raises:
        UsageError: its container has exited, or it did not answer in time.
    """
    container = servers.topology.container(proxy)
    again = iter(range(STARTS_AGAIN))

    def look() -> bool:
        if servers[proxy.side].greets() and servers[proxy.name].greets():
            return True
        if containers.has_crashed(container) and next(again, None) is not None:
            containers.start(container)
            return False
        return refuse_if_dead(proxy.name, container)

    wait_until(
        f"{proxy.name} to accept connections",
        look,
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
    for pair in pairs_of(servers.topology, proxy):
        # A session of its own: one that is kept may stay with the one server that it has met.
        session = servers[proxy.name].connect(APP_ACCOUNTS[0], database=pair.schema)
        with contextlib.closing(session) as connection:
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
        if table is ROUTES:
            found.routes = True
            continue
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


def state_routes(servers: Servers, proxy: Proxy) -> None:
    """Make the routes in memory those that the inventory asks for, in two statements; not loaded yet."""
    rows = list(_routes(pairs_of(servers.topology, proxy)))
    values = ", ".join(
        f"('{row['username']}', '{row['schemaname']}', {row['flagIN']}, {row['destination_hostgroup']}, "
        f"'{row['comment']}')"
        for row in rows
    )
    statements = [f"DELETE FROM {ROUTES.name}"]
    if rows:
        statements.append(f"INSERT INTO {ROUTES.name} ({', '.join(rows[0])}) VALUES {values}")
    servers[proxy.side].execute(*statements, account=ADMIN)


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
