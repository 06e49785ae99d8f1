"""What this machine has run out of, or its network being away: never the target's fault."""

from __future__ import annotations

import asyncio
import errno
import json
import resource
import socket
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.errors import ImcprobeError
from imcprobe.model import Observation, Status, Target
from imcprobe.probe.exhaustion import Exhaustion
from imcprobe.probe.late import of_one_address
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.probe.sockets import Socket, dial, has_route
from imcprobe.testing import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from imcprobe.testing import Line
    from imcprobe.testing.factories import FleetFactory, ServerFactory

    Until = Callable[[Callable[[], object]], Awaitable[None]]

HOSTS = [f"192.0.2.{last}" for last in range(1, 41)]
OPTIONS = pytest.mark.parametrize(
    "options",
    [{}, {"watch_connect": True}, {"ehlo": True}, {"per_net": 4}, {"rate": 500.0}, {"concurrency": 3}],
    ids=str,
)
REMARK = "your network went away (no route)"


@pytest.fixture(autouse=True)
def pause(monkeypatch: pytest.MonkeyPatch) -> float:
    """Networks of tests are away for shorter times."""
    seconds = 0.05
    monkeypatch.setattr("imcprobe.probe.exhaustion._LONG_PAUSE", seconds)
    monkeypatch.setattr("imcprobe.probe.exhaustion._SHORT_PAUSE", 0.01)
    monkeypatch.setattr("imcprobe.probe.sweep.AWAY_PAUSE", 0.2)
    return seconds


class Network:
    """A way to the hosts of the documentation networks, all of them one port here, that can go away.

    It goes for so many seconds, each time that so many connections have been begun as `gone_at` says.
    """

    def __init__(self, port: int, *, gone_at: tuple[int, ...] = (), seconds: float = 0.12) -> None:
        self.port = port
        self.gone_at = list(gone_at)
        self.begun = 0
        self.seconds = seconds
        self.back_at = 0.0
        self.without_a_way: set[str] = set()
        self.remarks: list[str] = []
        self.dialled: list[str] = []

    def go(self) -> None:
        self.back_at = time.monotonic() + self.seconds

    def dial(self, sock: Socket, place: tuple[str, int]) -> int:
        self.dialled.append(place[0])
        if self.begun in self.gone_at:
            self.gone_at.remove(self.begun)
            self.go()
        if self.has_route(place[0]):
            self.begun += 1
            return dial(sock, ("127.0.0.1", self.port))
        return errno.ENETUNREACH

    def has_route(self, address: str) -> bool:
        return time.monotonic() >= self.back_at and address not in self.without_a_way

    def scan(self, targets: list[Target], poller: Any, **options: Any) -> Scan:
        limits = {"connect_timeout": 3.0, "greeting_timeout": 3.0, "deadline": 5.0}
        return Scan(
            targets,
            ProbeOptions(**(limits | options)),
            poller=poller,
            dial=self.dial,
            has_route=self.has_route,
            remark=self.remarks.append,
        )


async def seen_by(scan: Scan) -> list[Observation]:
    async with asyncio.timeout(10):
        seen = [each async for batch in scan.batches() for each in batch]
    assert scan.complete
    return seen


def all_once(seen: list[Observation], targets: list[Target]) -> Counter[Status]:
    assert Counter(each.target for each in seen) == Counter(targets)
    assert {each.attempts for each in seen} == {1}
    return Counter(each.status for each in seen)


# The network goes away


@OPTIONS
@pytest.mark.parametrize("outages", [(12,), (12, 50)], ids=["once", "twice"])
async def test_a_network_that_goes_away_is_waited_for_and_nothing_is_unreachable(
    poller: Any, imc_server: ServerFactory, options: dict[str, Any], outages: tuple[int, ...]
) -> None:
    network = Network(imc_server().port, gone_at=outages)
    targets = [Target(host) for host in (*HOSTS, *(host.replace("192.0.2", "198.51.100") for host in HOSTS))]
    seen = await seen_by(network.scan(targets, poller, **options))
    assert all_once(seen, targets) == {Status.SUCCESS: 80}
    assert len(network.remarks) == len(outages)
    assert all(remark.startswith(REMARK) for remark in network.remarks)


async def test_nothing_is_busy_while_the_network_is_away(
    poller: Any, imc_server: ServerFactory, pause: float
) -> None:
    network = Network(imc_server().port, gone_at=(1,), seconds=0.3)
    began = time.monotonic()
    targets = [Target(host) for host in HOSTS[:3]]
    seen = await seen_by(network.scan(targets, poller, concurrency=1))
    assert all_once(seen, targets) == {Status.SUCCESS: 3}
    assert time.monotonic() - began >= 0.3
    assert len(network.dialled) <= 3 + 0.3 / pause


@OPTIONS
async def test_where_other_ways_stand_what_has_none_is_unreachable_at_once(
    poller: Any, imc_server: ServerFactory, options: dict[str, Any]
) -> None:
    network = Network(imc_server().port)
    network.without_a_way = set(HOSTS[10:20])
    targets = [Target(host) for host in HOSTS]
    began = time.monotonic()
    seen = await seen_by(network.scan(targets, poller, **options))
    assert all_once(seen, targets) == {Status.SUCCESS: 30, Status.UNREACHABLE: 10}
    assert {each.error for each in seen if each.status is Status.UNREACHABLE} == {"ENETUNREACH"}
    assert len(network.dialled) == 40
    assert network.remarks == []
    assert time.monotonic() - began < 2


@OPTIONS
async def test_a_scan_that_never_had_a_network_reports_that_and_ends(
    poller: Any, options: dict[str, Any]
) -> None:
    network = Network(9, gone_at=(0,), seconds=1e9)
    targets = [Target(host) for host in HOSTS]
    seen = await seen_by(network.scan(targets, poller, **options))
    assert all_once(seen, targets) == {Status.UNREACHABLE: 40}
    assert (len(network.dialled), network.remarks) == (40, [])


@pytest.mark.parametrize("lane", [{}, {"watch_connect": True}, {"ehlo": True}], ids=str)
@pytest.mark.parametrize("noticed", ["by a connection", "by silence"])
async def test_what_was_under_way_when_the_network_went_is_not_blamed(
    poller: Any, imc_server: ServerFactory, lane: dict[str, Any], noticed: str
) -> None:
    """Its time-out is no try, however long the network is away: here longer than its deadline."""
    network = Network(0, seconds=0.5)
    silent = [True] * 2

    async def away(line: Line, data: bytes) -> None:
        if silent:
            silent.pop()
            if not silent and noticed == "by silence":
                network.go()
            await line.until_left()
        await line.send(data)

    network.port = imc_server(fault=Fault(away)).port
    targets = [Target(host) for host in HOSTS[:2]]
    if noticed == "by a connection":
        targets += [Target(HOSTS[2])]
        network.gone_at = [2]
    scan = network.scan(targets, poller, greeting_timeout=0.15, deadline=0.2, **lane)
    seen = await seen_by(scan)
    assert all_once(seen, targets) == {Status.SUCCESS: len(targets)}
    assert len(network.remarks) == 1


async def test_a_name_whose_first_address_timed_out_meanwhile_begins_anew(
    poller: Any, imc_server: ServerFactory, deaf: str
) -> None:
    deaf_port, port = int(deaf.rpartition(":")[2]), imc_server().port
    network = Network(deaf_port, seconds=0.5)

    def out(sock: Socket, place: tuple[str, int]) -> int:
        code = network.dial(sock, place)
        if len(network.dialled) == 1:
            network.go()
            network.port = port
        return code

    scan = Scan(
        [Target("mx.example.com")],
        ProbeOptions(connect_timeout=0.3, deadline=0.5),
        poller=poller,
        dial=out,
        has_route=network.has_route,
        lookup=lambda _host, _version: ["192.0.2.1", "192.0.2.2"],
    )
    (seen,) = await seen_by(scan)
    assert (seen.status, seen.address, seen.attempts) == (Status.SUCCESS, "192.0.2.1", 1)
    assert "192.0.2.2" not in network.dialled


async def test_a_try_that_had_to_wait_for_the_network_is_made_after_its_deadline(
    poller: Any, imc_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imcprobe.probe.late.BACK_OFF", 0.01)
    resets = [True]

    async def once(line: Line, data: bytes) -> None:
        if resets:
            resets.pop()
            line.reset()
        await line.send(data)

    network = Network(imc_server(fault=Fault(once)).port, gone_at=(1,), seconds=0.4)
    (seen,) = await seen_by(network.scan([Target(HOSTS[0])], poller, retries=1, deadline=0.2))
    assert (seen.status, seen.attempts) == (Status.SUCCESS, 2)


async def test_ipv6_may_be_away_by_itself_and_is_told_of_once(poller: Any, imc_server: ServerFactory) -> None:
    port, away, failed, remarks = imc_server().port, [False], [0], list[str]()

    def out(sock: Socket, place: tuple[str, int]) -> int:
        if ":" in place[0]:
            failed[0] += away[0]
            away[0] = away[0] and failed[0] < 20
        elif place[0] == HOSTS[2]:
            away[0] = True
        if ":" not in place[0]:
            return dial(sock, ("127.0.0.1", port))
        return errno.ENETUNREACH if away[0] else errno.EINPROGRESS

    def found(address: str) -> bool:
        return ":" not in address or not away[0]

    targets = [Target("2001:db8::1")]
    for number, host in enumerate(HOSTS[:10]):
        targets += [Target(host), Target(f"2001:db8::{number + 2}")]
    options = ProbeOptions(greeting_timeout=0.3, connect_timeout=0.3, concurrency=3)
    scan = Scan(targets, options, poller=poller, dial=out, has_route=found, remark=remarks.append)
    seen = await seen_by(scan)
    # What stands for a connection over IPv6 was never connected.
    statuses = all_once(seen, targets)
    assert statuses[Status.SUCCESS] == 10
    assert Status.UNREACHABLE not in statuses
    assert len(remarks) == 1


@pytest.mark.parametrize("lane", [{}, {"watch_connect": True}], ids=str)
async def test_a_network_that_comes_back_in_the_middle_of_a_row_leaves_nothing_unreachable(
    poller: Any, imc_server: ServerFactory, lane: dict[str, Any]
) -> None:
    """The first of the row finds no way and the last one does, before anybody asks."""
    port, dialled = imc_server().port, list[str]()

    def out(sock: Socket, place: tuple[str, int]) -> int:
        dialled.append(place[0])
        return errno.ENETUNREACH if 4 < len(dialled) < 9 else dial(sock, ("127.0.0.1", port))

    targets = [Target(host) for host in HOSTS[:12]]
    options = ProbeOptions(**lane)
    seen = await seen_by(Scan(targets, options, poller=poller, dial=out, has_route=lambda _: True))
    assert all_once(seen, targets) == {Status.SUCCESS: 12}


@pytest.mark.parametrize("options", [{}, {"watch_connect": True}, {"per_net": 4}], ids=str)
async def test_a_system_that_knows_a_way_and_refuses_it_is_believed_the_second_time(
    poller: Any, options: dict[str, Any]
) -> None:
    dialled: list[str] = []

    def refuse(_sock: Socket, place: tuple[str, int]) -> int:
        dialled.append(place[0])
        return errno.ENETUNREACH

    targets = [Target(host) for host in HOSTS]
    scan = Scan(targets, ProbeOptions(**options), poller=poller, dial=refuse, has_route=lambda _: True)
    assert all_once(await seen_by(scan), targets) == {Status.UNREACHABLE: 40}
    assert len(dialled) == 80


@pytest.mark.parametrize("lane", [{}, {"watch_connect": True}, {"per_net": 4}], ids=str)
async def test_a_scan_that_is_stopped_while_the_network_is_away_ends_and_blames_nobody(
    poller: Any, imc_server: ServerFactory, lane: dict[str, Any], until: Until
) -> None:
    network = Network(imc_server(fault="silence").port, gone_at=(3,), seconds=1e9)
    options = {"greeting_timeout": 0.4, "concurrency": 6} | lane
    scan = network.scan([Target(host) for host in HOSTS], poller, **options)
    running = asyncio.ensure_future(anext(scan.batches(), None))
    await until(lambda: network.remarks)
    scan.stop()
    assert await asyncio.wait_for(running, 2) is None
    assert not scan.complete


def test_only_what_began_before_the_network_was_back_is_excused(monkeypatch: pytest.MonkeyPatch) -> None:
    now, away = [100.0], [False]
    monkeypatch.setattr("imcprobe.probe.exhaustion.time.monotonic", lambda: now[0])
    exhaustion = Exhaustion(lambda address: ":" in address or not away[0], lambda _: None)

    def excused(since: float, host: str = "192.0.2.1", status: Status = Status.IO_TIMEOUT) -> bool:
        now[0] += 1.0
        return exhaustion.excuses(Observation(Target(host), host, status), since)

    exhaustion.over("192.0.2.1")
    exhaustion.over("2001:db8::1")
    assert not excused(100.0)
    away[0] = True
    assert excused(100.0)
    assert not excused(100.0, status=Status.CONNECTION_REFUSED)
    assert not excused(100.0, host="2001:db8::1")
    away[0] = False
    assert excused(100.0)
    back = now[0]
    assert excused(back - 0.1)
    assert not excused(back)
    assert not excused(100.0, host="2001:db8::1")


def test_whether_there_is_a_way_is_not_judged_by_what_has_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_route("127.0.0.1")
    assert not has_route("255.255.255.255")

    def failing(code: int) -> Callable[..., Any]:
        def fail(*_: Any, **__: Any) -> None:
            raise OSError(code, "no socket")

        return fail

    for code in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EAGAIN):
        monkeypatch.setattr(socket, "socket", failing(code))
        assert has_route("192.0.2.1")
    for code in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        monkeypatch.setattr(socket, "socket", failing(code))
        assert not has_route("192.0.2.1")


@pytest.mark.usefixtures("ipv6")
def test_there_is_a_way_to_this_machine_by_ipv6() -> None:
    assert has_route("::1")


# Files and ports


@pytest.mark.parametrize("options", [{}, {"per_net": 1}, {"watch_connect": True}, {"rate": 1000.0}], ids=str)
@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL])
async def test_a_pause_that_passes_during_a_slow_turn_is_not_forgotten(
    poller: Any,
    imc_server: ServerFactory,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    code: int,
) -> None:
    """With nothing in flight only the alarm goes on."""
    turned = Scan.turned

    def slow(scan: Scan) -> None:
        until = time.monotonic() + 0.02
        while time.monotonic() < until:
            pass
        turned(scan)

    monkeypatch.setattr(Scan, "turned", slow)
    codes = [code, code]

    def scarce(sock: Socket, place: tuple[str, int]) -> int:
        return codes.pop() if codes else dial(sock, place)

    target = Target("127.0.0.1", imc_server().port)
    (seen,) = await seen_by(Scan([target], ProbeOptions(**options), poller=poller, dial=scarce))
    assert (seen.status, seen.attempts) == (Status.SUCCESS, 1)


def test_only_uninterrupted_failure_of_this_machine_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("imcprobe.probe.exhaustion.time.monotonic", lambda: now[0])
    exhaustion = Exhaustion(lambda _: True, lambda _: None)

    def fail(code: int, *, busy: bool = False) -> float | None:
        now[0] += 4.0
        return exhaustion.pause(code, of_one_address(Target("192.0.2.1")), busy=busy)

    assert fail(errno.EMFILE)
    assert fail(errno.EMFILE)
    assert fail(errno.EMFILE, busy=True)  # something can still end and free a file
    assert fail(errno.EMFILE)
    exhaustion.over("192.0.2.2")
    assert fail(errno.ENFILE)
    assert fail(errno.EHOSTUNREACH) is None  # a socket could be opened
    assert fail(errno.ENFILE)
    assert fail(errno.ENFILE)
    with pytest.raises(ImcprobeError, match="ENFILE for 5 s"):
        fail(errno.ENFILE)


async def test_a_machine_that_runs_out_in_a_callback_after_the_stop_does_not_hang(
    poller: Any, imc_server: ServerFactory
) -> None:
    """Whoever dials may stop the scan: what was to be begun just then is left out."""
    silent = imc_server(fault="silence")

    def stopping(sock: Socket, place: tuple[str, int]) -> int:
        if place[0] == "127.0.0.1":
            return dial(sock, place)
        scan.stop()
        return errno.EMFILE

    targets = [Target("127.0.0.1", silent.port), Target("127.0.0.2", silent.port)]
    scan = Scan(targets, ProbeOptions(greeting_timeout=0.2, rate=5.0), poller=poller, dial=stopping)
    async with asyncio.timeout(5):
        seen = [each async for batch in scan.batches() for each in batch]
    assert [each.target for each in seen] == targets[:1]
    assert not scan.complete


DRIVER = """
import asyncio, json, resource, sys
from imcprobe.model import Target
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.probe.sockets import dial

async def main(targets, options):
    failed, opened = [], []
    def noted(sock, place):
        opened.append(sock.fileno())
        return dial(sock, place)
    scan = Scan([Target(*each) for each in targets], ProbeOptions(**options), dial=noted)
    seen = [each async for batch in scan.batches() for each in batch]
    print(json.dumps([max(opened), scan.complete, [[each.target.host, each.status] for each in seen]]))

resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
asyncio.run(main(*json.load(sys.stdin)))
"""


@pytest.mark.parametrize("options", [{}, {"watch_connect": True}, {"per_net": 100}, {"retries": 2}], ids=str)
def test_a_process_that_may_open_few_files_finds_what_others_find(
    imc_fleet: FleetFactory, options: dict[str, Any]
) -> None:
    """300 places and 64 files: the limit is hit for real."""
    fleet = imc_fleet(["5.5.2650.21"] * 290 + ["refused"] * 10)
    given = json.dumps([[[server.host, server.port] for server in fleet], {"concurrency": 300} | options])
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, "64"], input=given, capture_output=True, text=True, check=True
    )
    highest, complete, seen = json.loads(done.stdout)
    assert highest == 63
    assert complete
    assert sorted(seen) == sorted(
        [server.host, "success" if number < 290 else "connection-refused"]
        for number, server in enumerate(fleet)
    )
    assert done.stderr == ""


def test_the_command_with_few_files_finds_what_it_finds_with_many(
    imc_fleet: FleetFactory, tmp_path: Path
) -> None:
    fleet = imc_fleet(["5.5.2650.21"] * 300)
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("\n".join(fleet.addresses))

    def found(files: int | None) -> list[str]:
        limit = None if files is None else f"ulimit -n {files} && "
        command = f'{limit or ""}exec "$0" -m imcprobe scan -i "$1" -q'
        done = subprocess.run(
            ["sh", "-c", command, sys.executable, str(hosts)], capture_output=True, text=True, check=True
        )
        return sorted(done.stdout.splitlines())

    few = found(64)
    assert len(few) == 300
    assert all("\tsuccess\t" in line for line in few)
    assert few == found(None)


@pytest.fixture(scope="session", autouse=True)
def _files() -> None:
    """This process is the servers of all that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == resource.RLIM_INFINITY or min(soft, hard) >= 512
