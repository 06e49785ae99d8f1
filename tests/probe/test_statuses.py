"""Every status, through real sockets."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.fingerprint.reply import MAX_REPLY_BYTES
from imcprobe.model import Observation, Status, Target
from imcprobe.probe.fastlane import FIRST_READ, FastLane
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.probe.sockets import dial
from imcprobe.testing import greeting_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imcprobe.testing.factories import ServerFactory

    Probe = Callable[..., Awaitable[list[Observation]]]

SP3 = greeting_for("5.5.2650.21")


async def one(probe: Probe, *specs: str, **options: Any) -> Observation:
    (seen,) = await probe(*specs, **options)
    return seen


@pytest.mark.parametrize("watch", [False, True])
async def test_a_greeting_is_a_success(probe: Probe, imc_server: ServerFactory, watch: bool) -> None:
    server = imc_server(
        fault="delay=50ms"
    )  # else connection and greeting may be one event, and no time is known
    seen = await one(probe, server.address, watch_connect=watch)
    assert (seen.status, seen.greeting, seen.error) == (Status.SUCCESS, SP3, None)
    assert (seen.target, seen.address) == (Target("127.0.0.1", server.port), "127.0.0.1")
    assert seen.times.greeting_ms is not None
    assert seen.times.greeting_ms >= 0
    assert (seen.times.connect_ms is not None) == watch
    assert seen.seen_at is not None
    assert abs(seen.seen_at - time.time()) < 60


async def test_quit_is_said_and_its_answer_awaited(probe: Probe, imc_server: ServerFactory) -> None:
    server = imc_server()
    await one(probe, server.address)
    imc_server.settle(1)
    assert server.received == [b"QUIT\r\n"]


async def test_without_quit_nothing_is_said(probe: Probe, imc_server: ServerFactory) -> None:
    server = imc_server()
    await one(probe, server.address, quit=False)
    imc_server.settle(1)
    assert server.received == [b""]


async def test_a_closed_port_refuses(probe: Probe, imc_server: ServerFactory) -> None:
    seen = await one(probe, imc_server(refused=True).address)
    assert (seen.status, seen.error, seen.greeting) == (Status.CONNECTION_REFUSED, "ECONNREFUSED", b"")


async def test_a_connection_that_is_never_answered_times_out(probe: Probe, deaf: str) -> None:
    seen = await one(probe, deaf, connect_timeout=0.2)
    assert (seen.status, seen.error) == (Status.CONNECTION_TIMEOUT, "after 0.2 s")


async def test_a_short_limit_of_the_greeting_does_not_shorten_that_of_the_connection(
    probe: Probe, deaf: str
) -> None:
    (seen,) = await probe(deaf, greeting_timeout=0.1, connect_timeout=0.5)
    assert (seen.status, seen.error) == (Status.CONNECTION_TIMEOUT, "after 0.5 s")


async def test_the_cap_of_a_target_bounds_the_connection_too(probe: Probe, deaf: str) -> None:
    seen = await one(probe, deaf, deadline=0.2)
    assert (seen.status, seen.error) == (Status.CONNECTION_TIMEOUT, "after 0.2 s")


@pytest.mark.parametrize(
    ("fault", "ended", "greeting"),
    [
        ("reset", (Status.CONNECTION_RESET, "ECONNRESET"), b""),
        ("close", (Status.CONNECTION_CLOSED, None), b""),
        ("close=9", (Status.CONNECTION_CLOSED, None), SP3[:9]),
        ("close=80", (Status.CONNECTION_CLOSED, None), SP3[:80]),
    ],
)
async def test_a_lost_connection_keeps_its_bytes(
    probe: Probe, imc_server: ServerFactory, fault: str, ended: tuple[Status, str | None], greeting: bytes
) -> None:
    seen = await one(probe, imc_server(fault=fault).address)
    assert ((seen.status, seen.error), seen.greeting) == (ended, greeting)


@pytest.mark.parametrize("fault", ["silence", "drip=100ms", "delay=9s"])
@pytest.mark.parametrize("limits", [{"greeting_timeout": 0.3}, {"deadline": 0.3}])
async def test_a_greeting_has_one_limit_for_all_of_it(
    probe: Probe, imc_server: ServerFactory, fault: str, limits: dict[str, float]
) -> None:
    seen = await one(probe, imc_server(fault=fault).address, **limits)
    assert seen.status is Status.IO_TIMEOUT
    assert seen.error == "after 0.3 s"
    assert seen.greeting == SP3[: len(seen.greeting)] != SP3
    assert bool(seen.greeting) == (fault == "drip=100ms")


async def test_a_line_every_moment_is_no_greeting_either(probe: Probe, imc_server: ServerFactory) -> None:
    server = imc_server(b"220-more\r\n" * 50, fault=["split=10", "delay=50ms"])
    seen = await one(probe, server.address, greeting_timeout=0.3)
    assert seen.status is Status.IO_TIMEOUT
    assert seen.greeting.startswith(b"220-more\r\n220-more\r\n")


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.0 400 Bad Request\r\n\r\n", b"+OK ready\r\n", b"* OK ready\r\n",
     b"220hello\r\n", b"999 x\r\n", b"2_2 x\r\n", b"\r\n220 x\r\n", b"220-a\r\n554 b\r\n", b"\x00" * 50,
     b"\x16\x03\x01"],
)  # fmt: skip
async def test_what_is_no_smtp_is_a_protocol_error(
    probe: Probe, imc_server: ServerFactory, greeting: bytes
) -> None:
    seen = await one(probe, imc_server(greeting).address)
    assert (seen.status, seen.greeting) == (Status.PROTOCOL_ERROR, greeting)
    assert seen.error


@pytest.mark.parametrize("greeting", [b"250 x\r\n", b"354 x\r\n", b"200 news\r\n"])
async def test_a_reply_that_is_neither_220_nor_a_refusal_is_a_protocol_error(
    probe: Probe, imc_server: ServerFactory, greeting: bytes
) -> None:
    seen = await one(probe, imc_server(greeting).address)
    assert seen.status is Status.PROTOCOL_ERROR
    assert seen.error == f"a greeting with code {greeting[:3].decode()}"


@pytest.mark.parametrize("fault", ["flood", "lines", "flood=70000", "lines=5000"])
async def test_an_endless_greeting_is_bounded_and_cut_at_once(
    probe: Probe, imc_server: ServerFactory, fault: str
) -> None:
    seen = await one(probe, imc_server(fault=fault).address)
    assert (seen.status, seen.error) == (Status.PROTOCOL_ERROR, "a reply without an end")
    assert len(seen.greeting) < 200_000


@pytest.mark.parametrize("fault", ["421", "450", "554", "554=3"])
async def test_a_refusal_keeps_code_and_text(probe: Probe, imc_server: ServerFactory, fault: str) -> None:
    server = imc_server(fault=fault)
    seen = await one(probe, server.address)
    assert (seen.status, seen.error) == (Status.APPLICATION_ERROR, None)
    assert seen.greeting.startswith(fault[:3].encode())
    assert seen.greeting.count(b"\r\n") == (3 if "=" in fault else 1)
    imc_server.settle(1)
    assert server.received == [b"" if fault == "421" else b"QUIT\r\n"]


async def test_what_the_system_refuses_at_once_is_unreachable_by_its_name_and_holds_up_nobody(
    probe: Probe, imc_server: ServerFactory
) -> None:
    names = ("ENETUNREACH", "EHOSTUNREACH", "EACCES", "EINVAL", "EPERM", "ENETDOWN", "EHOSTDOWN")
    refused = {f"192.0.2.{number}": getattr(errno, name) for number, name in enumerate(names, 1)}
    good = imc_server()
    began = time.monotonic()
    seen = await probe(
        *refused,
        good.address,
        dial=lambda sock, place: refused.get(place[0]) or dial(sock, place),
        has_route=lambda _: True,
    )
    assert time.monotonic() - began < 1
    told = {each.target.host: (each.status, each.error) for each in seen}
    assert told.pop(good.host) == (Status.SUCCESS, None)
    assert [told[host] for host in refused] == [(Status.UNREACHABLE, name) for name in names]


@pytest.mark.parametrize("host", ["255.255.255.255", "fe80::1", "224.0.0.1", "ff02::1"])
async def test_what_has_no_route_is_unreachable_at_once(probe: Probe, host: str) -> None:
    seen = await one(probe, host)
    assert seen.status is Status.UNREACHABLE
    assert seen.error in ("EACCES", "ENETUNREACH", "EINVAL", "EADDRNOTAVAIL", "EHOSTUNREACH", "EPERM")


async def test_a_name_that_the_resolver_does_not_know(probe: Probe) -> None:
    def lookup(_host: str, _version: int | None) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    seen = await one(probe, "mx.example.com", lookup=lookup)
    assert (seen.status, seen.address) == (Status.RESOLUTION_ERROR, None)
    assert seen.error == "Name or service not known"


async def test_a_name_without_addresses(probe: Probe) -> None:
    seen = await one(probe, "mx.example.com", lookup=lambda _host, _version: [])
    assert (seen.status, seen.error) == (Status.RESOLUTION_ERROR, "no address")


async def test_a_name_whose_address_is_excluded_gets_no_packet(
    probe: Probe, imc_server: ServerFactory
) -> None:
    server = imc_server()
    seen = await one(
        probe,
        f"mx.example.com:{server.port}",
        exclude=("127.0.0.0/8",),
        lookup=lambda _host, _version: ["127.0.0.1"],
    )
    assert (seen.status, seen.address) == (Status.EXCLUDED, "127.0.0.1")
    assert server.connections == 0


async def test_an_impossible_port_is_invalid_input() -> None:
    scan = Scan([Target("127.0.0.1", 70_000)])
    (seen,) = [each async for batch in scan.batches() for each in batch]
    assert seen.status is Status.INVALID_INPUT


async def test_an_error_that_nobody_knows_is_told_as_it_is(probe: Probe) -> None:
    seen = await one(probe, "192.0.2.1", dial=lambda _sock, _place: errno.EIO)
    assert (seen.status, seen.error) == (Status.UNKNOWN_ERROR, "EIO")


async def test_a_failure_of_one_target_leaves_the_others_alone(
    probe: Probe, imc_server: ServerFactory, deaf: str
) -> None:
    bad = [imc_server(fault=fault) for fault in ("silence", "reset", "flood", "close=3")]
    good = [imc_server() for _ in range(20)]
    seen = await probe(deaf, *(s.address for s in (*bad, *good)), connect_timeout=0.5, greeting_timeout=0.5)
    assert sum(each.status is Status.SUCCESS for each in seen) == len(good)
    assert len(seen) == len(good) + len(bad) + 1


async def test_options_must_make_sense() -> None:
    for wrong in ({"concurrency": 0}, {"connect_timeout": 0}, {"deadline": float("inf")}, {"family": 5}):
        with pytest.raises(Exception, match="needed"):
            ProbeOptions(**wrong)


async def test_a_scan_may_be_left_in_the_middle(imc_server: ServerFactory) -> None:
    server = imc_server(fault="silence")
    scan = Scan([Target("127.0.0.1", server.port)] * 10)
    batches = scan.batches()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(batches), 0.2)
    imc_server.settle(10)
    assert not scan.complete


async def test_bytes_that_a_reset_comes_right_behind_are_kept(poller: Any) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:

        def resets() -> None:
            for _ in range(40):
                client, _ = server.accept()
                client.sendall(b"220 half")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()

        serving = asyncio.create_task(asyncio.to_thread(resets))
        scan = Scan([Target("127.0.0.1", server.getsockname()[1])] * 40, poller=poller)
        seen = [each async for batch in scan.batches() for each in batch]
        await serving
    told = {(each.status, each.error, each.greeting) for each in seen}
    assert told == {(Status.CONNECTION_RESET, "ECONNRESET", b"220 half")}
    assert len(seen) == 40


def test_a_second_look_ends_at_the_bound_too() -> None:
    held: list[int] = []
    lane: Any = FastLane.__new__(FastLane)
    lane._slow = SimpleNamespace(adopt=lambda *given, **_: held.append(len(given[4])))
    endless = SimpleNamespace(recv=lambda size: b"a" * size)
    lane._look_again(3, endless, Target("192.0.2.1"), 0.0, b"a" * FIRST_READ, 0)
    assert held == [MAX_REPLY_BYTES + 1]
