"""A rendered my.cnf beside what a server answers: the same thing is said in many ways."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from wavetank.provision.rendering import render_my_cnf
from wavetank.servers.effective import Deviation, deviating_settings, rendered_settings
from wavetank.topology.model import Topology

if TYPE_CHECKING:
    from wavetank.servers.node import Server


@dataclass
class Said:
    """A server that answers what the test says."""

    my_cnf: Path
    answers: dict[str, str]
    by_hand: set[str] = field(default_factory=set)

    def variables(self) -> dict[str, str]:
        """Answer as Server.variables() does."""
        return {"datadir": "/var/lib/mysql/data/", **self.answers}

    def variables_set_by_hand(self) -> set[str]:
        """Answer as Server.variables_set_by_hand() does."""
        return self.by_hand


Compare = Callable[..., list[Deviation]]


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """Return a function that compares lines of [mysqld] with a server's variables."""

    def run(lines: str, answers: dict[str, str], by_hand: set[str] | None = None) -> list[Deviation]:
        file = tmp_path / "my.cnf"
        file.write_text(f"[mysqld]\n{lines}\n\n[client]\nsocket = /elsewhere\n")
        return list(deviating_settings(cast("Server", Said(file, answers, by_hand or set()))))

    return run


@pytest.mark.parametrize(
    ("written", "answered"),
    [
        ("64M", "67108864"), ("64m", "67108864"), ("1G", "1073741824"), ("32K", "32768"),
        ("67108864", "67108864"),
        ("ON", "ON"), ("on", "ON"), ("1", "ON"), ("ON", "1"), ("TRUE", "ON"), ("True", "ON"), ("yes", "ON"),
        ("OFF", "OFF"), ("0", "OFF"), ("false", "OFF"), ("no", "0"),
        ("ROW", "row"), ("'a b'", "a b"), ('"a b"', "a b"), ("/var/x/", "/var/x"),
        ("+00:00", "+00:00"), ("150", "150"),
    ],
)  # fmt: skip
def test_the_same_said_in_another_way_is_no_deviation(compare: Compare, written: str, answered: str) -> None:
    assert compare(f"it = {written}", {"it": answered}) == []


@pytest.mark.parametrize(
    ("written", "answered"),
    [
        ("64M", "64"),
        ("64M", "67108865"),
        ("1", "OFF"),
        ("ON", "OFF"),
        ("ROW", "STATEMENT"),
        ("150", "151"),
        ("1", "10"),
    ],
)
def test_something_else_is_a_deviation(compare: Compare, written: str, answered: str) -> None:
    assert compare(f"it = {written}", {"it": answered}) == [Deviation("it", written, answered, by_hand=False)]


@pytest.mark.parametrize(
    "written", ["max_connections", "max-connections", "loose_max_connections", "loose-max-connections"]
)
def test_a_setting_is_known_by_each_spelling_of_its_name(compare: Compare, written: str) -> None:
    (deviation,) = compare(f"{written} = 7", {"max_connections": "8"})
    assert deviation == Deviation("max_connections", "7", "8", by_hand=False)


def test_a_setting_without_a_value_is_on(compare: Compare) -> None:
    assert compare("skip_name_resolve", {"skip_name_resolve": "ON"}) == []
    assert compare("skip_name_resolve", {"skip_name_resolve": "OFF"})


def test_of_a_repeated_setting_the_last_value_wins(compare: Compare) -> None:
    assert compare("it = 1\nother = 3\nit = 2", {"it": "2", "other": "3"}) == []
    assert compare("it = 1\nit = 2", {"it": "1"}) == [Deviation("it", "2", "1", by_hand=False)]


def test_the_same_setting_in_another_spelling_is_a_repetition(compare: Compare) -> None:
    assert compare("max_connections = 1\nmax-connections = 2", {"max_connections": "2"}) == []


def test_what_somebody_set_by_hand_is_told_from_what_needs_a_restart(compare: Compare) -> None:
    found = compare("one = 1\nother = 1", {"one": "2", "other": "2"}, {"other"})
    assert {deviation.name: deviation.by_hand for deviation in found} == {"one": False, "other": True}


def test_by_hand_is_asked_by_the_name_of_the_variable(compare: Compare) -> None:
    (deviation,) = compare("default_time_zone = +00:00", {"time_zone": "+02:00"}, {"time_zone"})
    assert deviation.by_hand


@pytest.mark.parametrize("name", ["log_bin", "relay_log"])
def test_a_log_is_compared_by_its_name_in_the_data_directory(compare: Compare, name: str) -> None:
    answers = {name: "ON", f"{name}_basename": "/var/lib/mysql/data/binlog"}
    assert compare(f"{name} = binlog", answers) == []
    assert compare(f"{name} = other", answers) == [Deviation(name, "other", "binlog", by_hand=False)]


@pytest.mark.parametrize("name", ["super_read_only", "super-read-only", "read_only", "plugin_load_add"])
def test_the_role_of_the_moment_is_not_a_setting(compare: Compare, name: str) -> None:
    assert compare(f"{name} = ON", {name.replace("-", "_"): "OFF"}) == []


def test_a_setting_that_the_server_does_not_know_cannot_be_asked_for(compare: Compare) -> None:
    assert compare("mysqlx = OFF", {}) == []


def test_only_the_servers_section_counts(tmp_path: Path) -> None:
    file = tmp_path / "my.cnf"
    file.write_text("[client]\nsocket = a\n[mysqld]\nport = 3306\n[mysqldump]\nquick\n")
    assert rendered_settings(file) == {"port": "3306"}


def test_every_setting_that_is_rendered_is_compared(make_topology: Callable[..., Topology], tmp_path: Path) -> None:
    topology = make_topology(semi_sync=True)
    text = render_my_cnf(topology, topology.nodes[0])
    file = tmp_path / "my.cnf"
    file.write_text(text)
    server = text.split("[mysqld]")[1].split("\n[client]")[0]
    written = {line.split(" = ")[0].removeprefix("loose_") for line in server.splitlines() if " = " in line}
    assert written - rendered_settings(file).keys() == {
        "plugin_load_add",
        "super_read_only",
        "rpl_semi_sync_source_enabled",
    }
