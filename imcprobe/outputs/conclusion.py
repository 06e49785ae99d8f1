"""The parts of a conclusion, as records have them: rows of the table, hints, advisories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imcprobe.meaning import State
from imcprobe.safetext import safe

if TYPE_CHECKING:
    from imcprobe.meaning import Advisory, Hint
    from imcprobe.model import Release


def release_details(release: Release) -> dict[str, Any]:
    """A row beside the build that found it."""
    return {
        "name": release.name,
        "version": release.version,
        "service_pack": release.service_pack,
        "kind": str(release.kind),
        "source": release.source,
        "note": release.note,
    }


def neighbour_record(release: Release | None) -> dict[str, str] | None:
    """The row below or above a build."""
    return None if release is None else {"build": str(release.build), "name": release.name}


def hint_record(hint: Hint) -> dict[str, str]:
    """A hint: its evidence is a server's own word, the rest is imcprobe's."""
    return {
        "channel": str(hint.channel),
        "reading": hint.reading,
        "evidence": safe(hint.evidence),
        "source": hint.source,
    }


def advisory_records(advisories: tuple[Advisory, ...]) -> dict[str, Any]:
    """The advisories of a build: those whose fix it shows to be missing, and the names of the others.

    `builds BUILD` tells what they are about: every record of a scan has them, so that each word counts.
    """
    return {
        "advisories": [
            {"id": each.id, "cve": each.cve, "fixed_in": each.fixed_in}
            for each in advisories
            if each.state is State.NOT_FIXED
        ],
        "advisories_not_shown": [each.id for each in advisories if each.state is State.NOT_SHOWN],
    }
