"""A row as the binary log has it, turned into text and bytes that a server takes back unchanged.

mysql-replication's own decoder makes Python objects of the values, and loses what those cannot say: zero
dates, JSON's null beside SQL's, negative fractions of a second. Formats: MySQL source, Field::pack() of each
type and mysys/my_time.cc.
"""

import datetime as dt
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pymysqlreplication.constants import FIELD_TYPE
from pymysqlreplication.row_event import RowsEvent

from wavetank.errors import UsageError
from wavetank.servers.binlog.documents import Document, read_document
from wavetank.servers.binlog.packed import Buffer, decimal_text

Value = str | bytes | Document | None
Image = Mapping[str, Value]

_INTEGER_BYTES = {
    FIELD_TYPE.TINY: 1,
    FIELD_TYPE.SHORT: 2,
    FIELD_TYPE.INT24: 3,
    FIELD_TYPE.LONG: 4,
    FIELD_TYPE.LONGLONG: 8,
}


def decode_rows(data: bytes, columns: Sequence[Any], images: int) -> list[tuple[Image, ...]]:
    """Return the rows of an event, each as its `images` (2 for an update: before and after; else 1).

    `columns` are mysql-replication's, as the event's table map describes them; every column is present
    (binlog_row_image=FULL).

    Raises:
        UsageError: a column is of a type that is not known here.
    """
    buffer = Buffer(data)
    rows = []
    while buffer:
        rows.append(tuple(_image(buffer, columns) for _ in range(images)))
    return rows


def _image(buffer: Buffer, columns: Sequence[Any]) -> Image:
    nulls = buffer.little((len(columns) + 7) // 8)
    return {column.name: None if nulls >> at & 1 else _value(buffer, column) for at, column in enumerate(columns)}


def _value(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401 - the library's columns are untyped
    if size := _INTEGER_BYTES.get(column.type):
        return str(buffer.little(size, signed=not column.unsigned))
    decode = _DECODERS.get(column.type)
    if decode is None:
        raise UsageError(f"column {column.name} is of a type (number {column.type}) that cannot be read yet")
    return decode(buffer, column)


def _string(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    return _text(buffer.take(buffer.little(2 if column.max_length > 255 else 1)), column)  # noqa: PLR2004


def _blob(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    return _text(buffer.take(buffer.little(column.length_size)), column)


def _text(data: bytes, column: Any) -> Value:  # noqa: ANN401
    """Return text as such where Python knows its character set, else the bytes, which the server knows."""
    if column.character_set_name in (None, "binary"):
        return data
    try:
        return data.decode(RowsEvent.charset_to_encoding(column.character_set_name))
    except (LookupError, UnicodeDecodeError):
        return data


def _bytes(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    return buffer.take(buffer.little(column.length_size))


def _bit(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    return buffer.take(column.bytes)


def _float(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    return repr(struct.unpack("<f" if column.type == FIELD_TYPE.FLOAT else "<d", buffer.take(column.size))[0])


def _enum(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    at = buffer.little(column.size)
    return str(column.enum_values[at]) if at else ""


def _set(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    mask = buffer.little(column.size)
    return ",".join(value for at, value in enumerate(column.set_values) if mask >> at & 1)


def _year(buffer: Buffer, _: Any) -> Value:  # noqa: ANN401
    year = buffer.little(1)
    return str(1900 + year) if year else "0000"


def _date(buffer: Buffer, _: Any) -> Value:  # noqa: ANN401
    packed = buffer.little(3)
    return f"{packed >> 9:04d}-{packed >> 5 & 15:02d}-{packed & 31:02d}"


def _datetime(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    packed = buffer.big(5) - 0x8000000000
    month, rest = packed >> 22, packed & 0x3FFFFF
    date = f"{month // 13:04d}-{month % 13:02d}-{rest >> 17:02d}"
    return f"{date} {rest >> 12 & 31:02d}:{rest >> 6 & 63:02d}:{rest & 63:02d}{_fraction(buffer, column)}"


def _timestamp(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    seconds = buffer.big(4)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return (f"{moment:%Y-%m-%d %H:%M:%S}" if seconds else "0000-00-00 00:00:00") + _fraction(buffer, column)


def _time(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    # Sign, time and fraction are one number: a negative fraction borrows from the seconds.
    places = (column.fsp + 1) // 2
    packed = buffer.big(3 + places) - (0x800000 << 8 * places)
    clock, fraction = divmod(abs(packed), 1 << 8 * places)
    digits = f".{fraction:0{2 * places}d}"[: column.fsp + 1] if column.fsp else ""
    return f"{'-' * (packed < 0)}{clock >> 12:02d}:{clock >> 6 & 63:02d}:{clock & 63:02d}{digits}"


def _fraction(buffer: Buffer, column: Any) -> str:  # noqa: ANN401
    places = (column.fsp + 1) // 2
    return f".{buffer.big(places):0{2 * places}d}"[: column.fsp + 1] if places else ""


def _decimal(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    return decimal_text(buffer, column.precision, column.decimals)


def _json(buffer: Buffer, column: Any) -> Value:  # noqa: ANN401
    return read_document(buffer.take(buffer.little(column.length_size)))


_DECODERS: Mapping[int, Callable[[Buffer, Any], Value]] = {
    FIELD_TYPE.VARCHAR: _string,
    FIELD_TYPE.STRING: _string,
    FIELD_TYPE.VAR_STRING: _string,
    FIELD_TYPE.BLOB: _blob,
    FIELD_TYPE.GEOMETRY: _bytes,
    FIELD_TYPE.BIT: _bit,
    FIELD_TYPE.FLOAT: _float,
    FIELD_TYPE.DOUBLE: _float,
    FIELD_TYPE.ENUM: _enum,
    FIELD_TYPE.SET: _set,
    FIELD_TYPE.YEAR: _year,
    FIELD_TYPE.DATE: _date,
    FIELD_TYPE.DATETIME2: _datetime,
    FIELD_TYPE.TIMESTAMP2: _timestamp,
    FIELD_TYPE.TIME2: _time,
    FIELD_TYPE.NEWDECIMAL: _decimal,
    FIELD_TYPE.JSON: _json,
}
