"""Greetings as they come over a wire: in pieces, with something behind them, from many addresses."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import imcprobe
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Caveat, Observation, Status, Target
from imcprobe.probe.late import Greeted, Late, of_one_address
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.pace import ConnectLimit
from imcprobe.probe.scan import Scan
from imcprobe.probe.slowlane import SlowLane
from imcprobe.probe.sockets import dial
from imcprobe.testing import Fault, MockServer, greeting_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from imcprobe.testing import Line
    from imcprobe.testing.factories import FleetFactory, ServerFactory

    Probe = Callable[..., Awaitable[list[Observation]]]

SP3 = greeting_for("5.5.2650.21")
MANY = b"220-first\r\n220-second\r\n" + SP3
EARLY = b"220 h ready\r\n250-evil\r\n250 INJECTED\r\n"


async def one(probe: Probe, *specs: str, **options: Any) -> Observation:
    (seen,) = await probe(*specs, **options)
    return seen


@pytest.mark.parametrize("options", [{}, {"ehlo": True}, {"watch_connect": True}], ids=str)
async def test_the_time_of_a_greeting_is_in_milliseconds(
    probe: Probe, imc_server: ServerFactory, options: dict[str, Any]
) -> None:
    seen = await one(probe, imc_server(fault="delay=200ms").address, **options)
    assert seen.times.greeting_ms is not None
    assert 190 < seen.times.greeting_ms < 2000


@pytest.mark.parametrize("ehlo", [False, True])
@pytest.mark.parametrize("greeting", [SP3, MANY], ids=["one line", "three lines"])
@pytest.mark.parametrize(
    "fault", ["split", "split=7", ["split=11", "delay=5ms"], "delay=100ms", "connect:delay=50ms"], ids=str
)
async def test_a_greeting_in_pieces_is_one_greeting(
    probe: Probe, imc_server: ServerFactory, greeting: bytes, fault: str | list[str], ehlo: bool
) -> None:
    seen = await one(probe, imc_server(greeting, fault=fault).address, ehlo=ehlo)
    assert (seen.status, seen.greeting) == (Status.SUCCESS, greeting)
    assert (seen.ehlo is not None) == ehlo
    answer = conclude(seen).identification
    assert answer is not None
    assert answer.build == "5.5.2650.21"


@pytest.mark.parametrize("ehlo", [False, True])
async def test_the_greeting_wins_over_the_close(probe: Probe, imc_server: ServerFactory, ehlo: bool) -> None:
    seen = await one(probe, imc_server(fault=f"close={len(SP3)}").address, ehlo=ehlo)
    assert (seen.status, seen.greeting) == (Status.SUCCESS, SP3)
    assert seen.ehlo is None


@pytest.mark.parametrize(
    "fault", ["quit:silence", "quit:flood", "quit:drip=100ms", "quit:reset", "quit:close"]
)
async def test_what_comes_after_quit_changes_nothing(
    probe: Probe, imc_server: ServerFactory, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imcprobe.probe.goodbye.QUIT_TIMEOUT", 0.3)
    seen = await one(probe, imc_server(fault=fault).address)
    assert (seen.status, seen.greeting) == (Status.SUCCESS, SP3)


@pytest.mark.parametrize("ehlo", [False, True])
async def test_bytes_behind_the_greeting_are_kept_and_never_an_answer_to_ehlo(
    probe: Probe, imc_server: ServerFactory, ehlo: bool
) -> None:
    server = imc_server(EARLY)
    seen = await one(probe, server.address, ehlo=ehlo)
    assert (seen.status, seen.greeting, seen.ehlo) == (Status.SUCCESS, EARLY, None)
    answer = conclude(seen).identification
    assert answer is not None
    assert Caveat.EARLY_DATA in answer.caveats
    imc_server.settle(1)
    assert b"EHLO" not in server.received[0]


async def test_nothing_is_said_before_the_greeting_is_complete(
    probe: Probe, imc_server: ServerFactory
) -> None:
    server = imc_server(fault="silence")
    await one(probe, server.address, greeting_timeout=0.2)
    imc_server.settle(1)
    assert server.received == [b""]


async def test_a_greeting_longer_than_one_read_is_read_on(probe: Probe, imc_server: ServerFactory) -> None:
    long = b"220-" + b"x" * 9_000 + b"\r\n" + SP3
    assert (await one(probe, imc_server(long).address)).greeting == long


@pytest.mark.usefixtures("ipv6")
async def test_ipv6_is_probed_like_ipv4(probe: Probe) -> None:
    async with MockServer(SP3, host="::1") as server:
        seen = await one(probe, server.address)
    assert (seen.status, seen.address, seen.target.host) == (Status.SUCCESS, "::1", "::1")


async def test_a_name_is_probed_at_the_first_address_that_answers(
    probe: Probe, imc_fleet: FleetFactory
) -> None:
    fleet = imc_fleet(["refused", "refused", "5.5.2653.13"])
    hosts = [server.host for server in fleet]
    seen = await one(probe, f"mx.example.com:{fleet[0].port}", lookup=lambda _host, _version: hosts)
    assert (seen.status, seen.address, seen.target.host) == (Status.SUCCESS, hosts[2], "mx.example.com")


async def test_a_name_whose_addresses_all_refuse_is_refused_at_the_last(
    probe: Probe, imc_fleet: FleetFactory
) -> None:
    fleet = imc_fleet(["refused", "refused"])
    hosts = [server.host for server in fleet]
    seen = await one(probe, f"mx.example.com:{fleet[0].port}", lookup=lambda _host, _version: hosts)
    assert (seen.status, seen.address) == (Status.CONNECTION_REFUSED, hosts[1])


async def test_a_deaf_address_leaves_time_for_the_next(probe: Probe, deaf: str) -> None:
    port = deaf.rpartition(":")[2]
    hosts = ["127.0.0.1", "127.0.0.2"]
    seen = await one(
        probe, f"mx.example.com:{port}", lookup=lambda _host, _version: hosts, connect_timeout=0.6
    )
    assert (seen.status, seen.address) == (Status.CONNECTION_REFUSED, "127.0.0.2")


async def test_addresses_of_a_name_that_are_excluded_are_passed_over(
    probe: Probe, imc_server: ServerFactory
) -> None:
    server = imc_server()
    hosts = ["192.0.2.1", "127.0.0.1"]
    seen = await one(
        probe,
        f"mx.example.com:{server.port}",
        exclude=("192.0.2.0/24",),
        lookup=lambda _host, _version: hosts,
    )
    assert (seen.status, seen.address) == (Status.SUCCESS, "127.0.0.1")


async def test_more_targets_than_are_in_flight_give_one_observation_each(
    probe: Probe, imc_fleet: FleetFactory
) -> None:
    fleet = imc_fleet(100)
    seen = await probe(f"{fleet[0].host}-{fleet[99].host}:{fleet[0].port}", concurrency=16)
    assert [each.status for each in seen] == [Status.SUCCESS] * 100
    assert len({each.target for each in seen}) == 100


@pytest.mark.parametrize("ehlo", [False, True])
async def test_a_connection_ends_with_a_goodbye_and_no_reset(probe: Probe, ehlo: bool) -> None:
    ends: list[bytes] = []

    async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SP3)
        while (line := await reader.readline()) and not line.startswith(b"QUIT"):
            writer.write(b"250 mock\r\n")
        writer.write(b"221 bye\r\n")
        ends.append(await reader.read())  # a reset would raise here
        writer.close()

    server = await asyncio.start_server(polite, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await one(probe, f"127.0.0.1:{port}", ehlo=ehlo)
        async with asyncio.timeout(5):
            while not ends:  # noqa: ASYNC110 - the server's own task says when
                await asyncio.sleep(0)
    assert ends == [b""]


def test_what_comes_between_two_looks_is_no_end(poller: Any) -> None:
    """Where EHLO is wanted a greeting is peeked at: more may come right behind a look that found nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    pieces = iter([SP3[:20], b"", SP3[20:50], b"", SP3[50:]])

    class Raced(socket.socket):
        def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
            data = super().recv(bufsize, flags)
            theirs.sendall(next(pieces, b""))
            return data

    ended: list[Observation] = []
    greeted: list[Greeted] = []
    loop = asyncio.new_event_loop()
    with theirs, contextlib.closing(loop), Raced(fileno=ours.detach()) as sock:
        sock.setblocking(False)
        watched = poller(loop, lambda: None, watch_connect=False)
        watched.add(sock.fileno())
        lane = SlowLane(
            ProbeOptions(ehlo=True),
            ConnectLimit(5.0, adaptive=False),
            watched,
            finish=lambda _fd, _sock, _probe, seen, **_: ended.append(seen),
            again=lambda _probe, _seen: None,
            converse=greeted.append,
            hang_up=lambda *_: None,
            dial=dial,
        )
        lane._lates[sock.fileno()] = Late(sock, of_one_address(Target("192.0.2.1"), 0.0), 0.0, 0.0)
        theirs.sendall(next(pieces))
        for _ in range(5):
            lane.ready(sock.fileno())
        watched.close()
    assert ended == []
    assert [each.seen.greeting for each in greeted] == [SP3]


async def test_a_reset_that_comes_with_half_a_greeting_is_known_at_once(poller: Any) -> None:
    """Where EHLO is wanted: an RST behind a look has no event of its own once SO_RCVLOWAT is set."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()

    class Raced(socket.socket):
        def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
            data = super().recv(bufsize, flags)
            if theirs.fileno() >= 0:
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                theirs.close()
            return data

    ended: list[Observation] = []
    with Raced(fileno=ours.detach()) as sock:
        sock.setblocking(False)
        watched = poller(asyncio.get_running_loop(), lambda: None, watch_connect=False)
        lane = SlowLane(
            ProbeOptions(ehlo=True),
            ConnectLimit(5.0, adaptive=False),
            watched,
            finish=lambda _fd, _sock, _probe, seen, **_: ended.append(seen),
            again=lambda _probe, _seen: None,
            converse=lambda _: None,
            hang_up=lambda *_: None,
            dial=dial,
        )
        lane._lates[sock.fileno()] = Late(sock, of_one_address(Target("192.0.2.1"), 0.0), 0.0, 0.0)
        theirs.sendall(b"220-par")
        lane.ready(sock.fileno())
        watched.close()
    assert [(each.status, each.greeting) for each in ended] == [(Status.CONNECTION_RESET, b"220-par")]


@pytest.mark.parametrize("options", [{}, {"ehlo": True}, {"watch_connect": True}], ids=str)
async def test_an_own_delay_makes_no_time_out(
    poller: Any, imc_server: ServerFactory, options: dict[str, Any]
) -> None:
    """While results are written the loop stands still: what came in time is an answer all the same."""
    greet = threading.Event()

    async def waiting(line: Line, data: bytes) -> None:
        await asyncio.to_thread(greet.wait, 10)
        await line.send(data)

    refused, servers = imc_server(refused=True), [imc_server(fault=Fault(waiting)) for _ in range(5)]
    targets = [Target("127.0.0.1", server.port) for server in (refused, *servers)]
    limit = 0.5
    began = time.monotonic()
    seen = []
    scan = Scan(targets, ProbeOptions(greeting_timeout=limit, **options), poller=poller)
    async with asyncio.timeout(10):
        async for batch in scan.batches():
            seen += batch
            greet.set()
            while time.monotonic() < began + limit + 0.2:
                select.select([], [], [], 0.05)
    assert sorted(each.status for each in seen) == [Status.CONNECTION_REFUSED, *[Status.SUCCESS] * 5]


@pytest.mark.parametrize("options", [{"ehlo": True}, {"watch_connect": True}, {}], ids=str)
@pytest.mark.parametrize("host", ["127.0.0.1", "mx.example.com"])
async def test_the_greeting_has_its_own_limit_whatever_that_of_the_connection_is(
    probe: Probe, imc_server: ServerFactory, host: str, options: dict[str, bool]
) -> None:
    target = f"{host}:{imc_server(fault='silence').port}"
    async with asyncio.timeout(3):
        seen = await one(
            probe,
            target,
            lookup=lambda _host, _version: ["127.0.0.1"],
            greeting_timeout=0.3,
            connect_timeout=9.0,
            deadline=9.0,
            **options,
        )
    assert (seen.status, seen.error) == (Status.IO_TIMEOUT, "after 0.3 s")


@pytest.fixture
async def reluctant() -> AsyncIterator[tuple[str, list[bool]]]:
    """A server that takes its time for its 221, and notes whether the client is still there by then."""
    waited: list[bool] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SP3)
        await reader.readline()
        try:
            await asyncio.wait_for(reader.read(), 0.1)
            waited.append(False)
        except TimeoutError:
            waited.append(True)
        writer.write(b"221 bye\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", waited


async def test_the_answer_to_quit_is_waited_for(probe: Probe, reluctant: tuple[str, list[bool]]) -> None:
    address, waited = reluctant
    await one(probe, address)
    await one(probe, address, watch_connect=True)
    assert waited == [True, True]


async def test_a_check_waits_for_the_answer_to_its_quit(reluctant: tuple[str, list[bool]]) -> None:
    address, waited = reluctant
    await imcprobe.check(address)
    assert waited == [True]


@pytest.mark.parametrize("ehlo", [False, True])
async def test_a_byte_that_is_sent_as_urgent_is_one_of_the_greeting(probe: Probe, ehlo: bool) -> None:
    async def greets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The real socket: what asyncio shows of it has no flags.
        sock = writer.get_extra_info("socket")._sock
        sock.send(SP3[:86])
        await asyncio.sleep(0.05)
        sock.send(SP3[86:87], socket.MSG_OOB)
        sock.send(SP3[87:])
        writer.close()

    async with await asyncio.start_server(greets, "127.0.0.1", 0) as server:
        (seen,) = await probe(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", ehlo=ehlo)
    assert (seen.status, seen.greeting) == (Status.SUCCESS, SP3)
    assert (seen.error, seen.ehlo) == ("no EHLO: a byte of the greeting was urgent" if ehlo else None, None)
