"""TLS with real servers: three that negotiate it, under a certificate nobody trusts, and one that cannot."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import imcprobe
from imcprobe.model import Status

if TYPE_CHECKING:
    from tests.peers.conftest import Peer

LOOKING = imcprobe.ProbeOptions(tls=True)


@pytest.fixture(params=["postfix", "exim", "aiosmtpd"])
def secured(request: pytest.FixtureRequest) -> Peer:
    """Those whose STARTTLS works."""
    found: Peer = request.getfixturevalue(request.param)
    return found


async def test_tls_of_a_real_server_is_negotiated_and_not_trusted(secured: Peer) -> None:
    result = await imcprobe.check(secured.host, secured.port, options=LOOKING)
    seen, tls = result.observation, result.observation.tls
    assert seen.error is None
    assert tls is not None
    assert (tls.implicit, tls.offered, tls.negotiated, tls.error) == (False, True, True, None)
    assert tls.version in {"TLSv1.2", "TLSv1.3"}
    assert tls.cipher
    assert tls.verified is False
    assert tls.distrust


async def test_the_certificate_of_a_real_server_is_read_though_nobody_trusts_it(secured: Peer) -> None:
    result = await imcprobe.check(secured.host, secured.port, options=LOOKING)
    assert result.observation.tls is not None
    found = result.observation.tls.certificate
    assert found is not None
    assert found.error is None
    assert (found.names, found.self_signed) == (("mx.example.com",), False)
    assert found.key is not None
    assert found.key.startswith("EC ")


async def test_inside_tls_a_real_server_offers_what_it_did_but_no_further_tls(secured: Peer) -> None:
    result = await imcprobe.check(secured.host, secured.port, options=LOOKING)
    seen, tls = result.observation, result.observation.tls
    assert seen.ehlo is not None
    assert {line.split()[0] for line in seen.ehlo[1:]} == secured.keywords
    assert tls is not None
    assert tls.ehlo is not None
    inside = {line.split()[0] for line in tls.ehlo[1:]}
    assert inside - {"AUTH"} == secured.keywords - {"STARTTLS"}  # aiosmtpd lets nobody log in without TLS


async def test_a_handshake_that_a_real_server_breaks_leaves_what_was_said_before(opensmtpd: Peer) -> None:
    """It answers STARTTLS with 220, and the client's first message with an alert."""
    result = await imcprobe.check(opensmtpd.host, opensmtpd.port, options=LOOKING)
    seen, found = result.observation, result.identification
    assert seen.status is Status.SUCCESS
    assert seen.greeting == b"220 mx.example.com ESMTP OpenSMTPD\r\n"
    assert found is not None
    assert (found.product, found.exchange) == ("OpenSMTPD", False)
    assert seen.ehlo is not None
    assert {line.split()[0] for line in seen.ehlo[1:]} == opensmtpd.keywords
    assert seen.tls is not None
    assert (seen.tls.offered, seen.tls.negotiated) == (True, False)
    assert (seen.tls.version, seen.tls.certificate) == (None, None)
    assert seen.tls.error


def test_the_screen_names_a_real_server_first_and_then_tells_of_ehlo_and_tls(peer: Peer) -> None:
    options = ["--ehlo", "--tls", "--format", "table", f"{peer.host}:{peer.port}"]
    command = [sys.executable, "-m", "imcprobe", "check", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    where, answer, *evidence = done.stdout.splitlines()
    assert where == f"{peer.host} port {peer.port}"
    assert answer == f"  Not Exchange: {peer.product}"
    assert {"Greeting", "EHLO", "TLS"} <= {line.split()[0] for line in evidence if line.strip()}
