"""It forgets one of its connections."""

from wavetank.client_faults.subjects import pymysql as plain
from wavetank.client_faults.subjects.pymysql import close, read, transaction, write

__all__ = ["close", "connect", "read", "transaction", "write"]

_forgotten = []


def connect(server, *, hardened):
    _forgotten.append(plain.connect(server, hardened=hardened))
    return plain.connect(server, hardened=hardened)
