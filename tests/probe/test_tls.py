"""TLS that comes first of all, and what a layer of TLS makes of a server's bytes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import select
import socket
import ssl
import struct
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.errors import UsageError
from imcprobe.evidence import Tls
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Caveat, Observation, Status, Target
from imcprobe.probe.late import Greeted, of_one_address
from imcprobe.probe.options import IMPLICIT_TLS_PORT, ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.probe.session import converse
from imcprobe.probe.tls import MAX_HANDSHAKE, TlsError, TlsLayer, inspected, looking_context
from imcprobe.probe.wire import Wire
from imcprobe.testing import Fault, MockServer, Point, greeting_for
from imcprobe.testing import behaviours as do
from imcprobe.testing.certificates import context, self_signed

if TYPE_CHECKING:
    from imcprobe.probe.sockets import Socket

SP3 = greeting_for("5.5.2650.21")
PLAIN = b"220 mx.example.com ESMTP ready\r\n"
WITHOUT, FAILED = "the server speaks without TLS", "the TLS handshake failed: "
# What a record of TLS 1.2 that holds a handshake begins with.
RECORD = b"\x16\x03\x03"


def scripted(point: Point, *steps: do.Step) -> Fault:
    return Fault(partial(do.script, steps=steps), point)


CLOSE, RESET = partial(do.close, after=0), partial(do.reset, after=0)


def server(*faults: Fault, greeting: bytes = SP3, tls: Any = context) -> MockServer:
    return MockServer(greeting, faults=faults, tls=tls, implicit_tls=True)


async def seen_of(scan: Scan) -> Observation:
    (seen,) = [each async for batch in scan.batches() for each in batch]
    return seen


async def first_of_all(mock: MockServer, poller: Any, **how: Any) -> Observation:
    """What is seen of a server when TLS comes first."""
    options = ProbeOptions(**{"implicit_tls": True, "greeting_timeout": 1.0} | how)
    async with mock:
        seen = await seen_of(Scan([Target(mock.host, mock.port)], options, poller=poller))
        await mock.settle(1)
    return seen


async def test_the_greeting_inside_tls_is_the_greeting(poller: Any) -> None:
    mock = server()
    seen = await first_of_all(mock, poller)
    assert (seen.status, seen.greeting, seen.error, seen.ehlo) == (Status.SUCCESS, SP3, None, None)
    assert seen.tls is not None
    assert (seen.tls.implicit, seen.tls.offered, seen.tls.negotiated) == (True, None, True)
    assert seen.times.greeting_ms is not None
    assert mock.received == [b"QUIT\r\n"]


async def test_inside_tls_that_comes_first_everything_can_be_asked(poller: Any) -> None:
    mock = server()
    seen = await first_of_all(mock, poller, tls=True, help_command=True)
    assert seen.ehlo == mock._service.manner.ehlo_lines(secure=True)
    assert seen.replies is not None
    assert seen.replies.help is not None
    assert mock.received == [b"EHLO [127.0.0.1]\r\nHELP\r\nQUIT\r\n"]


SHAKING, GREETING = Point.HANDSHAKE, Point.GREETING
NO_HANDSHAKE = "no complete handshake in time"
ALERT = "sslv3 alert handshake failure"


@pytest.mark.parametrize(
    ("point", "steps", "status", "greeting", "error", "why_no_tls"),
    [
        (SHAKING, (CLOSE,), "connection-closed", b"", None, "unexpected eof while reading"),
        (SHAKING, (RESET,), "connection-reset", b"", "ECONNRESET", "the connection was reset"),
        (SHAKING, (do.silence,), "io-timeout", b"", "after 1 s", NO_HANDSHAKE),
        (SHAKING, (RECORD, do.silence), "io-timeout", b"", "after 1 s", NO_HANDSHAKE),
        (SHAKING, (PLAIN, do.silence), "success", PLAIN, None, WITHOUT),
        (SHAKING, (PLAIN + b"502 what\r\n" * 3,), "success", PLAIN, None, WITHOUT),
        (SHAKING, (b"554 no\r\n",), "application-error", b"554 no\r\n", None, WITHOUT),
        (
            SHAKING,
            (b"HTTP/1.1 400 no\r\n", do.silence),
            "protocol-error",
            b"HTTP/1.1 400 no\r\n",
            WITHOUT,
            WITHOUT,
        ),
        (SHAKING, (b"\x15\x03\x03\0\2\2\x28",), "protocol-error", b"", f"{FAILED}{ALERT}", ALERT),
        (GREETING, (do.silence,), "io-timeout", b"", "after 1 s", None),
        (GREETING, (b"220 mx", do.silence), "io-timeout", b"220 mx", "after 1 s", None),
        (GREETING, (b"220 mx", CLOSE), "connection-closed", b"220 mx", None, None),
        (GREETING, (CLOSE,), "connection-closed", b"", None, None),
        (GREETING, (b"554 no\r\n",), "application-error", b"554 no\r\n", None, None),
        (GREETING, (b"200 ok\r\n",), "protocol-error", b"200 ok\r\n", "a greeting with code 200", None),
        (GREETING, (b"hi\r\n",), "protocol-error", b"hi\r\n", "a line without a reply code", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_whatever_becomes_of_tls_that_comes_first_is_told_as_it_is(
    poller: Any,
    point: Point,
    steps: tuple[do.Step, ...],
    status: str,
    greeting: bytes,
    error: str | None,
    why_no_tls: str | None,
) -> None:
    seen = await first_of_all(server(scripted(point, *steps)), poller, ehlo=True)
    assert (seen.status, seen.greeting, seen.error, seen.ehlo) == (status, greeting, error, None)
    assert seen.tls is not None
    assert (seen.tls.error, seen.tls.negotiated) == (why_no_tls, why_no_tls is None)


async def test_what_is_said_behind_a_greeting_inside_tls_is_kept_and_nothing_is_asked(poller: Any) -> None:
    early = SP3 + b"250 INJECTED\r\n"
    for asked in ({"ehlo": True}, {}):
        mock = server(greeting=early)
        seen = await first_of_all(mock, poller, **asked)
        found = conclude(seen).identification
        assert (seen.greeting, seen.ehlo) == (early, None)
        assert found is not None
        assert Caveat.EARLY_DATA in found.caveats
        assert mock.received == [b""]


async def test_a_port_of_tls_needs_no_option(imc_server: Any) -> None:
    """By its number alone: the way out leads to where the mock is."""
    async with server() as mock:

        def dial(sock: Socket, _place: tuple[str, int]) -> int:
            return sock.connect_ex((mock.host, mock.port))

        targets = [Target("192.0.2.1", port) for port in (IMPLICIT_TLS_PORT, 25)]
        other = imc_server()
        seen = await seen_of(Scan(targets[:1], dial=dial))
        assert (seen.status, seen.greeting) == (Status.SUCCESS, SP3)
        seen = await seen_of(Scan([Target("127.0.0.1", other.port)]))
        assert (seen.greeting, seen.tls) == (SP3, None)


async def test_a_port_of_tls_that_refuses_or_is_silent_is_told_so(poller: Any, imc_server: Any) -> None:
    refused = Target("127.0.0.1", imc_server(refused=True).port)
    seen = await seen_of(Scan([refused], ProbeOptions(implicit_tls=True), poller=poller))
    assert (seen.status, seen.tls) == (Status.CONNECTION_REFUSED, None)
    deaf = MockServer(deaf=True)
    async with deaf:
        options = ProbeOptions(implicit_tls=True, connect_timeout=0.2)
        seen = await seen_of(Scan([Target(deaf.host, deaf.port)], options, poller=poller))
    assert (seen.status, seen.error) == (Status.CONNECTION_TIMEOUT, "after 0.2 s")


async def test_a_server_that_resets_tls_is_tried_again_when_that_is_wanted(poller: Any) -> None:
    mock = server(scripted(Point.HANDSHAKE, RESET))
    seen = await first_of_all(mock, poller, retries=1)
    assert (seen.status, seen.attempts, mock.connections) == (Status.CONNECTION_RESET, 2, 2)


async def test_with_its_connect_time_watched_tls_first_has_both_times(poller: Any) -> None:
    seen = await first_of_all(server(), poller, watch_connect=True)
    assert seen.times.connect_ms is not None
    assert seen.times.greeting_ms is not None
    assert 0 <= seen.times.connect_ms <= seen.times.greeting_ms


class Peer:
    """The server's side of TLS, without a socket."""

    def __init__(self, with_: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = with_.wrap_bio(self._in, self._out, server_side=True)

    def answer(self, data: bytes) -> bytes:
        self._in.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self._object.do_handshake()
        return self._out.read()

    def say(self, data: bytes) -> bytes:
        self._object.write(data)
        return self._out.read()

    def goodbye(self) -> bytes:
        with contextlib.suppress(ssl.SSLWantReadError):
            self._object.unwrap()
        return self._out.read()


def connected(with_: ssl.SSLContext, host: str = "mx.example.com") -> tuple[TlsLayer, Peer]:
    layer, peer = TlsLayer(host), Peer(with_)
    while not layer.is_up:
        layer.feed(peer.answer(layer.pending()))
    if tickets := peer.answer(layer.pending()):
        layer.feed(tickets)
    return layer, peer


@pytest.mark.parametrize(
    "host",
    [
        "mx.example.com",
        "192.0.2.1",
        "::1",
        "a..b",
        ".example.com",
        "x" * 64 + ".example.com",
        "_mx.example.com",
        "mx.",
        "x." * 200,
        "m\0x",
    ],
)
def test_a_name_that_cannot_be_told_is_not_told(host: str) -> None:
    layer, _ = connected(context(), host)
    assert layer.is_up


def test_what_comes_in_pieces_is_what_it_is_whole() -> None:
    layer, peer = connected(context())
    record = peer.say(b"220 mx.example.com\r\n")
    assert b"".join(layer.feed(record[at : at + 1]) for at in range(len(record))) == b"220 mx.example.com\r\n"


def test_many_records_at_once_are_all_read() -> None:
    layer, peer = connected(context())
    assert layer.feed(b"".join(peer.say(b"x" * 16_000) for _ in range(9))) == b"x" * 144_000


def test_a_handshake_has_an_end() -> None:
    """Requests for one are passed over while there is one, however many they are (RFC 5246, 7.4.1.1)."""
    layer = TlsLayer("mx.example.com")
    request = RECORD + b"\0\4\0\0\0\0"
    layer.feed(request * (MAX_HANDSHAKE // len(request)))
    with pytest.raises(TlsError, match="a handshake without an end"):
        layer.feed(request)


def test_what_is_no_tls_any_more_is_told_once_nothing_is_left_to_read() -> None:
    layer, peer = connected(context())
    assert layer.feed(peer.say(b"220 mx\r\n") + b"\x17\x03\x03\0\5hello") == b"220 mx\r\n"
    with pytest.raises(TlsError):
        layer.feed(b"\x17\x03\x03\0\5hello")
    with pytest.raises(TlsError):
        layer.write(b"QUIT\r\n")


def test_an_end_of_tls_is_an_end() -> None:
    layer, peer = connected(context())
    assert layer.feed(peer.say(b"221 bye\r\n") + peer.goodbye()) == b"221 bye\r\n"
    assert layer.feed(b"") == b""


def test_no_arithmetic_is_done_in_a_group_of_a_server_s_choice() -> None:
    """It would hold up everybody else: OpenSSL takes groups of up to 10,000 bits."""
    names = [cipher["name"] for cipher in looking_context().get_ciphers()]
    assert not [name for name in names if re.match(r"(?:DHE|ADH|EDH)-|.*PSK", name)]
    assert {"AES128-SHA", "ECDHE-RSA-AES128-SHA", "TLS_AES_128_GCM_SHA256"} <= set(names)


async def test_an_end_of_tls_is_the_end_though_the_connection_stays_open() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        wire, peer = Wire(ours, 0), Peer(context())
        secured = wire.start_tls("mx.example.com")
        while not secured.done():
            if answer := peer.answer(theirs.recv(65_536)):
                theirs.sendall(answer)
            with contextlib.suppress(BlockingIOError):
                wire.recv(65_536)
        with contextlib.suppress(BlockingIOError):
            theirs.sendall(peer.answer(theirs.recv(65_536)))
        theirs.sendall(peer.goodbye())
        assert (wire.recv(65_536), wire.tls_error) == (b"", None)
        with pytest.raises(ConnectionAbortedError):
            wire.send(b"QUIT\r\n")
        wire.close()


async def test_what_is_no_tls_between_two_commands_is_remembered() -> None:
    """It is found when one looks for what nobody asked for, and is why the next command fails."""
    ours, theirs = socket.socketpair()
    with theirs:
        wire = Wire(ours, 0)
        secured = wire.start_tls("mx.example.com")
        theirs.sendall(PLAIN)
        assert wire.early() == b""
        assert str(wire.tls_error) == "wrong version number"
        assert isinstance(secured.exception(), TlsError)
        wire.close()


async def test_a_reset_that_sending_is_told_of_is_a_reset() -> None:
    """It has come while the connection waited for its turn."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        select.select([ours], [], [], 5)
        target, now = Target("127.0.0.1", listening.getsockname()[1]), time.monotonic()
        unseen = Observation(target, target.host, Status.IO_TIMEOUT)
        greeted = Greeted(ours, of_one_address(target, now), unseen, 0, now, now + 5, implicit=True)
        seen = await converse(greeted, ProbeOptions(implicit_tls=True))
    assert (seen.status, seen.error) == (Status.CONNECTION_RESET, "ECONNRESET")
    assert seen.tls == Tls(implicit=True, error="the connection was reset")


async def test_a_scan_that_is_stopped_keeps_what_tls_first_has_brought() -> None:
    async with server(scripted(Point.EHLO, do.silence)) as mock:
        scan = Scan([Target(mock.host, mock.port)], ProbeOptions(implicit_tls=True, ehlo=True))
        running = asyncio.ensure_future(anext(scan.batches()))
        async with asyncio.timeout(10):
            while b"EHLO" not in b"".join(mock.received):  # noqa: ASYNC110 - what it waits for has no event
                await asyncio.sleep(0.001)
        scan.stop(0)
        (seen,) = await running
    assert (seen.greeting, seen.error) == (SP3, "EHLO was cut short: the scan was stopped")
    assert seen.tls is not None
    assert seen.tls.negotiated
    assert not scan.complete


def test_tls_without_a_certificate_is_neither_trusted_nor_not() -> None:
    nameless = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    nameless.maximum_version = ssl.TLSVersion.TLSv1_2
    nameless.set_ciphers("AECDH-AES128-SHA:@SECLEVEL=0")
    layer, _ = connected(nameless)
    tls = inspected(layer, Tls(), "mx.example.com")
    assert (tls.negotiated, tls.certificate, tls.verified, tls.distrust) == (True, None, None, None)
    assert tls.cipher == "AECDH-AES128-SHA"


def test_all_certificates_of_a_chain_are_seen() -> None:
    layer, _ = connected(context())
    (own,) = layer.chain
    assert own == self_signed("mock.example.com").der


async def test_what_finds_no_room_is_sent_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of TLS may be lost or doubled."""
    ours, theirs = socket.socketpair()
    with theirs:
        wire = Wire(ours, 0)
        room = iter([3, 0, 5, 10_000, 10_000])
        sent = bytearray()

        def send(_self: socket.socket, data: bytes) -> int:
            taken = next(room)
            if not taken:
                raise BlockingIOError
            sent.extend(data[:taken])
            return min(taken, len(data))

        monkeypatch.setattr("socket.socket.send", send, raising=False)
        secured = wire.start_tls("mx.example.com")
        assert (bytes(sent), not secured.done()) == (RECORD[:1] + b"\x03\x01", True)
        wire._flush()
        monkeypatch.undo()
        hello = bytes(sent)
        assert int.from_bytes(hello[3:5], "big") == len(hello) - 5
        secured.cancel()
        wire.close()


async def test_a_scan_that_wants_tls_and_cannot_have_it_is_misuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(UsageError, match='tls needs the "tls" extra'):
        await asyncio.wait_for(seen_of(Scan([], ProbeOptions(tls=True))), 5)
