"""Servers that say no, and codes that are none."""

from __future__ import annotations

from imcprobe.model import Family, Status
from imcprobe.testing.hostile.case import CLOSE, SP3, Case, Expected, acts, not_smtp, says

_TEXT = SP3[3:]


def _refused(said: bytes, hint: str | None = None) -> Expected:
    return Expected(Status.APPLICATION_ERROR, said, family=Family.REFUSED, product=hint)


def _no_code(name: str, does: str, said: bytes) -> Case:
    return says(name, does, said, not_smtp(said))


_BUSY = b"421 mx.example.com Service not available, closing transmission channel\r\n"
_LEGAL = b"554-mx.example.com\r\n554-You are listed\r\n554 https://example.com/why\r\n"
_IN_WORDS = b"550" + _TEXT

CASES = (
    acts("421", "is not available, and closes", (_BUSY, CLOSE), _refused(_BUSY)),
    says("450", "is busy", b"450 4.3.2 Try again later\r\n", _refused(b"450 4.3.2 Try again later\r\n")),
    says("554", "refuses in three lines", _LEGAL, _refused(_LEGAL)),
    says("550-with-a-build", "refuses, and names a build", _IN_WORDS, _refused(_IN_WORDS, "Exchange Server")),
    says("559", "refuses with a code of no list", b"559 no\r\n", _refused(b"559 no\r\n")),
    _no_code("220-then-554", "changes its mind from line to line", b"220-Hello\r\n554 Go away\r\n"),
    _no_code("554-then-220", "changes it the other way round", b"554-Go away\r\n" + SP3),
    _no_code("250", "greets with the code of another reply", b"250" + _TEXT),
    _no_code("354", "asks for a message", b"354 Send data.  End with CRLF.CRLF\r\n"),
    _no_code("999", "has a code above all", b"999" + _TEXT),
    _no_code("100", "has a code below all", b"100" + _TEXT),
    _no_code("four-digits", "has a digit too many", b"2200" + _TEXT),
    _no_code("two-digits", "has one too few", b"22" + _TEXT),
    _no_code("underscore", "has a number as Python reads it", b"2_2" + _TEXT),
    _no_code("sign", "has a number with a sign", b"+22" + _TEXT),
    _no_code("no-blank", "has text right behind the code", b"220hello" + _TEXT),
    _no_code("tab", "has a tab behind the code", b"220\t" + _TEXT),
    _no_code("leading-blank", "has a blank before the code", b" 220" + _TEXT),
    _no_code("full-width-digits", "has full-width digits", "\uff12\uff12\uff10".encode() + _TEXT),
    _no_code("arabic-digits", "has Arabic-Indic digits", "\u0662\u0662\u0660".encode() + _TEXT),
    _no_code("second-line-without-code", "forgets the code of its second line", b"220-Hello\r\n" + SP3[4:]),
)
