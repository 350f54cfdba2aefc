"""One storm under two settings, on instances that are gone afterwards, also where somebody had enough."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from commands import HOME, WAVETANK, wavetank
from wavetank.machine import containers
from wavetank.topology.instance import instance_names
from wavetank.waiting import wait_until


def remains() -> list[str]:
    """Return what is left of comparisons' instances."""
    there = [state.name for state in containers.containers() if state.name.startswith("wavetank-compare-")]
    return [*there, *(name for name in instance_names() if name.startswith("compare-"))]


def test_two_settings_are_in_one_table_with_a_report_of_each_run() -> None:
    done = wavetank("compare", "switchover", "--json", RUNS=1, SEMI_SYNC="1", VIA="direct,routing")
    assert done.returncode == 0, done.stdout + done.stderr
    compared = json.loads(done.stdout)
    assert [(each["receipts"], each["via"]) for each in compared["settings"]] == [(1, "direct"), (1, "routing")]
    directory = Path(compared["directory"])
    page = (directory / "compare.html").read_text()
    for each in compared["settings"]:
        (run,) = each["runs"]
        assert run["passed"]
        assert run["lost"] == 0
        assert each["writes_s"] == {"median": run["writes_s"], "worst": run["writes_s"]}
        assert run["before_per_s"] > 10
        # Each run's own report has outlived its instance.
        assert "verdict passed" in (directory / run["report"]).read_text()
        assert f'href="{run["report"]}"' in page
    assert remains() == []


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_who_ends_it_takes_its_instances_down(ending: signal.Signals) -> None:
    process = subprocess.Popen(
        # What is started in the background of a script ignores it, and so would all that it starts.
        ["env", "--default-signal=INT", WAVETANK, "compare", "switchover"], cwd=HOME, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "SEMI_SYNC": "0", "VIA": "direct"},
    )  # fmt: skip
    try:
        wait_until("a container of the comparison", remains, timeout_s=240)
        # As a terminal does it: to the whole group.
        os.killpg(process.pid, ending)
        _, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors == "wavetank: interrupted; the comparison's instances are gone\n"
    assert remains() == []
