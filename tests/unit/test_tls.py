"""Every server has a certificate of its instance's own CA, for every name it is called by."""

import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)
from wavetank.provision.certificates import ensure_tls
from wavetank.topology.instance import Instance

NODES = ["db1", "db2"]
SEA = Instance("sea")
Subject = x509.DNSName | x509.IPAddress
NAMES: dict[str, Callable[[str], Subject]] = {
    "its own name": x509.DNSName,
    "localhost": lambda _node: x509.DNSName("localhost"),
    "127.0.0.1": lambda _node: x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
}


def certificate(instance: Instance, node: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((instance.node_directory(node) / "server-cert.pem").read_bytes())


def verify(node: str, subject: Subject, *, ca: Path | None = None, strict: bool = False) -> None:
    """Verify the node's certificate as a client would that trusts `ca` alone and called `subject`."""
    authority = x509.load_pem_x509_certificate((ca or SEA.ca).read_bytes())
    builder = PolicyBuilder().store(Store([authority]))
    if not strict:
        # Chain, time, and the name: what OpenSSL asks for where nobody asks for more.
        anything = ExtensionPolicy.permit_all()
        server = anything.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
        authority_too = anything.require_present(x509.BasicConstraints, Criticality.CRITICAL, None)
        builder = builder.extension_policies(ca_policy=authority_too, ee_policy=server)
    builder.build_server_verifier(subject).verify(certificate(SEA, node), [])


def snapshot(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def _made(state: Path) -> None:
    assert ensure_tls(SEA, NODES)
    assert state in SEA.ca.parents


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("called", NAMES)
def test_a_client_of_the_ca_accepts_a_server_by_every_name_it_has(node: str, called: str) -> None:
    verify(node, NAMES[called](node))


def test_a_strict_client_accepts_it_too() -> None:
    """RFC 5280's key identifiers are asked for by VERIFY_X509_STRICT, Python's default from 3.13 on."""
    verify("db1", x509.DNSName("db1"), strict=True)


def test_a_client_refuses_a_server_that_it_did_not_call() -> None:
    with pytest.raises(VerificationError):
        verify("db1", x509.DNSName("db2"))
    with pytest.raises(VerificationError):
        verify("db1", x509.IPAddress(ipaddress.ip_address("127.0.0.2")))


def test_a_client_of_another_instances_ca_refuses_it() -> None:
    ensure_tls(Instance("lake"), NODES)
    with pytest.raises(VerificationError):
        verify("db1", x509.DNSName("db1"), ca=Instance("lake").ca)


@pytest.mark.parametrize("node", NODES)
def test_a_certificate_names_its_node_localhost_and_127_0_0_1_and_nothing_else(node: str) -> None:
    names = certificate(SEA, node).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [node, "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]


def test_a_server_certificate_cannot_sign_another() -> None:
    extensions = certificate(SEA, "db1").extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize("node", NODES)
def test_a_node_holds_the_key_of_its_certificate_and_the_ca(node: str) -> None:
    directory = SEA.node_directory(node)
    key = load_pem_private_key((directory / "server-key.pem").read_bytes(), password=None)
    assert key.public_key() == certificate(SEA, node).public_key()
    assert (directory / "ca.pem").read_bytes() == SEA.ca.read_bytes()


def test_no_two_nodes_share_a_key() -> None:
    assert certificate(SEA, "db1").public_key() != certificate(SEA, "db2").public_key()


def test_keys_are_private_and_no_node_gets_that_of_the_ca() -> None:
    keys = [path for path in SEA.directory.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert {str(key.relative_to(SEA.directory)) for key in keys} == {
        "tls/ca-key.pem",
        "nodes/db1/server-key.pem",
        "nodes/db2/server-key.pem",
    }
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_a_second_call_changes_nothing() -> None:
    before = snapshot(SEA.directory)
    assert not ensure_tls(SEA, NODES)
    assert snapshot(SEA.directory) == before


def test_a_new_node_gets_a_certificate_of_the_same_ca_and_the_others_keep_theirs() -> None:
    before = snapshot(SEA.directory)
    assert ensure_tls(SEA, [*NODES, "db3"])
    assert before.items() <= snapshot(SEA.directory).items()
    verify("db3", x509.DNSName("db3"))


@pytest.mark.parametrize("lost", ["server-cert.pem", "server-key.pem", "ca.pem"])
def test_a_node_that_lost_a_file_is_made_whole(lost: str) -> None:
    directory = SEA.node_directory("db1")
    (directory / lost).unlink()
    assert ensure_tls(SEA, NODES)
    key = load_pem_private_key((directory / "server-key.pem").read_bytes(), password=None)
    assert key.public_key() == certificate(SEA, "db1").public_key()
    assert (directory / "ca.pem").exists()


def test_without_its_ca_the_whole_instance_is_made_anew() -> None:
    SEA.ca.unlink()
    assert ensure_tls(SEA, NODES)
    for node in NODES:
        verify(node, x509.DNSName(node))
