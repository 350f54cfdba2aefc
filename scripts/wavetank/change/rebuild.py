"""Replace a replica's data by its source's, with the clone plugin."""

import contextlib

from wavetank.change.drift import wait_for_servers
from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.servers.node import Servers, StatementError
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology
from wavetank.waiting import wait_until

CLONE_TIMEOUT_S = 3600
# "Restart server failed (mysqld is not managed by supervisor process)": the clone is complete, and the
# server has stopped for us to start it (MySQL reference manual, "Cloning remote data").
_STOPPED_AFTER_CLONE = 3707


def check_rebuild(topology: Topology, name: str) -> None:
    """Refuse to rebuild what is not the replica of one source.

    Raises:
        UsageError: there is no such server, it is a source, or it has several.
    """
    node = topology.node(name)
    if not Instance(topology.instance).exists:
        raise UsageError(f"REBUILD={name} mends a replica that exists: there is no instance {topology.instance!r}")
    if node.is_source:
        raise UsageError(f"REBUILD={name} would replace a source's data: only replicas can be rebuilt")
    if len(node.channels) > 1 and not node.peer:
        raise UsageError(f"REBUILD={name} would copy one of its {len(node.channels)} sources only: no one holds it all")


def rebuild(servers: Servers, name: str) -> None:
    """Clone the source's data over that of the replica `name` and start it again, stopped as a replica.

    What the replica held alone is gone afterwards; its channel is pointed anew by the drift that follows.

    Raises:
        UsageError: the clone failed; the message says why.
    """
    topology = servers.topology
    node = topology.node(name)
    sources = [topology.node(channel.source) for channel in node.channels]
    donor = next((source for source in sources if source.is_source), sources[0]).name
    password = servers.instance.password("admin")
    recipient = servers[name]
    # Cloning is a write, to which super_read_only says no; the server starts closed again afterwards.
    recipient.execute(
        "STOP REPLICA",
        f"SET GLOBAL clone_valid_donor_list = '{donor}:3306'",
        "SET GLOBAL super_read_only = OFF",
    )
    with (
        contextlib.closing(recipient.connect("admin", CLONE_TIMEOUT_S)) as connection,
        connection.cursor() as cursor,
    ):
        try:
            cursor.execute(f"CLONE INSTANCE FROM 'admin'@'{donor}':3306 IDENTIFIED BY %s REQUIRE SSL", (password,))
        except StatementError as error:
            if error.errno != _STOPPED_AFTER_CLONE:
                recipient.execute("SET GLOBAL super_read_only = ON")
                raise UsageError(f"{name} could not be cloned from {donor}: {error.msg}") from None
    container = topology.container(node)
    wait_until(f"{name} to stop after the clone", lambda: not containers.is_running(container), timeout_s=60)
    containers.restart(container)
    recipient.close()  # what was kept is of the server that stopped
    wait_for_servers(servers)
