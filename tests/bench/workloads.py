"""The workloads on loopback: who scans what, and the figures that come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contenders import ClosedPort, Contender, interleaved, ratio, refer, scan, use_aiosmtplib
from others import found_tools
from programs import serving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contenders import Ground, Row
    from measure import Run

# How they are called in reports; "C" is the reference.
OURS, OURS_PLAIN = "imcprobe", "imcprobe --no-quit"
C, C_QUIT = "C", "C with QUIT"
AIOSMTPLIB = "aiosmtplib"

# Repetitions for each of the other workloads: so small a difference takes many.
_PROGRESS_TIMES = 3
_SLOW_PERCENT, _SLOW_MS = 10, 1000


@dataclass(slots=True)
class Outcome:
    """What a workload yields: rows for its table, figures for the bars, and what is to be said."""

    rows: list[Row]
    figures: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def answer(ground: Ground) -> Outcome:
    """All of a network answers: the cost of a greeting."""
    with serving(ground.programs.target) as port:
        others, notes = found_tools(ground, port)
        rows = interleaved(
            [
                _ours(OURS, ground, port, against=C_QUIT),
                _reference(C_QUIT, ground, port, "--quit"),
                _ours(OURS_PLAIN, ground, port, "--no-quit", against=C),
                _reference(C, ground, port),
                _aiosmtplib(ground, port, bits=18),
                *others,
            ],
            ground.runs,
        )
    figures = {
        "answer-missed": max(rows[OURS].missed(), rows[OURS_PLAIN].missed()),
        "cpu-quit": _cpu(rows, OURS, C_QUIT),
        "cpu-plain": _cpu(rows, OURS_PLAIN, C),
        "rate": ratio(rows[OURS].pace(), rows[C_QUIT].pace()),
        "aiosmtplib": _cpu(rows, OURS, AIOSMTPLIB),
        "rss": _peak(rows[OURS]),
    }
    pairs = {"nmap": OURS, "pnscan": OURS_PLAIN, "doscan": OURS_PLAIN}
    figures |= {other: _cpu(rows, mine, other) for other, mine in pairs.items() if other in rows}
    return Outcome([*rows.values()], figures, notes + _incomplete(rows, C, C_QUIT))


def short(ground: Ground) -> Outcome:
    """The same with those who matter most."""
    with serving(ground.programs.target) as port:
        contenders = [
            _ours(OURS, ground, port, against=C_QUIT),
            _aiosmtplib(ground, port, bits=20),
        ]
        if ground.programs.reference:
            contenders.append(_reference(C_QUIT, ground, port, "--quit"))
        rows = interleaved(contenders, ground.runs)
    figures = {
        "answer-missed": rows[OURS].missed(),
        "aiosmtplib": _cpu(rows, OURS, AIOSMTPLIB),
        "rss": _peak(rows[OURS]),
    }
    if C_QUIT in rows:
        figures["cpu-quit"] = _cpu(rows, OURS, C_QUIT)
    return Outcome([*rows.values()], figures, _incomplete(rows, AIOSMTPLIB, C_QUIT))


def closed(ground: Ground) -> Outcome:
    """All of a network refuses."""
    with ClosedPort() as port:
        rows = interleaved(
            [
                _ours(OURS, ground, port, counted="connection-refused", against=C),
                _reference(C, ground, port, counted="refused"),
            ],
            ground.runs,
        )
    return Outcome([*rows.values()], {"closed": _cpu(rows, OURS, C)}, _incomplete(rows, OURS, C))


def million(ground: Ground) -> Outcome:
    """Memory must not grow with the number of targets."""
    few, many = "65,536 targets", "1,048,576 targets"
    with ClosedPort() as port:
        rows = interleaved(
            [
                _ours(few, ground, port, counted="connection-refused"),
                _ours(many, ground, port, bits=12, counted="connection-refused"),
            ],
            1,
        )
    growth = _peak(rows[many]) - _peak(rows[few])
    return Outcome([*rows.values()], {"growth": growth}, _incomplete(rows, few, many))


def slow(ground: Ground) -> Outcome:
    """One address of ten greets late, and none may be lost for it."""
    late = ["--slow", str(_SLOW_PERCENT), "--delay", str(_SLOW_MS)]
    with serving([*ground.programs.target, *late]) as port:
        rows = interleaved(
            [_ours(OURS, ground, port, against=C_QUIT), _reference(C_QUIT, ground, port, "--quit")],
            ground.runs,
        )
    figures = {"slow-missed": rows[OURS].missed(), "slow": _cpu(rows, OURS, C_QUIT)}
    return Outcome([*rows.values()], figures, _incomplete(rows, C_QUIT))


def progress(ground: Ground) -> Outcome:
    """What it costs to show how far a scan is: the same scan at a terminal, with the bar and with -q."""
    shown, quiet = "with the bar", "with -q"
    with serving(ground.programs.target) as port:
        rows = interleaved(
            [
                _ours(shown, ground, port, quiet=False, on_terminal=True, against=quiet),
                _ours(quiet, ground, port, on_terminal=True),
            ],
            _PROGRESS_TIMES * ground.runs,
        )
    percent = 100 * (_cpu(rows, shown, quiet) - 1)
    return Outcome([*rows.values()], {"progress": percent}, _incomplete(rows, shown, quiet))


def _ours(
    name: str,
    ground: Ground,
    port: int,
    *options: str,
    bits: int = 16,
    counted: str = "success",
    quiet: bool = True,
    on_terminal: bool = False,
    against: str | None = None,
) -> Contender:
    def run() -> Run:
        network = ground.networks.take(bits)
        return scan(ground, network, port, *options, counted=counted, quiet=quiet, on_terminal=on_terminal)

    return Contender(name, 1 << (32 - bits), run, against)


def _reference(
    name: str, ground: Ground, port: int, *options: str, bits: int = 16, counted: str = "success"
) -> Contender:
    def run() -> Run:
        return refer(ground, ground.networks.take(bits), port, *options, counted=counted)

    return Contender(name, 1 << (32 - bits), run)


def _aiosmtplib(ground: Ground, port: int, bits: int) -> Contender:
    def run() -> Run:
        return use_aiosmtplib(ground, ground.networks.take(bits), port)

    return Contender(AIOSMTPLIB, 1 << (32 - bits), run)


def _cpu(rows: Mapping[str, Row], mine: str, other: str) -> float:
    return ratio(rows[mine].cpu(), rows[other].cpu())


def _peak(row: Row) -> float:
    return max(run.rss_mb for run in row.runs)


def _incomplete(rows: Mapping[str, Row], *names: str) -> list[str]:
    """Notes on those who should have found all, and whose cost is not to be trusted otherwise."""
    missed = {name: rows[name].missed() for name in names if name in rows}
    return [f"{name}: missed {count:,} targets in a run" for name, count in missed.items() if count]
