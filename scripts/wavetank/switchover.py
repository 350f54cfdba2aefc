"""A planned change of the source: the old one is closed, the new one has everything, then it is opened."""

from dataclasses import dataclass

from wavetank.errors import UsageError
from wavetank.node import Server, Servers
from wavetank.promotion import (
    Step,
    Timeline,
    close,
    greet_all,
    open_promoted,
    record_promotion,
    replaced_source,
    wait_for_followers,
)
from wavetank.proxy_switch import share_reads
from wavetank.replication import is_replicating, lacking
from wavetank.topology import Node

# More than this would be a long time without a writer: the replica first has to come nearer by itself.
MOST_BEHIND = 1000
CATCH_UP_S = 10


@dataclass(frozen=True)
class Change:
    """A source that was replaced: who by whom, the steps, and who does not replicate yet."""

    old: str
    new: str
    steps: tuple[Step, ...]
    silent: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The sentences that a person reads."""
        told = [f"{step.at_s:8.3f} s  {step.what}" for step in self.steps]
        mend = [f"{', '.join(self.silent)} does not replicate yet: make topology-up mends that"] if self.silent else []
        return [*told, f"{self.new} is the source instead of {self.old}", *mend]


def switch_over(servers: Servers, to: str) -> Change:
    """Let the replica `to` take the place of its source, with no transaction lost and no two servers open.

    Interrupted before the new source is recorded, the old one is still the source: it is closed, and this or
    topology-up opens it again. Interrupted later, topology-up finishes it.

    Raises:
        UsageError: it cannot be done without losing something; the old source takes writes as before.
        UnreachableError: one of the two does not answer.
    """
    topology = servers.topology
    old = replaced_source(topology, to)
    silent = list(greet_all(servers, topology.nodes))
    if lost := {old.name, to} & set(silent):
        raise UsageError(f"{', '.join(sorted(lost))} does not answer: make failover is for a source that is gone")
    _refuse_unfit(servers[old.name], servers[to])
    refuse_prepared(servers[old.name])
    timeline = Timeline()
    close(servers[old.name])
    timeline.add(f"{old.name} closed")
    _catch_up_or_reopen(servers, old, to)
    timeline.add(f"{to} has every transaction of {old.name}")
    record_promotion(servers, to)
    open_promoted(servers, to, old.name, timeline)
    silent += wait_for_followers(servers, to)
    timeline.add("all replicate")
    if not silent:
        share_reads(servers)
    return Change(old.name, to, tuple(timeline.steps), tuple(dict.fromkeys(silent)))


def _refuse_unfit(source: Server, replica: Server) -> None:
    if not is_replicating(replica):
        raise UsageError(f"{replica.name} does not replicate: make status says why, make topology-up mends it")
    executed = source.value("SELECT @@GLOBAL.gtid_executed")
    behind = lacking(replica, executed)
    if behind > MOST_BEHIND:
        raise UsageError(
            f"{replica.name} is {behind} transactions behind {source.name}, which would be long without a writer: "
            f"wait until it is at most {MOST_BEHIND}"
        )


def refuse_prepared(source: Server) -> None:
    """Refuse where a prepared XA transaction waits: a closed server commits it all the same, and alone has that then.

    Raises:
        UsageError: there is one.
    """
    if prepared := source.query("XA RECOVER", account="admin"):
        raise UsageError(
            f"{source.name} holds {len(prepared)} prepared XA transactions, which could be committed there after it is "
            "closed: XA RECOVER lists them; commit them or roll them back first"
        )


def _catch_up_or_reopen(servers: Servers, old: Node, to: str) -> None:
    executed = servers[old.name].value("SELECT @@GLOBAL.gtid_executed")
    try:
        refuse_prepared(servers[old.name])
        late = servers[to].value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", [executed, CATCH_UP_S], account="admin")
    except BaseException:
        servers[old.name].execute("SET GLOBAL read_only = OFF")
        raise
    if late:
        servers[old.name].execute("SET GLOBAL read_only = OFF")
        raise UsageError(
            f"{to} did not get the last transactions of {old.name} within {CATCH_UP_S} s: {old.name} takes writes again"
        )
