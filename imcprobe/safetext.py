r"""The one sanitiser: a stranger's bytes or text -> printable text, reversible.

Everything a server said passes here before it reaches a terminal, a file, a log or a message.
What stays is what a person sees, one behind the other: printable characters that are read from left
to right and have a width of their own. Everything else (C0 with TAB and LF, DEL, C1, bidi and other
format characters, letters and digits of scripts that are read from right to left, zero-width and
combining characters, blanks that are not U+0020, unassigned and private code points, bytes that are
not UTF-8) is written byte by byte as `\xNN`, and a backslash itself as `\\`, so that `restore` gives
the bytes back.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from contextlib import suppress

# Letters and symbols by their category. Blank to the eye: Hangul fillers (Default_Ignorable_Code_Point of
# Unicode), the empty braille pattern, what stands for an object that is not there, a note without a head,
# blanks of hieroglyphs. Drawn into the character before: vowels and finals of Hangul
# (Hangul_Syllable_Type V and T), skin colours (Emoji_Modifier).
_BLANK = "\u115f\u3164\uffa0\u2800\ufffc\U0001d159\U00013441\U00013442"
_JOINING = (range(0x1160, 0x1200), range(0xD7B0, 0xD7FC), range(0x1F3FB, 0x1F400))
_UNSEEN = frozenset(_BLANK).union(*(map(chr, codes) for codes in _JOINING))
_MARKS = frozenset({"Mn", "Mc", "Me"})
# They turn the digits and cells around them (UAX #9, strong types and Arabic digits).
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
LONGEST_QUOTE = 80
# More characters than a scan meets, and no more room than a stranger may fill: 2 MB.
_REMEMBERED = 8192
_ESCAPES = re.compile(r"(?:\\x[0-9a-f]{2})+|(?:\\\\)+")


def safe(data: bytes | bytearray | str) -> str:
    r"""Show `data` in printable characters only.

    >>> print(safe(b"220 \x1b[2Jh\xff\r\n"))
    220 \x1b[2Jh\xff\x0d\x0a
    """
    text = data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return text.translate(_TABLE)


def restore(text: str) -> bytes:
    r"""The bytes that `safe` was given.

    >>> restore(safe(b"\\ \x1b \xff"))
    b'\\ \x1b \xff'
    """
    # Nearly all that is stored has nothing to restore, and records come by the million.
    return b"".join(_bytes_of(text)) if "\\" in text else text.encode()


def quoted(text: str) -> str:
    """What a user or a file wrote, in quotes for a message: safe and not too long."""
    return f'"{safe(clip(text, LONGEST_QUOTE))}"'


def printable(sentence: str) -> str:
    """Make a sentence printable that may quote what is safe already: its backslashes stay."""
    return safe(sentence).replace("\\\\", "\\")


def escaped(error: UnicodeError) -> tuple[str, int]:
    r"""Show what a stream's encoding lacks as bytes too; made for `codecs.register_error`.

    Python's own `backslashreplace` writes `\xe9` for a letter, where here it is a byte: `restore` could
    not tell.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return _as_bytes(error.object[error.start : error.end]), error.end


class _Table(dict[int, str]):
    """What each character is shown as, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        shown = self[code] = _shown(chr(code))
        return shown


def to_bytes(text: str) -> bytes:
    """Encode any text: a lone surrogate was a byte that is no UTF-8, or came out of JSON."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """The text of a file as editors and shells write it: UTF-8 or UTF-16, with or without a BOM.

    Bytes that are neither become lone surrogates, which `safe` shows and `to_bytes` gives back.
    """
    encoding = _utf_16_of(data)
    if encoding is not None:
        with suppress(UnicodeDecodeError):
            return data.decode(encoding)
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def to_utf_8(data: bytes) -> bytes:
    """What `to_bytes(decode(data))` gives, no copy of it where there is nothing to decode."""
    return data.removeprefix(codecs.BOM_UTF8) if _utf_16_of(data) is None else to_bytes(decode(data))


def _utf_16_of(data: bytes) -> str | None:
    """Which UTF-16 the text of a file is in, None for neither.

    All of the file counts: one line of a stranger's that looks like it must not spoil the others.
    """
    if 0 not in data:
        return None
    zeros = data[::2].count(0), data[1::2].count(0)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if min(zeros) > 0 or max(zeros) * 4 <= len(data):  # of plain text every other byte is zero
        return None
    return "utf-16-le" if zeros[1] else "utf-16-be"


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, the last an ellipsis when any are left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _shown(char: str) -> str:
    if char == "\\":
        return r"\\"
    return char if char.isprintable() and _is_seen(char) else _as_bytes(char)


def _is_seen(char: str) -> bool:
    """Whether a printable character is seen as itself, and stands where it was written."""
    return (
        char not in _UNSEEN
        and unicodedata.category(char) not in _MARKS
        and unicodedata.bidirectional(char) not in _RIGHT_TO_LEFT
    )


def _as_bytes(text: str) -> str:
    return "\\x" + to_bytes(text).hex("-").replace("-", "\\x")


def _bytes_of(text: str) -> list[bytes]:
    parts: list[bytes] = []
    at = 0
    for found in _ESCAPES.finditer(text):
        parts.append(text[at : found.start()].encode())
        run = found[0]
        parts.append(bytes.fromhex(run.replace("\\x", "")) if "x" in run else run[::2].encode())
        at = found.end()
    parts.append(text[at:].encode())
    return parts


_TABLE = _Table()
