"""What came of the benchmarks: a table a workload and one of the bars to read, JSON to keep."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from measure import own_peak_mb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bars import Verdict
    from contenders import Row
    from workloads import Outcome

_COLUMNS = ("", "targets", "found", "CPU µs each", "user", "system", "wall s", "targets/s", "MB", "CPU each")
_BAR_COLUMNS = ("", "goal", "fails at", "measured", "")


@dataclass(slots=True)
class Results:
    """The outcomes by workload; why others cannot be run on this machine, and what broke in others."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """The figures of all workloads, by the keys of the bars."""
        return {key: value for outcome in self.outcomes.values() for key, value in outcome.figures.items()}


def workload_table(name: str, outcome: Outcome) -> str:
    """The rows of a workload, medians of its runs."""
    rows = {row.name: row for row in outcome.rows}
    lines = [_COLUMNS, *(_cells(row, rows) for row in outcome.rows)]
    notes = [f"  {note}" for note in outcome.notes]
    return "\n".join([name, *aligned(lines), *notes])


def bars_table(verdicts: Sequence[Verdict]) -> str:
    """The bars, and where the figures stand."""
    return "\n".join(["bars", *aligned([_BAR_COLUMNS, *map(_bar_cells, verdicts)])])


def as_json(results: Results, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Everything, run by run, as what JSON can hold."""
    return {
        "machine": {
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "python": platform.python_version(),
            "processors": os.cpu_count(),
        },
        "workloads": {name: _workload(outcome) for name, outcome in results.outcomes.items()},
        "not_run": results.not_run,
        "broken": results.broken,
        "bars": [
            {
                "name": verdict.bar.name,
                "goal": verdict.bar.goal,
                "fails_at": verdict.bar.fails_at,
                "measured": verdict.measured,
                "verdict": verdict.word,
            }
            for verdict in verdicts
        ],
    }


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of a table, the first to the left and the others to the right.

    >>> aligned([("a", "bc"), ("def", "g")])
    ['  a    bc', '  def   g']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
    return f"  {'  '.join(cells)}".rstrip()


def _cells(row: Row, rows: Mapping[str, Row]) -> tuple[str, ...]:
    targets = row.contender.targets

    def each(values: Sequence[float]) -> str:
        return f"{1e6 * statistics.median(values) / targets:,.1f}"

    return (
        row.name,
        f"{targets:,}",
        _found(row),
        each([run.cpu for run in row.runs]),
        each([run.user for run in row.runs]),
        each([run.system for run in row.runs]),
        f"{statistics.median(run.wall for run in row.runs):.3f}",
        f"{statistics.median(row.pace()):,.0f}",
        _memory(max(run.rss_mb for run in row.runs)),
        _against(row, rows),
    )


def _found(row: Row) -> str:
    """The fewest of all runs."""
    found = [run.found for run in row.runs if run.found is not None]
    return f"{min(found):,}" if found else "-"


def _memory(megabytes: float) -> str:
    """What is below this process's own memory cannot be seen from here."""
    own = own_peak_mb()
    return f"<{own + 1:.0f}" if megabytes <= own + 1 else f"{megabytes:.1f}"


def _against(row: Row, rows: Mapping[str, Row]) -> str:
    ratios = _ratios(row, rows)
    return f"{statistics.median(ratios):.2f} of {row.contender.against}" if ratios else "-"


def _ratios(row: Row, rows: Mapping[str, Row]) -> list[float] | None:
    """CPU per target over that of the row it is held against, a figure a repetition."""
    other = rows.get(row.contender.against or "")
    if other is None:
        return None
    return [mine / theirs for mine, theirs in zip(row.cpu(), other.cpu(), strict=True)]


def _bar_cells(verdict: Verdict) -> tuple[str, ...]:
    bar = verdict.bar
    measured = "-" if verdict.measured is None else _figure(verdict.measured, bar.unit)
    return (bar.name, _figure(bar.goal, bar.unit), _figure(bar.fails_at, bar.unit), measured, verdict.word)


def _figure(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".rstrip()


def _workload(outcome: Outcome) -> dict[str, Any]:
    rows = {row.name: row for row in outcome.rows}
    return {
        "rows": {name: _row(row, rows) for name, row in rows.items()},
        "figures": outcome.figures,
        "notes": outcome.notes,
    }


def _row(row: Row, rows: Mapping[str, Row]) -> dict[str, Any]:
    return {
        "targets": row.contender.targets,
        "against": row.contender.against,
        "ratios": _ratios(row, rows),
        "runs": [asdict(run) for run in row.runs],
    }
