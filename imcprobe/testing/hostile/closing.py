"""Servers that leave early."""

from __future__ import annotations

from imcprobe.model import Caveat, Status
from imcprobe.testing import behaviours as do
from imcprobe.testing.faults import Point
from imcprobe.testing.fleet import Member
from imcprobe.testing.hostile.case import (
    CLOSE,
    MORE,
    PAUSE,
    RESET,
    SP3,
    Case,
    Expected,
    acts,
    answers,
    part_of_sp3,
    sp3,
)

# Long enough for what was said to be seen before the end.
_SEEN = 0.1
_CLOSED, _RESET = Status.CONNECTION_CLOSED, Status.CONNECTION_RESET
_TRUNCATED = (Caveat.TRUNCATED,)

CASES = (
    Case("refused", "refuses connections", Member(refused=True), Expected(Status.CONNECTION_REFUSED)),
    acts("fin-at-once", "closes at once", (CLOSE,), Expected(_CLOSED)),
    acts("rst-at-once", "resets at once", (RESET,), Expected(_RESET)),
    acts("fin-after-a-wait", "waits, and closes", (PAUSE, CLOSE), Expected(_CLOSED)),
    acts("rst-after-a-wait", "waits, and resets", (PAUSE, RESET), Expected(_RESET)),
    acts("fin-in-code", "closes within the code", (b"22", CLOSE), Expected(_CLOSED, b"22")),
    acts("fin-in-line", "closes within the build", (SP3[:88], CLOSE), Expected(_CLOSED, SP3[:88])),
    acts("rst-in-line", "resets within the build", (SP3[:88], _SEEN, RESET), Expected(_RESET, SP3[:88])),
    acts("fin-before-the-end", "closes before CR LF", (SP3[:-2], CLOSE), Expected(_CLOSED, SP3[:-2])),
    acts("rst-before-the-end", "resets before LF", (SP3[:-1], _SEEN, RESET), Expected(_RESET, SP3[:-1])),
    acts(
        "fin-between-lines",
        "promises another line, and closes",
        (MORE, CLOSE),
        part_of_sp3(_CLOSED, MORE, caveats=_TRUNCATED),
    ),
    acts(
        "rst-between-lines",
        "promises another line, and resets",
        (MORE, _SEEN, RESET),
        part_of_sp3(_RESET, MORE, caveats=_TRUNCATED),
    ),
    acts("fin-behind-the-greeting", "greets and closes", (do.say, CLOSE), sp3(ehlo=None)),
    acts("rst-behind-the-greeting", "greets and resets", (do.say, RESET), sp3(ehlo=None, or_reset=True)),
    answers("fin-after-quit", "closes without a 221", Point.QUIT, (CLOSE,), sp3()),
    answers("rst-after-quit", "resets instead of a 221", Point.QUIT, (RESET,), sp3()),
)
