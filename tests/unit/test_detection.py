"""Is a source gone: what those behind it say of it, how long they are listened to, and whom a name means."""

import itertools
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from replicating import PretendedChannel, PretendedFleet, committed, replicas_of_db1, write
from wavetank.change.failover import detection
from wavetank.change.failover.candidate_selection import SILENCE_S, ReplicaState
from wavetank.change.failover.detection import Analysis, ask_replicas
from wavetank.change.failover.run import fail_over
from wavetank.errors import UsageError
from wavetank.servers.node import silent_ones
from wavetank.topology.model import Node

MakeFleet = Callable[..., PretendedFleet]


def test_everybody_is_asked_at_once(make_fleet: MakeFleet) -> None:
    """Each of these answers when all have been asked: who is frozen keeps nobody else waiting."""
    fleet = make_fleet(replicas_of_db1(36))
    replicas = fleet.topology.replicas
    together = threading.Barrier(len(replicas))

    def wait_for_the_others(*_: str) -> None:
        together.wait(timeout=5)

    fleet.harm = wait_for_the_others
    assert silent_ones(fleet, replicas) == []  # type: ignore[arg-type]
    assert len(list(ask_replicas(fleet, fleet.topology.node("db1")))) == len(replicas)  # type: ignore[arg-type]


@pytest.mark.parametrize(("receives", "fetches_from"), [(True, "db4"), (False, "")])
def test_whom_a_server_replicates_from_is_not_whom_it_fetches_from(
    make_fleet: MakeFleet, *, receives: bool, fetches_from: str
) -> None:
    fleet = make_fleet(replicas_of_db1(3))
    fleet["db2"].channels = {"fetch": PretendedChannel("db4", receives=receives), "": PretendedChannel("db3")}
    replica = next(ask_replicas(fleet, fleet.topology.node("db1")))  # type: ignore[arg-type]
    assert (replica.host, replica.fetches_from) == ("db3", fetches_from)


def test_a_server_that_replicates_from_nobody_says_what_it_has(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet["db2"].channels = {}
    fleet["db2"].executed, fleet["db2"].purged = committed("db1", 1, 2), committed("db1", 1)
    state = next(ask_replicas(fleet, fleet.topology.node("db1")))  # type: ignore[arg-type]
    assert (state.host, state.source_uuid, state.receiver, state.applier) == ("", "", "OFF", "")
    assert (state.executed, state.purged) == (write(committed("db1", 1, 2)), write(committed("db1", 1)))


@pytest.mark.parametrize(
    ("waited_s", "hears", "asked"), [(0.0, False, 1), (0.5, False, 1), (0.51, False, 2), (0.0, True, 2)]
)
def test_who_heard_a_source_that_ends_is_asked_again_once_it_does_not_answer(
    waited_s: float,
    hears: bool,  # noqa: FBT001
    asked: int,
    make_fleet: MakeFleet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A frozen source is silent for as long as an answer is waited for; without this, that is waited for twice."""
    analyses: list[list[SimpleNamespace]] = []
    clock = iter([100.0, 100.0 + waited_s])
    fleet = make_fleet()
    source = fleet.topology.node("db1")

    def ask(*whom: object) -> list[SimpleNamespace]:
        assert whom == (fleet, source)
        analyses.append([SimpleNamespace(hears=hears, of=len(analyses) + 1)])
        return analyses[-1]

    monkeypatch.setattr(detection, "answers", lambda _: False)
    monkeypatch.setattr(detection, "ask_replicas", ask)
    monkeypatch.setattr(detection, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    found = detection.analyse(fleet, source)  # type: ignore[arg-type]
    assert (len(analyses), [each.of for each in found.replicas]) == (asked, [asked])  # type: ignore[attr-defined]


def said_by_db2(silent_s: float) -> Analysis:
    """Return an analysis in which the source does not answer, and one replica heard from it so long ago."""
    return Analysis(answers=False, replicas=(ReplicaState(Node("db2", 1, 1), "ON", silent_s, "ON", 0, "", ""),))


NOBODY, HEARD, QUIET = Analysis(answers=False, replicas=()), said_by_db2(0.1), said_by_db2(SILENCE_S + 1)


@pytest.mark.parametrize(
    ("force", "found"),
    [
        (False, [QUIET]),
        (False, [HEARD, HEARD, QUIET]),
        (False, [NOBODY, QUIET]),
        (True, [HEARD]),
        (True, [NOBODY, HEARD]),
    ],
)
def test_it_is_analysed_until_all_agree_and_soon_again(
    force: bool,  # noqa: FBT001
    found: list[Analysis],
    make_fleet: MakeFleet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Forced, one answer is enough. Each pause is time without a writer."""
    pauses: list[float] = []
    analyses = iter(found)
    fleet = make_fleet()
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(detection, "AGREE_S", 10.0)
    monkeypatch.setattr(detection, "analyse", lambda *_: next(analyses))
    agreed = detection.agree(fleet, fleet.topology.node("db1"), force=force)  # type: ignore[arg-type]
    assert agreed is found[-1]
    assert list(itertools.islice(analyses, 1)) == []
    assert [pause for pause in pauses if pause > 0.05] == []


def test_a_name_that_is_no_sources_is_refused_with_those_that_are(make_fleet: MakeFleet) -> None:
    with pytest.raises(UsageError, match="db2 is not a source, which db1 is"):
        fail_over(make_fleet(), "db2")
