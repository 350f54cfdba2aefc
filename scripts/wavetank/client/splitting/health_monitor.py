"""Health checks: which server takes writes and which replicas are fit for reads, asked of all again and again."""

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

# How many times as often servers are checked while none takes writes: clients wait for it.
HURRY = 10
_HEALTH = "SELECT @@GLOBAL.read_only AS closed, ({heartbeat}) AS age_us"


@dataclass(frozen=True)
class Health:
    """The last health check of a server; `why` it is out, '' where it answers; its lag in seconds, where known."""

    writable: bool = False
    lag_s: float | None = None
    why: str = ""


class HealthMonitor:
    """Checks every server in a thread of its own, so that a frozen one does not delay the checks of the others."""

    def __init__(
        self, endpoints: Sequence[Endpoint], connect: Callable[[Endpoint], Connection], bounds: Bounds, heartbeat: str
    ) -> None:
        """Check nothing yet; `connect` opens the connection on which a server is asked."""
        self._endpoints = tuple(endpoints)
        self._by_name = {each.name: each for each in endpoints}
        self._connect = connect
        self._bounds = bounds
        self._statement = _HEALTH.format(heartbeat=heartbeat or "NULL")
        self._heartbeat = bool(heartbeat)
        self._connections: dict[str, Connection] = {}
        self._checked_at: dict[str, float] = {}
        self._checking = {each.name: threading.Lock() for each in endpoints}
        self._health = {each.name: Health(why="not checked yet") for each in endpoints}
        self._source: Endpoint | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        # Called with the name of a server that failed its health check.
        self.on_failure: Callable[[str], None] = lambda _name: None

    def start(self) -> None:
        """Check every server once, then go on in the background."""
        self.check_all()
        for name in self._by_name:
            thread = threading.Thread(target=self._go_on, args=(name,), name=f"health-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the checks."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for connection in self._connections.values():
            connection.close()

    def check_all(self) -> None:
        """Check every server now."""
        now = time.monotonic()
        side_by_side(lambda each: self.check(each.name, now), self._endpoints)

    def check(self, name: str, since: float) -> None:
        """Check one server, unless a check has begun after `since` (of time.monotonic), and remember the result."""
        with self._checking[name]:
            if self._checked_at.get(name, 0.0) > since:
                return
            self._checked_at[name] = time.monotonic()
            try:
                self._remember(name, self._ask(name))
            except Exception as error:  # noqa: BLE001 - whatever it is: no more checks would be worse
                self._disconnect(name)
                self._remember(name, Health(why=str(error)))
                self.on_failure(name)

    def source(self) -> Endpoint | None:
        """Return the server that takes writes: the same as before for as long as it does, None without one."""
        with self._lock:
            writable = [each for each in self._endpoints if self._health[each.name].writable]
            if self._source not in writable:
                self._source = writable[0] if writable else None
            return self._source

    def replicas(self) -> list[Endpoint]:
        """Return the servers that are fit for reads and take no writes.

        While no server takes writes nobody writes the heartbeat, and the lag of all grows alike: then those are fit
        that are within the bound of the newest.
        """
        with self._lock:
            there = [each for each in self._endpoints if self._reads(each)]
            if not self._heartbeat:
                return there
            lags = {each: lag for each in there if (lag := self._health[each.name].lag_s) is not None}
            beats = any(seen.writable for seen in self._health.values())
            newest = 0.0 if beats else min(lags.values(), default=0.0)
            return [each for each, lag in lags.items() if lag - newest <= self._bounds.lag]

    def health(self) -> dict[str, Health]:
        """Return the last health check of each server."""
        with self._lock:
            return dict(self._health)

    def _reads(self, endpoint: Endpoint) -> bool:
        seen = self._health[endpoint.name]
        return not (seen.why or seen.writable)

    def _ask(self, name: str) -> Health:
        if name in self._connections:
            # Somebody may have ended this one connection; a server that answers no more, times out here.
            with contextlib.suppress(ConnectionGoneError):
                return self._check(name)
            self._disconnect(name)
        self._connections[name] = self._connect(self._by_name[name])
        return self._check(name)

    def _check(self, name: str) -> Health:
        (row,) = run(name, self._connections[name], self._statement).rows
        age_us = row["age_us"]
        return Health(not row["closed"], None if age_us is None else float(age_us) / 1e6)

    def _disconnect(self, name: str) -> None:
        if connection := self._connections.pop(name, None):
            connection.shutdown()

    def _remember(self, name: str, health: Health) -> None:
        with self._lock:
            self._health[name] = health

    def _go_on(self, name: str) -> None:
        repeat(lambda: self._check_when_due(name), interval_s=self._bounds.look / HURRY, stop=self._stop)

    def _check_when_due(self, name: str) -> None:
        now = time.monotonic()
        if self.source() is None or now - self._checked_at.get(name, 0.0) >= self._bounds.look:
            self.check(name, now)
