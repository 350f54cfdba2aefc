"""The record of an instance's failovers: an interrupted one can be finished, and a second one soon after is refused."""

import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from wavetank.errors import UsageError
from wavetank.files import write_if_changed
from wavetank.servers.gtid import union
from wavetank.topology.instance import Instance
from wavetank.topology.model import Node, Topology

# orchestrator's RecoveryPeriodBlockSeconds: within it a second failover is refused, and the same one counts as done.
RECOVERY_BLOCK_PERIOD_S = 300


@dataclass(frozen=True)
class Failover:
    """A source that was given up, and the replica that took its place.

    Attributes:
        old: the source.
        new: who took its place; '' as long as that is not recorded.
        at: when it was recorded, in seconds of the epoch.
        finished: whether the new source has been seen open.
        seen: what each server was seen to have, by its name, while it was not finished.
        silent: who was not pointed at the new source, and so cannot have acknowledged anything to it.
    """

    old: str
    new: str
    at: float
    finished: bool = False
    seen: Mapping[str, str] = field(default_factory=dict)
    silent: tuple[str, ...] = ()

    @property
    def recent(self) -> bool:
        """Whether it was finished, and recorded less than RECOVERY_BLOCK_PERIOD_S ago."""
        return self.finished and time.time() - self.at < RECOVERY_BLOCK_PERIOD_S


class FailoverLog:
    """The last failover of each source of an instance, and with what each source that was promoted began."""

    def __init__(self, instance: Instance) -> None:
        """Read what is remembered."""
        self._path = instance.directory / "failovers.json"
        read = json.loads(self._path.read_text()) if self._path.exists() else {}
        # Before sources were remembered with what they began with, the file had nothing but failovers.
        failovers = read.get("failovers", []) if "began_with" in read else list(read.values())
        self._failovers = {each["old"]: _read(each) for each in failovers}
        self._began_with: dict[str, str] = read.get("began_with", {}) if "began_with" in read else {}

    def unfinished(self, topology: Topology) -> list[Failover]:
        """Return the failovers whose new source has been recorded, and not been seen open."""
        found = (each for each in self._failovers.values() if each.new and not each.finished)
        return [each for each in found if topology.node(each.new).is_source]

    def finished(self, topology: Topology, old: str) -> Failover | None:
        """Return the failover within the recovery block period by which a server is no source any more, or None."""
        found = self._failovers.get(old)
        if not found or not found.recent or topology.node(old).is_source:
            return None
        return found if topology.node(found.new).is_source else None

    def seen(self, source: Node) -> dict[str, str]:
        """Return what servers were seen to have when an unfinished failover gave this source up, or made it one."""
        concerned = [each for each in self._failovers.values() if source.name in (each.old, each.new)]
        found: dict[str, str] = {}
        for name, gtids in (pair for each in concerned if not each.finished for pair in each.seen.items()):
            found[name] = union(found.get(name, ""), gtids)
        return found

    def excused(self, source: Node) -> set[str]:
        """Return who cannot have acknowledged anything to a source, as it has not replicated from it so far."""
        return {name for each in self._failovers.values() if each.new == source.name for name in each.silent}

    def began_with(self, topology: Topology, source: Node) -> str | None:
        """Return the GTID set with which a server became the source: '' for the first one, None where nobody knows."""
        promoted = topology.given.get("repointed", {}).get(source.name) == ""
        return self._began_with.get(source.name) if promoted else ""

    def give_up(self, old: str, seen: Mapping[str, str]) -> None:
        """Remember that a source is about to be fenced, and what each server was seen to have."""
        self._failovers[old] = Failover(old, "", time.time(), seen=seen)
        self._write()

    def begin(self, failover: Failover, began_with: str) -> None:
        """Remember that a replica is about to take the place of its source, and with which GTID set it does."""
        # What was so when it was the source another time says nothing of this one.
        self._failovers = {
            old: replace(each, silent=()) if each.new == failover.new else each for old, each in self._failovers.items()
        }
        self._failovers[failover.old] = failover
        self._began_with[failover.new] = began_with
        self._write()

    def follow(self, names: Collection[str]) -> None:
        """Remember that servers have been pointed at their source: from now on they can acknowledge something."""
        self._failovers = {
            old: replace(each, silent=tuple(name for name in each.silent if name not in names))
            for old, each in self._failovers.items()
        }
        self._write()

    def finish(self, failover: Failover, silent: Iterable[str] = ()) -> None:
        """Remember that its new source has been seen open, and who was not pointed at it."""
        # Whoever took the place of one that was never seen open has finished that failover, too.
        self._failovers = {
            old: each for old, each in self._failovers.items() if each.finished or each.new != failover.old
        }
        self._failovers[failover.old] = replace(failover, finished=True, seen={}, silent=tuple(silent))
        self._write()

    def settle(self) -> None:
        """Remember that all servers are there and what the topology says: none is silent, no source given up."""
        self._failovers = {old: replace(each, silent=()) for old, each in self._failovers.items() if each.finished}
        self._write()

    def refuse_in_recovery_block(self, source: Node) -> None:
        """Refuse to replace a source that became it within the recovery block period.

        Raises:
            UsageError: it did.
        """
        for last in self._failovers.values():
            if last.new == source.name and last.recent:
                ago = time.time() - last.at
                raise UsageError(
                    f"{last.new} replaced {last.old} {ago:.0f} s ago: "
                    f"within {RECOVERY_BLOCK_PERIOD_S} s another failover needs FORCE=1"
                )

    def end_recovery_block(self) -> None:
        """End the recovery block period of every failover so far."""
        self._failovers = {old: replace(each, at=0.0) for old, each in self._failovers.items()}
        self._write()

    def _write(self) -> None:
        if not self._failovers and not self._began_with and not self._path.exists():
            return
        failovers = [asdict(each) for each in self._failovers.values()]
        write_if_changed(self._path, json.dumps({"failovers": failovers, "began_with": self._began_with}) + "\n")


def _read(raw: Mapping[str, Any]) -> Failover:
    return Failover(**{**raw, "silent": tuple(raw.get("silent", ()))})
