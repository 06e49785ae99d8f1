"""What `check` and `identify` show a person: the answer first, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcprobe.fingerprint.greeting import EXCHANGE
from imcprobe.meaning import State
from imcprobe.model import Match
from imcprobe.outputs.dialogue import LONGEST, dialogue_rows, hint_line
from imcprobe.outputs.records import shown_greeting
from imcprobe.outputs.wording import build_line, caveats, headline, support_line
from imcprobe.safetext import clip, safe

if TYPE_CHECKING:
    from imcprobe.model import Identification, Result, Times


def check_screen(result: Result) -> str:
    """The screen of one host, without a line end behind it."""
    lines = [_where(result), f"  {headline(result)}"]
    lines += [f"  {label:<11} {text}" for label, text in _evidence(result) if text]
    return "\n".join(lines)


def identify_line(result: Result) -> str:
    """The answer for one stored greeting.

    `Exchange Server 5.0 Service Pack 2   build 5.0.1460.8   exact`
    """
    found = result.identification
    parts = [headline(result)]
    if found is not None and found.build is not None and found.family in EXCHANGE:
        parts += [f"build {safe(found.build)}", str(found.match)]
    if found is not None and found.caveats:
        parts.append(f"({', '.join(found.caveats)})")
    return "   ".join(parts)


def _where(result: Result) -> str:
    seen = result.observation
    host = safe(seen.target.host)
    address = "" if seen.address in (None, seen.target.host) else f" ({safe(seen.address or '')})"
    return f"{host}{address} port {seen.target.port}" if seen.target.port else host


def _evidence(result: Result) -> list[tuple[str, str]]:
    seen, found = result.observation, result.identification
    rows = [("Build", build_line(found)) if found else ("", "")]
    rows.append(("Greeting", _greeting(seen.greeting)))
    if found is not None:
        rows += [("Support", support_line(found)), *_advisories(found)]
        rows += [("Caveat", doubt) for doubt in caveats(found)]
        if found.match is not Match.OTHER_COMPONENT:  # there it is part of the answer
            rows += [("Note", release.note) for release in found.releases if release.note]
    rows += dialogue_rows(seen)
    if found is not None:
        rows += [("Hint", hint_line(hint)) for hint in found.hints]
        # Without an identification the answer itself has it.
        rows.append(("Error", clip(safe(seen.error or ""), LONGEST)))
    rows.append(("Time", _times(seen.times)))
    return rows


def _advisories(found: Identification) -> list[tuple[str, str]]:
    """By their ids alone; `imcprobe builds BUILD` has what they are about."""
    missing = [
        each.id if each.fixed_in is None else f"{each.id} ({each.fixed_in})"
        for each in found.advisories
        if each.state is State.NOT_FIXED
    ]
    unseen = [each.id for each in found.advisories if each.state is State.NOT_SHOWN]
    return [
        ("Advisories", f"not fixed in this build: {', '.join(missing)}" if missing else ""),
        (
            "Not shown",
            f"whether these are fixed, this greeting does not tell: {', '.join(unseen)}" if unseen else "",
        ),
    ]


def _greeting(greeting: bytes) -> str:
    """All of a usual greeting, the beginning of one that would scroll the answer away."""
    shown = shown_greeting(greeting) or ""
    if len(shown) <= LONGEST:
        return shown
    return f"{clip(shown, LONGEST)} ({len(greeting):,} bytes)"


def _times(times: Times) -> str:
    parts = [("connect", times.connect_ms), ("greeting", times.greeting_ms)]
    return ", ".join(f"{what} {_milliseconds(value)}" for what, value in parts if value is not None)


def _milliseconds(value: float) -> str:
    return f"{value:.0f} ms" if value >= 1 else "under 1 ms"
