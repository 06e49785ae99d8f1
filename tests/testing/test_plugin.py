from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from imcprobe.errors import UsageError
from imcprobe.probe.api import check
from imcprobe.probe.options import ProbeOptions
from imcprobe.testing.factories import FleetFactory, ServerFactory
from imcprobe.testing.faults import parse_fault
from imcprobe.testing.fleet import Member, address_exists
from imcprobe.testing.greetings import greeting_for, named_greeting
from imcprobe.testing.running import LoopThread
from imcprobe.testing.server import DEFAULT_GREETING, MockServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.testing.factories import FaultSpec

    Dialogue = Callable[[MockServer, bytes], bytes]

BYE = b"221 closing connection\r\n"


def test_the_plugin_imports_pytest_and_nothing_heavy() -> None:
    code = (
        "import sys, pytest; old = {*sys.modules}; import imcprobe.testing.plugin;"
        "print(*{*sys.modules} - old)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    names = set(loaded.split())
    assert "imcprobe.testing.plugin" in names
    assert not {name for name in names if name.startswith(("asyncio", "socket", "ssl"))}
    assert {name for name in names if name.startswith("imcprobe.")} == {
        "imcprobe.testing",
        "imcprobe.testing.plugin",
    }


def test_a_server_says_the_build_that_was_asked_for(imc_server: ServerFactory, dialogue: Dialogue) -> None:
    server = imc_server(build="5.0.1460.8")
    assert server.address == f"{server.host}:{server.port}"
    assert dialogue(server, b"QUIT\r\n") == greeting_for("5.0.1460.8") + BYE
    assert server.received == [b"QUIT\r\n"]


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        (b"\xff", b"\xff" + BYE),
        ("postfix", named_greeting("postfix") + b"221 2.0.0 Bye\r\n"),
        ("993.5", greeting_for("4.0.993.5") + BYE),
    ],
)
def test_a_greeting_is_bytes_or_a_name_or_a_build(
    imc_server: ServerFactory, dialogue: Dialogue, greeting: bytes | str, said: bytes
) -> None:
    assert dialogue(imc_server(greeting), b"QUIT\r\n") == said


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (None, DEFAULT_GREETING + BYE),
        ("close=3", b"220"),
        (parse_fault("close=2"), b"22"),
        (["split=5", "quit:554"], DEFAULT_GREETING + b"554 No SMTP service here\r\n"),
        ([parse_fault("split=5"), "quit:close"], DEFAULT_GREETING),
    ],
)
def test_faults_are_text_or_made_or_several(
    imc_server: ServerFactory, dialogue: Dialogue, fault: FaultSpec, said: bytes
) -> None:
    assert dialogue(imc_server(fault=fault), b"QUIT\r\n") == said


def test_the_factory_waits_until_all_that_was_sent_is_recorded(imc_server: ServerFactory) -> None:
    server, refusing = imc_server(), imc_server(refused=True)
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(b"QUIT\r\n")
    imc_server.settle(connections=1)
    assert server.received == [b"QUIT\r\n"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((refusing.host, refusing.port))


async def test_a_server_serves_an_asynchronous_test_too(imc_server: ServerFactory) -> None:
    server = imc_server()
    reader, writer = await asyncio.open_connection(server.host, server.port)
    assert await reader.readline() == DEFAULT_GREETING
    writer.close()
    await writer.wait_closed()


def test_unknown_names_are_usage_errors(imc_server: ServerFactory, imc_fleet: FleetFactory) -> None:
    with pytest.raises(UsageError, match="greeting 'qmail': unknown"):
        imc_server("qmail")
    with pytest.raises(UsageError, match="fault 'slow': unknown"):
        imc_server(fault="slow")
    with pytest.raises(UsageError, match="a fleet of 0"):
        imc_fleet(0)


def test_a_fleet_has_a_member_for_each_thing_said(imc_fleet: FleetFactory, dialogue: Dialogue) -> None:
    members: list[bytes | str | Member] = ["2650.21", b"220 hi\r\n", "refused", Member(b"own"), "postfix"]
    fleet = imc_fleet(members, fault="quit:close")
    assert [dialogue(fleet[index], b"QUIT\r\n") for index in (0, 1, 3, 4)] == [
        DEFAULT_GREETING,
        b"220 hi\r\n",
        b"own" + BYE,
        named_greeting("postfix"),
    ]
    with pytest.raises(ConnectionRefusedError):
        dialogue(fleet[2], b"QUIT\r\n")


def test_fleets_do_not_meet(imc_fleet: FleetFactory) -> None:
    fleets = [imc_fleet(3) for _ in range(8)]
    assert len({address for fleet in fleets for address in fleet.addresses}) == 24


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_a_fleet_has_a_subnet_of_its_own(imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(254)
    assert len({server.host.rpartition(".")[0] for server in fleet}) == 1
    assert len({server.port for server in fleet}) == 1
    assert not fleet.address.startswith("127.0.")


async def test_a_server_has_tls_and_ntlm_when_it_is_told_to(imc_server: ServerFactory) -> None:
    everything = ProbeOptions(tls=True, ntlm=True)
    seen = (await check(imc_server(tls=True, ntlm="2003").address, options=everything)).observation
    assert seen.tls is not None
    assert seen.ntlm is not None
    assert (seen.tls.negotiated, seen.ntlm.windows) == (True, (5, 2, 3790))
    first = ProbeOptions(implicit_tls=True)
    seen = (await check(imc_server(implicit_tls=True).address, options=first)).observation
    assert seen.tls is not None
    assert (seen.tls.implicit, seen.tls.negotiated) == (True, True)
    with pytest.raises(UsageError, match="unknown"):
        imc_server(ntlm="3.11")


def test_where_only_one_address_exists_members_get_ports() -> None:
    with LoopThread() as thread, FleetFactory(thread, exists=lambda _: False) as factory:
        fleet = factory(3)
        assert {server.host for server in fleet} == {"127.0.0.1"}
        assert len({server.port for server in fleet}) == 3


@pytest.mark.parametrize(("host", "there"), [("127.0.0.1", True), ("192.0.2.1", False)])
def test_whether_an_address_exists_is_found_out(host: str, there: bool) -> None:
    assert address_exists(host) is there


def test_the_end_of_the_fixture_is_the_end_of_the_servers() -> None:
    with LoopThread() as thread, ServerFactory(thread) as factory:
        server = factory()
        socket.create_connection((server.host, server.port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port))


@pytest.fixture(scope="session")
def shared(imc_session_server: ServerFactory) -> MockServer:
    return imc_session_server("masked")


@pytest.mark.parametrize("turn", [1, 2])
def test_a_session_s_server_serves_test_after_test(shared: MockServer, dialogue: Dialogue, turn: int) -> None:
    assert dialogue(shared, b"QUIT\r\n") == named_greeting("masked") + BYE
    assert shared.connections >= turn - 1
