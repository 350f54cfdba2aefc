"""JSON documents as MySQL 9.7 writes them into its binary log, read with the types that text does not say."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wavetank.errors import UsageError
from wavetank.servers.binlog.documents import Document, Typed, read_document

# The bytes were taken from a server's log.
DECIMAL = "0003002500190001001a0001001b0001000f1c00040000040100646e74f6070b027ffffffecd"
MIXED = "0205002300060700091300071b0005fbff0f1f0000f2052a01000000701101000f02ff00"


@pytest.mark.parametrize(
    ("data", "text", "typed"),
    [
        (DECIMAL, '{"d": -1.50, "n": null, "t": true}', [Typed('$."d"', "DECIMAL(3,2)", "-1.50")]),
        ("0f0a08000000000044a519", '"2020-01-02"', [Typed("$", "DATE", "2020-01-02")]),
        ("0f0b08702ffc7e38ffffff", '"-12:30:01.250000"', [Typed("$", "TIME(6)", "-12:30:01.250000")]),
        (
            "0f0c0870580a053144a519",
            '"2020-01-02 03:04:05.678000"',
            [Typed("$", "DATETIME(6)", "2020-01-02 03:04:05.678000")],
        ),
        (
            "00010016000b0001000f0c00730708000000053144a519",
            '{"s": "2020-01-02 03:04:05.000000"}',
            [Typed('$."s"', "TIMESTAMP(6)", "2020-01-02 03:04:05.000000")],
        ),
        (
            MIXED,
            '[7, 5000000000, 70000, -5, "ff00"]',
            [
                Typed("$[0]", "BIGINT UNSIGNED", "7"),
                Typed("$[1]", "BIGINT", "5000000000"),
                Typed("$[4]", "VARBINARY(2)", b"\xff\x00"),
            ],
        ),
        ("00010010000b0001000f0c006210020101", '{"b": "0101"}', [Typed('$."b"', "BIT(16)", "257")]),
    ],
)
def test_what_text_does_not_say_is_kept_beside_it(data: str, text: str, typed: list[Typed]) -> None:
    assert read_document(bytes.fromhex(data)) == Document(text, tuple(typed))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("", "null"),
        ("0400", "null"),
        ("0200000400", "[]"),
        ("00010025000b0005000210006120226222020015000b0a000c1200000000000000f83f02c3a9", '{"a \\"b\\"": [1.5, "é"]}'),
    ],
)
def test_a_document_of_which_text_says_all_is_text(data: str, text: str) -> None:
    assert read_document(bytes.fromhex(data)) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_is_written_so_that_the_same_one_is_read(value: float) -> None:
    text = read_document(b"\x0b" + struct.pack("<d", value))
    assert struct.pack("<d", float(str(text))) == struct.pack("<d", value)


def test_bytes_are_recorded_as_hexadecimal_digits_and_all_else_as_text() -> None:
    document = read_document(bytes.fromhex(MIXED))
    assert isinstance(document, Document)
    assert document.as_dict() == {
        "json": document.text,
        "typed": [
            {"path": "$[0]", "type": "BIGINT UNSIGNED", "value": "7"},
            {"path": "$[1]", "type": "BIGINT", "value": "5000000000"},
            {"path": "$[4]", "type": "VARBINARY(2)", "hex": "ff00"},
        ],
    }


@pytest.mark.parametrize("data", ["0ff20101", "0d00"], ids=["a vector", "a kind of tomorrow"])
def test_what_cannot_be_made_again_is_refused(data: str) -> None:
    with pytest.raises(UsageError, match="cannot be"):
        read_document(bytes.fromhex(data))
