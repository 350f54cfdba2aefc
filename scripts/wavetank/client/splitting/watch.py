"""Which server takes writes and which replicas are fit for reads: asked over and over, side by side."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wavetank.client.splitting.driver import ConnectionGoneError, run
from wavetank.client.splitting.settings import Bounds, Endpoint
from wavetank.servers.node import Connection
from wavetank.threads import side_by_side
from wavetank.waiting import repeat

_LOOK = "SELECT @@GLOBAL.read_only AS closed, ({heartbeat}) AS age_us"


@dataclass(frozen=True)
class Sighting:
    """What was seen of a server last; `why` it is away, '' where it answers; its lag in seconds, where known."""

    writable: bool = False
    lag_s: float | None = None
    why: str = ""


class Watch:
    """Looks at every server in a thread of its own, so that a frozen one keeps no other from being seen."""

    def __init__(
        self, endpoints: Sequence[Endpoint], connect: Callable[[Endpoint], Connection], bounds: Bounds, heartbeat: str
    ) -> None:
        """Know whom to look at; `connect` opens a connection to look through."""
        self._endpoints = tuple(endpoints)
        self._by_name = {each.name: each for each in endpoints}
        self._connect = connect
        self._bounds = bounds
        self._look = _LOOK.format(heartbeat=heartbeat or "NULL")
        self._heartbeat = bool(heartbeat)
        self._eyes: dict[str, Connection] = {}
        self._looked_at: dict[str, float] = {}
        self._looking = {each.name: threading.Lock() for each in endpoints}
        self._seen = {each.name: Sighting(why="nobody has looked yet") for each in endpoints}
        self._source: Endpoint | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        # Called with the name of a server that was looked at and did not answer.
        self.on_away: Callable[[str], None] = lambda _name: None

    def start(self) -> None:
        """Look at everybody once, then go on looking."""
        self.look_at_all()
        for name in self._by_name:
            thread = threading.Thread(target=self._go_on, args=(name,), name=f"watch-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for eye in self._eyes.values():
            eye.close()

    def look_at_all(self) -> None:
        """Look at every server now."""
        now = time.monotonic()
        side_by_side(lambda each: self.look_at(each.name, now), self._endpoints)

    def look_at(self, name: str, since: float) -> None:
        """Look at one server, unless somebody has begun to after `since` (of time.monotonic), and remember it."""
        with self._looking[name]:
            if self._looked_at.get(name, 0.0) > since:
                return
            self._looked_at[name] = time.monotonic()
            try:
                self._remember(name, self._ask(name))
            except Exception as error:  # noqa: BLE001 - whatever it is: a watch that ends is worse
                self._close_eye(name)
                self._remember(name, Sighting(why=str(error)))
                self.on_away(name)

    def source(self) -> Endpoint | None:
        """Return the server that takes writes: the same as before for as long as it does, None without one."""
        with self._lock:
            writable = [each for each in self._endpoints if self._seen[each.name].writable]
            if self._source not in writable:
                self._source = writable[0] if writable else None
            return self._source

    def replicas(self) -> list[Endpoint]:
        """Return the servers that are fit for reads and take no writes.

        While no server takes writes the heart stands still, and all grow old alike: then those are fit that are
        within the bound of the newest.
        """
        with self._lock:
            there = [each for each in self._endpoints if self._reads(each)]
            if not self._heartbeat:
                return there
            lags = {each: lag for each in there if (lag := self._seen[each.name].lag_s) is not None}
            beats = any(seen.writable for seen in self._seen.values())
            newest = 0.0 if beats else min(lags.values(), default=0.0)
            return [each for each, lag in lags.items() if lag - newest <= self._bounds.lag]

    def sightings(self) -> dict[str, Sighting]:
        """Return what was seen last, by server."""
        with self._lock:
            return dict(self._seen)

    def _reads(self, endpoint: Endpoint) -> bool:
        seen = self._seen[endpoint.name]
        return not (seen.why or seen.writable)

    def _ask(self, name: str) -> Sighting:
        if name in self._eyes:
            # Somebody may have ended this one connection; a server that answers no more, times out here.
            with contextlib.suppress(ConnectionGoneError):
                return self._see(name)
            self._close_eye(name)
        self._eyes[name] = self._connect(self._by_name[name])
        return self._see(name)

    def _see(self, name: str) -> Sighting:
        (row,) = run(name, self._eyes[name], self._look).rows
        age_us = row["age_us"]
        return Sighting(not row["closed"], None if age_us is None else float(age_us) / 1e6)

    def _close_eye(self, name: str) -> None:
        if eye := self._eyes.pop(name, None):
            eye.shutdown()

    def _remember(self, name: str, sighting: Sighting) -> None:
        with self._lock:
            self._seen[name] = sighting

    def _go_on(self, name: str) -> None:
        repeat(lambda: self.look_at(name, time.monotonic()), interval_s=self._bounds.look, stop=self._stop)
