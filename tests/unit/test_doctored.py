"""A history that somebody has doctored is red in every drill that promises otherwise, and an honest one is green."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from commands import wavetank
from histories import (
    DOCTORS,
    client_never_returns,
    honest,
    read_aged,
    row_doubled,
    write_taken_out,
    writes_refused,
)
from wavetank.drills.judging.drill_spec import CLIENTS
from wavetank.drills.judging.history import DrillHistory, read_history
from wavetank.drills.judging.judges import judge
from wavetank.drills.runner import all_drills
from wavetank.drills.traffic.promises import Promises, Thresholds
from wavetank.errors import UsageError

DRILLS = sorted(all_drills())
# Only who gives up a source may lose what its replicas have not received, and only where nobody waits for them.
MAY_LOSE = {"source-killed", "source-frozen", "source-partitioned", "disk-full"}
WITH_CLIENTS = [name for name in DRILLS if honest(name).declared.kind == CLIENTS]
# There are no readers in it, and so nothing is promised of reads.
WITHOUT_READS = {"conflict"}
Doctor = Callable[[DrillHistory], DrillHistory]


def failures(history: DrillHistory) -> tuple[str, ...]:
    return judge(history).failures


def written(history: DrillHistory, directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    for name, lines in history.files().items():
        (directory / name).write_text("".join(lines))
    return directory


@pytest.mark.parametrize("name", DRILLS)
@pytest.mark.parametrize("semi_sync", [0, 1])
def test_an_honest_history_is_green(name: str, semi_sync: int, tmp_path: Path) -> None:
    history = honest(name, semi_sync)
    assert failures(history) == ()
    # As well as after it was written and read back.
    assert read_history(written(history, tmp_path)) == history


@pytest.mark.parametrize("name", DRILLS)
@pytest.mark.parametrize("doctor", DOCTORS)
def test_a_doctored_history_is_red(name: str, doctor: Doctor, tmp_path: Path) -> None:
    if doctor is read_aged and name in WITHOUT_READS:
        assert not any(hasattr(each, "seen") or getattr(each, "kind", "") == "read" for each in honest(name).operations)
        return
    history = doctor(honest(name))
    assert failures(history) != ()
    assert judge(read_history(written(history, tmp_path))).as_dict() == judge(history).as_dict()


@pytest.mark.parametrize("name", DRILLS)
def test_only_who_gives_up_a_source_may_lose_and_only_without_semi_sync(name: str) -> None:
    assert all_drills()[name].PROMISES.may_lose == (name in MAY_LOSE)
    assert not all_drills()[name].PROMISES.may_stay_out
    assert (failures(write_taken_out(honest(name, semi_sync=0))) == ()) == (name in MAY_LOSE)
    assert failures(write_taken_out(honest(name, semi_sync=1))) != ()


@pytest.mark.parametrize("name", sorted(MAY_LOSE))
def test_a_threshold_forbids_what_a_drill_may_lose(name: str) -> None:
    history = write_taken_out(honest(name, semi_sync=0))
    for most, red in ((0, True), (1, False)):
        demanding = replace(history, declared=replace(history.declared, thresholds=Thresholds(lost=most)))
        assert bool(failures(demanding)) == red
    demanding = replace(history, declared=replace(history.declared, thresholds=Thresholds(lost=0)))
    assert failures(demanding) == ("1 write (8) acknowledged and lost, where at most 0 was demanded",)


@pytest.mark.parametrize("name", [name for name in DRILLS if name != "conflict"])
def test_a_threshold_bounds_how_long_any_client_waits(name: str) -> None:
    history = honest(name)
    longest_s = judge(history).figures["worst_client"]["seconds"]
    for most_s, red in ((longest_s - 0.001, True), (longest_s, False)):
        demanding = replace(history, declared=replace(history.declared, thresholds=Thresholds(rto_s=most_s)))
        assert bool(failures(demanding)) == red


@pytest.mark.parametrize("name", WITH_CLIENTS)
def test_a_read_of_a_replica_may_be_old_unless_the_way_promises_otherwise(name: str) -> None:
    history = read_aged(honest(name), client=1)
    assert failures(history) == ()
    promising = replace(history, declared=replace(history.declared, promises=Promises(own_writes=True)))
    assert any("did not see what their client had been told is written" in each for each in failures(promising))


def test_a_promise_that_was_taken_back_afterwards_is_seen() -> None:
    history = write_taken_out(honest("source-killed"))
    laxer = replace(history, declared=replace(history.declared, promises=Promises(may_lose=True)))
    assert failures(laxer) == (
        "it is declared that writes may be lost, and that a commit waited for 1 acknowledgements, so that none may",
    )


def test_what_was_doctored_is_named() -> None:
    history = honest("source-killed")
    assert failures(write_taken_out(history)) == ("1 write (8) acknowledged and lost",)
    assert failures(row_doubled(history)) == ("1 write (8) there more than once",)
    assert failures(read_aged(history)) == ("1 read did not see what the server that answered had acknowledged itself",)
    assert failures(client_never_returns(history)) == (
        "the writes of client 2 were not served any more when the traffic ended, for 3.616 s at least",
        "the reads of client 2 were not served any more when the traffic ended, for 3.616 s at least",
    )
    assert failures(writes_refused(history)) == (
        "no write was acknowledged after the storm",
        "the writes of clients 1, 2, 3, 4 were not served any more when the traffic ended, for 3.616 s at least",
    )


# --- the files themselves


@pytest.mark.parametrize("name", ["source-killed", "reshard", "conflict"])
@pytest.mark.parametrize("file", ["operations.jsonl", "held.jsonl"])
@pytest.mark.parametrize("change", ["removed", "repeated"])
def test_a_line_too_few_or_too_many_is_seen(name: str, file: str, change: str, tmp_path: Path) -> None:
    path = written(honest(name), tmp_path) / file
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1] if change == "removed" else [*lines, lines[-1]]))
    there = len(lines) + (1 if change == "repeated" else -1)
    assert f"{file} has {there} lines, where {len(lines)} were declared" in failures(read_history(tmp_path))


def test_what_is_held_and_is_not_known_is_red(tmp_path: Path) -> None:
    history = replace(honest("source-killed"), held=None).counted()
    assert failures(history) == ("what the source holds is not known: nobody can say what is lost",)
    assert failures(read_history(written(history, tmp_path))) == failures(history)


@pytest.mark.parametrize("file", ["declared.json", "operations.jsonl", "held.jsonl"])
def test_without_one_of_its_files_a_directory_is_no_report(file: str, tmp_path: Path) -> None:
    (written(honest("switchover"), tmp_path) / file).unlink()
    with pytest.raises(UsageError, match=f"is not a drill's report: {file}: No such file"):
        read_history(tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("operations.jsonl", '"client":1', '"client":"one"', "line 1 is no Operation: Expected `int`, got `str`"),
        ("operations.jsonl", '"client":1', '"cilent":1', "line 1 is no Operation"),
        ("operations.jsonl", '{"kind"', '["kind"', "line 1 is no Operation"),
        ("operations.jsonl", '"kind":"write"', '"kind":"wish"', "line 1 is no Operation"),
        ("held.jsonl", '"id":1}', '"id":null}', "line 1 is no Row"),
        ("declared.json", '"version": 1', '"version": 2', "is of version 2; this wavetank judges version 1"),
        ("declared.json", '"version": 1', "", "is not what a drill declares of itself"),
        ("declared.json", '"clients": 4', '"clients": "four"', "is not what a drill declares of itself: Expected"),
        ("declared.json", '"clients": 4', '"clients": 0', "is not what a drill declares of itself"),
        ("declared.json", '"kind": "clients"', '"kind": "ghosts"', "is not what a drill declares of itself"),
    ],
)
def test_a_file_that_is_malformed_is_refused(file: str, old: str, new: str, complaint: str, tmp_path: Path) -> None:
    path = written(honest("switchover"), tmp_path) / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UsageError, match=r"^[^\n]*$") as refused:
        judge(read_history(tmp_path))
    assert complaint in str(refused.value)


def test_a_log_says_what_no_drill_wrote() -> None:
    history = honest("switchover")
    first, *rest = history.operations
    for odd, complaint in (
        ([first, first, *rest], "the log has more than one write 1"),
        ([replace(first, client=9), *rest], "the log has operations of client 9, and there were clients 1 to 4"),
        (
            [replace(first, done_s=first.sent_s - 1), *rest],
            "the log has an operation that was answered before it was sent",
        ),
    ):
        assert complaint in failures(replace(history, operations=odd).counted())


# --- the command


def test_the_command_prints_the_verdict_and_exits_by_it(tmp_path: Path) -> None:
    good = wavetank("judge", str(written(honest("source-killed"), tmp_path / "good")))
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.splitlines()[-1] == "source-killed of sea: passed"
    assert "promised: no acknowledged write is lost" in good.stdout
    bad = written(write_taken_out(honest("source-killed")), tmp_path / "bad")
    red = wavetank("judge", str(bad))
    assert red.returncode == 1
    assert "✗ 1 write (8) acknowledged and lost" in red.stdout.splitlines()
    plain = json.loads(wavetank("judge", "--json", str(bad)).stdout)
    assert (plain["passed"], plain["lost"]) == (False, [8])
    nowhere = wavetank("judge", str(tmp_path / "nowhere"))
    assert (nowhere.returncode, nowhere.stderr.count("\n"), nowhere.stdout) == (2, 1, "")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"MAX_RTO": "soon"}, "max_rto=soon is not a number of seconds"),
        ({"MAX_RTO": "-1"}, "max_rto=-1 is not a number of seconds"),
        ({"MAX_RTO": "nan"}, "max_rto=nan is not a number of seconds"),
        ({"MAX_RTO": "inf"}, "max_rto=inf is not a number of seconds"),
        ({"MAX_LOST": "-1"}, "max_lost=-1 is not a number of writes"),
        ({"MAX_LOST": "0.5"}, "max_lost=0.5 is not a number of writes"),
    ],
)
def test_a_threshold_that_is_none_is_refused_before_anything(options: dict[str, str], complaint: str) -> None:
    done = wavetank("drill", "source-killed", INSTANCE="nowhere", **options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert complaint in done.stderr
