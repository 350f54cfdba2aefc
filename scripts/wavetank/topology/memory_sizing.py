"""Sizes as people and MySQL write them: 512m, 1g, 64M."""

import re

from wavetank.errors import UsageError

MIB = 1024**2
_UNITS = {"": 1, "k": 1024, "m": MIB, "g": 1024**3}

# What a server needs before its first page is cached: code, connections, performance_schema.
SERVER_FIXED_COST = 256 * MIB
LEAST_NODE_MEMORY = 384 * MIB


def parse_size(text: str) -> int:
    """Return the bytes that `text` stands for (an integer with an optional unit k, m or g).

    Raises:
        UsageError: `text` is not a size.
    """
    match = re.fullmatch(r"(\d+)([kmg]?)b?", text.strip().lower())
    if not match:
        raise UsageError(f"{text!r} is not a size: write it like 512m or 1g")
    return int(match[1]) * _UNITS[match[2]]


def buffer_pool_bytes(node_memory: int) -> int:
    """Return innodb_buffer_pool_size for a node of `node_memory` bytes.

    Three quarters of what is left above the server's fixed cost, in steps of 32 MiB: the rest is
    for sorts, temporary tables and connections under load.
    """
    step = 32 * MIB
    return max(step, (node_memory - SERVER_FIXED_COST) * 3 // 4 // step * step)
