"""STARTTLS and TLS from the first byte, as clients see them that share nothing with imcprobe's."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
import warnings
from functools import partial
from typing import TYPE_CHECKING

import pytest

from imcprobe.errors import UsageError
from imcprobe.testing.certificates import context, expired, self_signed, weak
from imcprobe.testing.faults import parse_fault
from imcprobe.testing.manner import Manner
from imcprobe.testing.server import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable

    Connect = Callable[[MockServer], socket.socket]
    Running = Callable[[MockServer], MockServer]

MX = "mx.example.com"
READY = b"220 Ready to start TLS\r\n"
TLS = partial(context, self_signed, MX)


def trusting(certificate: str | None = None) -> ssl.SSLContext:
    """A client's context that trusts one certificate, or whatever comes."""
    made = ssl.create_default_context(cadata=certificate)
    if certificate is None:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        made.set_ciphers("DEFAULT:@SECLEVEL=0")
    return made


def heard(client: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        piece = client.recv(65_536)
        if not piece:
            break
        data += piece
    return data


def exactly(client: socket.socket, said: bytes) -> bool:
    """Whether this comes next, and no byte of what may be behind it is read."""
    return b"".join(client.recv(1) for _ in said) == said


def upgraded(client: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
    """The connection inside TLS, after its greeting and STARTTLS."""
    assert heard(client, b"\n").startswith(b"220 ")
    client.sendall(b"STARTTLS\r\n")
    assert heard(client, b"\n") == READY
    return tls.wrap_socket(client, server_hostname=MX)


def test_a_client_of_the_standard_library_is_led_into_tls(running: Running) -> None:
    server = running(MockServer(tls=TLS))
    with smtplib.SMTP(server.host, server.port, "me", timeout=10) as client:
        client.ehlo()
        assert client.has_extn("STARTTLS")
        client._host = MX  # type: ignore[attr-defined]  # the name that the certificate is held against
        assert client.starttls(context=trusting(self_signed(MX).pem))[0] == 220
        client.ehlo()
        assert not client.has_extn("STARTTLS")
        assert client.has_extn("XEXCH50")
    assert server.received == [b"ehlo me\r\nSTARTTLS\r\nehlo me\r\nQUIT\r\n"]


def test_tls_from_the_first_byte_comes_before_the_greeting(running: Running, connect: Connect) -> None:
    server = running(MockServer(b"220 hi\r\n", tls=TLS, implicit_tls=True))
    client = trusting(self_signed(MX).pem).wrap_socket(connect(server), server_hostname=MX)
    with client:
        client.sendall(b"STARTTLS\r\nQUIT\r\n")
        assert heard(client, b"221 closing connection\r\n").startswith(
            b"220 hi\r\n502 Command not implemented\r\n221 "
        )
        assert client.recv(1) == b""  # told in TLS, by its close_notify
    assert server.received == [b"STARTTLS\r\nQUIT\r\n"]


@pytest.mark.parametrize(
    ("manner", "keywords"),
    [
        (Manner(("mx", "STARTTLS", "OK")), [b"250-mx", b"250 OK"]),
        (Manner(("mx", "STARTTLS"), ("mx", "AUTH LOGIN")), [b"250-mx", b"250 AUTH LOGIN"]),
        (Manner(("mx", "STARTTLS"), ()), [b"502 Command not implemented"]),
    ],
)
def test_ehlo_inside_tls_has_lines_of_its_own(
    running: Running, connect: Connect, manner: Manner, keywords: list[bytes]
) -> None:
    server = running(MockServer(manner=manner, tls=TLS))
    with upgraded(connect(server), trusting()) as client:
        client.sendall(b"EHLO me\r\n")
        assert heard(client, keywords[-1] + b"\r\n").splitlines() == keywords


def test_what_was_said_before_the_handshake_is_no_command_inside_tls(
    running: Running, connect: Connect
) -> None:
    server = running(MockServer(b"", tls=TLS))
    client = connect(server)
    client.sendall(b"STARTTLS\r\nNOOP\r\n")
    assert b"250" not in b"".join(iter(lambda: client.recv(65_536), b""))
    assert server.received == [b"STARTTLS\r\nNOOP\r\n"]


def test_a_hello_that_comes_with_the_command_is_taken(running: Running, connect: Connect) -> None:
    server = running(MockServer(b"", tls=TLS))
    raw = connect(server)
    said, answer = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting().wrap_bio(answer, said, server_hostname=MX)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    raw.sendall(b"STARTTLS\r\n" + said.read())
    assert exactly(raw, READY)
    for _ in range(10):
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            raw.sendall(said.read())
            answer.write(raw.recv(65_536))
    assert client.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("fault", "then"),
    [("close", b""), ("554", b"554 No SMTP service here\r\n"), ("flood=9", b"220 AAAAA\r\n")],
)
def test_a_fault_at_the_handshake_strikes_in_its_place(
    running: Running, connect: Connect, fault: str, then: bytes
) -> None:
    client = connect(running(MockServer(b"", tls=TLS, faults=[parse_fault(f"handshake:{fault}")])))
    client.sendall(b"STARTTLS\r\n")
    assert exactly(client, READY + then)


def test_the_handshake_may_be_met_with_a_reset(running: Running, connect: Connect) -> None:
    client = connect(running(MockServer(b"", tls=TLS, faults=[parse_fault("handshake:reset")])))
    client.sendall(b"STARTTLS\r\n")
    with pytest.raises(ConnectionResetError):
        heard(client, b"more than this")


def test_a_fault_may_strike_inside_tls_and_not_outside(running: Running, connect: Connect) -> None:
    server = running(MockServer(b"220 \r\n", tls=TLS, ehlo=["mx"], faults=[parse_fault("tls:421")]))
    raw = connect(server)
    raw.sendall(b"EHLO me\r\n")
    assert heard(raw, b"mx\r\n") == b"220 \r\n250 mx\r\n"
    raw.sendall(b"STARTTLS\r\n")
    assert heard(raw, b"\n") == READY
    with trusting().wrap_socket(raw) as client:
        client.sendall(b"EHLO me\r\n")
        assert heard(client, b"\n").startswith(b"421 ")
        assert client.recv(1) == b""


@pytest.mark.parametrize("fault", ["starttls:554", "starttls:421"])
def test_starttls_may_be_refused(running: Running, connect: Connect, fault: str) -> None:
    server = running(MockServer(b"", tls=TLS, faults=[parse_fault(fault)]))
    client = connect(server)
    client.sendall(b"STARTTLS\r\n")
    assert heard(client, b"\n").startswith(fault[-3:].encode())


def test_a_client_that_trusts_nobody_ends_it_without_a_word_in_the_log(
    running: Running, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = running(MockServer(tls=partial(context, expired, MX)))
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        upgraded(connect(server), trusting(expired(MX).pem))
    assert caplog.records == []


def test_an_old_server_has_tls_1_0_and_a_weak_key(running: Running, connect: Connect) -> None:
    server = running(MockServer(tls=partial(context, weak, MX, old=True)))
    with pytest.raises(ssl.SSLError):
        upgraded(connect(server), trusting(weak(MX).pem))
    tolerant = trusting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        tolerant.minimum_version = ssl.TLSVersion.TLSv1
    with upgraded(connect(server), tolerant) as client:
        assert (client.version(), client.cipher()) == ("TLSv1", ("AES128-SHA", "SSLv3", 128))
        assert client.getpeercert(binary_form=True) == weak(MX).der


async def test_much_is_said_inside_tls_and_a_client_may_leave_in_the_middle() -> None:
    async with MockServer(tls=TLS, implicit_tls=True, faults=[parse_fault("flood")]) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port, ssl=trusting())
        assert len(await reader.readexactly(1_000_000)) == 1_000_000
        writer.transport.abort()
        await server.settle(connections=1)


async def test_a_client_that_says_nothing_in_place_of_a_handshake_is_let_go() -> None:
    async with MockServer(b"", tls=TLS, implicit_tls=True, idle_timeout=0.01) as server:
        with socket.create_connection((server.host, server.port)):
            await server.settle(connections=1)


def missing() -> ssl.SSLContext:
    raise UsageError("no cryptography")


def test_without_the_library_tls_is_not_available_and_the_rest_is(running: Running, connect: Connect) -> None:
    client = connect(running(MockServer(b"", tls=missing)))
    client.sendall(b"STARTTLS\r\nQUIT\r\n")
    assert b"".join(iter(lambda: client.recv(65_536), b"")) == (
        b"454 TLS not available due to temporary reason\r\n221 closing connection\r\n"
    )
    implicit = connect(running(MockServer(b"220 hi\r\n", tls=missing, implicit_tls=True)))
    assert implicit.recv(100) == b""


@pytest.mark.parametrize("fault", ["starttls:554", "starttls:450=3"])
def test_a_refusal_leaves_the_conversation_as_it_was(running: Running, connect: Connect, fault: str) -> None:
    client = connect(running(MockServer(b"", tls=TLS, faults=[parse_fault(fault)])))
    client.sendall(b"STARTTLS\r\nQUIT\r\n")
    assert heard(client, b"221 closing connection\r\n").endswith(b"\r\n221 closing connection\r\n")


def test_a_reply_that_leads_on_does_so_in_segments_of_any_size(running: Running, connect: Connect) -> None:
    server = running(MockServer(tls=TLS, faults=[parse_fault("starttls:split")]))
    with upgraded(connect(server), trusting()) as client:
        assert client.version() == "TLSv1.3"
