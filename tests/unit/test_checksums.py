"""A row as text: two different rows never are the same, and the key is read back from it."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wavetank.servers.checksums import as_text, checksum, read_text, row_hash


@dataclass(frozen=True)
class Col:
    name: str
    kind: str
    nullable: bool = False

    @property
    def quoted(self) -> str:
        return f"`{self.name}`"


KINDS = ("int", "decimal", "datetime", "char", "varchar", "varbinary")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def written(kind: str, value: str | bytes | None) -> bytes:
    """Write a value as the SQL of as_text() lets the server do it."""
    if value is None:
        return b"N"
    if isinstance(value, bytes):
        return value.hex().upper().encode()
    data = value.encode()
    return b"%d:%b" % (len(data), data) if kind in ("char", "varchar") else data


@st.composite
def rows(draw: st.DrawFn, kinds: list[str]) -> list[str | bytes | None]:
    values = {
        "int": st.integers().map(str), "decimal": st.decimals(-9, 9, places=2).map(str),
        "datetime": st.datetimes().map(str), "char": texts, "varchar": texts, "varbinary": st.binary(max_size=4),
    }  # fmt: skip
    return [draw(st.none() | values[kind]) for kind in kinds]


@st.composite
def two_rows(draw: st.DrawFn) -> tuple[list[str], list[str | bytes | None], list[str | bytes | None]]:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    return kinds, draw(rows(kinds)), draw(rows(kinds))


@given(two_rows())
def test_two_rows_have_the_same_text_only_if_they_are_the_same(
    drawn: tuple[list[str], list[str | bytes | None], list[str | bytes | None]],
) -> None:
    kinds, one, other = drawn
    text_of_one, text_of_other = (
        b",".join(written(kind, value) for kind, value in zip(kinds, row, strict=True)) for row in (one, other)
    )
    assert (text_of_one == text_of_other) == (one == other)


@given(two_rows())
def test_a_key_is_read_back_from_its_text(
    drawn: tuple[list[str], list[str | bytes | None], list[str | bytes | None]],
) -> None:
    kinds, row, _ = drawn
    text = b",".join(written(kind, value) for kind, value in zip(kinds, row, strict=True))
    read = read_text(text, [Col("c", kind, nullable=True) for kind in kinds])
    assert read == [
        "NULL" if value is None else f"0x{value.hex().upper()}" if isinstance(value, bytes) else value for value in row
    ]


def test_a_key_that_is_no_utf_8_can_still_be_read() -> None:
    assert read_text(b"2:a\xff,7", [Col("c", "varchar"), Col("d", "int")]) == ["a\N{REPLACEMENT CHARACTER}", "7"]


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        ("int", "`c`"),
        ("double", "`c`"),
        ("float", "CAST(`c` AS DOUBLE)"),
        ("timestamp", "UNIX_TIMESTAMP(`c`)"),
        ("bit", "HEX(`c`)"),
        ("varbinary", "HEX(`c`)"),
        ("varchar", "CONCAT(LENGTH(`c`), ':', CAST(`c` AS BINARY))"),
        ("enum", "CONCAT(CAST(`c` AS UNSIGNED), ':', CONCAT(LENGTH(`c`), ':', CAST(`c` AS BINARY)))"),
        ("json", "CONCAT(SHA2(`c`, 256), JSON_STORAGE_SIZE(JSON_ARRAY(`c`)))"),
        ("longtext", "SHA2(`c`, 256)"),
        ("geometry", "SHA2(`c`, 256)"),
        ("a type of tomorrow", "SHA2(`c`, 256)"),
    ],
)
def test_each_type_is_written_so_that_nothing_of_it_is_lost(kind: str, sql: str) -> None:
    assert as_text([Col("c", kind)]) == f"CONCAT_WS(',', {sql})"
    assert as_text([Col("c", kind, nullable=True)]) == f"CONCAT_WS(',', COALESCE({sql}, 'N'))"


def test_a_checksum_adds_two_parts_of_a_hash_that_do_not_overlap() -> None:
    sql = checksum(row_hash([Col("c", "int")]))
    assert sql.count("SHA2(CONCAT_WS(',', `c`), 256)") == 2
    assert ", 1, 16), 16, 10)" in sql
    assert ", 17, 16), 16, 10)" in sql
    assert "XOR" not in sql
