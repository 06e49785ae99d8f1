"""The start: how long a user waits for the shortest command, and a program for the import."""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from contenders import Contender, Row, interleaved
from measure import Run, measured
from programs import imcprobe
from workloads import Outcome

if TYPE_CHECKING:
    from contenders import Ground

# Repetitions for each of the other workloads: one takes a moment only.
_TIMES = 4
_VERSION, _IMPORT, _NOTHING = "imcprobe --version", "import imcprobe", "python -c pass"
# The time of the import alone, as the process itself sees it.
_TIMED_IMPORT = """
from time import perf_counter
began = perf_counter()
import imcprobe
print(perf_counter() - began)
"""


def startup(ground: Ground) -> Outcome:
    """Time `imcprobe --version` as a whole and the import alone, in fresh processes."""

    def version() -> Run:
        return measured([*imcprobe(), "--version"])

    def nothing() -> Run:
        return measured([sys.executable, "-c", "pass"])

    def importing() -> Run:
        out = ground.folder / "seconds"
        run = measured([sys.executable, "-c", _TIMED_IMPORT], stdout=out)
        return replace(run, wall=float(out.read_text()))

    ways = {_VERSION: version, _IMPORT: importing, _NOTHING: nothing}
    rows = interleaved([Contender(name, 1, run) for name, run in ways.items()], _TIMES * ground.runs)
    figures = {"version": _wall(rows[_VERSION]), "import": _wall(rows[_IMPORT])}
    return Outcome([*rows.values()], figures, ["import imcprobe: its wall time is that of the import alone"])


def _wall(row: Row) -> float:
    return statistics.median(run.wall for run in row.runs)
