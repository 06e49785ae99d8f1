"""Servers whose TLS is old, untrusted, broken or a trap; the greeting's answer stands in all of them.

Their certificates are made when a client first wants one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from imcprobe.testing import behaviours as do
from imcprobe.testing import certificates as made
from imcprobe.testing.faults import Point
from imcprobe.testing.fleet import Member
from imcprobe.testing.greetings import HOST
from imcprobe.testing.hostile.case import (
    CLOSE,
    DRIP,
    ENDLESS_LINE,
    ENDLESS_LINES,
    PAUSE,
    RESET,
    SP3,
    Case,
    ExpectedTls,
    out_of_step,
    scripted,
    sp3,
)
from imcprobe.testing.manner import EHLO_5_5, IMS, Manner

if TYPE_CHECKING:
    from imcprobe.testing.faults import Fault

_INSIDE = IMS.ehlo_lines(secure=True)
_DONE = ExpectedTls(negotiated=True, failed=False, ehlo=_INSIDE)
_FAILED = ExpectedTls()
_DONE_AND_NO_MORE = ExpectedTls(negotiated=True, failed=None)
_NOT_OFFERED = ExpectedTls(offered=False, failed=None)


def _tls(
    name: str,
    does: str,
    expected: ExpectedTls,
    *faults: Fault,
    kind: made.Kind = made.self_signed,
    old: bool = False,
    manner: Manner = IMS,
) -> Case:
    member = Member(SP3, faults, manner=manner, tls=partial(made.context, kind, HOST, old=old))
    return Case(name, does, member, sp3(ehlo=manner.ehlo, tls=expected))


def _seen(name: str, does: str, kind: made.Kind, *, old: bool = False) -> Case:
    """TLS that nobody should trust, and that can be looked at all the same."""
    expected = ExpectedTls(negotiated=True, failed=False, version="TLSv1" if old else None, ehlo=_INSIDE)
    return _tls(name, does, expected, kind=kind, old=old)


def _refuses(name: str, does: str, *steps: do.Step) -> Case:
    """What it answers to STARTTLS leads to no TLS."""
    return _tls(name, does, _FAILED, scripted(steps, Point.STARTTLS))


def _breaks(name: str, does: str, *steps: do.Step) -> Case:
    """What it does in place of a handshake leads to no TLS."""
    return _tls(name, does, _FAILED, scripted((*steps, do.silence), Point.HANDSHAKE))


def _inside(name: str, does: str, *steps: do.Step) -> Case:
    """There is TLS, and no keyword inside it."""
    return _tls(name, does, _DONE_AND_NO_MORE, scripted(steps, Point.TLS))


_READY = b"220 2.0.0 SMTP server ready\r\n"
_FORGED = b"250-mock.example.com Hello\r\n250-X-LINK2STATE\r\n250 XEXCH50\r\n"
# The beginning of a ServerHello (RFC 5246, 7.4.1.3): 74 bytes are announced, and not all of them come.
_HALF_A_HELLO = bytes.fromhex("160303004a0200004603035f5e100000112233445566778899aabbccddeeff")
_DRIPPED: tuple[do.Step, ...] = tuple(step for byte in _HALF_A_HELLO for step in (bytes([byte]), DRIP))
# handshake_failure, fatal, and user_canceled, a warning (RFC 5246, 7.2).
_ALERT, _WARNING = bytes.fromhex("15030100020228"), bytes.fromhex("1503030002015a")
# SERVER-HELLO of SSL 2.0 without a certificate and a cipher.
_SSL_2 = bytes.fromhex("800b0400010002000000000000")
_GARBAGE = bytes(range(160, 256)) + bytes(range(32))
# As much of one message as a handshake can announce: 16 MB of a certificate.
_HUGE = b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff" + bytes(16_380)

CASES = (
    _seen("self-signed", "a certificate like that of Exchange, which nobody has signed", made.self_signed),
    _seen("expired", "a certificate that was good until a year ago", made.expired),
    _seen("not-yet-valid", "a certificate that will be good in a year", made.not_yet_valid),
    _seen("another-name", "a certificate of another server", made.for_another_name),
    _seen("weak-key", "an RSA key of 1,024 bits, and SHA-1", made.weak),
    _seen("tls-1-0", "TLS 1.0, with a weak key", made.weak, old=True),
    _seen("large-certificate", "a certificate of 60 KB", made.oversized),
    _tls(
        "no-text", "a code and no text in answer to STARTTLS", _DONE, scripted((b"220\r\n",), Point.STARTTLS)
    ),
    _tls("late", "takes its time with the handshake", _DONE, scripted((PAUSE,), Point.HANDSHAKE)),
    _tls(
        "offers-it-again",
        "offers STARTTLS inside TLS again",
        ExpectedTls(negotiated=True, failed=False, ehlo=EHLO_5_5),
        manner=Manner(ehlo_tls=EHLO_5_5),
    ),
    _tls(
        "offered-inside",
        "has STARTTLS, and would offer it inside TLS only",
        _NOT_OFFERED,
        manner=Manner(_INSIDE, EHLO_5_5),
    ),
    _refuses("454", "has no TLS at the moment", b"454 TLS not available due to temporary reason\r\n"),
    _refuses("502", "does not know what it has offered", b"502 Command not implemented\r\n"),
    _refuses("421", "leaves over it", b"421 Service not available\r\n", CLOSE),
    _refuses("250", "a code that is not that of STARTTLS", b"250 OK\r\n"),
    _refuses("no-code", "no reply of SMTP to STARTTLS", b"ready to start\r\n"),
    _refuses("silent", "does not answer STARTTLS", do.silence),
    _refuses("fin", "closes at STARTTLS", CLOSE),
    _refuses("rst", "resets at STARTTLS", RESET),
    _refuses("endless-line", "a line without end in answer to STARTTLS", ENDLESS_LINE),
    _refuses("endless-lines", "lines without end in answer to STARTTLS", ENDLESS_LINES),
    _refuses("injected", "keywords behind the 220, in plain text and in its segment", _READY + _FORGED),
    _breaks("injected-later", "keywords in plain text in place of the handshake", _FORGED),
    _breaks("stalled", "says nothing once TLS may begin"),
    _breaks("stalled-in-hello", "half of its hello, and no more", _HALF_A_HELLO),
    _breaks("drip", "a byte of the handshake every half second", *_DRIPPED),
    _breaks("garbage", "bytes that mean nothing in place of a handshake", _GARBAGE),
    _breaks("ssl-2", "SSL 2.0", _SSL_2),
    _breaks("http", "HTTP in place of a handshake", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    _breaks("alert", "an alert, and the end", _ALERT, CLOSE),
    _breaks("warnings", "a thousand warnings in place of a handshake", _WARNING * 1_000),
    _breaks("huge", "announces 16 MB of a certificate, and sends what it can", *(_HUGE,) * 64),
    _breaks("fin-in-handshake", "closes when TLS may begin", CLOSE),
    _breaks("rst-in-handshake", "resets when TLS may begin", 0.1, RESET),
    _breaks("fin-in-hello", "closes within its hello", _HALF_A_HELLO, CLOSE),
    _breaks("rst-in-hello", "resets within its hello", _HALF_A_HELLO, 0.1, RESET),
    _inside("silent-inside", "does not answer EHLO inside TLS", do.silence),
    _inside("fin-inside", "closes at EHLO inside TLS", CLOSE),
    _inside("rst-inside", "resets at EHLO inside TLS", RESET),
    _inside("unknown-inside", "knows no EHLO inside TLS", b"500 Unrecognized command\r\n"),
    _inside("greets-inside", "greets once more inside TLS", SP3),
    _inside("no-code-inside", "no reply of SMTP inside TLS", b"\xff\xfe\0 X-LINK2STATE\r\n"),
    _inside("endless-line-inside", "a line without end inside TLS", ENDLESS_LINE),
    _inside("endless-lines-inside", "lines without end inside TLS", ENDLESS_LINES),
    _inside("drip-inside", "a byte every half second inside TLS", partial(do.drip, seconds=DRIP)),
    out_of_step(
        _inside("two-replies-inside", "answers EHLO twice inside TLS", b"250 mock.example.com\r\n" + _FORGED)
    ),
)
