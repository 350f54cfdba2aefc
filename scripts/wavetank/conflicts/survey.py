"""One look at all servers that take writes: what conflicts there are now."""

from dataclasses import dataclass

from wavetank.conflicts.detect import Component, detect
from wavetank.errors import UsageError
from wavetank.servers.binlog.catalogue import Name, Table, read_tables, weigh
from wavetank.servers.binlog.history import Change, Order, changes_of, common_past, read_histories
from wavetank.servers.gtid import union
from wavetank.servers.node import Server, Servers


@dataclass
class Survey:
    """What the binary logs of all peers say.

    Attributes:
        components: conflicts, with all rows that depend on each other.
        tables: the tables that they are in.
        past: the GTID set that was examined and can take part in no conflict to come.
    """

    components: list[Component]
    tables: dict[Name, Table]
    past: str


def peer_names(servers: Servers) -> list[str]:
    """Return the names of the servers that can be in conflict.

    Raises:
        UsageError: there are none.
    """
    names = [node.name for node in servers.topology.peers]
    if not names:
        raise UsageError(
            f"{servers.topology.instance} has no servers that replicate from each other and take writes: "
            "conflicts are for a topology like master-master"
        )
    return names


def recorder(servers: Servers) -> Server:
    """Return the server on which conflicts are recorded and resolved: the first peer that takes writes."""
    peers = set(peer_names(servers))
    return servers[next(node.name for node in servers.topology.sources if node.name in peers)]


def survey(servers: Servers) -> Survey:
    """Read every peer's binary log, from where the last resolution ended, and find the conflicts.

    Raises:
        UnreachableError: a peer does not answer; without its log there is no knowing.
        UsageError: there are no peers, or a log says something that cannot be read.
    """
    peers, server = peer_names(servers), recorder(servers)
    examined = server.value("SELECT gtid_set FROM wavetank.conflicts_examined") or ""
    histories = read_histories(servers, peers, examined)
    order = Order(histories)
    changes = changes_of(histories, order)
    tables = read_tables(server, {(change.schema, change.table) for change in changes})
    texts = {text for change in changes for text in _key_texts(change, tables)}
    components = detect(changes, order, tables, weigh(server, texts))
    return Survey(components, tables, union(*common_past(histories)))


def _key_texts(change: Change, tables: dict[Name, Table]) -> list[tuple[str, str]]:
    table = tables.get((change.schema, change.table))
    images = [image for image in (change.before, change.after) if image is not None]
    return [text for image in images for text in table.key_texts(image)] if table else []
