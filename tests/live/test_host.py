"""What the instance leaves on this machine: ports on loopback, private files, nothing else."""

import subprocess
from typing import TYPE_CHECKING

import psutil
import testinfra
from wavetank.machine import containers
from wavetank.provision.rendering import proxy_file, secrets_of
from wavetank.topology.instance import HOME, Instance
from wavetank.topology.model import Topology

if TYPE_CHECKING:
    from pathlib import Path


def test_ports_are_published_on_loopback_only(topology: Topology) -> None:
    published = [port for state in containers.containers(topology.project) for port in state.publishes]
    ports = sorted(port for member in topology.members for port in member.ports)
    assert sorted(published) == [("127.0.0.1", port) for port in ports]


def test_nothing_listens_outside_loopback(topology: Topology) -> None:
    ports = {port for member in topology.members for port in member.ports}
    addresses = {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports
    }
    assert addresses == {"127.0.0.1"}


def test_secrets_are_private(topology: Topology) -> None:
    instance, local = Instance(topology.instance), testinfra.get_host("local://")
    private = [instance.secret(name) for name in secrets_of(topology)]
    private += [instance.ca.with_name("ca-key.pem")]
    private += [instance.node_directory(node.name) / "server-key.pem" for node in topology.members]
    private += [instance.directory / proxy_file(proxy) for proxy in topology.proxies]
    private += [instance.node_directory(node.name) / "init.sql" for node in topology.nodes]
    assert {local.file(str(path)).mode for path in private} == {0o600}


def test_no_two_secrets_are_the_same(topology: Topology) -> None:
    instance = Instance(topology.instance)
    names = secrets_of(topology)
    assert len({instance.password(name) for name in names}) == len(names)


def test_git_does_not_see_the_instance(topology: Topology) -> None:
    directory: Path = Instance(topology.instance).directory
    ignored = subprocess.run(["git", "check-ignore", "-q", str(directory)], cwd=HOME, check=False)
    assert ignored.returncode == 0


def test_everything_is_named_wavetank(topology: Topology) -> None:
    names = [state.name for state in containers.containers(topology.project)]
    assert names
    assert all(name.startswith("wavetank-") for name in names)
