"""A pool that lends everybody the same connection, cleans nothing, and does not know how many it has."""

from wavetank.client_faults.subjects.pymysql import close, commit, connect, read, run, transaction, write

__all__ = ["borrow", "close", "commit", "connect", "give_back", "held", "limit", "read", "run", "transaction", "write"]

KIND = "pool"


def borrow(pool):
    return pool.borrow()


def give_back(_pool, _lease):
    pass


def limit(_pool):
    return 2


def held(_pool):
    return 7
