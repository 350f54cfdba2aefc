"""Instances that live as long as a measurement that needs them, and are gone afterwards, however it ends."""

import contextlib
from collections.abc import Callable, Iterator, Mapping

from wavetank.errors import UsageError
from wavetank.own_command import UP_TIMEOUT_S, last_line, run_command
from wavetank.topology.instance import instance_names

# How long taking one down may take, in seconds.
DOWN_TIMEOUT_S = 120


@contextlib.contextmanager
def temporary_instance(
    name: str, say: Callable[[str], None], options: Mapping[str, str], *, own_session: bool = False
) -> Iterator[str]:
    """Bring an instance up with these options, give its name, and take it down again, also after Ctrl-C.

    `own_session`: the Ctrl-C that ends us does not reach the topology-up; see own_command.

    Raises:
        UsageError: it does not come up.
    """
    try:
        done = run_command("up", UP_TIMEOUT_S, options={**options, "INSTANCE": name}, own_session=own_session)
        if done is None or done.returncode:
            raise UsageError(f"{name} did not come up: {last_line(done)}")
        yield name
    finally:
        take_down(name)
        say(f"{name}: taken down")


def take_down(name: str) -> None:
    """Take an instance down; nothing where there is none of that name."""
    if name in instance_names():
        # In a session of its own: the Ctrl-C that ended what it was brought up for does not end this, too.
        run_command("down", DOWN_TIMEOUT_S, options={"INSTANCE": name}, own_session=True)


def take_down_leftovers(prefix: str) -> None:
    """Take down what somebody who was killed has left: it would be in the way with its ports and its memory."""
    for name in instance_names():
        if name.startswith(prefix):
            take_down(name)
