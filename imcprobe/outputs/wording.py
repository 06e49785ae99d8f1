"""Sentences for people: what a result means, in one line, in imcprobe's own words.

Results are worded as what the greeting says: greetings can be set by hand, and the build of an
Internet Mail Service proves that service, not the service pack of the whole server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcprobe.fingerprint.builds import exchange_possible, windows_release
from imcprobe.fingerprint.greeting import EXCHANGE
from imcprobe.meaning import Channel
from imcprobe.model import Caveat, Family, Identification, Kind, Match, Observation, Release, Result, Status
from imcprobe.outputs.records import reply_code, shown_greeting
from imcprobe.safetext import clip, safe

if TYPE_CHECKING:
    from collections.abc import Callable

# Of what a server said, as much as fits a line.
_QUOTED = 60

_NAMELESS = {Family.MASKED: "masked by a firewall", Family.SMTP: "SMTP", Family.REFUSED: "SMTP, refused"}
_DOUBTS = {
    Match.OLDER: "before release",
    Match.NEWER: "newer than any documented build",
    Match.OTHER_COMPONENT: "build of another component",
    Match.CONFLICT: "by its number",
    Match.NONE: "build unknown",
}
_BY_POSITION = frozenset({Match.BETWEEN, Match.NEWER})
_FROM_REPLIES = frozenset({Channel.EHLO, Channel.HELP, Channel.QUIT, Channel.STARTTLS})
_CAVEATS = {
    Caveat.UNDOCUMENTED_FORM: "no greeting of this form is documented",
    Caveat.UNUSUAL_WORDING: "words of 5.0 and later around a number of 4.0, as a known honeypot has them",
    Caveat.PREFIX_DISAGREES: "the number belongs to another product than the greeting names",
    Caveat.REVISION_DISPUTED: "sources disagree on the revision of this release",
    Caveat.NO_REVISION: "the number has no revision that tells builds apart",
    Caveat.TRUNCATED: "the greeting was cut off",
    Caveat.FROM_HEADER: "from a mail header, which is easily forged",
    Caveat.EARLY_DATA: "the server went on talking behind its greeting",
    Caveat.NAMED_4_0_ELSEWHERE: "articles other than Q257618 call this 4.0, not 4.0a",
}


def headline(result: Result) -> str:
    """The answer to "what is this host?"."""
    seen, found = result.observation, result.identification
    if found is None:
        return _unidentified(seen)
    words = _BY_FAMILY.get(found.family)
    return _BY_MATCH[found.match](found) if words is None else words(found, seen)


def in_full(result: Result) -> str:
    """The releases by their whole names, a position between them, a product, or the kind of server.

    Empty where nothing spoke SMTP. The bare name of a release stands for builds that are certain.
    """
    found = result.identification
    if found is None:
        return ""
    if found.family not in EXCHANGE:
        return found.product or _NAMELESS.get(found.family, "")
    if found.match is Match.BETWEEN and not found.releases:
        return _position(found)
    names = " | ".join(dict.fromkeys(row.name for row in found.releases))
    if found.match not in _DOUBTS:
        return names
    name = names if names and found.match is Match.CONFLICT else found.product
    return f"{name}, {_DOUBTS[found.match]}"


def in_short(result: Result) -> str:
    """The same in few words, for a narrow column: `SP3+` is after SP3, before SP4; `?` is not certain."""
    found = result.identification
    if found is None or found.family not in EXCHANGE or found.match is Match.OLDER:
        return in_full(result)
    if found.match in _BY_POSITION and not found.releases:
        version = found.below.version if found.below else ""
        return f"Exchange Server {version} {_level_below(found)}+"
    if found.match is Match.OTHER_COMPONENT or not found.releases:
        return f"{found.product} ?"
    names = list(dict.fromkeys(map(_compact, found.releases)))
    # "Exchange Server 4.0 SP2|4.0a": the product's name once.
    short = "|".join([names[0], *(name.removeprefix("Exchange Server ") for name in names[1:])])
    return f"{short} ?" if found.match is Match.CONFLICT else short


def caveats(found: Identification) -> list[str]:
    """The doubts beside an answer, each as half a sentence."""
    return [_CAVEATS[caveat] for caveat in found.caveats]


def build_line(found: Identification) -> str:
    """The build and how it relates to the table; empty without a build."""
    if found.build is None:
        return ""
    build = safe(found.build)
    if not found.releases or found.family not in EXCHANGE:
        return build if found.family not in EXCHANGE else f"{build}   {found.match}"
    names = [_abbreviated(release.name).removeprefix("Exchange Server ") for release in found.releases]
    rows = " or ".join(f"{name} ({row.source})" for name, row in zip(names, found.releases, strict=True))
    whose = "another component" if found.releases[0].kind is Kind.COMPONENT else _SERVICE[found.family]
    return f"{build}   {found.match}: {whose} of {rows}"


def support_line(found: Identification) -> str:
    """Whether the product is supported, and which service pack comes next; empty when nothing is known."""
    parts = []
    if found.support is not None:
        details = "; ".join(part for part in (found.support.date, found.support.note) if part)
        parts.append(f"{found.support.state} ({details})" if details else found.support.state)
    if found.superseded_by is not None:
        parts.append(f"newer service pack: {found.superseded_by}")
    return "; ".join(parts)


_SERVICE = {
    Family.EXCHANGE_IMS: "Internet Mail Service",
    Family.EXCHANGE_IMC: "Internet Mail Connector",
}


def _abbreviated(name: str) -> str:
    return name.replace("Service Pack ", "SP")


def _compact(release: Release) -> str:
    if release.kind in (Kind.RELEASE, Kind.PRERELEASE) or (
        "," not in release.name and "fixes" not in release.name
    ):
        return _abbreviated(release.name)
    return f"Exchange Server {release.version} {release.service_pack or 'RTM'}+"


def _level_below(found: Identification) -> str:
    return (found.below.service_pack if found.below else None) or "RTM"


def _quote(seen: Observation) -> str:
    return f'"{clip(shown_greeting(seen.greeting) or "", _QUOTED)}"'


def _refused(_found: Identification, seen: Observation) -> str:
    return f"Refused with {reply_code(seen.greeting)}: {clip(shown_greeting(seen.greeting) or '', _QUOTED)}"


def _unidentified(seen: Observation) -> str:
    error = "" if seen.error is None else safe(seen.error)
    if seen.answered and seen.status in (Status.SUCCESS, Status.PROTOCOL_ERROR):
        return f"Not SMTP: {error}: {_quote(seen)}" if error else f"Not SMTP: {_quote(seen)}"
    if seen.answered:
        ended = _CUT.get(seen.status, "Lost")
        return f"{ended} after {len(seen.greeting)} bytes, no complete line: {_quote(seen)}"
    return _SILENT.get(seen.status, "No answer: {error}").format(error=error)


_CUT = {
    Status.CONNECTION_CLOSED: "Closed",
    Status.CONNECTION_RESET: "Reset",
    Status.IO_TIMEOUT: "Timed out",
}
_SILENT = {
    Status.CONNECTION_REFUSED: "No answer: connection refused",
    Status.CONNECTION_TIMEOUT: "No answer: connection timed out {error}",
    Status.CONNECTION_RESET: "No answer: connection reset",
    Status.CONNECTION_CLOSED: "No answer: connection closed without a greeting",
    Status.IO_TIMEOUT: "No answer: connected, no greeting {error}",
    Status.UNREACHABLE: "No answer: unreachable ({error})",
    Status.RESOLUTION_ERROR: "Name not resolved: {error}",
    Status.EXCLUDED: "Not probed: its address is excluded",
    Status.INVALID_INPUT: "Not probed: {error}",
}


def _windows(found: Identification, seen: Observation) -> str:
    version = found.build or ""
    release = windows_release(version)
    service = "Windows SMTP service" if found.exchange else found.product
    text = f"{service} {safe(version)}".rstrip() + (f" ({release})" if release else "")
    said = _said(found)
    if found.exchange:
        narrowed = "" if said.endswith(found.product or "") else f", {said.replace('Exchange ', '')}"
        return f"{found.product}{narrowed}: {text}"
    if said or not exchange_possible(version):
        return f"{text}; {said}" if said else text
    asked = seen.ehlo is not None or (seen.tls is not None and seen.tls.ehlo is not None)
    return f"{text}; Exchange 2000 or 2003 possible.{'' if asked else ' --ehlo tells.'}"


def _smtp(found: Identification, _seen: Observation) -> str:
    # Of "Exchange Server, consistent with 2013" the greeting had what is before the comma.
    words = (found.product or "").partition(", ")[0]
    if words in ("", "Exchange"):
        return f"SMTP server of unknown make{_also(found)}"
    version = f" {safe(found.build)}" if found.build else ""
    return f"Calls itself {words}{version}: words that a person chose{_also(found)}"


def _said(found: Identification) -> str:
    """The first reading of a reply; empty without one."""
    return next((hint.reading for hint in found.hints if hint.channel in _FROM_REPLIES), "")


def _also(found: Identification) -> str:
    return f"; its replies are {_said(found)}" if _said(found) else ""


_BY_FAMILY: dict[Family, Callable[[Identification, Observation], str]] = {
    Family.WINDOWS_SMTP: _windows,
    Family.SMTP: _smtp,
    Family.REFUSED: _refused,
    Family.MASKED: lambda found, _seen: f"Greeting masked by a firewall{_also(found)}",
    Family.OTHER_SMTP: lambda found, _seen: f"Not Exchange: {found.product}",
    Family.EXCHANGE_2007: lambda found, _seen: f"{found.product}: the greeting carries no build",
    Family.EXCHANGE_ONLINE: lambda found, _seen: f"{found.product}: the greeting carries no build",
    Family.NT4_OPTION_PACK: lambda found, _seen: f"{found.product} {safe(found.build or '')}".rstrip(),
}


def _ambiguous(found: Identification) -> str:
    names = "  or  ".join(dict.fromkeys(release.name for release in found.releases))
    why = "has no revision" if Caveat.NO_REVISION in found.caveats else "is the build of both"
    return f"{names}   ({safe(found.build or '')} {why})"


def _documented(found: Identification) -> str:
    release = found.releases[0]
    what = "" if release.name.endswith("later fixes") or release.kind is not Kind.HOTFIX else "fix of "
    return f"{release.name}: {what}{release.source} ({safe(found.build or '')})"


def _between(found: Identification) -> str:
    if found.releases:
        return f"{found.releases[0].name} ({safe(found.build or '')}, {found.releases[0].source})"
    return f"{_position(found)}: no documented build ({safe(found.build or '')})"


def _position(found: Identification) -> str:
    after = _level_below(found)
    before = found.superseded_by
    if after == "RTM":
        return f"{found.product}, before {_spelled(before)}"
    version = "" if found.below is None else found.below.version
    if before is None:
        return f"Exchange Server {version} {_spelled(after)} with later fixes"
    return f"Exchange Server {version}, after {_spelled(after)}, before {_spelled(before)}"


def _spelled(pack: str | None) -> str:
    return f"Service Pack {(pack or '').removeprefix('SP')}"


def _older(found: Identification) -> str:
    known = f", {found.releases[0].source}" if found.releases else ""
    return f"{found.product}, before release ({safe(found.build or '')}{known})"


def _newer(found: Identification) -> str:
    highest = "" if found.below is None else f" (highest {found.below.build})"
    return f"{found.product}, newer than any documented build{highest}"


def _component(found: Identification) -> str:
    release: Release = found.releases[0]
    note = release.note or "another component"
    if release.kind is Kind.COMPONENT:
        return f"{found.product}, build {safe(found.build or '')} is that of its {note} in {release.name}"
    return f"{found.product}, build {safe(found.build or '')} ({release.name}?): {note}"


def _conflict(found: Identification) -> str:
    name = " or ".join(release.name for release in found.releases) or found.product
    said = ".".join((found.build or "").split(".")[:2])
    return f"{name} by its number, though the greeting says {safe(said)}"


def _unread(found: Identification) -> str:
    if found.build is None:
        return f"{found.product}: the greeting carries no build"
    if found.support is None:
        return f"{found.product}: {safe(found.build)} is no build of 4.0, 5.0 or 5.5"
    why = "cut off" if Caveat.TRUNCATED in found.caveats else "not readable"
    return f"{found.product}: the build is {why}: {safe(found.build)}"


_BY_MATCH: dict[Match, Callable[[Identification], str]] = {
    Match.EXACT: lambda found: found.releases[0].name,
    Match.AMBIGUOUS: _ambiguous,
    Match.DOCUMENTED: _documented,
    Match.BETWEEN: _between,
    Match.OLDER: _older,
    Match.NEWER: _newer,
    Match.OTHER_COMPONENT: _component,
    Match.CONFLICT: _conflict,
    Match.NONE: _unread,
}
