"""The table of a scan: rows as they come, in columns that are wide enough for what is usual.

Whatever a server says, its row has MAX_WIDTH columns at the most; files of other formats have all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from imcprobe.outputs.columns import COLUMNS, Column, text_of

if TYPE_CHECKING:
    from imcprobe.model import Result

_SHOWN = tuple(column for column in COLUMNS if column.title is not None)
# What is usual: an IPv4 address, a release with its service pack, a build, a host's name.
_WIDTHS = {"target": 14, "port": 5, "release": 28, "build": 12, "name": 18, "support": 7}
# What fits all that is known: an IPv6 address with its zone, a product's name, a build of Windows.
_BOUNDS = {"target": 56, "port": 5, "release": 48, "build": 20, "name": 48, "support": 7}
MAX_WIDTH = sum(_BOUNDS.values()) + len(_BOUNDS)
_RIGHT = frozenset({"port"})


def table_heading() -> str:
    """The titles of the columns."""
    return _row([(column, column.title or "") for column in _SHOWN])


def table_row(result: Result) -> str:
    """One result; a value that is wider than its column pushes the others to the right, or is cut."""
    return _row([(column, _cell(column, result)) for column in _SHOWN])


def _cell(column: Column, result: Result) -> str:
    text = text_of((column.brief or column.of)(result))
    # What has no release still has a status.
    return str(result.observation.status) if column.name == "release" and not text else text


def _row(cells: list[tuple[Column, str]]) -> str:
    return " " + " ".join(_padded(column, text) for column, text in cells).rstrip()


def _padded(column: Column, text: str) -> str:
    width, bound = _WIDTHS[column.name], _BOUNDS[column.name]
    if cell_len(text) > bound:
        return f"{set_cell_size(text, bound - 1)}\u2026"
    if column.name in _RIGHT:
        return text.rjust(width)
    return text if cell_len(text) >= width else set_cell_size(text, width)
