"""A real server that lies: Postfix, whose greeting can say that it is Exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imcprobe
from imcprobe.model import Match

if TYPE_CHECKING:
    from tests.peers.conftest import Peer


async def test_of_a_postfix_in_disguise_the_greeting_is_reported(disguised: Peer) -> None:
    result = await imcprobe.check(disguised.host, disguised.port)
    found = result.identification
    assert found is not None
    assert (found.match, found.build) == (Match.EXACT, "5.5.2650.21")
    assert found.releases[0].name == "Exchange Server 5.5 Service Pack 3"


async def test_a_scan_of_both_gives_both(postfix: Peer, disguised: Peer) -> None:
    ports = (postfix.port, disguised.port)
    found = {
        result.observation.target.port: result.identification
        async for result in imcprobe.scan([postfix.host], ports=ports)
    }
    assert set(found) == set(ports)
    assert {port: each.exchange for port, each in found.items() if each} == dict(
        zip(ports, (False, True), strict=True)
    )
