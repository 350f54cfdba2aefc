"""It says that it has written, and has not."""

from wavetank.client_faults.subjects.pymysql import close, connect, read, transaction

__all__ = ["close", "connect", "read", "transaction", "write"]


def write(_client, _statement, _parameters=()):
    pass
