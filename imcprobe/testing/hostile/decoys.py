"""Servers that look like an old Exchange server and are none, or another than they look."""

from __future__ import annotations

from imcprobe.model import Caveat, Family, Status
from imcprobe.testing.hostile.case import Case, Expected, ims, says

# What a plain Windows SMTP service offers of what matters here: no word of Exchange.
_WINDOWS = ("mock.example.com Hello [192.0.2.1]", "TURN", "SIZE 2097152", "ETRN", "PIPELINING", "DSN", "OK")


def _other(name: str, does: str, said: bytes, product: str) -> Case:
    return says(name, does, said, Expected(Status.SUCCESS, said, family=Family.OTHER_SMTP, product=product))


def _unknown(name: str, does: str, said: bytes) -> Case:
    return says(name, does, said, Expected(Status.SUCCESS, said, family=Family.SMTP))


def _windows(name: str, does: str, version: bytes) -> Case:
    """The Windows SMTP service, with the keywords of a plain one."""
    said = _SMTPSVC % version
    return says(
        name,
        does,
        said,
        Expected(
            Status.SUCCESS,
            said,
            family=Family.WINDOWS_SMTP,
            product="Windows SMTP service",
            build=version.decode(),
            ehlo=_WINDOWS,
        ),
    )


def _exchange(
    name: str, does: str, build: bytes, product: str, *releases: str, caveats: tuple[Caveat, ...] = ()
) -> Case:
    """What calls itself an Internet Mail Service, with a build that is not what it seems."""
    said = ims(build)
    return says(
        name,
        does,
        said,
        Expected(
            Status.SUCCESS,
            said,
            family=Family.EXCHANGE_IMS,
            product=product,
            build=build.decode(),
            releases=releases,
            caveats=caveats,
        ),
    )


_POSTFIX_HOST = b"220 exchange-5.5.2650.21.example.com ESMTP Postfix\r\n"
_ORACLE = (
    b"220 mx.example.com -- Server ESMTP (Oracle Communications Messaging Exchange Server 7.0 64bit)\r\n"
)
_STALKER = b"220-Stalker Internet Mail Server V.1.7 is ready.\r\n220 ESMTP is spoken here.\r\n"
_MASKED = b"220 ***********0****0*2**2*0*\r\n"
_POP3_WORDS = b"220 mock.example.com Microsoft Exchange POP3 server version 5.5.2650.21 ready\r\n"
_NT4 = (
    b"220-mock.example.com Microsoft SMTP MAIL ready at Wed, 29 Nov 2017 23:48:59 +0000 "
    b"Version: 5.5.1877.197.19\r\n220 ESMTP spoken here\r\n"
)
_SMTPSVC = b"220 mock.example.com Microsoft ESMTP MAIL Service, Version: %s ready at  Thu, 3 Apr 2008\r\n"
_PLUS_OK = b"220 +OK Microsoft Exchange SMTP server version 5.5.2653.13\r\n"
_MIGRATED = b"220 mock.example.com ESMTP, we left Microsoft Exchange Server 5.5 (5.5.2650.21)\r\n"
_BARE_NUMBER = b"220 mock.example.com ESMTP 5.5.2650.21\r\n"
_RFC_821 = b"220 mock.example.com service ready\r\n"

CASES = (
    _other("postfix", "Postfix on a host named exchange", _POSTFIX_HOST, "Postfix"),
    _other("oracle", "an Exchange Server of Oracle's", _ORACLE, "Oracle Communications Messaging Server"),
    _other("stalker", "an Internet Mail Server of another maker", _STALKER, "Stalker Internet Mail Server"),
    _other(
        "emwac",
        "another IMS",
        b"220 mx.example.com IMS SMTP Receiver Version 0.83 Ready\r\n",
        "EMWAC Internet Mail Services",
    ),
    _unknown("number-alone", "a build, and no product", _BARE_NUMBER),
    _unknown("migrated", "the product's name in a sentence", _MIGRATED),
    _unknown("pop3-words", "the words of the POP3 server behind a 220", _POP3_WORDS),
    _unknown("rfc-821", "the example of RFC 821, which Exchange 4.0 says too", _RFC_821),
    says(
        "masked",
        "a firewall's stars, with digits that survive",
        _MASKED,
        Expected(Status.SUCCESS, _MASKED, family=Family.MASKED),
    ),
    says(
        "nt4-option-pack",
        "the SMTP service of NT 4.0, whose number begins with 5.5",
        _NT4,
        Expected(
            Status.SUCCESS,
            _NT4,
            family=Family.NT4_OPTION_PACK,
            product="Windows NT 4.0 Option Pack SMTP service",
            build="5.5.1877.197.19",
        ),
    ),
    _windows(
        "windows-2000", "the SMTP service of Windows 2000, whose number begins with 5.0", b"5.0.2195.6713"
    ),
    _windows("windows-with-a-build", "that service with a number of the table", b"5.5.2650.21"),
    says(
        "plus-ok",
        "words that a person chose",
        _PLUS_OK,
        Expected(
            Status.SUCCESS, _PLUS_OK, family=Family.SMTP, product="Exchange Server", build="5.5.2653.13"
        ),
    ),
    _exchange(
        "honeypot",
        "a known honeypot's words: 5.5's around a number of 4.0",
        b"4.0.994.63",
        "Exchange Server 4.0",
        "Exchange Server 4.0a Service Pack 3",
        caveats=(Caveat.UNUSUAL_WORDING, Caveat.NAMED_4_0_ELSEWHERE),
    ),
    _exchange(
        "component",
        "the build of another component",
        b"5.5.2653.23",
        "Exchange Server 5.5",
        "Exchange Server 5.5 Service Pack 4",
    ),
    _exchange(
        "conflict",
        "a number of 5.5 behind the prefix of 5.0",
        b"5.0.2653.13",
        "Exchange Server 5.5",
        "Exchange Server 5.5 Service Pack 4",
        caveats=(Caveat.PREFIX_DISAGREES,),
    ),
    _exchange("newer", "a build above all that are documented", b"5.5.2700.1", "Exchange Server 5.5"),
    _exchange("between", "a build that no document has", b"5.5.2650.3", "Exchange Server 5.5"),
    _exchange("no-product", "a build of no product", b"9.9.9.9", "Exchange Server"),
)
