"""Where a check cannot ask, or another one reports the cause, it says so: nobody takes that for a good answer."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from mysql.connector.errors import DatabaseError
from wavetank.checks import asking, lateness
from wavetank.checks.asking import Answer, Report
from wavetank.checks.finding import Finding, NotAsked
from wavetank.checks.questions import canary, data_equal, server_id
from wavetank.conflicts import resolve
from wavetank.drills import drill
from wavetank.drills.drill import demand_green
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.equality import BehindError, Difference, Unfinished
from wavetank.sharding.map_state import MOVING, MapState
from wavetank.topology.model import Topology

STOPPED: dict[str, Any] = {"": {"receiver": "ON", "applier": "OFF"}}
SHARD: Any = SimpleNamespace(number=1, source=SimpleNamespace(name="s1"), schema="shop_1")
NODE: Any = SimpleNamespace(name="s1", shard=1)
SHARDED: Any = SimpleNamespace(topology=SimpleNamespace(shards=[SHARD], shard=lambda _: SHARD))
NO_MAP: MapState | None = None
UNDER_WAY: Any = SimpleNamespace(under_way=True, without_trace=True, newest=None)


class Unasked(dict[str, Any]):
    """Servers of which nothing is asked."""

    def __init__(self, topology: Topology, **servers: Any) -> None:  # noqa: ANN401
        super().__init__({node.name: SimpleNamespace(name=node.name) for node in topology.nodes} | servers)
        self.topology = topology


@pytest.mark.parametrize(
    ("name", "map_state"),
    [
        *((name, NO_MAP) for name in sorted(asking.all_checks()) if name.startswith("shard_")),
        *((f"shard_{name}", UNDER_WAY) for name in ("reference", "relations", "skew", "overlap", "placement")),
    ],
)
def test_no_check_of_shards_is_good_where_rows_have_no_one_place(
    name: str, map_state: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    check: Any = asking.all_checks()[name]
    if not hasattr(check, "map_state_for_check"):
        assert name in ("shard_map", "shard_schema")  # these report it
        return
    monkeypatch.setattr(check, "map_state_for_check", lambda *_: map_state)
    (left_out,) = check.examine(NODE, SHARDED)
    assert isinstance(left_out, NotAsked)
    assert not left_out.moot
    assert left_out.reason.startswith(MOVING if map_state else "there is no shard map")


@pytest.mark.parametrize("name", ["data_equal", "missing_transactions", "applier_lag"])
def test_of_a_channel_that_does_not_run_nothing_is_good(
    name: str, make_topology: Callable[..., Topology], monkeypatch: pytest.MonkeyPatch
) -> None:
    check: Any = asking.all_checks()[name]
    topology = make_topology()
    monkeypatch.setattr(lateness if name == "applier_lag" else check, "channels_of", lambda _server: STOPPED)
    servers: Any = Unasked(topology)
    (left_out,) = check.examine(topology.node("db2"), servers)
    assert left_out == NotAsked("the default channel does not run, which replication_threads reports")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Unfinished("`shop`.`orders`", "db1 did not finish a statement within 10 s"), Finding),
        (Difference("`shop`.`orders`", "a", "b"), Finding),
        (BehindError("db2 did not come to have what db1 had within 20 s"), NotAsked),
    ],
)
def test_what_could_not_be_compared_is_never_equal(
    seen: object, expected: type, make_topology: Callable[..., Topology], monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = make_topology()

    def differences(*_: object, **__: object) -> Any:  # noqa: ANN401
        if isinstance(seen, Exception):
            raise seen
        yield seen

    running = {"": {"receiver": "ON", "applier": "ON"}}
    monkeypatch.setattr(data_equal, "channels_of", lambda _server: running)
    monkeypatch.setattr(data_equal, "differences", differences)
    (found,) = data_equal.examine(topology.node("db2"), Unasked(topology))  # type: ignore[arg-type]
    assert isinstance(found, expected)
    assert str(getattr(seen, "why", getattr(seen, "found", seen))) in str(found)


def test_two_peers_are_compared_once(make_topology: Callable[..., Topology]) -> None:
    ring = {
        "db1": {"server_id": 1, "writable": True, "replicates_from": "db2"},
        "db2": {"server_id": 2, "writable": True, "replicates_from": "db1"},
    }
    assert [node.name for node in data_equal.concerns(make_topology(ring))] == ["db2"]


def test_a_canary_that_cannot_be_written_is_not_said_to_have_arrived(make_topology: Callable[..., Topology]) -> None:
    def closed(*_: object) -> None:
        raise DatabaseError(errno=canary.CLOSED, msg="running with --read-only")

    servers: Any = Unasked(make_topology(), db1=SimpleNamespace(query=closed))
    (left_out,) = canary.examine(servers.topology.node("db1"), servers)
    assert isinstance(left_out, NotAsked)


def test_a_canary_looked_for_on_a_server_that_dies_is_not_said_to_have_arrived(
    make_topology: Callable[..., Topology], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_: object) -> None:
        raise UnreachableError("db2", "gone")

    servers: Any = Unasked(
        make_topology(),
        db1=SimpleNamespace(query=lambda *_: []),
        db2=SimpleNamespace(value=dead),
        db3=SimpleNamespace(value=lambda *_: 1),
    )
    monkeypatch.setattr(canary, "_replicates", lambda _server: True)
    assert list(canary.examine(servers.topology.node("db1"), servers)) == [NotAsked("db2 does not answer: gone")]


def test_an_id_that_a_silent_server_may_have_too_is_not_said_to_be_one_of_its_own(
    make_topology: Callable[..., Topology],
) -> None:
    def dead(*_: object) -> None:
        raise UnreachableError("db1", "gone")

    mine = SimpleNamespace(query=lambda *_: [{"server_id": 2, "server_uuid": "b"}])
    servers: Any = Unasked(make_topology(), db1=SimpleNamespace(query=dead), db2=mine)
    (left_out,) = server_id.examine(servers.topology.node("db2"), servers)
    assert left_out == NotAsked("db1, which does not answer, may have the same")


# --- who relies on it

OPEN = Report("master-slave", "sea", 0.1, [Answer("data_equal", "db2", not_asked=(NotAsked("it is behind"),))])
MOOT = Report("four-shard", "sea", 0.1, [Answer("shard_skew", "s1", not_asked=(NotAsked("few", moot=True),))])


def test_no_storm_begins_where_something_was_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "ask_all", lambda _servers: OPEN)
    monkeypatch.setattr(drill, "IN_ORDER_S", 0.1)
    with pytest.raises(UsageError, match="sea db2: data_equal: not asked: it is behind"):
        demand_green(SimpleNamespace())  # type: ignore[arg-type]


def test_a_storm_begins_where_a_question_has_no_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "ask_all", lambda _servers: MOOT)
    demand_green(SimpleNamespace())  # type: ignore[arg-type]


def test_a_resolution_after_which_nobody_could_compare_is_not_complete() -> None:
    (left,) = resolve._left(OPEN.answers[0])  # noqa: SLF001
    assert (left.node, left.expected, left.found) == ("db2", "an answer to data_equal", "it is behind")
