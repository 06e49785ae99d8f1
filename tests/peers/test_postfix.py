"""A real server: Postfix, installed from Debian by `.ci/run`, on loopback with its own queue and settings."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import socket
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

import imcprobe
from imcprobe.model import Family, Match, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {base}/maillog
maillog_file_prefixes = {base}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.com
mydestination =
smtpd_banner = {banner}
smtpd_peername_lookup = no
local_recipient_maps =
alias_maps =
smtpd_relay_restrictions = reject
"""
MASTER_CF = """
127.0.0.1:{own} inet n - n - - smtpd
127.0.0.1:{disguised} inet n - n - - smtpd
  -o {{ smtpd_banner = {banner} }}
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""
DISGUISE = "mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready"


def free_ports(count: int) -> list[int]:
    """Ports that nobody gets by asking the system for one, as other tests do, and that are free now."""
    sockets: list[socket.socket] = []
    while len(sockets) < count:
        with contextlib.suppress(OSError):
            sockets.append(socket.create_server(("127.0.0.1", secrets.choice(range(12_000, 19_000)))))
    ports = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


@pytest.fixture(scope="module")
def postfix() -> Iterator[tuple[int, int]]:
    """The ports of a Postfix with its own greeting, and of one that says it is Exchange 5.5 SP3."""
    program = shutil.which("postfix", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or os.geteuid() != 0:
        if os.environ.get("CI_PEERS"):
            pytest.fail("CI_PEERS is set, and there is no Postfix that could be started")
        pytest.skip("needs an installed Postfix, and root")
    own, disguised = free_ports(2)
    with TemporaryDirectory(prefix="imcprobe-postfix-", dir="/var/tmp") as folder:
        base = Path(folder)
        base.chmod(0o755)
        for name in ("queue", "data"):
            (base / name).mkdir()
        shutil.chown(base / "data", "postfix")
        (base / "main.cf").write_text(MAIN_CF.format(base=base, banner="$myhostname ESMTP $mail_name"))
        (base / "master.cf").write_text(MASTER_CF.format(own=own, disguised=disguised, banner=DISGUISE))
        command = [program, "-c", folder]
        started = subprocess.run([*command, "start"], capture_output=True, text=True, check=False)
        try:
            assert started.returncode == 0, started.stderr + started.stdout
            for port in (own, disguised):
                wait_for(port)
            yield own, disguised
        finally:
            subprocess.run([*command, "abort"], capture_output=True, check=False)


def wait_for(port: int) -> None:
    for _ in range(500):
        with socket.socket() as sock:
            sock.settimeout(10)
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                assert sock.recv(100).startswith(b"220 mx.example.com ")
                return
        select.select([], [], [], 0.02)
    pytest.fail(f"nothing listens on port {port}")


async def test_postfix_is_postfix(postfix: tuple[int, int]) -> None:
    result = await imcprobe.check("127.0.0.1", postfix[0])
    found = result.identification
    assert result.observation.status is Status.SUCCESS
    assert found is not None
    assert (found.family, found.product, found.host) == (Family.OTHER_SMTP, "Postfix", "mx.example.com")
    assert not found.exchange


async def test_of_a_postfix_in_disguise_the_greeting_is_reported(postfix: tuple[int, int]) -> None:
    result = await imcprobe.check("127.0.0.1", postfix[1])
    found = result.identification
    assert found is not None
    assert (found.match, found.build) == (Match.EXACT, "5.5.2650.21")
    assert found.releases[0].name == "Exchange Server 5.5 Service Pack 3"


async def test_a_conversation_with_postfix_gives_its_keywords(postfix: tuple[int, int]) -> None:
    options = imcprobe.ProbeOptions(ehlo=True)
    result = await imcprobe.check("127.0.0.1", postfix[0], options=options)
    assert result.observation.ehlo is not None
    assert {"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"} <= set(result.observation.ehlo)


async def test_a_scan_of_both_gives_both(postfix: tuple[int, int]) -> None:
    found = {
        result.observation.target.port: result.identification
        async for result in imcprobe.scan(["127.0.0.1"], ports=postfix)
    }
    assert set(found) == set(postfix)
