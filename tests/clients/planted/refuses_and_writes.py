"""It writes, and says that the server has refused it."""

import pymysql
from wavetank.client_faults.subjects import pymysql as plain
from wavetank.client_faults.subjects.pymysql import close, connect, read, transaction

__all__ = ["close", "connect", "read", "transaction", "write"]


def write(client, statement, parameters=()):
    plain.write(client, statement, parameters)
    raise pymysql.err.OperationalError(1317, "Query execution was interrupted")
