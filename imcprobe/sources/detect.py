"""Which kind of store a file is, by its content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imcprobe.safetext import safe, to_utf_8
from imcprobe.sources.records import read_records
from imcprobe.sources.text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imcprobe.model import Observation


_OBJECT = re.compile(rb"\s*\{")


def read_stored(data: bytes, name: str) -> tuple[str, Iterator[Observation]]:
    """The kind of store (`text`, `records`) and its observations, which are read as they are asked for.

    `name` is as it was given: what is seen in text is named by it, and every output makes that safe.
    Reading on raises InputError for records that are damaged.
    """
    plain = to_utf_8(data)
    if b"\n" not in plain:  # an old Mac's line ends
        plain = plain.replace(b"\r", b"\n")
    if _OBJECT.match(plain):
        return "records", read_records(plain, safe(name))
    return "text", read_text(plain, name)
