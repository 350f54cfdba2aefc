"""It commits after each statement of a transaction, so that the first is there whatever comes of the second."""

from wavetank.client_faults.subjects import pymysql as plain
from wavetank.client_faults.subjects.pymysql import close, connect, read, write

__all__ = ["close", "connect", "read", "transaction", "write"]


def transaction(client, statements):
    for statement, parameters in statements:
        plain.write(client, statement, parameters)
