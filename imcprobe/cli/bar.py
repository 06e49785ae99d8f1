"""The progress of a scan in one line, to be drawn over and over.

Drawn by hand: to load a library for it costs as much as to scan ten thousand hosts.
"""

from __future__ import annotations

from imcprobe.safetext import clip

_TITLE = "  Scanning "
_CELLS = 24
# A hundred days: longer nobody waits, and it may be endless.
_LONGEST = 8_640_000.0
_GREEN, _PLAIN = "\x1b[32m", "\x1b[0m"
ERASE = "\r\x1b[K"
"""Take the line away, and begin it anew."""


def progress_line(
    done: int, total: int, *, pace: float, told: str, width: int, plain: bool, colour: bool
) -> str:
    """How far a scan is, no wider than `width`: a bar, counts, targets a second, and the time ahead.

    `told` are the counts in words. A `plain` bar has nothing but ASCII.

    >>> progress_line(198, 291, pace=23.2, told="4 Exchange", width=99, plain=True, colour=False)
    '  Scanning ################-------- 198/291  68 %  23 hosts/s  ETA 0:04  4 Exchange'
    """
    share = done / max(total, 1)
    full = round(share * _CELLS)
    ahead = clock((total - done) / pace) if pace > 0 else "-:--"
    bar, rest = ("#" if plain else "━") * full, ("-" if plain else "─") * (_CELLS - full)
    counts = f"{done:,}/{total:,}  {100 * share:.0f} %  {pace:,.0f} hosts/s  ETA {ahead}  {told}"
    whole = f"{_TITLE}{bar}{rest} {counts}"
    line = whole.replace("\xb7", "|")[:width] if plain else clip(whole, width) if width > 0 else ""
    if not colour or not bar or len(line) <= len(_TITLE):
        return line
    return f"{_TITLE}{_GREEN}{line[len(_TITLE) : len(_TITLE) + full]}{_PLAIN}{line[len(_TITLE) + full :]}"


def clock(seconds: float) -> str:
    """A time ahead: minutes and seconds, hours where there are any.

    >>> clock(4.2), clock(75), clock(3601)
    ('0:04', '1:15', '1:00:01')
    """
    minutes, rest = divmod(round(min(seconds, _LONGEST)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
