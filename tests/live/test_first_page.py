"""What the first page tells a person to type does what it says: every line as it stands there, in order."""

import os
import subprocess
from collections.abc import Iterator

import pytest
from commands import HOME, own, wavetank
from first_page import commands_of_the_first_page
from wavetank.topology.instance import instance_names

INSTANCE = own("first-page")
# Of one line: a topology-up, or a drill with what it mends.
LINE_TIMEOUT_S = 400
# What each line prints, by how it begins.
SAYS = {
    "make topology-up": "all good",
    "make drill": ": passed",
    "make status": "all as the inventory says",
    "make check": "answers good",
    "echo": "db2",
    "make topology-down": "done",
}


@pytest.fixture
def _gone_afterwards() -> Iterator[None]:
    """Leave no instance, whichever line fails."""
    yield
    if INSTANCE in instance_names():
        wavetank("down", INSTANCE=INSTANCE)


@pytest.mark.disturbs
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("_gone_afterwards")
def test_each_command_of_the_first_page_does_what_it_says() -> None:
    # The instance's name is all that differs from what a person has; `make test` itself leaves its own options behind.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment |= {"INSTANCE": INSTANCE, "COLUMNS": "200"}
    for line in commands_of_the_first_page():
        done = subprocess.run(
            ["sh", "-c", line], cwd=HOME, env=environment, capture_output=True, text=True, check=False,
            timeout=LINE_TIMEOUT_S,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{line} ended with {done.returncode}:\n{said}"
        (expected,) = [words for begin, words in SAYS.items() if line.startswith(begin)]
        assert expected in said, f"{line} did not say {expected!r}:\n{said}"
    assert INSTANCE not in instance_names()
