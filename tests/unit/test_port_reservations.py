"""Ports that an up has chosen are its own until its containers hold them, or it is gone."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from wavetank.provision import port_reservations

BLOCK, NEXT = range(13310, 13313), range(13313, 13316)


@pytest.fixture(autouse=True)
def reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(port_reservations, "RESERVED", tmp_path / "reserved.json")
    return port_reservations.RESERVED


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Another up that runs."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("block", [BLOCK, range(13312, 13313), range(13300, 13311), range(13300, 13400)])
def test_what_another_one_has_is_not_to_be_had(other: subprocess.Popen[bytes], block: range) -> None:
    assert port_reservations.reserve(BLOCK, other.pid)
    assert not port_reservations.reserve(block, os.getpid())
    assert port_reservations.reserve(NEXT, os.getpid())


def test_what_somebody_had_who_is_gone_is_free(other: subprocess.Popen[bytes]) -> None:
    assert port_reservations.reserve(BLOCK, other.pid)
    other.kill()
    other.wait()
    assert port_reservations.reserve(BLOCK, os.getpid())


def test_one_that_asks_again_has_only_what_it_got_last(other: subprocess.Popen[bytes]) -> None:
    assert port_reservations.reserve(BLOCK, other.pid)
    assert port_reservations.reserve(NEXT, other.pid)
    assert port_reservations.reserve(BLOCK, os.getpid())


@pytest.mark.parametrize("text", ["", "[{", "null"])
def test_a_file_that_was_not_written_to_its_end_is_as_none(text: str, reserved: Path) -> None:
    reserved.write_text(text)
    assert port_reservations.reserve(BLOCK, os.getpid())


def test_a_number_that_another_process_has_by_now_holds_nothing(other: subprocess.Popen[bytes], reserved: Path) -> None:
    assert port_reservations.reserve(BLOCK, other.pid)
    reserved.write_text(reserved.read_text().replace('"since": ', '"since": 1'))
    assert port_reservations.reserve(BLOCK, os.getpid())
