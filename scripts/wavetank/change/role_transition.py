"""Make a replica the source of those that it replicated with: what switchover and failover share.

From the moment that it is recorded who the new source is, topology-up finishes what was interrupted.
"""

import contextlib
import functools
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from wavetank.change.timeline import Step, Timeline
from wavetank.errors import UnreachableError, UsageError, WaitedInVain
from wavetank.proxysql.switch import switch_proxies
from wavetank.servers.lag import BEAT
from wavetank.servers.node import Server, Servers, StatementError
from wavetank.servers.replication import channels_of, is_replicating, mend_channels
from wavetank.topology.model import Node, Topology
from wavetank.waiting import wait_until

# A transaction that stays open keeps its server from being closed.
CLOSE_TIMEOUT_S = 10
FOLLOW_TIMEOUT_S = 30.0
LOGINS_AT_ONCE = 2
# How long a new source waits, in seconds, for the replicas that are to acknowledge, where there are several.
ATTACH_S = 1.0
SEVERAL = 2
_ATTACHED = """
    SELECT VARIABLE_VALUE FROM performance_schema.global_status
     WHERE VARIABLE_NAME = 'Rpl_semi_sync_source_clients'
"""


@dataclass(frozen=True)
class Change:
    """A source that was replaced: who by whom, the steps, who does not replicate yet, whether an earlier run did it."""

    old: str
    new: str
    steps: tuple[Step, ...]
    silent: tuple[str, ...] = ()
    done_before: bool = False

    @property
    def lines(self) -> list[str]:
        """The sentences that a person reads."""
        told = [f"{step.at_s:8.3f} s  {step.what}" for step in self.steps]
        mend = [f"{', '.join(self.silent)} does not replicate yet: make topology-up mends that"] if self.silent else []
        return [*told, f"{self.new} is the source instead of {self.old}", *mend]


def replaced_source(topology: Topology, name: str) -> Node:
    """Return the source whose place the server `name` would take.

    Raises:
        UsageError: it cannot: there is no such server, or it does not replicate from a source of its own.
    """
    if not name:
        raise UsageError("say which replica becomes the source: make switchover TO=db2")
    node = topology.node(name)
    if node.peer:
        raise UsageError(f"{name} is one of several sources: make topology-up ACTIVE={name} gives it the writes")
    if node.is_source:
        raise UsageError(f"{name} is the source already")
    sources = [topology.node(channel.source) for channel in node.channels]
    if len(sources) != 1 or not sources[0].is_source or sources[0].peer:
        found = ", ".join(source.name for source in sources)
        raise UsageError(f"{name} replicates from {found}: only a replica right behind the one source can replace it")
    return sources[0]


def with_promoted(topology: Topology, name: str) -> Topology:
    """Return the topology in which `name` is the source of its old source and of that one's other replicas."""
    old = replaced_source(topology, name)
    moved = {node.name: name for node in (old, *topology.replicas_of(old)) if node.name != name}
    return topology.repointed({**moved, name: ""})


def close(server: Server, timeout_s: int = CLOSE_TIMEOUT_S) -> None:
    """Make a server refuse every write but its appliers', once its open transactions have ended.

    Raises:
        UsageError: one of them did not end in time.
    """
    try:
        server.execute(f"SET SESSION lock_wait_timeout = {timeout_s}", "SET GLOBAL super_read_only = ON")
    except StatementError as error:
        raise UsageError(f"{server.name} could not be closed within {timeout_s} s: {error.msg}") from None


def record_promotion(servers: Servers, name: str) -> None:
    """Record that `name` is the source from now on; what is interrupted after this is finished, not taken back."""
    after = with_promoted(servers.topology, name)
    servers.instance.remember(after)
    servers.topology = after


def open_promoted(  # noqa: PLR0913, PLR0917 - what is known of a change by then
    servers: Servers, name: str, old: str, timeline: Timeline, absent: Collection[str] = (), held: str = ""
) -> list[str]:
    """Open the recorded source `name`, which has all that there is to have, and let the others replicate from it.

    The source `old` must be closed or gone. The new one is opened first: its channel brings nothing any more, and
    every statement before that is time without a writer. Proxies are told next. Who is `absent` acknowledges nothing
    for now. The new one has the GTID set `held`: who has received something else applies that first.

    Returns:
        The names of those that do not answer, and so were not pointed at the new source.
    """
    after, new = servers.topology, servers[name]
    behind = after.replicas_of(after.node(name))
    with ThreadPoolExecutor(len(after.members)) as pool:
        awaited = acknowledgements_to_wait_for(after, name, absent)
        following = [pool.submit(_follow, servers, node, held) for node in behind]
        new.execute(*_waiting_for(awaited, after.semi_sync), "SET GLOBAL read_only = OFF")
        fewer = f", waiting for {awaited} of {after.semi_sync} acknowledgements" if awaited < after.semi_sync else ""
        timeline.add(f"{name} opened{fewer}")
        switching = switch_proxies(servers, name, old, pool, timeline.add)
        if awaited >= SEVERAL:
            wait(following, ATTACH_S)
            _have_acknowledged(new, awaited)
        for channel in channels_of(new, account="admin"):
            new.execute(f"STOP REPLICA FOR CHANNEL '{channel}'", f"RESET REPLICA ALL FOR CHANNEL '{channel}'")
        followers = [name for name in (future.result() for future in following) if name]
        timeline.add(f"{', '.join(followers) or 'nobody'} repointed")
        for future in switching:
            future.result()
    return [node.name for node in behind if node.name not in followers]


def _have_acknowledged(new: Server, awaited: int) -> None:
    """Write something once as many replicas are attached as acknowledge a commit, or after ATTACH_S.

    A commit that waits when the second one is attached would wait a second longer: the source listens to those that
    it knows until one of them says something, or a second is over (MySQL's semisync_source_ack_receiver.cc). Now the
    first one acknowledges this.
    """
    with contextlib.suppress(WaitedInVain):
        wait_until(
            "replicas to attach", lambda: int(new.value(_ATTACHED) or 0) >= awaited, timeout_s=ATTACH_S, interval_s=0.01
        )
    new.execute(BEAT)


def acknowledgements_to_wait_for(after: Topology, name: str, absent: Collection[str]) -> int:
    """Return how many acknowledgements the new source shall wait for: as asked, or as many as can come.

    Waiting for more would let every commit stand until its timeout, and then nobody waits for any. topology-up
    asks for all of them again when the absent are back.
    """
    there = [node for node in after.replicas_of(after.node(name)) if node.name not in absent]
    return min(after.semi_sync, len(there))


def _waiting_for(awaited: int, asked: int) -> list[str]:
    count = f"SET GLOBAL rpl_semi_sync_source_wait_for_replica_count = {awaited}"
    return [*([count] if awaited < asked else []), "SET GLOBAL rpl_semi_sync_source_enabled = ON"] if awaited else []


def _follow(servers: Servers, node: Node, held: str) -> str:
    """Point a server at its new source; return its name, '' where it does not answer and topology-up has to."""
    try:
        mend_channels(servers[node.name], node.channels, servers.instance.password("replication"), held)
        if servers.topology.semi_sync and not servers.topology.replicas_of(node):
            servers[node.name].execute("SET GLOBAL rpl_semi_sync_source_enabled = OFF")
    except UnreachableError:
        return ""
    return node.name


def wait_for_followers(servers: Servers, name: str, fenced: str = "", unfollowing: Collection[str] = ()) -> list[str]:
    """Wait until all that answer replicate from the server `name`; return the names of those that do not.

    A `fenced` old source may be cut off for good: it is not waited for; nor is who could not be pointed at the server.

    Raises:
        UsageError: another one that answers does not replicate in time.
    """
    silent = []
    for node in servers.topology.replicas_of(servers.topology.node(name)):
        if node.name in unfollowing:
            silent.append(node.name)
            continue
        try:
            if node.name == fenced:
                silent += [] if is_replicating(servers[fenced]) else [fenced]
                continue
            wait_until(
                f"{node.name} to replicate from {name}",
                functools.partial(is_replicating, servers[node.name]),
                timeout_s=FOLLOW_TIMEOUT_S,
                interval_s=0.02,
                hint=f"make status INSTANCE={servers.topology.instance}",
            )
        except UnreachableError:
            silent.append(node.name)
    return silent


@contextlib.contextmanager
def greeting(servers: Servers, names: Sequence[str]) -> Iterator[None]:
    """Log in to those that are about to be told something, beside what is done meanwhile, in this order.

    Each login is time without a writer, and all at once would be in the way of what is done.
    """

    def greet(name: str) -> None:
        with contextlib.suppress(UnreachableError):
            servers[name].query("SELECT 1", account="admin")

    with ThreadPoolExecutor(LOGINS_AT_ONCE) as pool:
        for name in names:
            pool.submit(greet, name)
        yield
