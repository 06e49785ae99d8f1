"""What real servers say is understood: each of tests/peers/conftest.py, with and without a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imcprobe
from imcprobe.model import Family, Status

if TYPE_CHECKING:
    from tests.peers.conftest import Peer


async def test_a_real_server_is_named_by_its_greeting_and_is_no_exchange(peer: Peer) -> None:
    result = await imcprobe.check(peer.host, peer.port)
    found = result.identification
    assert result.observation.status is Status.SUCCESS
    assert result.observation.error is None
    assert found is not None
    assert (found.family, found.product) == (Family.OTHER_SMTP, peer.product)
    assert not found.exchange


async def test_the_name_in_a_real_greeting_is_the_host(postfix: Peer, exim: Peer, opensmtpd: Peer) -> None:
    for peer in (postfix, exim, opensmtpd):
        result = await imcprobe.check(peer.host, peer.port)
        assert result.identification is not None
        assert result.identification.host == "mx.example.com"


async def test_a_conversation_with_a_real_server_gives_its_keywords(peer: Peer) -> None:
    result = await imcprobe.check(peer.host, peer.port, options=imcprobe.ProbeOptions(ehlo=True))
    seen, found = result.observation, result.identification
    assert seen.error is None
    assert seen.ehlo is not None
    assert {line.split()[0] for line in seen.ehlo[1:]} == peer.keywords
    assert found is not None
    assert (found.product, found.exchange) == (peer.product, False)
