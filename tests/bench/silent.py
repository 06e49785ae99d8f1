"""The silent net: one address of a hundred answers, the SYNs to the others are dropped."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from contenders import Contender, interleaved, ratio, refer, scan, size
from networks import NotRunError, inside, namespace, require_namespaces, system
from programs import serving
from workloads import C_QUIT, OURS, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from contenders import Ground
    from measure import Run

_NETWORK = "127.200.0.0/16"
_IN_FLIGHT = 16384
_TIMEOUT_MS = 2000
# Nobody is later than that, however busy the machine is.
_PATIENT_MS = 5000
# Open files beside the connections.
_SPARE_FILES = 64
# The seed makes it the same addresses in every namespace.
_RULES = f"""
table ip silence {{
  chain input {{
    type filter hook input priority 0; policy accept;
    ip daddr {_NETWORK} tcp flags & (syn | ack) == syn jhash ip daddr mod 100 seed 0x1997 != 0 drop
  }}
}}
"""


def silent(ground: Ground) -> Outcome:
    """Find each of the few who answer while most connections wait for their timeout."""
    require_namespaces("nft")
    _require_files()
    reference = ["--quit", "--in-flight", str(_IN_FLIGHT), "--timeout"]
    ours = ["-c", str(_IN_FLIGHT), "--connect-timeout", f"{_TIMEOUT_MS}ms"]

    def patient(prefix: list[str], port: int) -> Run:
        return refer(ground, _NETWORK, port, *reference, str(_PATIENT_MS), prefix=prefix)

    def referred(prefix: list[str], port: int) -> Run:
        return refer(ground, _NETWORK, port, *reference, str(_TIMEOUT_MS), prefix=prefix)

    def scanned(prefix: list[str], port: int) -> Run:
        return scan(ground, _NETWORK, port, *ours, prefix=prefix)

    truth = _in_silence(ground, patient).found
    assert truth
    rows = interleaved(
        [
            Contender(OURS, size(_NETWORK), lambda: _in_silence(ground, scanned), C_QUIT),
            Contender(C_QUIT, size(_NETWORK), lambda: _in_silence(ground, referred)),
        ],
        ground.runs,
    )
    missed = {name: truth - min(run.found or 0 for run in row.runs) for name, row in rows.items()}
    figures = {"silent": ratio(rows[OURS].cpu(), rows[C_QUIT].cpu()), "silent-missed": missed[OURS]}
    notes = [f"{truth} addresses answer", f"C with QUIT missed {missed[C_QUIT]} of them in its worst run"]
    return Outcome([*rows.values()], figures, notes)


def _in_silence(ground: Ground, run: Callable[[list[str], int], Run]) -> Run:
    """One run in a namespace of its own: no connection of another is left there in TIME_WAIT."""
    with namespace() as name:
        system(*inside(name), "nft", "-f", "-", text=_RULES)
        with serving([*inside(name), *ground.programs.target]) as port:
            return run(inside(name), port)


def _require_files() -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < _IN_FLIGHT + _SPARE_FILES:
        raise NotRunError(f"{_IN_FLIGHT:,} connections need more open files than {files:,} (ulimit -n)")
