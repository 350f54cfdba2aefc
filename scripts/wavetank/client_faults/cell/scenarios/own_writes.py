"""A client writes at the source and reads at a replica that is behind."""

from dataclasses import replace

from wavetank.client_faults.cell.client import CellClient
from wavetank.client_faults.cell.scenarios.ending import claim, recover
from wavetank.client_faults.cell.telling import attempt, gate

WAIT_S = 1
_EXECUTED = "SELECT @@GLOBAL.gtid_executed"
_WAIT = "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)"


def reads_at_a_replica(client: CellClient) -> None:
    """Write, then look for the row at the replica; hardened, after waiting for it there, else at the source."""
    replica = client.server.replica
    splits = getattr(client.subject.module, "SPLITS", False)
    server = client.server if splits else replace(client.server, replica="")
    client.server = server
    client.open()
    client.read("first read")
    reader = client if splits else client.another(replace(server, host=replica))
    if not splits:
        reader.open()
        reader.read("first read at the replica")
    gate("struck")
    nonce = client.write()
    seen = attempt("read own write", lambda: _where(client, reader).rows_of(nonce), kind="read")
    if seen is not None:
        claim("own write", holds=seen == 1, says=f"{seen} of 1 row that the client itself has written is seen")
    if not splits:
        client.subject.close(reader.handle)
    recover(client)


def _where(client: CellClient, reader: CellClient) -> CellClient:
    """Hardened: wait at the replica for what the source has executed, and go to the source where that is in vain."""
    if not client.hardened or reader is client:
        return reader
    executed = client.subject.read(client.handle, _EXECUTED, ())[0][0]
    waited = reader.subject.read(reader.handle, _WAIT, (executed, WAIT_S))[0][0]
    return reader if int(waited) == 0 else client
