"""Deadlines that hold: one cap for a target in all, and one for a scan of many that never end."""

from __future__ import annotations

import threading
import time
from itertools import cycle
from typing import TYPE_CHECKING

import pytest

from imcprobe.model import Observation, Status
from imcprobe.testing import Member, parse_fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from imcprobe.testing.factories import FleetFactory, ServerFactory

    Probe = Callable[..., Awaitable[list[Observation]]]

# What a machine under load may add, in seconds.
LATE = 1.0
TARPITS = ("silence", "drip=200ms", "ehlo:silence", "ehlo:drip=200ms")


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that comes at the end of the test, for whoever waits in a thread."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_resolver_that_hangs_ends_with_the_cap_of_the_target(
    probe: Probe, never: threading.Event
) -> None:
    def hanging(_host: str, _version: int | None) -> list[str]:
        never.wait(20)
        return []

    began = time.monotonic()
    (seen,) = await probe("mx.example.com", lookup=hanging, deadline=0.3)
    assert 0.25 < time.monotonic() - began < 0.3 + LATE
    assert (seen.status, seen.error) == (Status.RESOLUTION_ERROR, "no answer from the resolver in time")


async def test_the_cap_of_a_target_spans_the_lookup_of_its_name(
    probe: Probe, imc_fleet: FleetFactory, never: threading.Event
) -> None:
    fleet = imc_fleet([Member(faults=(parse_fault(fault),)) for fault in TARPITS])
    of_name = {f"mx{at}.example.com": server.host for at, server in enumerate(fleet)}

    def slow(host: str, _version: int | None) -> list[str]:
        never.wait(1.1)
        return [of_name[host]]

    began = time.monotonic()
    seen = await probe(
        *(f"{name}:{fleet[0].port}" for name in of_name), lookup=slow, deadline=1.3, ehlo=True, quit=False
    )
    assert 1.2 < time.monotonic() - began < 1.3 + LATE
    assert (
        sorted((each.status, each.ehlo) for each in seen)
        == [(Status.IO_TIMEOUT, None)] * 2 + [(Status.SUCCESS, None)] * 2
    )


async def test_the_cap_of_a_target_spans_its_retries(probe: Probe, imc_server: ServerFactory) -> None:
    began = time.monotonic()
    (seen,) = await probe(imc_server(fault="silence").address, greeting_timeout=0.3, deadline=1.6, retries=5)
    assert time.monotonic() - began < 1.6 + LATE
    assert (seen.status, seen.attempts) == (Status.IO_TIMEOUT, 2)


async def test_two_hundred_tarpits_end_in_one_deadline(probe: Probe, imc_fleet: FleetFactory) -> None:
    fleets = [imc_fleet(50, fault=fault) for fault in TARPITS]
    began = time.monotonic()
    seen = await probe(
        *(address for fleet in fleets for address in fleet.addresses), ehlo=True, quit=False, deadline=1.5
    )
    assert time.monotonic() - began < 1.5 + LATE
    assert len(seen) == 200
    assert sum(each.status is Status.SUCCESS for each in seen) == 100


async def test_a_clock_that_jumps_changes_no_limit_and_no_duration(
    probe: Probe, imc_fleet: FleetFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = cycle([0.0, 4e9, 1e6, 2e9])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    fleet = imc_fleet([Member(faults=(parse_fault(fault),)) for fault in ("silence", "delay=100ms", "split")])
    began = time.monotonic()
    silent, late, split = sorted(
        await probe(*fleet.addresses, greeting_timeout=0.5), key=lambda each: each.target
    )
    assert time.monotonic() - began < 0.5 + LATE
    assert (silent.status, silent.error) == (Status.IO_TIMEOUT, "after 0.5 s")
    for each, least in ((late, 100), (split, 0)):
        assert each.status is Status.SUCCESS
        assert each.times.greeting_ms is not None
        assert least <= each.times.greeting_ms < 1000
