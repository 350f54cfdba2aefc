"""What a failure means: whether the statement ran, and whether the connection can be used again."""

from collections.abc import Iterator

# The server's last words on a connection, and 3024, by which mysql-connector-python means a timeout of its own.
_GOODBYES = frozenset({1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3024, 4031})
_READ_ONLY = frozenset({1290, 1836})
_DEADLOCK = 1213
# By these a library says that no TCP connection came about.
_NO_CONNECTION = frozenset({2002, 2003})
# The system's number, as C libraries write it: ECONNREFUSED, and EINPROGRESS, by which libmariadb means the same.
_REFUSED = ("(111)", "(115)")
_CLIENT_ERRORS = range(2000, 3000)
_FIRST_OF_MYSQL = 1000


class GivenUpError(Exception):
    """Nothing is run on this connection: it was given up or given back, or it is at work."""


def was_refused(error: BaseException) -> bool:
    """Return whether nobody listened: nothing has run."""
    return any(
        isinstance(each, ConnectionRefusedError)
        or (_number(each) in _NO_CONNECTION and any(number in str(each) for number in _REFUSED))
        for each in _chain(error)
    )


def is_deadlock(error: BaseException) -> bool:
    """Return whether the server has undone the transaction for another's sake."""
    return _DEADLOCK in _numbers(error)


def is_read_only(error: BaseException) -> bool:
    """Return whether the server takes no writes: the statement, or the commit, did nothing."""
    return any(_number(each) in _READ_ONLY and "read" in str(each) for each in _chain(error))


def is_sound_after(error: BaseException) -> bool:
    """Return whether the server has refused the statement, and no more: the connection is as good as before.

    A server that is read-only is no error of the connection, but another one may be the source by now.
    """
    numbers = _numbers(error)
    return bool(numbers) and not any(number in _GOODBYES | _READ_ONLY or number in _CLIENT_ERRORS for number in numbers)


def _numbers(error: BaseException) -> list[int]:
    return [number for each in _chain(error) if (number := _number(each))]


def _number(error: BaseException) -> int:
    """Return MySQL's error number, 0 where there is none; the system's numbers are below."""
    said = [getattr(error, "errno", None), *error.args[:1]]
    return next((number for number in said if isinstance(number, int) and number >= _FIRST_OF_MYSQL), 0)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it wraps; `orig` is SQLAlchemy's."""
    seen: list[BaseException | None] = []
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and each not in seen:
            seen.append(each)
            yield each
            waiting += [getattr(each, "orig", None), each.__cause__, each.__context__]
