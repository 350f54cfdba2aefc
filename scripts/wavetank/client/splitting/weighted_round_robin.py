"""Whose turn it is: servers by weight, spread as evenly as weights allow."""

import threading
from collections.abc import Sequence

from wavetank.client.splitting.settings import Endpoint


class Picker:
    """Smooth weighted round robin, as nginx has it; equal weights make it a plain round robin.

    Of any run of picks, each server gets its share to within one or two, not only on average. May be shared
    by threads.
    """

    def __init__(self) -> None:
        """Begin with nobody ahead."""
        self._credit: dict[str, int] = {}
        self._lock = threading.Lock()

    def pick(self, candidates: Sequence[Endpoint]) -> Endpoint | None:
        """Return whose turn it is among those with a weight, None where nobody has one."""
        weighted = [each for each in candidates if each.weight > 0]
        if not weighted:
            return None
        with self._lock:
            for each in weighted:
                self._credit[each.name] = self._credit.get(each.name, 0) + each.weight
            chosen = max(weighted, key=lambda each: self._credit[each.name])
            self._credit[chosen.name] -= sum(each.weight for each in weighted)
            return chosen
