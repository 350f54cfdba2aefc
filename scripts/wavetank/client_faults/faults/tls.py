"""Who answers is not who should, or offers no encryption: a client that goes on could be listened to."""

from collections.abc import Sequence
from dataclasses import replace

from wavetank.client_faults.lab.bench import MOVING, Bench
from wavetank.client_faults.lab.faults import Fault
from wavetank.client_faults.lab.processes import CellProcess
from wavetank.client_faults.subjects.server import Server
from wavetank.machine import client_network
from wavetank.servers.node import query_on

# Authorities that have nothing to do with the instance's.
_OTHER_CA = "/etc/ssl/certs/ca-certificates.crt"
# With a certificate that is not there, encryption is off for new connections (MySQL 9.7, ALTER INSTANCE).
_TURN_OFF = ("SET GLOBAL ssl_cert = 'nowhere'", "ALTER INSTANCE RELOAD TLS NO ROLLBACK ON ERROR")


def _by_other_ca(_: Bench, server: Server) -> Server:
    return replace(server, ca=_OTHER_CA)


def _by_other_name(bench: Bench, server: Server) -> Server:
    client_network.lead(bench.container, MOVING, bench.address(bench.source))
    return replace(server, host="somebody-else")


def _offer_none(bench: Bench, _: Sequence[CellProcess]) -> None:
    # A connection from before: no new one of ours would be made without encryption.
    kept = bench.kept["tls"] = bench.node.connect("admin")
    bench.kept["ssl_cert"] = query_on(kept, "SELECT @@GLOBAL.ssl_cert AS file", node=bench.source)[0]["file"]
    for statement in _TURN_OFF:
        query_on(kept, statement, node=bench.source)


def _offer_again(bench: Bench, _: Sequence[CellProcess]) -> None:
    if kept := bench.kept.pop("tls", None):
        query_on(kept, f"SET GLOBAL ssl_cert = '{bench.kept['ssl_cert']}'", node=bench.source)
        query_on(kept, "ALTER INSTANCE RELOAD TLS", node=bench.source)
        kept.close()


FAULTS = (
    Fault("wrong-ca", "tls", "The server's certificate is vouched for by another authority.", "connection.connects",
          lead=_by_other_ca, must_refuse=True),
    Fault("wrong-name", "tls", "The server's certificate has another name.", "connection.connects",
          lead=_by_other_name, must_refuse=True),
    Fault("no-tls", "tls", "The server offers no encryption.", "connection.connects",
          strike=_offer_none, heal=_offer_again, must_refuse=True),
)  # fmt: skip
