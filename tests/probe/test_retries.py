"""Tries: which failures get another one, when, and what is told in the end."""

from __future__ import annotations

import asyncio
import errno
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.model import Observation, Status, Target
from imcprobe.probe.late import Probe, of_one_address
from imcprobe.probe.options import BACK_OFF, ProbeOptions
from imcprobe.probe.outcomes import weightier
from imcprobe.probe.scan import Scan
from imcprobe.probe.sockets import Dial, Socket, dial
from imcprobe.testing import Fault, greeting_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imcprobe.testing import Behaviour, Line
    from imcprobe.testing.factories import ServerFactory

    Until = Callable[[Callable[[], object]], Awaitable[None]]

SP3 = greeting_for("5.5.2650.21")
SOON = 0.02
LANES = pytest.mark.parametrize(
    "lane",
    [{}, {"watch_connect": True}, {"ehlo": True}, {"per_net": 8}],
    ids=["fast", "watch", "ehlo", "net"],
)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcprobe.probe.late.BACK_OFF", SOON)


@pytest.fixture
def probed(poller: Any) -> Callable[..., Any]:
    """Scan targets; keywords are options, or parameters of `Scan`."""

    async def run(targets: list[Target], **options: Any) -> list[Observation]:
        names = ("lookup", "dial", "has_route", "remark")
        outside = {name: options.pop(name) for name in names if name in options}
        limits = {"connect_timeout": 3.0, "greeting_timeout": 3.0, "deadline": 5.0}
        scan = Scan(targets, ProbeOptions(**(limits | options)), poller=poller, **outside)
        async with asyncio.timeout(10):
            seen = [each async for batch in scan.batches() for each in batch]
        assert scan.complete
        return seen

    return run


def in_turn(*behaviours: Behaviour | None) -> Fault:
    """What a server does on its first connection, its second …; None, and after these, its greeting."""
    left = list(behaviours)

    async def next_one(line: Line, data: bytes) -> None:
        behave = left.pop(0) if left else None
        await (line.send(data) if behave is None else behave(line, data))

    return Fault(next_one)


async def reset(line: Line, _data: bytes) -> None:
    line.reset()


async def silence(line: Line, _data: bytes) -> None:
    await line.until_left()


async def close(line: Line, _data: bytes) -> None:
    line.hang_up()


def part_then_silence(size: int) -> Behaviour:
    async def behave(line: Line, data: bytes) -> None:
        await line.send(data[:size])
        await line.until_left()

    return behave


async def refusing(line: Line, _data: bytes) -> None:
    await line.send(b"554 no\r\n")


async def http(line: Line, _data: bytes) -> None:
    await line.send(b"HTTP/1.0 400 Bad Request\r\n\r\n")


@LANES
async def test_a_reset_is_tried_again_and_the_tries_are_counted(
    probed: Any, imc_server: ServerFactory, lane: dict[str, Any]
) -> None:
    server = imc_server(fault=in_turn(reset, reset))
    (seen,) = await probed([Target("127.0.0.1", server.port)], retries=3, **lane)
    assert (seen.status, seen.greeting, seen.attempts) == (Status.SUCCESS, SP3, 3)
    assert server.connections == 3


@LANES
async def test_silence_is_tried_again_and_the_tries_are_counted(
    probed: Any, imc_server: ServerFactory, lane: dict[str, Any]
) -> None:
    server = imc_server(fault="silence")
    (seen,) = await probed([Target("127.0.0.1", server.port)], retries=2, greeting_timeout=0.1, **lane)
    assert (seen.status, seen.attempts, seen.error) == (Status.IO_TIMEOUT, 3, "after 0.1 s")
    assert server.connections == 3


@LANES
async def test_a_connection_that_is_not_answered_is_tried_again(
    probed: Any, deaf: str, lane: dict[str, Any]
) -> None:
    host, _, port = deaf.rpartition(":")
    began = time.monotonic()
    (seen,) = await probed([Target(host, int(port))], retries=1, connect_timeout=0.1, **lane)
    assert (seen.status, seen.attempts) == (Status.CONNECTION_TIMEOUT, 2)
    assert time.monotonic() - began >= 0.2 + SOON


@LANES
@pytest.mark.parametrize(
    ("behave", "status"),
    [
        (close, Status.CONNECTION_CLOSED),
        (refusing, Status.APPLICATION_ERROR),
        (http, Status.PROTOCOL_ERROR),
        (None, Status.SUCCESS),
    ],
)
async def test_an_answer_is_never_asked_for_again(
    probed: Any, imc_server: ServerFactory, lane: dict[str, Any], behave: Behaviour | None, status: Status
) -> None:
    server = imc_server(fault=None if behave is None else Fault(behave))
    (seen,) = await probed([Target("127.0.0.1", server.port)], retries=3, **lane)
    assert (seen.status, seen.attempts, server.connections) == (status, 1, 1)


@LANES
@pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES])
async def test_what_the_system_refuses_is_never_tried_again(
    probed: Any, lane: dict[str, Any], code: int
) -> None:
    dialled = []

    def refuse(_sock: Socket, place: tuple[str, int]) -> int:
        dialled.append(place)
        return code

    (seen,) = await probed([Target("192.0.2.1")], retries=3, dial=refuse, has_route=lambda _: False, **lane)
    assert (seen.attempts, len(dialled)) == (1, 1)


@LANES
async def test_a_refused_connection_is_never_tried_again(
    probed: Any, imc_server: ServerFactory, lane: dict[str, Any]
) -> None:
    seen = await probed([Target("127.0.0.1", imc_server(refused=True).port)], retries=3, **lane)
    assert [(each.status, each.attempts) for each in seen] == [(Status.CONNECTION_REFUSED, 1)]


async def test_each_try_waits_twice_as_long_as_the_one_before(
    probed: Any, imc_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imcprobe.probe.late.BACK_OFF", 0.05)
    began: list[float] = []

    def noted(sock: Socket, place: tuple[str, int]) -> int:
        began.append(time.monotonic())
        return dial(sock, place)

    server = imc_server(fault="reset")
    (seen,) = await probed([Target("127.0.0.1", server.port)], retries=3, dial=noted)
    assert (seen.status, seen.attempts) == (Status.CONNECTION_RESET, 4)
    for number, pause in enumerate(second - first for first, second in pairwise(began)):
        assert 0.05 * 2**number <= pause < 0.05 * 2**number + 0.3


def test_the_pauses_are_once_twice_and_four_times_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcprobe.probe.late.time.monotonic", lambda: 100.0)
    monkeypatch.setattr("imcprobe.probe.late.BACK_OFF", 1.0)
    target = Target("192.0.2.1")
    probe, seen = of_one_address(target, 100.0), Observation(target, target.host, Status.IO_TIMEOUT)
    due: list[float | None] = []
    for _ in range(4):
        due.append(probe.due_again(seen, ProbeOptions(retries=3)))
        probe.next_attempt(seen)
    assert due == [101.0, 102.0, 104.0, None]


def test_the_first_pause_is_a_second_by_default() -> None:
    assert BACK_OFF == 1.0


# The deadline


@LANES
async def test_no_try_begins_after_the_deadline_and_the_target_ends_by_it(
    probed: Any, imc_server: ServerFactory, lane: dict[str, Any]
) -> None:
    server = imc_server(fault="silence")
    began = time.monotonic()
    (seen,) = await probed(
        [Target("127.0.0.1", server.port)], retries=50, greeting_timeout=0.1, deadline=0.4, **lane
    )
    assert seen.status is Status.IO_TIMEOUT
    assert 1 < seen.attempts == server.connections < 5
    assert time.monotonic() - began < 0.4 + 0.25


@pytest.mark.parametrize("held", [{"concurrency": 1}, {"per_net": 1}, {"rate": 2.0}])
async def test_a_try_whose_place_comes_too_late_is_not_made(
    probed: Any, imc_server: ServerFactory, held: dict[str, Any]
) -> None:
    """The first is reset at once; the second takes the only place, until it is too late for the first."""
    resetting, silent = imc_server(fault="reset"), imc_server(fault="silence")
    targets = [Target("127.0.0.1", resetting.port), Target("127.0.0.1", silent.port)]
    seen = await probed(targets, retries=5, deadline=0.3, **held)
    first = next(each for each in seen if each.target == targets[0])
    assert (first.status, first.attempts, resetting.connections) == (Status.CONNECTION_RESET, 1, 1)


async def test_a_second_address_whose_place_comes_too_late_is_not_tried(
    probed: Any, imc_server: ServerFactory
) -> None:
    port, dialled = imc_server(refused=True).port, list[str]()
    (seen,) = await probed(
        [Target("mx.example.com", port)],
        lookup=lambda _host, _version: ["192.0.2.1", "192.0.2.2"],
        dial=at_ports({"192.0.2.1": port, "192.0.2.2": port}, dialled),
        rate=2.0,
        deadline=0.3,
    )
    assert (seen.status, seen.address, seen.attempts) == (Status.CONNECTION_REFUSED, "192.0.2.1", 1)
    assert dialled == ["192.0.2.1"]


async def test_waiting_for_a_place_does_not_shorten_the_limit_of_the_next_address(
    probed: Any, imc_server: ServerFactory
) -> None:
    """The second address has to wait for its turn longer than a connection may take."""
    refused, server = imc_server(refused=True), imc_server(fault="delay=50ms")
    ports = {"192.0.2.1": refused.port, "192.0.2.2": server.port}
    (seen,) = await probed(
        [Target("mx.example.com")],
        lookup=lambda _host, _version: [*ports],
        dial=lambda sock, place: dial(sock, ("127.0.0.1", ports[place[0]])),
        rate=3.0,
        connect_timeout=0.2,
        watch_connect=True,
    )
    assert (seen.status, seen.address) == (Status.SUCCESS, "192.0.2.2")
    assert seen.times.greeting_ms < 200


# What is told


@LANES
async def test_bytes_that_came_are_never_lost_to_a_later_try(
    probed: Any, imc_server: ServerFactory, lane: dict[str, Any]
) -> None:
    server = imc_server(fault=in_turn(part_then_silence(50), part_then_silence(10), reset, reset))
    (seen,) = await probed([Target("127.0.0.1", server.port)], retries=3, greeting_timeout=0.1, **lane)
    assert (seen.status, seen.greeting, seen.attempts) == (Status.IO_TIMEOUT, SP3[:50], 4)


@LANES
async def test_a_whole_refusal_says_more_than_half_a_greeting_before_it(
    probed: Any, imc_server: ServerFactory, lane: dict[str, Any]
) -> None:
    server = imc_server(fault=in_turn(part_then_silence(50), refusing))
    (seen,) = await probed([Target("127.0.0.1", server.port)], retries=3, greeting_timeout=0.1, **lane)
    assert (seen.status, seen.greeting, seen.attempts) == (Status.APPLICATION_ERROR, b"554 no\r\n", 2)


def test_the_weightier_of_two_observations_is_the_one_that_says_more() -> None:
    target = Target("192.0.2.1")

    def seen(status: Status, greeting: bytes = b"") -> Observation:
        return Observation(target, target.host, status, greeting=greeting)

    ascending = [
        seen(Status.UNREACHABLE),
        seen(Status.CONNECTION_TIMEOUT),
        seen(Status.CONNECTION_RESET),
        seen(Status.IO_TIMEOUT, b"2"),
        seen(Status.CONNECTION_RESET, b"220-a"),
        seen(Status.APPLICATION_ERROR, b"554"),
    ]
    for less, more in pairwise(ascending):
        assert weightier(less, more) is more
        assert weightier(more, less) is more
    equal = seen(Status.CONNECTION_REFUSED), seen(Status.CONNECTION_RESET)
    assert weightier(*equal) is equal[1]
    assert weightier(None, equal[0]) is equal[0]


# Names


def at_ports(ports: dict[str, int], dialled: list[str]) -> Dial:
    """A way to connect to addresses that do not exist, each of them a port of this machine."""

    def out(sock: Socket, place: tuple[str, int]) -> int:
        dialled.append(place[0])
        return dial(sock, ("127.0.0.1", ports[place[0]])) if place[0] in ports else errno.ENETUNREACH

    return out


async def test_of_a_name_all_addresses_are_tried_again(
    probed: Any, imc_server: ServerFactory, deaf: str
) -> None:
    deaf_port = int(deaf.rpartition(":")[2])
    dialled: list[str] = []
    ports = {"192.0.2.1": deaf_port, "192.0.2.2": deaf_port}
    (seen,) = await probed(
        [Target("mx.example.com")],
        lookup=lambda _host, _version: [*ports],
        dial=at_ports(ports, dialled),
        retries=1,
        connect_timeout=0.2,
    )
    assert (seen.status, seen.attempts) == (Status.CONNECTION_TIMEOUT, 2)
    assert dialled == ["192.0.2.1", "192.0.2.2"] * 2
    server, dialled[:] = imc_server(fault=in_turn(reset)), []
    ports = {"192.0.2.1": deaf_port, "192.0.2.2": server.port}
    (seen,) = await probed(
        [Target("mx.example.com")],
        lookup=lambda _host, _version: [*ports],
        dial=at_ports(ports, dialled),
        retries=1,
        connect_timeout=0.2,
    )
    assert (seen.status, seen.address, seen.attempts) == (Status.SUCCESS, "192.0.2.2", 2)


async def test_an_address_without_a_way_to_it_does_not_keep_a_name_from_its_next_try(
    probed: Any, deaf: str
) -> None:
    """The last address fails at once, but what is to be told of the name is a time-out."""
    dialled: list[str] = []
    ports = {"192.0.2.1": int(deaf.rpartition(":")[2])}
    (seen,) = await probed(
        [Target("mx.example.com")],
        lookup=lambda _host, _version: ["192.0.2.1", "192.0.2.2"],
        dial=at_ports(ports, dialled),
        has_route=lambda address: address in ports,
        retries=2,
        connect_timeout=0.1,
    )
    assert (seen.status, seen.address, seen.attempts) == (Status.CONNECTION_TIMEOUT, "192.0.2.1", 3)
    assert dialled == ["192.0.2.1", "192.0.2.2"] * 3


async def test_a_name_that_was_refused_at_one_address_is_not_tried_again(
    probed: Any, imc_server: ServerFactory, deaf: str
) -> None:
    dialled: list[str] = []
    ports = {"192.0.2.1": imc_server(refused=True).port, "192.0.2.2": int(deaf.rpartition(":")[2])}
    (seen,) = await probed(
        [Target("mx.example.com")],
        lookup=lambda _host, _version: [*ports],
        dial=at_ports(ports, dialled),
        retries=2,
        connect_timeout=0.1,
    )
    assert (seen.status, seen.attempts) == (Status.CONNECTION_REFUSED, 1)
    assert dialled == ["192.0.2.1", "192.0.2.2"]


def test_a_target_that_waits_for_its_second_try_tells_of_the_first_as_one() -> None:
    target = Target("mx.example.com")
    probe = Probe(target, ("192.0.2.1", "192.0.2.2"))
    reset_first = Observation(target, "192.0.2.1", Status.CONNECTION_RESET)
    probe.connected(1.0)
    probe.next_attempt(reset_first)
    assert probe.last_word() == reset_first
    probe.attempts = 2
    probe.connected(2.0)  # its second try has begun, and its second address has to wait
    probe.next_address(Observation(target, "192.0.2.1", Status.CONNECTION_TIMEOUT))
    told = probe.last_word()
    assert told is not None
    assert (told.status, told.attempts) == (Status.CONNECTION_RESET, 2)


def test_of_the_addresses_of_a_try_the_one_that_said_more_is_told() -> None:
    target = Target("mx.example.com")
    probe = Probe(target, ("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    probe.connected(1.0)
    reset_first = Observation(target, "192.0.2.1", Status.CONNECTION_RESET)
    probe.next_address(reset_first)
    probe.next_address(Observation(target, "192.0.2.2", Status.UNREACHABLE))
    assert probe.last_word() == reset_first
    assert probe.outcome(Observation(target, "192.0.2.3", Status.UNREACHABLE)) == reset_first


# Together


async def test_a_scan_that_is_stopped_during_a_pause_ends_and_is_not_complete(
    poller: Any, imc_server: ServerFactory, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr("imcprobe.probe.late.BACK_OFF", 60.0)
    server = imc_server(fault="reset")
    scan = Scan([Target("127.0.0.1", server.port)], ProbeOptions(retries=3, deadline=600), poller=poller)
    running = asyncio.ensure_future(anext(scan.batches(), None))
    await until(lambda: scan._sweep and len(scan._sweep._intake))
    assert scan._sweep is not None
    assert scan._sweep.in_flight == 0
    scan.stop()
    assert await asyncio.wait_for(running, 1) is None
    assert not scan.complete


@LANES
async def test_what_is_under_way_when_a_scan_is_stopped_is_told_of_and_not_tried_again(
    poller: Any, imc_server: ServerFactory, until: Until, lane: dict[str, Any]
) -> None:
    server = imc_server(fault="silence")
    options = ProbeOptions(retries=3, greeting_timeout=0.3, **lane)
    scan = Scan([Target("127.0.0.1", server.port)], options, poller=poller)

    async def all_seen() -> list[Observation]:
        return [each async for batch in scan.batches() for each in batch]

    running = asyncio.ensure_future(all_seen())
    await until(lambda: server.connections)
    scan.stop()
    seen = await asyncio.wait_for(running, 5)
    assert [(each.status, each.attempts) for each in seen] == [(Status.IO_TIMEOUT, 1)]
    assert server.connections == 1


async def test_a_name_between_two_addresses_does_not_hold_up_a_scan_that_is_stopped(
    poller: Any, imc_server: ServerFactory, deaf: str, until: Until
) -> None:
    server = imc_server()
    ports = {"192.0.2.1": int(deaf.rpartition(":")[2]), "192.0.2.2": server.port}
    scan = Scan(
        [Target("mx.example.com")],
        ProbeOptions(connect_timeout=0.4),
        poller=poller,
        lookup=lambda _host, _version: [*ports],
        dial=at_ports(ports, []),
    )
    running = asyncio.ensure_future(anext(scan.batches(), None))
    await until(lambda: scan._sweep and scan._sweep.in_flight)
    scan.stop()
    assert await asyncio.wait_for(running, 1) is None
    assert not scan.complete
    assert server.connections == 0


@pytest.mark.parametrize(("bound", "first"), [(1 << 14, Status.SUCCESS), (2, Status.CONNECTION_RESET)])
async def test_those_that_wait_take_nobody_s_place_are_bounded_and_cost_no_turns(
    poller: Any, imc_server: ServerFactory, monkeypatch: pytest.MonkeyPatch, bound: int, first: Status
) -> None:
    """One place is enough for all of them, and as long as too many wait nothing new is begun."""
    monkeypatch.setattr("imcprobe.probe.late.BACK_OFF", 0.3)
    monkeypatch.setattr("imcprobe.probe.intake.MAX_LATER", bound)
    turns: list[None] = []
    waiting: set[int] = set()
    turned = Scan.turned

    def watched(scan: Scan) -> None:
        assert scan._sweep is not None
        assert scan._sweep.in_flight <= 1
        turns.append(None)
        waiting.add(len(scan._sweep._intake))
        turned(scan)

    monkeypatch.setattr(Scan, "turned", watched)
    resetting, server = imc_server(fault="reset"), imc_server()
    targets = [Target("127.0.0.1", resetting.port)] * 3 + [Target("127.0.0.1", server.port)] * 20
    order: list[Status] = []
    scan = Scan(targets, ProbeOptions(retries=1, concurrency=1, deadline=20), poller=poller)
    async with asyncio.timeout(10):
        async for batch in scan.batches():
            order += [each.status for each in batch]
    assert scan.complete
    assert sorted(order) == [Status.CONNECTION_RESET] * 3 + [Status.SUCCESS] * 20
    assert order[0] is first
    assert max(waiting) == min(bound, 3)
    assert len(turns) < 26 * 2 * 5
