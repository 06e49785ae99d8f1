"""Conversations have places of their own: nothing else waits for them, and none is lost."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from imcprobe.model import Observation, Status, Target
from imcprobe.probe.late import Greeted, of_one_address
from imcprobe.probe.limits import connections, within_limits
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.probe.talks import Talks
from imcprobe.testing import EHLO_5_5, Fault, Point, greeting_for

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import pytest

    from imcprobe.probe.sockets import Socket
    from imcprobe.testing import Line
    from imcprobe.testing.factories import ServerFactory

SP3 = greeting_for("5.5.2650.21")
LIMIT = 0.6


def hosts(count: int, port: int) -> list[Target]:
    return [Target(f"198.51.100.{number}", port) for number in range(count)]


def scan_of(targets: list[Target], options: ProbeOptions, **outside: Any) -> Scan:
    """A scan for which every address is one of this machine."""

    def dial(sock: Socket, place: tuple[str, int]) -> int:
        return sock.connect_ex(("127.0.0.1", place[1]))

    return Scan(targets, options, dial=dial, **outside)


async def all_of(scan: Scan) -> list[Observation]:
    seen = [each async for batch in scan.batches() for each in batch]
    assert scan.complete
    return seen


async def test_servers_that_keep_conversations_hanging_hold_up_no_other_target(
    imc_server: ServerFactory, poller: Any
) -> None:
    """As many as may talk and wait: more than the sweep itself has places for."""
    tarpits, others = (
        hosts(16, imc_server(fault="ehlo:silence").port),
        hosts(200, imc_server(fault="554").port),
    )
    options = ProbeOptions(ehlo=True, conversations=8, concurrency=4, greeting_timeout=LIMIT)
    scan, order = scan_of([*tarpits, *others], options, poller=poller), []
    async for batch in scan.batches():
        order += [each.status for each in batch]
    assert order == [Status.APPLICATION_ERROR] * 200 + [Status.SUCCESS] * 16


async def test_more_conversations_than_places_lose_no_answer(imc_server: ServerFactory, poller: Any) -> None:
    targets = hosts(60, imc_server().port)
    options = ProbeOptions(ehlo=True, conversations=2, concurrency=5)
    seen = await all_of(scan_of(targets, options, poller=poller))
    assert Counter(each.target for each in seen) == Counter(targets)
    assert all((each.greeting, each.ehlo, each.error) == (SP3, EHLO_5_5, None) for each in seen)


async def test_what_waits_beyond_its_places_takes_those_of_the_sweep(imc_server: ServerFactory) -> None:
    """So that the number of connections is bounded, whoever it is that keeps them."""
    open_now: Counter[str] = Counter()

    async def greet(line: Line, data: bytes) -> None:
        open_now["now"] += 1
        open_now["most"] = max(open_now["most"], open_now["now"])
        await line.send(data)

    async def leave(line: Line, data: bytes) -> None:
        open_now["now"] -= 1
        await line.send(data)

    async def slowly(line: Line, data: bytes) -> None:
        await line.sleep(0.002)
        await line.send(data)

    faults = [Fault(greet), Fault(slowly, Point.EHLO), Fault(leave, Point.QUIT)]
    options = ProbeOptions(ehlo=True, conversations=2, concurrency=3)
    await all_of(scan_of(hosts(60, imc_server(fault=faults).port), options))
    # Two talk, two wait, three are the sweep's, of which each may hold one more that has just been begun.
    assert open_now["most"] <= connections(options, 60) + options.concurrency


async def test_a_turn_that_comes_too_late_is_told_and_keeps_the_greeting(imc_server: ServerFactory) -> None:
    targets = hosts(6, imc_server(fault="ehlo:silence").port)
    options = ProbeOptions(ehlo=True, conversations=1, deadline=0.5)
    seen = await all_of(scan_of(targets, options))
    assert {each.greeting for each in seen} == {SP3}
    assert Counter(each.error for each in seen) == {
        "no complete EHLO reply in time": 1,
        "no conversation: its turn did not come in time": 5,
    }


async def test_what_waits_is_told_of_when_its_time_is_up_whatever_it_waits_for() -> None:
    ended: list[tuple[Greeted, Observation | None]] = []
    spawned: list[asyncio.Task[Observation]] = []

    def spawn(work: Coroutine[None, None, Observation]) -> asyncio.Task[Observation]:
        spawned.append(asyncio.ensure_future(work))
        return spawned[-1]

    def told(greeted: Greeted, seen: Observation | None) -> None:
        ended.append((greeted, seen))

    with ExitStack() as stack:
        options = ProbeOptions(ehlo=True, helo_name="probe.example.com", conversations=1)
        talks = Talks(options, spawn, told)
        for patience in (30.0, 0.05):
            ours, theirs = socket.socketpair()
            stack.enter_context(theirs).sendall(SP3)
            now, seen = time.monotonic(), Observation(Target("192.0.2.1"), None, Status.SUCCESS, SP3)
            talks.add(Greeted(ours, of_one_address(seen.target), seen, len(SP3), now, now + patience))
        async with asyncio.timeout(5):
            while not ended:  # noqa: ASYNC110 - what it waits for has no event
                await asyncio.sleep(0.001)
        assert [seen and seen.error for _, seen in ended] == [
            "no conversation: its turn did not come in time"
        ]
        assert len(talks) == 1
        spawned[0].cancel()
        await asyncio.wait(spawned)


async def test_a_scan_that_is_stopped_tells_of_greetings_whose_conversation_waited(
    imc_server: ServerFactory,
) -> None:
    scan = scan_of(hosts(9, imc_server(fault="ehlo:silence").port), ProbeOptions(ehlo=True, conversations=1))
    running = asyncio.ensure_future(anext(scan.batches()))
    async with asyncio.timeout(10):
        while len(scan._talks) < 9:  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.001)
    scan.stop(0)
    seen = await running
    assert [(each.greeting, each.ehlo) for each in seen] == [(SP3, None)] * 9
    assert Counter(each.error for each in seen) == {
        "EHLO was cut short: the scan was stopped": 1,
        "the conversation was cut short: the scan was stopped": 8,
    }
    assert not scan.complete


async def test_a_scan_that_is_left_leaves_no_socket_whose_conversation_waited(
    imc_server: ServerFactory,
) -> None:
    """More than begin at once, so that some wait for a moment to pass and others for a place."""
    server = imc_server(fault="ehlo:silence")
    batches = scan_of(hosts(200, server.port), ProbeOptions(ehlo=True, conversations=140)).batches()
    leaving = asyncio.ensure_future(anext(batches))
    async with asyncio.timeout(10):
        while server.connections < 200:  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.001)
    leaving.cancel()
    await asyncio.wait([leaving])
    await batches.aclose()
    gc.collect()  # an open socket would warn, and warnings are errors
    imc_server.settle(200)


def test_places_for_conversations_are_part_of_what_open_files_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcprobe.probe.limits.allowed_connections", lambda wanted, _: min(wanted, 400))
    plain, talking = ProbeOptions(), ProbeOptions(ehlo=True)
    assert (connections(plain, 5000), connections(talking, 5000), connections(talking, 7)) == (1024, 3072, 21)
    assert within_limits(plain, 5000).concurrency == 400
    fitted = within_limits(talking, 5000)
    assert (fitted.concurrency, fitted.conversations, connections(fitted, 5000)) == (200, 100, 400)
    assert within_limits(talking, 100) is talking
