r"""CSV that a spreadsheet may open: RFC 4180 but for LF as the line end, and no cell is a formula.

What would be one gets a `'` in front, and so does what begins with one: a leading `'` is never part of
the value, and whoever reads the cells takes it away. For programs that take `;` for a separator, a row
that has one is in quotes, and a `;` that would begin a formula there is written `\x3b`.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from imcprobe.outputs.columns import COLUMNS, Value, text_of
from imcprobe.safetext import clip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imcprobe.model import Result

# Excel holds no more in a cell, and breaks what is longer into further rows; Python's own reader refuses
# 128 KiB. A greeting of that length is an attack: all of it is in the records.
MAX_CELL = 32_767
# What a spreadsheet begins a formula with; TAB and CR never get here, the sanitiser has escaped them.
# Full-width forms are taken for plain ones where that is the custom.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_HIDDEN_FORMULA = re.compile(rf""";(?=[ "']*[{re.escape("".join(_FORMULA))}])""")
_TEXT = "'"
_GUARDED = (*_FORMULA, _TEXT)


class _Plain(csv.unix_dialect):
    """LF behind a row, and quotes where they are needed."""

    quoting = csv.QUOTE_MINIMAL


class _InQuotes(csv.unix_dialect):
    """LF behind a row, and quotes around each cell."""


def header_line() -> str:
    """The names of the columns."""
    return _line(column.name for column in COLUMNS)


def csv_line(result: Result) -> str:
    """One result, with its line end."""
    return _line(_cell(column.of(result)) for column in COLUMNS)


def _cell(value: Value) -> str:
    text = _HIDDEN_FORMULA.sub(r"\\x3b", text_of(value))
    return clip(f"{_TEXT}{text}" if text.startswith(_GUARDED) else text, MAX_CELL)


def _line(cells: Iterable[str]) -> str:
    row, text = [*cells], io.StringIO()
    dialect = _InQuotes if any(";" in cell for cell in row) else _Plain
    csv.writer(text, dialect).writerow(row)
    return text.getvalue()
