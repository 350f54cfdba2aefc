"""Proxies as the inventory states them: what stands in front of the servers, one group of hosts a kind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wavetank.errors import UsageError
from wavetank.topology.naming import next_name

# The inventory's groups; what holds for all of a kind is in group_vars, under the kind's name.
PROXYSQL, MYSQL_ROUTER = "proxysql", "mysql_router"
KINDS = (PROXYSQL, MYSQL_ROUTER)
# What the second port is for, as commands and checks call it.
_SIDE = {PROXYSQL: "admin", MYSQL_ROUTER: "reads"}
# The accounts of ProxySQL's administration: its own `admin` would be let in from its own container only.
ADMIN, STATS = "proxy_admin", "proxy_stats"
# What is secret beside the servers' accounts.
SECRETS = {PROXYSQL: (ADMIN, STATS), MYSQL_ROUTER: ()}
PORTS_EACH = 2
# Settings by host by kind.
Groups = Mapping[str, Mapping[str, Mapping[str, Any]]]
HIGHEST_WEIGHT = 9


@dataclass(frozen=True)
class Proxy:
    """One proxy.

    Attributes:
        name: the host's name in the inventory.
        kind: its group, one of KINDS.
        port: where 127.0.0.1 publishes what applications connect to; of a Router, its port for writes.
        side_port: of ProxySQL its administration, of a Router its port for reads only.
        settings: the kind's group_vars.
        image: what it runs from; '' until that is known.
    """

    name: str
    kind: str
    port: int
    side_port: int
    settings: Mapping[str, Any]
    image: str = ""

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of 127.0.0.1 that are its own."""
        return (self.port, self.side_port)

    @property
    def side(self) -> str:
        """What connections to the second port are called, beside `name` for those to the first."""
        return f"{self.name} {_SIDE[self.kind]}"


def read_proxies(groups: Groups, base_port: int) -> tuple[Proxy, ...]:
    """Turn the inventory's groups of proxies, settings by host by kind, into proxies on consecutive ports."""
    found = [(kind, name, settings) for kind in KINDS for name, settings in groups.get(kind, {}).items()]
    return tuple(
        Proxy(name, kind, base_port + PORTS_EACH * at, base_port + PORTS_EACH * at + 1, settings)
        for at, (kind, name, settings) in enumerate(found)
    )


def with_proxies(groups: Groups, count: int) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the inventory's groups with `count` proxies of each kind that they have, those that are new last.

    Raises:
        UsageError: there is no proxy to begin with, or none is asked for.
    """
    if not any(groups.values()):
        raise UsageError(f"proxies={count} is for topologies with a proxy in front of the servers")
    if not count:
        raise UsageError("proxies=0 leaves nobody in front of the servers: take a topology without a proxy")
    result = {}
    for kind, group in groups.items():
        result[kind] = dict(list(group.items())[:count])
        for _ in range(count - len(group) if group else 0):
            model = next(iter(group))
            result[kind][next_name(model, result[kind])] = group[model]
    return result


def read_weight(name: str, host: Mapping[str, Any]) -> int:
    """Return a server's share of the reads, beside the weights of the other replicas.

    Raises:
        UsageError: the inventory states none that can be.
    """
    weight = host.get("weight", 1)
    if not str(weight).isdecimal() or not 1 <= int(weight) <= HIGHEST_WEIGHT:
        raise UsageError(f"weight of {name} is a number from 1 to {HIGHEST_WEIGHT}, not {weight!r}")
    return int(weight)


def proxysqls(proxies: Iterable[Proxy]) -> tuple[Proxy, ...]:
    """Return those that are a ProxySQL."""
    return tuple(proxy for proxy in proxies if proxy.kind == PROXYSQL)


def routers(proxies: Iterable[Proxy]) -> tuple[Proxy, ...]:
    """Return those that are a MySQL Router."""
    return tuple(proxy for proxy in proxies if proxy.kind == MYSQL_ROUTER)
