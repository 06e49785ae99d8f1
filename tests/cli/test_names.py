"""`--mx`, `--all-addresses` and `--ptr`: who is asked, what is probed, what is said when it cannot be."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imcprobe.testing import Fleet
    from imcprobe.testing.factories import FleetFactory, ServerFactory

    Cli = Callable[..., Any]
    NameServer = Any

pytest.importorskip("dns")
both_verbs = pytest.mark.parametrize("verb", ["check", "scan"])
RUN = "from imcprobe.cli.app import run; code = run(sys.argv[1:]); "
MAIN = "from imcprobe.cli.app import main; main()"


@pytest.fixture
def dns(name_server: NameServer, monkeypatch: pytest.MonkeyPatch) -> NameServer:
    """The name server of this machine, as far as dnspython knows."""
    monkeypatch.setattr("dns.asyncresolver.default_resolver", name_server.resolver)
    return name_server


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the system's resolver knows besides."""
    known: dict[str, list[str]] = {}
    ask = socket.getaddrinfo

    def answer(host: str, *rest: Any, **more: Any) -> list[Any]:
        if host not in known:
            return ask(host, *rest, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in known[host]]

    monkeypatch.setattr("imcprobe.probe.resolve.socket.getaddrinfo", answer)
    return known


@pytest.fixture
def fleet(imc_fleet: FleetFactory, dns: NameServer, hosts: dict[str, list[str]]) -> Fleet:
    """The mail hosts of example.com, and what does not belong to it."""
    fleet = imc_fleet(["5.5.2650.21", "5.0.1460.8", "postfix"])
    hosts |= {f"mx{at}.example.com": [server.host] for at, server in enumerate(fleet)}
    dns.records["example.com MX"] = ["20 mx0.example.com.", "10 mx1.example.com."]
    return fleet


@both_verbs
def test_the_mail_hosts_of_a_domain_are_targets(cli: Cli, fleet: Fleet, verb: str) -> None:
    done = cli(verb, "--mx", "example.com", "-p", fleet[0].port, "-f", "jsonl")
    assert done.code == 0
    assert {(each["target"], each["ip"]) for each in done.results} == {
        ("mx0.example.com", fleet[0].host),
        ("mx1.example.com", fleet[1].host),
    }
    assert done.records[0]["targets"] == 2


@both_verbs
def test_mail_hosts_come_beside_other_targets_each_once(
    cli: Cli, fleet: Fleet, dns: NameServer, verb: str
) -> None:
    dns.records["example.net MX"] = ["10 mx1.example.com.", "20 mx2.example.com."]
    done = cli(
        *[verb, "mx0.example.com", "--mx", "example.com", "--mx", "example.net"],
        *["-p", fleet[0].port, "-f", "jsonl"],
    )
    assert sorted(each["target"] for each in done.results) == [
        "mx0.example.com",
        "mx1.example.com",
        "mx2.example.com",
    ]


@pytest.mark.usefixtures("fleet")
def test_a_dry_run_lists_mail_hosts_in_the_order_of_preference(cli: Cli, dns: NameServer) -> None:
    done = cli("scan", "--mx", "example.com", "-p", "25,587", "--dry-run")
    names = ("mx1.example.com", "mx0.example.com")
    assert done.out.splitlines() == [f"{name}:{port}" for port in (25, 587) for name in names]
    assert dns.asked == ["example.com MX"]


def test_exclusions_hold_for_mail_hosts(cli: Cli, fleet: Fleet) -> None:
    excluded = ["--exclude", "mx0.example.com", "--exclude", fleet[1].host]
    done = cli("scan", "--mx", "example.com", "-p", fleet[0].port, "-f", "jsonl", *excluded)
    assert [(each["target"], each["status"]) for each in done.results] == [("mx1.example.com", "excluded")]
    assert [server.connections for server in fleet] == [0, 0, 0]
    everything = [*excluded, "--exclude", "mx1.example.com"]
    done = cli("scan", "--mx", "example.com", *everything)
    assert (done.code, done.err) == (2, "imcprobe: nothing is left to scan: 2 excluded. Exclude less.\n")


@both_verbs
def test_a_domain_that_cannot_be_looked_up_stops_before_the_first_connection(
    cli: Cli, fleet: Fleet, dns: NameServer, verb: str
) -> None:
    dns.records["example.net MX"] = "SERVFAIL"
    done = cli(*[verb, fleet[0].address, "--mx", "example.com", "--mx", "example.net", "--mx", "example.org"])
    told = 'imcprobe: "example.net": no name server could answer (SERVFAIL).\n'
    assert (done.code, done.out, done.err) == (3, "", told)
    assert [server.connections for server in fleet] == [0, 0, 0]


@both_verbs
def test_a_domain_that_takes_no_mail_is_told(cli: Cli, dns: NameServer, verb: str) -> None:
    dns.records["example.com MX"] = ["0 ."]
    done = cli(verb, "--mx", "example.com")
    told = 'imcprobe: "example.com" says that it takes no mail (null MX, RFC 7505).\n'
    assert (done.code, done.err) == (3, told)


@both_verbs
def test_what_is_no_domain_is_a_mistake_in_the_command(cli: Cli, dns: NameServer, verb: str) -> None:
    done = cli(verb, "--mx", "10.0.0.0/8\x1b")
    told = 'imcprobe: "10.0.0.0/8\\x1b" is no domain. Give one like example.com.\n'
    assert (done.code, done.err) == (2, told)
    assert not dns.asked


def test_other_mail_hosts_are_another_scan(cli: Cli, fleet: Fleet, dns: NameServer, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    assert cli("scan", "--mx", "example.com", "-p", fleet[0].port, "-o", out).code == 0
    assert cli("scan", "--mx", "example.com", "-p", fleet[0].port, "--resume", out).code == 0
    dns.records["example.com MX"] = ["10 mx2.example.com."]
    done = cli("scan", "--mx", "example.com", "-p", fleet[0].port, "--resume", out)
    assert done.code == 2
    assert "that scan had other targets or exclusions" in done.err


# Every address


@both_verbs
def test_each_address_of_a_name_counts_as_a_target(
    cli: Cli, fleet: Fleet, hosts: dict[str, list[str]], verb: str
) -> None:
    hosts["mx.example.com"] = [server.host for server in fleet]
    done = cli(verb, "mx.example.com", "-p", fleet[0].port, "-f", "jsonl", "--all-addresses")
    assert {each["ip"] for each in done.results} == {server.host for server in fleet}
    assert done.records[0]["targets"] == 1  # as many as were known at the start
    assert (done.records[-1]["targets"], done.records[-1]["complete"]) == (3, True)
    assert [server.connections for server in fleet] == [1, 1, 1]


def test_a_table_counts_and_announces_what_it_shows(
    cli: Cli, fleet: Fleet, hosts: dict[str, list[str]]
) -> None:
    hosts["mx.example.com"] = [server.host for server in fleet]
    done = cli("scan", "mx.example.com", "-p", fleet[0].port, "-f", "table", "--all-addresses")
    assert "imcprobe: 1 target (names: every address), port" in done.err
    assert "3 targets" in done.out


def test_a_scan_of_every_address_is_not_resumed(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    assert cli("scan", fleet[0].address, "-o", out).code == 0
    before = out.read_bytes()
    done = cli("scan", fleet[0].address, "--resume", out, "--all-addresses")
    why = "what is done is known by target, and a name has several records."
    told = f"imcprobe: --resume does not go with --all-addresses: {why} Leave one of them away.\n"
    assert (done.code, done.err) == (2, told)
    head, rest = before.split(b"\n", 1)
    record = json.loads(head)
    record["options"]["all_addresses"] = True
    out.write_bytes(json.dumps(record, separators=(",", ":")).encode() + b"\n" + rest)
    done = cli("scan", fleet[0].address, "--resume", out)
    told = f"imcprobe: --resume {out}: that scan had --all-addresses: {why} Start anew with --force.\n"
    assert (done.code, done.err) == (2, told)


def test_nobody_is_told_to_resume_a_scan_of_every_address(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    for _ in range(2):
        done = cli("scan", fleet[0].address, "-o", out, "--all-addresses")
    assert done.code == 2
    assert "--resume" not in done.err


# Reverse DNS


@both_verbs
def test_reverse_dns_is_asked_about_what_answered(
    cli: Cli, imc_server: ServerFactory, dns: NameServer, verb: str
) -> None:
    server = imc_server()
    assert cli(verb, server.address, "-f", "jsonl").code == 0
    assert not dns.asked
    done = cli(verb, server.address, "-f", "jsonl", "--ptr")
    assert dns.asked == ["1.0.0.127.in-addr.arpa PTR"]
    assert done.records[-1]["complete"]


def started(name_server: NameServer, *arguments: object) -> subprocess.Popen[str]:
    """The command as a user's shell runs it, where this is the name server."""
    port = name_server.resolver.port
    code = (
        f"import dns.asyncresolver as a; a.default_resolver = r = a.Resolver(configure=False); r.port={port};"
    )
    code += "r.nameservers = ['127.0.0.1']; " + MAIN
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_waits_for_no_name_server(imc_server: ServerFactory, name_server: NameServer) -> None:
    name_server.records["1.0.0.127.in-addr.arpa PTR"] = None
    # The limit for a name is 3 s, and the second question comes late.
    process = started(name_server, "scan", imc_server().address, "-f", "jsonl", "--ptr")
    while not name_server.asked:
        assert process.poll() is None
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert time.monotonic() - began < 4
    assert process.returncode == 130
    *_, result, summary = map(json.loads, out.splitlines())
    assert result["status"] == "success"
    assert summary["complete"] is False


def test_ctrl_c_ends_the_question_for_mail_hosts(name_server: NameServer) -> None:
    name_server.records["example.com MX"] = None
    process = started(name_server, "scan", "--mx", "example.com")
    while not name_server.asked:
        assert process.poll() is None
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert time.monotonic() - began < 3
    assert process.returncode == 130


# The extra


@both_verbs
@pytest.mark.parametrize("option", ["--mx", "--ptr"])
def test_without_the_extra_it_is_said_which_one_to_install(verb: str, option: str) -> None:
    arguments = ["--mx", "example.com"] if option == "--mx" else ["127.0.0.1", "-p", "1", "--ptr"]
    code = f"import sys; sys.modules['dns'] = None; {RUN}sys.exit(code)"
    command = [sys.executable, "-c", code, verb, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = f"imcprobe: {option} needs the \"dns\" extra: pip install 'imcprobe[dns]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


@both_verbs
@pytest.mark.parametrize("more", [[], ["--all-addresses"]])
def test_nothing_of_it_is_loaded_unless_it_is_asked_for(verb: str, more: list[str]) -> None:
    code = f"import sys; {RUN}print('\\n', *sys.modules)"
    command = [sys.executable, "-c", code, verb, "127.0.0.1", "-p", "1", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not {"dns", "imcprobe.probe.names", "imcprobe.probe.reverse"} & loaded
