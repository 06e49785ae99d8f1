"""Files and stdin, read whole as far as there is room for them."""

from __future__ import annotations

import os
import sys
from io import BytesIO

from imcprobe.cli.terminal import reason_of
from imcprobe.errors import InputError
from imcprobe.safetext import clip, safe

# A line each, some 18 million addresses. Their text and what becomes of it are in memory together.
MAX_LIST = 256 << 20
# Records of a million targets and more. One copy of them is in memory, and they are looked at one by one.
MAX_STORE = 1 << 30

_BLOCK = 1 << 20
# Of Linux (PATH_MAX): what is longer names no file, but may be a whole list.
_LONGEST_PATH = 4096


def read_bytes(path: str, most: int, remedy: str) -> bytes:
    """A whole file, stdin for `-`. Raises InputError, with `remedy` when there are more than `most` bytes.

    What a file says of its size is not believed: devices and pipes have none, others grow.
    """
    stdin = path == "-"
    held = BytesIO()
    try:
        source = sys.stdin.fileno() if stdin else path
        with open(source, "rb", buffering=0, closefd=not stdin) as stream:
            while (room := most + 1 - held.tell()) and (block := os.read(stream.fileno(), min(room, _BLOCK))):
                held.write(block)
    except (OSError, ValueError) as error:
        why = reason_of(error) if isinstance(error, OSError) else "no file has such a name"
        raise InputError(f"{'stdin' if stdin else shown_path(path)} cannot be read: {why}.") from error
    if not room:
        raise InputError(f"{named(path)} is larger than {most >> 20:,} MiB. {remedy}")
    return held.getvalue()


def named(path: str) -> str:
    """What is read, as messages and records call it."""
    return "stdin" if path == "-" else safe(path)


def as_given(path: str) -> str:
    """A path behind its option; quotes show where nothing was given."""
    return safe(clip(path, _LONGEST_PATH)) or '""'


def shown_path(path: str) -> str:
    """A path in a sentence."""
    return f'"{safe(clip(path, _LONGEST_PATH))}"'
