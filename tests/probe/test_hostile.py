"""The hostile fleet, all of it at once: nothing lost, nobody fooled, nothing said that was not asked for."""

from __future__ import annotations

import asyncio
import re
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

# One scan for each: nothing but the greeting, its keywords, all there is.
ASKED: tuple[dict[str, bool], ...] = ({}, {"ehlo": True}, {"tls": True, "ntlm": True})
# As short as the fleet allows.
LIMIT = 3.0
DEADLINE = 4.5
# What a server may hear, in this order and of some of it nothing; TLS that it does not take is bytes to it.
HEARD = re.compile(
    rb"""
    (?: EHLO\ \[127\.0\.0\.1\]\r\n
        (?: HELO\ \[127\.0\.0\.1\]\r\n )?
        (?: STARTTLS\r\n (?: EHLO\ \[127\.0\.0\.1\]\r\n | \x16\x03.* )? )?
        (?: AUTH\ NTLM\r\n (?: TlRMTVNTUAAB[A-Za-z0-9+/=]+\r\n (?: \*\r\n )? )? )?
    )?
    (?: QUIT\r\n )?
    """,
    re.VERBOSE | re.DOTALL,
)


async def scanned(addresses: tuple[str, ...], poller: Any, **asked: Any) -> dict[str, Result]:
    options = ProbeOptions(connect_timeout=LIMIT, greeting_timeout=LIMIT, deadline=DEADLINE, **asked)
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
    plain, *talked = await asyncio.gather(*(scanned(fleet.addresses, poller, **each) for each in ASKED))
    assert time.monotonic() - began < DEADLINE + 1
    wrong = {}
    for server, (name, case) in zip(fleet, cases.items(), strict=True):
        wrong[name] = case.expected.differences(plain[server.address])
        for results, asked in zip(talked, ASKED[1:], strict=True):
            wrong[f"{name} {asked}"] = case.expected.differences(
                results[server.address], **{"ehlo": True} | asked
            )
    assert {name: each for name, each in wrong.items() if each} == {}
    # Whatever it is that never ends, one limit counts for all of it.
    everything = [each for results in (plain, *talked) for each in results.values()]
    timed_out = [each.observation for each in everything if is_silent(each)]
    assert {each.error for each in timed_out} == {"after 3 s"}
    # What is no reply is read to a bound, and not a byte further.
    assert max(len(each.observation.greeting) for each in everything) == MAX_REPLY_BYTES + 1

    imc_fleet.settle()
    for server, case in zip(fleet, cases.values(), strict=True):
        assert server.connections <= len(ASKED), case
        assert [said for said in server.received if not may_hear(case, said)] == [], case


def is_silent(result: Result) -> bool:
    return result.observation.status in (Status.IO_TIMEOUT, Status.CONNECTION_TIMEOUT)


def may_hear(case: Case, said: bytes) -> bool:
    """Whether a server may be told this: QUIT or nothing, and more when it has greeted and said only that."""
    if case.expected.status is Status.APPLICATION_ERROR or Caveat.EARLY_DATA in case.expected.caveats:
        return said in (b"", b"QUIT\r\n")
    if case.expected.status is not Status.SUCCESS:
        return said == b""
    return HEARD.fullmatch(said) is not None
