"""The benchmarks: what imcprobe costs, beside C, aiosmtplib and the scanners that are installed.

python tests/bench/suite.py [--short] [--only WORKLOAD,...] [--runs N] [--json FILE] [--require]

What it does on demand, a progress bar or conversations, is held against imcprobe without. The scanners
take turns, each run in a network of its own, and CPU is that of whole processes, start-up included.
Ratios within a repetition are what counts, absolute rates are the machine's: server and scanner share
it. Exits 1 when a figure is beyond its bar or a command fails, and with --require also when a workload
cannot be run here.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bars import BARS, SHORT_BARS, judged
from contenders import Ground
from conversations import conversations, fewer_conversations
from networks import NotRunError
from programs import Programs, compiled, without_compiler
from report import Results, as_json, bars_table, workload_table
from silent import silent
from startup import startup
from workloads import answer, closed, million, progress, short, slow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workloads import Outcome

    Workload = Callable[[Ground], Outcome]

WORKLOADS: dict[str, Workload] = {
    "answer": answer,
    "closed": closed,
    "million": million,
    "silent": silent,
    "slow": slow,
    "startup": startup,
    "progress": progress,
    "conversations": conversations,
}
SHORT: dict[str, Workload] = {"short": short, "conversations": fewer_conversations}
_SHORT_RUNS, _RUNS = 3, 5
# Enough for every workload; the server has a table of as many rows, and some machines allow a billion.
_MOST_FILES = 1 << 20


def main() -> int:
    """Run what was asked for; returns the exit code."""
    options = _options()
    _raise_file_limit()
    with tempfile.TemporaryDirectory() as folder:
        programs = _programs(Path(folder), short=options.short)
        if programs is None:
            return 1
        ground = Ground(programs, Path(folder), options.runs or (_SHORT_RUNS if options.short else _RUNS))
        results = _run_all(SHORT if options.short else options.only, ground)
    verdicts = judged(SHORT_BARS if options.short else BARS, results.figures())
    print(bars_table(verdicts))
    if options.json:
        document = as_json(results, verdicts)
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    failed = any(verdict.fails for verdict in verdicts) or bool(results.broken)
    return int(failed or (options.require and bool(results.not_run)))


def _options() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="a minute at the most, with generous bars")
    parser.add_argument(
        "--only",
        type=_workloads,
        default=WORKLOADS,
        metavar="LIST",
        help=f"some workloads only: {','.join(WORKLOADS)}",
    )
    parser.add_argument("--runs", type=_positive, metavar="N", help="repetitions: 5, with --short 3 or 2")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to FILE")
    parser.add_argument("--require", action="store_true", help="fail when a workload cannot be run here")
    return parser.parse_args()


def _workloads(text: str) -> Mapping[str, Workload]:
    names = text.split(",")
    if unknown := [name for name in names if name not in WORKLOADS]:
        raise argparse.ArgumentTypeError(f"no workload {unknown[0]!r}; there are {', '.join(WORKLOADS)}")
    return {name: WORKLOADS[name] for name in names}


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _raise_file_limit() -> None:
    """For all that is started here: each connection is an open file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = hard if 0 <= hard < _MOST_FILES else _MOST_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _programs(folder: Path, *, short: bool) -> Programs | None:
    programs = compiled(folder)
    if programs is None:
        print("There is no C compiler (cc, or what CC names): no reference to compare with.", file=sys.stderr)
        return without_compiler() if short else None
    return programs


def _run_all(workloads: Mapping[str, Workload], ground: Ground) -> Results:
    """Run one after the other; one that cannot be run or breaks does not end the others."""
    results = Results()
    for name, workload in workloads.items():
        print(name, file=sys.stderr)
        try:
            outcome = workload(ground)
        except NotRunError as reason:
            results.not_run[name] = str(reason)
            print(f"{name}\n  not run: {reason}\n", flush=True)
        except Exception as reason:  # noqa: BLE001 - whatever it is, the other workloads are worth their run
            results.broken[name] = f"{type(reason).__name__}: {reason}"
            print(f"{name}\n  BROKEN: {results.broken[name]}\n", flush=True)
        else:
            results.outcomes[name] = outcome
            print(workload_table(name, outcome), end="\n\n", flush=True)
    return results


if __name__ == "__main__":
    sys.exit(main())
