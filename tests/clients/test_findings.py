"""Each script of docs/clients/findings/ shows on a plain server what the page says, without Wavetank."""

import os
import subprocess
from pathlib import Path

import pytest
from wavetank.client_faults.lab.bench import PYTHON, SCHEMA, Bench
from wavetank.topology.instance import HOME

pytestmark = [pytest.mark.group("clients"), pytest.mark.disturbs]
FINDINGS = HOME / "docs" / "clients" / "findings"
SCRIPTS = sorted(FINDINGS.glob("[!_]*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_it_is_as_the_script_says(script: Path, bench: Bench) -> None:
    server = {
        # Not by its name: its certificate has no address but 127.0.0.1.
        "MYSQL_HOST": bench.address(bench.source),
        "MYSQL_USER": bench.account(0),
        "MYSQL_PASSWORD": bench.password,
        "MYSQL_DATABASE": SCHEMA,
        "MYSQL_CA": str(bench.instance.ca),
    }
    done = subprocess.run(
        [PYTHON, script], env={**os.environ, **server}, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_page_has_it(script: Path) -> None:
    assert f"findings/{script.name}" in (FINDINGS.parent / "findings.md").read_text()
