"""What a hardened client tries again, and for how long: only what is known not to have run."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
    wait_random,
)

from wavetank.client_faults.subjects._failures import is_deadlock, is_read_only, was_refused

T = TypeVar("T")

REFUSED_S = 5
EXHAUSTED_S = 3
READ_ONLY_S = 5
MOST_DEADLOCKS = 3
_PAUSE_S = 0.1
_SHORTEST_S, _LONGEST_S = 0.02, 0.1

_AFTER_READ_ONLY: dict[str, Any] = {
    "retry": retry_if_exception(is_read_only),
    "stop": stop_after_delay(READ_ONLY_S),
    "wait": wait_fixed(_PAUSE_S),
    "reraise": True,
}


def opened(connect: Callable[[], T], exhausted: tuple[type[Exception], ...] = ()) -> T:
    """Connect, or borrow from a pool; try again while nobody listens, or while all connections are lent."""
    return Retrying(**_while_there_is_none(exhausted))(connect)


async def opened_async(connect: Callable[[], Awaitable[T]]) -> T:
    """Do as opened() does; `connect` is a coroutine function."""
    return await AsyncRetrying(**_while_there_is_none(()))(connect)


def repeated(work: Callable[[], T], undone: tuple[type[Exception], ...] = ()) -> T:
    """Run a whole transaction, again after a deadlock or on a server that takes no writes.

    `undone` are the library's own errors that say so, beside the server's.
    """
    outcome: T = Retrying(**_AFTER_READ_ONLY)(Retrying(**_after_deadlock(undone)), work)
    return outcome


async def repeated_async(work: Callable[[], Awaitable[T]]) -> T:
    """Do as repeated() does; `work` is a coroutine function."""
    return await AsyncRetrying(**_AFTER_READ_ONLY)(AsyncRetrying(**_after_deadlock(())), work)


def _while_there_is_none(exhausted: tuple[type[Exception], ...]) -> dict[str, Any]:
    def is_exhausted(error: BaseException) -> bool:
        return isinstance(error, exhausted)

    def is_enough(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        bound_s = EXHAUSTED_S if error and is_exhausted(error) else REFUSED_S
        return (state.seconds_since_start or 0) >= bound_s

    return {
        "retry": retry_if_exception(lambda error: was_refused(error) or is_exhausted(error)),
        "stop": is_enough,
        "wait": wait_fixed(_PAUSE_S),
        "reraise": True,
    }


def _after_deadlock(undone: tuple[type[Exception], ...]) -> dict[str, Any]:
    return {
        "retry": retry_if_exception(lambda error: is_deadlock(error) or isinstance(error, undone)),
        "stop": stop_after_attempt(1 + MOST_DEADLOCKS),
        "wait": wait_random(_SHORTEST_S, _LONGEST_S),
        "reraise": True,
    }
