"""Challenges as another decoder reads them, and the dialogue that brings them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import pytest
from spnego._ntlm_raw.messages import AvId, Challenge, Negotiate, NegotiateFlags

from imcprobe.errors import UsageError
from imcprobe.testing.faults import parse_fault
from imcprobe.testing.manner import IMS, Manner
from imcprobe.testing.ntlm import WINDOWS_NAMES, challenge, challenge_of
from imcprobe.testing.server import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable

    Dialogue = Callable[[MockServer, bytes], bytes]
    Running = Callable[[MockServer], MockServer]

NEGOTIATE = b64encode(Negotiate(flags=NegotiateFlags(0x202)).pack())
BYE = b"221 closing connection\r\n"
DENIED = b"535 5.7.3 Authentication unsuccessful\r\n"
CANCELLED = b"501 5.7.0 Authentication cancelled\r\n"
SUPPORTED = b"334 ntlm supported\r\n"


@pytest.mark.parametrize(
    ("windows", "version"),
    [
        ("2000", (5, 0, 2195)),
        ("2003", (5, 2, 3790)),
        ("2008", (6, 0, 6002)),
        ("2008r2", (6, 1, 7601)),
        ("2012", (6, 2, 9200)),
        ("2012r2", (6, 3, 9600)),
        ("2016", (10, 0, 14393)),
        ("2019", (10, 0, 17763)),
        ("2022", (10, 0, 20348)),
    ],
)
def test_a_windows_names_itself_its_domain_and_its_version(
    windows: str, version: tuple[int, int, int]
) -> None:
    read = Challenge.unpack(challenge_of(windows))
    assert read.version is not None
    assert (read.version.major, read.version.minor, read.version.build) == version
    assert read.target_name == "EXAMPLE"
    assert read.target_info is not None
    names = {kind: value for kind, value in read.target_info.items() if isinstance(value, str)}
    assert names == {
        AvId.nb_domain_name: "EXAMPLE",
        AvId.nb_computer_name: "EXCHANGE",
        AvId.dns_domain_name: "example.com",
        AvId.dns_computer_name: "exchange.example.com",
        AvId.dns_tree_name: "example.com",
    }
    assert (AvId.timestamp in read.target_info) == (version >= (6, 0, 0))
    assert read.server_challenge == bytes.fromhex("0123456789abcdef")


def test_nt_4_names_its_domain_and_no_more() -> None:
    said = challenge_of("nt4", domain="old.example.com")
    read = Challenge.unpack(said)
    assert (read.target_name, read.version, read.target_info or {}) == ("OLD", None, {})
    assert read.flags == 0x400182B5  # those of Q262945


def test_every_name_of_a_windows_is_one_that_works() -> None:
    assert {challenge_of(name)[:12] for name in WINDOWS_NAMES} == {b"NTLMSSP\0\x02\0\0\0"}


def test_an_unknown_windows_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"^Windows '95': unknown\. Known: nt4, 2000, 2003,"):
        challenge_of("95")


def test_a_challenge_can_be_made_of_anything() -> None:
    read = Challenge.unpack(challenge("", pairs=[]))
    assert (read.target_name, read.version) == (None, None)
    assert read.target_info is not None
    assert list(read.target_info) == [AvId.eol]


def with_ntlm(**fault: str) -> MockServer:
    return MockServer(
        b"",
        manner=IMS.challenging(challenge_of("2003")),
        faults=[parse_fault(f"{point}:{does}") for point, does in fault.items()],
    )


CHALLENGE = b"334 " + b64encode(challenge_of("2003")) + b"\r\n"


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (b"AUTH NTLM\r\n" + NEGOTIATE + b"\r\n*\r\n", SUPPORTED + CHALLENGE + CANCELLED),
        (b"auth ntlm " + NEGOTIATE + b"\r\n*\r\n", CHALLENGE + CANCELLED),
        (b"AUTH NTLM\r\n" + NEGOTIATE + b"\r\nAAAA\r\n", SUPPORTED + CHALLENGE + DENIED),
        (b"AUTH NTLM\r\n*\r\n", SUPPORTED + CANCELLED),
        (b"AUTH NTLM\r\n!\r\n", SUPPORTED + DENIED),
        (b"AUTH NTLM\r\n" + b64encode(b"NTLMSSP\0\x03\0\0\0") + b"\r\n", SUPPORTED + DENIED),
        (b"AUTH LOGIN\r\n", b"502 Command not implemented\r\n"),
        (b"AUTH\r\n", b"502 Command not implemented\r\n"),
    ],
)
def test_authentication_is_challenged_and_never_granted(
    running: Running, dialogue: Dialogue, sent: bytes, heard: bytes
) -> None:
    assert dialogue(running(with_ntlm()), sent + b"QUIT\r\n") == heard + BYE


def test_without_a_challenge_there_is_no_auth(running: Running, dialogue: Dialogue) -> None:
    said = dialogue(running(MockServer(b"")), b"AUTH NTLM\r\nQUIT\r\n")
    assert said == b"502 Command not implemented\r\n" + BYE


def test_the_challenge_comes_over_the_wire_as_it_was_made(running: Running, dialogue: Dialogue) -> None:
    said = dialogue(running(with_ntlm()), b"AUTH NTLM " + NEGOTIATE + b"\r\n*\r\nQUIT\r\n")
    assert b64decode(said.split()[1]) == challenge_of("2003")


def test_a_fault_may_strike_at_either_reply(running: Running, dialogue: Dialogue) -> None:
    sent = b"AUTH NTLM\r\n" + NEGOTIATE + b"\r\nQUIT\r\n"
    assert dialogue(running(with_ntlm(auth="close=3")), sent) == b"334"
    assert dialogue(running(with_ntlm(challenge="close=3")), sent) == SUPPORTED + b"334"


@pytest.mark.parametrize(("point", "before"), [("auth", b""), ("challenge", SUPPORTED)])
def test_a_refusal_leaves_the_conversation_as_it_was(
    running: Running, dialogue: Dialogue, point: str, before: bytes
) -> None:
    sent = b"AUTH NTLM\r\n" + (NEGOTIATE + b"\r\n" if before else b"") + b"QUIT\r\n"
    assert (
        dialogue(running(with_ntlm(**{point: "554"})), sent) == before + b"554 No SMTP service here\r\n" + BYE
    )


@pytest.mark.parametrize(
    ("ehlo", "offered"),
    [
        (("mx", "AUTH LOGIN", "OK"), ("mx", "AUTH NTLM LOGIN", "OK")),
        (("mx", "AUTH GSSAPI NTLM LOGIN", "OK"), ("mx", "AUTH GSSAPI NTLM LOGIN", "OK")),
        (("mx", "OK"), ("mx", "AUTH NTLM", "OK")),
        (("mx",), ("mx", "AUTH NTLM")),
    ],
)
def test_a_server_with_a_challenge_offers_it(ehlo: tuple[str, ...], offered: tuple[str, ...]) -> None:
    assert Manner(ehlo).challenging(b"").ehlo == offered


@pytest.mark.parametrize(
    ("ehlo", "offered"),
    [
        (("mx", "STARTTLS"), ("mx", "STARTTLS")),
        (("mx", "OK"), ("mx", "STARTTLS", "OK")),
        (("mx",), ("mx", "STARTTLS")),
    ],
)
def test_a_server_may_be_made_to_offer_starttls(ehlo: tuple[str, ...], offered: tuple[str, ...]) -> None:
    assert Manner(ehlo).offering_starttls().ehlo == offered
