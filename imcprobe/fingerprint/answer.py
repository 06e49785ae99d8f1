"""From what the table has for a build to the whole answer: confidence, CPE name, support, advisories."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imcprobe.fingerprint.advisories import with_advisories
from imcprobe.fingerprint.builds import Finding, lookup, next_service_pack
from imcprobe.knowledge.lifecycle import CPE, SUPPORT
from imcprobe.model import Build, Caveat, Confidence, Family, Identification, Match

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRM = frozenset({Match.EXACT, Match.AMBIGUOUS, Match.DOCUMENTED})
# What places a build behind one service pack.
_LEVELLED = frozenset({Match.EXACT, Match.DOCUMENTED, Match.BETWEEN})
_DOUBTFUL = frozenset(
    {Caveat.UNDOCUMENTED_FORM, Caveat.UNUSUAL_WORDING, Caveat.PREFIX_DISAGREES, Caveat.TRUNCATED}
)
_UNSURE = frozenset({Caveat.NO_REVISION, Caveat.FROM_HEADER})


def answer(
    family: Family,
    finding: Finding,
    build: Build | None,
    *,
    shown: str | None,
    caveats: Iterable[Caveat],
    host: str | None = None,
) -> Identification:
    """The identification of an Internet Mail Connector or Service; `shown` is its build as told."""
    product, doubts = finding.product, in_order(caveats)
    return with_advisories(
        Identification(
            family,
            "Exchange Server" if product is None else f"Exchange Server {product}",
            build=shown,
            match=finding.match,
            releases=finding.releases,
            below=finding.below,
            above=finding.above,
            confidence=_confidence(finding.match, doubts),
            caveats=doubts,
            host=host,
            cpe=_cpe(finding),
            support=None if product is None else SUPPORT[product],
            superseded_by=_superseded_by(finding, build),
        )
    )


def of_build(build: Build) -> Identification:
    """What a documented greeting with this build is identified as; its match is none where it is no build.

    >>> of_build(Build.parse("2653.13")).releases[0].name
    'Exchange Server 5.5 Service Pack 4'
    """
    finding = lookup(build)
    family = Family.EXCHANGE_IMC if finding.product == "4.0" else Family.EXCHANGE_IMS
    return answer(family, finding, build, shown=str(with_prefix(build, finding)), caveats=finding.caveats)


def with_prefix(build: Build, finding: Finding) -> Build:
    """The build with its product in front, where it was read without and the product is known."""
    if build.prefix is not None or finding.product is None:
        return build
    major, minor = map(int, finding.product.split("."))
    return replace(build, major=major, minor=minor)


def in_order(caveats: Iterable[Caveat]) -> tuple[Caveat, ...]:
    """Caveats in the order that they are told in, each once."""
    given = frozenset(caveats)
    return tuple(caveat for caveat in Caveat if caveat in given)


def _confidence(match: Match, caveats: tuple[Caveat, ...]) -> Confidence:
    if match is Match.CONFLICT or _DOUBTFUL.intersection(caveats):
        return Confidence.LOW
    return Confidence.HIGH if match in _FIRM and not _UNSURE.intersection(caveats) else Confidence.MEDIUM


def _superseded_by(finding: Finding, build: Build | None) -> str | None:
    if build is None or finding.product is None:
        return None
    return next_service_pack(build, finding.product, finding.releases)


def _cpe(finding: Finding) -> tuple[str, ...]:
    if finding.product is None:
        return ()
    update = "*"
    # A row that is placed only is an example in a document: which level it has is not certain.
    if finding.match in _LEVELLED and not (finding.match is Match.BETWEEN and finding.releases):
        level = finding.releases[0] if finding.releases else finding.below
        update = ((level and level.service_pack) or "-").lower()
    return (CPE.format(version=finding.product, update=update),)
