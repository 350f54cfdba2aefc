"""A small disk under a server's data: whoever moves them and is ended half-way, one more restore brings all back.

Real file systems and mounts, no servers: their data are a few files here.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wavetank.errors import UsageError
from wavetank.machine import containers, disk
from wavetank.machine.disk import Disk

FILES = {"ibdata1": b"rows" * 50_000, "mysql/user.ibd": b"accounts", "binlog.000001": b"events" * 1000}
SERVER = 999
# The names by which a disk changes anything.
CHANGES = [
    (Path, "rename"), (Path, "mkdir"), (Path, "unlink"), (Path, "rmdir"), (shutil, "rmtree"), (disk, "_demand"),
    (containers, "start"), (containers, "stop"),
]  # fmt: skip


class Killed(BaseException):
    """What ends a drill at once."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """The data of a server that is not there; nothing stays mounted."""
    for name, content in FILES.items():
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    os.truncate(tmp_path / "data" / "ibdata1", 4_000_000)  # with a hole, as a server's data have
    os.chown(tmp_path / "data", SERVER, SERVER)
    (tmp_path / "data").chmod(0o750)
    for name in ("start", "stop"):
        monkeypatch.setattr(containers, name, lambda *_: None)
    place = Disk("wavetank-sea-db1", tmp_path)
    yield place
    place.abandon()


def contents(place: Disk) -> dict[str, bytes]:
    """Return every file of the data that is not the disk's own."""
    return {
        str(file.relative_to(place.data)): file.read_bytes()
        for file in place.data.rglob("*")
        if file.is_file() and file.name != "ballast"
    }


def expect_moved_back(place: Disk, content: dict[str, bytes]) -> None:
    """Fail unless the data are back in place, the server's, and nothing else is there."""
    assert [each.name for each in place.volume.iterdir()] == ["data"]
    assert not place.data.is_mount()
    assert not place.moved
    assert contents(place) == content
    assert sorted(each.name for each in place.data.iterdir()) == sorted({name.split("/")[0] for name in content})
    found = place.data.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (SERVER, SERVER, 0o750)


def test_what_is_full_is_the_small_disk_and_nothing_else(place: Disk) -> None:
    before = contents(place)
    place.shrink()
    assert contents(place) == before
    place.fill()
    with pytest.raises(OSError, match="No space left on device") as refused, (place.data / "more").open("wb") as file:
        file.write(bytes(100_000))
    assert refused.value.errno == errno.ENOSPC
    (place.data / "more").unlink()
    # What the server has written before has its place; a hole would take space now.
    with (place.data / "ibdata1").open("r+b", buffering=0) as file:
        file.seek(3_000_000)
        file.write(b"page")
    after = contents(place)
    assert (place.volume / "disk.img").stat().st_size <= sum(map(len, before.values())) + disk.SPARE
    # What fills it is a promise of this file system, and takes next to nothing of this machine's.
    assert (place.volume / "disk.img").stat().st_blocks * 512 < disk.SPARE / 2
    place.free()
    (place.data / "more").write_bytes(bytes(100_000))
    place.restore()
    expect_moved_back(place, {**after, "more": bytes(100_000)})


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what lets the change of that number, and all later ones, end the drill; 0 lets nothing do so."""
    real = {(where, name): getattr(where, name) for where, name in CHANGES}

    def kill(number: int) -> None:
        done = iter(range(1, 1000))

        def counting(change: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
                if number and next(done) >= number:
                    raise Killed
                return change(*arguments, **options)

            return counted

        for (where, name), change in real.items():
            monkeypatch.setattr(where, name, counting(change))

    return kill


@pytest.mark.parametrize("number", range(1, 31))
def test_ended_at_any_change_one_more_restore_brings_all_home(
    place: Disk, killed_at: Callable[[int], None], number: int
) -> None:
    before = contents(place)
    killed_at(number)
    with contextlib.suppress(Killed):
        place.shrink()
        place.fill()
        place.restore()
    killed_at(0)
    place.restore()
    expect_moved_back(place, before)


def test_thirty_changes_are_all_of_them(place: Disk, killed_at: Callable[[int], None]) -> None:
    killed_at(31)
    place.shrink()
    place.fill()
    place.restore()
    killed_at(0)
    assert not place.moved


def test_a_disk_that_is_not_mounted_any_more_after_a_restart_of_the_machine_is_found_again(place: Disk) -> None:
    before = contents(place)
    place.shrink()
    disk._demand("umount", str(place.data))  # noqa: SLF001 - as a restart would
    assert contents(place) == {}
    with pytest.raises(UsageError, match="no small disk to be filled"):
        place.fill()
    place.restore()
    expect_moved_back(place, before)
