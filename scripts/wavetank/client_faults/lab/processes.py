"""The process of one cell: started, listened to, told to go on, and ended."""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

Event = dict[str, Any]


class CellProcess:
    """One client at work; what it tells is kept as it comes."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], spec: dict[str, Any]) -> None:
        """Start it with what it is to do."""
        self.spec = spec
        self.events: list[Event] = []
        self.killed = False
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._errors: list[str] = []
        streams = ((self._process.stdout, self._note), (self._process.stderr, self._errors.append))
        self._readers = [threading.Thread(target=_read, args=each, daemon=True) for each in streams]
        for reader in self._readers:
            reader.start()
        self._say(json.dumps(spec))

    @property
    def user(self) -> str:
        """The account that it comes as, which no other cell has meanwhile."""
        return str(self.spec["server"]["user"])

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def at(self) -> str:
        """The gate at which it waits, '' for none."""
        last = self.events[-1] if self.events else {}
        return str(last["name"]) if last.get("event") == "gate" and not self.ended else ""

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        """What it ended with, the negative number of a signal; None while it runs, and where it was ended by us."""
        return None if self.killed else self._process.poll()

    @property
    def last_words(self) -> str:
        """The last line of what it wrote beside what it told."""
        lines = [line for line in "".join(self._errors).splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""

    def wait(self, good: Callable[[], bool], until_s: float) -> bool:
        """Wait until something is so, or the process has ended, or until that time; return whether it is so."""
        with self._changed:
            while not good() and not self.ended and (left_s := until_s - time.monotonic()) > 0:
                # Its end tells nothing of itself.
                self._changed.wait(min(left_s, 0.1))
        return good()

    def wait_at(self, gate: str, until_s: float) -> bool:
        """Wait until it stands at a gate; return whether it does."""
        return self.wait(lambda: self.at == gate, until_s)

    def go(self) -> None:
        """Let it pass the gate at which it waits."""
        self.events.append({"event": "go", "at_s": time.monotonic()})
        self._say("go")

    def end(self, within_s: float) -> None:
        """Wait for its end; kill it when that takes too long."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.killed = True
            self._process.kill()
            self._process.wait()
        for reader in self._readers:
            reader.join(1)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        # That it has ended is told otherwise.
        with contextlib.suppress(OSError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _note(self, line: str) -> None:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            self._errors.append(line)
            return
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()


def _read(stream: TextIO | None, note: Callable[[str], None]) -> None:
    for line in stream or ():
        note(line)
