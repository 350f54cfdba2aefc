"""It waits for ever where it should give up."""

import threading

from wavetank.client_faults.subjects.pymysql import close, connect, read, transaction

__all__ = ["close", "connect", "read", "transaction", "write"]


def write(_client, _statement, _parameters=()):
    threading.Event().wait()
