"""What a matrix is asked to be, how its cells are summed up, and what is told and published of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from wavetank.client_faults.faults import GROUPS, all_faults
from wavetank.client_faults.judging import outcomes
from wavetank.client_faults.lab.batches import Cell, CellRun
from wavetank.client_faults.matrix import report
from wavetank.client_faults.matrix.catalogue import all_subjects, read_subject
from wavetank.client_faults.matrix.pages import publish
from wavetank.client_faults.matrix.plan import AT_ONCE, Plan, make_plan
from wavetank.client_faults.matrix.results import Results
from wavetank.client_faults.matrix.timeline import explained, timeline
from wavetank.errors import UsageError
from wavetank.topology.instance import HOME

ABOUT = {"started": "2026-11-28T09:00:00+00:00", "command": "make clients", "server": "9.7.4", "python": "3.11.7",
         "instance": "a"}  # fmt: skip
CLIENT = "def connect(): ...\ndef read(): ...\ndef write(): ...\ndef transaction(): ...\n"


def test_there_are_as_many_as_was_asked() -> None:
    assert len(all_subjects()) >= 20
    assert len(all_faults()) >= 35
    assert {fault.group for fault in all_faults().values()} == set(GROUPS)


def test_every_subject_says_what_it_is_and_what_to_copy() -> None:
    for subject in all_subjects().values():
        assert subject.kind in {"driver", "pool", "ORM"}, subject.key
        assert subject.packages, subject.key
        assert subject.what, subject.key
        assert subject.hardened.startswith("HARDENED"), subject.key


def test_every_scenario_that_a_fault_names_is_there() -> None:
    scenarios = HOME / "scripts" / "wavetank" / "client_faults" / "cell" / "scenarios"
    for fault in all_faults().values():
        file, _, function = fault.scenario.partition(".")
        assert f"def {function}(client: CellClient) -> None:" in (scenarios / f"{file}.py").read_text(), fault.name


def test_a_plan_has_every_cell_once_a_run_and_hits_not_too_many_at_once() -> None:
    plan = make_plan("", "", "2", "")
    hit = [cell for batch in plan.batches() for cell in batch.cells]
    assert sorted(map(str, hit)) == sorted(map(str, [*plan.cells, *plan.cells]))
    assert max(len(batch.cells) for batch in plan.batches()) <= AT_ONCE
    assert all(cell.fault == batch.fault.name for batch in plan.batches() for cell in batch.cells)


@pytest.mark.parametrize(
    ("subjects", "faults", "runs", "hardened", "complaint"),
    [
        ("pymysq", "", "1", "", r"there is no subject pymysq; there are: .*pymysql"),
        ("", "frost", "1", "", r"there is no fault frost; there are: .*frozen"),
        ("", "", "0", "", r"RUNS= is a number from 1 to 100, not '0'"),
        ("", "", "many", "", r"RUNS= is a number from 1 to 100, not 'many'"),
        ("", "", "1", "yes", r"HARDENED= is 0, 1, or nothing for both, not 'yes'"),
        ("nowhere.py", "", "1", "", r"nowhere.py is no client: .*No such file"),
    ],
)
def test_what_makes_no_sense_is_refused(subjects: str, faults: str, runs: str, hardened: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        make_plan(subjects, faults, runs, hardened)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = (", "is no client: .*was never closed"),
        ("x = 1", "is no client: it has no connect, read, write, transaction; see docs/clients/own-client.md"),
        (CLIENT.replace("write", "right"), "it has no write"),
    ],
)
def test_a_file_that_is_no_client_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(UsageError, match=complaint):
        read_subject(file)


def test_the_template_is_a_client_and_is_not_found_by_itself() -> None:
    template = HOME / "configs" / "clients" / "_template.py"
    assert read_subject(template).name == "our web shop"
    assert "_template" not in all_subjects()


def measured(*held: dict[int, int]) -> tuple[Plan, Results]:
    """Return a matrix of one cell, which was run as often as there is something held."""
    plan = make_plan("pymysql", "killed-idle", "1", "0")
    results = Results(plan)
    answer = {"event": "end", "what": "again", "at_s": 12.5, "kind": "read", "nonce": 3, "result": 3}
    events = [
        {"event": "end", "what": "write", "at_s": 10.5, "kind": "write", "nonces": [2], "result": None},
        {"event": "gate", "name": "answered", "at_s": 10.6},
        answer,
    ]
    for each in held:
        results.add([CellRun(Cell("pymysql", "killed-idle", hardened=False), events, 10.0, 12.0, each, {}, 0)])
    return plan, results


def test_a_cell_is_as_bad_as_its_worst_run_and_says_that_it_was_not_always() -> None:
    _, results = measured({2: 1}, {2: 2}, {2: 1})
    (result,) = results.all
    assert (result.outcome, result.stable, result.seconds("answered_s")) == (outcomes.DOUBLE, False, (0.5, 0.5, 0.5))
    assert results.unstable == [result]
    assert results.red_though_hardened == []


def test_the_table_the_page_and_the_published_pages_say_the_same(tmp_path: Path) -> None:
    plan, results = measured({2: 2})
    page = report.write(plan, results, ABOUT, tmp_path)
    assert 'class="red"' in page.read_text()
    read: dict[str, Any] = json.loads((tmp_path / report.JSON).read_text())
    assert read["cells"][0]["outcome"] == "double"
    written = publish(read, tmp_path / "docs")
    text = {path.name: path.read_text() for path in written}
    assert "| [killed-idle](faults/killed-idle.md) | **2** |" in text["matrix.md"]
    assert "| PyMySQL | **double** | 0.50 s (0.50 to 0.50) |" in text["killed-idle.md"]
    assert '"read_timeout": 5' in text["settings.md"]
    assert any("double: A row" in line for line in report.legend(plan, results))


def test_a_page_escapes_what_a_library_says(tmp_path: Path) -> None:
    plan, results = measured({2: 1})
    results.all[0].worst_run.events.append({"event": "note", "at_s": 11.0, "says": "<script>alert(1)</script>"})
    assert "<script>alert(1)" not in report.write(plan, results, ABOUT, tmp_path).read_text()


def test_what_happened_is_told_in_seconds_from_the_fault() -> None:
    _, results = measured({2: 1})
    lines = timeline(results.all[0].worst_run)
    assert lines == [
        "    0.000 s  THE FAULT",
        "    0.500 s  write: acknowledged",
        "    2.000 s  the fault is over",
        "    2.500 s  again: the right answer",
    ]
    assert any("pymysql, with its defaults, killed-idle: OK" in line for line in explained(results))
