"""A certificate authority for one instance and a server certificate for each of its nodes."""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wavetank.errors import UsageError
from wavetank.files import PRIVATE, write_if_changed
from wavetank.topology.instance import Instance

NODE_FILES = ("server-key.pem", "server-cert.pem", "ca.pem")
LIFETIME = dt.timedelta(days=3650)
# Clocks of containers and hosts differ a little.
BACKDATE = dt.timedelta(hours=1)


def ensure_tls(instance: Instance, nodes: list[str]) -> bool:
    """Make the instance's CA and every node's key and certificate where they are missing.

    A certificate names its node as the other servers call it, and localhost and 127.0.0.1 for those
    who come through the published port. Returns whether anything was made.

    Raises:
        UsageError: the CA's own key has been lost.
    """
    missing = [name for name in nodes if not _complete(instance, name)]
    if not missing and instance.ca.exists():
        return False
    ca_key, ca = _load_or_make_ca(instance)
    for name in missing:
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [
            x509.DNSName(name),
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        certificate = (
            _builder(name, ca.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        directory = instance.node_directory(name)
        _write_key(directory / "server-key.pem", key)
        write_if_changed(directory / "ca.pem", _pem(ca))
        write_if_changed(directory / "server-cert.pem", _pem(certificate))
    return True


def _complete(instance: Instance, name: str) -> bool:
    directory = instance.node_directory(name)
    return instance.ca.exists() and all((directory / file).exists() for file in NODE_FILES)


def _load_or_make_ca(instance: Instance) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_file = instance.ca.with_name("ca-key.pem")
    if instance.ca.exists():
        if not key_file.exists():
            raise UsageError(f"{key_file} is gone and with it every new certificate: make topology-down, then up")
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - it is ours, made below
        return key, x509.load_pem_x509_certificate(instance.ca.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    name = f"wavetank {instance.name} CA"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_file, key)
    write_if_changed(instance.ca, _pem(certificate))
    return key, certificate


def _builder(name: str, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_if_changed(path, pem, mode=PRIVATE)
