"""After a change of the source: tell each ProxySQL at once, where its monitor would find out a while later."""

import contextlib
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor

from wavetank.errors import UnreachableError, UsageError
from wavetank.proxysql.expected_rows import SERVERS, server_rows
from wavetank.servers.node import Connection, Servers, StatementError, query_on
from wavetank.topology.hostgroups import pairs_of
from wavetank.topology.proxies import ADMIN, Proxy, proxysqls
from wavetank.waiting import wait_until

# How long a proxy may take to answer, and to send writes to the new source, in seconds.
ANSWER_TIMEOUT_S = 2
SWITCH_TIMEOUT_S = 5.0


def switch_proxies(
    servers: Servers, new: str, old: str, pool: ThreadPoolExecutor, note: Callable[[str], None]
) -> list[Future[None]]:
    """Let every ProxySQL send writes to the server `new`, which is the recorded source and open; `note` what is so.

    Until it is known that the server `old` replicates, it gets what a source gets of the reads: hardly any. A proxy
    that cannot be told is noted as such; topology-up tells it.
    """
    return [pool.submit(_switch, servers, proxy, new, old, note) for proxy in proxysqls(servers.topology.proxies)]


def share_reads(servers: Servers) -> None:
    """Let every ProxySQL spread the reads by the recorded roles, once all servers replicate; pass over the silent."""
    for proxy in proxysqls(servers.topology.proxies):
        with contextlib.suppress(UnreachableError, StatementError), _administration(servers, proxy) as admin:
            _tell(servers, proxy, admin)


def _switch(servers: Servers, proxy: Proxy, new: str, old: str, note: Callable[[str], None]) -> None:
    try:
        with _administration(servers, proxy) as admin:
            _tell(servers, proxy, admin, spared={old})
            wait_until(
                f"{proxy.name} to send writes to {new}",
                lambda: _writers(servers, proxy, new, admin) == [new],
                timeout_s=SWITCH_TIMEOUT_S,
                interval_s=0.01,
            )
    except (UnreachableError, StatementError, UsageError):
        note(f"{proxy.name} cannot be told: make topology-up does it")
    else:
        note(f"{proxy.name} switched to {new}")


def _administration(servers: Servers, proxy: Proxy) -> contextlib.closing[Connection]:
    return contextlib.closing(servers[proxy.side].connect(ADMIN, ANSWER_TIMEOUT_S))


def _tell(servers: Servers, proxy: Proxy, admin: Connection, spared: Collection[str] = ()) -> None:
    rows = list(server_rows(servers.topology, proxy, spared))
    # Its administration takes no parameters; these are names that containers can carry, and numbers.
    values = ", ".join(f"({', '.join(repr(value) for value in row.values())})" for row in rows)
    for statement in (
        f"DELETE FROM {SERVERS.name}",
        f"INSERT INTO {SERVERS.name} ({', '.join(rows[0])}) VALUES {values}",
        f"LOAD {SERVERS.load} TO RUNTIME",
    ):
        query_on(admin, statement, node=proxy.side)


def _writers(servers: Servers, proxy: Proxy, new: str, admin: Connection) -> list[str]:
    """Return the servers that get, at runtime, the writes that are for the server `new`."""
    pairs = pairs_of(servers.topology, proxy)
    group = next(pair.writer for pair in pairs if servers.topology.node(new) in pair.nodes)
    statement = f"SELECT hostname FROM runtime_mysql_servers WHERE hostgroup_id = {group} AND status = 'ONLINE'"
    return [row["hostname"] for row in query_on(admin, statement, node=proxy.side)]
