"""A machine that really has no ports left, and one whose network really goes away."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess

    from tests.netns.conftest import Namespace

    Namespaces = tuple[Namespace, Namespace]

PORT = 2525

SERVER = f"""
import asyncio
from imcprobe.testing import MockServer, parse_fault

async def main():
    async with MockServer(host="0.0.0.0", port={PORT}, faults=[parse_fault("delay=20ms")]):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""

PORTS = f"""
import asyncio, errno, json, sys
from collections import Counter
from pathlib import Path
from imcprobe.model import Target
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.probe.sockets import dial
from imcprobe.testing import MockServer, parse_fault

async def main(options):
    codes = Counter()
    def noted(sock, place):
        code = dial(sock, place)
        codes[errno.errorcode.get(code, "0")] += 1
        return code
    async with MockServer(host="0.0.0.0", port={PORT}, faults=[parse_fault("delay=20ms")]):
        scan = Scan([Target("127.0.0.1", {PORT})] * 60, ProbeOptions(**options), dial=noted)
        seen = [each async for batch in scan.batches() for each in batch]
    print(json.dumps([codes, scan.complete, [[each.status, each.attempts] for each in seen]]))

Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40015")
asyncio.run(main(json.load(sys.stdin)))
"""

# What happens is told line by line: a first batch, a remark, and that nothing is under way any more.
OUTAGE = """
import asyncio, json, sys
from imcprobe.probe import options
options.QUIT_TIMEOUT = 0.5  # before it is imported by name
from imcprobe.model import Target
from imcprobe.probe import exhaustion
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan

exhaustion._LONG_PAUSE = 0.1

def tell(what, value=None):
    print(json.dumps([what, value]), flush=True)

async def main(targets, options):
    def remark(text):
        tell("remark", text)
        watching.append(asyncio.ensure_future(watch()))
    async def watch():
        while scan._sweep.in_flight:
            await asyncio.sleep(0.01)
        tell("idle")
    watching, seen = [], []
    scan = Scan([Target(*each) for each in targets], ProbeOptions(**options), remark=remark)
    async for batch in scan.batches():
        seen += batch
        tell("batch", len(batch))
    tell("seen", [[each.target.host, each.status, each.attempts] for each in seen])

asyncio.run(main(*json.load(sys.stdin)))
"""

LANES = pytest.mark.parametrize(
    "options", [{}, {"watch_connect": True}, {"ehlo": True}, {"per_net": 50}, {"retries": 2}], ids=str
)


@LANES
def test_a_machine_without_a_port_left_waits_for_one(namespaces: Namespaces, options: dict[str, Any]) -> None:
    """Sixty connections at once to one address and port, and sixteen ports to come from."""
    here, _ = namespaces
    codes, complete, seen = here.run(PORTS, options)
    assert complete
    assert codes["EADDRNOTAVAIL"] > 0
    assert seen == [["success", 1]] * 60


def lines_until(running: subprocess.Popen[str], what: str) -> list[Any]:
    """What a program tells, up to and with the first line of that kind."""
    told: list[Any] = []
    assert running.stdout is not None
    for line in running.stdout:
        told.append(json.loads(line))
        if told[-1][0] == what:
            return told
    assert running.stderr is not None
    pytest.fail(f"no {what} in {told}, but {running.stderr.read()}")


def connected(here: Namespace, there: Namespace) -> None:
    """A wire between the two, and servers on 198.51.100.0/24 at the far end."""
    here.ip(f"link add wire type veth peer name wire netns {there.name}")
    for name, space in (("1", here), ("2", there)):
        space.ip(f"address add 192.0.2.{name}/24 dev wire")
        space.ip("link set wire up")
    there.ip("route add local 198.51.100.0/24 dev lo")
    here.ip("route add 198.51.100.0/24 via 192.0.2.2")
    server = there.start(SERVER)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"


@LANES
@pytest.mark.parametrize("gone", ["route del 198.51.100.0/24", "link set wire down"])
def test_a_network_that_goes_away_in_mid_scan_is_waited_for(
    namespaces: Namespaces, gone: str, options: dict[str, Any]
) -> None:
    """It stays away until all that was under way has timed out; nothing of that is the targets' fault."""
    here, there = namespaces
    connected(here, there)
    hosts = [f"198.51.100.{last}" for last in range(1, 121)]
    limits = {"rate": 300.0, "connect_timeout": 0.5, "greeting_timeout": 0.5, "deadline": 1.0}
    running = here.start(OUTAGE, [[[host, PORT] for host in hosts], limits | options])
    told = lines_until(running, "batch")
    here.ip(gone)
    told += lines_until(running, "remark")
    told += lines_until(running, "idle")
    if gone.startswith("link"):
        here.ip("link set wire up")
    here.ip("route add 198.51.100.0/24 via 192.0.2.2")
    told += lines_until(running, "seen")
    seen = told[-1][1]
    assert Counter(host for host, _, _ in seen) == Counter(hosts)
    assert {(status, attempts) for _, status, attempts in seen} == {("success", 1)}
    (remark,) = [value for what, value in told if what == "remark"]
    assert remark.startswith("your network went away (no route) at 198.51.100.")


def test_what_never_had_a_route_is_unreachable_at_once_and_what_has_goes_on(namespaces: Namespaces) -> None:
    here, there = namespaces
    connected(here, there)
    hosts = [host for last in range(1, 31) for host in (f"203.0.113.{last}", f"198.51.100.{last}")]
    running = here.start(OUTAGE, [[[host, PORT] for host in hosts], {}])
    told = lines_until(running, "seen")
    statuses = {host: status for host, status, _ in told[-1][1]}
    assert statuses == {host: "unreachable" if host.startswith("203") else "success" for host in hosts}
    assert not [what for what, _ in told if what == "remark"]


def test_a_machine_without_any_network_says_so_of_each_target_and_ends(namespaces: Namespaces) -> None:
    here, _ = namespaces
    hosts = [f"198.51.100.{last}" for last in range(1, 31)]
    told = lines_until(here.start(OUTAGE, [[[host, PORT] for host in hosts], {}]), "seen")
    assert sorted(host for host, status, _ in told[-1][1] if status == "unreachable") == sorted(hosts)
    assert not [what for what, _ in told if what == "remark"]
