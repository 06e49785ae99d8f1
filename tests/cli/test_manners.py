"""Manners: what a server is told, byte for byte, whatever was asked for; and never a word more."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.testing import GREETING_NAMES, Member, member_of, parse_fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imcprobe.testing.factories import FleetFactory, ServerFactory

    Cli = Callable[..., Any]

QUIT = b"QUIT\r\n"
EHLO = b"EHLO [127.0.0.1]\r\n"
SPEAKING: list[tuple[tuple[str, ...], bytes]] = [
    ((), QUIT),
    (("--no-quit",), b""),
    (("--ehlo",), EHLO + QUIT),
    (("--ehlo", "--no-quit"), EHLO),
    (("--ehlo", "--helo-name", "probe.example.com"), b"EHLO probe.example.com\r\nQUIT\r\n"),
]
# What is no matter of the server's, for each of the above.
REST: dict[str, list[tuple[str, ...]]] = {
    "check": [
        (),
        ("--retries", "2"),
        ("--connect-timeout", "2", "--greeting-timeout", "2", "--deadline", "4"),
        ("-4", "-f", "json", "--fail-on", "exchange,outdated", "--strict", "--expect", "none", "-q"),
    ],
    "scan": [
        (),
        ("--retries", "2"),
        ("--rate", "500", "--per-net", "2", "--adaptive", "-c", "3"),
        ("--shuffle", "--seed", "7", "-f", "csv", "--only", "exchange", "-o", "OUT"),
        ("-4", "-vv", "-f", "line", "--strict", "--fail-on", "unsupported", "--no-color"),
    ],
}


def shown(value: tuple[str, ...] | bytes) -> str | None:
    return None if isinstance(value, bytes) else " ".join(value) or "nothing"


@pytest.mark.parametrize(("speaking", "said"), SPEAKING, ids=shown)
@pytest.mark.parametrize("verb", REST)
def test_each_connection_is_one_and_hears_exactly_this(
    cli: Cli, imc_fleet: FleetFactory, tmp_path: Path, verb: str, speaking: tuple[str, ...], said: bytes
) -> None:
    for number, rest in enumerate(REST[verb]):
        fleet = imc_fleet(["5.5.2650.21", "postfix", "windows"])
        out = str(tmp_path / f"{number}.csv")
        cli(verb, *fleet.addresses, *speaking, *(out if each == "OUT" else each for each in rest))
        for server in fleet:
            imc_fleet.settle(1)
            assert server.received == [said], (verb, *speaking, *rest)


STARTTLS = b"STARTTLS\r\n" + EHLO
# NEGOTIATE of NTLM, which has neither a name nor credentials, and the end of it.
NTLM = b"AUTH NTLM\r\nTlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADw==\r\n*\r\n"
HELO, HELP = b"HELO [127.0.0.1]\r\n", b"HELP\r\n"
# What each option has a server told, in this order: whatever it offers, and where it offers something.
ASKING: dict[str, tuple[bytes, dict[str, bytes]]] = {
    "--help-command": (HELP, {}),
    "--tls": (b"", {"STARTTLS": STARTTLS}),
    "--ntlm": (b"", {"NTLM": NTLM}),
}
# Servers by what they offer; the last one knows no EHLO.
OFFERS: dict[str, set[str]] = {
    "exchange2010": {"STARTTLS", "NTLM"},
    "exchange2003": {"NTLM"},
    "exchange2007": {"STARTTLS"},
    "exchange5.5": {"NTLM"},
    "masked": set(),
}
FURTHER = [
    (*asking, *rest)
    for count in range(1, len(ASKING) + 1)
    for asking in combinations(ASKING, count)
    for rest in ((), ("--ehlo",), ("--no-quit",))
]


@pytest.mark.parametrize("options", FURTHER, ids=shown)
@pytest.mark.parametrize("verb", REST)
def test_further_questions_are_exactly_these_and_only_where_a_server_offers_them(
    cli: Cli, imc_fleet: FleetFactory, verb: str, options: tuple[str, ...]
) -> None:
    fleet = imc_fleet(list(OFFERS))
    cli(verb, *fleet.addresses, *options, "-f", "line")
    imc_fleet.settle(1)
    asks_ehlo = not {"--ehlo", "--tls", "--ntlm"}.isdisjoint(options)
    for server, (name, offered) in zip(fleet, OFFERS.items(), strict=True):
        said = EHLO + HELO * (name == "masked") if asks_ehlo else b""
        for option, (always, behind) in ASKING.items():
            if option in options:
                said += always + b"".join(words for offer, words in behind.items() if offer in offered)
        assert server.received == [said + QUIT * ("--no-quit" not in options)], (name, *options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), QUIT),
        (("--no-quit",), b""),
        (("--tls",), EHLO + QUIT),
        (("--ntlm",), EHLO + NTLM + QUIT),
        (("--ntlm", "--tls", "--ehlo", "--help-command"), EHLO + HELP + NTLM + QUIT),
    ],
    ids=shown,
)
@pytest.mark.parametrize("verb", REST)
def test_where_tls_comes_first_of_all_the_same_is_said_inside_and_no_starttls(
    cli: Cli, imc_fleet: FleetFactory, verb: str, options: tuple[str, ...], said: bytes
) -> None:
    (server,) = imc_fleet([replace(member_of("exchange2010"), implicit_tls=True)])
    cli(verb, server.address, "--implicit-tls", *options)
    imc_fleet.settle(1)
    assert server.received == [said]


@pytest.mark.parametrize("verb", REST)
def test_a_name_for_ehlo_is_said_inside_tls_and_to_who_knows_helo_alone_too(
    cli: Cli, imc_fleet: FleetFactory, verb: str
) -> None:
    fleet = imc_fleet(["exchange2007", "masked"])
    cli(verb, *fleet.addresses, "--tls", "--helo-name", "probe.example.com")
    imc_fleet.settle(1)
    named = b"EHLO probe.example.com\r\n"
    assert [server.received for server in fleet] == [
        [named + b"STARTTLS\r\n" + named + QUIT],
        [named + b"HELO probe.example.com\r\n" + QUIT],
    ]


def test_no_question_is_about_mail_or_people(cli: Cli, imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(list(GREETING_NAMES))
    cli("scan", *fleet.addresses, "--ehlo", "--tls", "--ntlm", "--help-command", "--retries", "2")
    imc_fleet.settle(1)
    lines = [line for server in fleet for heard in server.received for line in heard.splitlines()]
    negotiate = NTLM.splitlines()[1]
    verbs = {line.split()[0] for line in lines if line != negotiate}
    assert verbs == {b"EHLO", b"HELO", b"HELP", b"STARTTLS", b"AUTH", b"*", b"QUIT"}


@pytest.mark.parametrize(
    "speaking",
    [(), ("--ehlo",), ("--no-quit",), ("--tls", "--ntlm", "--help-command")],
    ids=shown,
)
def test_who_does_not_greet_hears_nothing_however_often_it_is_tried(
    cli: Cli, imc_fleet: FleetFactory, speaking: tuple[str, ...]
) -> None:
    tries = {"reset": 2, "reset=9": 2, "close=9": 1, "silence": 2}
    fleet = imc_fleet([Member(faults=(parse_fault(fault),)) for fault in tries])
    cli("scan", *fleet.addresses, *speaking, "--retries", "1", "--greeting-timeout", "300ms")
    for server, (fault, count) in zip(fleet, tries.items(), strict=True):
        assert server.received == [b""] * count, (*speaking, fault)


@pytest.mark.parametrize(
    "arguments",
    [("identify", "220 mx ESMTP Postfix"), ("builds",), ("schema",), ("scan", "TARGET", "--dry-run")],
)
def test_what_needs_no_network_makes_no_connection(
    cli: Cli, imc_server: ServerFactory, arguments: tuple[str, ...]
) -> None:
    server = imc_server()
    assert cli(*(server.address if each == "TARGET" else each for each in arguments)).code in (0, 1)
    assert server.connections == 0
