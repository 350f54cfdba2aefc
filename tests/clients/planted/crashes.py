"""It dies of a signal."""

import os
import signal

from wavetank.client_faults.subjects.pymysql import close, connect, read, transaction

__all__ = ["close", "connect", "read", "transaction", "write"]


def write(_client, _statement, _parameters=()):
    os.kill(os.getpid(), signal.SIGSEGV)
