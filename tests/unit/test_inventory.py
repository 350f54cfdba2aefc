"""An inventory file that cannot be one is refused before Ansible sees it, in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from wavetank.errors import UsageError
from wavetank.topology import instance, inventory
from wavetank.topology.instance import INVENTORIES, topology_names, topology_summary
from wavetank.topology.inventory import readable_inventory

GOOD = "# A source and nothing else\nmysql:\n  hosts:\n    db1: {server_id: 1}\n"

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that makes tank.yml the only inventory."""
    monkeypatch.setattr(inventory, "INVENTORIES", tmp_path)
    monkeypatch.setattr(instance, "INVENTORIES", tmp_path)

    def make(content: str | bytes) -> Path:
        file = tmp_path / "tank.yml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return make


def refused(topology: str = "tank") -> str:
    with pytest.raises(UsageError) as refusal:
        readable_inventory(topology)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    "content", [GOOD, GOOD + "    db2:\n", "---\n" + GOOD, GOOD + "proxysql:\n  hosts: {px1: {}}\n"]
)
def test_an_inventory_with_servers_is_readable(write: Write, content: str) -> None:
    file = write(content)
    assert readable_inventory("tank") == file


@pytest.mark.parametrize("name", ["lake", "", "../tank", "tank.yml", "group_vars", "group_vars/all", "TANK"])
def test_an_unknown_topology_is_refused_with_those_there_are(write: Write, tmp_path: Path, name: str) -> None:
    write(GOOD)
    (tmp_path / "other.yml").write_text(GOOD)
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text(GOOD)
    assert refused(name) == f"no topology {name!r}; there are: other, tank"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("mysql:\n  hosts:\n    db1: {server_id: 1\n", 4),
        ("mysql:\n\thosts: {}\n", 2),
        ("mysql: [\n", 2),
        ("a: b: c\n", 1),
    ],
    ids=["an open brace", "a tab", "an open bracket", "two colons"],
)
def test_what_is_not_yaml_is_refused_with_its_line(write: Write, content: str, line: int) -> None:
    write(content)
    assert refused().startswith(f"tank.yml:{line} is not YAML: ")


@pytest.mark.parametrize(
    "content", [b"mysql: \x00\n", b"mysql: \x07\n", b"mysql: \xff\xfe\n"], ids=["nul", "bell", "bytes"]
)
def test_what_is_not_even_text_is_refused_by_name(write: Write, content: bytes) -> None:
    write(content)
    assert refused().startswith("tank.yml is not ")


@pytest.mark.parametrize(
    "content", ["", "# only a comment\n", "[]\n", "mysql\n", "servers: {hosts: {db1: {}}}\n", "mysql: db1\n"]
)
def test_an_inventory_without_a_group_mysql_is_refused(write: Write, content: str) -> None:
    write(content)
    assert refused() == "tank.yml has no group 'mysql' with hosts"


@pytest.mark.parametrize(
    "content", ["mysql: {}\n", "mysql: {hosts: }\n", "mysql: {hosts: {}}\n", "mysql: {hosts: [db1]}\n"]
)
def test_a_group_without_hosts_is_refused(write: Write, content: str) -> None:
    write(content)
    assert refused() == "tank.yml: the group 'mysql' has no hosts"


@pytest.mark.parametrize("host", ["7", "server_id", "[1]"])
def test_a_host_that_is_not_a_mapping_is_refused_with_an_example(write: Write, host: str) -> None:
    write(f"mysql: {{hosts: {{db1: {host}}}}}\n")
    assert refused().startswith("tank.yml: db1 is ")
    assert refused().endswith(", not a mapping like {server_id: 1}")


@pytest.mark.parametrize("name", topology_names())
def test_every_inventory_of_the_project_is_readable_and_says_what_it_is(name: str) -> None:
    assert readable_inventory(name) == INVENTORIES / f"{name}.yml"
    assert (INVENTORIES / f"{name}.yml").read_text().startswith("# ")
    assert len(topology_summary(name)) > 20
