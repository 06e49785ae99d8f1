"""The values everyone shares: immutable, without behaviour that needs the outside.

`Observation` is what was seen, `Identification` what it means, `Result` the two together; what
is seen stays as it is, so that stored observations can be judged again when the tables grow. What a
scan makes by the million is a named tuple, which is made three times as fast as a frozen dataclass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from imcprobe.evidence import Ntlm, Replies, Tls
    from imcprobe.meaning import Advisory, Hint, Support

_BUILD = re.compile(r"(?:([0-9]{1,3})\.([0-9]{1,3})\.)?([0-9]{1,5})(?:\.([0-9]{1,5}))?", re.ASCII)

DEFAULT_PORT = 25
SCHEMA_NAME = "imcprobe/1"
"""Of the records that scans are stored as."""


class Target(NamedTuple):
    """A host (name or literal address, without brackets) and a TCP port.

    >>> str(Target("2001:db8::1", 2525))
    '[2001:db8::1]:2525'
    """

    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Build:
    """A build number, compared part by part as integers.

    `major` and `minor` are the product prefix (5.5) and may both be missing, as may `revision`
    (`5.5.2516`, Q214640); a missing part sorts before any number.

    >>> Build.parse("5.5.2653.013") == Build(5, 5, 2653, 13)
    True
    >>> Build.parse("2650.3") < Build.parse("2650.21")
    True
    """

    major: int | None
    minor: int | None
    build: int
    revision: int | None = None

    @classmethod
    def parse(cls, text: str) -> Build:
        """Read `5.5.2650.21`, `5.5.2650`, `2650.21` or `2650`: ASCII digits, five at most a part.

        Raises ValueError for anything else.
        """
        found = _BUILD.fullmatch(text)
        if found is None:
            raise ValueError(f"not a build number: {text[:40]!a}")
        major, minor, build, revision = (None if part is None else int(part) for part in found.groups())
        return cls(major, minor, build or 0, revision)

    @property
    def prefix(self) -> str | None:
        """`5.5`, or None for a build without one."""
        return None if self.major is None else f"{self.major}.{self.minor}"

    @property
    def number(self) -> tuple[int, int]:
        """(build, revision), the pair that is unique over 4.0, 5.0 and 5.5; -1 for no revision."""
        return (self.build, -1 if self.revision is None else self.revision)

    @property
    def _order(self) -> tuple[int, ...]:
        return (*(-1 if part is None else part for part in (self.major, self.minor)), *self.number)

    def __lt__(self, other: Build) -> bool:
        return self._order < other._order

    def __le__(self, other: Build) -> bool:
        return self._order <= other._order

    def __gt__(self, other: Build) -> bool:
        return self._order > other._order

    def __ge__(self, other: Build) -> bool:
        return self._order >= other._order

    def __str__(self) -> str:
        number = f"{self.build}" if self.revision is None else f"{self.build}.{self.revision}"
        return number if self.major is None else f"{self.major}.{self.minor}.{number}"


class Kind(StrEnum):
    """What stands behind a row of the table."""

    RELEASE = "release"
    HOTFIX = "hotfix"
    OBSERVED = "observed"
    THRESHOLD = "threshold"
    PRERELEASE = "prerelease"
    DOC_EXAMPLE = "doc_example"
    COMPONENT = "component"


@dataclass(frozen=True, slots=True)
class Release:
    """A row of the table.

    `name` is what a user reads ("Exchange Server 5.5 Service Pack 3"), `version` the product's
    ("5.5", "4.0a"), `service_pack` the last one that the build is known to include (None for none),
    `source` the article or evidence, `note` what else a reader must know.
    """

    name: str
    version: str
    service_pack: str | None
    build: Build
    kind: Kind
    source: str
    note: str | None = None


class Status(StrEnum):
    """What happened to a target, in zgrab2's words where it has one."""

    SUCCESS = "success"
    CONNECTION_REFUSED = "connection-refused"
    CONNECTION_TIMEOUT = "connection-timeout"
    CONNECTION_RESET = "connection-reset"
    CONNECTION_CLOSED = "connection-closed"
    IO_TIMEOUT = "io-timeout"
    PROTOCOL_ERROR = "protocol-error"
    APPLICATION_ERROR = "application-error"
    UNREACHABLE = "unreachable"
    RESOLUTION_ERROR = "resolution-error"
    EXCLUDED = "excluded"
    INVALID_INPUT = "invalid-input"
    UNKNOWN_ERROR = "unknown-error"

    __hash__ = str.__hash__  # every result is counted by it, and Enum's own is a Python function


class Family(StrEnum):
    """Whose greeting it is."""

    EXCHANGE_IMS = "exchange-ims"
    EXCHANGE_IMC = "exchange-imc"
    WINDOWS_SMTP = "windows-smtp"
    NT4_OPTION_PACK = "nt4-option-pack"
    EXCHANGE_2007 = "exchange-2007+"
    EXCHANGE_ONLINE = "exchange-online"
    MASKED = "masked"
    REFUSED = "refused"
    OTHER_SMTP = "other-smtp"
    SMTP = "smtp"


class Match(StrEnum):
    """How a build relates to the table."""

    EXACT = "exact"
    AMBIGUOUS = "ambiguous"
    DOCUMENTED = "documented"
    BETWEEN = "between"
    NEWER = "newer"
    OLDER = "older"
    OTHER_COMPONENT = "other-component"
    CONFLICT = "conflict"
    NONE = "none"


class Confidence(StrEnum):
    """How far the words of the greeting carry the answer."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Caveat(StrEnum):
    """A doubt that stands beside an answer and never replaces it."""

    UNDOCUMENTED_FORM = "undocumented-form"
    UNUSUAL_WORDING = "unusual-wording"
    PREFIX_DISAGREES = "prefix-disagrees"
    REVISION_DISPUTED = "revision-disputed"
    NO_REVISION = "no-revision"
    TRUNCATED = "truncated"
    FROM_HEADER = "from-header"
    EARLY_DATA = "early-data"
    NAMED_4_0_ELSEWHERE = "named-4.0-elsewhere"


@dataclass(frozen=True, slots=True)
class Identification:
    """What a greeting says about the server behind it.

    `product` is imcprobe's own wording, never a server's. `build` is the number as read: in its
    canonical form (`5.5.2653.13` for `2653.013` after 5.5) when it is a build, else the text,
    at most 64 characters of it. `releases` is plural on purpose: 993.5 is two. `below` and
    `above` are the nearest rows of the same product. `host` is the name in the greeting; like a
    `build` that was not readable it comes from the wire: sanitise it before showing it. `hints` are what
    else was seen is consistent with; `advisories` those whose fix is missing, and those of which a greeting
    shows nothing.
    """

    family: Family
    product: str | None = None
    build: str | None = None
    match: Match = Match.NONE
    releases: tuple[Release, ...] = ()
    below: Release | None = None
    above: Release | None = None
    confidence: Confidence = Confidence.HIGH
    caveats: tuple[Caveat, ...] = ()
    host: str | None = None
    cpe: tuple[str, ...] = ()
    support: Support | None = None
    superseded_by: str | None = None
    hints: tuple[Hint, ...] = ()
    advisories: tuple[Advisory, ...] = ()

    @property
    def exchange(self) -> bool:
        """Whether `product` is an Exchange Server of any age, if only by what keywords are consistent with.

        A refusal only hints at one.
        """
        return self.family is not Family.REFUSED and (self.product or "").startswith("Exchange")


class Times(NamedTuple):
    """Durations in milliseconds by the monotonic clock; None where nothing was observed.

    `greeting_ms` counts from the start of the connection to the end of the greeting.
    """

    connect_ms: float | None = None
    greeting_ms: float | None = None


NO_TIMES = Times()


class Observation(NamedTuple):
    """What happened at one target: never judged, never cut except by the bounds of the probe.

    `greeting` holds every byte that came before imcprobe sent anything, also those behind the
    greeting. `ehlo` are the lines of the EHLO reply, without codes, or None when none was asked
    for or came; `tls`, `ntlm` and `replies` are what further questions brought, `ptr` the names that
    reverse DNS has for the address: None for what was not asked. `seen_at` is in seconds since the epoch
    (UTC). `source` is None for a probe of our own, else what kind of store the observation comes from
    (`text`, `records`).
    """

    target: Target
    address: str | None
    status: Status
    greeting: bytes = b""
    ehlo: tuple[str, ...] | None = None
    tls: Tls | None = None
    ntlm: Ntlm | None = None
    times: Times = NO_TIMES
    attempts: int = 1
    error: str | None = None
    seen_at: float | None = None
    source: str | None = None
    replies: Replies | None = None
    ptr: tuple[str, ...] | None = None

    @property
    def answered(self) -> bool:
        """Whether at least one byte came: a refusal is no answer."""
        return bool(self.greeting)


class Result(NamedTuple):
    """An observation and what it was concluded to mean (None: nothing an SMTP greeting would say)."""

    observation: Observation
    identification: Identification | None = None
