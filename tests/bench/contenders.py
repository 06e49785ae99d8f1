"""Who is compared: each contender is a name, a number of targets, and how one run of it is done."""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from measure import CommandError, Run, measured
from networks import Networks
from programs import imcprobe, with_aiosmtplib

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from programs import Programs

# A summary record is shorter.
_TAIL = 2048
# "Nobody answered", which is how a scan of closed ports ends.
_NOBODY = 3


@dataclass(slots=True)
class Ground:
    """What all workloads stand on: programs, fresh networks, a folder for outputs, repetitions."""

    programs: Programs
    folder: Path
    runs: int
    networks: Networks = field(default_factory=Networks)

    @property
    def records(self) -> Path:
        """What the last scan wrote."""
        return self.folder / "scan.jsonl"

    def reference(self) -> list[str]:
        """The command of the reference scanner."""
        assert self.programs.reference is not None
        return self.programs.reference


@dataclass(frozen=True, slots=True)
class Contender:
    """A row of a comparison; `against` names the row that its CPU per target is divided by."""

    name: str
    targets: int
    run: Callable[[], Run]
    against: str | None = None


@dataclass(slots=True)
class Row:
    """A contender and its runs so far."""

    contender: Contender
    runs: list[Run] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.contender.name

    def cpu(self) -> list[float]:
        """Seconds of CPU per target, a figure a run."""
        return [run.cpu / self.contender.targets for run in self.runs]

    def pace(self) -> list[float]:
        """Targets a second, a figure a run."""
        return [self.contender.targets / run.wall for run in self.runs]

    def missed(self) -> int:
        """Targets that were not found, in the worst run."""
        return self.contender.targets - min(run.found or 0 for run in self.runs)


def interleaved(contenders: Sequence[Contender], runs: int) -> dict[str, Row]:
    """Run all in turns, every other time backwards, so that whatever drifts hits all alike."""
    rows = {contender.name: Row(contender) for contender in contenders}
    for number in range(runs):
        order = list(rows.values())[:: -1 if number % 2 else 1]
        for row in order:
            print(f"  run {number + 1} of {runs}: {row.name}", file=sys.stderr, flush=True)
            row.runs.append(row.contender.run())
    return rows


def ratio(mine: Sequence[float], others: Sequence[float]) -> float:
    """The median of the ratios within each repetition: what disturbs one disturbs both."""
    return statistics.median(a / b for a, b in zip(mine, others, strict=True))


def size(network: str) -> int:
    """How many addresses a network has."""
    return IPv4Network(network).num_addresses


def scan(
    ground: Ground,
    network: str,
    port: int,
    *options: str,
    closed: Sequence[int] = (),
    prefix: Sequence[str] = (),
    counted: str = "success",
    quiet: bool = True,
    on_terminal: bool = False,
) -> Run:
    """Scan with imcprobe, JSON lines into a file, and count the targets of one status.

    `closed` are ports to be scanned besides.

    Raises CommandError when the records are not complete.
    """
    out, ports = ground.records, (port, *closed)
    listed = ",".join(map(str, ports))
    command = [*prefix, *imcprobe(), "scan", network, "-p", listed, "-f", "jsonl", *options]
    if quiet:
        command.append("-q")
    accept = (0,) if counted == "success" else (0, _NOBODY)
    run = measured(command, stdout=out, accept=accept, on_terminal=on_terminal)
    summary = _last_record(out)
    if not summary["complete"] or summary["targets"] != size(network) * len(ports):
        raise CommandError(f"imcprobe: the records of {network} are not complete")
    return replace(run, found=summary["by_status"][counted])


def refer(
    ground: Ground,
    network: str,
    port: int,
    *options: str,
    prefix: Sequence[str] = (),
    counted: str = "success",
) -> Run:
    """Scan with the reference, and count the targets of one outcome."""
    command = [*prefix, *ground.reference(), "--port", str(port), *options, network]
    return counting(ground, command, counted)


def use_aiosmtplib(ground: Ground, network: str, port: int) -> Run:
    """Greet with aiosmtplib, a task per target."""
    return counting(ground, [*with_aiosmtplib(), network, str(port)], "success")


def counting(ground: Ground, command: Sequence[str], counted: str) -> Run:
    """Run a command that prints its counts as JSON."""
    out = ground.folder / "counts.json"
    run = measured(command, stdout=out)
    return replace(run, found=json.loads(out.read_bytes())[counted])


class ClosedPort:
    """A port that refuses connections: bound, so that nobody else gets it, and never listened on."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("0.0.0.0", 0))
        self.number: int = self._socket.getsockname()[1]

    def __enter__(self) -> int:
        return self.number

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _last_record(path: Path) -> dict[str, Any]:
    """The summary; not by reading all, or this process's memory would count as that of the next ones."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(file.tell() - _TAIL, 0))
        record: dict[str, Any] = json.loads(file.read().splitlines()[-1])
    return record
