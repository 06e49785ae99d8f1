"""Servers that take their time."""

from __future__ import annotations

from functools import partial

from imcprobe.model import Caveat, Family, Status
from imcprobe.testing import behaviours as do
from imcprobe.testing.faults import Point
from imcprobe.testing.fleet import Member
from imcprobe.testing.hostile.case import (
    DRIP,
    ENDLESS_LINE,
    MORE,
    PAUSE,
    SP3,
    Case,
    Expected,
    acts,
    answers,
    part_of_sp3,
    sp3,
)

_TARPIT = b"220-Please hold the line\r\n"
_CODE, _REST = SP3[:4], SP3[4:]

CASES = (
    Case(
        "deaf",
        "never answers a connection",
        Member(deaf=True),
        Expected(Status.CONNECTION_TIMEOUT),
    ),
    acts("silent", "takes the connection and says nothing", (do.silence,), Expected(Status.IO_TIMEOUT)),
    acts("late", "greets late", (PAUSE, do.say), sp3()),
    acts(
        "pregreet",
        "says half of it, and refuses who talks before the rest",
        (b"220-Wait for it\r\n", partial(do.pregreet, seconds=PAUSE)),
        sp3(b"220-Wait for it\r\n" + SP3),
    ),
    acts(
        "drip",
        "says a byte every half second",
        (partial(do.drip, seconds=DRIP),),
        Expected(Status.IO_TIMEOUT, SP3[:3], len(SP3) - 3),
    ),
    acts(
        "tarpit",
        "says a line every half second, and none is the last",
        (_TARPIT, DRIP) * 120,
        Expected(
            Status.IO_TIMEOUT,
            _TARPIT * 2,
            len(_TARPIT) * 100,
            family=Family.SMTP,
            caveats=(Caveat.TRUNCATED,),
        ),
    ),
    acts("stalled-in-code", "stops within the code", (b"22", do.silence), Expected(Status.IO_TIMEOUT, b"22")),
    acts(
        "stalled-in-line",
        "stops within the line",
        (SP3[:40], do.silence),
        Expected(Status.IO_TIMEOUT, SP3[:40]),
    ),
    acts(
        "stalled-before-the-end",
        "says all but the last line feed",
        (SP3[:-1], do.silence),
        Expected(Status.IO_TIMEOUT, SP3[:-1]),
    ),
    acts(
        "stalled-between-lines",
        "promises another line, and stops",
        (MORE, do.silence),
        part_of_sp3(Status.IO_TIMEOUT, MORE, caveats=(Caveat.TRUNCATED,)),
    ),
    acts("paused-in-code", "pauses behind the code", (_CODE, PAUSE, _REST), sp3()),
    acts("paused-before-the-end", "pauses within CR LF", (SP3[:-1], PAUSE, SP3[-1:]), sp3()),
    acts(
        "paused-between-lines",
        "pauses between two lines",
        (b"220-One moment\r\n", PAUSE, do.say),
        sp3(b"220-One moment\r\n" + SP3),
    ),
    answers("silent-to-quit", "does not answer QUIT", Point.QUIT, (do.silence,), sp3()),
    answers("dripping-to-quit", "drips its 221", Point.QUIT, (partial(do.drip, seconds=DRIP),), sp3()),
    answers("flooding-after-quit", "answers QUIT without end", Point.QUIT, (ENDLESS_LINE,), sp3()),
)
