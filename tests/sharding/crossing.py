"""A client that renames two customers on two shards, and is killed after the step that it is told: run as a program."""

import os
import signal
import sys

from wavetank.client.shards.routes import Routes
from wavetank.client.shards.shards import Shards
from wavetank.topology.instance import find_instance

RENAME = "UPDATE customers SET name = %s WHERE customer_id = %s"


def main(instance: str, first: str, second: str, last_step: str) -> None:
    def die(step: str) -> None:
        sys.stdout.write(f"{step}\n")
        sys.stdout.flush()
        if step == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    keys = int(first), int(second)
    shards = Shards(Routes(find_instance(instance)), instance, step=die)
    with shards, shards.transaction(keys, across=True) as transaction:
        for key in keys:
            transaction.at(key).execute(RENAME, ["crossed", key])


if __name__ == "__main__":
    main(*sys.argv[1:])
