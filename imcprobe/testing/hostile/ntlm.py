"""Servers that answer AUTH NTLM with what is no challenge, or with a challenge of their own kind."""

from __future__ import annotations

import struct
from base64 import b64encode
from functools import partial
from typing import TYPE_CHECKING

from imcprobe.testing import behaviours as do
from imcprobe.testing.faults import Point
from imcprobe.testing.fleet import Member
from imcprobe.testing.hostile.case import (
    CLOSE,
    DRIP,
    ENDLESS_LINE,
    ENDLESS_LINES,
    PAUSE,
    RESET,
    SP3,
    Case,
    out_of_step,
    scripted,
    sp3,
)
from imcprobe.testing.manner import Manner
from imcprobe.testing.ntlm import (
    DNS_COMPUTER,
    DNS_DOMAIN,
    DNS_TREE,
    NB_COMPUTER,
    NB_DOMAIN,
    challenge,
    challenge_of,
    named_pairs,
)

if TYPE_CHECKING:
    from types import EllipsisType

_EHLO = ("mock.example.com Hello", "AUTH NTLM", "OK")
_WINDOWS_2003 = challenge_of("2003")
# Of `Ntlm`: target, NetBIOS domain and computer, DNS domain, computer and forest, Windows.
_NAMES = (
    "EXAMPLE",
    "EXAMPLE",
    "EXCHANGE",
    "example.com",
    "exchange.example.com",
    "example.com",
    (5, 2, 3790),
)


def _answers(
    name: str,
    does: str,
    point: Point,
    *steps: do.Step,
    read: tuple[object, ...] | EllipsisType | None = None,
) -> Case:
    """Something else than the two replies to AUTH NTLM."""
    member = Member(SP3, (scripted(steps, point),), manner=Manner(_EHLO, challenge=_WINDOWS_2003))
    return Case(name, does, member, sp3(ehlo=_EHLO, ntlm=read))


def _sends(
    name: str, does: str, message: bytes, read: tuple[object, ...] | EllipsisType | None = None
) -> Case:
    """A challenge of its own."""
    return _answers(name, does, Point.CHALLENGE, b"334 " + b64encode(message) + b"\r\n", read=read)


def _named(name: str, does: str, text: str, read: tuple[object, ...] | EllipsisType | None) -> Case:
    """The same text for each of its names."""
    pairs = named_pairs(dict.fromkeys((NB_DOMAIN, NB_COMPUTER, DNS_DOMAIN, DNS_COMPUTER, DNS_TREE), text))
    return _sends(name, does, challenge(text, pairs=pairs, version=(6, 1, 7601)), read)


def _each(text: str) -> tuple[object, ...]:
    return *[text] * 6, (6, 1, 7601)


_CONTROLS = "\x1b[2J\x07\r\n250 X\t\x9b31m\x7f"
_BIDI = "\u202eelpmaxe\u2066\u200f\ufeff\u2028"
_MARKUP = "=1+1|<b>[red]%s{0}\"'"
# A header whose fields say 65,535 bytes, 4 GB away.
_WILD = struct.pack(
    "<8sIHHI I8s8xHHI",
    b"NTLMSSP\0",
    2,
    0xFFFF,
    0xFFFF,
    0xFFFFFFF0,
    0x00800205,
    b"",
    0xFFFF,
    0xFFFF,
    0xFFFFFFF0,
)

CASES = (
    _answers(
        "504", "does not know NTLM after all", Point.AUTH, b"504 5.7.4 Unrecognized authentication type\r\n"
    ),
    _answers("535", "denies at once", Point.AUTH, b"535 5.7.3 Authentication unsuccessful\r\n"),
    _answers("235", "lets anybody in", Point.AUTH, b"235 2.7.0 Authentication successful\r\n"),
    _answers(
        "235-later", "lets in whoever begins", Point.CHALLENGE, b"235 2.7.0 Authentication successful\r\n"
    ),
    _answers("421", "leaves over it", Point.AUTH, b"421 Service not available\r\n", CLOSE),
    _answers("silent", "does not answer AUTH", Point.AUTH, do.silence),
    _answers("silent-later", "has no challenge to say", Point.CHALLENGE, do.silence),
    _answers(
        "drip", "a byte of its challenge every half second", Point.CHALLENGE, partial(do.drip, seconds=DRIP)
    ),
    _answers("fin", "closes at AUTH", Point.AUTH, CLOSE),
    _answers("fin-later", "closes in place of a challenge", Point.CHALLENGE, CLOSE),
    _answers("fin-in-challenge", "closes within its challenge", Point.CHALLENGE, partial(do.close, after=60)),
    _answers("rst", "resets in place of a challenge", Point.CHALLENGE, RESET),
    _answers("no-code", "no reply of SMTP to AUTH", Point.AUTH, b"go ahead\r\n"),
    _answers("endless-line", "a challenge without end", Point.CHALLENGE, ENDLESS_LINE),
    _answers("endless-lines", "lines of challenges without end", Point.CHALLENGE, ENDLESS_LINES),
    out_of_step(_answers("hundreds", "hundreds of replies at once", Point.CHALLENGE, b"334 TlRM\r\n" * 500)),
    _answers("nothing", "nothing for a challenge", Point.CHALLENGE, b"334 \r\n"),
    _answers("code-only", "a code for a challenge", Point.CHALLENGE, b"334\r\n"),
    _answers("not-base64", "a challenge that is not Base64", Point.CHALLENGE, b"334 \xff\0NTLMSSP %s\r\n"),
    _answers("half-base64", "a challenge that is almost Base64", Point.CHALLENGE, b"334 TlRMTVNTU\r\n"),
    _answers("late", "challenges late", Point.CHALLENGE, PAUSE, do.say, read=_NAMES),
    _answers("in-bytes", "a segment for each byte", Point.CHALLENGE, partial(do.split, size=1), read=_NAMES),
    _answers(
        "silent-to-the-end",
        "does not answer once it has challenged",
        Point.CHALLENGE,
        do.say,
        do.silence,
        read=_NAMES,
    ),
    _sends("truncated-in-header", "a challenge cut within its header", _WINDOWS_2003[:20]),
    _sends("truncated-behind-header", "a header, and nothing of what it points to", challenge("A")[:48]),
    _sends("wild-offsets", "fields that point 4 GB away", _WILD),
    _sends("another-message", "the client's own kind of message", b"NTLMSSP\0\1" + _WINDOWS_2003[9:]),
    _sends("another-protocol", "Kerberos in place of NTLM", b"\x60\x82\x01\x0f\x06\x09\x2a\x86\x48" * 9),
    _sends("too-large", "a challenge of 64 KB", challenge("X" * 32_000)),
    _sends(
        "wild-pair",
        "a name that is longer than all of it",
        challenge("", pairs=[(NB_DOMAIN, b"A" * 9)])[:-12],
        ...,
    ),
    _sends("no-end", "names without an end", challenge("A", pairs=named_pairs({NB_DOMAIN: "B"}))[:-4], ...),
    _sends("odd", "half a letter", challenge("A", pairs=[(NB_DOMAIN, b"B\0C")]), ...),
    _sends(
        "repeated",
        "a thousand names of the same kind",
        challenge("A", pairs=[(NB_DOMAIN, b"B\0")] * 1_000),
        ...,
    ),
    _named("controls", "names of control characters", _CONTROLS, _each(_CONTROLS)),
    _named("bidi", "names that nobody sees, or read backwards", _BIDI, _each(_BIDI)),
    _named("markup", "names of formulas and markup", _MARKUP, _each(_MARKUP)),
    _named("surrogates", "names that are no Unicode", "A\ud800B\udc00", ...),
)
