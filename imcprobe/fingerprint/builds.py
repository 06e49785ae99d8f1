"""The build table and what a build means in it (facts and rules: `imcprobe.knowledge`).

A number is looked up as (build, revision), without the product in front of it: the pairs are unique
over 4.0, 5.0 and 5.5, so a wrong prefix cannot hide a known build.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imcprobe.knowledge.components import COMPONENTS
from imcprobe.knowledge.fixes import DISPUTED, FIXES, HEADER_ONLY
from imcprobe.knowledge.lifecycle import BUILD_RANGES, PRODUCT_OF
from imcprobe.knowledge.releases import ARTICLE, RELEASES
from imcprobe.knowledge.windows import EXCHANGE_POSSIBLE, WINDOWS
from imcprobe.model import Build, Caveat, Kind, Match, Release

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILDS: tuple[Release, ...] = tuple(sorted((*RELEASES, *FIXES), key=lambda row: row.build))
"""Every documented build of the Internet Mail Connector and Service, by number; 993.5 has two rows."""

ARTICLE_BUILDS = frozenset(row.build for row in RELEASES if row.source == ARTICLE)
FURTHER_BUILDS = len({row.build for row in BUILDS}) - len(ARTICLE_BUILDS)
TABLE_NAME = f"{ARTICLE}+{FURTHER_BUILDS}"
"""The table as records name it: the article, and how many builds go beyond it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a build means: `product` ("5.5") is the one it belongs to, None when that is unknown."""

    product: str | None
    match: Match
    releases: tuple[Release, ...] = ()
    below: Release | None = None
    above: Release | None = None
    caveats: tuple[Caveat, ...] = ()


_VERSION = re.compile(r"([0-9]{1,5})\.([0-9]{1,5})\.([0-9]{1,5})\.([0-9]{1,5})", re.ASCII)
_MATCH_OF = {
    Kind.RELEASE: Match.EXACT,
    Kind.HOTFIX: Match.DOCUMENTED,
    Kind.THRESHOLD: Match.DOCUMENTED,
    Kind.OBSERVED: Match.DOCUMENTED,
    Kind.PRERELEASE: Match.OLDER,
    Kind.DOC_EXAMPLE: Match.BETWEEN,
    Kind.COMPONENT: Match.OTHER_COMPONENT,
}
# Matches that leave open which build it is.
OPEN_MATCHES = frozenset({Match.NONE, Match.CONFLICT, Match.OTHER_COMPONENT})
# Kinds that a build without revision may stand for.
_FIRM = frozenset({Kind.RELEASE, Kind.HOTFIX, Kind.THRESHOLD, Kind.OBSERVED})


def _by_number(rows: tuple[Release, ...]) -> dict[tuple[int, int], tuple[Release, ...]]:
    found: dict[tuple[int, int], tuple[Release, ...]] = defaultdict(tuple)
    for row in rows:
        found[row.build.number] += (row,)
    return dict(found)


_IMS = _by_number(BUILDS)
_COMPONENTS = _by_number(COMPONENTS)
# One row a number, in order, for neighbours: 993.5 is represented by its first.
_LADDER = {
    product: tuple(rows[0] for rows in _IMS.values() if rows[0].build.prefix == product)
    for product in BUILD_RANGES
}


def lookup(build: Build, *, header: bool = False) -> Finding:
    """Say what `build` is: as read in a greeting, or with `header` in a mail header.

    >>> [release.name for release in lookup(Build.parse("993.5")).releases]
    ['Exchange Server 4.0 Service Pack 2', 'Exchange Server 4.0a']
    """
    finding = _of_row(build, header=header) or _by_position(build)
    if finding.product is None or build.prefix in (None, finding.product):
        return finding
    return replace(finding, match=Match.CONFLICT, caveats=(Caveat.PREFIX_DISAGREES, *finding.caveats))


def find(query: str) -> tuple[Release, ...]:
    """Rows for what a person asks: nothing for all, `5.5`, `4.0a`, `SP3`, `5.5 sp3`, `2650.21`, `2650`.

    A number finds rows of other components too. Nothing found is an empty tuple.
    """
    words = query.casefold().replace("service pack ", "sp").split()
    rows = BUILDS if not any(asked_build(word) for word in words) else (*BUILDS, *COMPONENTS)
    return tuple(row for row in rows if all(_fits(row, word) for word in words))


def asked_build(query: str) -> Build | None:
    """The build that a person asks for: `2650.21`, `5.5.2650.21`, `2650`; None for a product (`5.5`)."""
    try:
        build = Build.parse(query)
    except ValueError:
        return None
    return build if build.major is not None or product_of(build) is not None else None


def product_of(build: Build) -> str | None:
    """The product whose range the number lies in, whatever prefix it has."""
    return next((name for name, (low, high) in BUILD_RANGES.items() if low <= build.build <= high), None)


def next_service_pack(build: Build, product: str, releases: Sequence[Release] = ()) -> str | None:
    """The first service pack of the product that is later than `releases`, None for none.

    Those are the rows of the build; only without any its number counts, as other components have
    numbers above those of service packs that they came before.
    """
    rows = [row for row in RELEASES if PRODUCT_OF[row.version] == product and row.service_pack]
    included = {release.service_pack for release in releases}
    numbers = [row.build.number for row in rows if row.service_pack in included]
    reached = max(numbers, default=(0, 0)) if releases else build.number
    return next((row.service_pack for row in rows if row.build.number > reached), None)


def is_plausible(build: Build) -> bool:
    """Whether the table has a number, or its prefix is that of the product whose range it lies in.

    For numbers that stand where another thing's may stand as well.
    """
    return build.number in _IMS or (build.prefix is not None and build.prefix == product_of(build))


def windows_release(version: str) -> str | None:
    """Name the Windows of a Windows SMTP service's version: `6.0.3790.4675`; None when it is unknown."""
    parts = _parts(version)
    if parts is None:
        return None
    return next((row.name for row in reversed(WINDOWS) if row.version in (parts, (*parts[:3], None))), None)


def exchange_possible(version: str) -> bool:
    """Whether Exchange 2000 or 2003 ran on the Windows of that version."""
    parts = _parts(version)
    return parts is not None and parts[:3] in EXCHANGE_POSSIBLE


def _of_row(build: Build, *, header: bool) -> Finding | None:
    number = build.number
    if number in HEADER_ONLY:
        match = Match.EXACT if header else Match.OTHER_COMPONENT
        return _found(_IMS[number], match)
    if number in DISPUTED:
        return _found(_IMS[number], Match.EXACT, Caveat.REVISION_DISPUTED)
    if build.revision is None:
        return _without_revision(build.build)
    rows = _IMS.get(number)
    if rows is not None:
        return _found(rows, _match_of(rows))
    # A row whose revision nobody printed stands for every one.
    rows = _IMS.get((build.build, -1))
    if rows is not None:
        return _found(rows, _match_of(rows), Caveat.NO_REVISION)
    rows = _COMPONENTS.get(number)
    return None if rows is None else _found(rows, Match.OTHER_COMPONENT)


def _without_revision(number: int) -> Finding | None:
    rows = [row for row in BUILDS if row.build.build == number and row.build.number not in HEADER_ONLY]
    rows = [row for row in rows if row.kind in _FIRM] or rows
    if not rows:
        return None
    match = Match.AMBIGUOUS if len(rows) > 1 else _match_of(rows)
    return _found(tuple(rows), match, Caveat.NO_REVISION)


def _match_of(rows: tuple[Release, ...] | list[Release]) -> Match:
    return Match.AMBIGUOUS if len(rows) > 1 else _MATCH_OF[rows[0].kind]


def _found(rows: tuple[Release, ...], match: Match, *caveats: Caveat) -> Finding:
    product = PRODUCT_OF[rows[0].version]
    below, above = _neighbours(rows[0].build, rows[-1].build, product)
    return Finding(product, match, rows, below, above, (*caveats, *_naming(*rows)))


def _naming(*rows: Release | None) -> tuple[Caveat, ...]:
    """The doubt about a name that Q257618 alone has."""
    only_here = any(row is not None and row.version == "4.0a" and row.service_pack for row in rows)
    return (Caveat.NAMED_4_0_ELSEWHERE,) if only_here else ()


def _by_position(build: Build) -> Finding:
    """Place a number that no row has among the rows of its product."""
    product = product_of(build) or build.prefix
    if product is None or build.prefix not in (None, *BUILD_RANGES):
        return Finding(None, Match.NONE)
    below, above = _neighbours(build, build, product)
    caveats = (Caveat.NO_REVISION,) if build.revision is None else ()
    return Finding(product, _position(build, product, above), (), below, above, (*caveats, *_naming(below)))


def _position(build: Build, product: str, above: Release | None) -> Match:
    if above is None:
        return Match.NEWER
    return Match.OLDER if build.number < _first_release(product) else Match.BETWEEN


def _first_release(product: str) -> tuple[int, int]:
    return next(
        row.build.number
        for row in _LADDER[product]
        if row.kind is Kind.RELEASE or row.build.number in DISPUTED
    )


def _neighbours(low: Build, high: Build, product: str) -> tuple[Release | None, Release | None]:
    ladder = _LADDER[product]
    numbers = [row.build.number for row in ladder]
    at, after = bisect_left(numbers, low.number), bisect_right(numbers, high.number)
    return ladder[at - 1] if at else None, ladder[after] if after < len(ladder) else None


def _fits(row: Release, word: str) -> bool:
    product = PRODUCT_OF[row.version]
    level = (row.service_pack or ("" if row.kind is Kind.PRERELEASE else "rtm")).casefold()
    if word in (row.version, product, level, row.version + level, product + level):
        return True
    asked = asked_build(word)
    return asked is not None and _has_build(row, asked)


def _has_build(row: Release, asked: Build) -> bool:
    if asked.prefix not in (None, row.build.prefix) or asked.build != row.build.build:
        return False
    # A revision that nobody printed may be any; of other components the whole number is known.
    unprinted = row.build.revision is None and row.kind is not Kind.COMPONENT
    return asked.revision is None or unprinted or asked.revision == row.build.revision


def _parts(version: str) -> tuple[int, int, int, int] | None:
    found = _VERSION.fullmatch(version)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]), int(found[4]))
