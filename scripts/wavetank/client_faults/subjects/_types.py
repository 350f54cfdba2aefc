"""The words of the subjects; what a library calls its own is of no type that all of them share."""

from collections.abc import Iterable, Sequence
from typing import Any

# What a library is used by: a pool, an engine, a connection.
Handle = Any
Connection = Any
Cursor = Any
# A context manager, for what is to be one transaction.
Block = Any

Parameters = Sequence[Any]
Rows = list[tuple[Any, ...]]
# Whoever runs them again takes them from the beginning.
Statements = Iterable[tuple[str, Parameters]]
