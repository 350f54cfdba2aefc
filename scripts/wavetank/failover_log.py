"""What is remembered of an instance's failovers: an interrupted one can be finished and a hasty one refused."""

import json
import time
from dataclasses import asdict, dataclass

from wavetank.errors import UsageError
from wavetank.files import write_if_changed
from wavetank.instance import Instance
from wavetank.topology import Node, Topology

# Within this many seconds a second failover is not taken for a cure.
HOLD_S = 300


@dataclass(frozen=True)
class Failover:
    """A replica that took the place of a source; `at` is when it was recorded, in seconds of the epoch."""

    old: str
    new: str
    at: float
    finished: bool = False


class FailoverLog:
    """The last failover to each server of an instance."""

    def __init__(self, instance: Instance) -> None:
        """Read what is remembered."""
        self._path = instance.directory / "failovers.json"
        read = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._failovers = {new: Failover(**failover) for new, failover in read.items()}

    def unfinished(self, topology: Topology) -> Failover | None:
        """Return a failover whose new source has been recorded, and not been seen open."""
        for failover in self._failovers.values():
            if not failover.finished and topology.node(failover.new).is_source:
                return failover
        return None

    def begin(self, old: str, new: str) -> Failover:
        """Remember that `new` is about to take the place of `old`."""
        failover = Failover(old, new, time.time())
        self._remember(failover)
        return failover

    def finish(self, failover: Failover) -> None:
        """Remember that its new source has been seen open."""
        self._remember(Failover(failover.old, failover.new, failover.at, finished=True))

    def refuse_haste(self, source: Node) -> None:
        """Refuse to replace a source that has only just become it.

        Raises:
            UsageError: it became it by a failover less than HOLD_S ago.
        """
        last = self._failovers.get(source.name)
        ago = time.time() - last.at if last and last.finished else HOLD_S
        if last and ago < HOLD_S:
            raise UsageError(
                f"{last.new} replaced {last.old} {ago:.0f} s ago: within {HOLD_S} s another failover needs FORCE=1"
            )

    def forget(self) -> None:
        """Let no failover so far count as haste."""
        self._failovers = {}
        self._path.unlink(missing_ok=True)

    def _remember(self, failover: Failover) -> None:
        self._failovers[failover.new] = failover
        write_if_changed(self._path, json.dumps({new: asdict(each) for new, each in self._failovers.items()}) + "\n")
