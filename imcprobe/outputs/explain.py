"""What `builds BUILD` says of one build: everything that the tables have, each with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imcprobe.fingerprint.advisories import fixes_of
from imcprobe.meaning import State
from imcprobe.model import Observation, Result, Status, Target
from imcprobe.outputs.records import identification_record, release_record
from imcprobe.outputs.wording import caveats, in_full, support_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imcprobe.knowledge.advisories import AdvisoryRow
    from imcprobe.meaning import Advisory
    from imcprobe.model import Identification, Release


def explanation(found: Identification, others: Sequence[Release] = ()) -> str:
    """The screen of one build; `others` are rows that have its number without being the answer."""
    told = [f"  {label:<11} {text}\n" for label, text in _rows(found, others) if text]
    return "".join([f"{build_name(found)}\n", *told])


def explanation_record(found: Identification, others: Sequence[Release] = ()) -> dict[str, Any]:
    """The same as data: what a greeting with the build is identified as, what it has fixed, other rows."""
    return {
        **identification_record(found),
        "advisories": [_about(each) for each in found.advisories if each.state is State.NOT_FIXED],
        "advisories_not_shown": [_about(each) for each in found.advisories if each.state is State.NOT_SHOWN],
        "fixed": [_about(row) for row in fixes_of(found)],
        "others": [release_record(row) for row in others],
    }


def explanation_line(found: Identification) -> str:
    """A build that no row has, in the cells of one: its position for the name, its match for the kind."""
    return "\t".join([str(found.build), build_name(found), str(found.match), "", ""]) + "\n"


def build_name(found: Identification) -> str:
    """The release or releases of a build, or its position between them."""
    return in_full(Result(Observation(Target("", 0), None, Status.SUCCESS), found))


def _rows(found: Identification, others: Sequence[Release]) -> Iterator[tuple[str, str]]:
    yield "Build", f"{found.build}   {found.match}, confidence {found.confidence}"
    for row in found.releases:
        yield "Row", _row(row)
        yield "Note", row.note or ""
    for doubt in caveats(found):
        yield "Caveat", doubt
    for row in others:
        yield "Also", f"{_row(row)}{f': {row.note}' if row.note else ''}"
    yield "Below", "" if found.below is None else _row(found.below)
    yield "Above", "" if found.above is None else _row(found.above)
    yield "Support", support_line(found)
    for fix in fixes_of(found):
        yield "Fixed", _advisory(fix)
    for each in found.advisories:
        yield _LABELS[each.state], _advisory(each)
    yield "CPE", " ".join(found.cpe)


_LABELS = {State.NOT_FIXED: "Not fixed", State.NOT_SHOWN: "Not shown"}


def _row(row: Release) -> str:
    return f"{row.build}   {row.name}, {row.kind.replace('_', ' ')} ({row.source})"


def _advisory(each: Advisory | AdvisoryRow) -> str:
    names = ", ".join(dict.fromkeys(name for name in (each.id, each.cve) if name))
    fixed = "" if each.fixed_in is None else f"fixed in {each.fixed_in}; "
    return f"{names}: {each.title} ({fixed}{each.source})"


def _about(each: Advisory | AdvisoryRow) -> dict[str, str | None]:
    return {
        "id": each.id,
        "cve": each.cve,
        "title": each.title,
        "fixed_in": None if each.fixed_in is None else str(each.fixed_in),
        "source": each.source,
    }
