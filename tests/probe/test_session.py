"""EHLO: aiosmtplib on the socket whose greeting was only peeked at."""

from __future__ import annotations

import asyncio
import gc
import select
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.errors import UsageError
from imcprobe.model import Observation, Status, Target
from imcprobe.probe.late import Greeted, of_one_address
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.probe.session import converse
from imcprobe.probe.talks import Talks
from imcprobe.probe.timelimit import TimeLimit
from imcprobe.probe.wire import MAX_EARLY, Wire
from imcprobe.testing import EHLO_5_5, Fault, MockServer, Point, greeting_for
from imcprobe.testing.certificates import context
from imcprobe.testing.faults import parse_fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imcprobe.testing import Line
    from imcprobe.testing.factories import ServerFactory

    Probe = Callable[..., Awaitable[list[Observation]]]

SP3 = greeting_for("5.5.2650.21")


async def one(probe: Probe, *specs: str, **options: Any) -> Observation:
    (seen,) = await probe(*specs, **({"ehlo": True} | options))
    return seen


async def one_of(server: MockServer, **options: Any) -> Observation:
    scan = Scan([Target("127.0.0.1", server.port)], ProbeOptions(**{"ehlo": True} | options))
    (seen,) = [each async for batch in scan.batches() for each in batch]
    return seen


async def test_the_lines_of_the_reply_are_kept(probe: Probe, imc_server: ServerFactory) -> None:
    server = imc_server()
    seen = await one(probe, server.address)
    assert (seen.status, seen.greeting, seen.ehlo, seen.error) == (Status.SUCCESS, SP3, EHLO_5_5, None)
    imc_server.settle(1)
    assert server.received == [b"EHLO [127.0.0.1]\r\nQUIT\r\n"]


async def test_ehlo_gives_the_name_that_was_asked_for(probe: Probe, imc_server: ServerFactory) -> None:
    server = imc_server()
    await one(probe, server.address, helo_name="probe.example.com", quit=False)
    imc_server.settle(1)
    assert server.received == [b"EHLO probe.example.com\r\n"]


@pytest.mark.usefixtures("ipv6")
async def test_the_own_address_is_given_as_ipv6_literal(probe: Probe) -> None:
    async with MockServer(SP3, host="::1") as server:
        await one(probe, server.address)
        await server.settle(1)
        assert server.received == [b"EHLO [IPv6:::1]\r\nQUIT\r\n"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("ehlo:500", "EHLO refused with 500"),
        ("ehlo:554=2", "EHLO refused with 554"),
        ("ehlo:421", "EHLO refused with 421"),
        ("ehlo:close", "connection closed during EHLO"),
        ("ehlo:close=20", "connection closed during EHLO"),
        ("ehlo:reset", "connection closed during EHLO"),
        ("ehlo:silence", "no complete EHLO reply in time"),
        ("ehlo:drip=100ms", "no complete EHLO reply in time"),
        ("ehlo:flood", "EHLO answered with no SMTP reply"),
    ],
)
async def test_whatever_becomes_of_ehlo_the_greeting_is_kept(
    probe: Probe, imc_server: ServerFactory, fault: str, error: str
) -> None:
    seen = await one(probe, imc_server(fault=fault).address, greeting_timeout=0.6)
    assert (seen.status, seen.greeting, seen.ehlo) == (Status.SUCCESS, SP3, None)
    assert seen.error is not None
    assert seen.error.startswith(error)
    assert len(seen.error) < 200


@pytest.mark.parametrize("fault", ["quit:silence", "quit:reset", "quit:close", "quit:flood"])
async def test_what_comes_after_quit_changes_nothing(
    probe: Probe, imc_server: ServerFactory, fault: str
) -> None:
    seen = await one(probe, imc_server(fault=fault).address, deadline=1.0)
    assert (seen.ehlo, seen.error) == (EHLO_5_5, None)


@pytest.mark.parametrize("fault", ["554", "silence", "close=5", "reset"])
async def test_without_a_greeting_there_is_no_conversation(
    probe: Probe, imc_server: ServerFactory, fault: str
) -> None:
    server = imc_server(fault=fault)
    seen = await one(probe, server.address, greeting_timeout=0.3)
    assert seen.ehlo is None
    imc_server.settle(1)
    assert b"EHLO" not in server.received[0]


async def test_lines_that_wait_when_ehlo_would_go_out_mean_no_conversation() -> None:
    """However they came: here they are there for certain, behind a greeting that was seen alone."""
    injected = b"250-evil\r\n250 INJECTED\r\n"
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(SP3 + injected)
        seen = Observation(Target("192.0.2.1"), "192.0.2.1", Status.SUCCESS, SP3)
        options = ProbeOptions(ehlo=True, helo_name="probe.example.com")
        now = time.monotonic()
        greeted = Greeted(ours, of_one_address(seen.target), seen, len(SP3), now, now + 5)
        heard = await converse(greeted, options)
        assert (heard.greeting, heard.ehlo) == (SP3 + injected, None)
        assert theirs.recv(100) == b""


async def test_a_server_that_refuses_ehlo_is_left_politely(probe: Probe, imc_server: ServerFactory) -> None:
    server = imc_server(fault="ehlo:554=2")
    await one(probe, server.address)
    imc_server.settle(1)
    assert server.received == [b"EHLO [127.0.0.1]\r\nQUIT\r\n"]


async def test_a_server_that_knows_no_ehlo_is_asked_by_helo(probe: Probe, imc_server: ServerFactory) -> None:
    server = imc_server(fault="ehlo:500")
    seen = await one(probe, server.address)
    assert (seen.ehlo, seen.error) == (None, "EHLO refused with 500")
    assert seen.replies is not None
    assert seen.replies.helo is not None
    assert seen.replies.helo.code == 250
    imc_server.settle(1)
    assert server.received == [b"EHLO [127.0.0.1]\r\nHELO [127.0.0.1]\r\nQUIT\r\n"]


@pytest.mark.parametrize(
    "greeting",
    [b"220 " + b"x" * 20_000 + b"\r\n", b"220-" + b"y" * 500 + b"\r\n220 z\r\n", b"220-\r\n" * 3_000 + SP3],
    ids=["a long line", "two lines", "many lines"],
)
async def test_a_greeting_of_any_size_that_is_one_is_no_obstacle(
    probe: Probe, imc_server: ServerFactory, greeting: bytes
) -> None:
    seen = await one(probe, imc_server(greeting).address)
    assert (seen.greeting, seen.ehlo, seen.error) == (greeting, EHLO_5_5, None)


def saying(reply: bytes, goodbye: bytes | None = None) -> list[Fault]:
    """A server that answers EHLO with `reply`, and QUIT with `goodbye`."""

    def instead(text: bytes, point: Point) -> Fault:
        async def behave(line: Line, _data: bytes) -> None:
            await line.send(text)

        return Fault(behave, point)

    return [instead(reply, Point.EHLO), *([] if goodbye is None else [instead(goodbye, Point.QUIT)])]


@pytest.mark.parametrize(
    ("reply", "lines", "error"),
    [
        (b"250-\r\n250-XEXCH50\r\n250 SIZE\r\n", ("", "XEXCH50", "SIZE"), None),
        (b"250 mx\n", ("mx",), None),
        (b"554-go away\r\n250 ok\r\n", None, "EHLO answered with no SMTP reply"),
        (b"250xyz\r\n", None, "EHLO answered with no SMTP reply"),
        (b"250-mx\r\n250 HELP\r\n250 more\r\n", None, "replies out of step with commands"),
        (b"250 mx\r\n500 what\r\n", None, "replies out of step with commands"),
        (b"250 mx\r\n2", None, "replies out of step with commands"),
        (b"250-mx\r\n250 " + b"x" * 60_000 + b"\r\n", ("mx", "x" * 60_000), None),
        (b"250-X-KEYWORD\r\n" * 3_999 + b"250 x\r\n", ("X-KEYWORD",) * 3_999 + ("x",), None),
        (b"250 " + b"x" * 70_000 + b"\r\n", None, "EHLO answered with no SMTP reply: a reply without an end"),
        (b"2_2 x\r\n", None, "EHLO answered with no SMTP reply"),
        (b"554-go\r\n500 x\r\n", None, "EHLO answered with no SMTP reply"),
    ],
)
async def test_a_reply_to_ehlo_is_read_as_strictly_as_a_greeting(
    probe: Probe, imc_server: ServerFactory, reply: bytes, lines: tuple[str, ...] | None, error: str | None
) -> None:
    seen = await one(probe, imc_server(fault=saying(reply)).address)
    assert (seen.status, seen.ehlo) == (Status.SUCCESS, lines)
    assert (seen.error or "").startswith(error or "")
    assert (seen.error is None) == (error is None)


async def test_a_conversation_that_never_began_keeps_its_greeting_and_leaves_no_socket(
    imc_server: ServerFactory,
) -> None:
    class Cutting(Talks):
        def add(self, greeted: Greeted) -> None:
            super().add(greeted)
            for task in scan._tasks:
                task.cancel()

    server = imc_server()
    scan = Scan([Target("127.0.0.1", server.port)], ProbeOptions(ehlo=True))
    scan._talks = Cutting(scan.options, scan._spawn, scan._told)
    (seen,) = [each async for batch in scan.batches() for each in batch]
    assert (seen.greeting, seen.ehlo, seen.error) == (
        SP3,
        None,
        "the conversation was cut short: the scan was stopped",
    )
    imc_server.settle(1)
    gc.collect()  # an open socket would warn, and warnings are errors


async def test_an_answer_to_ehlo_outlives_a_goodbye_that_is_cut_short(imc_server: ServerFactory) -> None:
    server = imc_server(fault="quit:silence")
    scan = Scan([Target("127.0.0.1", server.port)], ProbeOptions(ehlo=True))
    running = asyncio.ensure_future(anext(scan.batches()))
    async with asyncio.timeout(10):
        while not (server.received and b"QUIT" in server.received[0]):  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.001)
    scan.stop(0)
    (seen,) = await running
    assert (seen.ehlo, seen.error) == (EHLO_5_5, None)


@pytest.mark.parametrize(
    "answer",
    [b"250 mx.example.com\r\n", b"502 5.5.1 Unrecognized command\r\n221 bye\r\n", b"200 x\r\n", b"hello"],
)
async def test_an_answer_to_ehlo_that_came_early_is_found_out_by_the_goodbye(
    imc_server: ServerFactory, answer: bytes
) -> None:
    """Said before EHLO, it is there when EHLO is sent, and the true answer then answers QUIT."""
    seen = await one_of(imc_server(fault=saying(b"250 INJECTED\r\n", answer)))
    assert seen.ehlo is None
    assert (seen.error or "").startswith("replies out of step with commands")


@pytest.mark.parametrize("answer", [b"221 bye\r\n", b"221-so\r\n221 long\r\n", b"421 busy\r\n", b"22", b""])
async def test_an_answer_to_ehlo_stands_whatever_way_a_server_says_goodbye(
    imc_server: ServerFactory, answer: bytes
) -> None:
    seen = await one_of(imc_server(fault=saying(b"250 mx\r\n", answer)))
    assert (seen.ehlo, seen.error) == (("mx",), None)


async def test_a_scan_that_is_stopped_keeps_what_was_answered(imc_server: ServerFactory) -> None:
    server = imc_server(fault="help:silence")
    scan = Scan([Target("127.0.0.1", server.port)], ProbeOptions(ehlo=True, help_command=True))
    running = asyncio.ensure_future(anext(scan.batches()))
    async with asyncio.timeout(10):
        while not (server.received and b"HELP" in server.received[0]):  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.001)
    scan.stop(0)
    (seen,) = await running
    assert (seen.ehlo, seen.error) == (EHLO_5_5, "HELP was cut short: the scan was stopped")
    assert not scan.complete


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("starttls:500", "STARTTLS answered with 500"),
        ("starttls:close", "connection closed during STARTTLS"),
        ("starttls:silence", "no complete STARTTLS reply in time"),
        ("handshake:silence", "no complete handshake in time"),
        ("handshake:close", "unexpected eof while reading"),
        ("handshake:reset", "the connection was reset"),
        ("tls:500", "EHLO inside TLS refused with 500"),
        ("tls:close", "connection closed during EHLO inside TLS"),
        ("tls:silence", "no complete EHLO inside TLS reply in time"),
        ("tls:flood", "EHLO inside TLS answered with no SMTP reply: a reply without an end"),
    ],
)
async def test_what_goes_wrong_with_tls_is_told_of_tls(probe: Probe, fault: str, error: str) -> None:
    async with MockServer(SP3, faults=[parse_fault(fault)], tls=context) as server:
        seen = await one(probe, server.address, tls=True, ntlm=True, greeting_timeout=1.0)
    assert (seen.greeting, seen.ehlo, seen.error) == (SP3, EHLO_5_5, None)
    assert seen.tls is not None
    assert (seen.tls.offered, seen.tls.error, seen.tls.ehlo) == (True, error, None)
    assert seen.tls.negotiated is fault.startswith("tls:")


async def test_what_is_said_before_starttls_is_out_of_turn_like_any_other(imc_server: ServerFactory) -> None:
    """Nothing is believed then, and TLS is not begun."""
    more = b"250-mx\r\n250 STARTTLS\r\n250 STARTTLS\r\n"
    seen = await one_of(imc_server(fault=saying(more)), tls=True)
    assert (seen.ehlo, seen.tls) == (None, None)
    assert (seen.error or "").startswith("replies out of step with commands")


async def test_ehlo_has_the_limit_of_a_greeting(probe: Probe, imc_server: ServerFactory) -> None:
    began = time.monotonic()
    seen = await one(probe, imc_server(fault="ehlo:silence").address, greeting_timeout=0.4, deadline=6.0)
    assert time.monotonic() - began < 4
    assert seen.error == "no complete EHLO reply in time"


def test_what_comes_early_is_kept_to_a_bound() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"220 x\r\n" + b"e" * 50_000)
        sock = Wire(ours, 7)
        for _ in range(5):
            sock.recv(8192)
        assert sock.early() == b"e" * MAX_EARLY
        sock.close()


def test_a_reply_in_pieces_is_handed_on_when_it_is_whole() -> None:
    """Else aiosmtplib would read all of it anew with each piece."""
    ours, theirs = socket.socketpair()
    with theirs:
        sock = Wire(ours, 0)
        reply = sock.expect_reply()
        for piece in (b"250-mx\r\n", b"250-", b"XEXCH50\r\n", b"250 HE"):
            theirs.sendall(piece)
            with pytest.raises(BlockingIOError):
                sock.recv(65_536)
        theirs.sendall(b"LP\r\n")
        assert sock.recv(65_536) == b"250 \r\n"
        assert reply.reply.lines == ("mx", "XEXCH50", "HELP")
        sock.close()


async def test_greetings_that_come_while_a_scan_is_cut_short_are_kept(imc_server: ServerFactory) -> None:
    class Cut(Talks):
        def add(self, greeted: Greeted) -> None:
            scan._spawn_cut()
            super().add(greeted)

    server = imc_server()
    scan = Scan([Target("127.0.0.1", server.port)] * 5, ProbeOptions(ehlo=True, concurrency=5))
    scan._talks = Cut(scan.options, scan._spawn, scan._told)
    seen = [each async for batch in scan.batches() for each in batch]
    assert [each.greeting for each in seen] == [SP3] * len(seen) != []
    assert not scan.complete
    imc_server.settle(1)


async def test_a_reply_that_came_in_time_counts_however_late_it_is_looked_at() -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.sendall(b"250 in time")
        loop.call_soon(lambda: select.select([], [], [], 0.1))  # busy with something else
        async with TimeLimit(0.05):
            assert await loop.sock_recv(ours, 100) == b"250 in time"
        with pytest.raises(TimeoutError):
            async with TimeLimit(0.05):
                await loop.sock_recv(ours, 100)


@pytest.mark.parametrize("name", ["a\r\nMAIL FROM:<x>", "a\0b", "b\u00fccher.example", "", "x" * 256])
def test_a_name_that_cannot_be_said_is_refused_before_anything_is(name: str) -> None:
    with pytest.raises(UsageError, match="a host name or an address literal is needed"):
        ProbeOptions(ehlo=True, helo_name=name)


def test_what_a_conversation_needs_is_loaded_while_there_are_files_left() -> None:
    code = """
import asyncio, sys
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.probe.talks import Talks
async def main():
    assert "aiosmtplib" not in sys.modules
    assert [each async for each in Scan([], ProbeOptions(ehlo=True)).batches()] == []
    assert "imcprobe.probe.session" in sys.modules
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_a_reply_of_more_keywords_than_any_server_has_is_no_reply(probe: Probe) -> None:
    async with MockServer(SP3, ehlo=["mock", *(f"X-{number}" for number in range(20_000))]) as server:
        seen = await one(probe, server.address)
    assert seen.ehlo is None
    assert seen.error


async def test_many_conversations_at_once(probe: Probe, imc_server: ServerFactory) -> None:
    servers = [imc_server() for _ in range(40)]
    seen = await probe(*(server.address for server in servers), ehlo=True, concurrency=8)
    assert [each.ehlo for each in seen] == [EHLO_5_5] * 40
