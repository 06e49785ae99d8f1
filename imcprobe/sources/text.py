"""Text files: a greeting a line; lines of one greeting (`220-`) and of one folded header stay together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imcprobe.fingerprint.reply import MAX_REPLY_BYTES
from imcprobe.model import Observation, Status, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_MORE = re.compile(rb"\s*([2-5][0-9][0-9])-")
_HEADER = re.compile(rb"[!-9;-~]{1,80}:")
_FOLDED = (b" ", b"\t")


def read_text(data: bytes, name: str) -> Iterator[Observation]:
    """Read a file's bytes; the target of each observation is the file's name and the line.

    Bytes are kept as they are; what is longer than a reply may be is cut there. Never raises.
    """
    for number, greeting in _greetings(data):
        target = Target(f"{name} line {number}", 0)
        yield Observation(target, None, Status.SUCCESS, greeting=greeting, source="text")


def _greetings(data: bytes) -> Iterator[tuple[int, bytes]]:
    start, held, size = 0, list[bytes](), 0
    for number, found in enumerate(_LINE.finditer(data), 1):
        line = found[0]
        if held and (size > MAX_REPLY_BYTES or not _belongs(held, line)):
            yield start, b"".join(held)
            held, size = [], 0
        if not held:
            if not line.strip():
                continue
            start = number
        held.append(line)
        size += len(line)
    if held:
        yield start, b"".join(held)


def _belongs(held: list[bytes], line: bytes) -> bool:
    """Whether a line goes on with what is held."""
    more = _MORE.match(held[-1])
    if more is not None:
        return line.lstrip().startswith(more[1])
    return line.startswith(_FOLDED) and bool(line.strip()) and _HEADER.match(held[0]) is not None
