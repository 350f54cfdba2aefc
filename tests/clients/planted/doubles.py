"""It repeats a write that was done."""

from wavetank.client_faults.subjects import pymysql as plain
from wavetank.client_faults.subjects.pymysql import close, connect, read, transaction

__all__ = ["close", "connect", "read", "transaction", "write"]


def write(client, statement, parameters=()):
    plain.write(client, statement, parameters)
    plain.write(client, statement, parameters)
