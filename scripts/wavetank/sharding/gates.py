"""Gates: what keeps a client with an old map from writing to a shard that its key has left.

Each shard's source says which map version one must know at least, to work on a key that stays and on one that is
about to move. A transaction holds the row of its gate FOR SHARE, so that whoever raises it waits for the transaction.
"""

from collections.abc import Mapping
from typing import Literal

from wavetank.servers.node import Server, Servers
from wavetank.sharding.side_by_side import on_each

Gate = Literal["stay", "move"]
GATES: tuple[Gate, ...] = ("stay", "move")
# For a plain read, asked after it: what it returned was current if the gate is still open, on a server that is a
# source: one that is not any more lets locks be taken and may lack the newest rows.
LOOK = "SELECT least, @@GLOBAL.read_only AS closed FROM sharding.gates WHERE gate = %s"
# For a transaction, asked before anything else in it.
HOLD = f"{LOOK} FOR SHARE"
RAISE = "INSERT INTO sharding.gates VALUES ('{gate}', {least}) AS new ON DUPLICATE KEY UPDATE least = new.least"


def read_gates(server: Server) -> Mapping[str, int]:
    """Return the least version by gate; a gate that is not there is missing."""
    rows = server.query("SELECT gate, least FROM sharding.gates", account="admin")
    return {row["gate"]: int(row["least"]) for row in rows}


def highest_gate(servers: Servers) -> int:
    """Return the highest version that any gate of any shard wants, 0 where there is none.

    Raises:
        UnreachableError: a shard's source does not answer.
    """
    gates = on_each(servers, servers.topology.shards, lambda _shard, source: read_gates(source))
    return max((least for found in gates.values() for least in found.values()), default=0)


def bounds(version: int, prepared: int, *, under_way: bool) -> Mapping[Gate, tuple[int, int]]:
    """Return from what to what each gate may stand.

    Args:
        version: the newest map's.
        prepared: the last version that had a map pending, 0 for none: who knows less must not get through.
        under_way: whether a resharding is, which raises gates after it publishes, and at its cut-over before.
    """
    least = 0 if under_way else max(prepared, 1)
    return {"stay": (least, version), "move": (least, version + under_way)}


def set_gate(server: Server, gate: Gate, least: int) -> None:
    """Let nobody through who knows less than version `least`, from the end of the transactions now under way.

    Raises:
        StatementError: one of them did not end within innodb_lock_wait_timeout.
        UnreachableError: the server does not answer.
    """
    server.execute(RAISE.format(gate=gate, least=int(least)))


def lower_gate(server: Server, gate: Gate, least: int, to: int) -> None:
    """Let those through again who know version `to`, where the gate has been raised to `least`, and not further."""
    server.query("UPDATE sharding.gates SET least = %s WHERE gate = %s AND least = %s", [to, gate, least],
                 account="admin")  # fmt: skip
