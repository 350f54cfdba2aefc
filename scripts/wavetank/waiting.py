"""The only sleeps in the project: bounded waits that say what they waited for, and what is done over and over."""

import threading
from collections.abc import Callable
from typing import TypeVar

import tenacity

from wavetank.errors import WaitedInVain

T = TypeVar("T")


def wait_until(  # noqa: PLR0913 - all but the first two are named
    what: str,
    look: Callable[[], T],
    *,
    timeout_s: float,
    interval_s: float = 0.1,
    good: Callable[[T], bool] = bool,
    hint: str = "",
) -> T:
    """Look until what is seen is `good`, and return it.

    Args:
        what: what is waited for, as it reads after "waited 10 s for".
        look: asked every `interval_s` seconds; its exceptions end the wait.
        timeout_s: the bound, in seconds.
        interval_s: pause between two looks, in seconds.
        good: decides whether what was seen is enough.
        hint: where to look when the wait was in vain.

    Raises:
        WaitedInVain: the bound was reached; it says what was seen last.
    """

    def give_up(state: tenacity.RetryCallState) -> T:
        last = state.outcome.result() if state.outcome else None
        seen = "" if last is None or last is False else f"; last seen: {last}"
        raise WaitedInVain(f"waited {timeout_s:g} s for {what}{seen}{'; ' + hint if hint else ''}")

    return tenacity.Retrying(
        stop=tenacity.stop_after_delay(timeout_s),
        wait=tenacity.wait_fixed(interval_s),
        retry=tenacity.retry_if_result(lambda seen: not good(seen)),
        retry_error_callback=give_up,
    )(look)


def repeat(do: Callable[[], object], *, interval_s: float, stop: threading.Event) -> None:
    """Do something every `interval_s` seconds until `stop` is set, which also ends the pause; its exceptions end it."""
    while not stop.wait(interval_s):
        do()
