"""SMTP replies, parsed without I/O.

    RFC 5321, 4.2:  Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
                    Reply-code = %x32-35 %x30-35 %x30-39, the same on every line (4.2.1)

What real servers force on every reader: LF alone as the line end, a code with nothing behind it,
a second digit up to 9, any byte in the text. What is not accepted: a code that is not three ASCII
digits of 200 to 599 followed by a blank, "-" or the line's end, and codes that differ from line
to line.
"""

from __future__ import annotations

import re

from imcprobe.errors import ReplyError
from imcprobe.evidence import Reply

# No server needs more to say who it is; more is an attack on whoever reads it.
MAX_REPLY_BYTES = 64 * 1024
# More lines than any banner of a lawyer, fewer than would cost a reader anything.
MAX_REPLY_LINES = 4_000

GREETING = 220
"""The code of a greeting (RFC 5321, 4.3.2)."""
FIRST_REFUSAL = 400
"""From here on a code says no (RFC 5321, 4.2.1)."""

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_SINGLE = re.compile(rb"[2-5][0-9][0-9](?: [^\n]*)?\r?\n")
_BEGUN = re.compile(rb"[2-5](?:[0-9](?:[0-9](?:[ \r-][^\n]*)?)?)?")


def is_plain_greeting(data: bytes) -> bool:
    """Whether `data` is a greeting of one line, and nothing else: what nearly every server says.

    Asked of every greeting of a scan: False for a code without text, which is as good and next to unknown.
    """
    return data.startswith(b"220 ") and data.find(b"\n") == len(data) - 1


def is_single(data: bytes) -> bool:
    """Whether `data` is one whole single-line reply and nothing else: the usual case, found fast."""
    return len(data) <= MAX_REPLY_BYTES and _SINGLE.fullmatch(data) is not None


def parse_reply(data: bytes) -> tuple[Reply, int] | None:
    r"""Read the reply that `data` begins with: it and its length in bytes, or None for "need more".

    Raises ReplyError when `data` can be no reply, whatever follows.

    >>> parse_reply(b"220-a\r\n220 b\r\nmore")
    (Reply(code=220, lines=('a', 'b')), 14)
    """
    reader = ReplyReader()
    if not reader.feed(data):
        return None
    return reader.reply, reader.length


class ReplyReader:
    """Collects a reply that comes in pieces; each byte is looked at once, however small they are.

    `data` holds all that came, `length` how much of it is the reply once `feed` returned True.
    """

    __slots__ = ("_code", "_lines", "data", "length")

    def __init__(self) -> None:
        self.data = bytearray()
        self.length = 0
        self._code = b""
        self._lines: list[bytes] = []

    @property
    def code(self) -> int:
        """The code of the complete reply."""
        return int(self._code)

    @property
    def reply(self) -> Reply:
        """The complete reply."""
        return Reply(self.code, tuple(line.decode("utf-8", "surrogateescape") for line in self._lines))

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes; True when the reply is complete.

        Raises ReplyError when it can be none or passes a bound; `data` has the bytes then, too.
        """
        seen = len(self.data)
        self.data += chunk
        # What lies beyond the bound is not looked at: it could come later as well.
        while (end := self.data.find(b"\n", max(seen, self.length), MAX_REPLY_BYTES)) >= 0:
            last = self._take(bytes(self.data[self.length : end]))
            self.length = end + 1
            if last:
                return True
        self._check_bounds()
        return False

    def _take(self, line: bytes) -> bool:
        found = _LINE.fullmatch(line.removesuffix(b"\r"))
        if found is None:
            raise ReplyError("a line without a reply code")
        code, separator, text = found.groups()
        if self._code not in (b"", code):
            raise ReplyError(f"reply lines disagree: {self._code.decode()} and {code.decode()}")
        self._code = code
        self._lines.append(text or b"")
        if len(self._lines) > MAX_REPLY_LINES:
            raise ReplyError("a reply without an end")
        return separator != b"-"

    def _check_bounds(self) -> None:
        # Four bytes decide whether a line has a code: no need to wait for the end of a line that has none.
        begun = bytes(self.data[self.length : min(self.length + 4, MAX_REPLY_BYTES)])
        if begun and _BEGUN.fullmatch(begun) is None:
            raise ReplyError("a line without a reply code")
        if len(self.data) > MAX_REPLY_BYTES:
            raise ReplyError("a reply without an end")
