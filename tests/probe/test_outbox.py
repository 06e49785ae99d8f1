"""What waits to be taken: in batches that are no stranger's to make large."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from imcprobe.evidence import Certificate, Replies, Reply, Tls
from imcprobe.model import Observation, Status, Target
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.outbox import HEAVY, MAX_UNDELIVERED, MAX_UNDELIVERED_BYTES, Outbox
from imcprobe.probe.scan import Scan
from imcprobe.targets import parse

if TYPE_CHECKING:
    import pytest

    from imcprobe.testing.factories import FleetFactory

LONG = b"220 " + b"x" * 60_000 + b"\r\n"


def seen(number: int, greeting: bytes = b"220 mx\r\n") -> Observation:
    return Observation(Target(f"192.0.2.{number}"), None, Status.SUCCESS, greeting)


def test_what_waits_is_one_batch_in_the_order_in_which_it_came() -> None:
    box = Outbox()
    assert box.take() == []
    box.seen.append(seen(1))
    box.add(seen(2))
    assert box.take() == [[seen(1), seen(2)]]
    assert box.take() == []


def test_long_greetings_make_several_batches_and_lose_nothing() -> None:
    box = Outbox()
    everything = [seen(number, LONG if number % 3 else b"") for number in range(100)]
    for each in everything:
        box.add(each)
    batches = box.take()
    assert [each for batch in batches for each in batch] == everything
    assert max(sum(len(each.greeting) for each in batch) for batch in batches) < HEAVY + len(LONG)
    assert len(batches) == -(-66 // -(-HEAVY // len(LONG)))
    box.add(seen(1))
    assert box.take() == [[seen(1)]]


def test_what_a_conversation_brought_weighs_too() -> None:
    lines = ("x" * 20,) * 3_800
    said = sum(map(len, lines))
    tls = Tls(certificate=Certificate(b"c" * 1000), ehlo=lines)
    for more in (
        {"ehlo": lines},
        {"replies": Replies(help=Reply(214, lines), quit=Reply(221, lines))},
        {"tls": tls},
        {"tls": Tls()},
    ):
        box, each = Outbox(), seen(1)._replace(**more)
        box.add(each)
        least = said * (tls in more.values() or "ehlo" in more) + 2 * said * ("replies" in more)
        assert least <= box._weight - len(each.greeting) <= 6 * least + 1000 * (least > 0)


def test_many_observations_fill_it_and_so_do_fewer_long_ones() -> None:
    box = Outbox()
    for _ in range(MAX_UNDELIVERED):
        assert not box.is_full
        box.seen.append(seen(1))
    assert box.is_full
    box.take()
    for _ in range(-(-MAX_UNDELIVERED_BYTES // len(LONG))):
        assert not box.is_full
        box.add(seen(1, LONG))
    assert box.is_full
    box.take()
    assert not box.is_full


async def test_the_loop_has_its_turn_between_long_greetings(
    imc_fleet: FleetFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imcprobe.probe.outbox.HEAVY", len(LONG))
    fleet = imc_fleet([LONG] * 40)
    told: set[Target] = set()
    turns: list[int] = []
    async for batch in Scan(parse(fleet.addresses), ProbeOptions(quit=False)).batches():
        assert len(batch) == 1
        told.update(each.target for each in batch)
        asyncio.get_running_loop().call_soon(lambda: turns.append(len(told)))
    assert len(told) == 40
    assert len(set(turns)) >= 39


async def test_a_scan_that_was_stopped_does_not_wait_for_all_to_be_taken(
    imc_fleet: FleetFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imcprobe.probe.scan.LAST_CALL", 0.0)
    monkeypatch.setattr("imcprobe.probe.outbox.HEAVY", 1)
    fleet = imc_fleet([LONG] * 40)
    scan = Scan(parse(fleet.addresses), ProbeOptions(quit=False))
    told = 0
    async for batch in scan.batches():
        told += len(batch)
        scan.stop(0)
        await asyncio.sleep(0.001)
    assert 0 < told < 40
    assert not scan.complete
