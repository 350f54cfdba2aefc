"""Files are wholly old or wholly new, and secrets are never anybody else's."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from wavetank.files import PRIVATE, READABLE, ensure_secret, remove_leftovers, write_if_changed


@pytest.fixture(autouse=True, params=[0o000, 0o022, 0o077], ids=["umask 000", "umask 022", "umask 077"])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("wanted", [PRIVATE, READABLE], ids=["private", "readable"])
def test_a_file_has_its_mode_whatever_the_umask(tmp_path: Path, wanted: int) -> None:
    file = tmp_path / "deep" / "er" / "file"
    assert write_if_changed(file, "text", mode=wanted)
    assert file.read_text() == "text"
    assert mode(file) == wanted


def test_a_file_that_is_as_wanted_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_if_changed(file, "text")
    before = file.stat()
    assert not write_if_changed(file, "text")
    assert not write_if_changed(file, b"text")
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_of_other_content_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_if_changed(file, "old")
    assert write_if_changed(file, "new")
    assert file.read_text() == "new"


def test_a_file_of_the_wrong_mode_is_put_right(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_if_changed(file, "text")
    assert write_if_changed(file, "text", mode=PRIVATE)
    assert mode(file) == PRIVATE


def test_an_interruption_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_if_changed(file, "old")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_if_changed(file, "new")
    assert file.read_text() == "old"


def test_a_secret_is_private_before_it_holds_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    fchmod = os.fchmod

    def look(descriptor: int, wanted: int) -> None:
        state = os.fstat(descriptor)
        seen.append((state.st_mode & 0o077, state.st_size))
        fchmod(descriptor, wanted)

    monkeypatch.setattr(os, "fchmod", look)
    write_if_changed(tmp_path / "secret", "s", mode=PRIVATE)
    assert seen == [(0, 0)]


def test_a_dry_run_tells_and_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "file"
    assert write_if_changed(file, "text", dry_run=True)
    assert ensure_secret(file, dry_run=True)
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    write_if_changed(tmp_path / "file", "text")
    write_if_changed(tmp_path / "file", "other")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    assert ensure_secret(secret)
    password = secret.read_text()
    assert not ensure_secret(secret)
    assert secret.read_text() == password
    assert mode(secret) == PRIVATE


def test_secrets_are_long_and_differ_and_need_no_quoting(tmp_path: Path) -> None:
    for number in range(20):
        ensure_secret(tmp_path / str(number))
    passwords = {file.read_text() for file in tmp_path.iterdir()}
    assert len(passwords) == 20
    assert all(len(password) == 32 and password.replace("-", "").replace("_", "").isalnum() for password in passwords)


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    kept = {"file", f".key.pem.{os.getpid()}.new", ".key.pem.new", f"key.pem.{gone}.new"}
    for name in {*kept, f".key.pem.{gone}.new"}:
        (tmp_path / "tls").mkdir(exist_ok=True)
        (tmp_path / "tls" / name).write_text("")
    remove_leftovers(tmp_path)
    assert {path.name for path in (tmp_path / "tls").iterdir()} == kept
