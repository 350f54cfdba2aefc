"""Lanes: groups of tests that run side by side, each with instances of its own.

Tests of one group share instances, and so run in one lane, one after the other. A test that names no group with
pytest.mark.group is in that of its file. A test that is marked `alone` measures seconds, which other lanes would
lengthen: while it is called, they do nothing. `make test` runs two lanes; a plain pytest has one.

The lanes are workers of pytest-xdist. Its own marker for groups does nothing with pytest 9.2, so what a lane gets next
is decided here: the workers, who collect the tests, write down which group each is in.
"""

import fcntl
import json
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import IO

import pytest
from commands import HOME
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent
# Whoever is first in the queue finds a lane empty: groups that take long come first, or one of them would be left when
# the other lane has nothing to do any more. `make test` prints what each took. One that is not here is taken for long.
LONGEST_FIRST = (
    "proxysql", "conflicts", "four-shard", "drills/test_outage.py", "change", "broken/test_convergence.py",
    "sharding/test_resharding.py", "inventories", "master-slave", "chain", "drills/test_by_way.py",
    "drills/test_interrupted_storms.py", "sharding/test_lost_sources.py", "routing", "queries", "broken/test_peers.py",
    "broken-four-shard", "master-master", "mysql-router", "drills/test_compare.py", "shards-proxy", "directory",
    "drills/test_small_disk.py", "broken/test_proxy_refusals.py", "broken/test_every_check_goes_red.py",
)  # fmt: skip
STATE = HOME / ".wavetank"
# Which group each test is in, by its id.
GROUPS = STATE / "tests-groups.json"
# Through these, lanes know of each other.
DOOR, ROOM = STATE / "tests-door.lock", STATE / "tests-room.lock"
ROOM_KEY = pytest.StashKey[IO[str]]()


def group_of(item: pytest.Item) -> str:
    """Return the name of the group that a test is in."""
    mark = item.get_closest_marker("group")
    return str(mark.args[0] if mark else item.path.relative_to(TESTS))


def is_unit(group: str) -> bool:
    """Return whether a group is a file of tests that need no instance."""
    return group.startswith("unit/")


# After pytest has put together what it takes for alike, which may be of several groups.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the groups in order: unit tests, which tell soonest, then the longest first."""
    names = list(dict.fromkeys(map(group_of, items)))
    known = {name: number for number, name in enumerate(LONGEST_FIRST)}
    names.sort(key=lambda name: (not is_unit(name), known.get(name, -1)))
    order = {name: number for number, name in enumerate(names)}
    items.sort(key=lambda item: order[group_of(item)])
    if is_lane(config):
        # All of them write the same; a reader sees the file whole.
        new = GROUPS.with_suffix(f".{config.workerinput['workerid']}")  # type: ignore[attr-defined]
        STATE.mkdir(exist_ok=True)
        new.write_text(json.dumps({item.nodeid: group_of(item) for item in items}))
        new.replace(GROUPS)


def is_lane(config: pytest.Config) -> bool:
    """Return whether this process runs tests for another one, beside others."""
    return hasattr(config, "workerinput")


class ByGroup(LoadScopeScheduling):
    """Gives each lane one group after the other, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        group: str = groups()[nodeid]
        return group


def groups() -> dict[str, str]:
    """Return the group of each test by its id, as the lanes have collected them."""
    if not _groups:
        _groups.update(json.loads(GROUPS.read_text()))
    return _groups


_groups: dict[str, str] = {}


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByGroup:
    """Let the lanes have groups."""
    config.option.loadscopereorder = False
    return ByGroup(config, log)


def _enter(room: IO[str], how: int) -> None:
    """Come in beside others, or when all others have left; while somebody waits for that, nobody passes the door."""
    fcntl.flock(room, fcntl.LOCK_UN)
    with DOOR.open("a") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, how)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test work beside those of other lanes."""
    if not is_lane(item.config):
        return (yield)
    with ROOM.open("a") as room:
        item.stash[ROOM_KEY] = room
        _enter(room, fcntl.LOCK_SH)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let nobody else work while a test that is to be alone is called."""
    room = item.stash.get(ROOM_KEY, None)
    if room is None or not item.get_closest_marker("alone"):
        return (yield)
    _enter(room, fcntl.LOCK_EX)
    try:
        return (yield)
    finally:
        fcntl.flock(room, fcntl.LOCK_SH)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long each group took, for LONGEST_FIRST; the unit tests as one."""
    seconds: Counter[str] = Counter()
    for report in (each for reports in terminalreporter.stats.values() for each in reports):
        if isinstance(report, pytest.TestReport) and (group := _groups.get(report.nodeid)):
            seconds["unit" if is_unit(group) else group] += report.duration
    if seconds:
        terminalreporter.section("seconds by group")
        for group, took_s in seconds.most_common():
            terminalreporter.line(f"{took_s:7.1f}  {group}")
