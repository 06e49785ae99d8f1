"""Conditions that a user may set on results: `--fail-on` and `--expect`. Pure, and about one result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imcprobe.errors import UsageError
from imcprobe.fingerprint.builds import BUILDS, OPEN_MATCHES
from imcprobe.fingerprint.greeting import EXCHANGE
from imcprobe.knowledge.fixes import DISPUTED
from imcprobe.knowledge.lifecycle import BUILD_RANGES, PRODUCT_OF
from imcprobe.knowledge.releases import RELEASES
from imcprobe.meaning import State
from imcprobe.model import Build, Identification, Kind, Result
from imcprobe.safetext import clip, safe

if TYPE_CHECKING:
    from collections.abc import Callable

    Condition = Callable[[Result], bool]

_RELEASE = re.compile(r"(>=)?(4\.0a?|5\.0|5\.5)(rtm|sp[1-9])?", re.ASCII)
_NONE = "none"
_ABOVE_ALL = (1 << 32, 0)


def _is_exchange(result: Result) -> bool:
    return result.identification is not None and result.identification.exchange


def _is_outdated(result: Result) -> bool:
    return result.identification is not None and result.identification.superseded_by is not None


def _is_unsupported(result: Result) -> bool:
    found = result.identification
    return found is not None and found.support is not None and found.support.state == "ended"


def _is_vulnerable(result: Result) -> bool:
    found = result.identification
    return found is not None and any(each.state is State.NOT_FIXED for each in found.advisories)


def _is_unknown(result: Result) -> bool:
    found = result.identification
    return found is not None and found.family in EXCHANGE and found.match in OPEN_MATCHES


def _is_unreached(result: Result) -> bool:
    return not result.observation.answered


FAIL_ON: dict[str, Condition] = {
    "exchange": _is_exchange,
    "outdated": _is_outdated,
    "unsupported": _is_unsupported,
    "vulnerable": _is_vulnerable,
    "unknown": _is_unknown,
    "unreached": _is_unreached,
}
"""The words of `--fail-on`: any Exchange; a later service pack exists; support has ended; the build
shows that the fix of an advisory is missing (what a build cannot show counts for nothing); an Internet Mail
Connector or Service whose build says nothing certain; no answer."""


def parse_fail_on(text: str) -> dict[str, Condition]:
    """Read a comma-separated list of words, each with its condition. Raises UsageError for an unknown one."""
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in FAIL_ON:
            raise UsageError(f'--fail-on "{safe(clip(word, 40))}": unknown. Known: {", ".join(FAIL_ON)}.')
    return {word: FAIL_ON[word] for word in words}


@dataclass(frozen=True, slots=True)
class Expectation:
    """What every server that answers must run: builds from `first` on and below `end`, or no Exchange.

    Both are (build, revision); None for no Exchange at all. `product` None means any, `text` is how it was
    written.
    """

    text: str
    first: tuple[int, int] | None
    end: tuple[int, int]
    product: str | None

    def met(self, result: Result) -> bool:
        """Whether a result is as expected; a build that may be another one is not."""
        if self.first is None:
            return not _is_exchange(result)
        found = result.identification
        if found is None or found.family not in EXCHANGE or found.match in OPEN_MATCHES:
            return False
        numbers = _numbers(found)
        inside = bool(numbers) and all(self.first <= number < self.end for number in numbers)
        return inside and (self.product is None or found.product == f"Exchange Server {self.product}")


def parse_expect(text: str) -> Expectation:
    """Read `5.5sp4` (later fixes included), `5.5`, `4.0a` (any service pack), `5.5rtm`, `>=5.5sp3` or `none`.

    Raises UsageError for anything else, and for a service pack that never was.
    """
    wanted = "".join(text.casefold().replace("service pack", "sp").split())
    if wanted == _NONE:
        return Expectation(_NONE, None, _ABOVE_ALL, None)
    found = _RELEASE.fullmatch(wanted)
    if found is None:
        raise _unknown(text)
    at_least, version, level = found.groups()
    first, end = _range(version, level, text)
    if at_least:
        low, _ = BUILD_RANGES[PRODUCT_OF[version]]
        return Expectation(wanted, max(first, (low, -1)), _ABOVE_ALL, None)
    return Expectation(wanted, first, end, PRODUCT_OF[version])


def _numbers(found: Identification) -> list[tuple[int, int]]:
    """The builds that it may be: those of the rows, or without a row the number as read."""
    if found.releases:
        return [release.build.number for release in found.releases]
    return [] if found.build is None else [Build.parse(found.build).number]


def _range(version: str, level: str | None, text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """The first build of a release, and the first of the next one."""
    product = PRODUCT_OF[version]
    rows = [row for row in RELEASES if PRODUCT_OF[row.version] == product]
    if level is None:
        first = min(row.build.number for row in rows if row.version == version)
        return min([first, *_disputed(product, first)]), _ABOVE_ALL
    # 4.0 and 4.0a are one line of service packs; 4.0a without one is 993.5, as SP2 is.
    pack = None if level == "rtm" else level.upper()
    same = [row for row in rows if row.service_pack == pack and row.version in _said(version, pack)]
    if not same:
        raise _unknown(text)
    first = min(row.build.number for row in same)
    later = [row.build.number for row in rows if row.service_pack and row.build.number > first]
    return min([first, *_disputed(product, first)]), min(later, default=_ABOVE_ALL)


def _said(version: str, pack: str | None) -> tuple[str, ...]:
    """The versions of rows that a user may mean: service packs of 4.0a are those of 4.0 to others."""
    return ("4.0", "4.0a") if version == "4.0" and pack else (version,)


def _disputed(product: str, first: tuple[int, int]) -> list[tuple[int, int]]:
    """Builds just below a release that sources hold to be the same release."""
    return [
        row.build.number
        for row in BUILDS
        if row.kind is not Kind.RELEASE
        and row.build.number in DISPUTED
        and row.build.prefix == product
        and row.build.build == first[0]
    ]


def _unknown(text: str) -> UsageError:
    return UsageError(
        f'--expect "{safe(clip(text, 40))}": unknown. Write 5.5sp4, 5.5, 5.5rtm, ">=5.5sp3" or none.'
    )
