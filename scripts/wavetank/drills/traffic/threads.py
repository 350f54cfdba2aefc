"""Threads that work until they are stopped, of which it is known who died, and who did not end."""

import threading
import time
from collections.abc import Callable


class Workers:
    """The threads of one traffic.

    Attributes:
        over: set when they are to end.
        ended_s: when that was, in seconds of the monotonic clock; 0 before.
        faults: who died of what nobody expected, and who did not end, a sentence each.
    """

    def __init__(self) -> None:
        """Begin with no thread."""
        self.over = threading.Event()
        self.ended_s = 0.0
        self.faults: list[str] = []
        self._threads: list[tuple[str, threading.Thread]] = []

    def add(self, what: str, run: Callable[..., None], *arguments: object) -> None:
        """Start one more thread, which runs that; `what` is what it does, as a sentence begins."""

        def work() -> None:
            try:
                run(*arguments)
            except Exception as error:  # noqa: BLE001 - whatever it is, its traffic is none any more
                self.faults.append(f"{what} ended with {type(error).__name__}: {' '.join(str(error).split())}")

        # One that does not end must not keep the process from doing so.
        self._threads.append((what, threading.Thread(target=work, daemon=True)))

    def start(self) -> None:
        """Let all of them work."""
        for _, thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float) -> None:
        """Let all of them end, within so many seconds in all; again, it does nothing."""
        self.ended_s = self.ended_s or time.monotonic()
        self.over.set()
        until_s = time.monotonic() + timeout_s
        while self._threads:
            what, thread = self._threads.pop()
            if thread.ident:
                thread.join(max(0.0, until_s - time.monotonic()))
            if thread.is_alive():
                self.faults.append(f"{what} did not end within {timeout_s:g} s")
