"""A JSON document as a row event has it, with the types that JSON text cannot say.

MySQL keeps a DECIMAL, a DATE or bytes inside of a document as what they are; from text they come back as a double or
a string. So each of them is told beside the text: where it is, its type, and its value, out of which the server makes
it again; of the four sizes of a BLOB all come back as BLOB. Format: MySQL source, sql-common/json_binary.h.
"""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pymysqlreplication.constants import FIELD_TYPE

from wavetank.errors import UsageError
from wavetank.servers.binlog.packed import Buffer, decimal_text

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY, _LITERAL = range(5)
_DOUBLE, _STRING, _OPAQUE = 0x0B, 0x0C, 0x0F
# Bytes of each integer, and whether it is signed.
_INTEGERS = {0x05: (2, True), 0x06: (2, False), 0x07: (4, True), 0x08: (4, False), 0x09: (8, True), 0x0A: (8, False)}
_LITERALS = ("null", "true", "false")
# From text, numbers from here on are unsigned, and those below are not.
_UNSIGNED_FROM = 2**32


@dataclass(frozen=True)
class Typed:
    """A value in a document that its text does not say: at which path, of which SQL type, and its value, or bytes."""

    path: str
    type: str
    value: str | bytes


@dataclass(frozen=True)
class Document:
    """A JSON document: its text, and what of it is of another type than that text would be."""

    text: str
    typed: tuple[Typed, ...]

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def as_dict(self) -> dict[str, object]:
        """Return it as wavetank.StageRow takes it."""
        typed = [
            {"path": each.path, "type": each.type}
            | ({"hex": each.value.hex()} if isinstance(each.value, bytes) else {"value": each.value})
            for each in self.typed
        ]
        return {"json": self.text, "typed": typed}


def read_document(data: bytes) -> str | Document:
    """Return a document, as text where that says all of it.

    Raises:
        UsageError: it has a value of a type that cannot be made again.
    """
    if not data:
        return "null"
    reader = _Reader()
    text = reader.value(data[0], memoryview(data)[1:], "$")
    return Document(text, tuple(reader.typed)) if reader.typed else text


class _Reader:
    """Reads a document value by value, and keeps those that text cannot say."""

    def __init__(self) -> None:
        self.typed: list[Typed] = []

    def value(self, kind: int, data: memoryview, path: str) -> str:
        """Return the text of the value that begins with `data`."""
        if kind <= _LARGE_ARRAY:
            return self._container(kind, data, path)
        if kind == _LITERAL:
            return _LITERALS[data[0]]
        if kind in _INTEGERS:
            return self._integer(kind, data, path)
        if kind == _DOUBLE:
            return repr(_double(data))
        if kind == _STRING:
            return _quoted(_sized(Buffer(data)).decode())
        if kind == _OPAQUE:
            return self._opaque(data, path)
        raise UsageError(f"a JSON document has a value of a kind (number {kind}) that cannot be read")

    def _container(self, kind: int, data: memoryview, path: str) -> str:
        small = kind in (_SMALL_OBJECT, _SMALL_ARRAY)
        is_object = kind in (_SMALL_OBJECT, _LARGE_OBJECT)
        width = 2 if small else 4
        header = Buffer(data)
        count = header.little(width)
        header.take(width)
        places = [(header.little(width), header.little(2)) for _ in range(count if is_object else 0)]
        keys = [bytes(data[at : at + length]).decode() for at, length in places]
        parts = []
        for number in range(count):
            inner, entry = header.little(1), header.take(width)
            path_here = f"{path}.{_quoted(keys[number])}" if is_object else f"{path}[{number}]"
            inlined = inner == _LITERAL or (inner in _INTEGERS and _INTEGERS[inner][0] <= width)
            rest = memoryview(entry) if inlined else data[int.from_bytes(entry, "little") :]
            value = self.value(inner, rest, path_here)
            parts.append(f"{_quoted(keys[number])}: {value}" if is_object else value)
        return f"{{{', '.join(parts)}}}" if is_object else f"[{', '.join(parts)}]"

    def _integer(self, kind: int, data: memoryview, path: str) -> str:
        size, signed = _INTEGERS[kind]
        number = Buffer(data).little(size, signed=signed)
        if signed == (number >= _UNSIGNED_FROM):
            self.typed.append(Typed(path, f"BIGINT{' UNSIGNED' * (not signed)}", str(number)))
        return str(number)

    def _opaque(self, data: memoryview, path: str) -> str:
        buffer = Buffer(data)
        kind = buffer.little(1)
        content = _sized(buffer)
        if kind in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL):
            packed = Buffer(content)
            precision, scale = packed.little(1), packed.little(1)
            text = decimal_text(packed, precision, scale)
            # Of what is kept, more digits may be zeros than a DECIMAL can have.
            digits = len(text.lstrip("-0.").replace(".", ""))
            self.typed.append(Typed(path, f"DECIMAL({max(digits, scale, 1)},{scale})", text))
            return text
        if kind in _TIMES:
            type_, read = _TIMES[kind]
            text = read(int.from_bytes(content, "little", signed=True))
            self.typed.append(Typed(path, type_, text))
            return _quoted(text)
        if kind == FIELD_TYPE.BIT:
            self.typed.append(Typed(path, f"BIT({8 * len(content)})", str(int.from_bytes(content, "big"))))
        elif kind in _BYTES:
            self.typed.append(Typed(path, _BYTES[kind].format(len(content)), content))
        else:
            raise UsageError(f"a JSON document has a value of a type (number {kind}) that cannot be made again")
        return _quoted(content.hex())


def _date(packed: int) -> str:
    month, day = packed >> 46, packed >> 41 & 31
    return f"{month // 13:04d}-{month % 13:02d}-{day:02d}"


def _clock(packed: int, hours: int) -> str:
    seconds = packed >> 24
    return f"{seconds >> 12 & hours:02d}:{seconds >> 6 & 63:02d}:{seconds & 63:02d}.{packed & 0xFFFFFF:06d}"


def _moment(packed: int) -> str:
    return f"{_date(packed)} {_clock(packed, 31)}"


def _time(packed: int) -> str:
    return f"{'-' * (packed < 0)}{_clock(abs(packed), 1023)}"


_TIMES: Mapping[int, tuple[str, Callable[[int], str]]] = {
    FIELD_TYPE.DATE: ("DATE", _date),
    FIELD_TYPE.TIME: ("TIME(6)", _time),
    FIELD_TYPE.DATETIME: ("DATETIME(6)", _moment),
    FIELD_TYPE.TIMESTAMP: ("TIMESTAMP(6)", _moment),
}
_BYTES = {
    FIELD_TYPE.VARCHAR: "VARBINARY({})",
    FIELD_TYPE.VAR_STRING: "VARBINARY({})",
    FIELD_TYPE.STRING: "BINARY({})",
    FIELD_TYPE.TINY_BLOB: "TINYBLOB",
    FIELD_TYPE.BLOB: "BLOB",
    FIELD_TYPE.MEDIUM_BLOB: "MEDIUMBLOB",
    FIELD_TYPE.LONG_BLOB: "LONGBLOB",
}


def _double(data: memoryview) -> float:
    (value,) = struct.unpack_from("<d", data)
    return float(value)


def _sized(buffer: Buffer) -> bytes:
    """Return the next bytes, after their number in groups of 7 bits."""
    length, shift = 0, 0
    while True:
        group = buffer.little(1)
        length |= (group & 0x7F) << shift
        shift += 7
        if group < 0x80:  # noqa: PLR2004 - the highest bit says that another group follows
            return buffer.take(length)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
