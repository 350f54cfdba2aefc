"""A pool that stays unusable after its first failure."""

from wavetank.client_faults.subjects import pymysql as plain
from wavetank.client_faults.subjects.pymysql import close, connect, transaction

__all__ = ["close", "connect", "read", "transaction", "write"]

KIND = "pool"
_failed = []


def read(client, statement, parameters=()):
    if _failed:
        raise RuntimeError("this pool is broken")
    return plain.read(client, statement, parameters)


def write(client, statement, parameters=()):
    try:
        plain.write(client, statement, parameters)
    except Exception:
        _failed.append(1)
        raise
