"""What instances, servers and proxies may be called, and how those that are added are."""

import re
from collections.abc import Mapping

from wavetank.errors import UsageError

_NODE_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_INSTANCE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 40


def check_instance_name(name: str) -> str:
    """Return `name` if containers, networks and folders can carry it.

    Raises:
        UsageError: they cannot.
    """
    if not _INSTANCE_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{name!r} cannot name an instance: use a-z, 0-9 and single '-', at most {LONGEST_NAME} characters"
        )
    return name


def check_node_name(name: str) -> None:
    """Refuse what containers and certificates cannot carry as the name of a server or a proxy.

    Raises:
        UsageError: it is that.
    """
    if not _NODE_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{name!r} cannot name a server: use a-z, 0-9 and single '-', at most {LONGEST_NAME} characters"
        )


def next_name(like: str, taken: Mapping[str, object]) -> str:
    """Return the next free name that continues the numbering of `like`: db1, db2, then db3."""
    stem = like.rstrip("0123456789")
    numbers = [int(name[len(stem) :]) for name in taken if re.fullmatch(re.escape(stem) + "[0-9]+", name)]
    return f"{stem}{max(numbers, default=1) + 1}"
