r"""The one sanitiser: a stranger's bytes or text -> printable text, reversible.

Everything a server said passes here before it reaches a terminal, a file, a log or a message.
What stays is what a person sees: printable characters. Everything else (C0 with TAB and LF, DEL,
C1, bidi and other format characters, zero-width and combining ones, blanks that are not U+0020,
unassigned and private code points, bytes that are not UTF-8) is written byte by byte as `\xNN`,
and a backslash itself as `\\`, so that `restore` gives the bytes back.
"""

from __future__ import annotations

import re
import unicodedata

# Letters by their category, blank to the eye: Hangul fillers (Unicode, Default_Ignorable_Code_Point)
# and the empty braille pattern.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|(\\))")


def safe(data: bytes | bytearray | str) -> str:
    r"""Show `data` in printable characters only.

    >>> print(safe(b"220 \x1b[2Jh\xff\r\n"))
    220 \x1b[2Jh\xff\x0d\x0a
    """
    text = data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_shown, text))


def restore(text: str) -> bytes:
    r"""The bytes that `safe` was given.

    >>> restore(safe(b"\\ \x1b \xff"))
    b'\\ \x1b \xff'
    """
    return b"".join(_bytes_of(text))


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, the last an ellipsis when any are left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _shown(char: str) -> str:
    if char == "\\":
        return r"\\"
    if char.isprintable() and char not in _INVISIBLE and unicodedata.category(char) not in {"Mn", "Me"}:
        return char
    return "".join(f"\\x{byte:02x}" for byte in _encoded(char))


def _encoded(char: str) -> bytes:
    # A lone surrogate is either a byte that was no UTF-8 (surrogateescape) or came out of JSON.
    try:
        return char.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return char.encode("utf-8", "surrogatepass")


def _bytes_of(text: str) -> list[bytes]:
    parts: list[bytes] = []
    at = 0
    for found in _ESCAPE.finditer(text):
        parts.append(text[at : found.start()].encode())
        parts.append(bytes.fromhex(found[1]) if found[1] else b"\\")
        at = found.end()
    parts.append(text[at:].encode())
    return parts
