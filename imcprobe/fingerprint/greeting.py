"""From a greeting's text to the product that it names, the host in it, and the number as written.

Nothing is concluded here about a build: that is `builds` and `identify`. All patterns run over text
whose length the reader has bounded, each at the first places of its word alone, and none of them can
backtrack further than a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from imcprobe.fingerprint.builds import BUILDS, is_plausible
from imcprobe.knowledge.greetings import PATTERNS, Pattern
from imcprobe.model import Build, Family

if TYPE_CHECKING:
    from collections.abc import Iterator

# Longer than any build; what a server writes in its place is kept to this length.
MAX_VERSION = 64
EXCHANGE = frozenset({Family.EXCHANGE_IMS, Family.EXCHANGE_IMC})
"""The families whose greetings carry a build of the table."""

# More places than any greeting has of a pattern's word, fewer than would cost a reader anything.
_MAX_PLACES = 16
# How far from its word a pattern may begin (behind a host with its address: 3 + 255 + 257 and words) and must
# be recognised; the longest words on either side have some 50 characters.
_BEFORE, _BEFORE_WITH_HOST, _BEHIND = 64, 600, 64

# What may stand between the product's name and its number, and the number, in or out of brackets:
# `5.5.2650.21`, `2650.21`, `Build 2650.21`, `Version 5.5 (Build 2650.21)`, `5.0.XXXX.0`. A number ends
# at a blank or at punctuation; anything else in it, a digit that is not ASCII above all, spoils it.
_NUMBER = re.compile(
    r"(?P<words>[ :,/-]{0,3}[(\[{<\"']?(?:,? ?v(?:ersion)?[:.]? ?)?"
    r"(?:(?P<product>[0-9]\.[0-9])(?: ?[(\[] ?| ))?(?:,? ?build:? ?)?)"
    r"(?P<number>[0-9X][^ \t\n()\[\]{},;:<>=/|\"'-]{0,999})(?P<end>.*)",
    re.ASCII | re.IGNORECASE,
)
# A build further on in the line, for words that nobody foresaw: no known greeting has it further behind the
# product's name than 24 characters, or another such number before it.
_FURTHEST = 200
_MAX_NUMBERS = 8
_LONGEST_NUMBER = len("5.5.12345.12345") + len(". ")
_LATER = re.compile(
    r"(?<![^ (\[,;:=-])(?:[0-9]\.[0-9]\.)?[0-9]{3,5}\.[0-9]{1,5}(?=[ )\],;:>/|-]|\.?(?:[ \n]|$))", re.ASCII
)
_PRODUCT = re.compile(r"([0-9]\.[0-9])(?:\.|$)", re.ASCII)
_OPENING, _CLOSING = "([{<", ")]}>"
_PLAIN_WORDS = frozenset({"", " ", "(", " ("})
_HEADER_WORDS = " version "
# No build of any Exchange Server has fewer than three digits: 5.5 alone is a product, not build 5.
_LEAST_BUILD = 100
_KNOWN_BUILDS = frozenset(row.build.build for row in BUILDS)

# The first word is a host when it looks like one: an address literal, or a name with a dot, or any
# name before the words that follow a host in greetings. A lost blank before Microsoft is Microsoft's own.
_HOST = re.compile(
    r"(?![245]\.[0-9]{1,3}\.[0-9]{1,3}(?: |$))"  # an enhanced status code (RFC 3463)
    r"(?P<host>\[[0-9a-z:.]{2,64}\]|[a-z0-9_](?:[a-z0-9_.-]{0,253}?[a-z0-9_])?)"
    r"(?P<next>\.? ?microsoft (?:esmtp mail|exchange)"
    r"|\.? (?:e?smtp|microsoft|service ready)\b|\.?(?:[ ,\n]|$))",
    re.ASCII | re.IGNORECASE,
)
# A host has at most 255 characters (RFC 5321, 4.5.3.1.2); behind it come the words that tell it from others.
_MAX_LINE_START = 300
_NO_HOSTS = frozenset({"esmtp", "smtp", "microsoft"})


@dataclass(frozen=True, slots=True)
class Found:
    """The pattern that won, and what it found.

    `rest` is the line behind the product's name, `opened` whether that stands in a bracket, `ended`
    whether the line has its end, `at_end` whether the text is over without one.
    """

    pattern: Pattern
    host: str | None
    version: str | None
    rest: str
    opened: bool
    ended: bool
    at_end: bool


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written: `text` bounded, `build` what it is, None when it is none or may be cut off.

    `words` stand between the product's name and the number; `closed` is False when the number is the
    last thing before the text's end.
    """

    text: str
    words: str
    closed: bool
    build: Build | None

    def is_plain(self, *, header: bool) -> bool:
        """Whether it stands behind the product's name as it does in documents."""
        words = self.words.casefold()
        return words in _PLAIN_WORDS or (header and words == _HEADER_WORDS)


def normalise(text: str) -> str:
    """Make runs of blanks one blank, and line ends plain."""
    # Faster than a pattern, and no slower for a flood.
    for char in "\t\v\f":
        text = text.replace(char, " ")
    text = _single(" ", text).replace("\r", "\n").replace(" \n", "\n").replace("\n ", "\n")
    return _single("\n", text).lstrip(" \n")


def unfold(text: str) -> str:
    """Join the lines of a folded mail header (RFC 5322, 2.2.3)."""
    return text.replace("\r\n", "\n").replace("\n\t", " ").replace("\n ", " ")


def recognise(text: str, *, headers: bool) -> Found | None:
    """Find the most specific pattern that any line of the normalised `text` fits.

    With `headers` mail headers count too: for text that carries no reply code.
    """
    small = _small(text)
    nameless: Found | None = None
    for pattern in PATTERNS:
        if pattern.word not in small or (pattern.header and not headers):
            continue
        for match in _matches(pattern, text, small):
            found = _found(pattern, text, match)
            if pattern.family not in EXCHANGE:
                return nameless or found
            if _has_number(found):
                return found
            # A line that names the product without a number gives way to one with it.
            if not pattern.vague:
                nameless = nameless or found
    return nameless


def host_of(line: str) -> str | None:
    """The host that a normalised line of a greeting begins with, None when it begins otherwise."""
    found = _HOST.match(line)
    if found is None or found["host"].casefold() in _NO_HOSTS:
        return None
    named = "." in found["host"] or found["host"].startswith("[")
    return found["host"] if named or found["next"].strip(" ,.\n") else None


def read_number(rest: str, *, opened: bool, ended: bool) -> Number | None:
    """Read the build behind a product's name; `opened` and `ended` as in `Found`.

    >>> read_number(" Version 5.5 (Build 2650.21)) ready", opened=True, ended=True).build
    Build(major=5, minor=5, build=2650, revision=21)
    """
    found = _NUMBER.match(rest)
    number = None if found is None else _number(found, opened=opened, ended=ended)
    if number is not None and (number.build is not None or not number.closed):
        return number
    return _further_on(rest, number, opened=opened, ended=ended) or number


def _matches(pattern: Pattern, text: str, small: str) -> Iterator[re.Match[str]]:
    """What of `text` fits, at the first places of the pattern's word; `small` is `text` in small letters."""
    if pattern.whole:
        if found := pattern.regex.match(text):
            yield found
        return
    before = _BEFORE_WITH_HOST if "host" in pattern.regex.groupindex else _BEFORE
    done = at = 0
    for _ in range(_MAX_PLACES):
        at = small.find(pattern.word, at)
        if at < 0:
            return
        word_end = at + len(pattern.word)
        near = pattern.regex.search(text, max(done, at - before), word_end + _BEHIND)
        # What ends where the look does may go on: from its beginning it is read without a bound.
        found = None if near is None else pattern.regex.match(text, near.start())
        at = word_end
        if found is not None:
            yield found
            done = found.end()
            at = max(at, done)


def _small(text: str) -> str:
    """In small letters, each character in its place, what is not ASCII as a question mark."""
    return (text if text.isascii() else text.encode("ascii", "replace").decode("ascii")).lower()


def _single(char: str, text: str) -> str:
    while char * 2 in text:
        text = text.replace(char * 2, char)
    return text


def _has_number(found: Found) -> bool:
    """Whether a build stands behind the product's name, or the beginning of one."""
    number = read_number(found.rest, opened=found.opened, ended=found.ended)
    if number is None or number.build is None:
        return number is not None and not number.closed and not found.pattern.vague
    return not found.pattern.vague or is_plausible(number.build)


def stated_product(text: str) -> str | None:
    """The product that a number as written begins with: `5.0` of `5.0.XXXX.0`."""
    found = _PRODUCT.match(text)
    return None if found is None else found[1]


def _number(found: re.Match[str], *, opened: bool, ended: bool) -> Number:
    number, product = found["number"].rstrip("."), found["product"]
    words = found["words"]
    closed = bool(found["end"]) or (ended and not _in_bracket(words, opened=opened))
    # "Version 5.5 (Build 5.5.2650.21)" says the product twice.
    text = number if product is None or number.startswith(f"{product}.") else f"{product}.{number}"
    return Number(text[:MAX_VERSION], words, closed, _build(text, words) if closed else None)


def _further_on(rest: str, number: Number | None, *, opened: bool, ended: bool) -> Number | None:
    """Look for a build behind words that nobody foresaw, and behind a `number` that is none."""
    product = None if number is None else stated_product(number.text)
    near = _LATER.finditer(rest, 0, _FURTHEST + _LONGEST_NUMBER)
    # What is cut off begins further on.
    for found in islice(takewhile(lambda number: number.start() < _FURTHEST, near), _MAX_NUMBERS):
        build, words = Build.parse(found[0]), rest[: found.start()]
        if build.prefix is None and product is not None:
            build = Build.parse(f"{product}.{found[0]}")
        if is_plausible(build):
            closed = found.end() < len(rest) or (ended and not _in_bracket(words, opened=opened))
            return Number(found[0], words, closed, build if closed else None)
    return None


def _in_bracket(words: str, *, opened: bool) -> bool:
    """Whether a bracket that was opened before or in `words` is still open behind them."""
    return opened + sum(map(words.count, _OPENING)) > sum(map(words.count, _CLOSING))


def _build(text: str, words: str) -> Build | None:
    try:
        build = Build.parse(text)
    except ValueError:
        return None
    if build.major is not None:
        return build
    # A number alone may be a year: it counts behind "Build", or when the table has it.
    alone = build.revision is None and "build" not in words.casefold() and build.build not in _KNOWN_BUILDS
    return None if alone or build.build < _LEAST_BUILD else build


def _found(pattern: Pattern, text: str, found: re.Match[str]) -> Found:
    groups = found.groupdict()
    start = text.rfind("\n", 0, found.start()) + 1
    host = groups["host"] if "host" in groups else host_of(text[start : start + _MAX_LINE_START])
    version, rest = groups.get("version"), groups.get("rest") or ""
    name = text[found.start() : found.end() - len(rest)]
    opened, ended = name.count("(") > name.count(")"), text.startswith("\n", found.end())
    return Found(
        pattern,
        host,
        (version or "").rstrip(".")[:MAX_VERSION] or None,
        rest,
        opened,
        ended,
        found.end() == len(text),
    )
