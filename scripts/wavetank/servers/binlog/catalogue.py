"""What the servers say of the tables that conflicts are about: their keys, and when two texts are one key."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from wavetank.servers.binlog.values import Image, Value
from wavetank.servers.node import Row, Server

PRIMARY = "PRIMARY"
# How many texts are weighed in one statement.
_BATCH = 2000

Name = tuple[str, str]
# A collation and a text, to what the text is equal by: texts of one weight are one key.
Weights = Mapping[tuple[str, str], str]

_INDEXES = """
    SELECT TABLE_SCHEMA AS `schema`, TABLE_NAME AS `table`, INDEX_NAME AS `index`, COLUMN_NAME AS `column`,
           SUB_PART AS `length`
      FROM information_schema.STATISTICS
     WHERE NON_UNIQUE = 0 AND (TABLE_SCHEMA, TABLE_NAME) IN ({names})
     ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX
"""
_COLLATIONS = """
    SELECT TABLE_SCHEMA AS `schema`, TABLE_NAME AS `table`, COLUMN_NAME AS `column`, COLLATION_NAME AS collation
      FROM information_schema.COLUMNS
     WHERE (TABLE_SCHEMA, TABLE_NAME) IN ({names}) AND DATA_TYPE NOT IN ('enum', 'set')
"""
_REFERENCES = """
    SELECT TABLE_SCHEMA AS `schema`, TABLE_NAME AS `table`, CONSTRAINT_NAME AS name, COLUMN_NAME AS `column`,
           REFERENCED_TABLE_SCHEMA AS parent_schema, REFERENCED_TABLE_NAME AS parent,
           REFERENCED_COLUMN_NAME AS parent_column
      FROM information_schema.KEY_COLUMN_USAGE
     WHERE REFERENCED_TABLE_NAME IS NOT NULL AND (TABLE_SCHEMA, TABLE_NAME) IN ({names})
     ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION
"""
# What a collation makes of each text of a JSON array; one that pads does not see spaces at the end.
_WEIGH = """
    SELECT position, SHA2(WEIGHT_STRING({text} COLLATE {collation}), 256) AS weight
      FROM JSON_TABLE(%s, '$[*]' COLUMNS (position FOR ORDINALITY, content LONGTEXT PATH '$')) AS texts
"""


@dataclass(frozen=True)
class Key:
    """A value that at most one row of a table may have; two changes that name the same one meet there."""

    schema: str
    table: str
    index: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Reference:
    """A foreign key: what these columns hold, those columns of a row of the parent hold."""

    columns: tuple[str, ...]
    parent: Name
    parent_columns: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """What of a table decides where two changes meet.

    Attributes:
        name: schema and table.
        indexes: the unique ones by name, each with its columns and how many characters of each it holds
            (None for all); a column without a name is an expression.
        collations: of the columns that hold text.
        references: its foreign keys.
    """

    name: Name
    indexes: Mapping[str, tuple[tuple[str | None, int | None], ...]]
    collations: Mapping[str, str]
    references: tuple[Reference, ...] = ()

    def key(self, index: str, image: Image, weights: Weights) -> Key | None:
        """Return the row's key in a unique index, None where NULL or an expression is part of it."""
        parts = [(column, length) for column, length in self.indexes[index] if column is not None]
        values = tuple(self.comparable(column, _cut(image[column], length), weights) for column, length in parts)
        return None if None in values or len(parts) < len(self.indexes[index]) else Key(*self.name, index, values)

    def comparable(self, column: str, value: Value, weights: Weights) -> Value:
        """Return a value as it compares: texts that the column's collation takes for the same are the same."""
        if isinstance(value, str) and column in self.collations:
            return weights.get((self.collations[column], value), value)
        return value

    def key_texts(self, image: Image) -> Iterator[tuple[str, str]]:
        """Yield every text in a key of the row, with its collation."""
        for parts in self.indexes.values():
            for column, length in parts:
                collation = self.collations.get(column or "")
                value = _cut(image[column], length) if column is not None else None
                if collation and isinstance(value, str):
                    yield collation, value


def _cut(value: Value, length: int | None) -> Value:
    return value[:length] if isinstance(value, str | bytes) else value


def read_tables(server: Server, names: Collection[Name]) -> dict[Name, Table]:
    """Return those of the tables that exist, as the server describes them."""
    if not names:
        return {}
    indexes: dict[Name, dict[str, list[tuple[str | None, int | None]]]] = defaultdict(lambda: defaultdict(list))
    for row in _ask(server, _INDEXES, names):
        indexes[row["schema"], row["table"]][row["index"]].append((row["column"], row["length"]))
    collations: dict[Name, dict[str, str]] = defaultdict(dict)
    for row in _ask(server, _COLLATIONS, names):
        collations[row["schema"], row["table"]] |= {row["column"]: row["collation"]} if row["collation"] else {}
    references = _references(_ask(server, _REFERENCES, names))
    return {
        name: Table(
            name,
            {index: tuple(parts) for index, parts in indexes[name].items()},
            collations[name],
            tuple(references[name]),
        )
        for name in collations
    }


def _ask(server: Server, statement: str, names: Collection[Name]) -> list[Row]:
    marks = ", ".join(["(%s, %s)"] * len(names))
    return server.query(statement.format(names=marks), [part for name in names for part in name], account="admin")


def _references(rows: Iterable[Row]) -> dict[Name, list[Reference]]:
    columns: dict[tuple[Name, str, Name], list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        parent = (row["parent_schema"], row["parent"])
        columns[(row["schema"], row["table"]), row["name"], parent].append((row["column"], row["parent_column"]))
    found: dict[Name, list[Reference]] = defaultdict(list)
    for (child, _, parent), pairs in columns.items():
        found[child].append(Reference(tuple(pair[0] for pair in pairs), parent, tuple(pair[1] for pair in pairs)))
    return found


def weigh(server: Server, texts: Iterable[tuple[str, str]]) -> Weights:
    """Return what each text is equal by under its collation, as the server computes it."""
    by_collation: dict[str, list[str]] = defaultdict(list)
    for collation, text in set(texts):
        by_collation[collation].append(text)
    pads = {
        row["name"]: (row["charset"], row["pad"])
        for row in server.query(
            "SELECT COLLATION_NAME AS name, CHARACTER_SET_NAME AS charset, PAD_ATTRIBUTE AS pad "
            "FROM information_schema.COLLATIONS"
        )
    }
    weights: dict[tuple[str, str], str] = {}
    for collation, distinct in by_collation.items():
        charset, pad = pads[collation]
        text = f"CONVERT({'RTRIM(content)' if pad == 'PAD SPACE' else 'content'} USING {charset})"
        statement = _WEIGH.format(text=text, collation=collation)
        for start in range(0, len(distinct), _BATCH):
            batch = distinct[start : start + _BATCH]
            for row in server.query(statement, [json.dumps(batch)], account="admin"):
                weights[collation, batch[row["position"] - 1]] = row["weight"]
    return weights
