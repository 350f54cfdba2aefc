"""What a session may be given as `after`: a set of GTIDs, which comes from outside, perhaps out of a cookie."""

import re

from wavetank.errors import UsageError

# Source: MySQL reference manual, "GTID Format and Storage"; the last number that a transaction can have.
LAST_NUMBER = 2**63 - 2
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_TAG = r"[a-z_][a-z0-9_]{0,31}"
_PART = re.compile(rf"{_UUID}(?::(?:{_TAG}:)?[0-9]+(?:-[0-9]+)?)+")
_INTERVAL = re.compile(r":([0-9]+)(?:-([0-9]+))?(?=:|$)")
# More digits than the last number has; int() takes its time for very many.
_TOO_LONG = re.compile(r"[0-9]{20}")


def checked(after: str) -> str:
    """Return a token without its white space; '' is one that demands nothing.

    Raises:
        UsageError: it is no set of GTIDs as MySQL writes it.
    """
    token = "".join(after.split()) if isinstance(after, str) else "?"
    if token and not all(_is_part(part) for part in token.split(",")):
        raise UsageError(
            f"after={str(after)[:80]!r} is no set of GTIDs: it is what session.gtids of an earlier session said"
        )
    return token


def _is_part(part: str) -> bool:
    if _TOO_LONG.search(part) or not _PART.fullmatch(part):
        return False
    intervals = [(int(first), int(last or first)) for first, last in _INTERVAL.findall(part)]
    return all(1 <= first <= last <= LAST_NUMBER for first, last in intervals)
