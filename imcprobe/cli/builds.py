"""`imcprobe builds`: the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from imcprobe.cli.exits import ExitCode
from imcprobe.cli.terminal import Terminal
from imcprobe.errors import UsageError
from imcprobe.fingerprint.builds import find
from imcprobe.outputs.formats import pretty
from imcprobe.outputs.records import release_record
from imcprobe.safetext import quoted

if TYPE_CHECKING:
    from imcprobe.model import Release

_FORMATS = ("table", "line", "json")


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
    """Show the build table. What each build is, and who says so."""
    if format_name not in (None, *_FORMATS):
        raise UsageError(f"--format {quoted(format_name or '')}: unknown. Known: {', '.join(_FORMATS)}.")
    asked = " ".join(query or [])
    rows = find(asked)
    if not rows:
        raise UsageError(
            f"{quoted(asked)}: no such product, service pack or build. imcprobe builds shows all."
        )
    terminal = Terminal()
    name = format_name or ("table" if terminal.is_interactive else "line")
    if name == "json":
        terminal.out(pretty([release_record(row) for row in rows]))
    elif name == "line":
        terminal.out("".join("\t".join(_cells(row)) + "\n" for row in rows))
    else:
        terminal.out(_table(rows))
    return ExitCode.OK


def _cells(row: Release) -> list[str]:
    return [str(row.build), row.name, row.kind.replace("_", " "), row.source, row.note or ""]


def _table(rows: tuple[Release, ...]) -> str:
    lines = [["BUILD", "RELEASE", "KIND", "SOURCE", "NOTE"], *map(_cells, rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]) - 1)]
    return "".join(_padded(line, widths) for line in lines)


def _padded(line: list[str], widths: list[int]) -> str:
    cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
    return " " + "  ".join([*cells, line[-1]]).rstrip() + "\n"
