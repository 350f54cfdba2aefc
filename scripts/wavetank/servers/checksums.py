"""The SQL that says what rows hold: one row as text and as a hash, and one number for many rows.

A row is written as its columns' values with commas between them. What has no comma in it (numbers, times, hexadecimal
digits) stands for itself, other short text comes after its length, what may be long comes as its own hash, and a NULL
is an N, which none of the others is. So two different rows never are the same text, whatever their values hold. Text
counts by its bytes: neither collation nor the connection's character set play a part. Of JSON, which would print a
DATE and the same word alike, the size in which it is stored counts as well: what is left the same is a number of two
JSON types that print alike and take as many bytes, and MySQL itself says that those are equal.

The number for many rows is made of two sums of 64 bits each of the rows' SHA-256, neither of which ever wraps around.
Unlike an XOR, in which a pair of equal changes vanishes, a sum knows how often each row is there. Of rows that were
not chosen for it, two different sets have the same number once in 2**128 comparisons. Somebody who can try rows out
could make such sets, by far less work: this finds accidents and mistakes, and is no proof against a forger.
"""

from collections.abc import Iterable
from typing import Protocol

# What a statement that runs into its MAX_EXECUTION_TIME ends with.
TOO_LATE = 3024
_SHORT_TEXT = ("char", "varchar")
_SHORT_BYTES = ("binary", "varbinary", "bit")
_WITH_LENGTH = "CONCAT(LENGTH({0}), ':', CAST({0} AS BINARY))"
# How a value is written; of a type that is not here, by its hash.
_WRITTEN = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double"), "{0}"),
    **dict.fromkeys(("date", "datetime", "time", "year"), "{0}"),
    # As it is stored, whatever the session's time zone.
    "timestamp": "UNIX_TIMESTAMP({0})",
    # A FLOAT prints six digits, and has more.
    "float": "CAST({0} AS DOUBLE)",
    **dict.fromkeys(_SHORT_BYTES, "HEX({0})"),
    **dict.fromkeys(_SHORT_TEXT, _WITH_LENGTH),
    # A value that is not allowed reads as '', which may be allowed, too.
    **dict.fromkeys(("enum", "set"), f"CONCAT(CAST({{0}} AS UNSIGNED), ':', {_WITH_LENGTH})"),
    # Stored anew, as what was changed in its place is spread wider.
    "json": "CONCAT(SHA2({0}, 256), JSON_STORAGE_SIZE(JSON_ARRAY({0})))",
}
# Above the sum of 64 bits of each of 10**12 rows.
_SHIFT = 10**32


class Column(Protocol):
    """What must be known of a column: the SQL for its value, its DATA_TYPE, and whether it may be NULL."""

    @property
    def quoted(self) -> str:
        """The column's name as SQL takes it."""

    @property
    def kind(self) -> str:
        """Its type as information_schema.COLUMNS.DATA_TYPE has it."""

    @property
    def nullable(self) -> bool:
        """Whether it may be NULL."""


def as_text(columns: Iterable[Column]) -> str:
    """Return the SQL for the text that stands for these columns of a row; different values never have the same."""
    written = ((_WRITTEN.get(each.kind, "SHA2({0}, 256)").format(each.quoted), each.nullable) for each in columns)
    parts = (f"COALESCE({value}, 'N')" if nullable else value for value, nullable in written)
    return f"CONCAT_WS(',', {', '.join(parts)})"


def row_hash(columns: Iterable[Column]) -> str:
    """Return the SQL for a row's SHA-256, in hexadecimal digits.

    It is never NULL: what could become longer than max_allowed_packet is in the text by its own hash.
    """
    return f"SHA2({as_text(columns)}, 256)"


def checksum(row_hash: str) -> str:
    """Return the SQL for the number that stands for all rows of a group, 0 without any; COUNT(*) belongs beside it."""
    first, second = (f"SUM(CAST(CONV(SUBSTRING({row_hash}, {at}, 16), 16, 10) AS UNSIGNED))" for at in (1, 17))
    return f"COALESCE({first} * {_SHIFT} + {second}, 0)"


def read_text(text: bytes, columns: Iterable[Column]) -> list[str]:
    """Return the values in what as_text() wrote, as people read them; bytes as 0x and hexadecimal digits."""
    values = []
    for column in columns:
        if text.startswith(b"N,") or text == b"N":
            value, text = "NULL", text[2:]
        elif column.kind in _SHORT_TEXT:
            length, _, rest = text.partition(b":")
            value, text = rest[: int(length)].decode(errors="replace"), rest[int(length) + 1 :]
        else:
            part, _, text = text.partition(b",")
            value = f"{'0x' * (column.kind in _SHORT_BYTES)}{part.decode()}"
        values.append(value)
    return values
