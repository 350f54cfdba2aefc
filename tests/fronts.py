"""Topologies with proxies as the tests plan them, and whether what they need can be had here.

Run as a program, it says why there is no ProxySQL to be had, and exits with 1; with 0 where there is one.
"""

import functools
import os
import sys
from typing import Any

import pytest
import yaml
from wavetank.provision.proxy_images import why_no_proxysql
from wavetank.topology.instance import INVENTORIES
from wavetank.topology.proxies import KINDS, PROXYSQL


def settings_of(kind: str) -> dict[str, Any]:
    """Return what group_vars says of a kind of proxy."""
    settings: dict[str, Any] = yaml.safe_load((INVENTORIES / "group_vars" / f"{kind}.yml").read_text())[kind]
    return settings


def fronts_of(topology: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the settings of each proxy of an inventory by its kind."""
    inventory = yaml.safe_load((INVENTORIES / f"{topology}.yml").read_text())
    return {kind: {name: settings_of(kind) for name in inventory[kind]["hosts"]} for kind in KINDS if kind in inventory}


@functools.cache
def no_proxysql() -> str:
    """Return why there is no ProxySQL to be had; a registry is asked once."""
    return why_no_proxysql()


def demand(topology: str) -> None:
    """Skip a test of a topology with a ProxySQL where PROXYSQL=absent says so; fail it where none is to be had."""
    if PROXYSQL not in fronts_of(topology):
        return
    said = os.environ.get("PROXYSQL", "")
    if said == "absent":
        pytest.skip("PROXYSQL=absent: NOT TESTED, and nothing replaces it")
    if said:
        pytest.fail(f"PROXYSQL={said} says nothing: it is absent, or is not set", pytrace=False)
    if missing := no_proxysql():
        pytest.fail(f"{missing}; PROXYSQL=absent leaves these tests out", pytrace=False)


if __name__ == "__main__":
    if missing := no_proxysql():
        sys.stdout.write(f"{missing}\n")
        sys.exit(1)
