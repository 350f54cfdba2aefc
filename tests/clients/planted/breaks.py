"""A pool that raises what nobody expects where it should lend."""

from wavetank.client_faults.subjects.pymysql import close, connect, read, run, transaction, write

__all__ = ["borrow", "close", "connect", "give_back", "limit", "read", "run", "transaction", "write"]


def borrow(pool):
    if pool.hardened is None:
        raise RuntimeError("nothing to lend")
    # Once, and never again.
    pool.hardened = None
    return pool.borrow()


def give_back(_pool, _lease):
    pass


def limit(_pool):
    return 2
