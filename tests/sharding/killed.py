"""Reshard an instance, and be killed at one moment: python killed.py INSTANCE TO MOMENT."""

import os
import signal
import sys

from wavetank.instance import Instance
from wavetank.node import Servers
from wavetank.sharding.reshard.run import reshard


class Killer:
    """Watches a resharding, and kills its process at a phase, or, with "copy rows", once some rows of it are done."""

    def __init__(self, moment: str) -> None:
        self._moment = moment
        self._phase = ""

    def phase(self, name: str) -> None:
        self._phase = name
        self._kill_at(name)

    def rows(self, done: int, total: int) -> None:
        if 0 < done < total:
            self._kill_at(f"{self._phase} rows")

    def say(self, line: str) -> None:
        pass

    def _kill_at(self, moment: str) -> None:
        if moment == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    with Servers(Instance(sys.argv[1]).topology()) as servers:
        reshard(servers, int(sys.argv[2]), Killer(sys.argv[3]))
