"""EHLO: aiosmtplib on the socket whose greeting was only peeked at."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.model import Observation, Status, Target
from imcprobe.probe.late import Greeted
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.session import converse
from imcprobe.testing import EHLO_5_5, MockServer, greeting_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imcprobe.testing.factories import ServerFactory

    Probe = Callable[..., Awaitable[list[Observation]]]

SP3 = greeting_for("5.5.2650.21")


async def one(probe: Probe, *specs: str, **options: Any) -> Observation:
    (seen,) = await probe(*specs, **({"ehlo": True} | options))
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
        heard = await converse(Greeted(ours, seen, len(SP3), time.monotonic() + 5), options)
        assert (heard.greeting, heard.ehlo) == (SP3 + injected, None)
        assert theirs.recv(100) == b""


async def test_a_reply_of_more_keywords_than_any_server_has_is_no_reply(probe: Probe) -> None:
    async with MockServer(SP3, ehlo=["mock", *(f"X-{number}" for number in range(20_000))]) as server:
        seen = await one(probe, server.address)
    assert seen.ehlo is None
    assert seen.error


async def test_many_conversations_at_once(probe: Probe, imc_server: ServerFactory) -> None:
    servers = [imc_server() for _ in range(40)]
    seen = await probe(*(server.address for server in servers), ehlo=True, concurrency=8)
    assert [each.ehlo for each in seen] == [EHLO_5_5] * 40
