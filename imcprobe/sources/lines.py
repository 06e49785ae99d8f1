"""The lines of a store, one at a time: a list of all takes many times what a file of short ones does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# All blank lines up to the next one that is not, or that one.
_LINE = re.compile(rb"(\s*(?:\n|\Z))|[^\n]+\n?")


def lines_of(data: bytes, most: int) -> Iterator[tuple[int, bytes]]:
    r"""Lines with their ends by number, blank ones left out, of a longer one its first `most` bytes.

    >>> list(lines_of(b"\na\n \r\nbcd", 2))
    [(2, b'a\n'), (4, b'bc')]
    """
    number = 1
    for found in _LINE.finditer(data):
        start, end = found.span()
        if found.lastindex is None:
            yield number, data[start : min(end, start + most)]
        number += data.count(b"\n", start, end)
