"""An application in an environment of its own: `pip install .` and no more, against an instance that runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import HOME
from lab_packages import OF_THE_LAB
from sharding.rows import names
from wavetank.servers.node import Servers

pytestmark = pytest.mark.group("four-shard")
INSTALL_S = 180
# What `pip install .` reads.
PACKAGE = ("pyproject.toml", "README.md", "scripts")
APPLICATION = """
import sys
from wavetank.client.shards import connect

with connect(sys.argv[1]) as shards:
    customer = shards.new_id()
    with shards.at(customer) as session:
        session.execute(
            "INSERT INTO customers (customer_id, name, email, country, region) "
            "VALUES (%s, 'installed', 'a@example.com', 'DE', 'europe')", [customer]
        )
    read = shards.read(customer, "SELECT name FROM customers WHERE customer_id = %s", [customer]).value
    print(customer, read, shards.published.map.shard_of(customer))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the package, installed from a copy: building leaves files behind."""
    home = tmp_path_factory.mktemp("application")
    for name in PACKAGE:
        source = HOME / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, home / name)
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    python = home / "venv" / "bin" / "python"
    installing = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(home)]
    done = subprocess.run(installing, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    assert done.returncode == 0, done.stderr
    return python


def test_it_writes_and_reads_where_the_map_says(python: Path, servers: Servers, tmp_path: Path) -> None:
    done = subprocess.run(
        [python, "-c", APPLICATION, servers.instance.name],
        env={**os.environ, "WAVETANK_HOME": str(HOME)}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    customer, read, shard = done.stdout.split()
    assert read == "installed"
    assert names(servers, int(customer)) == {int(shard): "installed"}


def test_nothing_of_the_testbed_came_with_it(python: Path, tmp_path: Path) -> None:
    code = f"import importlib.util as u; print(*(n for n in {OF_THE_LAB} if u.find_spec(n)), 'wavetank', sep=',')"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "wavetank"
    said = subprocess.run([python.with_name("wavetank")], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (said.returncode, "the testbed needs pip install '.[lab]'" in said.stderr) == (2, True)
