"""Every address of a name: a record of its own for each, none of them excluded ones, none forgotten."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import imcprobe
from imcprobe.errors import UsageError
from imcprobe.model import Observation, Status, Target
from imcprobe.probe.limits import connections
from imcprobe.probe.options import MAX_ALL_ADDRESSES, ProbeOptions
from imcprobe.probe.resolve import MAX_LOOKUPS
from imcprobe.probe.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.testing.factories import FleetFactory, ServerFactory

OPTIONS = ProbeOptions(all_addresses=True, quit=False)


async def seen_by(scan: Scan) -> list[Observation]:
    async with asyncio.timeout(20):
        return [each async for batch in scan.batches() for each in batch]


def always(addresses: list[str]) -> Callable[[str, int | None], list[str]]:
    return lambda _host, _version: addresses


async def test_each_address_of_a_name_has_a_record(poller: Any, imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(["5.5.2650.21", "refused", "5.0.1460.8", "postfix", "5.5.2653.13", "refused"])
    name = Target("mx.example.com", fleet[0].port)
    scan = Scan([name], OPTIONS, lookup=always([server.host for server in fleet]), poller=poller)
    seen = {each.address: each for each in await seen_by(scan)}
    assert {*seen} == {server.host for server in fleet}
    assert {each.target for each in seen.values()} == {name}
    assert seen[fleet[1].host].status is Status.CONNECTION_REFUSED
    assert b"2653.13" in seen[fleet[4].host].greeting
    assert scan.further == len(fleet) - 1
    assert scan.complete


async def test_an_excluded_address_is_told_and_not_connected_to(imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(3)
    scan = Scan(
        [Target("mx.example.com", fleet[0].port)],
        OPTIONS,
        lookup=always([server.host for server in fleet]),
        excluded=fleet[1].host.__eq__,
    )
    seen = {each.address: each.status for each in await seen_by(scan)}
    assert seen == {
        fleet[0].host: Status.SUCCESS,
        fleet[1].host: Status.EXCLUDED,
        fleet[2].host: Status.SUCCESS,
    }
    assert fleet[1].connections == 0
    assert scan.further == 2


@pytest.mark.parametrize(
    ("found", "statuses"),
    [([], [Status.RESOLUTION_ERROR]), (["mx.example.com"], [Status.RESOLUTION_ERROR])],
)
async def test_a_name_without_an_address_has_one_record(found: list[str], statuses: list[Status]) -> None:
    scan = Scan([Target("mx.example.com")], OPTIONS, lookup=always(found))
    assert [each.status for each in await seen_by(scan)] == statuses
    assert scan.further == 0


async def test_addresses_of_a_name_are_bounded_and_it_is_told(imc_server: ServerFactory) -> None:
    told: list[str] = []
    port = imc_server(refused=True).port
    many = [f"127.0.{at // 250}.{at % 250 + 1}" for at in range(1000)]
    scan = Scan([Target("mx.example.com", port)], OPTIONS, lookup=always(many), remark=told.append)
    seen = await seen_by(scan)
    assert sorted(each.address or "" for each in seen) == sorted(many[:MAX_ALL_ADDRESSES])
    assert told == ['"mx.example.com" has 1000 addresses; 64 of them are probed.']


async def test_names_with_many_addresses_stay_within_bounds(imc_server: ServerFactory) -> None:
    """No more names are looked up than there is room for what they bring."""
    port = imc_server(refused=True).port
    many = [f"127.0.1.{last}" for last in range(1, MAX_ALL_ADDRESSES + 1)]
    names = [Target(f"mx{number}.example.com", port) for number in range(200)]
    options = ProbeOptions(all_addresses=True, concurrency=8)
    scan = Scan(names, options, lookup=always(many))
    most = 0
    count = 0
    async with asyncio.timeout(60):
        async for batch in scan.batches():
            count += len(batch)
            most = max(most, len(scan._running._intake))
    assert count == len(names) * MAX_ALL_ADDRESSES
    assert scan.further == count - len(names)
    assert most <= (2 * MAX_LOOKUPS + 1) * MAX_ALL_ADDRESSES
    assert scan.complete


async def test_a_stop_while_names_are_looked_up_leaves_the_scan_incomplete() -> None:
    gate, asked = threading.Event(), threading.Event()

    def slow(_host: str, _version: int | None) -> list[str]:
        asked.set()
        gate.wait(10)
        return ["127.0.0.1", "127.0.0.2"]

    scan = Scan([Target("mx.example.com", 1)], OPTIONS, lookup=slow)
    running = asyncio.ensure_future(seen_by(scan))
    await asyncio.to_thread(asked.wait, 10)
    scan.stop(0.2)
    gate.set()
    assert await running == []
    assert not scan.complete


def test_files_are_reckoned_with_for_every_address() -> None:
    assert connections(ProbeOptions(), 3) == 3
    assert connections(OPTIONS, 3) == 3 * MAX_ALL_ADDRESSES
    assert connections(OPTIONS, 0) == MAX_ALL_ADDRESSES
    assert connections(OPTIONS, 1000) == OPTIONS.concurrency


async def test_the_library_gives_one_result_for_each_address_of_a_scan_and_none_of_a_check() -> None:
    options = ProbeOptions(all_addresses=True, family=4)
    found = [each async for each in imcprobe.scan(["localhost"], ports=[1], options=options)]
    assert {each.observation.address for each in found} == {"127.0.0.1"}
    with pytest.raises(UsageError, match=r"^check\(\) gives one result: for all_addresses take scan\(\)\.$"):
        await imcprobe.check("localhost", options=options)
