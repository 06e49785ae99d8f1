"""From what was seen to what it means: pure, so that stored observations can be judged again.

`identify` takes a greeting as bytes or text, however it was stored; `conclude` an observation,
with the strictness that a live connection deserves.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from imcprobe.errors import ReplyError
from imcprobe.fingerprint.advisories import with_advisories
from imcprobe.fingerprint.answer import answer, in_order, with_prefix
from imcprobe.fingerprint.builds import Finding, lookup, windows_release
from imcprobe.fingerprint.further import with_evidence
from imcprobe.fingerprint.greeting import (
    EXCHANGE,
    Found,
    Number,
    host_of,
    normalise,
    read_number,
    recognise,
    stated_product,
    unfold,
)
from imcprobe.fingerprint.reply import FIRST_REFUSAL, GREETING, MAX_REPLY_BYTES, MAX_REPLY_LINES, parse_reply
from imcprobe.knowledge.lifecycle import BUILD_RANGES
from imcprobe.model import (
    Build,
    Caveat,
    Confidence,
    Family,
    Identification,
    Match,
    Observation,
    Result,
    Status,
)
from imcprobe.safetext import to_bytes

if TYPE_CHECKING:
    from imcprobe.knowledge.greetings import Pattern

# Greetings of one scan are few: servers of one kind differ by their host alone.
_REMEMBERED = 512
_LONGEST_REMEMBERED = 1024
_WHOLE = frozenset({Status.SUCCESS, Status.APPLICATION_ERROR})

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_CODED_LINE = re.compile(r"([2-5][0-9][0-9])([ -]|(?=\s|$))(.*)", re.ASCII | re.DOTALL)
_SMTP_WORD = re.compile(r"\be?smtp\b", re.ASCII | re.IGNORECASE)
# How other protocols begin to speak; a code has three digits.
_OTHER_PROTOCOL = re.compile(r"HTTP/|SSH-|\+OK\b|-ERR\b|\* (?:OK|BYE|PREAUTH)\b|[0-9]{4}", re.ASCII)


def identify(greeting: bytes | str) -> Identification | None:
    """Say what a greeting, or a line of a mail header, tells of its server; None when it is no SMTP.

    Takes what is stored: the reply code may be missing, blanks may stand before it. Text without a
    line end counts as possibly cut off at its end. Never raises, whatever the bytes.

    >>> identify("220 mx.example.com Microsoft Exchange Internet Mail Service 5.0.1460.8 ready").build
    '5.0.1460.8'
    """
    data = to_bytes(greeting) if isinstance(greeting, str) else bytes(greeting)
    return _judge(data[:MAX_REPLY_BYTES])


def conclude(seen: Observation) -> Result:
    """Add to an observation what its bytes mean: nothing but a whole reply counts on a live connection."""
    data = seen.greeting
    if not data:  # most hosts say nothing
        return Result(seen, None)
    if seen.source == "text":
        return Result(seen, identify(data))
    if seen.status in _WHOLE:
        found = _remembered_reply(data) if len(data) <= _LONGEST_REMEMBERED else _of_reply(data)
        if found is not None and (seen.ehlo or seen.replies or seen.tls or seen.ntlm):
            found = with_evidence(found, seen)
        return Result(seen, found)
    return Result(seen, None if seen.status is Status.PROTOCOL_ERROR else _of_part(data))


def _of_reply(data: bytes) -> Identification | None:
    try:
        parsed = parse_reply(data)
    except ReplyError:
        return None
    if parsed is None:
        return None
    length = parsed[1]
    found = _judge(data[:length])
    return found if len(data) == length or found is None else _doubted(found, Caveat.EARLY_DATA)


_remembered_reply = lru_cache(maxsize=_REMEMBERED)(_of_reply)


def _of_part(data: bytes) -> Identification | None:
    """What the whole lines of an unfinished greeting say."""
    whole = data[: data.rfind(b"\n", 0, MAX_REPLY_BYTES) + 1]
    if not whole.startswith(b"220"):
        return None
    found = _judge(whole)
    if found is None:
        return None
    return with_advisories(replace(_doubted(found, Caveat.TRUNCATED), confidence=Confidence.LOW))


def _doubted(found: Identification, caveat: Caveat) -> Identification:
    return replace(found, caveats=in_order({*found.caveats, caveat}))


def _judge(data: bytes) -> Identification | None:
    """As `_identify`; what is longer than a greeting is not worth its room in memory."""
    return _remembered(data) if len(data) <= _LONGEST_REMEMBERED else _identify(data)


def _identify(data: bytes) -> Identification | None:
    text = data.decode("utf-8", "surrogateescape").lstrip("\ufeff \t\r\n")
    code, lines = _reply_text(text)
    if code is None:
        return _named(normalise(unfold(text)), coded=False)
    if code >= FIRST_REFUSAL:
        return _refused(normalise(lines))
    return _named(normalise(lines), coded=True) if code == GREETING else None


_remembered = lru_cache(maxsize=_REMEMBERED)(_identify)


def _reply_text(text: str) -> tuple[int | None, str]:
    """The code of the reply that `text` begins with, and its text without codes; without one, all of it."""
    code: str | None = None
    said: list[str] = []
    for line in islice(_LINE.finditer(text), MAX_REPLY_LINES):
        found = _CODED_LINE.fullmatch(line[0].lstrip(" \t"))
        if found is None or code not in (None, found[1]):
            break
        code = found[1]
        said.append(found[3])
        if found[2] != "-":
            break
    return (None, text) if code is None else (int(code), "".join(said))


def _named(text: str, *, coded: bool) -> Identification | None:
    if not coded and _OTHER_PROTOCOL.match(text):
        return None
    found = recognise(text, headers=not coded)
    if found is None:
        is_smtp = coded or _SMTP_WORD.search(text) is not None
        return Identification(Family.SMTP, host=host_of(text)) if is_smtp else None
    if found.pattern.family is None:
        return None
    if found.pattern.family in EXCHANGE:
        return _exchange(found, found.pattern.family)
    cut = found.version is not None and found.at_end
    # "Version: 14.1.218.15": whatever says this, it is no Windows that is known.
    strange = found.pattern.family is Family.WINDOWS_SMTP and windows_release(found.version or "") is None
    named = Identification(
        found.pattern.family,
        found.pattern.product,
        build=found.version,
        confidence=Confidence.LOW if cut or strange else found.pattern.confidence,
        caveats=(Caveat.TRUNCATED,) if cut else (),
        host=found.host,
    )
    return with_advisories(named)


def _refused(text: str) -> Identification:
    """A refusal: whatever its text names is a hint, no more."""
    found = recognise(text, headers=False)
    host = host_of(text) if found is None else found.host
    if host is not None and not host.startswith("[") and "." not in host:
        host = None  # "No SMTP service here"
    if found is None:
        return Identification(Family.REFUSED, confidence=Confidence.LOW, host=host)
    product = found.pattern.product or ("Exchange Server" if found.pattern.family in EXCHANGE else None)
    return Identification(Family.REFUSED, product, build=found.version, confidence=Confidence.LOW, host=host)


def _exchange(found: Found, family: Family) -> Identification:
    number = read_number(found.rest, opened=found.opened, ended=found.ended)
    build = None if number is None else number.build
    finding = _finding(number, build, header=found.pattern.header)
    caveats = {*finding.caveats, *_wording(found, number, build, finding)}
    return answer(
        family, finding, build, shown=_shown(number, build, finding), caveats=caveats, host=found.host
    )


def _finding(number: Number | None, build: Build | None, *, header: bool) -> Finding:
    if build is not None:
        return lookup(build, header=header)
    caveats = () if number is None or number.closed else (Caveat.TRUNCATED,)
    product = None if number is None else stated_product(number.text)
    return Finding(product if product in BUILD_RANGES else None, Match.NONE, caveats=caveats)


def _shown(number: Number | None, build: Build | None, finding: Finding) -> str | None:
    if build is None:  # "5.5" alone is a product
        return None if number is None or number.text == stated_product(number.text) else number.text
    return str(with_prefix(build, finding))


def _wording(found: Found, number: Number | None, build: Build | None, finding: Finding) -> set[Caveat]:
    """Doubts that come from the words around the number."""
    doubts = {Caveat.FROM_HEADER} if found.pattern.header else set()
    if finding.product == "4.0" and found.pattern.family is Family.EXCHANGE_IMS:
        doubts.add(Caveat.UNUSUAL_WORDING)
    elif not _is_documented(found.pattern, number, build):
        doubts.add(Caveat.UNDOCUMENTED_FORM)
    return doubts


def _is_documented(pattern: Pattern, number: Number | None, build: Build | None) -> bool:
    if number is None or build is None:
        return bool(pattern.documented)
    return number.is_plain(header=pattern.header) and (
        build.prefix in pattern.documented or build.prefix not in (None, *BUILD_RANGES)
    )
