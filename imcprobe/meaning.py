"""What an identification says beyond a product: support, hints, advisories. All in imcprobe's own words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Support:
    """The state of a product's support: `ended`, its last day (ISO date) where known, remarks."""

    state: str
    date: str | None
    note: str | None


class Channel(StrEnum):
    """Where a hint comes from."""

    EHLO = "ehlo"
    HELP = "help"
    QUIT = "quit"
    STARTTLS = "starttls"
    CERTIFICATE = "certificate"
    NTLM = "ntlm"


DENIAL = "not consistent with "
"""What a reading begins with that speaks against the greeting."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What something besides the greeting is consistent with, or not; never more than that.

    `reading` is half a sentence ("consistent with Exchange 2013"), `evidence` what was seen
    ("XSHADOWREQUEST"), as the server said it where it did: sanitise it before showing it. `source` is the
    article or transcript that the reading rests on.
    """

    channel: Channel
    reading: str
    evidence: str
    source: str


class State(StrEnum):
    """What a greeting shows of an advisory: that its fix is missing, or nothing."""

    NOT_FIXED = "not-fixed"
    NOT_SHOWN = "not-shown"


@dataclass(frozen=True, slots=True)
class Advisory:
    """A security advisory that touches the product, and what the build in the greeting shows of it.

    `id` is its bulletin or article ("MS02-037"), `cve` its CVE name, `fixed_in` the first build with the
    fix where a source proves one, `title` what it is about in a few words.
    """

    id: str
    cve: str | None
    title: str
    state: State
    fixed_in: str | None
    source: str
