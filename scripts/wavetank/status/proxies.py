"""What a proxy is by its own word: which servers it sends statements to, and how many it has sent."""

import contextlib
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from wavetank.errors import UnreachableError
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Server, StatementError
from wavetank.topology.hostgroups import meaning
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology
from wavetank.topology.proxies import ADMIN, PROXYSQL, Proxy

_BACKENDS = """
    SELECT s.hostgroup_id, s.hostname, s.weight, s.status,
           p.ConnUsed, p.ConnFree, p.ConnERR, p.Queries, p.Latency_us,
           (SELECT repl_lag FROM monitor.mysql_server_replication_lag_log l
             WHERE l.hostname = s.hostname ORDER BY time_start_us DESC LIMIT 1) AS lag
      FROM runtime_mysql_servers s
      LEFT JOIN stats_mysql_connection_pool p
        ON p.hostgroup = s.hostgroup_id AND p.srv_host = s.hostname AND p.srv_port = s.port
     ORDER BY s.hostgroup_id, s.hostname
"""
_WHO = "SELECT @@report_host AS name"


@dataclass(frozen=True)
class Backend:
    """One server behind a proxy, as the proxy reports it.

    Attributes:
        group: what it is sent: writes, reads, or the number of a hostgroup that nobody declared.
        hostgroup: the number of it, None for a Router.
        state: ONLINE, SHUNNED..., of a Router: answers.
        lag_s: in whole seconds; None where it is not asked for.
        latency_us: of the last ping, in microseconds.
    """

    server: str
    group: str
    hostgroup: int | None = None
    weight: int | None = None
    state: str = "answers"
    lag_s: int | None = None
    in_use: int = 0
    idle: int = 0
    errors: int = 0
    statements: int = 0
    latency_us: int = 0


@dataclass(frozen=True)
class ProxyStatus:
    """One proxy; `unanswered` says why it could not be asked, `remarks` what is not as it should be."""

    name: str
    kind: str
    port: int
    side_port: int
    container: str
    container_state: str
    unanswered: str = ""
    backends: tuple[Backend, ...] = ()
    remarks: tuple[str, ...] = ()
    commands: tuple[tuple[str, tuple[str, ...]], ...] = ()


def ask_proxy(
    proxy: Proxy, topology: Topology, state: str, server: Callable[[str, int], Server], *, askable: bool
) -> ProxyStatus:
    """Ask one proxy what it sends where, through what `server` makes of a name and a port.

    `state` is its container's; where that lets nobody answer, `askable` is false.
    """
    unasked = ProxyStatus(
        proxy.name,
        proxy.kind,
        proxy.port,
        proxy.side_port,
        topology.container(proxy),
        state,
        commands=tuple(_commands(proxy, Instance(topology.instance))),
    )
    if not askable:
        return _silent(unasked, f"container {state}")
    main, side = server(proxy.name, proxy.port), server(proxy.side, proxy.side_port)
    with contextlib.closing(main), contextlib.closing(side):
        try:
            backends = tuple(_backends(topology, proxy, side) if proxy.kind == PROXYSQL else _behind(main, side))
        except (UnreachableError, StatementError) as error:
            return _silent(unasked, " ".join(str(error).partition(" does not answer: ")[2].split()).split(". ")[0])
    return replace(unasked, backends=backends, remarks=tuple(_remarks(backends, _wanted(topology, proxy))))


def _silent(unasked: ProxyStatus, reason: str) -> ProxyStatus:
    return replace(unasked, unanswered=reason, remarks=(f"no answer: {reason}",))


def _backends(topology: Topology, proxy: Proxy, admin: Server) -> Iterator[Backend]:
    meant = meaning(topology, proxy)
    for row in admin.query(_BACKENDS, account=ADMIN):
        group = int(row["hostgroup_id"])
        yield Backend(
            row["hostname"],
            meant.get(group, str(group)),
            group,
            int(row["weight"]),
            row["status"],
            None if row["lag"] is None else int(row["lag"]),
            *(int(row[name] or 0) for name in ("ConnUsed", "ConnFree", "ConnERR", "Queries", "Latency_us")),
        )


def _behind(main: Server, side: Server) -> Iterator[Backend]:
    """Yield who answers on each port of a Router now: it keeps no count that it would tell."""
    for endpoint, group in ((main, "writes"), (side, "reads")):
        yield Backend(endpoint.value(_WHO, account=APP_ACCOUNT), group)


def _wanted(topology: Topology, proxy: Proxy) -> tuple[str, ...]:
    return tuple(meaning(topology, proxy).values()) if proxy.kind == PROXYSQL else ("writes", "reads")


def _remarks(backends: tuple[Backend, ...], wanted: tuple[str, ...]) -> Iterator[str]:
    for group in wanted:
        if not any(backend.group == group for backend in backends):
            yield f"sends {group} to nobody"
    for backend in backends:
        if backend.state not in ("ONLINE", "answers"):
            yield f"{backend.server} is {backend.state} for {backend.group}"


def _commands(proxy: Proxy, instance: Instance) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what connects to each port from this host over verified TLS, in the parts that a line may hold."""
    for what, port, account in (
        (f"through {proxy.name}, as {APP_ACCOUNT}", proxy.port, APP_ACCOUNT),
        (f"to {proxy.side}", proxy.side_port, ADMIN if proxy.kind == PROXYSQL else APP_ACCOUNT),
    ):
        yield what, client_command(str(instance.client_settings(account)), port)


def client_command(settings: str, port: int) -> tuple[str, ...]:
    """Return what logs in at a port by a file of settings, in the parts that a line may hold.

    The password is in the file alone: a list of processes shows what is on a command line.
    """
    return (f"mysql --defaults-extra-file={shlex.quote(settings)}", f"-h 127.0.0.1 -P {port}")
