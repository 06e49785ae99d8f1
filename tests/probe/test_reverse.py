"""A scan that asks reverse DNS: what answered has names, and nobody waits for them longer than need be."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest

from imcprobe.errors import ImcprobeError
from imcprobe.model import Observation, Status, Target
from imcprobe.probe import reverse
from imcprobe.probe.api import new_scan
from imcprobe.probe.options import MAX_QUESTIONS, ProbeOptions
from imcprobe.probe.outbox import MAX_UNDELIVERED, Outbox
from imcprobe.probe.reverse import NamedScan
from imcprobe.probe.scan import STOP_GRACE, Scan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from imcprobe.testing.factories import FleetFactory, ServerFactory

    NameServer = Any
    Until = Callable[[Callable[[], object]], Awaitable[None]]

pytest.importorskip("dns")
OPTIONS = ProbeOptions(ptr=True, quit=False)


def arpa(address: str) -> str:
    return f"{'.'.join(reversed(address.split('.')))}.in-addr.arpa PTR"


def scan_of(servers: Any, name_server: NameServer, options: ProbeOptions = OPTIONS) -> NamedScan:
    return NamedScan(
        [Target(server.host, server.port) for server in servers], options, resolver=name_server.resolver
    )


def answered(address: str) -> Observation:
    return Observation(Target(address), address, Status.SUCCESS, b"220 x\r\n")


async def seen_by(scan: Scan) -> list[Observation]:
    async with asyncio.timeout(20):
        return [each async for batch in scan.batches() for each in batch]


async def test_what_answered_has_the_names_of_its_address(
    imc_fleet: FleetFactory, name_server: NameServer
) -> None:
    fleet = imc_fleet(["5.5.2650.21", b"554 not here\r\n", "5.0.1460.8"])
    name_server.records[arpa(fleet[0].host)] = ["mx.example.com.", "a.example.com."]
    scan = scan_of(fleet, name_server)
    found = {each.target.host: each for each in await seen_by(scan)}
    assert found[fleet[0].host].ptr == ("a.example.com", "mx.example.com")
    assert found[fleet[1].host].status is Status.APPLICATION_ERROR  # which is an answer
    assert found[fleet[1].host].ptr == ()
    assert found[fleet[2].host].ptr == ()
    assert scan.complete


async def test_nobody_is_asked_about_what_did_not_answer(
    imc_server: ServerFactory, name_server: NameServer
) -> None:
    refused = imc_server(refused=True)
    names = Target("mx.example.com")
    targets = [Target(refused.host, refused.port), names]
    scan = NamedScan(targets, OPTIONS, resolver=name_server.resolver, lookup=lambda _host, _version: [])
    assert [each.ptr for each in await seen_by(scan)] == [None, None]
    assert not name_server.asked


async def test_ports_of_one_address_share_a_question(
    imc_server: ServerFactory, name_server: NameServer
) -> None:
    server = imc_server()
    name_server.records[arpa("127.0.0.1")] = ["localhost."]
    targets = [Target("127.0.0.1", server.port)] * 50
    scan = NamedScan(targets, ProbeOptions(concurrency=5, ptr=True), resolver=name_server.resolver)
    assert [each.ptr for each in await seen_by(scan)] == [("localhost",)] * 50
    assert len(name_server.asked) == 1


async def test_names_that_were_long_not_needed_are_asked_for_again(
    name_server: NameServer,
) -> None:
    outbox = Outbox()
    naming = reverse._Naming(name_server.resolver, outbox, kept=2)
    for last in (1, 2, 1, 3, 1, 2):  # of which the second 2 was forgotten for 3
        naming.add([answered(f"192.0.2.{last}")])
        await asyncio.wait_for(naming.all_known(), 10)
    assert [each.ptr for each in outbox.seen] == [()] * 6
    assert [question[0] for question in name_server.asked] == ["1", "2", "3", "2"]
    outbox.wake()
    await naming.close()


async def test_a_slow_name_server_holds_up_no_other_result(
    imc_server: ServerFactory, name_server: NameServer
) -> None:
    name_server.gate.clear()
    server, refused = imc_server(), imc_server(refused=True)
    order = []
    async with aclosing(scan_of([server, refused], name_server).batches()) as batches:
        async for batch in batches:
            order += [each.target.port for each in batch]
            name_server.gate.set()
    assert order == [refused.port, server.port]


async def test_questions_at_once_are_bounded_and_none_is_forgotten(
    imc_fleet: FleetFactory, name_server: NameServer, until: Until
) -> None:
    name_server.gate.clear()
    fleet = imc_fleet(MAX_QUESTIONS + 10)
    scan = scan_of(fleet, name_server)
    running = asyncio.ensure_future(seen_by(scan))
    await until(lambda: len(scan._naming._waiting) == len(fleet))
    assert len(scan._naming._asking) == MAX_QUESTIONS
    name_server.gate.set()
    assert all(each.ptr == () for each in await running)
    assert {question.partition(" ")[0] for question in name_server.asked} == {
        arpa(server.host).partition(" ")[0] for server in fleet
    }


async def test_a_name_server_that_is_silent_holds_the_scan_when_enough_waits(
    imc_server: ServerFactory, name_server: NameServer, until: Until
) -> None:
    name_server.records[arpa("127.0.0.1")] = None
    port = imc_server().port
    pulled = count()

    def endless() -> Iterator[Target]:
        while True:
            next(pulled)
            yield Target("127.0.0.1", port)

    scan = NamedScan(
        endless(), ProbeOptions(concurrency=64, quit=False, ptr=True), resolver=name_server.resolver
    )
    running = asyncio.ensure_future(anext(scan.batches()))
    await until(lambda: scan._naming._is_full)
    for _ in range(2000):
        await asyncio.sleep(0)
    drawn = next(pulled)
    assert drawn <= 3 * MAX_UNDELIVERED + 64
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_after_a_stop_names_that_are_not_known_are_left_out(
    imc_fleet: FleetFactory, name_server: NameServer, until: Until
) -> None:
    fleet = imc_fleet(3)
    name_server.records[arpa(fleet[0].host)] = ["mx.example.com."]
    for server in list(fleet)[1:]:
        name_server.records[arpa(server.host)] = None
    scan = scan_of(fleet, name_server)
    seen: list[Observation] = []

    async def take() -> None:
        async for batch in scan.batches():
            seen.extend(batch)

    running = asyncio.ensure_future(take())
    await until(lambda: seen and len(scan._naming._waiting) == 2)
    began = time.monotonic()
    scan.stop(0.2)
    await asyncio.wait_for(running, 10)
    assert time.monotonic() - began < STOP_GRACE
    assert [each.ptr for each in seen] == [("mx.example.com",), None, None]
    assert not scan.complete


async def test_a_stop_before_the_beginning_and_one_after_the_end(
    imc_server: ServerFactory, name_server: NameServer
) -> None:
    scan = scan_of([imc_server()], name_server)
    scan.stop()
    assert await seen_by(scan) == []
    assert not scan.complete
    scan = scan_of([imc_server()], name_server)
    assert len(await seen_by(scan)) == 1
    scan.stop(0.0)
    await asyncio.sleep(0)
    assert scan.complete


async def test_who_takes_nothing_after_a_stop_is_not_waited_for(
    imc_fleet: FleetFactory, name_server: NameServer
) -> None:
    scan = scan_of(imc_fleet(3), name_server, ProbeOptions(concurrency=1, ptr=True))
    async with aclosing(scan.batches()) as batches:
        async for _ in batches:
            scan.stop(-1.0)  # its last moment has gone by
    assert not scan.complete


async def test_what_comes_behind_the_giving_up_goes_on_without_a_name(name_server: NameServer) -> None:
    outbox = Outbox()
    naming = reverse._Naming(name_server.resolver, outbox)
    seen = answered("127.0.0.1")
    naming.give_up()
    assert not naming.cut_short
    naming.add([seen])
    assert naming.cut_short
    assert outbox.seen == [seen]
    outbox.wake()


async def test_a_question_that_cannot_be_broken_off_is_nobodys() -> None:
    class Stubborn:
        async def resolve(self, *_arguments: object, **_more: object) -> list[object]:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked.set()
            return []

    asked = asyncio.Event()
    outbox = Outbox()
    naming = reverse._Naming(cast("Any", Stubborn()), outbox)
    naming.add([answered("127.0.0.1"), answered("127.0.0.1")])
    await asyncio.sleep(0)
    naming.give_up()
    await naming.close()
    assert asked.is_set()
    assert [each.ptr for each in outbox.seen] == [None, None]
    assert naming.cut_short
    outbox.wake()


async def test_an_error_of_the_scan_is_raised_when_all_was_handed_out(
    imc_server: ServerFactory, name_server: NameServer
) -> None:
    name_server.records[arpa("127.0.0.1")] = None
    port = imc_server().port
    failed = asyncio.Event()

    def broken() -> Iterator[Target]:
        yield Target("127.0.0.1", port)
        while not scan._naming._waiting:
            yield Target("127.0.0.1", 1)
        failed.set()
        raise ImcprobeError("the list has gone")

    scan = NamedScan(broken(), ProbeOptions(concurrency=2, ptr=True), resolver=name_server.resolver)
    seen: list[Observation] = []

    async def take() -> None:
        async for batch in scan.batches():
            seen.extend(each for each in batch if each.target.port == port)

    with pytest.raises(ImcprobeError, match="the list has gone"):
        await take()
    assert failed.is_set()
    assert [each.ptr for each in seen] == [None]
    assert not scan.complete


async def test_breaking_off_leaves_nothing_behind(
    imc_fleet: FleetFactory, name_server: NameServer, until: Until
) -> None:
    fleet = imc_fleet(5)
    for server in list(fleet)[1:]:
        name_server.records[arpa(server.host)] = None
    scan = scan_of(fleet, name_server)
    before = asyncio.all_tasks()
    async with aclosing(scan.batches()) as batches:
        await anext(batches)
        await until(lambda: scan._naming._asking)
    assert asyncio.all_tasks() == before
    assert not scan.complete


async def test_only_who_asks_for_names_pays_for_them(name_server: NameServer) -> None:
    assert type(new_scan([], ProbeOptions())) is Scan
    named = new_scan([], ProbeOptions(ptr=True), resolver=name_server.resolver)
    assert isinstance(named, NamedScan)
    assert await seen_by(named) == []
    assert named.complete
