"""Manners: what a server is told, byte for byte, whatever was asked for; and never a word more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.testing import Member, parse_fault

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


@pytest.mark.parametrize("speaking", [(), ("--ehlo",), ("--no-quit",)], ids=shown)
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
