"""The values of a record, each checked before it is believed: bounded, and of one type.

Every function raises ValueError or TypeError for what a record does not have in that place.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from imcprobe.fingerprint.reply import MAX_REPLY_BYTES, MAX_REPLY_LINES
from imcprobe.safetext import restore

# Text is counted as it is shown, four characters for a byte; the longest is the name of a file (4,096 bytes).
MAX_TEXT = 1 << 15
MAX_LINES = 4 * MAX_REPLY_BYTES


def text(value: Any, most: int = MAX_TEXT) -> str:
    """Text of a stranger, its bytes restored; `most` characters as it is shown."""
    if not isinstance(value, str) or len(value) > most:
        raise ValueError
    return restore(value).decode("utf-8", "surrogateescape")


def optional_text(value: Any, most: int = MAX_TEXT) -> str | None:
    """The same, or None."""
    return None if value is None else text(value, most)


def texts(value: Any, most: int = MAX_LINES, count: int = MAX_REPLY_LINES) -> tuple[str, ...]:
    """A list of texts: `count` of them and `most` characters in all."""
    if not isinstance(value, list) or len(value) > count or sum(map(len, value)) > most:
        raise ValueError
    return tuple(text(line, most) for line in value)


def optional_texts(value: Any) -> tuple[str, ...] | None:
    """The lines of a reply, or None."""
    return None if value is None else texts(value)


def data(value: Any, most: int) -> bytes:
    """Bytes in Base64, which has `most` characters."""
    if not isinstance(value, str) or len(value) > most:
        raise ValueError
    return b64decode(value, validate=True)


def number(value: Any, most: int, *, least: int) -> int:
    """An integer, and no boolean."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError
    return value


def flag(value: Any) -> bool:
    """True or False, no number."""
    if type(value) is not bool:
        raise ValueError
    return value


def optional_flag(value: Any) -> bool | None:
    """The same, or None."""
    return None if value is None else flag(value)
