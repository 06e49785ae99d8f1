"""`imcprobe builds`: the table, and one build in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from imcprobe.cli.exits import ExitCode
from imcprobe.cli.terminal import Terminal
from imcprobe.errors import UsageError
from imcprobe.fingerprint.answer import of_build
from imcprobe.fingerprint.builds import asked_build, find, windows_release
from imcprobe.model import Match
from imcprobe.outputs.explain import explanation, explanation_line, explanation_record
from imcprobe.outputs.formats import pretty
from imcprobe.outputs.records import release_record
from imcprobe.safetext import quoted

if TYPE_CHECKING:
    from imcprobe.model import Identification, Release

_FORMATS = ("table", "line", "json")
_SHOWS_ALL = "imcprobe builds shows all."


def builds(
    query: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WHAT",
            help="A product (5.5, 4.0a), a service pack (SP3, 5.5sp3), a build (2650.21); nothing for all.",
        ),
    ] = None,
    format_name: Annotated[
        str | None,
        typer.Option("--format", "-f", metavar="NAME", help=f"{', '.join(_FORMATS)}."),
    ] = None,
) -> int:
    """Show the build table, or all about one build. What each build is, and who says so."""
    if format_name not in (None, *_FORMATS):
        raise UsageError(f"--format {quoted(format_name or '')}: unknown. Known: {', '.join(_FORMATS)}.")
    asked = " ".join(query or [])
    found, rows = _identified(asked), find(asked)
    if found is None and not rows:
        raise UsageError(f"{quoted(asked)}: no such product, service pack or build. {_SHOWS_ALL}")
    terminal = Terminal()
    name = format_name or ("table" if terminal.is_interactive else "line")
    terminal.out(_rows(rows, name) if found is None else _one(found, rows, name))
    return ExitCode.OK


def _identified(asked: str) -> Identification | None:
    """What the build that is asked for is; None where it is none that is asked for."""
    build = asked_build(asked)
    if build is None:
        return None
    windows = windows_release(asked)
    if windows is not None:
        raise UsageError(
            f"{quoted(asked)}: the SMTP service of {windows}, no build of Exchange. {_SHOWS_ALL}"
        )
    found = of_build(build)
    if found.match is Match.NONE:
        raise UsageError(f"{quoted(asked)}: no build of Exchange Server 4.0, 5.0 or 5.5. {_SHOWS_ALL}")
    return found


def _one(found: Identification, rows: tuple[Release, ...], name: str) -> str:
    """One build: as a screen or an object, or as the lines of the rows that have it."""
    others = [row for row in rows if row not in found.releases]
    if name == "json":
        return pretty(explanation_record(found, others))
    if name == "table":
        return explanation(found, others)
    return _lines(rows) or explanation_line(found)


def _rows(rows: tuple[Release, ...], name: str) -> str:
    if name == "json":
        return pretty([release_record(row) for row in rows])
    return _table(rows) if name == "table" else _lines(rows)


def _lines(rows: tuple[Release, ...]) -> str:
    return "".join("\t".join(_cells(row)) + "\n" for row in rows)


def _cells(row: Release) -> list[str]:
    return [str(row.build), row.name, row.kind.replace("_", " "), row.source, row.note or ""]


def _table(rows: tuple[Release, ...]) -> str:
    lines = [["BUILD", "RELEASE", "KIND", "SOURCE", "NOTE"], *map(_cells, rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]) - 1)]
    return "".join(_padded(line, widths) for line in lines)


def _padded(line: list[str], widths: list[int]) -> str:
    cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
    return " " + "  ".join([*cells, line[-1]]).rstrip() + "\n"
