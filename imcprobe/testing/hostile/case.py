"""What a row of the hostile fleet is: a server, and what a right scanner makes of it."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from functools import partial
from types import EllipsisType
from typing import TYPE_CHECKING

from imcprobe.model import Family, Status
from imcprobe.testing import behaviours as do
from imcprobe.testing.faults import Fault, Point
from imcprobe.testing.fleet import Member
from imcprobe.testing.greetings import greeting_for
from imcprobe.testing.manner import EHLO_5_5

if TYPE_CHECKING:
    from imcprobe.evidence import Ntlm, Tls
    from imcprobe.model import Caveat, Result

# What is slow but comes is there after a second or two; what is not, not for three quarters of a minute. So a
# scanner whose limit of a greeting is 3 to 20 seconds reports what is expected here.
PAUSE = 1.0
DRIP = 0.5
SP3 = greeting_for("5.5.2650.21")
MORE = SP3.replace(b"220 ", b"220-")
"""The same line, with another one to come."""
ENDLESS_LINE = partial(do.flood, size=None)
ENDLESS_LINES = partial(do.lines, count=None)
CLOSE = partial(do.close, after=0)
RESET = partial(do.reset, after=0)
# Enough of a flood to see what it is; a scanner has a bound of its own.
FLOOD = 1 << 17


# What is compared, and what it was instead.
_Told = dict[str, tuple[object, object]]


@dataclass(frozen=True, slots=True)
class ExpectedTls:
    """What a right scanner reports of TLS when it was asked for; nothing here can be verified by anybody.

    `failed` says whether there is an error, of TLS or of all of it (None: as it likes), `version` which TLS
    it is (None: any), `ehlo` what EHLO is answered with inside.
    """

    offered: bool = True
    negotiated: bool = False
    failed: bool | None = True
    version: str | None = None
    ehlo: tuple[str, ...] | None = None

    def told(self, seen: Tls | None, error: str | None) -> _Told:
        """What is expected, and what was seen; `error` is that of all of it."""
        if seen is None:
            return {"tls": (self, None)} if self.offered else {}
        failed = bool(seen.error or error)
        return {
            "tls offered": (self.offered, bool(seen.offered)),
            "tls negotiated": (self.negotiated, seen.negotiated),
            "tls certificate": (True, seen.certificate is not None or not self.negotiated),
            "tls verified": (False, bool(seen.verified)),
            "tls version": (self.version or seen.version, seen.version),
            "tls ehlo": (self.ehlo, seen.ehlo),
            "tls failed": (failed if self.failed is None else self.failed, failed),
        }


@dataclass(frozen=True, slots=True)
class Expected:
    """What a right scanner reports of a server.

    `kept` are the bytes that its record begins with, `more` how many further ones it may have. `family`
    and what follows are the identification, None and empty where there is none to be made; `releases` are
    names, `ehlo` the lines of the reply when EHLO was asked for. `tls` is what is reported when that was
    asked for; None for a server that has none behind what it offers. `ntlm` are the texts of a challenge
    and its version, in the order of `Ntlm`, None where nothing can be read of it, and `...` where it is
    the reader's choice. With `or_reset` the reset may come first, with `or_unbelieved` a scanner that has
    asked for more than EHLO may have found replies out of step with commands, and believe none of EHLO.
    """

    status: Status
    kept: bytes = b""
    more: int = 0
    family: Family | None = None
    product: str | None = None
    build: str | None = None
    releases: tuple[str, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    ehlo: tuple[str, ...] | None = None
    or_reset: bool = False
    or_unbelieved: bool = False
    tls: ExpectedTls | None = None
    ntlm: tuple[object, ...] | EllipsisType | None = None

    def differences(
        self, result: Result, *, ehlo: bool = False, tls: bool = False, ntlm: bool = False
    ) -> list[str]:
        """What a result has that it should not, a line each; the others say what was asked for.

        TLS and NTLM ask for EHLO as well.
        """
        seen, found = result
        if self.or_reset and seen.status is Status.CONNECTION_RESET:
            return []
        asked = ehlo or tls or ntlm
        unbelieved = self.or_unbelieved and (tls or ntlm) and seen.ehlo is None
        told: _Told = {
            "status": (self.status, seen.status),
            "kept": (self.kept, seen.greeting[: len(self.kept)]),
            "more": (True, len(seen.greeting) <= len(self.kept) + self.more),
            "ehlo": (self.ehlo if asked and not unbelieved else None, seen.ehlo),
            "family": (self.family, found and found.family),
            "product": (self.product, found and found.product),
            "build": (self.build, found and found.build),
            "releases": (self.releases, tuple(row.name for row in found.releases) if found else ()),
            "caveats": (self.caveats, found.caveats if found else ()),
            **(self._tls().told(seen.tls, seen.error) if tls else {"tls": (None, seen.tls)}),
            **(self._told_of_ntlm(seen.ntlm) if ntlm else {"ntlm": (None, seen.ntlm)}),
        }
        return [
            f"{what}: {is_!r} instead of {should!r}" for what, (should, is_) in told.items() if is_ != should
        ]

    def _tls(self) -> ExpectedTls:
        """What was offered, and led to nothing, where nothing else is said."""
        return self.tls or ExpectedTls(offered="STARTTLS" in (self.ehlo or ()), failed=None)

    def _told_of_ntlm(self, seen: Ntlm | None) -> _Told:
        if isinstance(self.ntlm, EllipsisType):
            return {}
        read = None if seen is None else astuple(seen)[1:]
        return {"ntlm": (self.ntlm, read if any(read or ()) else None)}


@dataclass(frozen=True, slots=True)
class Case:
    """A server of the hostile fleet; `does` is half a sentence."""

    name: str
    does: str
    member: Member
    expected: Expected


def says(name: str, does: str, said: bytes, expected: Expected) -> Case:
    """A server that says its piece in one go; EHLO is answered as expected, or not known."""
    return Case(name, does, Member(said, ehlo=expected.ehlo or ()), expected)


def acts(name: str, does: str, steps: tuple[do.Step, ...], expected: Expected) -> Case:
    """A server that greets in steps."""
    return Case(name, does, Member(SP3, (scripted(steps),), expected.ehlo or ()), expected)


def answers(name: str, does: str, point: Point, steps: tuple[do.Step, ...], expected: Expected) -> Case:
    """A server that greets as it should, and answers EHLO or QUIT in steps."""
    return Case(name, does, Member(SP3, (scripted(steps, point),), EHLO_5_5), expected)


def out_of_step(case: Case) -> Case:
    """The same, whose replies do not match what was asked: all or none of them may be believed."""
    return replace(case, expected=replace(case.expected, or_unbelieved=True))


def sp3(
    said: bytes = SP3,
    *,
    caveats: tuple[Caveat, ...] = (),
    ehlo: tuple[str, ...] | None = EHLO_5_5,
    or_reset: bool = False,
    tls: ExpectedTls | None = None,
    ntlm: tuple[object, ...] | EllipsisType | None = None,
) -> Expected:
    """Exchange 5.5 SP3, whatever else the server did."""
    return Expected(
        Status.SUCCESS,
        said,
        family=Family.EXCHANGE_IMS,
        product="Exchange Server 5.5",
        build="5.5.2650.21",
        releases=("Exchange Server 5.5 Service Pack 3",),
        caveats=caveats,
        ehlo=ehlo,
        or_reset=or_reset,
        tls=tls,
        ntlm=ntlm,
    )


def part_of_sp3(status: Status, said: bytes, *, caveats: tuple[Caveat, ...]) -> Expected:
    """The build of 5.5 SP3 stood in a whole line, but the greeting has no end."""
    return replace(sp3(said, caveats=caveats, ehlo=None), status=status)


def ims(build: bytes) -> bytes:
    """The greeting of an Internet Mail Service with anything for a build."""
    return SP3.replace(b"5.5.2650.21", build)


def no_build(
    name: str, does: str, number: bytes, build: str | None, product: str = "Exchange Server 5.5"
) -> Case:
    """What stands for a build is none: 64 characters of it are kept, and nothing is guessed at."""
    said = ims(number)
    expected = Expected(
        Status.SUCCESS,
        said,
        family=Family.EXCHANGE_IMS,
        product=product,
        build=build,
        ehlo=EHLO_5_5,
    )
    return says(name, does, said, expected)


def not_smtp(said: bytes, *, more: int = 0) -> Expected:
    """What came is not SMTP: nothing is concluded from it."""
    return Expected(Status.PROTOCOL_ERROR, said, more)


def scripted(steps: tuple[do.Step, ...], point: Point = Point.GREETING) -> Fault:
    """What is done at a point, step by step."""
    return Fault(partial(do.script, steps=steps), point)
