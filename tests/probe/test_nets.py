"""Connections at once to one network: never more than asked for, and nobody waits for another's."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.model import Observation, Status, Target
from imcprobe.probe.late import of_one_address
from imcprobe.probe.nets import Nets, net_of
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.probe.sockets import Socket, dial
from imcprobe.testing import Fault, Point

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from imcprobe.testing import Line
    from imcprobe.testing.factories import ServerFactory

    Until = Callable[[Callable[[], object]], Awaitable[None]]

MOST = 3


class Wire:
    """Every address is a port of this machine; counts what is open to each network, as the kernel has it."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", fail: Iterable[int] = ()) -> None:
        self.place = host, port
        self.most: Counter[str | bytes] = Counter()
        self._fail = list(fail)
        self._open: dict[Socket, str | bytes] = {}

    def dial(self, sock: Socket, place: tuple[str, int]) -> int:
        self._open = {each: net for each, net in self._open.items() if each.fileno() >= 0}
        if self._fail and (code := self._fail.pop()):
            return code
        code = dial(sock, self.place)
        self._open[sock] = net_of(place[0])
        self.most |= Counter(self._open.values())
        return code


async def seen_by(scan: Scan) -> list[Observation]:
    async with asyncio.timeout(10):
        seen = [each async for batch in scan.batches() for each in batch]
    assert scan.complete
    sweep = scan._sweep
    assert sweep is not None
    nets = sweep._intake._nets
    assert nets is not None
    kept = nets._under_way, nets._nets, nets._held, nets._freed, len(nets)
    assert not any(kept)
    return seen


def hosts(*nets: str, count: int = 12) -> list[Target]:
    """The first hosts of networks, one network after the other."""
    return [Target(f"{net}.{last}", 25) for net in nets for last in range(1, count + 1)]


async def slowly(line: Line, data: bytes) -> None:
    await line.sleep(0.01)
    await line.send(data)


@pytest.mark.parametrize(
    "options",
    [{}, {"quit": False}, {"watch_connect": True}, {"ehlo": True}, {"concurrency": 4}, {"rate": 2000.0}],
    ids=str,
)
@pytest.mark.parametrize("point", [Point.GREETING, Point.QUIT])
async def test_no_network_has_more_connections_than_asked_for(
    poller: Any, imc_server: ServerFactory, options: dict[str, Any], point: Point
) -> None:
    wire = Wire(imc_server(fault=Fault(slowly, point)).port)
    targets = hosts("192.0.2", "198.51.100", "203.0.113")
    scan = Scan(targets, ProbeOptions(per_net=MOST, **options), poller=poller, dial=wire.dial)
    seen = await seen_by(scan)
    assert Counter(each.target for each in seen) == Counter(targets)
    assert {each.status for each in seen} == {Status.SUCCESS}
    assert max(wire.most.values()) <= MOST


async def test_a_conversation_keeps_its_place_to_the_goodbye(poller: Any, imc_server: ServerFactory) -> None:
    """Counted by the server, as the socket of a conversation is another one."""
    talking: Counter[str] = Counter()

    async def greet(line: Line, data: bytes) -> None:
        talking["now"] += 1
        talking["most"] = max(talking["most"], talking["now"])
        await line.send(data)

    async def goodbye(line: Line, data: bytes) -> None:
        await line.sleep(0.01)
        talking["now"] -= 1
        await line.send(data)

    faults = [Fault(greet), Fault(slowly, Point.EHLO), Fault(goodbye, Point.QUIT)]
    wire = Wire(imc_server(fault=faults).port)
    targets = hosts("192.0.2")
    seen = await seen_by(Scan(targets, ProbeOptions(per_net=MOST, ehlo=True), poller=poller, dial=wire.dial))
    assert all(each.ehlo for each in seen)
    assert talking == {"now": 0, "most": MOST}


@pytest.mark.parametrize("fault", ["reset", "close", "421", "554", "split=40", "silence", "quit:silence"])
async def test_every_end_of_a_connection_makes_room_for_the_next(
    poller: Any, imc_server: ServerFactory, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imcprobe.probe.late.BACK_OFF", 0.01)
    monkeypatch.setattr("imcprobe.probe.goodbye.QUIT_TIMEOUT", 0.05)
    wire = Wire(imc_server(fault=fault).port)
    targets = hosts("192.0.2", "198.51.100", count=7)
    options = ProbeOptions(per_net=MOST, retries=1, greeting_timeout=0.1)
    seen = await seen_by(Scan(targets, options, poller=poller, dial=wire.dial))
    assert Counter(each.target for each in seen) == Counter(targets)
    assert max(wire.most.values()) <= MOST


async def test_a_network_that_is_full_holds_up_no_other(poller: Any, imc_server: ServerFactory) -> None:
    silent, server = imc_server(fault="silence"), imc_server()

    def out(sock: Socket, place: tuple[str, int]) -> int:
        return dial(sock, ("127.0.0.1", (silent if place[0].startswith("192.0.2.") else server).port))

    options = ProbeOptions(per_net=1, greeting_timeout=0.2, quit=False)
    order: list[str] = []
    scan = Scan(hosts("192.0.2", count=4) + hosts("198.51.100", count=20), options, poller=poller, dial=out)
    async with asyncio.timeout(10):
        async for batch in scan.batches():
            order += [each.target.host for each in batch]
    assert len(order) == 24
    assert all(host.startswith("198.51.100.") for host in order[:20])


@pytest.mark.usefixtures("ipv6")
async def test_of_ipv6_a_network_is_a_64(poller: Any) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.005)
        writer.write(b"220 mx.example.com ESMTP\r\n")
        await _reader.read()
        writer.close()

    async with await asyncio.start_server(greet, "::1", 0) as server:
        wire = Wire(server.sockets[0].getsockname()[1], host="::1")
        targets = [Target(f"2001:db8:{net}::{last:x}") for net in (1, 2) for last in range(1, 9)]
        options = ProbeOptions(per_net=2, quit=False)
        seen = await seen_by(Scan(targets, options, poller=poller, dial=wire.dial))
    assert Counter(each.target for each in seen) == Counter(targets)
    assert {each.status for each in seen} == {Status.SUCCESS}
    assert set(wire.most.values()) == {2}


async def test_names_count_by_the_address_they_resolve_to(poller: Any, imc_server: ServerFactory) -> None:
    wire = Wire(imc_server(fault=Fault(slowly)).port)
    names = [Target(f"mx{number}.example.com") for number in range(1, 10)]
    targets = [each for pair in zip(names, hosts("192.0.2", count=9), strict=True) for each in pair]

    def lookup(host: str, _version: int | None) -> list[str]:
        return [f"192.0.2.{100 + int(host[2])}"]

    scan = Scan(targets, ProbeOptions(per_net=MOST), poller=poller, dial=wire.dial, lookup=lookup)
    assert Counter(each.target for each in await seen_by(scan)) == Counter(targets)
    assert wire.most == {"192.0.2": MOST}


async def test_the_second_address_of_a_name_waits_for_its_own_network(
    poller: Any, imc_server: ServerFactory
) -> None:
    wire = Wire(imc_server(fault=Fault(slowly)).port)
    names = [Target(f"mx{number}.example.com") for number in range(9)]

    def out(sock: Socket, place: tuple[str, int]) -> int:
        return errno.EHOSTUNREACH if place[0].startswith("198.51.100.") else wire.dial(sock, place)

    def lookup(host: str, _version: int | None) -> list[str]:
        return [f"198.51.100.{host[2]}", f"192.0.2.{host[2]}"]

    seen = await seen_by(Scan(names, ProbeOptions(per_net=2), poller=poller, dial=out, lookup=lookup))
    assert {each.status for each in seen} == {Status.SUCCESS}
    assert wire.most == {"192.0.2": 2}


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOBUFS, errno.EHOSTUNREACH, errno.ECONNREFUSED])
@pytest.mark.parametrize("watch", [False, True])
async def test_what_does_not_begin_gives_its_place_back(
    poller: Any, imc_server: ServerFactory, code: int, watch: bool
) -> None:
    wire = Wire(imc_server().port, fail=[code, 0, code] * 3)
    targets = hosts("192.0.2")
    options = ProbeOptions(per_net=1, watch_connect=watch)
    seen = await seen_by(Scan(targets, options, poller=poller, dial=wire.dial))
    assert Counter(each.target for each in seen) == Counter(targets)
    assert wire.most == {"192.0.2": 1}


async def test_what_is_held_is_bounded_and_given_up_by_a_stop(
    poller: Any, imc_server: ServerFactory, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr("imcprobe.probe.nets.MAX_HELD", 5)
    wire = Wire(imc_server(fault="silence").port)
    pulled: list[Target] = []

    def supply() -> Iterable[Target]:
        for target in hosts("192.0.2", "198.51.100"):
            pulled.append(target)
            yield target

    options = ProbeOptions(per_net=1, greeting_timeout=0.2)
    scan = Scan(supply(), options, poller=poller, dial=wire.dial)
    running = asyncio.ensure_future(anext(scan.batches(), None))
    await until(lambda: scan._sweep and len(scan._sweep._intake) == 5)
    assert len(pulled) == 7  # one under way, five held, and one ahead
    scan.stop()
    batch = await asyncio.wait_for(running, 2)
    assert batch is not None
    assert len(batch) == 1
    assert len(pulled) == 7  # one under way, five held, and one ahead
    assert not scan.complete


async def test_what_is_held_does_not_keep_a_stopped_scan_from_ending(
    poller: Any, imc_server: ServerFactory, until: Until
) -> None:
    wire = Wire(imc_server(fault="silence").port)
    options = ProbeOptions(per_net=1, greeting_timeout=0.2)
    scan = Scan(hosts("192.0.2"), options, poller=poller, dial=wire.dial)

    async def all_seen() -> list[Observation]:
        return [each async for batch in scan.batches() for each in batch]

    running = asyncio.ensure_future(all_seen())
    await until(lambda: scan._sweep and len(scan._sweep._intake) == 11)
    scan.stop()
    assert [each.status for each in await asyncio.wait_for(running, 1)] == [Status.IO_TIMEOUT]
    assert not scan.complete


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=80), st.integers(1, 3))
def test_whatever_the_order_nobody_is_forgotten_and_nothing_is_kept(
    steps: list[tuple[int, bool]], most: int
) -> None:
    """Admission and ending in any order: what is held gets in as soon as its network has a place."""
    nets, under_way, begun = Nets(most), Counter[int](), 0
    for number, (net, admit) in enumerate(steps):
        address = f"10.0.{net}.{number}"
        if admit:
            under_way[net] += nets.admit(of_one_address(Target(address)))
            begun += 1
        elif under_way[net]:
            nets.not_begun(address)
            under_way[net] -= 1
            begun -= 1
        if number % 3 == 0:
            while (probe := nets.freed()) is not None:
                under_way[int(probe.address.split(".")[2])] += 1
        assert all(count <= most for count in under_way.values())
        assert sum(under_way.values()) + len(nets) == begun
    while under_way.total() or len(nets):
        while (probe := nets.freed()) is not None:
            under_way[int(probe.address.split(".")[2])] += 1
        net = next(iter(+under_way))
        nets.not_begun(f"10.0.{net}.1")
        under_way[net] -= 1
        under_way = +under_way
    assert not any((nets._under_way, nets._held))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.255", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8::1", "2001:db8:0:0:ffff::", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%lo", "fe80::2", True),
    ],
)
def test_a_network_is_a_24_or_a_64(one: str, other: str, same: bool) -> None:
    assert (net_of(one) == net_of(other)) is same
