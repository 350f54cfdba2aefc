"""What an exception says of the statement: that it was not done, or nothing."""

from collections.abc import Mapping
from typing import Any

# No connection was made (MySQL 9.7 Client Error Reference): nothing was sent.
_NOT_CONNECTED = range(2002, 2006)
# Error numbers of the server (MySQL 9.7 Server Error Reference): it answers that the statement was not done ...
_SERVER = (range(1000, 2000), range(3000, 6000))
# ... unless it says why the connection is at its end: what was in flight then is not spoken of.
# The connector gives its own read timeout the number of the server's max_execution_time: it knows nothing of the
# statement then, which may have been done.
_QUERY_TIMEOUT, _BY_THE_SERVER = 3024, "maximum statement execution time exceeded"
_CONNECTION_ENDED = frozenset({1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 3169, 4031})


def says_not_done(error: Mapping[str, Any]) -> bool:
    """Return whether an exception certainly means that its statement has not been done."""
    number = error["number"]
    if number is None:
        return "ConnectionRefusedError" in error["class"]
    if number == _QUERY_TIMEOUT and _BY_THE_SERVER not in error["message"]:
        return False
    return number in _NOT_CONNECTED or (any(number in those for those in _SERVER) and number not in _CONNECTION_ENDED)
