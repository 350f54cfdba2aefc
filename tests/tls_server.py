"""A pretended MySQL server that speaks TLS with a certificate of the test's choice, and says OK to everything."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

SSL_CAPABILITY = 0x0800
# Long password, connect with a schema, protocol 4.1, transactions, secure authentication, its plugin by name.
CAPABILITIES = SSL_CAPABILITY | 0x0001 | 0x0008 | 0x0200 | 0x2000 | 0x8000 | 0x0008_0000
# The first part of a login, which alone asks for TLS.
SSL_REQUEST_SIZE = 32
OK = b"\x00\x00\x00\x02\x00\x00\x00"


class PretendedTlsServer:
    """Where it listens, what it offers, and how many logins came to it, over TLS or not."""

    def __init__(self, listener: socket.socket, directory: Path) -> None:
        """Answer on `listener` with the key and the certificate of a node's directory."""
        self.port: int = listener.getsockname()[1]
        self.capabilities = CAPABILITIES
        self.logins = 0
        self._listener = listener
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(directory / "server-cert.pem", directory / "server-key.pem")

    def answer(self) -> None:
        """Serve one connection after the other until the listener is closed."""
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            # A client that does not trust the server goes away in the middle.
            with plain, contextlib.suppress(OSError, EOFError):
                self._serve(plain)

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(5)
        _send(plain, 0, _greeting(self.capabilities))
        if len(_receive(plain)[1]) > SSL_REQUEST_SIZE:
            self.logins += 1
            return
        with self._context.wrap_socket(plain, server_side=True) as encrypted:
            number, _login = _receive(encrypted)
            self.logins += 1
            _send(encrypted, number + 1, OK)
            while True:
                number, _command = _receive(encrypted)
                _send(encrypted, number + 1, OK)


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[PretendedTlsServer]:
    """Serve with the key and the certificate in `directory` on every address of the loopback network."""
    with socket.create_server(("", 0)) as listener:
        server = PretendedTlsServer(listener, directory)
        thread = threading.Thread(target=server.answer, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            # Closing alone would not wake the thread.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _greeting(capabilities: int) -> bytes:
    low, high = capabilities & 0xFFFF, capabilities >> 16
    return b"".join((
        b"\x0a", b"9.7.4\x00", struct.pack("<I", 1), b"12345678\x00", struct.pack("<H", low), b"\xff\x02\x00",
        struct.pack("<H", high), b"\x15", bytes(10), b"123456789012\x00", b"caching_sha2_password\x00",
    ))  # fmt: skip


def _send(connection: socket.socket, number: int, payload: bytes) -> None:
    connection.sendall(struct.pack("<I", len(payload))[:3] + bytes([number]) + payload)


def _receive(connection: socket.socket) -> tuple[int, bytes]:
    header = _exactly(connection, 4)
    return header[3], _exactly(connection, int.from_bytes(header[:3], "little"))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        received = connection.recv(size - len(data))
        if not received:
            raise EOFError
        data += received
    return data
