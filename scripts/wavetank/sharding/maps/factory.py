"""Shard maps by the names that people and tables have for them: made, written down, and read back.

`make_map` begins one, `add` and `remove` go on from there, `document_of` and `read_map` are its way to a table and
back. Every kind but the directory can also be computed by a server: `sql_shard`.
"""

from collections.abc import Mapping
from typing import Any

from wavetank.sharding.errors import ShardingError
from wavetank.sharding.maps.hashed import HashMap, RingMap
from wavetank.sharding.maps.listed import DirectoryMap, Find
from wavetank.sharding.maps.ranged import DateMap, RegionMap
from wavetank.sharding.maps.shape import ShardMap, read_shards

KINDS = ("ring", "hash", "region", "date", "directory")
DEFAULT_KIND = "ring"
# What a document is written in; a later one may add what this one cannot read.
FORMAT = 1


def make_map(kind: str, shards: tuple[int, ...], find: Find | None = None) -> ShardMap:
    """Return the first map of `shards`, by the method that SHARD_BY= calls `kind`.

    Raises:
        ShardingError: there is no such method, or it cannot divide into so many.
    """
    shards = read_shards(shards)
    if kind == "ring":
        return RingMap(shards)
    if kind == "hash":
        return HashMap(shards)
    if kind == "region":
        return RegionMap.of(shards)
    if kind == "date":
        return DateMap.of(shards)
    if kind == "directory":
        return DirectoryMap(shards, find=find)
    raise ShardingError(f"shard_by={kind} is none of {', '.join(KINDS)}")


def document_of(shard_map: ShardMap) -> dict[str, Any]:
    """Return the document that read_map() reads."""
    return {"format": FORMAT, **shard_map.to_document()}


def read_map(document: Any, find: Find | None = None) -> ShardMap:  # noqa: ANN401 - whatever a table holds
    """Return the map that document_of() wrote; `find` asks the directory, where that is what it is.

    Raises:
        ShardingError: the document is of another format or kind, or not whole.
    """
    if not isinstance(document, Mapping):
        raise ShardingError(f"a shard map is an object with a kind, not {document!r}")
    if document.get("format") != FORMAT:
        raise ShardingError(f"a shard map of format {document.get('format')!r} cannot be read here: this is {FORMAT}")
    kind = document.get("kind")
    if kind == "directory":
        return DirectoryMap.from_document(document, find)
    for known in (RingMap, HashMap, RegionMap, DateMap):
        if kind == known.kind:
            return known.from_document(document)
    raise ShardingError(f"a shard map of kind {kind!r} cannot be read here: there are {', '.join(KINDS)}")
