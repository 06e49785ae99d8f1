from __future__ import annotations

import contextlib
import resource
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from imcprobe.errors import UsageError
from imcprobe.testing.faults import parse_fault
from imcprobe.testing.fleet import MAX_MEMBERS, Fleet, Member, allow_files
from imcprobe.testing.greetings import greeting_for
from imcprobe.testing.running import serve_in_thread
from imcprobe.testing.server import DEFAULT_GREETING, MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Dialogue = Callable[[MockServer, bytes], bytes]

BYE = b"221 closing connection\r\n"
OLD = greeting_for("4.0.993.5")

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")


@on_linux
def test_each_member_speaks_for_itself_on_consecutive_addresses(dialogue: Dialogue) -> None:
    members = [
        Member(),
        Member(OLD),
        Member(faults=(parse_fault("close=3"),)),
        Member(b"", ehlo=["mx.example.com"]),
    ]
    with serve_in_thread(Fleet(members, first="127.66.4.254")) as fleet:
        port = fleet[0].port
        assert fleet.addresses == tuple(
            f"{host}:{port}" for host in ("127.66.4.254", "127.66.4.255", "127.66.5.0", "127.66.5.1")
        )
        assert fleet.address == fleet.addresses[0]
        assert [dialogue(server, b"EHLO a\r\nQUIT\r\n")[-44:] for server in list(fleet)[2:]] == [
            b"220",
            b"250 mx.example.com\r\n" + BYE,
        ]
        assert [dialogue(server, b"QUIT\r\n") for server in list(fleet)[:2]] == [
            DEFAULT_GREETING + BYE,
            OLD + BYE,
        ]
        assert fleet[1].received == [b"QUIT\r\n"]


@pytest.mark.parametrize("by_ports", [pytest.param(False, marks=on_linux), True])
def test_a_refused_member_refuses_between_others(dialogue: Dialogue, by_ports: bool) -> None:
    members = [Member(), Member(refused=True), Member()]
    with serve_in_thread(Fleet(members, by_ports=by_ports)) as fleet:
        assert len(set(fleet.addresses)) == 3
        assert dialogue(fleet[0], b"QUIT\r\n") == dialogue(fleet[2], b"QUIT\r\n")
        with pytest.raises(ConnectionRefusedError):
            dialogue(fleet[1], b"QUIT\r\n")


@pytest.fixture
def free_ports() -> Iterator[int]:
    """The first of three ports in a row that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        for start in range(20_000, 30_000, 3):
            try:
                for port in range(start, start + 3):
                    sock = stack.enter_context(socket.socket())
                    sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            stack.close()
            yield start
            return
    pytest.fail("no free ports")


async def test_by_ports_a_given_port_is_the_first_of_a_row(free_ports: int) -> None:
    async with Fleet([Member()] * 3, port=free_ports, by_ports=True) as fleet:
        assert fleet.addresses == tuple(f"127.0.0.1:{free_ports + step}" for step in range(3))
        last = f"127.0.0.1:{free_ports + 2}"
        assert fleet.ready_line == f"imcprobe mock: 3 servers listening on 127.0.0.1:{free_ports} to {last}"


@on_linux
async def test_a_whole_subnet_takes_a_connection_on_every_address() -> None:
    async with Fleet([Member()] * 254) as fleet:
        assert len(fleet) == 254
        assert fleet.addresses[253].startswith("127.0.0.254:")
        for server in fleet:
            socket.create_connection((server.host, server.port)).close()
        await fleet.settle(connections=1)
        assert [server.connections for server in fleet] == [1] * 254


@on_linux
async def test_the_largest_fleet_fills_four_subnets() -> None:
    async with Fleet([Member()] * MAX_MEMBERS) as fleet:
        assert fleet.addresses[-1].startswith("127.0.3.254:")


@pytest.mark.parametrize("number", [0, MAX_MEMBERS + 1])
def test_a_fleet_has_bounds(number: int) -> None:
    with pytest.raises(UsageError, match=rf"a fleet of {number}: 1 to 1022 servers are possible"):
        Fleet([Member()] * number)


@pytest.mark.parametrize("first", ["localhost", "255.255.255.255", "127.0.0.1/8"])
def test_addresses_that_do_not_exist_are_a_usage_error(first: str) -> None:
    with pytest.raises(UsageError, match=r"2 addresses from '.*' on: "):
        Fleet([Member()] * 2, first=first)


async def test_a_fleet_that_cannot_have_a_port_leaves_none_taken() -> None:
    async with MockServer() as taken:
        with pytest.raises(UsageError, match="cannot listen on"):
            await Fleet([Member(), Member()], port=taken.port).start()
    async with MockServer(host="127.0.0.1", port=taken.port):
        pass


async def test_a_foreign_address_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1:0"):
        await Fleet([Member()], first="192.0.2.1").start()


class Unlucky(Fleet):
    """Finds a free port at the third attempt."""

    attempts = 0

    async def _start(self) -> None:
        self.attempts += 1
        if self.attempts < 3:
            raise UsageError("taken")
        await super()._start()


async def test_another_port_is_tried_when_the_system_may_choose() -> None:
    async with Unlucky([Member()]) as fleet:
        assert fleet.attempts == 3
    unlucky = Unlucky([Member()], port=2525)
    with pytest.raises(UsageError, match="taken"):
        await unlucky.start()
    assert unlucky.attempts == 1


def test_a_first_address_of_any_length_is_told_in_one_line() -> None:
    with pytest.raises(UsageError, match="2 addresses from 'xxx") as raised:
        Fleet([Member()] * 2, first="x" * 120_000)
    assert len(str(raised.value)) < 1000


@pytest.fixture
def few_files() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (700, hard))
    yield 700
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("wanted", "then"), [(600, 700), (800, 800)])
def test_open_files_are_allowed_as_needed(few_files: int, wanted: int, then: int) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == few_files
    allow_files(wanted)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == then


def test_open_files_beyond_the_hard_limit_are_no_error(few_files: int) -> None:
    allow_files(1 << 40)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= few_files
