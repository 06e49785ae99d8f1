"""All of the hostile fleet, by class and by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcprobe.errors import UsageError
from imcprobe.testing.hostile import (
    closing,
    codes,
    decoys,
    ehlo,
    encodings,
    framing,
    injections,
    ntlm,
    protocols,
    timing,
    tls,
)

if TYPE_CHECKING:
    from imcprobe.testing.hostile.case import Case

HOSTILE: dict[str, tuple[Case, ...]] = {
    "timing": timing.CASES,
    "framing": framing.CASES,
    "closing": closing.CASES,
    "codes": codes.CASES,
    "protocols": protocols.CASES,
    "encodings": encodings.CASES,
    "injections": injections.CASES,
    "decoys": decoys.CASES,
    "ehlo": ehlo.CASES,
    "tls": tls.CASES,
    "ntlm": ntlm.CASES,
}
"""The classes of the hostile fleet, and the servers of each."""


def hostile_cases(*names: str) -> dict[str, Case]:
    """The servers of these classes, or of all, by a name like `timing/late`. Raises UsageError."""
    for name in names:
        if name not in HOSTILE:
            raise UsageError(f"fleet {name[:40]!a}: unknown. Known: {', '.join(HOSTILE)}.")
    return {f"{name}/{case.name}": case for name in names or HOSTILE for case in HOSTILE[name]}
