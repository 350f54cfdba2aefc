"""What clients saw of a late replica and of a slow network, and which disks may be filled."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from wavetank.drills.storms.replica_lagging import DELAY_S, unlike_a_late_replica
from wavetank.drills.traffic.lag import Seen
from wavetank.drills.traffic.log import READ, WRITE, Operation, OperationLog
from wavetank.drills.traffic.slowness import most_behind, per_second, stale_by_server
from wavetank.errors import UsageError
from wavetank.machine import containers, disk
from wavetank.machine.disk import Disk
from wavetank.topology.memory_sizing import MIB

# One write a second, from 1 s on.
WRITES = [Operation(WRITE, 1, id_, id_ - 0.1, float(id_), "db1") for id_ in range(1, 11)]


def read(server: str, seen: int, at_s: float) -> Operation:
    return Operation(READ, 1, seen, at_s, at_s + 0.01, server)


def test_stale_reads_are_counted_for_each_server_from_the_storm_on() -> None:
    reads = [read("db2", 0, 2.5), read("db2", 2, 6.5), read("db2", 6, 6.6), read("db3", 6, 6.7), read("db3", 8, 9.5)]
    found = stale_by_server(OperationLog([*WRITES, *reads]), storm_s=5.0)
    assert found == {"db2": (2, 1, 3.5), "db3": (2, 1, 0.5)}


def test_a_server_was_most_behind_since_the_storm() -> None:
    seen = [Seen("db2", 3.5, 0), Seen("db2", 6.5, 5), Seen("db2", 8.5, 6), Seen("db3", 3.5, 3)]
    assert most_behind(seen, OperationLog(WRITES), from_s=5.0) == {"db2": 1.5, "db3": 0.0}


def test_operations_a_second_are_those_acknowledged_of_a_kind() -> None:
    assert per_second([*WRITES, read("db2", 1, 3.0)], WRITE, 2.0, 6.0) == 1.0


@pytest.mark.parametrize(
    ("worst_s", "after_s", "chosen", "complaint"),
    [
        (DELAY_S, [3.0, 0.2], "db3", []),
        (DELAY_S, [3.0, 0.2], "", []),
        (0.3, [0.1], "db3", ["db2 was at most 0.300 s behind, although it was told to be 5 s late"]),
        (DELAY_S, [5.0, 4.0], "db3", ["db2 has not caught up: it is 4.000 s behind at least"]),
        (DELAY_S, [], "db3", ["db2 has not caught up: it is 5.000 s behind at least"]),
        (DELAY_S, [0.0], "db2", ["db2 would have become the source while it was late"]),
    ],
)
def test_a_replica_must_be_late_catch_up_and_not_be_chosen(
    worst_s: float, after_s: list[float], chosen: str, complaint: list[str]
) -> None:
    assert unlike_a_late_replica("db2", worst_s, after_s, chosen) == complaint


# --- which disks may be filled, and which data moved


@pytest.fixture
def place(tmp_path: Path) -> Disk:
    """A server's data, on this machine's own disk."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ibdata1").write_bytes(b"rows")
    return Disk("wavetank-sea-db1", tmp_path)


@pytest.fixture
def _no_large_files() -> Iterator[None]:
    """Let this process write no large file: a test that finds no guard must not do what it guards against."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * MIB, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("_no_large_files")
def test_the_disk_of_this_machine_is_never_filled(place: Disk) -> None:
    # An image beside it that is not mounted is no small disk.
    (place.volume / "disk.img").write_bytes(b"")
    with pytest.raises(UsageError, match="wavetank-sea-db1 has no small disk to be filled"):
        place.fill()
    assert not (place.data / "ballast").exists()


def test_too_many_data_are_not_moved(place: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MOST_DATA", 3)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda tool: tool)
    with pytest.raises(UsageError, match=r"the data of wavetank-sea-db1 are 0 MiB: moving them .* takes at most"):
        place.shrink()
    assert not place.moved


def test_who_is_not_root_moves_nothing(place: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UsageError, match=r"takes root and mkfs\.ext4 on the engine's machine"):
        place.shrink()
    assert not place.moved


def test_an_engine_elsewhere_has_no_volumes_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(containers, "volumes", lambda _: {"wavetank-sea-db1": tmp_path / "elsewhere"})
    assert disk.moved("wavetank-sea") == []
