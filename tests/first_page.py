"""The commands on the first page, as they stand there."""

import re

from commands import HOME

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands_of_the_first_page() -> list[str]:
    """Return each line of README.md's code blocks, in order."""
    blocks = _BLOCK.findall((HOME / "README.md").read_text())
    return [line for block in blocks for line in block.splitlines() if line]
