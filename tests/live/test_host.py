"""What the instance leaves on this machine: ports on loopback, private files, nothing else."""

import subprocess
from typing import TYPE_CHECKING

import psutil
import testinfra
from wavetank import containers
from wavetank.accounts import ACCOUNTS
from wavetank.instance import HOME, Instance
from wavetank.topology import Topology

if TYPE_CHECKING:
    from pathlib import Path


def test_ports_are_published_on_loopback_only(topology: Topology) -> None:
    published = [port for state in containers.containers(topology.project) for port in state.publishes]
    assert sorted(published) == [("127.0.0.1", node.port) for node in topology.nodes]


def test_nothing_listens_outside_loopback(topology: Topology) -> None:
    ports = {node.port for node in topology.nodes}
    addresses = {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports
    }
    assert addresses == {"127.0.0.1"}


def test_secrets_are_private(topology: Topology) -> None:
    instance, local = Instance(topology.instance), testinfra.get_host("local://")
    private = [instance.secret(account) for account in ACCOUNTS]
    private += [instance.ca.with_name("ca-key.pem")]
    private += [instance.node_directory(node.name) / "server-key.pem" for node in topology.nodes]
    private += [instance.node_directory(node.name) / "init.sql" for node in topology.nodes]
    assert {local.file(str(path)).mode for path in private} == {0o600}


def test_no_two_secrets_are_the_same(topology: Topology) -> None:
    instance = Instance(topology.instance)
    assert len({instance.password(account) for account in ACCOUNTS}) == len(ACCOUNTS)


def test_git_does_not_see_the_instance(topology: Topology) -> None:
    directory: Path = Instance(topology.instance).directory
    ignored = subprocess.run(["git", "check-ignore", "-q", str(directory)], cwd=HOME, check=False)
    assert ignored.returncode == 0


def test_everything_is_named_wavetank(topology: Topology) -> None:
    names = [state.name for state in containers.containers(topology.project)]
    assert names
    assert all(name.startswith("wavetank-") for name in names)
