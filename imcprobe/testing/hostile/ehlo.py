"""Servers that greet as they should, and misbehave when EHLO comes."""

from __future__ import annotations

from functools import partial

from imcprobe.model import Caveat
from imcprobe.testing import behaviours as do
from imcprobe.testing.faults import Point
from imcprobe.testing.fleet import Member
from imcprobe.testing.hostile.case import (
    CLOSE,
    DRIP,
    ENDLESS_LINE,
    ENDLESS_LINES,
    PAUSE,
    RESET,
    SP3,
    Case,
    acts,
    answers,
    scripted,
    sp3,
)
from imcprobe.testing.manner import EHLO_5_5


def _nothing_of_it(name: str, does: str, *steps: do.Step) -> Case:
    """The greeting stands, and no keyword is reported."""
    return answers(name, does, Point.EHLO, steps, sp3(ehlo=None))


def _all_of_it(name: str, does: str, *steps: do.Step, lines: tuple[str, ...] = EHLO_5_5) -> Case:
    """The reply is one, however it comes."""
    return answers(name, does, Point.EHLO, steps, sp3(ehlo=lines))


_HELLO = b"250-mock.example.com Hello\r\n"
_FORGED = _HELLO + b"250 X-LINK2STATE\r\n"
_REFUSAL = b"502 5.5.1 Unrecognized command\r\n221 closing connection\r\n"
_KEYWORDS = b"".join(b"250-X-%d\r\n" % number for number in range(10_000))
_STRANGE = b"250-mock\x1b[2J\r\n250-\xff\xfe\0 \xe2\x80\xae=1\r\n250 [bold]\t%s\r\n"

CASES = (
    _nothing_of_it("stalled", "does not answer", do.silence),
    _nothing_of_it("stalled-in-line", "stops within a line", _HELLO + b"250 XEXC", do.silence),
    _nothing_of_it("drip", "says a byte every half second", partial(do.drip, seconds=DRIP)),
    _nothing_of_it("tarpit", "says a line every half second", *(_HELLO, DRIP) * 120),
    _nothing_of_it("endless-line", "a line without end", ENDLESS_LINE),
    _nothing_of_it("endless-lines", "lines without end", ENDLESS_LINES),
    _nothing_of_it("ten-thousand-keywords", "10,000 keywords", _KEYWORDS, do.say),
    _nothing_of_it("unknown", "knows no EHLO", b"500 Unrecognized command\r\n"),
    _nothing_of_it("421", "is not available any more", b"421 Service not available\r\n", CLOSE),
    _nothing_of_it("greets-again", "greets once more", SP3),
    _nothing_of_it("fin", "closes", CLOSE),
    _nothing_of_it("fin-in-line", "closes within a line", _HELLO + b"250", CLOSE),
    _nothing_of_it("rst", "resets", RESET),
    _nothing_of_it("rst-in-line", "resets within a line", _HELLO + b"250", 0.1, RESET),
    _nothing_of_it("mixed-codes", "changes its mind from line to line", _HELLO + b"550 no\r\n"),
    _nothing_of_it("no-code", "forgets the code of a line", _HELLO + b"XEXCH50\r\n250 OK\r\n"),
    _nothing_of_it("full-width-digits", "has full-width digits", "\uff12\uff15\uff10 XEXCH50\r\n".encode()),
    _nothing_of_it("two-replies", "answers twice in one segment", _HELLO.replace(b"-", b" ") + _FORGED),
    _nothing_of_it("answers-late-and-twice", "answers twice, the second time to QUIT", _FORGED, 0.2, _FORGED),
    Case(
        "answers-ahead",
        "answers EHLO ahead of it, refuses it when it comes, and so answers QUIT",
        Member(SP3, (scripted((_FORGED,), Point.EHLO), scripted((_REFUSAL,), Point.QUIT)), EHLO_5_5),
        sp3(ehlo=None),
    ),
    acts(
        "early",
        "answers EHLO before it comes, in the greeting's segment",
        (SP3 + _FORGED,),
        sp3(SP3 + _FORGED, caveats=(Caveat.EARLY_DATA,), ehlo=None),
    ),
    _all_of_it("bytes", "a segment for each byte", partial(do.split, size=1)),
    _all_of_it("late", "answers late", PAUSE, do.say),
    _all_of_it(
        "paused",
        "pauses between two lines",
        _HELLO,
        PAUSE,
        b"250 XEXCH50\r\n",
        lines=("mock.example.com Hello", "XEXCH50"),
    ),
    _all_of_it(
        "lf-only",
        "LF alone ends its lines",
        b"250-mock.example.com Hello\n250 XEXCH50\n",
        lines=("mock.example.com Hello", "XEXCH50"),
    ),
    _all_of_it("empty", "has nothing to say", b"250-\r\n250 \r\n", lines=("", "")),
    _all_of_it("code-only", "a code and nothing behind it", b"250\r\n", lines=("",)),
    _all_of_it(
        "strange",
        "keywords of control bytes, markup and formulas",
        _STRANGE,
        lines=tuple(line[4:].decode("utf-8", "surrogateescape") for line in _STRANGE.splitlines()),
    ),
)
