"""What a splitter of reads and writes cannot do, each with what an application may do about it."""


class RoutingError(Exception):
    """The statement was not carried out; it may be tried again."""


class NoServerError(RoutingError):
    """No server that the statement may go to answers, or no server takes writes."""


class PoolTimeoutError(RoutingError):
    """All connections to the server are in use, and none came back in time."""


class TransactionLostError(RoutingError):
    """The server is gone, or takes no writes any more, in the middle of a transaction: begin it again."""


class OutcomeUnknownError(Exception):
    """The connection broke while the source carried a statement out: whether it did, nobody can say."""


class MissingTransactionsError(RoutingError):
    """The server that takes writes lacks what this session must see; it was not carried out.

    Either a failover lost those transactions, and trying again does not bring them back; or the session's `after` is
    of another topology. A server that is only late has them when it is tried again. Whoever can do without them begins
    another session, without `after`, looks what is there, and writes anew what is missing.
    """
