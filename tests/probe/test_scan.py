"""What a scan promises as a whole: backpressure, stopping, exhaustion, names, limits."""

from __future__ import annotations

import asyncio
import errno
import gc
import resource
import select
import socket
import threading
import time
from collections import Counter
from contextlib import aclosing
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.errors import ImcprobeError
from imcprobe.model import Observation, Status, Target
from imcprobe.probe import limits
from imcprobe.probe.fastlane import FIRST_READ
from imcprobe.probe.limits import RESERVED_FILES, allowed_connections, open_files
from imcprobe.probe.options import MAX_ADDRESSES, ProbeOptions
from imcprobe.probe.outbox import MAX_UNDELIVERED
from imcprobe.probe.poller import EpollPoller, default_poller
from imcprobe.probe.resolve import MAX_LOOKUPS, Resolver, system_lookup
from imcprobe.probe.scan import STOP_GRACE, Scan
from imcprobe.probe.sockets import Dial, Socket, connected_for, dial, is_connected, is_literal
from imcprobe.testing import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imcprobe.testing import Line
    from imcprobe.testing.factories import FleetFactory, ServerFactory

QUICK = ProbeOptions(quit=False)


async def seen_by(scan: Scan) -> list[Observation]:
    async with asyncio.timeout(20):
        return [each async for batch in scan.batches() for each in batch]


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - what it waits for is another thread's
            await asyncio.sleep(0.001)


async def test_targets_are_pulled_as_they_are_needed(poller: Any, imc_server: ServerFactory) -> None:
    pulled = count()
    port = imc_server(refused=True).port

    def endless() -> Iterator[Target]:
        while True:
            next(pulled)
            yield Target("127.0.0.1", port)

    batches = Scan(endless(), QUICK, poller=poller).batches()
    await anext(batches)
    for _ in range(2000):  # nobody takes results: the supply must come to a stand
        await asyncio.sleep(0)
    drawn = next(pulled)
    assert drawn <= 2 * MAX_UNDELIVERED + QUICK.concurrency
    for _ in range(50):
        await asyncio.sleep(0)
    assert next(pulled) == drawn + 1
    await batches.aclose()


async def test_a_stopped_scan_ends_what_is_under_way_and_is_not_complete(
    poller: Any, imc_server: ServerFactory
) -> None:
    greet = threading.Event()

    async def waiting(line: Line, data: bytes) -> None:
        await asyncio.to_thread(greet.wait, 10)
        await line.send(data)

    server = imc_server(fault=Fault(waiting))
    scan = Scan(
        (Target("127.0.0.1", server.port) for _ in count()), ProbeOptions(concurrency=4), poller=poller
    )
    running = asyncio.ensure_future(seen_by(scan))
    await until(lambda: server.connections == 4)
    scan.stop()
    greet.set()
    seen = await running
    assert [each.status for each in seen] == [Status.SUCCESS] * 4
    assert not scan.complete


async def test_a_stopped_scan_waits_no_longer_than_it_was_told(imc_server: ServerFactory) -> None:
    server = imc_server(fault="silence")
    scan = Scan([Target("127.0.0.1", server.port)])
    scan.stop()  # before it began: nothing begins
    assert await seen_by(scan) == []
    scan = Scan([Target("127.0.0.1", server.port)])
    running = asyncio.ensure_future(seen_by(scan))
    await until(lambda: server.connections == 1)
    began = time.monotonic()
    scan.stop(0.1)
    assert await running == []
    assert time.monotonic() - began < STOP_GRACE
    assert not scan.complete


async def test_places_that_only_a_time_limit_frees_are_used_again(
    poller: Any, imc_fleet: FleetFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imcprobe.probe.goodbye.QUIT_TIMEOUT", 0.3)
    fleet = imc_fleet(3, fault="quit:silence")
    targets = [Target(server.host, server.port) for server in fleet]
    scan = Scan(targets, ProbeOptions(concurrency=1), poller=poller)
    assert [each.status for each in await seen_by(scan)] == [Status.SUCCESS] * 3
    assert scan.complete


async def test_what_came_before_a_slow_start_is_not_late(poller: Any, imc_fleet: FleetFactory) -> None:
    """Beginning connections may take long; what comes meanwhile is looked at before it is given up."""
    limit, greet = 0.5, threading.Event()

    async def waiting(line: Line, data: bytes) -> None:
        await asyncio.to_thread(greet.wait, 10)
        await line.send(data)

    fleet = imc_fleet(["5.5.2650.21"] * 5, fault=Fault(waiting))
    began = time.monotonic()

    def supply() -> Iterator[Target]:
        for server in fleet:
            yield Target(server.host, server.port)
        yield Target("192.0.2.1")

    def slow(sock: Socket, place: tuple[str, int]) -> int:
        if place[0] != "192.0.2.1":
            return dial(sock, place)
        greet.set()
        while time.monotonic() < began + limit + 0.2:
            select.select([], [], [], 0.05)
        return errno.ENETUNREACH

    scan = Scan(supply(), ProbeOptions(greeting_timeout=limit), poller=poller, dial=slow)
    seen = await seen_by(scan)
    assert Counter(each.status for each in seen) == {Status.SUCCESS: 5, Status.UNREACHABLE: 1}


async def test_a_scan_of_nothing_is_complete(poller: Any) -> None:
    scan = Scan([], poller=poller)
    assert await seen_by(scan) == []
    assert scan.complete


async def test_an_error_of_the_supply_is_raised_and_nothing_hangs(imc_server: ServerFactory) -> None:
    port = imc_server(refused=True).port

    def broken() -> Iterator[Target]:
        yield Target("127.0.0.1", port)
        raise LookupError("supply")

    with pytest.raises(LookupError, match="supply"):
        await seen_by(Scan(broken()))


async def test_an_error_of_a_resolver_that_nobody_expects_is_raised() -> None:
    scan = Scan([Target("mx.example.com")], lookup=lambda _host, _version: [5])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        await seen_by(scan)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOSPC])
@pytest.mark.parametrize("watch", [False, True])
async def test_a_machine_that_has_run_out_waits_and_tries_again(
    imc_fleet: FleetFactory, code: int, watch: bool
) -> None:
    fleet = imc_fleet(20)
    open_sockets = {"now": 0}

    def scarce(sock: Socket, place: tuple[str, int]) -> int:
        open_sockets["now"] += 1
        return code if open_sockets["now"] % 3 == 0 else dial(sock, place)

    targets = [Target(server.host, server.port) for server in fleet]
    seen = await seen_by(Scan(targets, ProbeOptions(watch_connect=watch), dial=scarce))
    assert [each.status for each in seen] == [Status.SUCCESS] * 20


def failing(code: int) -> Dial:
    """A way to connect that fails with an errno."""
    return lambda _sock, _place: code


def only_ipv4(address: str) -> bool:
    """A machine without IPv6."""
    return ":" not in address


async def test_without_ipv6_of_its_own_a_machine_waits_for_nothing() -> None:
    (seen,) = await seen_by(
        Scan([Target("2001:db8::1")], dial=failing(errno.EADDRNOTAVAIL), has_route=only_ipv4)
    )
    assert (seen.status, seen.error) == (Status.UNREACHABLE, "EADDRNOTAVAIL")


@pytest.mark.parametrize("options", [QUICK, ProbeOptions(watch_connect=True)])
async def test_a_poller_that_is_full_is_no_target_s_fault_and_leaves_no_socket_open(
    options: ProbeOptions, imc_server: ServerFactory
) -> None:
    made: list[int] = []

    class Full(EpollPoller):
        def add(self, fd: int, *, connect: bool = False) -> None:
            made.append(fd)
            if len(made) == 1:
                raise OSError(errno.ENOMEM, "full")
            super().add(fd, connect=connect)

    port = imc_server(refused=True).port
    seen = await seen_by(Scan([Target("127.0.0.1", port)] * 3, options, poller=Full))
    assert [each.status for each in seen] == [Status.CONNECTION_REFUSED] * 3
    gc.collect()  # an open socket would warn, and warnings are errors


@pytest.mark.parametrize("addresses", [["192.0.2.1", "192.0.2.2"], ["192.0.2.2", "192.0.2.1"]])
@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EADDRNOTAVAIL])
async def test_of_several_failures_the_one_that_says_most_is_told(
    imc_server: ServerFactory, addresses: list[str], code: int
) -> None:
    def one_without_route(sock: Socket, place: tuple[str, int]) -> int:
        return code if place[0] == "192.0.2.2" else dial(sock, ("127.0.0.1", place[1]))

    target = Target("mx.example.com", imc_server(refused=True).port)
    scan = Scan(
        [target],
        lookup=lambda _host, _version: addresses,
        dial=one_without_route,
        has_route=lambda address: address != "192.0.2.2",
    )
    (seen,) = await seen_by(scan)
    assert (seen.status, seen.address) == (Status.CONNECTION_REFUSED, "192.0.2.1")


async def test_a_kind_of_address_that_this_machine_has_not_holds_nobody_up(imc_server: ServerFactory) -> None:
    def without_ipv6(sock: Socket, place: tuple[str, int]) -> int:
        return errno.EADDRNOTAVAIL if ":" in place[0] else dial(sock, place)

    silent, good = imc_server(fault="silence"), imc_server()
    targets = [Target("127.0.0.1", silent.port), Target("2001:db8::1"), Target("127.0.0.1", good.port)]
    order = []
    scan = Scan(targets, ProbeOptions(greeting_timeout=0.5), dial=without_ipv6, has_route=only_ipv4)
    async for batch in scan.batches():
        order += [each.status for each in batch]
    assert order == [Status.UNREACHABLE, Status.SUCCESS, Status.IO_TIMEOUT]
    both = ["::1", "127.0.0.1"]
    named = [Target("mx.example.com", good.port)]
    (seen,) = await seen_by(
        Scan(named, lookup=lambda _host, _version: both, dial=without_ipv6, has_route=only_ipv4)
    )
    assert (seen.status, seen.address) == (Status.SUCCESS, "127.0.0.1")


@pytest.mark.parametrize(
    ("code", "limit", "told"),
    [
        (errno.EMFILE, "STUCK_LIMIT", r"on this machine: EMFILE for 0\.2 s\. Raise its limits \(ulimit -n\)"),
        (errno.EADDRNOTAVAIL, "PORTS_LIMIT", r"no port has been left for 0\.2 s\. Widen their range"),
    ],
)
async def test_a_machine_that_has_nothing_left_is_told_of(
    monkeypatch: pytest.MonkeyPatch, code: int, limit: str, told: str
) -> None:
    monkeypatch.setattr(f"imcprobe.probe.exhaustion.{limit}", 0.2)
    with pytest.raises(ImcprobeError, match=told):
        await seen_by(Scan([Target("127.0.0.1")], dial=failing(code)))


async def test_what_was_waiting_for_this_machine_when_it_was_stopped_leaves_a_scan_incomplete(
    imc_server: ServerFactory,
) -> None:
    silent = imc_server(fault="silence")

    def scarce(sock: Socket, place: tuple[str, int]) -> int:
        return dial(sock, place) if place[0] == "127.0.0.1" else errno.EMFILE

    targets = [Target("127.0.0.1", silent.port), Target("127.0.0.2", silent.port)]
    scan = Scan(targets, ProbeOptions(greeting_timeout=0.5), dial=scarce)
    asyncio.get_running_loop().call_later(0.2, scan.stop)
    assert len(await seen_by(scan)) == 1
    assert not scan.complete


@pytest.mark.parametrize("zone", ["nope", "a\0b", "\u0661", "9" * 20])
async def test_a_zone_that_does_not_exist_is_unreachable(zone: str) -> None:
    (seen,) = await seen_by(Scan([Target(f"fe80::1%{zone}")]))
    assert (seen.status, seen.error) == (Status.UNREACHABLE, "ENODEV")


async def test_bytes_of_what_has_ended_are_held_no_longer(imc_fleet: FleetFactory) -> None:
    long = b"220-" + b"x" * 30_000 + b"\r\n220 " + b"y" * 20_000 + b"\r\n"
    fleet = imc_fleet([long] * 10, fault="split=30006")
    scan = Scan([Target(server.host, server.port) for server in fleet])
    async for _ in scan.batches():
        assert scan._sweep is not None
        held = [late.reader.data for _, _, late in scan._sweep._slow._heap if late.sock.fileno() < 0]
        assert not any(held)


async def test_a_conversation_that_is_cut_short_keeps_its_greeting(imc_server: ServerFactory) -> None:
    server = imc_server(fault="ehlo:silence")
    scan = Scan([Target("127.0.0.1", server.port)], ProbeOptions(ehlo=True))
    running = asyncio.ensure_future(seen_by(scan))
    await until(lambda: server.received != [] and b"EHLO" in server.received[0])
    scan.stop(0.1)
    (seen,) = await running
    assert (seen.status, seen.ehlo) == (Status.SUCCESS, None)
    assert seen.greeting


async def test_a_lookup_may_time_out_by_itself_and_a_machine_may_have_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def timed_out(_host: str, _version: int | None) -> list[str]:
        raise TimeoutError

    resolver = Resolver(timed_out, None)
    with pytest.raises(TimeoutError):
        await resolver.wait(resolver.ask("mx.example.com"))
    assert (resolver._asked, resolver._stuck) == (0, 0)

    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    with pytest.raises(OSError, match="can't start new thread"):
        await resolver.wait(resolver.ask("mx.example.com"))
    assert resolver._asked == 0


async def test_the_first_of_two_addresses_may_be_without_a_route(imc_server: ServerFactory) -> None:
    def first_fails(sock: Socket, place: tuple[str, int]) -> int:
        return errno.ENETUNREACH if place[0] == "192.0.2.1" else dial(sock, place)

    scan = Scan(
        [Target("mx.example.com", imc_server().port)],
        lookup=lambda _host, _version: ["192.0.2.1", "127.0.0.1"],
        dial=first_fails,
    )
    (seen,) = await seen_by(scan)
    assert (seen.status, seen.address) == (Status.SUCCESS, "127.0.0.1")


# Names


async def test_names_are_looked_up_a_bounded_number_at_a_time() -> None:
    asked: list[str] = []
    gate = threading.Event()

    def slow(host: str, _version: int | None) -> list[str]:
        asked.append(host)
        gate.wait(5)
        return []

    names = [Target(f"mx{number}.example.com") for number in range(3 * MAX_LOOKUPS)]
    scan = asyncio.ensure_future(seen_by(Scan(names, lookup=slow)))
    await until(lambda: len(asked) >= MAX_LOOKUPS)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(asked) == MAX_LOOKUPS
    gate.set()
    assert len({each.target for each in await scan}) == len(names)
    assert len(asked) == len(names)


async def test_a_resolver_that_answers_too_late_leaves_no_name_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imcprobe.probe.resolve.RESOLVE_TIMEOUT", 0.05)
    monkeypatch.setattr("imcprobe.probe.resolve.MAX_STUCK", 3)
    gate = threading.Event()

    def late(_host: str, _version: int | None) -> list[str]:
        gate.wait(5)
        return ["192.0.2.1"]

    names = [Target(f"mx{number}.example.com") for number in range(3 * MAX_LOOKUPS)]
    scan = Scan(names, lookup=late, dial=failing(errno.ENETUNREACH))
    running = asyncio.ensure_future(seen_by(scan))
    await until(lambda: scan._resolver._stuck >= MAX_LOOKUPS)
    assert not scan._resolver.free
    gate.set()
    statuses = Counter(each.status for each in await running)
    assert statuses[Status.RESOLUTION_ERROR] >= MAX_LOOKUPS
    assert statuses.total() == len(names)


async def test_names_that_hang_hold_up_no_address_behind_them(imc_server: ServerFactory) -> None:
    gate = threading.Event()

    def hanging(_host: str, _version: int | None) -> list[str]:
        gate.wait(5)
        return []

    address = Target("127.0.0.1", imc_server().port)
    names = [Target(f"mx{number}.example.com") for number in range(3 * MAX_LOOKUPS)]
    first: list[Target] = []
    async with aclosing(Scan([*names, address], lookup=hanging).batches()) as batches:
        async for batch in batches:
            first = first or [each.target for each in batch]
            gate.set()
    assert first == [address]


async def test_names_that_wait_are_bounded_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcprobe.probe.scan.MAX_NAMES", 5)
    pulled: list[int] = []
    gate = threading.Event()

    def hanging(_host: str, _version: int | None) -> list[str]:
        gate.wait(30)
        return []

    def names() -> Iterator[Target]:
        for number in range(200):
            pulled.append(number)
            yield Target(f"mx{number}.example.com")

    running = asyncio.ensure_future(seen_by(Scan(names(), ProbeOptions(concurrency=10), lookup=hanging)))
    await until(lambda: len(pulled) >= MAX_LOOKUPS + 5)  # those that are asked for, and those that wait
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(pulled) <= MAX_LOOKUPS + 5 + 10 + 1  # asked for, waiting, held, one ahead
    gate.set()
    assert len({each.target for each in await running}) == 200


async def test_addresses_go_on_while_names_are_looked_up(imc_server: ServerFactory) -> None:
    gate = threading.Event()
    server = imc_server()

    def slow(_host: str, _version: int | None) -> list[str]:
        gate.wait(5)
        return ["127.0.0.1"]

    order = []
    scan = Scan([Target("mx.example.com", server.port), Target("127.0.0.1", server.port)], lookup=slow)
    async for batch in scan.batches():
        order += [each.target.host for each in batch]
        gate.set()
    assert order == ["127.0.0.1", "mx.example.com"]


async def test_a_resolver_that_hangs_is_given_up_and_its_late_answer_ignored() -> None:
    gate = threading.Event()

    def hanging(_host: str, _version: int | None) -> list[str]:
        gate.wait(5)
        return ["127.0.0.1"]

    freed = asyncio.Event()
    resolver = Resolver(hanging, None, freed=freed.set, limit=0.05)
    with pytest.raises(TimeoutError):
        await resolver.wait(resolver.ask("mx.example.com"))
    assert (resolver._asked, resolver._stuck) == (0, 1)
    gate.set()
    await asyncio.wait_for(freed.wait(), 5)
    assert (resolver._asked, resolver._stuck) == (0, 0)


async def test_a_name_has_so_many_addresses_and_no_more() -> None:
    many = [f"192.0.2.{last}" for last in range(1, 20)]
    resolver = Resolver(lambda _host, _version: many, None)
    assert await resolver.wait(resolver.ask("mx.example.com")) == tuple(many[:MAX_ADDRESSES])


@pytest.mark.parametrize("kind", [ValueError, KeyError])
async def test_what_a_lookup_raises_is_raised(kind: type[Exception]) -> None:
    def bad(_host: str, _version: int | None) -> list[str]:
        raise kind("label too long")

    resolver = Resolver(bad, None)
    with pytest.raises(kind, match="label too long"):
        await resolver.wait(resolver.ask("x"))


def test_an_answer_after_the_end_of_the_loop_is_nobodys() -> None:
    gate = threading.Event()
    asked = threading.Event()

    def late(_host: str, _version: int | None) -> list[str]:
        asked.set()
        gate.wait(5)
        return []

    async def ask() -> None:
        resolver = Resolver(late, None, limit=0.01)
        with pytest.raises(TimeoutError):
            await resolver.wait(resolver.ask("x"))

    asyncio.run(ask())
    assert asked.wait(5)
    threads = [thread for thread in threading.enumerate() if "_look_up" in thread.name]
    assert threads
    assert all(thread.daemon for thread in threads)
    gate.set()
    for thread in threads:
        thread.join(5)


@pytest.mark.parametrize(
    ("version", "found"),
    [(4, ["127.0.0.1"]), (6, ["::1"]), (None, ["::1", "127.0.0.1"])],
)
def test_a_name_is_looked_up_by_version_each_address_once(
    monkeypatch: pytest.MonkeyPatch, version: int | None, found: list[str]
) -> None:
    both = {socket.AF_INET6: "::1", socket.AF_INET: "127.0.0.1"}

    def answer(_host: str, _port: None, family: int, _type: int) -> list[tuple[Any, ...]]:
        chosen = [address for each, address in both.items() if family in (each, socket.AF_UNSPEC)]
        return [(family, 1, 6, "", (address, 0)) for address in chosen * 2]

    monkeypatch.setattr("imcprobe.probe.resolve.socket.getaddrinfo", answer)
    assert system_lookup("localhost", version) == found


@pytest.mark.parametrize(
    ("host", "literal"),
    [("10.0.0.1", True), ("::1", True), ("fe80::1%lo", True), ("localhost", False), ("127.1", False),
     ("0x7f.1", False)],
)  # fmt: skip
def test_a_literal_is_never_looked_up(host: str, literal: bool) -> None:
    assert is_literal(host) is literal


# Limits


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine with limits of its own, so that this one's stay as they are."""
    state = {"soft": 1024, "hard": 4096}

    def getrlimit(_what: int) -> tuple[int, int]:
        return state["soft"], state["hard"]

    def setrlimit(_what: int, new: tuple[int, int]) -> None:
        if new[0] > state.get("most", new[0]):
            raise ValueError("too many")
        state["soft"], state["hard"] = new

    monkeypatch.setattr("imcprobe.probe.limits.resource.getrlimit", getrlimit)
    monkeypatch.setattr("imcprobe.probe.limits.resource.setrlimit", setrlimit)
    return state


@pytest.mark.usefixtures("files")
def test_the_soft_limit_is_raised_to_the_hard_one_before_anything_is_lowered() -> None:
    assert allowed_connections(3000) == 3000
    assert open_files() == 4096
    assert allowed_connections(8000) == 4096 - RESERVED_FILES


def test_a_limit_that_cannot_be_raised_lowers_the_connections(files: Any) -> None:
    files["most"] = 2000
    assert allowed_connections(3000) == 1024 - RESERVED_FILES


def test_where_there_is_no_limit_nothing_is_lowered(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    files.update(soft=resource.RLIM_INFINITY, hard=resource.RLIM_INFINITY)
    assert (allowed_connections(50_000), open_files()) == (50_000, 0)
    monkeypatch.setattr(limits, "resource", None)
    assert (allowed_connections(50_000), open_files()) == (50_000, 0)


@pytest.mark.parametrize(("few", "allowed"), [(1, 1), (10, 8), (64, 48), (255, 192), (300, 236)])
def test_of_few_files_a_quarter_is_kept_and_the_rest_is_used(files: Any, few: int, allowed: int) -> None:
    files.update(soft=few, hard=few)
    assert allowed_connections(1000) == allowed


async def test_the_age_of_a_connection_is_known_where_the_system_tells(
    imc_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = imc_server()
    with socket.create_connection((server.host, server.port)) as sock:
        ago = connected_for(sock)
        assert ago is not None
        assert 0 <= ago < 5
        monkeypatch.setattr("imcprobe.probe.sockets._TCP_INFO", None)
        assert connected_for(sock) is None
        assert is_connected(sock)
    with socket.socket() as sock:
        assert not is_connected(sock)


async def test_the_default_poller_is_epoll_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    made = default_poller(loop, lambda: None, watch_connect=False)
    assert isinstance(made, EpollPoller)
    made.close()
    monkeypatch.delattr("select.epoll")
    other = default_poller(loop, lambda: None, watch_connect=False)
    assert not isinstance(other, EpollPoller)
    other.close()


async def test_what_is_wrong_with_one_address_is_no_matter_of_those_beside_it(
    poller: Any, imc_fleet: FleetFactory
) -> None:
    """They are opened in a row: an address without a socket for it must not end the row."""
    fleet = imc_fleet(6)
    targets = [Target(server.host, server.port) for server in fleet]
    targets[2:2] = [Target("fe80::1%nope"), Target("fe80::2%nope")]
    seen = {each.target: each.status for each in await seen_by(Scan(targets, poller=poller))}
    assert Counter(seen.values()) == {Status.SUCCESS: 6, Status.UNREACHABLE: 2}


async def test_the_last_target_is_known_to_be_the_last_whatever_the_rate(imc_server: ServerFactory) -> None:
    target = Target("127.0.0.1", imc_server().port)
    began = time.monotonic()
    assert len(await seen_by(Scan([target], ProbeOptions(rate=0.1)))) == 1
    assert time.monotonic() - began < 5


async def test_a_retry_that_a_stop_kept_from_being_made_leaves_a_scan_incomplete(
    imc_server: ServerFactory,
) -> None:
    silent = imc_server(fault="silence")
    scan = Scan([Target("127.0.0.1", silent.port)], ProbeOptions(greeting_timeout=0.4, retries=3))
    asyncio.get_running_loop().call_later(0.1, scan.stop)
    (seen,) = await seen_by(scan)
    assert (seen.status, seen.attempts) == (Status.IO_TIMEOUT, 1)
    assert not scan.complete


@pytest.mark.parametrize("options", [{}, {"ehlo": True}, {"watch_connect": True}], ids=str)
async def test_a_greeting_in_pieces_has_all_its_time_from_the_connection_on(
    poller: Any, deaf: str, imc_server: ServerFactory, options: dict[str, Any]
) -> None:
    """The time that went to an address before it is not its own."""
    port = int(deaf.rpartition(":")[2])

    def two_hosts(sock: Socket, place: tuple[str, int]) -> int:
        return dial(sock, ("127.0.0.1", port if place[0] == "192.0.2.1" else server.port))

    async def in_two(line: Line, data: bytes) -> None:
        await line.send(data[:9])
        await asyncio.sleep(0.2)
        await line.send(data[9:])

    server = imc_server(fault=Fault(in_two))
    limits = ProbeOptions(connect_timeout=1.6, greeting_timeout=0.7, **options)
    scan = Scan(
        [Target("mx.example.com")],
        limits,
        poller=poller,
        lookup=lambda _host, _version: ["192.0.2.1", "192.0.2.2"],
        dial=two_hosts,
    )
    (seen,) = await seen_by(scan)
    assert (seen.status, seen.address) == (Status.SUCCESS, "192.0.2.2")
    assert seen.times.greeting_ms is not None
    assert seen.times.greeting_ms < 700
    if seen.times.connect_ms is not None:
        assert seen.times.connect_ms < 500


async def test_bytes_behind_a_greeting_are_kept_whatever_its_length(
    poller: Any, imc_server: ServerFactory
) -> None:
    for length in (FIRST_READ - 1, FIRST_READ, FIRST_READ + 1):
        greeting = b"220 ".ljust(length - 2, b"x") + b"\r\n"
        server = imc_server(greeting + b"250 early\r\n")
        (seen,) = await seen_by(Scan([Target("127.0.0.1", server.port)], poller=poller))
        assert seen.greeting == greeting + b"250 early\r\n"


async def test_a_refusal_in_pieces_is_left_politely_and_at_once(
    poller: Any, imc_server: ServerFactory
) -> None:
    server = imc_server(b"554 5.7.1 No SMTP service here\r\n", fault="split=9")
    began = time.monotonic()
    (seen,) = await seen_by(Scan([Target("127.0.0.1", server.port)], ProbeOptions(ehlo=True), poller=poller))
    assert seen.status is Status.APPLICATION_ERROR
    assert time.monotonic() - began < 1.2  # less than a goodbye that is not answered
    imc_server.settle(1)
    assert server.received == [b"QUIT\r\n"]


class Outage:
    """IPv6 that was there for its first connection, and then no more."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.lost = False

    def dial(self, sock: Socket, place: tuple[str, int]) -> int:
        if ":" not in place[0]:
            return dial(sock, ("127.0.0.1", self._port))
        if self.lost:
            return errno.ENETUNREACH
        self.lost = True
        return errno.EINPROGRESS

    def has_route(self, address: str) -> bool:
        return ":" not in address or not self.lost


async def test_ipv6_that_went_away_holds_no_name_up_that_has_ipv4(imc_server: ServerFactory) -> None:
    outage = Outage(imc_server().port)
    names = [Target(f"mx{number}.example.com") for number in range(20)]
    scan = Scan(
        [Target("2001:db8::1"), *names],
        ProbeOptions(connect_timeout=0.3),
        lookup=lambda _host, _version: ["2001:db8::2", "127.0.0.2"],
        dial=outage.dial,
        has_route=outage.has_route,
    )
    seen: list[Observation] = []
    async with asyncio.timeout(10):
        async for batch in scan.batches():
            seen += [each for each in batch if each.target in names]
            if len(seen) >= len(names):
                break
    assert [(each.status, each.address) for each in seen] == [(Status.SUCCESS, "127.0.0.2")] * len(names)


@pytest.mark.parametrize("concurrency", [1, 5, 500])
async def test_ipv6_that_went_away_holds_no_target_of_ipv4_up_and_is_not_blamed(
    imc_server: ServerFactory, concurrency: int
) -> None:
    outage = Outage(imc_server().port)
    mixed = [Target(f"127.0.0.{number}") for number in range(1, 101)]
    mixed[1::2] = [Target(f"2001:db8::{number:x}") for number in range(1, 51)]
    scan = Scan(
        mixed,
        ProbeOptions(connect_timeout=0.3, concurrency=concurrency),
        dial=outage.dial,
        has_route=outage.has_route,
    )
    seen: list[Observation] = []
    async with asyncio.timeout(10):
        async for batch in scan.batches():
            assert all(each.status is not Status.UNREACHABLE for each in batch)
            seen += [each for each in batch if ":" not in each.target.host]
            if len(seen) >= 50:
                break
    assert [each.status for each in seen] == [Status.SUCCESS] * 50


async def test_what_the_fast_lane_makes_has_its_fields_in_their_order(
    poller: Any, imc_fleet: FleetFactory, deaf: str
) -> None:
    """It makes observations by the order of their fields, without naming them."""
    good, refusing = imc_fleet(["5.5.2650.21", "refused"])
    host, _, port = deaf.rpartition(":")
    targets = [Target(good.host, good.port), Target(refusing.host, refusing.port), Target(host, int(port))]
    scan = Scan(targets, ProbeOptions(connect_timeout=0.5, greeting_timeout=0.5), poller=poller)
    seen = {each.target: each for each in await seen_by(scan)}
    now = time.time()
    expected = {
        targets[0]: {"status": Status.SUCCESS, "greeting": seen[targets[0]].greeting},
        targets[1]: {"status": Status.CONNECTION_REFUSED, "error": "ECONNREFUSED"},
        targets[2]: {"status": Status.CONNECTION_TIMEOUT, "error": "after 0.5 s"},
    }
    for target, fields in expected.items():
        made = seen[target]
        assert made.seen_at is not None
        assert abs(made.seen_at - now) < 20
        assert made == Observation(target, target.host, times=made.times, seen_at=made.seen_at, **fields)  # type: ignore[arg-type]
    assert seen[targets[0]].greeting.startswith(b"220 ")
    assert [seen[each].times.greeting_ms is None for each in targets] == [False, True, True]


async def test_a_greeting_takes_as_long_as_it_takes_in_milliseconds(imc_server: ServerFactory) -> None:
    (seen,) = await seen_by(Scan([Target("127.0.0.1", imc_server(fault="delay=200ms").port)]))
    assert seen.times.greeting_ms is not None
    assert 190 < seen.times.greeting_ms < 5000


async def test_a_rate_starts_no_more_at_once_than_there_are_places(
    imc_fleet: FleetFactory, poller: Any
) -> None:
    fleet = imc_fleet(12, fault="delay=20ms")
    scan = Scan(
        [Target(server.host, server.port) for server in fleet],
        ProbeOptions(concurrency=2, rate=10_000.0),
        poller=poller,
    )
    most = 0
    async for _ in scan.batches():
        assert scan._sweep is not None
        most = max(most, scan._sweep.in_flight)
    assert most <= 2


async def test_a_deaf_address_has_its_whole_connect_limit_whatever_that_of_greetings(
    poller: Any, deaf: str
) -> None:
    host, _, port = deaf.rpartition(":")
    limits = ProbeOptions(connect_timeout=0.5, greeting_timeout=0.1)
    (seen,) = await seen_by(Scan([Target(host, int(port))], limits, poller=poller))
    assert (seen.status, seen.error) == (Status.CONNECTION_TIMEOUT, "after 0.5 s")


async def test_a_slow_greeting_is_no_slow_connection(imc_fleet: FleetFactory, deaf: str) -> None:
    fleet = imc_fleet(8, fault="delay=400ms")
    host, _, port = deaf.rpartition(":")
    targets = [*(Target(server.host, server.port) for server in fleet), Target(host, int(port))]
    limits = ProbeOptions(adaptive=True, connect_timeout=8.0)
    seen = await seen_by(Scan(targets, limits))
    assert {each.error for each in seen if each.status is Status.CONNECTION_TIMEOUT} == {"after 1.2 s"}
