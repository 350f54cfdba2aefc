"""What is in a proxy's container, who gets into it, and what status says of it."""

import json

import pymysql
import pytest
import testinfra
from commands import wavetank
from testinfra.host import Host
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology
from wavetank.topology.proxies import ADMIN, PROXYSQL, Proxy

# ProxySQL's own, as it is delivered.
DELIVERED = [("admin", "admin"), ("stats", "stats"), ("monitor", "monitor"), ("root", "")]


@pytest.fixture
def host(topology: Topology, front: Proxy) -> Host:
    """The proxy's container."""
    return testinfra.get_host(f"docker://{topology.container(front)}")


def test_nobody_gets_in_with_what_everybody_knows(topology: Topology, front: Proxy) -> None:
    attempts = [(port, *known) for port in front.ports for known in DELIVERED]
    if front.kind == PROXYSQL:  # an application is not to administer it
        attempts.append((front.side_port, "app_rw", Instance(topology.instance).password("app_rw")))
    for port, user, password in attempts:
        with pytest.raises(pymysql.err.MySQLError):
            pymysql.connect(host="127.0.0.1", port=port, user=user, password=password, connect_timeout=5)


def test_its_container_may_do_nothing_special(host: Host) -> None:
    status = host.check_output("cat /proc/1/status")
    capabilities = {line.split()[1] for line in status.splitlines() if line.startswith(("CapEff", "CapPrm", "CapBnd"))}
    assert {int(each, 16) for each in capabilities} == {0}
    assert host.run("touch /usr/bin/anything").rc != 0


def test_it_listens_where_its_ports_lead(host: Host, front: Proxy) -> None:
    ports = set()
    for line in host.check_output("cat /proc/net/tcp").splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        address, port = local.split(":")
        if state == "0A" and address != "0B00007F":  # LISTEN, and not the engine's name service on 127.0.0.11
            ports.add(int(port, 16))
    # ProxySQL 3 has two more for another protocol, which nobody publishes.
    assert ports >= {front.settings["ports"]["main"], front.settings["ports"]["side"]}
    assert len(ports) <= 4


def test_status_tells_what_goes_where(topology: Topology, front: Proxy) -> None:
    done = wavetank("status", "--json", INSTANCE=topology.instance)
    (seen,) = (each for each in json.loads(done.stdout)["proxies"] if each["name"] == front.name)
    assert (seen["name"], seen["port"], seen["container_state"], seen["remarks"]) == (
        front.name, front.port, "running", [],
    )  # fmt: skip
    writers = {backend["server"] for backend in seen["backends"] if backend["group"] == "writes"}
    assert writers == {node.name for node in topology.sources}
    assert "statements" in seen["backends"][0]


def test_the_commands_that_status_shows_hold_no_password(topology: Topology, servers: Servers) -> None:
    done = wavetank("status", INSTANCE=topology.instance)
    shown = [name for name in ("app_rw", ADMIN) if servers.instance.secret(name).exists()]
    assert all(servers.instance.password(name) not in done.stdout for name in shown)
