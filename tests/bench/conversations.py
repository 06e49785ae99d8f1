"""Conversations: one target of ten is asked EHLO, the others refuse in words or are closed."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from contenders import ClosedPort, Contender, interleaved, ratio, scan
from networks import NotRunError
from programs import serving
from workloads import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from contenders import Ground
    from measure import Run

# How they are called in reports.
ASKED, PLAIN = "imcprobe --ehlo", "imcprobe"
ASKED_AMONG_CLOSED, PLAIN_AMONG_CLOSED = "--ehlo, 90 % closed", "90 % closed"

_GREETED, _REFUSED = 220, 554
_REFUSING_PERCENT = 90
_BITS = 16
# Of ten ports one is open, so that there are fewer addresses for about as many targets.
_CLOSED_PORTS = 9
_PORTS_BITS = 20
# A repetition takes some ten seconds, where all is to be done within a minute.
_SHORT_RUNS = 2


def conversations(ground: Ground) -> Outcome:
    """Every address answers, and one of ten greets: what it costs to ask these EHLO, and what is lost.

    Beside it, without a bar, where the scan itself costs less: one of ten ports is open, on every address.
    """
    if ground.programs.reference is None:
        raise NotRunError("the server that refuses needs a C compiler")
    refusing = ["--refusing", str(_REFUSING_PERCENT)]
    with ExitStack() as stack:
        port = stack.enter_context(serving([*ground.programs.target, *refusing]))
        one = stack.enter_context(serving(ground.programs.target))
        closed = [stack.enter_context(ClosedPort()) for _ in range(_CLOSED_PORTS)]
        rows = interleaved(
            [
                _ours(ASKED, ground, port, "--ehlo", against=PLAIN),
                _ours(PLAIN, ground, port),
                _among_closed(ASKED_AMONG_CLOSED, ground, one, closed, "--ehlo", against=PLAIN_AMONG_CLOSED),
                _among_closed(PLAIN_AMONG_CLOSED, ground, one, closed),
            ],
            ground.runs,
        )
    figures = {
        "conversations": ratio(rows[ASKED].cpu(), rows[PLAIN].cpu()),
        "conversations-missed": rows[ASKED].missed(),
    }
    notes = [f"where ports are closed, {1 << (32 - _PORTS_BITS):,} targets answer"]
    if missed := rows[PLAIN].missed():
        notes.append(f"{PLAIN}: missed {missed:,} targets in a run")
    return Outcome([*rows.values()], figures, notes)


def fewer_conversations(ground: Ground) -> Outcome:
    """The same, in less time."""
    return conversations(replace(ground, runs=min(ground.runs, _SHORT_RUNS)))


def answers(path: Path, *, asked: bool) -> int:
    """How many addresses of a network, a /16 at the most, have their answer in the records of a scan.

    That is a refusal, or a greeting; where EHLO was asked, a greeting without keywords is a lost answer.
    """
    found = bytearray(1 << _BITS)  # no set: this process's memory would count as that of the next ones
    with path.open("rb") as file:
        for record in map(json.loads, file):
            if record["type"] == "result" and _is_whole(record, asked=asked):
                found[int(IPv4Address(record["ip"])) % len(found)] = 1
    return sum(found)


def _is_whole(record: dict[str, Any], *, asked: bool) -> bool:
    if record["code"] == _GREETED:
        return bool(record["keywords"]) or not asked
    return bool(record["code"] == _REFUSED)


def _ours(name: str, ground: Ground, port: int, *options: str, against: str | None = None) -> Contender:
    def run() -> Run:
        return _answered(ground, scan(ground, ground.networks.take(_BITS), port, *options), options)

    return Contender(name, 1 << (32 - _BITS), run, against)


def _among_closed(
    name: str, ground: Ground, port: int, closed: Sequence[int], *options: str, against: str | None = None
) -> Contender:
    def run() -> Run:
        network = ground.networks.take(_PORTS_BITS)
        # Shuffled, or all that answer would come one after the other: the port is what changes last.
        return _answered(ground, scan(ground, network, port, "--shuffle", *options, closed=closed), options)

    return Contender(name, (1 + len(closed)) << (32 - _PORTS_BITS), run, against)


def _answered(ground: Ground, run: Run, options: Sequence[str]) -> Run:
    """The run with what is found in its records, which a status does not tell."""
    return replace(run, found=answers(ground.records, asked="--ehlo" in options))
