"""One running copy of a topology on disk: where its files are and what it was brought up with."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wavetank.errors import UsageError
from wavetank.files import write_if_changed
from wavetank.topology.model import Topology
from wavetank.topology.naming import check_instance_name


def _home() -> Path:
    """Return the clone that this package is in.

    An application has it installed elsewhere, and names the clone whose instances it means in WAVETANK_HOME; without
    that, it is the working directory.
    """
    ours = Path(__file__).resolve().parents[3]
    return ours if (ours / "inventories").is_dir() else Path(os.environ.get("WAVETANK_HOME", ".")).resolve()


HOME = _home()
STATE = HOME / ".wavetank"
INVENTORIES = HOME / "inventories"

# What a person may state at topology-up and an instance then remembers.
OPTIONS = (
    "base_port", "shards", "shard_by", "sources", "active", "replicas", "proxies", "semi_sync", "node_memory",
    "node_cpus", "mysql_image", "proxysql_image",
)  # fmt: skip


@dataclass(frozen=True)
class Instance:
    """The directory `.wavetank/<name>/` of an instance."""

    name: str

    @property
    def directory(self) -> Path:
        """Where everything that was rendered for the instance lies."""
        return STATE / "instances" / self.name

    @property
    def record(self) -> Path:
        """The file in which topology-up records the topology."""
        return self.directory / "topology.json"

    @property
    def report(self) -> Path:
        """What the last verification by a playbook found."""
        return self.directory / "report.json"

    @property
    def compose_file(self) -> Path:
        """The rendered compose project."""
        return self.directory / "compose.yml"

    @property
    def composed(self) -> Path:
        """What compose made of the project when it was last asked."""
        return self.directory / "composed.json"

    @property
    def ca(self) -> Path:
        """The certificate that vouches for every server of the instance."""
        return self.directory / "tls" / "ca.pem"

    def node_directory(self, node: str) -> Path:
        """Return what is mounted into the node's container as /etc/wavetank."""
        return self.directory / "nodes" / node

    def secret(self, account: str) -> Path:
        """Return the file that holds the account's password."""
        return self.directory / "secrets" / account

    def client_settings(self, account: str) -> Path:
        """Return the file with which MySQL's command-line programs log in as the account."""
        return self.directory / "clients" / f"{account}.cnf"

    def password(self, account: str) -> str:
        """Return the account's password."""
        return self.secret(account).read_text()

    @property
    def exists(self) -> bool:
        """Whether a topology-up has got as far as recording what it makes."""
        return self.record.exists()

    def topology(self) -> Topology:
        """Return what the instance was brought up as.

        Raises:
            UsageError: there is no such instance; the message lists those that exist.
        """
        if not self.exists:
            there = ", ".join(instance_names()) or "none yet: make topology-up"
            raise UsageError(f"no instance {self.name!r} here; there are: {there}")
        return Topology.from_json(self.record.read_text())

    def remember(self, topology: Topology) -> None:
        """Record what the instance is from now on."""
        write_if_changed(self.record, topology.to_json())

    def remembered(self) -> Mapping[str, Any]:
        """Return the options that the instance was brought up with, empty for a new one."""
        return json.loads(self.record.read_text())["given"] if self.exists else {}


def instance_names() -> list[str]:
    """Return the names of all instances of this clone, sorted."""
    return sorted(path.parent.name for path in STATE.glob("instances/*/topology.json"))


def topology_names() -> list[str]:
    """Return the names of the topologies that can be brought up: one inventory file each."""
    return sorted(path.stem for path in INVENTORIES.glob("*.yml"))


def topology_summary(name: str) -> str:
    """Return the first line of the inventory file, which says in a comment what the topology is."""
    with (INVENTORIES / f"{name}.yml").open() as file:
        return file.readline().lstrip("# ").strip()


def find_instance(name: str) -> Instance:
    """Return the instance called `name`, which need not exist.

    Raises:
        UsageError: the name cannot be one.
    """
    return Instance(check_instance_name(name))
