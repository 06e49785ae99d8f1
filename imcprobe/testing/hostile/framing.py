"""Servers whose bytes come in strange pieces, or never end."""

from __future__ import annotations

from functools import partial
from itertools import repeat

from imcprobe.model import Caveat, Family, Status
from imcprobe.testing import behaviours as do
from imcprobe.testing.hostile.case import (
    CLOSE,
    ENDLESS_LINE,
    ENDLESS_LINES,
    FLOOD,
    MORE,
    PAUSE,
    SP3,
    Expected,
    acts,
    not_smtp,
    says,
    sp3,
)

_LINE = SP3[:-2]
_LEGAL = b"220-Authorised use only\r\n" * 2_000
_BARE = Expected(Status.SUCCESS, b"220\r\n", family=Family.SMTP)
_TEN_MEGABYTES = partial(do.flood, size=10_000_000)


async def _nothing_but(line: do.Line, _data: bytes, piece: bytes) -> None:
    """Say one thing over and over, without a pause."""
    for each in repeat(piece):
        await line.send(each)


CASES = (
    acts("bytes", "a segment for each byte", (partial(do.split, size=1),), sp3()),
    acts("cr-and-lf-apart", "CR and LF in segments of their own", (_LINE, b"\r", 0.05, b"\n"), sp3()),
    acts(
        "hyphen-at-the-end-of-a-segment",
        "a segment ends where a line seems to go on",
        (b"220 ab-", 0.05, b"cd.example.com " + SP3.partition(b"com ")[2]),
        sp3(b"220 ab-cd.example.com " + SP3.partition(b"com ")[2]),
    ),
    says("lf-only", "LF alone ends the line", _LINE + b"\n", sp3(_LINE + b"\n")),
    acts(
        "cr-only",
        "CR alone, which ends no line",
        (_LINE + b"\r" + _LINE + b"\r", do.silence),
        Expected(Status.IO_TIMEOUT, (_LINE + b"\r") * 2),
    ),
    says("cr-cr-lf", "CR CR LF, as a broken converter writes", _LINE + b"\r\r\n", sp3(_LINE + b"\r\r\n")),
    says("code-only", "a code and nothing behind it", b"220\r\n", _BARE),
    says(
        "no-text",
        "a code and a blank",
        b"220 \r\n",
        Expected(Status.SUCCESS, b"220 \r\n", family=Family.SMTP),
    ),
    acts("endless-line", "a line without end", (ENDLESS_LINE,), not_smtp(b"220 AAAA", more=FLOOD)),
    acts("endless-lines", "lines without end", (ENDLESS_LINES,), not_smtp(b"220-imcprobe ", more=FLOOD)),
    acts("ten-megabytes", "a line of 10 MB", (_TEN_MEGABYTES,), not_smtp(b"220 AAAA", more=FLOOD)),
    acts(
        "too-many-lines",
        "more lines than anybody reads, all empty",
        (b"220-\r\n" * 4_001, do.say),
        not_smtp(b"220-\r\n" * 4_001, more=FLOOD),
    ),
    says("many-lines", "the law in 2,000 lines, then the greeting", _LEGAL + SP3, sp3(_LEGAL + SP3)),
    acts(
        "nul-flood",
        "NULs without end",
        (partial(_nothing_but, piece=b"\0" * 4096),),
        not_smtp(b"\0", more=FLOOD),
    ),
    acts(
        "empty-lines",
        "empty lines without end",
        (partial(_nothing_but, piece=b"\r\n" * 2048),),
        not_smtp(b"\r\n", more=FLOOD),
    ),
    says(
        "blank-lines-first", "empty lines before the greeting", b"\r\n\r\n" + SP3, not_smtp(b"\r\n\r\n" + SP3)
    ),
    says(
        "twice",
        "the greeting twice in one segment",
        SP3 + SP3,
        sp3(SP3 + SP3, caveats=(Caveat.EARLY_DATA,), ehlo=None),
    ),
    acts(
        "early-goodbye",
        "its own 221 behind the greeting, and the end",
        (SP3 + b"221 closing connection\r\n", CLOSE),
        sp3(SP3 + b"221 closing connection\r\n", caveats=(Caveat.EARLY_DATA,), ehlo=None),
    ),
    acts(
        "name-in-the-last-line",
        "the build in the last of three lines, each a segment of its own",
        (b"220-mx.example.com\r\n", 0.05, b"220-ESMTP\r\n", PAUSE / 4, do.say),
        sp3(b"220-mx.example.com\r\n220-ESMTP\r\n" + SP3),
    ),
    says(
        "name-in-the-first-line",
        "the build in the first of two",
        MORE + b"220 hello\r\n",
        sp3(MORE + b"220 hello\r\n"),
    ),
)
