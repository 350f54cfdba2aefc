"""What a splitter of reads and writes cannot do, each with what an application may do about it."""


class RoutingError(Exception):
    """The statement was not carried out; it may be tried again."""


class NoServerError(RoutingError):
    """No server that the statement may go to answers, or no server takes writes."""


class PoolTimeoutError(RoutingError):
    """All connections to the server are lent, and none came back in time."""


class TransactionLostError(RoutingError):
    """The server is gone, or takes no writes any more, in the middle of a transaction: begin it again."""


class OutcomeUnknownError(Exception):
    """The connection broke while the source carried a statement out: whether it did, nobody can say."""
