"""How a topology is damaged, and what must be seen of it.

A module of this package is one instance to damage: OPTIONS says how it is brought up, CASES what is done to it; MORE is
what it holds beside DATA, LANE names it where other tests use the same one. AT_ONCE has titles of cases that one
topology-up mends together, in the order in which they are done; ALIKE says which of them another one is like.
tests/broken/ finds the modules by itself.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

from commands import up
from mending import mend
from wavetank.checks.asking import Report, ask_all
from wavetank.servers.node import Servers

Damage = Callable[[Servers], None]

# What every instance holds before it is damaged, whoever has damaged it before.
DATA = (
    "CREATE SCHEMA IF NOT EXISTS shop",
    "DROP TABLE IF EXISTS shop.proof",
    "CREATE TABLE shop.proof (id INT PRIMARY KEY, word VARCHAR(20) NULL)",
    "INSERT INTO shop.proof VALUES (1, 'one'), (2, 'two'), (3, NULL)",
)


def sql(node: str, *statements: str) -> Damage:
    """Run statements on one server."""
    return lambda servers: servers[node].execute(*statements)


def behind_its_back(node: str, *statements: str) -> Damage:
    """Run statements on a closed replica, open for that moment, without a trace in its binary log."""
    return sql(
        node, "SET GLOBAL super_read_only = OFF", "SET sql_log_bin = OFF", *statements, "SET sql_log_bin = ON",
        "SET GLOBAL super_read_only = ON",
    )  # fmt: skip


def channel(node: str, **options: str | int) -> Damage:
    """Change the node's default channel."""
    change = ", ".join(f"{name} = {value}" for name, value in options.items())
    return sql(node, "STOP REPLICA", f"CHANGE REPLICATION SOURCE TO {change}", "START REPLICA")


def one_after_the_other(*damages: Damage) -> Damage:
    """Do several things in turn."""

    def do(servers: Servers) -> None:
        for damage in damages:
            damage(servers)

    return do


def by_up(rebuild: str = "") -> Damage:
    """Let topology-up mend it: where a container or a file has to be made anew, or a replica rebuilt."""

    def do(servers: Servers) -> None:
        up(servers.topology.instance, REBUILD=rebuild)

    return do


@dataclass(frozen=True)
class Case:
    """A damage, the one check that must see it, the nodes it must name (with commas), and what undoes it."""

    check: str
    node: str
    damage: Damage
    # What follows from the damage by itself, and so may be red too.
    consequence: frozenset[str] = frozenset()
    undo: Damage = mend


def instances() -> Mapping[str, ModuleType]:
    """Return the modules of this package by their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


def lane_of(module: str) -> str:
    """Return how the instance of a module is called, and the group of the tests that use it."""
    lane: str = getattr(instances()[module], "LANE", f"broken-{module.replace('_', '-')}")
    return lane


def expect_red(report: Report, check: str, nodes: str, consequence: frozenset[str] = frozenset()) -> None:
    """Fail unless `check` is red for exactly `nodes`, and nothing is red that need not be."""
    found = {
        (answer.check, finding.node)
        for answer in report.red
        for finding in answer.findings
        if answer.check not in consequence
    }
    assert found == {(check, node) for node in nodes.split(",")}, "\n".join(report.lines())
    for node in nodes.split(","):
        assert any(f" {node}: {check}: expected " in line for line in report.lines())


def expect_green(servers: Servers) -> None:
    """Fail where anything is wrong, or cannot be asked, before or still after a damage."""
    report = ask_all(servers)
    assert report.proven, "\n".join(report.lines())
