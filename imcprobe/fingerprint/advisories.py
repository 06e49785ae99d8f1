"""What a build shows of security advisories: that a fix is in it, that it is missing, or nothing.

Only a number that was read for certain shows anything. Whatever else touches the product is told
apart, as what a greeting cannot show. Builds of other languages than English can have other revisions.
"""

from __future__ import annotations

from dataclasses import replace

from imcprobe.fingerprint.builds import OPEN_MATCHES, windows_release
from imcprobe.fingerprint.greeting import EXCHANGE
from imcprobe.knowledge.advisories import ADVISORIES, ON_WINDOWS, AdvisoryRow
from imcprobe.knowledge.lifecycle import BUILD_RANGES, EXCHANGE_ON_WINDOWS_NAME
from imcprobe.meaning import Advisory, State
from imcprobe.model import Build, Caveat, Family, Identification

_Number = tuple[int, int]

_LOWEST, _HIGHEST = -1, 1 << 32
_ANY = (_LOWEST, _LOWEST), (_HIGHEST, _HIGHEST)


def advisories_of(found: Identification) -> tuple[Advisory, ...]:
    """Those whose fix is missing, then those of which the greeting shows nothing; what is fixed is left out.

    An identification that EHLO raised to Exchange 2000 or 2003 has those of both.
    """
    low, high = _numbers(found)
    missing, unseen = [], []
    for row in _touching(found):
        if row.missing_below is not None and high < row.missing_below.number:
            missing.append(_advisory(row, State.NOT_FIXED))
        elif not _is_fixed(row, low):
            unseen.append(_advisory(row, State.NOT_SHOWN))
    return (*missing, *unseen)


def fixes_of(found: Identification) -> tuple[AdvisoryRow, ...]:
    """The advisories that touch the product and whose fix the build shows."""
    low, _ = _numbers(found)
    return tuple(row for row in _touching(found) if _is_fixed(row, low))


def with_advisories(found: Identification) -> Identification:
    """The same with its advisories: for one that was made, or whose product or certainty has changed."""
    return replace(found, advisories=advisories_of(found))


def _is_fixed(row: AdvisoryRow, low: _Number) -> bool:
    return row.fixed_in is not None and low >= row.fixed_in.number


def _advisory(row: AdvisoryRow, state: State) -> Advisory:
    fixed_in = None if row.fixed_in is None else str(row.fixed_in)
    return Advisory(row.id, row.cve, row.title, state, fixed_in, row.source)


def _touching(found: Identification) -> list[AdvisoryRow]:
    names = _names(found)
    return [row for row in ADVISORIES if _is_any(names, row.touches) and not _is_any(names, row.spared)]


def _is_any(names: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether one of `names` is one of those wanted: "Windows 2000 SP3" is a Windows 2000."""
    return any(name.startswith(wanted) for name in names)


def _names(found: Identification) -> tuple[str, ...]:
    """What the server is, in the words of the advisories; nothing where that is only a hint."""
    product = found.product or ""
    if found.family in EXCHANGE:
        return (product.removeprefix("Exchange Server "),)
    if found.family is Family.WINDOWS_SMTP:
        above = ON_WINDOWS if product == EXCHANGE_ON_WINDOWS_NAME else ()
        return (windows_release(found.build or "") or "", *above)
    return (product,) if found.family is Family.NT4_OPTION_PACK else ()


def _numbers(found: Identification) -> tuple[_Number, _Number]:
    """The lowest and the highest (build, revision) that it may be: all of them where none is certain.

    A number without a revision may have any.
    """
    if found.build is None or Caveat.TRUNCATED in found.caveats:
        return _ANY
    if found.family in EXCHANGE and found.match not in OPEN_MATCHES:
        build = Build.parse(found.build)
        if build.build < min(first for first, _ in BUILD_RANGES.values()):  # 5.5.0.0: written by a hand
            return _ANY
        return build.number, (build.build, _HIGHEST if build.revision is None else build.revision)
    if found.family is Family.WINDOWS_SMTP and windows_release(found.build) is not None:
        number, revision = map(int, found.build.split(".")[2:])
        return (number, revision), (number, revision)
    return _ANY
