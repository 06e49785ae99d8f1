"""The hostile fleet, all of it at once: nothing lost, nobody fooled, nothing said that was not asked for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from imcprobe.fingerprint.identify import conclude
from imcprobe.fingerprint.reply import MAX_REPLY_BYTES
from imcprobe.model import Caveat, Status
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.targets import parse
from imcprobe.testing import hostile_cases

if TYPE_CHECKING:
    from imcprobe.model import Result
    from imcprobe.testing import Case
    from imcprobe.testing.factories import FleetFactory

# As short as the fleet allows.
LIMIT = 3.0
DEADLINE = 4.5
EHLO = b"EHLO [127.0.0.1]\r\n"
HELO = b"HELO [127.0.0.1]\r\n"


async def scanned(addresses: tuple[str, ...], poller: Any, *, ehlo: bool) -> dict[str, Result]:
    options = ProbeOptions(connect_timeout=LIMIT, greeting_timeout=LIMIT, deadline=DEADLINE, ehlo=ehlo)
    scan = Scan(parse(addresses), options, poller=poller)
    seen = [each async for batch in scan.batches() for each in batch]
    assert scan.complete
    assert Counter(str(each.target) for each in seen) == Counter(addresses)
    return {str(each.target): conclude(each) for each in seen}


async def test_the_hostile_fleet_is_reported_as_each_of_it_states(
    poller: Any, imc_fleet: FleetFactory
) -> None:
    cases = hostile_cases()
    fleet = imc_fleet([case.member for case in cases.values()])
    began = time.monotonic()
    plain, talked = await asyncio.gather(
        scanned(fleet.addresses, poller, ehlo=False), scanned(fleet.addresses, poller, ehlo=True)
    )
    assert time.monotonic() - began < DEADLINE + 1
    wrong = {}
    for server, (name, case) in zip(fleet, cases.items(), strict=True):
        wrong[name] = case.expected.differences(plain[server.address])
        wrong[f"{name}, EHLO"] = case.expected.differences(talked[server.address], ehlo=True)
    assert {name: each for name, each in wrong.items() if each} == {}
    # Whatever it is that never ends, one limit counts for all of it.
    everything = [*plain.values(), *talked.values()]
    timed_out = [each.observation for each in everything if is_silent(each)]
    assert {each.error for each in timed_out} == {"after 3 s"}
    # What is no reply is read to a bound, and not a byte further.
    assert max(len(each.observation.greeting) for each in everything) == MAX_REPLY_BYTES + 1

    imc_fleet.settle()
    for server, case in zip(fleet, cases.values(), strict=True):
        assert (server.connections <= 2, set(server.received) - may_hear(case)) == (True, set()), case


def is_silent(result: Result) -> bool:
    return result.observation.status in (Status.IO_TIMEOUT, Status.CONNECTION_TIMEOUT)


def may_hear(case: Case) -> set[bytes]:
    """What a server may be told: QUIT or nothing, and EHLO when it has greeted and said no more than that.

    HELO follows where EHLO is not known.
    """
    if case.expected.status is Status.APPLICATION_ERROR:
        return {b"", b"QUIT\r\n"}
    if case.expected.status is not Status.SUCCESS:
        return {b""}
    early = Caveat.EARLY_DATA in case.expected.caveats
    asked = set() if early else {EHLO, EHLO + HELO}
    return {b"", b"QUIT\r\n"} | asked | {each + b"QUIT\r\n" for each in asked}
