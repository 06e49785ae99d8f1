"""What a greeting cannot say, end to end: servers as transcripts have them, and what is made of them."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest

import imcprobe
from imcprobe.evidence import Ntlm
from imcprobe.fingerprint.ehlo import row_for, telling
from imcprobe.fingerprint.identify import identify
from imcprobe.fingerprint.ntlm import NEGOTIATE
from imcprobe.knowledge.keywords import GENERATIONS
from imcprobe.knowledge.replies import REPLIES
from imcprobe.meaning import Channel
from imcprobe.model import Confidence, Family, Status
from imcprobe.outputs.dialogue import tls_line
from imcprobe.outputs.wording import headline
from imcprobe.testing import (
    GREETING_NAMES,
    Fault,
    Manner,
    Member,
    Point,
    challenge_of,
    member_of,
    named_greeting,
)
from imcprobe.testing.certificates import (
    context,
    elliptic,
    expired,
    for_another_name,
    not_yet_valid,
    oversized,
    self_signed,
    weak,
)
from imcprobe.testing.greetings import mask
from imcprobe.testing.ntlm import WINDOWS_NAMES

if TYPE_CHECKING:
    from imcprobe.model import Identification, Result
    from imcprobe.testing import Line
    from imcprobe.testing.certificates import Kind
    from imcprobe.testing.factories import FleetFactory

EVERYTHING = imcprobe.ProbeOptions(tls=True, ntlm=True, help_command=True)
OWN = b"220 ESMTP Ready\r\n"
NO_ESMTP = (
    b"220 mock.example.com  SMTP Server (Microsoft Exchange Internet Mail Service 5.5.2232.0) Ready.\r\n"
)
MASKED, IMS, LATER, WINDOWS = map(named_greeting, ("masked", "exchange5.5", "exchange2007", "windows"))
HELLO = "mock.example.com Hello [127.0.0.1]"

IMS_FAMILY, LATER_FAMILY = Family.EXCHANGE_IMS, Family.EXCHANGE_2007
WINDOWS_FAMILY, NO_NAME = Family.WINDOWS_SMTP, Family.SMTP

# Hints that several servers share, each as its channel and its reading.
ANY_HELLO = "ehlo: consistent with Exchange 5.5 or later, or the Windows SMTP service, among others"
NO_EXCHANGE = "ehlo: consistent with no Exchange, or with one whose keywords are filtered or missing"
HELP_W = "help: consistent with the Windows SMTP service, with Exchange 2000 or 2003 or without"
QUIT_W = HELP_W.replace("help", "quit") + ", or with Apache James"
HELP_7 = "help: consistent with Exchange 2007 or later, or Exchange Online"
QUIT_7 = HELP_7.replace("help", "quit")
TLS_7 = HELP_7.replace("help", "starttls") + ", from transcripts of those alone"
QUIT_IMS = "quit: consistent with an Internet Mail Service, among others"
NT_4 = "ntlm: consistent with Windows NT 4.0"
CERT = "certificate: consistent with the default certificate of Exchange 2007 or later, which names its host"
NO_IMS = "not consistent with an Internet Mail Service, which has"
NT_2000 = "ntlm: consistent with Windows 2000, which carries Exchange 5.5 (from SP3), 2000 or 2003"
NT_2003 = "ntlm: consistent with Windows Server 2003, which carries Exchange 2003 or 2007"
NT_2008 = "ntlm: consistent with Windows Server 2008 SP2, which carries Exchange 2007 (from SP1) or 2010"
NT_2008R2 = (
    "ntlm: consistent with Windows Server 2008 R2 SP1, which carries Exchange 2007 (from SP3), 2010 or 2013"
)
NT_2012 = "ntlm: consistent with Windows Server 2012, which carries Exchange 2010 (from SP3), 2013 or 2016"
NT_2016 = "ntlm: consistent with Windows Server 2016, which carries Exchange 2016 (from CU3)"
NT_2019 = "ntlm: consistent with Windows Server 2019, which carries Exchange 2019 or SE"
NO_BUILD = ": the greeting carries no build"
UNKNOWN = "SMTP server of unknown make; its replies are "
HIDDEN = "Greeting masked by a firewall; its replies are "
W_2003 = "Windows SMTP service 6.0.3790.4675 (Windows Server 2003 SP2 with an update)"
SEVEN = "Exchange 2007 or later"


def behind(greeting: bytes, name: str, *ehlo: str) -> Member:
    """The server of a name behind another greeting, and where they are given with other keywords."""
    member = member_of(name)
    return replace(member, greeting=greeting, ehlo=(HELLO, *ehlo) if ehlo else None)


class Row(NamedTuple):
    """A server that is known from a transcript, and what imcprobe makes of it."""

    fact: str
    member: Member
    family: Family
    product: str | None
    hints: tuple[str, ...]
    headline: str
    confidence: Confidence = Confidence.HIGH


# fmt: off
# What is known of the replies to EHLO, row by row. Of the Subscription Edition nothing is.
GENERATION_ROWS = (
    Row("Exchange 4.0 IMC", member_of("exchange4.0"), NO_NAME, None, (QUIT_IMS,),
        f"{UNKNOWN}consistent with an Internet Mail Service, among others"),
    Row("Exchange 5.0 IMS", member_of("exchange5.0"), IMS_FAMILY, "Exchange Server 5.0", (),
        "Exchange Server 5.0 Service Pack 2"),
    Row("Exchange 5.5 IMS", member_of("exchange5.5"), IMS_FAMILY, "Exchange Server 5.5", (),
        "Exchange Server 5.5 Service Pack 3"),
    Row("5.5 IMS with SSL", member_of("exchange5.5-ssl"), IMS_FAMILY, "Exchange Server 5.5", (),
        "Exchange Server 5.5 Service Pack 4"),
    Row("5.5 IMS, ESMTP not advertised", behind(NO_ESMTP, "exchange4.0"), IMS_FAMILY, "Exchange Server 5.5",
        (), "Exchange Server 5.5, before Service Pack 1 (5.5.2232.0, Q194131)", Confidence.MEDIUM),
    Row("NT 4 Option Pack", member_of("nt4-option-pack"), Family.NT4_OPTION_PACK,
        "Windows NT 4.0 Option Pack SMTP service", (),
        "Windows NT 4.0 Option Pack SMTP service 5.5.1877.197.19"),
    Row("Windows 2000, no Exchange", member_of("windows2000"), WINDOWS_FAMILY, "Windows SMTP service",
        (NO_EXCHANGE, NT_2000),
        "Windows SMTP service 5.0.2195.6713 (Windows 2000 SP4); consistent with no Exchange, or with one "
        "whose keywords are filtered or missing"),
    Row("Windows Server 2003, no Exchange", member_of("windows"), WINDOWS_FAMILY, "Windows SMTP service",
        (NO_EXCHANGE, NT_2003),
        f"{W_2003}; consistent with no Exchange, or with one whose keywords are filtered or missing"),
    Row("Windows Server 2008", member_of("windows2008"), WINDOWS_FAMILY, "Windows SMTP service", (),
        "Windows SMTP service 7.0.6001.18000 (Windows Server 2008)"),
    Row("Windows Server 2019", member_of("windows2019"), WINDOWS_FAMILY, "Windows SMTP service", (),
        "Windows SMTP service 10.0.17763.1697 (Windows Server 2019)"),
    Row("Exchange 2000 or 2003 on Windows 2000", member_of("exchange2000"), WINDOWS_FAMILY,
        "Exchange 2000 or 2003", ("ehlo: consistent with Exchange 2000 or 2003", NT_2000),
        "Exchange 2000 or 2003: Windows SMTP service 5.0.2195.5329 (Windows 2000 SP3)", Confidence.MEDIUM),
    Row("Exchange 2003", member_of("exchange2003"), WINDOWS_FAMILY, "Exchange 2000 or 2003",
        ("ehlo: consistent with Exchange 2003", NT_2003),
        f"Exchange 2000 or 2003, consistent with 2003: {W_2003}", Confidence.MEDIUM),
    Row("Exchange 2007", member_of("exchange2007"), LATER_FAMILY,
        f"{SEVEN}, consistent with 2007, 2010 or 2013",
        ("ehlo: consistent with Exchange 2007, 2010 or 2013", CERT),
        f"{SEVEN}, consistent with 2007, 2010 or 2013{NO_BUILD}", Confidence.MEDIUM),
    Row("Exchange 2007 SP or 2010", member_of("exchange2007sp"), LATER_FAMILY,
        f"{SEVEN}, consistent with 2007 or 2010",
        ("ehlo: consistent with Exchange 2007 with a service pack, or 2010", CERT, NT_2008),
        f"{SEVEN}, consistent with 2007 or 2010{NO_BUILD}", Confidence.MEDIUM),
    Row("Exchange 2010", member_of("exchange2010"), LATER_FAMILY, f"{SEVEN}, consistent with 2010",
        ("ehlo: consistent with Exchange 2010", CERT, NT_2008R2),
        f"{SEVEN}, consistent with 2010{NO_BUILD}", Confidence.MEDIUM),
    Row("Exchange 2010 without XRDST",
        behind(LATER, "exchange2010", "SIZE 37748736", "STARTTLS", "X-ANONYMOUSTLS", "X-EXPS NTLM",
               "8BITMIME", "BINARYMIME", "CHUNKING", "XEXCH50", "XSHADOW"),
        LATER_FAMILY, f"{SEVEN}, consistent with 2010", ("ehlo: consistent with Exchange 2010", CERT),
        f"{SEVEN}, consistent with 2010{NO_BUILD}", Confidence.MEDIUM),
    Row("Exchange 2013", member_of("exchange2013"), LATER_FAMILY, f"{SEVEN}, consistent with 2013",
        ("ehlo: consistent with Exchange 2013", CERT, NT_2012),
        f"{SEVEN}, consistent with 2013{NO_BUILD}", Confidence.MEDIUM),
    Row("Exchange 2016", member_of("exchange2016"), LATER_FAMILY, f"{SEVEN}, consistent with 2016",
        ("ehlo: consistent with Exchange 2016, or with 2013 or 2019 in other settings", CERT, NT_2016),
        f"{SEVEN}, consistent with 2016{NO_BUILD}", Confidence.MEDIUM),
    Row("Exchange 2019", member_of("exchange2019"), LATER_FAMILY, f"{SEVEN}, consistent with 2019 or later",
        ("ehlo: consistent with Exchange 2019 or later", CERT, NT_2019),
        f"{SEVEN}, consistent with 2019 or later{NO_BUILD}", Confidence.MEDIUM),
    Row("Exchange Online", member_of("exchange-online"), Family.EXCHANGE_ONLINE, "Exchange Online", (),
        f"Exchange Online{NO_BUILD}"),
    Row("Postfix", member_of("postfix"), Family.OTHER_SMTP, "Postfix", (), "Not Exchange: Postfix"),
    Row("a firewall that knows no EHLO", member_of("masked"), Family.MASKED, None, (QUIT_IMS,),
        f"{HIDDEN}consistent with an Internet Mail Service, among others"),
    Row("a greeting of an administrator's", member_of("custom"), NO_NAME,
        "Exchange, consistent with 2007 or 2010",
        ("ehlo: consistent with Exchange 2007 with a service pack, or 2010", HELP_7, QUIT_7, TLS_7, CERT,
         NT_2008R2),
        f"{UNKNOWN}consistent with Exchange 2007 with a service pack, or 2010", Confidence.LOW),
)

# The same servers behind greetings that say nothing of them, or something else.
HIDDEN_ROWS = (
    Row("5.5, masked", behind(MASKED, "exchange5.5"), Family.MASKED, "Exchange, consistent with 5.5",
        ("ehlo: consistent with Exchange 5.5", QUIT_IMS, NT_4),
        f"{HIDDEN}consistent with Exchange 5.5", Confidence.LOW),
    Row("5.5 with SSL, own", behind(OWN, "exchange5.5-ssl"), NO_NAME, "Exchange, consistent with 5.5",
        ("ehlo: consistent with Exchange 5.5", QUIT_IMS, CERT, NT_4),
        f"{UNKNOWN}consistent with Exchange 5.5", Confidence.LOW),
    Row("5.0, own", behind(OWN, "exchange5.0"), NO_NAME, None, (ANY_HELLO, QUIT_IMS),
        f"{UNKNOWN}{ANY_HELLO.removeprefix('ehlo: ')}"),
    Row("Windows 2000, masked", behind(mask(named_greeting("windows2000")), "windows2000"), Family.MASKED,
        None, ("ehlo: consistent with the Windows SMTP service", HELP_W, QUIT_W, NT_2000),
        f"{HIDDEN}consistent with the Windows SMTP service"),
    Row("Windows Server 2019, own", behind(OWN, "windows2019"), NO_NAME, None,
        ("ehlo: consistent with the Windows SMTP service", HELP_W, QUIT_W),
        f"{UNKNOWN}consistent with the Windows SMTP service"),
    Row("2003, masked", behind(mask(WINDOWS), "exchange2003"), Family.MASKED,
        "Exchange, consistent with 2000 or 2003",
        ("ehlo: consistent with Exchange 2000 or 2003", HELP_W, QUIT_W, NT_2003),
        f"{HIDDEN}consistent with Exchange 2000 or 2003", Confidence.LOW),
    Row("2003, in the words of 2007", behind(LATER, "exchange2003"), LATER_FAMILY, SEVEN,
        ("ehlo: consistent with Exchange 2000 or 2003, which greet with other words", HELP_W, QUIT_W,
         NT_2003),
        f"{SEVEN}{NO_BUILD}"),
    Row("2007, own", behind(OWN, "exchange2007"), NO_NAME, "Exchange, consistent with 2007, 2010 or 2013",
        ("ehlo: consistent with Exchange 2007, 2010 or 2013", HELP_7, QUIT_7, TLS_7, CERT),
        f"{UNKNOWN}consistent with Exchange 2007, 2010 or 2013", Confidence.LOW),
    Row("2010, masked", behind(mask(LATER), "exchange2010"), Family.MASKED, "Exchange, consistent with 2010",
        ("ehlo: consistent with Exchange 2010", HELP_7, QUIT_7, TLS_7, CERT, NT_2008R2),
        f"{HIDDEN}consistent with Exchange 2010", Confidence.LOW),
    Row("2013, own", behind(OWN, "exchange2013"), NO_NAME, "Exchange, consistent with 2013",
        ("ehlo: consistent with Exchange 2013", HELP_7, QUIT_7, TLS_7, CERT, NT_2012),
        f"{UNKNOWN}consistent with Exchange 2013", Confidence.LOW),
    Row("2016, masked", behind(mask(LATER), "exchange2016"), Family.MASKED, "Exchange, consistent with 2016",
        ("ehlo: consistent with Exchange 2016, or with 2013 or 2019 in other settings", HELP_7, QUIT_7,
         TLS_7, CERT, NT_2016),
        f"{HIDDEN}consistent with Exchange 2016, or with 2013 or 2019 in other settings", Confidence.LOW),
    Row("2019, own", behind(OWN, "exchange2019"), NO_NAME, "Exchange, consistent with 2019 or later",
        ("ehlo: consistent with Exchange 2019 or later", HELP_7, QUIT_7, TLS_7, CERT, NT_2019),
        f"{UNKNOWN}consistent with Exchange 2019 or later", Confidence.LOW),
    Row("Exchange Online, own", behind(OWN, "exchange-online"), NO_NAME, None,
        (ANY_HELLO, HELP_7, QUIT_7, TLS_7, CERT), f"{UNKNOWN}{ANY_HELLO.removeprefix('ehlo: ')}"),
    Row("2010, filtered to X-ANONYMOUSTLS",
        behind(OWN, "exchange2010", "STARTTLS", "X-ANONYMOUSTLS", "8BITMIME"), NO_NAME,
        "Exchange, consistent with 2007 or later",
        ("ehlo: consistent with Exchange 2007 or later", HELP_7, QUIT_7, TLS_7, CERT),
        f"{UNKNOWN}consistent with Exchange 2007 or later", Confidence.LOW),
    Row("2003, filtered to X-EXPS", behind(OWN, "exchange2003", "TURN", "X-EXPS=LOGIN", "OK"), NO_NAME,
        "Exchange, consistent with 2000 or later",
        ("ehlo: consistent with Exchange 2000 or later", HELP_W, QUIT_W),
        f"{UNKNOWN}consistent with Exchange 2000 or later", Confidence.LOW),
    Row("5.5, filtered to XEXCH50", behind(OWN, "exchange5.5", "XEXCH50", "SIZE 0"), NO_NAME, None,
        ("ehlo: consistent with Exchange 5.5 to 2013, by a keyword that Recog does not trust alone",
         QUIT_IMS),
        f"{UNKNOWN}consistent with Exchange 5.5 to 2013, by a keyword that Recog does not trust alone"),
    Row("Postfix, in the words of 5.5", behind(IMS, "postfix"), IMS_FAMILY, "Exchange Server 5.5",
        (f"ehlo: {NO_IMS} neither BDAT nor enhanced status codes",
         f"quit: {NO_IMS} no enhanced status codes"),
        "Exchange Server 5.5 Service Pack 3", Confidence.LOW),
    Row("2016, in the words of Windows Server 2003", behind(WINDOWS, "exchange2016"), WINDOWS_FAMILY,
        "Windows SMTP service", (HELP_7, QUIT_7, NT_2016),
        f"{W_2003}; consistent with Exchange 2007 or later, or Exchange Online"),
)
# fmt: on
ROWS = (*GENERATION_ROWS, *HIDDEN_ROWS)


async def looked_at(member: Member, options: imcprobe.ProbeOptions = EVERYTHING) -> tuple[Result, bytes]:
    """The result for a server, and all that it heard."""
    async with member.at("127.0.0.1", 0) as server:
        result = await imcprobe.check(server.host, server.port, options=options)
        await server.settle(1)
        (heard,) = server.received
    return result, heard


def identified(result: Result) -> Identification:
    assert result.identification is not None
    return result.identification


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fact)
async def test_what_is_made_of_a_server_that_a_transcript_is_known_of(row: Row) -> None:
    result, _ = await looked_at(row.member)
    found = identified(result)
    assert result.observation.status is Status.SUCCESS
    assert (found.family, found.product, found.confidence) == (row.family, row.product, row.confidence)
    assert tuple(f"{hint.channel}: {hint.reading}" for hint in found.hints) == row.hints
    assert headline(result) == row.headline


async def test_every_row_of_knowledge_is_met_by_a_server_of_this_table(imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet([row.member for row in ROWS])
    keyword_rows, reply_rows = set(), set()
    async for result in imcprobe.scan(fleet.addresses, options=EVERYTHING):
        seen, found = result.observation, identified(result)
        greeted = identify(seen.greeting)
        assert greeted is not None
        keyword_rows.add(row_for(greeted, telling(seen.ehlo or ())))
        reply_rows |= {
            row.name for row in REPLIES if row.hint in found.hints and found.family in row.families
        }
    assert keyword_rows - {None} == set(GENERATIONS)
    assert reply_rows == {row.name for row in REPLIES}


def test_every_server_that_has_a_name_is_in_this_table() -> None:
    assert {member_of(name).greeting for name in GREETING_NAMES} == {
        row.member.greeting for row in GENERATION_ROWS
    } - {NO_ESMTP}


# What is not asked for is not known.


@pytest.mark.parametrize("name", ["exchange2003", "exchange2010", "masked", "custom"])
async def test_without_further_questions_there_is_the_greeting_and_no_hint(name: str) -> None:
    result, heard = await looked_at(member_of(name), imcprobe.ProbeOptions())
    seen = result.observation
    assert heard == b"QUIT\r\n"
    assert (seen.ehlo, seen.tls, seen.ntlm, seen.replies, seen.ptr) == (None,) * 5
    assert identified(result).hints == ()


async def test_the_same_words_of_two_servers_are_told_apart_by_ehlo_alone() -> None:
    plain, behind_it = [
        [headline((await looked_at(member_of(name), options))[0]) for name in ("windows", "exchange2003")]
        for options in (imcprobe.ProbeOptions(), imcprobe.ProbeOptions(ehlo=True))
    ]
    assert plain == [f"{W_2003}; Exchange 2000 or 2003 possible. --ehlo tells."] * 2
    assert behind_it[0] == f"{W_2003}; {NO_EXCHANGE.removeprefix('ehlo: ')}"
    assert behind_it[1] == f"Exchange 2000 or 2003, consistent with 2003: {W_2003}"


# TLS

MX = "mx.example.com"
DAY = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


class Shown(NamedTuple):
    """A certificate, and what is told of it; `distrust` is a pattern, as it may have a moment in it."""

    kind: Kind
    key: str
    signature: str
    distrust: str
    host: str | None = MX
    subject: str = "CN=mx"
    names: int = 2


CERTIFICATES = (
    Shown(self_signed, "RSA 2048", "sha256WithRSAEncryption", "self-signed"),
    Shown(expired, "RSA 2048", "sha256WithRSAEncryption", rf"expired since {DAY}; self-signed"),
    Shown(not_yet_valid, "RSA 2048", "sha256WithRSAEncryption", rf"not valid before {DAY}; self-signed"),
    Shown(
        weak,
        "RSA 1024",
        "sha1WithRSAEncryption",
        r"self-signed; weak key \(RSA 1024\); weak signature \(sha1WithRSAEncryption\)",
    ),
    Shown(elliptic, "EC secp256r1", "ecdsa-with-SHA256", "self-signed"),
    Shown(
        for_another_name,
        "RSA 2048",
        "sha256WithRSAEncryption",
        "self-signed",
        host="other.example.net",
        subject="CN=other",
    ),
    # Of 2,502 names the first are kept, and no such certificate is Exchange's own.
    Shown(oversized, "EC secp256r1", "ecdsa-with-SHA256", "self-signed", host=None, names=100),
)
both_ways = pytest.mark.parametrize("implicit", [False, True], ids=["STARTTLS", "implicit"])


def with_tls(kind: Kind, *, implicit: bool, old: bool = False) -> Member:
    made = partial(context, kind, MX, old=old)
    return replace(member_of("exchange2010"), tls=made, implicit_tls=implicit)


@both_ways
@pytest.mark.parametrize("shown", CERTIFICATES, ids=lambda shown: shown.kind.__name__)
async def test_whatever_certificate_is_shown_it_is_read_and_not_trusted(shown: Shown, implicit: bool) -> None:
    options = imcprobe.ProbeOptions(tls=True, implicit_tls=implicit)
    result, heard = await looked_at(with_tls(shown.kind, implicit=implicit), options)
    seen, tls = result.observation, result.observation.tls
    assert (seen.status, seen.error) == (Status.SUCCESS, None)
    assert tls is not None
    assert (tls.implicit, tls.offered) == ((True, None) if implicit else (False, True))
    assert (tls.negotiated, tls.verified, tls.error) == (True, False, None)
    assert (tls.version, tls.cipher) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    assert re.fullmatch(shown.distrust, tls.distrust or "")
    certificate = tls.certificate
    assert certificate is not None
    assert certificate.der == shown.kind(MX).der
    assert (certificate.subject, certificate.issuer, certificate.self_signed) == (shown.subject,) * 2 + (
        True,
    )
    assert (certificate.key, certificate.signature) == (shown.key, shown.signature)
    assert (len(certificate.names), certificate.error) == (shown.names, None)
    hosts = [hint.evidence for hint in identified(result).hints if hint.channel is Channel.CERTIFICATE]
    assert hosts == [shown.host] * (shown.host is not None)
    ehlo = b"EHLO [127.0.0.1]\r\n"
    assert heard == ehlo + (b"" if implicit else b"STARTTLS\r\n" + ehlo) + b"QUIT\r\n"


@both_ways
async def test_what_is_offered_inside_tls_is_the_same_but_starttls(implicit: bool) -> None:
    member = with_tls(self_signed, implicit=implicit)
    result, _ = await looked_at(member, imcprobe.ProbeOptions(tls=True, implicit_tls=implicit))
    seen, offered = result.observation, member.manner.ehlo
    inside = tuple(line for line in offered if line != "STARTTLS")
    assert seen.tls is not None
    assert (seen.ehlo, seen.tls.ehlo) == ((inside, None) if implicit else (offered, inside))


@both_ways
async def test_a_server_that_knows_no_tls_but_that_of_1999_is_seen(implicit: bool) -> None:
    """Its certificate is as old: what a client of today refuses three times over."""
    options = imcprobe.ProbeOptions(tls=True, implicit_tls=implicit)
    result, _ = await looked_at(with_tls(weak, implicit=implicit, old=True), options)
    tls = result.observation.tls
    assert tls is not None
    assert tls.negotiated, tls.error
    assert (tls.version, tls.cipher) == ("TLSv1", "AES128-SHA")
    assert tls_line(tls, None) == (
        f"TLSv1 AES128-SHA, {'implicit' if implicit else 'by STARTTLS'}; not trusted: self-signed; weak key "
        "(RSA 1024); weak signature (sha1WithRSAEncryption)"
    )


# What OpenSSL says of it is what is told: a ServerHello of SSL 3.0, and alerts in the words of the protocol.
SSL_3_HELLO = bytes.fromhex("160300002a020000260300") + bytes(32) + bytes.fromhex("00000400")


@both_ways
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (SSL_3_HELLO, "unsupported protocol"),
        (bytes.fromhex("15030100020228"), "alert handshake failure"),
        (bytes.fromhex("15030100020246"), "alert protocol version"),
        (bytes.fromhex("15030100020247"), "alert insufficient security"),
    ],
    ids=["SSL 3.0", "handshake_failure", "protocol_version", "insufficient_security"],
)
async def test_what_openssl_refuses_is_told_in_its_words(said: bytes, why: str, implicit: bool) -> None:
    async def speak(line: Line, _data: bytes) -> None:
        while len(line.received) < 200:  # its first message, which is heard before anything is refused
            await line.sleep(0.01)
        await line.send(said)
        await line.until_left()

    member = replace(with_tls(self_signed, implicit=implicit), faults=(Fault(speak, Point.HANDSHAKE),))
    result, _ = await looked_at(member, imcprobe.ProbeOptions(tls=True, implicit_tls=implicit))
    seen, tls = result.observation, result.observation.tls
    assert tls is not None
    assert (tls.negotiated, tls.verified, tls.version, tls.certificate) == (False, None, None, None)
    assert why in (tls.error or "")
    if implicit:
        assert (seen.status, seen.greeting, result.identification) == (Status.PROTOCOL_ERROR, b"", None)
    else:
        assert (seen.status, seen.greeting, seen.ehlo) == (
            Status.SUCCESS,
            member.greeting,
            member.manner.ehlo,
        )
        assert identified(result).product == f"{SEVEN}, consistent with 2010"


# NTLM


class Answered(NamedTuple):
    """A Windows of the mock, and what is read in its challenge."""

    windows: str
    ntlm: Ntlm
    hint: str | None


def decoded(windows: tuple[int, int, int]) -> Ntlm:
    host = "exchange.example.com"
    domain = "example.com"
    return Ntlm(b"", "EXAMPLE", "EXAMPLE", "EXCHANGE", domain, host, domain, windows)


CHALLENGES = (
    Answered("nt4", Ntlm(b"", "EXAMPLE"), "ntlm: consistent with Windows NT 4.0"),
    Answered("2000", decoded((5, 0, 2195)), NT_2000),
    Answered("2003", decoded((5, 2, 3790)), NT_2003),
    Answered("2008", decoded((6, 0, 6002)), NT_2008),
    Answered("2008r2", decoded((6, 1, 7601)), NT_2008R2),
    Answered("2012", decoded((6, 2, 9200)), NT_2012),
    Answered(
        "2012r2",
        decoded((6, 3, 9600)),
        "ntlm: consistent with Windows Server 2012 R2, which carries Exchange 2010 (from SP3), 2013 (from "
        "SP1) or 2016",
    ),
    Answered("2016", decoded((10, 0, 14393)), NT_2016),
    Answered("2019", decoded((10, 0, 17763)), NT_2019),
    Answered(
        "2022",
        decoded((10, 0, 20348)),
        "ntlm: consistent with Windows Server 2022, which carries Exchange 2019 (from CU12) or SE",
    ),
)
EHLO, QUIT = b"EHLO [127.0.0.1]\r\n", b"QUIT\r\n"
# NEGOTIATE in Base64 to the letter: no name, no domain, no credentials.
AUTH = b"AUTH NTLM\r\nTlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADw==\r\n*\r\n"
NTLM = imcprobe.ProbeOptions(ntlm=True)
NTLM_IN_TLS = imcprobe.ProbeOptions(ntlm=True, tls=True)


@pytest.mark.parametrize("answered", CHALLENGES, ids=lambda answered: answered.windows)
async def test_the_windows_of_a_server_is_read_in_its_challenge(answered: Answered) -> None:
    challenge = challenge_of(answered.windows)
    member = Member(named_greeting("exchange2010"), manner=Manner().challenging(challenge))
    result, heard = await looked_at(member, NTLM)
    assert result.observation.ntlm == replace(answered.ntlm, challenge=challenge)
    hints = [f"{hint.channel}: {hint.reading}" for hint in identified(result).hints]
    assert hints[-1:] == [answered.hint]
    assert heard == EHLO + AUTH + QUIT


def test_every_windows_of_the_mock_is_in_this_table() -> None:
    assert [answered.windows for answered in CHALLENGES] == list(WINDOWS_NAMES)


def test_what_begins_ntlm_has_no_name_no_domain_and_no_credentials() -> None:
    assert AUTH.split(b"\r\n")[1] == b64encode(NEGOTIATE)
    signature_type_and_flags, revision = 16, b"\x0f"
    assert NEGOTIATE[signature_type_and_flags:] == bytes(23) + revision


ONLY_INSIDE = Manner(ehlo=(HELLO, "STARTTLS"), ehlo_tls=(HELLO, "AUTH NTLM"), challenge=challenge_of("2016"))
ONLY_OUTSIDE = Manner(
    ehlo=(HELLO, "AUTH NTLM", "STARTTLS"), ehlo_tls=(HELLO,), challenge=challenge_of("2016")
)
NEITHER = Manner(ehlo=(HELLO, "AUTH GSSAPI LOGIN", "X-EXPS NTLM", "STARTTLS"), challenge=challenge_of("2016"))
TLS_SAID = EHLO + b"STARTTLS\r\n" + EHLO


@pytest.mark.parametrize(
    ("manner", "options", "is_asked", "said"),
    [
        (ONLY_INSIDE, NTLM_IN_TLS, True, TLS_SAID + AUTH + QUIT),
        (ONLY_INSIDE, NTLM, False, EHLO + QUIT),
        (ONLY_OUTSIDE, NTLM, True, EHLO + AUTH + QUIT),
        (ONLY_OUTSIDE, NTLM_IN_TLS, False, TLS_SAID + QUIT),
        (NEITHER, NTLM, False, EHLO + QUIT),
        (NEITHER, NTLM_IN_TLS, False, TLS_SAID + QUIT),
        (ONLY_OUTSIDE, imcprobe.ProbeOptions(tls=True, ehlo=True), False, TLS_SAID + QUIT),
    ],
    ids=["inside", "inside, no TLS", "outside", "outside, TLS", "neither", "neither, TLS", "not wanted"],
)
async def test_ntlm_is_begun_where_it_is_offered_and_nowhere_else(
    manner: Manner, options: imcprobe.ProbeOptions, is_asked: bool, said: bytes
) -> None:
    member = Member(LATER, manner=manner, tls=partial(context, self_signed, MX))
    result, heard = await looked_at(member, options)
    assert heard == said
    assert (result.observation.ntlm is not None) is is_asked
    assert result.observation.error is None


async def test_an_offer_of_ntlm_that_is_not_kept_is_told_and_all_else_is_kept() -> None:
    """The challenge is what this server has not got."""
    member = member_of("exchange2003")
    member = replace(member, manner=replace(member.manner, challenge=None))
    result, heard = await looked_at(member)
    seen = result.observation
    assert (seen.ntlm, seen.error) == (None, "AUTH NTLM answered with 500")
    assert seen.replies is not None
    assert seen.replies.help is not None
    assert identified(result).product == "Exchange 2000 or 2003"
    assert heard == EHLO + b"HELP\r\nAUTH NTLM\r\n" + QUIT
