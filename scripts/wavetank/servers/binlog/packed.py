"""Bytes in MySQL's own formats, read from front to back."""

_DIGITS_A_WORD = 9
_BYTES_OF_DIGITS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)


class Buffer:
    """The bytes of a row event or of a value, read from front to back."""

    def __init__(self, data: bytes | memoryview) -> None:
        """Start at the first byte."""
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether there is anything left."""
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        self._at += count
        return bytes(self._data[self._at - count : self._at])

    def little(self, count: int, *, signed: bool = False) -> int:
        """Return the next bytes as a little-endian number."""
        return int.from_bytes(self.take(count), "little", signed=signed)

    def big(self, count: int) -> int:
        """Return the next bytes as a big-endian number."""
        return int.from_bytes(self.take(count), "big")


def decimal_text(buffer: Buffer, precision: int, scale: int) -> str:
    """Return the next DECIMAL as text: so many digits in all, of which `scale` behind the point."""
    words, digits = divmod(precision - scale, _DIGITS_A_WORD)
    more_words, more_digits = divmod(scale, _DIGITS_A_WORD)
    groups = [digits, *[_DIGITS_A_WORD] * (words + more_words), more_digits]
    data = bytearray(buffer.take(sum(_BYTES_OF_DIGITS[group] for group in groups)))
    negative = not data[0] & 0x80
    data[0] ^= 0x80
    if negative:
        data = bytearray(byte ^ 0xFF for byte in data)
    packed = Buffer(bytes(data))
    text = "".join(f"{packed.big(_BYTES_OF_DIGITS[group]):0{group}d}" for group in groups if group)
    point = len(text) - scale
    return f"{'-' * negative}{text[:point].lstrip('0') or '0'}{'.' * bool(scale)}{text[point:]}"
