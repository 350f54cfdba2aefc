"""Status agrees with what each server says when it is asked directly."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra
from commands import wavetank
from wavetank.machine import containers
from wavetank.provision.rendering import render_client_settings
from wavetank.servers.node import Servers
from wavetank.status.collecting import collect
from wavetank.status.facts import InstanceStatus, NodeStatus
from wavetank.topology import instance
from wavetank.topology.instance import Instance
from wavetank.topology.model import Node, Topology

MOST_SECONDS_FOR_A_FROZEN_SERVER = 4


@pytest.fixture(scope="module")
def status(topology: Topology) -> InstanceStatus:
    """Return the instance as status sees it."""
    return collect(topology)


@pytest.fixture
def seen(status: InstanceStatus, node: Node) -> NodeStatus:
    """Return one node as status sees it."""
    return next(seen for seen in status.nodes if seen.name == node.name)


def test_a_healthy_instance_is_as_declared(status: InstanceStatus) -> None:
    assert [remark for node in status.nodes for remark in node.remarks] == []


def test_the_servers_say_the_same(seen: NodeStatus, servers: Servers) -> None:
    server = servers[seen.name]
    variables = server.variables()
    assert seen.server_uuid == variables["server_uuid"]
    assert seen.writability == ("super_read_only" if variables["super_read_only"] == "ON" else "writable")
    channels = server.query(
        "SELECT HOST FROM performance_schema.replication_connection_configuration ORDER BY CHANNEL_NAME"
    )
    assert sorted(seen.sources) == sorted(row["HOST"] for row in channels)


def test_the_port_and_the_container_are_the_nodes(seen: NodeStatus, node: Node, topology: Topology) -> None:
    assert (seen.port, seen.container, seen.container_state) == (
        node.port,
        topology.container(node),
        "running",
    )
    host = testinfra.get_host(f"docker://{seen.container}")
    answer = host.check_output('mysql -NBe "SELECT CURRENT_USER(), @@report_host"')
    assert answer.split() == ["root@localhost", node.name]


def test_every_figure_of_a_channel_is_known(seen: NodeStatus) -> None:
    for channel in seen.channels:
        assert channel.runs
        assert channel.lag_us is not None
        assert channel.gap is not None
    assert (seen.errant == 0) == bool(seen.channels)


def test_the_command_speaks_json(topology: Topology) -> None:
    done = wavetank("status", "--json", INSTANCE=topology.instance)
    assert done.returncode == 0, done.stdout + done.stderr
    read = json.loads(done.stdout)
    assert (read["instance"], read["as_declared"]) == (topology.instance, True)
    assert [node["name"] for node in read["nodes"]] == [node.name for node in topology.nodes]


def with_mysqls_programs(topology: Topology, directory: Path) -> list[str]:
    """Return what runs a shell beside which MySQL's own programs are, with our network and files."""
    mounted = f"type=bind,source={directory},target={directory},readonly"
    return ["docker", "run", "--rm", "--network=host", "--mount", mounted, "--entrypoint=sh", topology.image, "-c"]


def said_by(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_it_says_of_connecting_does_connect_and_shows_no_password(
    status: InstanceStatus, topology: Topology
) -> None:
    # MySQL's programs for certain, and whatever this machine has: MariaDB's, mostly.
    secrets = list(Instance(topology.instance).directory.glob("secrets/*"))
    shells = [with_mysqls_programs(topology, Instance(topology.instance).directory)]
    shells += [["sh", "-c"]] if shutil.which("mysql") else []
    commands = [
        " ".join(status.app_command),
        *(" ".join(parts) for each in status.proxies for _, parts in each.commands),
    ]
    for shell in shells:
        answers = [said_by(*shell, f"{command} -NBe 'SELECT 1'") for command in commands]
        assert answers == ["1"] * len(commands)
    # What a list of processes would show of each.
    shown = "".join(said_by("sh", "-c", f"mysql() {{ printf '%s\\n' \"$@\"; }}; {command}") for command in commands)
    assert not [secret.name for secret in secrets if secret.read_text() in shown]


def test_mysqls_programs_read_a_password_of_any_signs(
    topology: Topology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "STATE", tmp_path / "it's here")
    strange = Instance("strange")
    strange.secret("app_rw").parent.mkdir(parents=True)
    strange.secret("app_rw").write_text(password := r"""a #b 'c' "d" \\n\s;$x`!% end""")
    (file := tmp_path / "client.cnf").write_text(render_client_settings(strange, "app_rw"))
    read = said_by(*with_mysqls_programs(topology, tmp_path), f"my_print_defaults --defaults-file={file} --show client")
    assert read.splitlines()[1:3] == [f"--password={password}", f"--ssl-ca={strange.ca}"]


@pytest.fixture
def frozen(topology: Topology) -> Iterator[str]:
    """Pause the last node's container as long as the test lasts."""
    node = topology.nodes[-1]
    containers.pause(topology.container(node))
    yield node.name
    containers.unpause(topology.container(node))


@pytest.mark.disturbs
def test_a_frozen_server_is_drawn_in_time(topology: Topology, frozen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the engine's word status has to find out by itself.
    monkeypatch.setattr(containers, "engine_answers", lambda: False)
    started = time.monotonic()
    seen = collect(topology)
    assert time.monotonic() - started < MOST_SECONDS_FOR_A_FROZEN_SERVER
    assert [node.name for node in seen.nodes if node.unanswered] == [frozen]
    assert not seen.as_declared


@pytest.mark.disturbs
def test_a_stopped_replica_is_seen(topology: Topology, servers: Servers) -> None:
    for node in topology.replicas[:1]:
        servers[node.name].execute("STOP REPLICA SQL_THREAD")
        try:
            seen = next(seen for seen in collect(topology).nodes if seen.name == node.name)
        finally:
            servers[node.name].execute("START REPLICA SQL_THREAD")
        assert any(remark.broken and "applier OFF" in remark.text for remark in seen.remarks)
