"""Every option reaches what it is for: the probe, the files, the verdict, the two streams."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

import imcprobe
from imcprobe.cli.check import MAX_HOSTS
from imcprobe.model import Status
from imcprobe.testing import greeting_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imcprobe.testing.factories import FleetFactory, ServerFactory

    Cli = Callable[..., Any]

DEFAULTS: dict[str, Any] = {
    "concurrency": 1024,
    "connect_timeout": 5.0,
    "greeting_timeout": 30.0,
    "deadline": 60.0,
    "quit": True,
    "ehlo": False,
    "helo_name": None,
    "family": None,
    "rate": None,
    "per_net": None,
    "retries": 0,
    "adaptive": False,
    "tls": False,
    "implicit_tls": False,
    "ntlm": False,
    "help_command": False,
    "ptr": False,
    "all_addresses": False,
    "conversations": 1024,
    "only": [],
}
CONCURRENCY = {"check": MAX_HOSTS, "scan": 1024}

both_verbs = pytest.mark.parametrize("verb", ["check", "scan"])


@pytest.fixture
def deaf() -> Iterator[str]:
    """Address of a port whose backlog is full: a connection to it is never answered."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield f"127.0.0.1:{server.getsockname()[1]}"


def seconds(error: str) -> float:
    """How long it took by its own account: `after 0.2 s`; the defaults are far above."""
    after, taken, unit = error.split()
    assert (after, unit) == ("after", "s")
    return float(taken)


@both_verbs
@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        ([], {}),
        (["-4"], {"family": 4}),
        (["-6"], {"family": 6}),
        (["--no-quit"], {"quit": False}),
        (["--connect-timeout", "1500ms"], {"connect_timeout": 1.5}),
        (["--greeting-timeout", "2m"], {"greeting_timeout": 120.0}),
        (["--deadline", "7"], {"deadline": 7.0}),
        (["--ehlo"], {"ehlo": True}),
        (["--ehlo", "--helo-name", "mx.example.com"], {"ehlo": True, "helo_name": "mx.example.com"}),
        (["--retries", "2"], {"retries": 2}),
        (["--tls"], {"tls": True}),
        (["--tls", "--helo-name", "mx.example.com"], {"tls": True, "helo_name": "mx.example.com"}),
        (["--implicit-tls"], {"implicit_tls": True}),
        (["--ntlm"], {"ntlm": True}),
        (["--help-command"], {"help_command": True}),
        (["--ptr"], {"ptr": True}),
        (["--all-addresses"], {"all_addresses": True}),
    ],
    ids=" ".join,
)
def test_each_option_of_the_probe_is_in_the_head_and_changes_nothing_else(
    cli: Cli, imc_server: ServerFactory, verb: str, arguments: list[str], changed: dict[str, Any]
) -> None:
    head, *_ = cli(verb, imc_server().address, "-f", "jsonl", *arguments).records
    assert head["options"] == DEFAULTS | {"concurrency": CONCURRENCY[verb]} | changed


def test_the_pace_of_a_scan_is_in_the_head_and_is_announced(cli: Cli, imc_fleet: FleetFactory) -> None:
    options = {"-c": "7", "--rate": "2000", "--per-net": "3"}
    done = cli("scan", *imc_fleet(9).addresses, "-f", "jsonl", "--adaptive", *chain(*options.items()))
    pace = {"concurrency": 7, "rate": 2000.0, "per_net": 3, "adaptive": True}
    assert done.records[0]["options"] == DEFAULTS | pace
    assert "7 at a time" in done.err


@both_verbs
@pytest.mark.parametrize("limit", ["--greeting-timeout", "--deadline"])
def test_a_silent_server_is_given_up_after_the_limit(
    cli: Cli, imc_server: ServerFactory, verb: str, limit: str
) -> None:
    server = imc_server(fault="silence")
    (record,) = cli(verb, server.address, "-f", "jsonl", limit, "200ms").results
    assert record["status"] == "io-timeout"
    assert seconds(record["error"]) == pytest.approx(0.2, abs=2)


@both_verbs
@pytest.mark.parametrize("limit", ["--connect-timeout", "--deadline"])
def test_a_connection_that_does_not_come_is_given_up_after_the_limit(
    cli: Cli, deaf: str, verb: str, limit: str
) -> None:
    (record,) = cli(verb, deaf, "-f", "jsonl", limit, "200ms").results
    assert record["status"] == "connection-timeout"
    assert seconds(record["error"]) == pytest.approx(0.2, abs=2)


@both_verbs
def test_only_addresses_of_the_version_that_was_asked_for_are_tried(
    cli: Cli, imc_server: ServerFactory, verb: str
) -> None:
    server = imc_server()
    target = ["localhost", "-p", server.port, "-f", "jsonl"]
    (record,) = cli(verb, *target, "-4").results
    assert (record["status"], record["ip"]) == ("success", "127.0.0.1")
    (record,) = cli(verb, *target, "-6").results
    assert record["ip"] in ("::1", None)
    assert server.connections == 1


@both_verbs
@pytest.mark.parametrize(
    ("members", "arguments", "code"),
    [
        (["5.5.2650.21"], [], 0),
        (["5.5.2650.21"], ["--fail-on", "exchange"], 1),
        (["postfix"], ["--fail-on", "exchange"], 0),
        (["5.5.2650.21", "postfix"], ["--fail-on", "outdated"], 1),
        (["5.5.2653.13", "postfix"], ["--fail-on", "outdated"], 0),
        (["5.5.2650.21"], ["--expect", "5.5sp3"], 0),
        (["5.5.2650.21"], ["--expect", "5.5sp4"], 1),
        (["5.5.2650.21", "refused"], ["--expect", "5.5sp3"], 3),
        (["5.5.2650.21", "refused"], [], 0),
        (["5.5.2650.21", "refused"], ["--strict"], 3),
        (["5.5.2650.21", "postfix"], ["--strict"], 0),
        (["refused"], [], 3),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else None,
)
def test_the_exit_code_is_decided_by_what_was_asked(
    cli: Cli, imc_fleet: FleetFactory, verb: str, members: list[str], arguments: list[str], code: int
) -> None:
    assert cli(verb, *imc_fleet(members).addresses, *arguments).code == code


@both_verbs
def test_a_file_is_written_and_replaced_only_by_force(
    cli: Cli, imc_server: ServerFactory, tmp_path: Path, verb: str
) -> None:
    out, server = tmp_path / "a.json", imc_server()
    assert cli(verb, server.address, "-o", out).code == 0
    first = out.read_text()
    assert json.loads(first)["results"][0]["port"] == server.port
    assert cli(verb, server.address, "-o", out).code == 2
    assert out.read_text() == first
    other = imc_server("postfix")
    assert cli(verb, other.address, "-o", out, "--force").code == 0
    assert json.loads(out.read_text())["results"][0]["port"] == other.port


def test_a_file_of_identify_is_replaced_only_by_force(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    out.write_text("precious")
    greeting = greeting_for("5.5.2650.21").decode().strip()
    assert cli("identify", greeting, "-o", out).code == 2
    assert out.read_text() == "precious"
    assert cli("identify", greeting, "-o", out, "--force").code == 0
    assert "5.5.2650.21" in out.read_text()


@pytest.mark.parametrize("form", ["option", "file"])
def test_an_excluded_address_is_not_scanned(
    cli: Cli, imc_fleet: FleetFactory, tmp_path: Path, form: str
) -> None:
    fleet = imc_fleet(3)
    barred = tmp_path / "never.txt"
    barred.write_text(f"{fleet[1].host}\n")
    left_out = ("--exclude", fleet[1].host) if form == "option" else ("--exclude-file", barred)
    done = cli("scan", f"{fleet[0].host}-{fleet[2].host}", "-p", fleet[0].port, "-f", "jsonl", *left_out)
    assert [record["target"] for record in done.results].count(fleet[1].host) == 0
    assert [server.connections for server in fleet] == [1, 0, 1]
    assert "(1 excluded)" in done.err


@pytest.mark.parametrize(("only", "ports"), [("answered", [0, 1]), ("exchange", [0]), (None, [0, 1, 2])])
def test_a_file_holds_only_what_was_asked_for(
    cli: Cli, imc_fleet: FleetFactory, tmp_path: Path, only: str | None, ports: list[int]
) -> None:
    fleet = imc_fleet(["5.5.2650.21", "postfix", "refused"])
    out = tmp_path / "a.json"
    cli("scan", *fleet.addresses, "-o", out, *(() if only is None else ("--only", only)))
    held = {f"{record['ip']}:{record['port']}" for record in json.loads(out.read_text())["results"]}
    assert held == {fleet.addresses[at] for at in ports}


@both_verbs
def test_a_quiet_command_says_nothing_beside_its_data(
    cli: Cli, imc_server: ServerFactory, tmp_path: Path, verb: str
) -> None:
    address = imc_server().address
    assert "wrote" in cli(verb, address, "-o", tmp_path / "a.csv").err
    quiet = cli(verb, address, "-o", tmp_path / "b.csv", "-q")
    assert (quiet.err, quiet.out.count("\n")) == ("", 1)


def test_a_quiet_demo_says_nothing_beside_its_data(cli: Cli) -> None:
    quiet = cli("demo", "-q", "-f", "jsonl")
    assert (quiet.code, quiet.err) == (0, "")
    assert quiet.results


def test_a_quiet_mock_makes_no_remark(shell: Any) -> None:
    command = "imcprobe mock --port 0 --build 4.0.994.63 --exec true"
    assert "this one is made up" in shell(command).err
    quiet = shell(f"{command} -q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_a_greeting_that_is_nearly_a_name_is_said_as_it_is_and_told_of(shell: Any) -> None:
    for greeting, is_told in (("Exchange2013", True), ("exchange2013", False), ("220 hello", False)):
        done = shell(f"imcprobe mock --greeting '{greeting}' --port 0 --exec true")
        assert ("no server of that name is known" in done.err) is is_told


@pytest.mark.parametrize(
    ("same", "others", "remarked"), [(15, 0, False), (16, 0, True), (16, 16, False), (17, 16, True)]
)
def test_the_same_greeting_is_remarked_from_sixteen_that_are_more_than_half(
    cli: Cli, imc_fleet: FleetFactory, same: int, others: int, remarked: bool
) -> None:
    alike = [greeting_for("5.5.2650.21")] * same
    each_its_own = [greeting_for("5.5.2650.21", f"mx{at}.example.com") for at in range(others)]
    fleet = imc_fleet([*alike, *each_its_own])
    done = cli("scan", f"{fleet[0].host}-{fleet[-1].host}", "-p", fleet[0].port)
    told = f"the same greeting came from {same} of {same + others} addresses"
    assert (told in done.err) is remarked
    assert ("same greeting" in done.err) is remarked


# The library's front door.


async def test_check_measures_the_connection(imc_server: ServerFactory) -> None:
    result = await imcprobe.check(imc_server(fault="delay=200ms").address)
    assert result.observation.times.connect_ms is not None


async def test_scan_excludes_what_a_name_resolves_to() -> None:
    barred = ["127.0.0.0/8", "::1"]
    (result,) = [result async for result in imcprobe.scan(["localhost"], exclude=barred)]
    assert result.observation.status is Status.EXCLUDED
