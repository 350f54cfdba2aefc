"""Keys: what each sharding column holds, as Python, as text, and as a position from 0 to 2**32 - 1.

The position is the same in every process, on every platform and on the server: the first 32 bits of the key's
SHA-256. (MySQL 9.7 has no MD5() of its own.)
"""

import hashlib
import re
from datetime import datetime
from typing import Any

from wavetank.sharding.errors import KeyTypeError, ShardingError

CUSTOMER, COUNTRY, SIGN_UP = "customer_id", "country", "created_at"
Key = int | str | datetime
POSITIONS = 2**32
HIGHEST_ID = 2**64 - 1
_COUNTRY = re.compile(r"[A-Z]{2}")
_TIME = "%Y-%m-%d %H:%M:%S"


def checked(column: str, key: Any) -> Any:  # noqa: ANN401 - whatever an application takes for a key
    """Return `key` if it is what `column` holds.

    Raises:
        KeyTypeError: it is not; the message says what would be.
    """
    if column == CUSTOMER:
        # A bool is an int, and yet nobody's id.
        if isinstance(key, int) and not isinstance(key, bool) and 0 <= key <= HIGHEST_ID:
            return key
        wanted = f"a whole number from 0 to {HIGHEST_ID}"
    elif column == COUNTRY:
        if isinstance(key, str) and _COUNTRY.fullmatch(key):
            return key
        wanted = "two capital letters, like 'DE'"
    else:
        # MySQL's DATETIME has no zone, and rounds what is finer than a second.
        if isinstance(key, datetime) and key.tzinfo is None and not key.microsecond:
            return key
        wanted = "a datetime of whole seconds without a zone"
    raise KeyTypeError(f"{key!r} is no key of this map: {column} is {wanted}")


def read_key(column: str, text: str) -> Key:
    """Return the key that a person wrote as `text`.

    Raises:
        KeyTypeError: `column` holds nothing like it.
    """
    key: Any = text
    if column == CUSTOMER and text.isdecimal():
        key = int(text)
    elif column == SIGN_UP:
        try:
            key = datetime.fromisoformat(text)
        except ValueError:
            key = text
    return checked(column, key)  # type: ignore[no-any-return]


def key_text(key: Key) -> str:
    """Return the key as MySQL writes it, which is what is hashed."""
    # Of a datetime of whole seconds, as all keys are, this is what written() returns.
    return str(key)


def written(moment: datetime) -> str:
    """Return a DATETIME as MySQL writes it."""
    return moment.isoformat(" ", "seconds")


def read_moment(text: Any) -> datetime:  # noqa: ANN401 - what a document holds
    """Return the DATETIME that written() wrote.

    Raises:
        ShardingError: it is none.
    """
    try:
        return datetime.strptime(text, _TIME)  # noqa: DTZ007 - MySQL's DATETIME has no zone
    except (TypeError, ValueError):
        raise ShardingError(f"{text!r} in a shard map is not a moment like 2024-01-31 23:59:59") from None


def position_of(text: str) -> int:
    """Return the position of a key's text, from 0 to POSITIONS - 1."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def sql_position(expression: str) -> str:
    """Return the SQL that gives position_of() of what `expression` gives."""
    return f"CAST(CONV(LEFT(SHA2({expression}, 256), 8), 16, 10) AS UNSIGNED)"
