"""What a cell tells, a line of JSON each, and how it is told to go on."""

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_lock = threading.Lock()


def tell(event: str, **facts: Any) -> None:  # noqa: ANN401 - whatever JSON takes
    """Tell what has just happened; times are seconds of the monotonic clock, which all processes here share."""
    line = json.dumps({"event": event, "at_s": time.monotonic(), **facts}, default=str)
    with _lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def gate(name: str) -> None:
    """Say that a point is reached, and wait until it is said that it goes on."""
    tell("gate", name=name)
    if not sys.stdin.readline():
        raise SystemExit("nobody says how to go on")


def pause(seconds: float) -> None:
    """Let time pass."""
    threading.Event().wait(seconds)


def attempt(what: str, do: Callable[[], T], **facts: Any) -> T | None:  # noqa: ANN401 - whatever JSON takes
    """Do something, and tell when it began, when it ended and how; an exception is told, not raised."""
    tell("begin", what=what, **facts)
    try:
        result = do()
    except Exception as error:  # noqa: BLE001 - whatever a library raises is what was asked for
        tell("end", what=what, error=_described(error), **facts)
        return None
    tell("end", what=what, result=result, **facts)
    return result


def _described(error: BaseException) -> dict[str, Any]:
    """Return an exception's class, MySQL's error number where it has one, and what it says."""
    return {
        "class": f"{type(error).__module__}.{type(error).__qualname__}",
        "number": _number(error),
        "message": str(error)[:300],
    }


def _number(error: BaseException | None) -> int | None:
    """Return MySQL's error number: libraries keep it in different places, and ORMs wrap their driver's exception."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for found in (getattr(error, "errno", None), *error.args[:1]):
            if isinstance(found, int) and not isinstance(error, OSError):
                return found
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__
    return None
