"""What a check may yield: what it found, and what it did not ask."""

from dataclasses import dataclass

from wavetank.topology.model import Channel


@dataclass(frozen=True)
class Finding:
    """What a check saw that it should not have: where, what was expected, what was found, what to do next."""

    node: str
    expected: str
    found: str
    next_step: str


@dataclass(frozen=True)
class NotAsked:
    """Why a check did not ask its question of a node, or not all of it: what nobody looked at is not known to be good.

    `moot` is a question that has no meaning there at the moment, so that nobody who relies on the answer misses it.
    """

    reason: str
    moot: bool = False


# What a check yields.
Seen = Finding | NotAsked


def of_stopped(channel: Channel) -> NotAsked:
    """Return what a check says that asks how a channel does which does not run."""
    return NotAsked(f"{channel.title} does not run, which replication_threads reports")
