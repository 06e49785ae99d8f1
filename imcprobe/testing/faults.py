"""Misbehaviour by name: behaviours at points of the conversation, and their text form.

Those at the same point work one on the other: what the first sends goes through the second, so
`split` and then `delay=1s` is a byte a second. One of your own needs no name:

    async def twice(line: Line, data: bytes) -> None:
        await line.send(data + data)

    MockServer(faults=[Fault(twice)])
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from imcprobe.errors import UsageError
from imcprobe.testing import behaviours as do

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imcprobe.testing.behaviours import Behaviour, Line

_FAULT = re.compile(r"(?:([a-z]{1,16}):)?([a-z0-9]{1,16})(?:=(.*))?", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(ms|s|m)?", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,10}", re.ASCII)
_MOST = 9_999_999_999
# A refusal is said in one piece.
_MOST_LINES = 9_999
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


class Point(StrEnum):
    """Where in the conversation a fault strikes: where nothing is said yet, or instead of a reply.

    `handshake` is before the server's part in setting up TLS and not inside it, `tls` the reply to EHLO
    after STARTTLS, `auth` that to AUTH NTLM, `challenge` that to the client's first message of it.
    """

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    HANDSHAKE = "handshake"
    TLS = "tls"
    AUTH = "auth"
    CHALLENGE = "challenge"
    HELP = "help"
    QUIT = "quit"


_WORDLESS = {Point.CONNECT: Point.GREETING, Point.HANDSHAKE: Point.STARTTLS}
"""Where nothing is said yet, and where it is next or was before."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A behaviour at a point. `text` is how `parse_fault` read it, empty for one of your own."""

    behave: Behaviour
    point: Point = Point.GREETING
    text: str = ""


@dataclass(frozen=True, slots=True)
class FaultName:
    """A name that `parse_fault` knows: how it is written and what it does."""

    usage: str
    help: str
    make: Callable[[str | None], Behaviour]
    needs_words: bool = False

    @property
    def name(self) -> str:
        return self.usage.partition("=")[0].rstrip("[")


def parse_fault(text: str) -> Fault:
    """Read `[POINT:]NAME[=ARGUMENT]`, the point being `greeting` when none is given.

    Raises UsageError that says what would be right.
    """
    found = _FAULT.fullmatch(text)
    point, name, argument = found.groups() if found else (None, "", None)
    row = FAULTS.get(name)
    if row is None:
        raise _usage(text, f"unknown. Known: {', '.join(FAULTS)}")
    return Fault(_made(row, argument, text), _point(point, row, text), text)


async def speak(line: Line, behaviours: Sequence[Behaviour], data: bytes) -> None:
    """Say `data` through the behaviours, the first one first."""
    if behaviours:
        await behaviours[0](_Through(line, behaviours[1:]), data)
    else:
        await line.send(data)


class _Through:
    """A line that leads through further behaviours."""

    def __init__(self, line: Line, behaviours: Sequence[Behaviour]) -> None:
        self._behaviours = behaviours
        self._line = line
        self.received = line.received
        self.sleep = line.sleep
        self.until_left = line.until_left
        self.hang_up = line.hang_up
        self.reset = line.reset

    async def send(self, data: bytes) -> None:
        await speak(self._line, self._behaviours, data)


def _made(row: FaultName, argument: str | None, text: str) -> Behaviour:
    try:
        return row.make(argument)
    except ValueError:
        raise _usage(text, f"write it as {row.usage}") from None


def _point(name: str | None, row: FaultName, text: str) -> Point:
    if name is None:
        return Point.GREETING
    if name not in list(Point):
        raise _usage(text, f"no such point. Known: {', '.join(Point)}")
    point = Point(name)
    if point in _WORDLESS and row.needs_words:
        remedy = f"Try {_WORDLESS[point]}:{text.partition(':')[2]}"
        raise _usage(text, f"nothing is said at {point} yet. {remedy}")
    return point


def _usage(text: str, remedy: str) -> UsageError:
    return UsageError(f"fault {text[:40]!a}: {remedy}.")


# Arguments as text; each raises ValueError for what it cannot read.


def _duration(text: str | None) -> float:
    found = _DURATION.fullmatch(text or "")
    if found is None:
        raise ValueError
    return float(found[1]) * _SECONDS[found[2]]


def _count(text: str, least: int = 1, most: int = _MOST) -> int:
    if not _COUNT.fullmatch(text) or not least <= int(text) <= most:
        raise ValueError
    return int(text)


def _count_or(default: int, text: str | None, least: int = 1, most: int = _MOST) -> int:
    return default if text is None else _count(text, least, most)


def _plain(behaviour: Behaviour, argument: str | None) -> Behaviour:
    if argument is not None:
        raise ValueError
    return behaviour


def _refusal(code: bytes) -> FaultName:
    return FaultName(
        f"{code.decode()}[=LINES]",
        f"{code.decode()} instead, in LINES lines (1){', and the end' if code == b'421' else ''}",
        lambda argument: partial(do.refuse, code=code, count=_count_or(1, argument, most=_MOST_LINES)),
    )


_ROWS = (
    *map(_refusal, do.REFUSALS),
    FaultName(
        "close[=N]",
        "closes after N bytes (0)",
        lambda argument: partial(do.close, after=_count_or(0, argument, least=0)),
    ),
    FaultName(
        "delay=TIME",
        "waits first: 20s, 500ms, 2m",
        lambda argument: partial(do.delay, seconds=_duration(argument)),
    ),
    FaultName(
        "drip=TIME",
        "a byte, TIME, a byte, …",
        lambda argument: partial(do.drip, seconds=_duration(argument)),
        needs_words=True,
    ),
    FaultName(
        "flood[=BYTES]",
        "one line of BYTES bytes instead (endless)",
        lambda argument: partial(do.flood, size=None if argument is None else _count(argument)),
    ),
    FaultName(
        "lines[=N]",
        "N continuation lines first (endless)",
        lambda argument: partial(do.lines, count=None if argument is None else _count(argument)),
    ),
    FaultName(
        "masked",
        "stars, as a PIX firewall leaves them",
        partial(_plain, do.masked),
        needs_words=True,
    ),
    FaultName(
        "pregreet=TIME",
        "waits first, and has 521 for who has spoken by then",
        lambda argument: partial(do.pregreet, seconds=_duration(argument)),
        needs_words=True,
    ),
    FaultName(
        "reset[=N]",
        "resets the connection (RST) after N bytes (0)",
        lambda argument: partial(do.reset, after=_count_or(0, argument, least=0)),
    ),
    FaultName("silence", "nothing until the client leaves", partial(_plain, do.silence)),
    FaultName(
        "split[=N]",
        "segments of N bytes (1)",
        lambda argument: partial(do.split, size=_count_or(1, argument)),
        needs_words=True,
    ),
)

FAULTS = {row.name: row for row in _ROWS}
