"""Which kind of store a file is, by its content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcprobe.safetext import decode, safe, to_bytes
from imcprobe.sources.records import read_records
from imcprobe.sources.text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imcprobe.model import Observation


def read_stored(data: bytes, name: str) -> tuple[str, Iterator[Observation]]:
    """The kind of store (`text`, `records`) and its observations, which are read as they are asked for.

    `name` is as it was given: what is seen in text is named by it, and every output makes that safe.
    Reading on raises InputError for records that are damaged.
    """
    plain = to_bytes(decode(data))
    if plain.lstrip()[:1] == b"{":
        return "records", read_records(plain, safe(name))
    return "text", read_text(plain, name)
