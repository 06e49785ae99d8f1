"""Servers by name: what each greets with, and how it answers EHLO, HELP, STARTTLS, AUTH NTLM and QUIT.

One row a server, its keywords from a transcript where one is known; what a transcript leaves out with "..."
is that of the next one that does not. What is **made up** says so: to HELP no more than the beginning of
one reply is documented, and the replies to unknown commands and 5.5's to STARTTLS are not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from imcprobe.testing.certificates import context, self_signed, weak
from imcprobe.testing.fleet import Member
from imcprobe.testing.greetings import HOST, greeting_for, named_greeting
from imcprobe.testing.manner import Manner
from imcprobe.testing.ntlm import challenge_of

if TYPE_CHECKING:
    from imcprobe.testing.faults import Fault

_HELLO = "{host} Hello [127.0.0.1]"

# Q262945, Q173656, Q326322: no enhanced codes. Its HELP and the rest are the mock's.
_IMS = Manner(helo="250 OK", quit="221 closing connection")
# Nessus (smtpserver_detect) has the beginning of the reply to HELP; the rest of it and `unknown` are made up.
_SMTPSVC = Manner(
    helo=f"250 {_HELLO}",
    help=(
        "214-This server supports the following commands:",
        "214 HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH TURN ETRN BDAT VRFY",
    ),
    quit="221 2.0.0 {host} Service closing transmission channel",
    starttls="220 2.0.0 SMTP server ready",
    unknown="500 5.3.3 Unrecognized command",
)
# The same words but those of QUIT; that it answers HELP like its predecessor is made up.
_EXCHANGE_2007 = replace(
    _SMTPSVC,
    help=(
        "214-This server supports the following commands:",
        "214 HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT",
    ),
    quit="221 2.0.0 Service closing transmission channel",
)
# Its source: src/smtpd/smtpd.c.
_POSTFIX = Manner(
    helo="250 {host}",
    help=("502 5.5.2 Error: command not recognized",),
    quit="221 2.0.0 Bye",
    starttls="220 2.0.0 Ready to start TLS",
    unknown="502 5.5.2 Error: command not recognized",
)
# Q295725 has its answer to EHLO; that HELP fares alike is made up.
_MAILGUARD = replace(_IMS, help=("500 Unrecognized command",), unknown="500 Unrecognized command")


@dataclass(frozen=True, slots=True)
class _Server:
    """A server by name; `ehlo` are its keywords (None: EHLO is unknown), `windows` answers AUTH NTLM."""

    name: str
    manner: Manner
    ehlo: str | None
    windows: str | None = None
    is_old: bool = False


_5_5 = "XEXCH50|HELP|ETRN|DSN|SIZE 0|AUTH LOGIN|AUTH=LOGIN"
_WINDOWS_2000 = (
    "AUTH GSSAPI NTLM LOGIN|AUTH=LOGIN|TURN|ATRN|SIZE|ETRN|PIPELINING|DSN|ENHANCEDSTATUSCODES|8bitmime"
    "|BINARYMIME|CHUNKING|VRFY"
)
_WINDOWS_2008 = (
    "TURN|SIZE 2097152|ETRN|PIPELINING|DSN|ENHANCEDSTATUSCODES|8bitmime|BINARYMIME|CHUNKING|VRFY|OK"
)
_EXCHANGE_2000 = f"{_WINDOWS_2000}|X-EXPS GSSAPI NTLM LOGIN|X-EXPS=LOGIN|X-LINK2STATE|XEXCH50|OK"
_2007_TO_TLS = "SIZE|PIPELINING|DSN|ENHANCEDSTATUSCODES|STARTTLS"
_2010 = (
    f"{_2007_TO_TLS}|X-ANONYMOUSTLS|AUTH NTLM LOGIN|X-EXPS GSSAPI NTLM|8BITMIME|BINARYMIME|CHUNKING|XEXCH50"
)
_2016_TO_CHUNKING = (
    "SIZE 37748736|PIPELINING|DSN|ENHANCEDSTATUSCODES|STARTTLS|X-ANONYMOUSTLS|AUTH NTLM"
    "|X-EXPS GSSAPI NTLM|8BITMIME|BINARYMIME|CHUNKING"
)

_SERVERS = (
    # Nothing is documented of its EHLO, and no article shows ESMTP.
    _Server("exchange4.0", _IMS, None),
    # Accepts EHLO (Q164060), whose keywords nobody has printed: SIZE is that of the RFC which it names.
    _Server("exchange5.0", _IMS, "SIZE"),
    # Q262945, 13 May 2000, and its challenge.
    _Server("exchange5.5", _IMS, _5_5, "nt4"),
    # Q255753, Q246889: as above with STARTTLS, at its place in the capture of EHLO_5_5. Its TLS is made up.
    _Server("exchange5.5-ssl", _IMS, f"{_5_5}|STARTTLS", "nt4", is_old=True),
    # Q198415 has the greeting and 8BITMIME; what else there was is not known.
    _Server("nt4-option-pack", _IMS, "8BITMIME"),
    # Public archive (5.0.2195.6713).
    _Server("windows2000", _SMTPSVC, f"{_WINDOWS_2000}|OK", "2000"),
    # No transcript of a plain one is known: as Windows 2000.
    _Server("windows", _SMTPSVC, f"{_WINDOWS_2000}|OK", "2003"),
    # Public archive, with "..." before OK: as Windows 2000.
    _Server("windows2008", _SMTPSVC, _WINDOWS_2008),
    _Server("windows2019", _SMTPSVC, _WINDOWS_2008),
    # KB 153119, later text; public archives (5.0.2195.5329, 6.0.3790.4675).
    _Server("exchange2000", _SMTPSVC, _EXCHANGE_2000, "2000"),
    _Server("exchange2003", _SMTPSVC, _EXCHANGE_2000, "2003"),
    # Public archive (client log; server version not stated).
    _Server("exchange2007", _EXCHANGE_2007, f"{_2007_TO_TLS}|AUTH|8BITMIME|BINARYMIME|CHUNKING|XEXCH50"),
    # dasblinkenlichten.com, 8 Jan 2010, from X-ANONYMOUSTLS on; nmap line 13280. 2007 with an SP, or 2010.
    _Server("exchange2007sp", _EXCHANGE_2007, f"{_2010}|XRDST", "2008"),
    # Public archives, the last three keywords: the rest as above.
    _Server("exchange2010", _EXCHANGE_2007, f"{_2010}|XRDST|XSHADOW", "2008r2"),
    # Public archive (Microsoft, 27 Jun 2013), the last three keywords: the rest as above.
    _Server("exchange2013", _EXCHANGE_2007, f"{_2010}|XRDST|XSHADOWREQUEST", "2012"),
    # Public archive (Microsoft, sample of 5 Aug 2016).
    _Server("exchange2016", _EXCHANGE_2007, f"{_2016_TO_CHUNKING}|XRDST", "2016"),
    # Public archive (receive log, 29 Jan 2025), the last three keywords: the rest as above.
    _Server("exchange2019", _EXCHANGE_2007, f"{_2016_TO_CHUNKING}|SMTPUTF8|XRDST", "2019"),
    # Its keywords are made up: no transcript is known.
    _Server("exchange-online", _EXCHANGE_2007, f"{_2007_TO_TLS}|8BITMIME|BINARYMIME|CHUNKING|SMTPUTF8"),
    # nmap line 13280: a greeting that an administrator chose, and the keywords of Exchange.
    _Server("custom", _EXCHANGE_2007, f"{_2010}|XRDST", "2008r2"),
    # postfix.org and its source, release 3.4 and later.
    _Server(
        "postfix",
        _POSTFIX,
        "PIPELINING|SIZE 10240000|VRFY|ETRN|STARTTLS|ENHANCEDSTATUSCODES|8BITMIME|DSN|SMTPUTF8|CHUNKING",
    ),
    # Q295725: an Exchange 5.5 behind a firewall.
    _Server("masked", _MAILGUARD, None),
)
_BY_NAME = {row.name: row for row in _SERVERS}


def member_of(text: str, host: str = HOST, faults: tuple[Fault, ...] = ()) -> Member:
    """Make a server of a build (`2650.21`) or a name (`exchange2003`). Raises UsageError.

    A name answers as that server does, with a test certificate where it offers STARTTLS; that is made when
    it is first wanted. A build answers as `MockServer` does by default.
    """
    if text[:1].isdecimal():
        return Member(greeting_for(text, host), faults)
    greeting = named_greeting(text, host)
    row = _BY_NAME[text]
    tls = partial(context, weak if row.is_old else self_signed, host, old=row.is_old)
    manner = _at(host, row)
    return Member(greeting, faults, manner=manner, tls=tls if "STARTTLS" in manner.ehlo else None)


def _at(host: str, row: _Server) -> Manner:
    """The manner of a server with that host's name in it."""
    said: dict[str, Any] = {
        field.name: value.replace("{host}", host)
        for field in fields(Manner)
        if isinstance(value := getattr(row.manner, field.name), str)
    }
    return replace(
        row.manner,
        **said,
        ehlo=() if row.ehlo is None else (_HELLO.format(host=host), *row.ehlo.split("|")),
        challenge=None if row.windows is None else challenge_of(row.windows),
    )
