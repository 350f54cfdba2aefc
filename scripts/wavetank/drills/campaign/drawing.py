"""Which storms a campaign is made of: drawn from its seed, so that each can be had again. Pure: asks nobody."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from wavetank.errors import UsageError

MOST_STORMS = 10_000
MOST_JOBS = 4
# Of a hundred storms, how many are hit by a second fault while they are being mended.
SECOND_PERCENT = 60


@dataclass(frozen=True)
class Setting:
    """What an instance is brought up as; storms of one setting share an instance.

    Attributes:
        topology: which inventory.
        semi_sync: how many acknowledgements a commit waits for, 0 for asynchronous replication.
        replicas: how many replicas each source has, '' for as many as the inventory says.
        proxies: how many ProxySQL there are, '' for as many as the inventory says.
    """

    topology: str
    semi_sync: int
    replicas: str = ""
    proxies: str = ""

    @property
    def slug(self) -> str:
        """What it is called in the name of an instance."""
        return f"{self.topology}-{f'semi-sync-{self.semi_sync}' if self.semi_sync else 'async'}"

    @property
    def options(self) -> dict[str, str]:
        """What a person would say at topology-up."""
        said = {"SEMI_SYNC": str(self.semi_sync), "REPLICAS": self.replicas, "PROXIES": self.proxies}
        return {"TOPOLOGY": self.topology} | {name: value for name, value in said.items() if value}


@dataclass(frozen=True)
class Choice:
    """One drill on one setting, and what can be drawn for it: ways of its clients, and second faults."""

    drill: str
    setting: Setting
    ways: tuple[str, ...]
    seconds: tuple[str, ...]


@dataclass(frozen=True)
class Storm:
    """One storm of a campaign.

    Attributes:
        number: its place in the campaign, from 1.
        drill: which storm.
        setting: what its instance is.
        via: by which way its clients come, '' for the usual one.
        second: which fault hits the recovery, '' for none.
        second_at: when, as a share of what a recovery usually takes: from 0 to 1.
        seed: of the drill's own random numbers.
    """

    number: int
    drill: str
    setting: Setting
    via: str
    second: str
    second_at: float
    seed: int

    @property
    def title(self) -> str:
        """Say it in a line."""
        said = [self.drill, "on", self.setting.topology]
        said += [f"semi-sync {self.setting.semi_sync}" if self.setting.semi_sync else "asynchronous"]
        said += [f"via {self.via}"] if self.via else []
        said += [f"then {self.second} at {self.second_at:.2f}"] if self.second else []
        return " ".join(said)

    @property
    def options(self) -> dict[str, str]:
        """What a person would say to the drill."""
        said = {"VIA": self.via, "SEED": str(self.seed)}
        return said | ({"SECOND": self.second, "SECOND_AT": f"{self.second_at:.2f}"} if self.second else {})


def draw(choices: Sequence[Choice], seed: int, storms: int) -> list[Storm]:
    """Return the first `storms` storms of a seed: more of them begin with the same ones.

    Each drill is as likely as any other, however many settings it is for.

    Raises:
        UsageError: there is nothing to choose from.
    """
    if not choices:
        raise UsageError("no drill here is for any topology that can be brought up")
    return [_draw_one(choices, seed, number) for number in range(1, storms + 1)]


def _draw_one(choices: Sequence[Choice], seed: int, number: int) -> Storm:
    # Each storm has random numbers of its own: one more choice for one of them changes no other.
    numbers = random.Random(f"{seed}:{number}")  # noqa: S311 - storms, not secrets
    drill = numbers.choice(sorted({choice.drill for choice in choices}))
    choice = numbers.choice([each for each in choices if each.drill == drill])
    hit = numbers.randrange(100) < SECOND_PERCENT
    return Storm(
        number,
        drill,
        choice.setting,
        via=numbers.choice(choice.ways) if choice.ways else "",
        second=numbers.choice(choice.seconds) if hit and choice.seconds else "",
        second_at=round(numbers.random(), 2),
        seed=numbers.randrange(1, 1_000_000),
    )
