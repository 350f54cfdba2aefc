"""What a ProxySQL holds otherwise than the inventory says, in its memory tables and at runtime, and what mends it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wavetank.proxysql.accounts import APP_ACCOUNTS, MONITOR
from wavetank.proxysql.expected_rows import ROUTES, SERVERS, USERS, VARIABLES, Rows, Table, expected_rows, text_of
from wavetank.proxysql.query_rules import fast_routes
from wavetank.servers.node import Row, Server, Servers
from wavetank.topology.hostgroups import pairs_of
from wavetank.topology.proxies import ADMIN, Proxy

_SHUNNED = re.compile("SHUNNED.*")
_REMOVED = "OFFLINE_HARD"


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
        pairs = {name: (text_of(value), text_of(self.found[name])) for name, value in self.expected.items()}
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
    rows = list(fast_routes(pairs_of(servers.topology, proxy)))
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
