"""Topologies with proxies as the tests plan them, and whether what they need can be had here."""

import functools
from typing import Any

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
def why_not(topology: str) -> str:
    """Return why a topology cannot be brought up on this machine, '' where it can."""
    missing = why_no_proxysql() if PROXYSQL in fronts_of(topology) else ""
    return f"NOT TESTED, and nothing replaces it: {missing}" if missing else ""
