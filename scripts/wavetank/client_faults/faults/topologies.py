"""Roles change among the servers, and what stands in front of them dies."""

from collections.abc import Sequence
from dataclasses import replace

from wavetank.change.failover_log import FailoverLog
from wavetank.client_faults.lab.bench import MOVING, Bench
from wavetank.client_faults.lab.faults import IN_FLIGHT_S, Fault
from wavetank.client_faults.lab.processes import CellProcess
from wavetank.client_faults.subjects.server import Server
from wavetank.errors import UsageError
from wavetank.machine import client_network, containers
from wavetank.own_command import last_line, run_command
from wavetank.topology.model import Topology
from wavetank.topology.proxies import MYSQL_ROUTER

CHANGE_S = 120.0


def _by_moving_address(bench: Bench, server: Server) -> Server:
    client_network.lead(bench.container, MOVING, bench.address(bench.source))
    return replace(server, host="moving", named=False)


def _move(bench: Bench, _: Sequence[CellProcess]) -> None:
    """Let the first replica take the source's place, and the address lead there."""
    topology = bench.servers.topology
    _change(bench, "switchover", "--to", topology.replicas_of(topology.sources[0])[0].name)


def _kill_and_replace(bench: Bench, _: Sequence[CellProcess]) -> None:
    """Kill the source, let the best replica take its place, and the address lead there."""
    # Each cell is on its own: what was before it is no reason to wait.
    FailoverLog(bench.instance).end_recovery_block()
    containers.kill_at_once(bench.source_container)
    _change(bench, "failover", "--node", bench.source)


def _change(bench: Bench, command: str, *arguments: str) -> None:
    done = run_command(command, CHANGE_S, *arguments, options={"INSTANCE": bench.instance.name})
    if done is None or done.returncode:
        raise UsageError(f"the {command} failed: {last_line(done)}")
    bench.look_again()
    client_network.lead(bench.container, MOVING, bench.address(bench.source))


def _routers(topology: Topology) -> list[str]:
    return [proxy.name for proxy in topology.proxies if proxy.kind == MYSQL_ROUTER]


def _by_router(bench: Bench, server: Server) -> Server:
    proxy = bench.servers.topology.proxy(_routers(bench.servers.topology)[0])
    return replace(server, host=proxy.name, port=proxy.settings["ports"]["main"], named=False)


def _kill_router(bench: Bench, _: Sequence[CellProcess]) -> None:
    containers.kill(bench.container_of(_routers(bench.servers.topology)[0]))


def _start_router(bench: Bench, _: Sequence[CellProcess]) -> None:
    containers.start(bench.container_of(_routers(bench.servers.topology)[0]))
    bench.name_hosts()


def _with_replica(bench: Bench, server: Server) -> Server:
    return replace(server, replica=bench.servers.topology.replicas_of(bench.servers.topology.sources[0])[0].name)


def _hold_back(bench: Bench, cells: Sequence[CellProcess]) -> None:
    bench.servers[cells[0].spec["server"]["replica"]].execute("STOP REPLICA SQL_THREAD")


def _let_apply(bench: Bench, cells: Sequence[CellProcess]) -> None:
    bench.servers[cells[0].spec["server"]["replica"]].execute("START REPLICA SQL_THREAD")


def _lacks_replica(topology: Topology) -> str:
    return "" if topology.replicas_of(topology.sources[0]) else "its source has no replica"


def _lacks_router(topology: Topology) -> str:
    return "" if _routers(topology) else "it has no MySQL Router"


FAULTS = (
    Fault(
        "switchover", "topology", "A replica takes the source's place in order, and its address (1290).",
        "connection.writes_after_idling", strike=_move, lead=_by_moving_address, lacks=_lacks_replica, restores=True,
    ),
    Fault(
        "failover", "topology", "The source is killed in the middle of an INSERT, and a replica takes its place.",
        "connection.writes_meanwhile", strike=_kill_and_replace, in_flight_s=IN_FLIGHT_S,
        lead=_by_moving_address, lacks=_lacks_replica, restores=True,
    ),
    Fault(
        "router-killed", "topology", "The MySQL Router in between is killed (SIGKILL) in the middle of an INSERT.",
        "connection.writes_meanwhile", strike=_kill_router, heal=_start_router, in_flight_s=IN_FLIGHT_S,
        lead=_by_router, lacks=_lacks_router,
    ),
    Fault(
        "own-write", "topology", "A client writes at the source and reads at a replica that is behind.",
        "own_writes.reads_at_a_replica", strike=_hold_back, heal=_let_apply, lead=_with_replica, lacks=_lacks_replica,
    ),
)  # fmt: skip
