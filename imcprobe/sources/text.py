"""Text files: a greeting a line; lines of one greeting (`220-`) and of one folded header stay together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imcprobe.fingerprint.identify import identify
from imcprobe.fingerprint.reply import MAX_REPLY_BYTES
from imcprobe.model import Family, Observation, Status, Target
from imcprobe.sources.lines import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_MORE = re.compile(rb"\s*([2-5][0-9][0-9])-")
_CODE = re.compile(rb"\s*([2-5][0-9][0-9])(?=[ \r\n-]|$)")
_HEADER = re.compile(rb"[!-9;-~]{1,80}:")
_FOLDED = (b" ", b"\t")


def read_text(data: bytes, name: str) -> Iterator[Observation]:
    """Read a file's bytes; the target of each observation is the file's name and the line.

    Bytes are kept as they are; what is longer than a reply may be is cut there. Never raises.
    """
    for number, greeting in _greetings(data):
        yield observation(f"{name} line {number}", greeting)


def observation(place: str, greeting: bytes) -> Observation:
    """What is seen in stored text; `place` stands for the target, and the status is as of a probe."""
    found = identify(greeting)
    if found is None:
        status = Status.PROTOCOL_ERROR
    else:
        status = Status.APPLICATION_ERROR if found.family is Family.REFUSED else Status.SUCCESS
    return Observation(Target(place, 0), None, status, greeting=greeting, source="text")


def _greetings(data: bytes) -> Iterator[tuple[int, bytes]]:
    start, last, held, before = 0, 0, bytearray(), b""
    for number, line in lines_of(data, MAX_REPLY_BYTES):
        if held and (number > last + 1 or not _belongs(held, before, line)):
            yield start, bytes(held)
            held.clear()
        if not held:
            start = number
        held += line[: MAX_REPLY_BYTES - len(held)]
        before, last = line, number
    if held:
        yield start, bytes(held)


def _belongs(held: bytearray, before: bytes, line: bytes) -> bool:
    """Whether a line goes on with what is held, `before` being the line before it."""
    more = _MORE.match(before)
    if more is not None:
        code = _CODE.match(line)
        return code is not None and code[1] == more[1]
    return line.startswith(_FOLDED) and _HEADER.match(held) is not None
