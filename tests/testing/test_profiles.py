"""Servers by name: what each answers, told by a client that only sends lines."""

from __future__ import annotations

import smtplib
import ssl
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest
from spnego._ntlm_raw.messages import Challenge

from imcprobe.testing.greetings import GREETING_NAMES, named_greeting
from imcprobe.testing.profiles import member_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.testing.factories import ServerFactory
    from imcprobe.testing.server import MockServer

    Dialogue = Callable[[MockServer, bytes], bytes]

NEGOTIATE = b"TlRMTVNTUAABAAAAAAAAAA=="
IMS_BYE = b"221 closing connection"
WINDOWS_BYE = b"221 2.0.0 mock.example.com Service closing transmission channel"
BYE = b"221 2.0.0 Service closing transmission channel"
# The last keyword, what is said to STARTTLS, HELP and QUIT, and the Windows of AUTH NTLM.
ANSWERS = {
    "exchange4.0": (None, b"502", b"214 imcprobe mock", IMS_BYE, None),
    "exchange5.0": ("SIZE", b"502", b"214 imcprobe mock", IMS_BYE, None),
    "exchange5.5": ("AUTH=LOGIN", b"502", b"214 imcprobe mock", IMS_BYE, ()),
    "exchange5.5-ssl": ("STARTTLS", b"220", b"214 imcprobe mock", IMS_BYE, ()),
    "nt4-option-pack": ("8BITMIME", b"502", b"214 imcprobe mock", IMS_BYE, None),
    "windows2000": ("OK", b"500", b"214-This server supports", WINDOWS_BYE, (5, 0, 2195)),
    "windows": ("OK", b"500", b"214-This server supports", WINDOWS_BYE, (5, 2, 3790)),
    "windows2008": ("OK", b"500", b"214-This server supports", WINDOWS_BYE, None),
    "windows2019": ("OK", b"500", b"214-This server supports", WINDOWS_BYE, None),
    "exchange2000": ("OK", b"500", b"214-This server supports", WINDOWS_BYE, (5, 0, 2195)),
    "exchange2003": ("OK", b"500", b"214-This server supports", WINDOWS_BYE, (5, 2, 3790)),
    "exchange2007": ("XEXCH50", b"220", b"214-This server supports", BYE, None),
    "exchange2007sp": ("XRDST", b"220", b"214-This server supports", BYE, (6, 0, 6002)),
    "exchange2010": ("XSHADOW", b"220", b"214-This server supports", BYE, (6, 1, 7601)),
    "exchange2013": ("XSHADOWREQUEST", b"220", b"214-This server supports", BYE, (6, 2, 9200)),
    "exchange2016": ("XRDST", b"220", b"214-This server supports", BYE, (10, 0, 14393)),
    "exchange2019": ("XRDST", b"220", b"214-This server supports", BYE, (10, 0, 17763)),
    "exchange-online": ("SMTPUTF8", b"220", b"214-This server supports", BYE, None),
    "custom": ("XRDST", b"220", b"214-This server supports", BYE, (6, 1, 7601)),
    "postfix": ("CHUNKING", b"220", b"502 5.5.2 Error", b"221 2.0.0 Bye", None),
    "masked": (None, b"500", b"500 Unrecognized command", IMS_BYE, None),
}


def test_every_named_greeting_has_its_answers() -> None:
    assert set(GREETING_NAMES) == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_named_server_answers_as_it_does(imc_server: ServerFactory, dialogue: Dialogue, name: str) -> None:
    last, starttls, help_reply, bye, windows = ANSWERS[name]
    server = imc_server(name)
    greeting = named_greeting(name)

    keywords = dialogue(server, b"EHLO me\r\nQUIT\r\n").removeprefix(greeting).splitlines()
    assert keywords[-1] == bye
    if last is None:
        assert [line[:3] for line in keywords[:-1]] in ([b"502"], [b"500"])
    else:
        assert keywords[0] == b"250-mock.example.com Hello [127.0.0.1]"
        assert keywords[-2] == b"250 " + last.encode()

    assert dialogue(server, b"HELP\r\nQUIT\r\n").removeprefix(greeting).startswith(help_reply)
    assert dialogue(server, b"STARTTLS\r\nQUIT\r\n").removeprefix(greeting)[:3] == starttls
    assert (starttls == b"220") == (b"STARTTLS" in b"".join(keywords))

    said = dialogue(server, b"AUTH NTLM " + NEGOTIATE + b"\r\n*\r\nQUIT\r\n").removeprefix(greeting)
    assert said.startswith(b"334 ") == (windows is not None)
    if windows is not None:
        version = Challenge.unpack(b64decode(said.split()[1])).version
        assert (() if version is None else (version.major, version.minor, version.build)) == windows


FROM_WINDOWS_2000 = (
    "AUTH GSSAPI NTLM LOGIN|AUTH=LOGIN|TURN|ATRN|SIZE|ETRN|PIPELINING|DSN|ENHANCEDSTATUSCODES|8bitmime"
    "|BINARYMIME|CHUNKING|VRFY"
)
FROM_EXCHANGE_2016 = (
    "SIZE 37748736|PIPELINING|DSN|ENHANCEDSTATUSCODES|STARTTLS|X-ANONYMOUSTLS|AUTH NTLM"
    "|X-EXPS GSSAPI NTLM|8BITMIME|BINARYMIME|CHUNKING"
)
FROM_EXCHANGE_2003 = f"{FROM_WINDOWS_2000}|X-EXPS GSSAPI NTLM LOGIN|X-EXPS=LOGIN|X-LINK2STATE|XEXCH50|OK"
FROM_EXCHANGE_2007 = (
    "SIZE|PIPELINING|DSN|ENHANCEDSTATUSCODES|STARTTLS|AUTH|8BITMIME|BINARYMIME|CHUNKING|XEXCH50"
)


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("exchange5.5", "XEXCH50|HELP|ETRN|DSN|SIZE 0|AUTH LOGIN|AUTH=LOGIN"),
        ("windows2000", f"{FROM_WINDOWS_2000}|OK"),
        ("exchange2003", FROM_EXCHANGE_2003),
        ("exchange2007", FROM_EXCHANGE_2007),
        ("exchange2016", f"{FROM_EXCHANGE_2016}|XRDST"),
        ("exchange2019", f"{FROM_EXCHANGE_2016}|SMTPUTF8|XRDST"),
    ],
)
def test_a_transcript_is_said_line_by_line(name: str, keywords: str) -> None:
    assert "|".join(member_of(name).manner.ehlo[1:]) == keywords


@pytest.mark.parametrize(("name", "key"), [("exchange2016", 2048), ("postfix", 2048)])
def test_a_named_server_does_tls_with_a_certificate_of_its_name(
    imc_server: ServerFactory, name: str, key: int
) -> None:
    server = imc_server(name)
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    with smtplib.SMTP(server.host, server.port, "me", timeout=10) as client:
        assert client.starttls(context=tls)[0] == 220
        assert isinstance(client.sock, ssl.SSLSocket)
        der = client.sock.getpeercert(binary_form=True)
    assert der is not None
    assert b"mock.example.com" in der
    assert len(der) > key // 8


def test_a_host_is_named_in_every_reply() -> None:
    member = member_of("exchange2003", "mx1.example.com")
    assert member.greeting.startswith(b"220 mx1.example.com ")
    assert member.manner.ehlo[0] == "mx1.example.com Hello [127.0.0.1]"
    assert member.manner.quit == "221 2.0.0 mx1.example.com Service closing transmission channel"


def test_a_build_answers_as_a_mock_does_by_default() -> None:
    assert member_of("5.0.1460.8").manner.helo == "250 mock.example.com Hello, this is imcprobe mock"
