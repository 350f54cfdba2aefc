"""The map as a client knows it: the newest that it has read, until a shard wants a newer one."""

import threading
from dataclasses import dataclass
from typing import Any

from wavetank.errors import WaitedInVain
from wavetank.sharding.catalogue import CatalogueReader, PublishedMap
from wavetank.sharding.directory import Ask
from wavetank.sharding.errors import FutureMapError, OutdatedMapError
from wavetank.sharding.gates import Gate

# How long a client that was refused waits for the map that the shard wants, in seconds.
NEWER_MAP_S = 10.0


@dataclass(frozen=True)
class Placement:
    """Where a key's rows are, and the gate through which one comes to them."""

    shard: int
    gate: Gate


class CachedMap:
    """May be shared by threads."""

    def __init__(self, ask: Ask, instance: str, version: int = 0) -> None:
        """Read the map, which must be `version` or later; `ask` runs a statement where the catalogue is.

        Raises:
            FutureMapError: the catalogue has never published that version.
            ShardingError: there is no map, or the catalogue does not answer.
        """
        self._reader = CatalogueReader(ask, instance)
        self._instance = instance
        self._lock = threading.Lock()
        self._reader.refuse_future(version)
        self._current = self._reader.read()

    @property
    def current(self) -> PublishedMap:
        """The newest that was read."""
        return self._current

    def wait_for(self, version: int) -> None:
        """Wait until `version` or later has been read.

        Raises:
            OutdatedMapError: the catalogue has not had it in time.
            FutureMapError: it has less than was known here: it has lost a version.
        """
        with self._lock:
            if self._current.version >= version:
                return
            try:
                found = self._reader.wait_for(version, NEWER_MAP_S)
            except WaitedInVain as error:
                raise OutdatedMapError(str(error)) from error
            self._current = found

    def refresh(self) -> PublishedMap:
        """Read the newest map and return it.

        Raises:
            FutureMapError: the catalogue has less than was known here.
        """
        with self._lock:
            found = self._reader.read()
            if found.version < self._current.version:
                raise FutureMapError(
                    f"map version {self._current.version}, which was read before, is from the future by now: the "
                    f"catalogue of {self._instance} has {found.version}"
                )
            self._current = found
            return found


def placement_of(published: PublishedMap, key: Any) -> Placement:  # noqa: ANN401
    """Return where a key's rows are under a version of the map."""
    return Placement(published.map.shard_of(key), published.gate_of(key))
