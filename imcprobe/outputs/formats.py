"""Formats by name: what `-f` and the ending of a file choose. Each gives text to whoever writes it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from imcprobe.outputs.columns import COLUMNS, text_of
from imcprobe.outputs.records import Head, head_record, line_of, result_line, result_lines, summary_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imcprobe.model import Result
    from imcprobe.outputs.tally import Tally

_IN_LINES = tuple(column.of for column in COLUMNS if column.line)


class Format(ABC):
    """A file's text, piece by piece: `start`, `rows` as results come (a `row` for each), `end`.

    `is_document` where nothing of it can be read without its end; its rows do not end with a line then.
    """

    is_document = False

    def start(self, _head: Head) -> str:
        return ""

    @abstractmethod
    def row(self, result: Result) -> str: ...

    def rows(self, results: Iterable[Result]) -> str:
        return "".join(map(self.row, results))

    def end(self, _tally: Tally, _seconds: float, *, complete: bool) -> str:  # noqa: ARG002 - for others to use
        return ""


class JsonLines(Format):
    """A head record, a record per target, a summary record, one a line."""

    def start(self, head: Head) -> str:
        return f"{line_of(head_record(head))}\n"

    def row(self, result: Result) -> str:
        return f"{result_line(result)}\n"

    def rows(self, results: Iterable[Result]) -> str:
        return "\n".join([*result_lines(results), ""])

    def end(self, tally: Tally, seconds: float, *, complete: bool) -> str:
        return f"{line_of(summary_record(tally, seconds, complete=complete))}\n"


class Json(Format):
    """One JSON object: `scan`, `results`, `summary`, the same records as in JSON Lines."""

    is_document = True

    def __init__(self) -> None:
        self._separator = "\n"

    def start(self, head: Head) -> str:
        return f'{{"scan":{line_of(head_record(head))},"results":['

    def row(self, result: Result) -> str:
        text, self._separator = f"{self._separator}{result_line(result)}", ",\n"
        return text

    def end(self, tally: Tally, seconds: float, *, complete: bool) -> str:
        return f'\n],"summary":{line_of(summary_record(tally, seconds, complete=complete))}}}\n'


class Csv(Format):
    """A line of column names and a line per target."""

    def __init__(self) -> None:
        from imcprobe.outputs import spreadsheet  # its library loads only for it

        self._sheet = spreadsheet

    def start(self, _head: Head) -> str:
        return self._sheet.header_line()

    def row(self, result: Result) -> str:
        return self._sheet.csv_line(result)


class Line(Format):
    """A tab-separated line per target: a server's own tabs are escaped."""

    def row(self, result: Result) -> str:
        return "\t".join([text_of(of(result)) for of in _IN_LINES]) + "\n"


class Table(Format):
    """A table that grows as results come, and a line of counts."""

    def start(self, _head: Head) -> str:
        from imcprobe.outputs.table import table_heading  # Rich loads only for tables

        return f"{table_heading()}\n"

    def row(self, result: Result) -> str:
        from imcprobe.outputs.table import table_row

        return f"{table_row(result)}\n"

    def end(self, tally: Tally, seconds: float, *, complete: bool) -> str:
        cut = "" if complete else ", stopped early"
        targets = f"{tally.targets:,} target{'' if tally.targets == 1 else 's'}"
        return f" {tally.line():<60} {targets}, {seconds:.1f} s{cut}\n"


FORMATS: dict[str, Callable[[], Format]] = {
    "table": Table,
    "line": Line,
    "json": Json,
    "jsonl": JsonLines,
    "csv": Csv,
}
"""What `-f` knows."""

ENDINGS: dict[str, str] = {".json": "json", ".jsonl": "jsonl", ".csv": "csv", ".txt": "table"}
"""What a file's ending chooses."""


def pretty(record: object) -> str:
    """JSON for reading, with its line end."""
    return f"{json.dumps(record, indent=2)}\n"
