"""What a ProxySQL should hold, table by table and row by row."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wavetank.proxysql.accounts import APP_ACCOUNTS, MONITOR
from wavetank.proxysql.query_rules import fast_routes, query_rules
from wavetank.servers.replication import CA, PORT
from wavetank.topology.hostgroups import Pair, pairs_of
from wavetank.topology.model import Topology
from wavetank.topology.proxies import Proxy

# The newest beat, whoever beat last: the row of a source that has been replaced stays in the table itself.
HEARTBEAT = "wavetank.newest_heartbeat"

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Table:
    """One of ProxySQL's tables; `load` is what LOAD ... TO RUNTIME calls it."""

    name: str
    keys: tuple[str, ...]
    load: str

    def key(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what makes a row of this table unlike the others."""
        return tuple(text_of(row[name]) for name in self.keys)


SERVERS = Table("mysql_servers", ("hostgroup_id", "hostname", "port"), "MYSQL SERVERS")
HOSTGROUPS = Table("mysql_replication_hostgroups", ("writer_hostgroup", "reader_hostgroup"), "MYSQL SERVERS")
USERS = Table("mysql_users", ("username",), "MYSQL USERS")
RULES = Table("mysql_query_rules", ("rule_id",), "MYSQL QUERY RULES")
# What rules leave open: where the session's schema is.
ROUTES = Table("mysql_query_rules_fast_routing", ("username", "schemaname", "flagIN"), "MYSQL QUERY RULES")
VARIABLES = Table("global_variables", ("variable_name",), "MYSQL VARIABLES")


def expected_rows(topology: Topology, proxy: Proxy, passwords: Mapping[str, str]) -> dict[Table, Rows]:
    """Return every row that the inventory makes ProxySQL hold, by table."""
    pairs = pairs_of(topology, proxy)
    return {
        HOSTGROUPS: [_hostgroups(topology, pair) for pair in pairs],
        SERVERS: list(server_rows(topology, proxy)),
        USERS: list(_users(pairs[0], passwords)),
        RULES: list(query_rules(proxy, pairs)),
        ROUTES: list(fast_routes(pairs)),
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
        yield {"variable_name": f"mysql-{name}", "variable_value": text_of(value)}


def text_of(value: object) -> str:
    """Return a value as ProxySQL's administration shows it; NULL is empty."""
    return "" if value is None else str(value)
