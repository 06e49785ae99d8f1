"""`imcprobe mock`: a server, or a subnet of them, that says what old Exchange servers said."""

from __future__ import annotations

import asyncio
import os
import signal
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from imcprobe.cli.bugs import catch_log
from imcprobe.cli.exits import BY_SIGNAL, ExitCode
from imcprobe.cli.limits import require_files
from imcprobe.cli.terminal import Terminal
from imcprobe.errors import UsageError
from imcprobe.fingerprint.builds import lookup
from imcprobe.model import Build
from imcprobe.safetext import clip, quoted
from imcprobe.testing.certificates import require
from imcprobe.testing.faults import FAULTS, Point, parse_fault
from imcprobe.testing.fleet import MAX_MEMBERS, Fleet, Member
from imcprobe.testing.greetings import DEFAULT_BUILD, GREETING_NAMES, greeting_for
from imcprobe.testing.hostile.fleet import HOSTILE, hostile_cases
from imcprobe.testing.ntlm import WINDOWS_NAMES
from imcprobe.testing.profiles import member_of
from imcprobe.testing.running import run_with

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imcprobe.testing.faults import Fault
    from imcprobe.testing.hostile.case import Case
    from imcprobe.testing.server import MockServer

_FLEETS = ("hostile", *HOSTILE)
_MOST_DIGITS = 6
_LONGEST_NUMBER = 20
_FAULT_HELP = "; ".join(f"{row.usage}: {row.help}" for row in FAULTS.values())


def mock(
    build: Annotated[
        str | None,
        typer.Option("--build", metavar="BUILD", help=f"Which build greets. Default: {DEFAULT_BUILD}."),
    ] = None,
    greeting: Annotated[
        str | None,
        typer.Option(
            "--greeting",
            metavar="TEXT",
            help="The greeting as it is, or the name of a server, which then also answers EHLO, HELP, "
            f"STARTTLS and AUTH NTLM as that one does: {', '.join(GREETING_NAMES)}.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on, or a fleet's first.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port", "-p", metavar="PORT", min=0, max=65_535, help="Port; 0 lets the system choose."
        ),
    ] = 2525,
    fleet: Annotated[
        str | None,
        typer.Option(
            "--fleet",
            metavar="N|NAME",
            help="N servers on consecutive addresses (Linux has 127/8); or the fleet that does what "
            f"a hostile world does: hostile, or a class of it: {', '.join(HOSTILE)}.",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="[POINT:]NAME",
            help=f"Misbehave, at {', '.join(Point)}; at greeting when no POINT is given. Repeatable. "
            f"{_FAULT_HELP}.",
        ),
    ] = None,
    tls: Annotated[
        bool,
        typer.Option(
            "--tls", help="Offer STARTTLS, with a self-signed certificate of the kind that Exchange makes."
        ),
    ] = False,
    implicit_tls: Annotated[
        bool, typer.Option("--implicit-tls", help="TLS from the first byte, with such a certificate.")
    ] = False,
    ntlm: Annotated[
        str | None,
        typer.Option(
            "--ntlm",
            metavar="WINDOWS",
            help=f"Answer AUTH NTLM as a server of that Windows: {', '.join(WINDOWS_NAMES)}.",
        ),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(
            "--exec", metavar="CMD", help="Run CMD with IMCPROBE_MOCK=host:port, then stop; its exit code."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No remarks beside the ready line.")] = False,
) -> int:
    """Be an Exchange server, for tests. On 127.0.0.1:2525, 5.5 SP3, until Ctrl-C."""
    catch_log()
    terminal = Terminal(quiet=quiet)
    plain = _member(build, greeting, tuple(parse_fault(text) for text in fault or []))
    member = _dressed(plain, tls=tls, implicit_tls=implicit_tls, ntlm=ntlm)
    if _is_made_up(build):
        terminal.remark("no greeting of Exchange 4.0 with a build is known: this one is made up.")
    if greeting is not None and greeting not in GREETING_NAMES and greeting.isalnum():
        terminal.remark(
            f"--greeting {quoted(greeting)}: no server of that name is known; it is said as it is."
        )
    if command is not None and not command.strip():
        raise UsageError("--exec: give a command, like 'pytest -q'.")
    if fleet is None:
        require_files(1, "to begin")
        return asyncio.run(_run(member.at(host, port), command, terminal))
    cases = _cases(fleet)
    if cases:
        given = (build is not None, greeting is not None, fault, tls, implicit_tls, ntlm is not None)
        _require_nothing_else(fleet, cases, is_changed=any(given))
    members = [case.member for case in cases.values()] or [member] * _count(fleet)
    servers = Fleet(members, first=host, port=port)
    require_files(len(servers), f"for {len(servers)} servers")
    return asyncio.run(_run(servers, command, terminal, {} if quiet else cases))


def _cases(fleet: str) -> dict[str, Case]:
    """The servers of a fleet that has a name, none of one that is a number. Raises UsageError for neither."""
    if fleet.isascii() and fleet.isdecimal():
        return {}
    if fleet not in _FLEETS:
        known = ", ".join(_FLEETS)
        raise UsageError(f"--fleet {quoted(fleet)}: unknown. Give 1 to {MAX_MEMBERS}, or {known}.")
    return hostile_cases(*([fleet] if fleet in HOSTILE else []))


def _count(text: str) -> int:
    digits = text.lstrip("0") or "0"
    if len(digits) > _MOST_DIGITS or not 1 <= int(digits) <= MAX_MEMBERS:
        raise UsageError(f"--fleet {clip(text, _LONGEST_NUMBER)}: 1 to {MAX_MEMBERS} servers are possible.")
    return int(digits)


def _require_nothing_else(fleet: str, cases: Mapping[str, Case], *, is_changed: bool) -> None:
    if is_changed:
        raise UsageError(
            f"--fleet {quoted(fleet)}: each of it says its own. Leave --build, --greeting, --fault, --tls, "
            "--implicit-tls and --ntlm away."
        )
    if any(case.member.tls is not None for case in cases.values()):
        require(f"--fleet {quoted(fleet)}")


def _member(build: str | None, greeting: str | None, faults: tuple[Fault, ...]) -> Member:
    if build is not None and greeting is not None:
        raise UsageError("--build and --greeting exclude each other. Give one.")
    if greeting in GREETING_NAMES:
        return member_of(greeting, faults=faults)
    if greeting is not None:
        if not greeting:
            raise UsageError(f"--greeting {quoted(greeting)}: give what the server is to say.")
        return Member(os.fsencode(greeting) + b"\r\n", faults)
    return Member(greeting_for(DEFAULT_BUILD if build is None else build), faults)


def _dressed(member: Member, *, tls: bool, implicit_tls: bool, ntlm: str | None) -> Member:
    if tls or implicit_tls:
        require("--tls" if tls else "--implicit-tls")
    if ntlm is not None and ntlm not in WINDOWS_NAMES:
        raise UsageError(f"--ntlm {quoted(ntlm)}: unknown. Known: {', '.join(WINDOWS_NAMES)}.")
    return member.with_ntlm(ntlm).with_tls(starttls=tls, implicit=implicit_tls)


def _is_made_up(build: str | None) -> bool:
    return build is not None and lookup(Build.parse(build)).product == "4.0"


async def _run(
    server: MockServer | Fleet,
    command: str | None,
    terminal: Terminal,
    cases: Mapping[str, Case] = MappingProxyType({}),
) -> int:
    """Serve until a signal or the command's end; the exit code. Raises UsageError for an address in use.

    Of a fleet of `cases` it is told which server is which.
    """
    caught: list[int] = []
    signals: asyncio.Queue[int] = asyncio.Queue()

    def catch(number: int) -> None:
        caught.append(number)
        signals.put_nowait(number)

    # A terminal that is closed ends a mock, unless nohup was asked to keep it.
    kept = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    for number in (signal.SIGINT, signal.SIGTERM, *([] if kept else [signal.SIGHUP])):
        asyncio.get_running_loop().add_signal_handler(number, catch, number)
    async with server:
        if command is None:
            terminal.out(f"{server.ready_line}\n")
            if isinstance(server, Fleet):
                terminal.out("".join(map(_told, server.addresses, cases, cases.values())))
            await signals.get()
            # Ctrl-C or SIGTERM is how a mock ends when all is well.
            return ExitCode.OK
        code = await run_with(command, server.address, signals=signals)
    return BY_SIGNAL + caught[0] if caught else code


def _told(address: str, name: str, case: Case) -> str:
    """Which server of a hostile fleet is where, what a right scanner reports of it, and what it does."""
    expected = case.expected
    answer = " | ".join(expected.releases) or expected.product or expected.family or ""
    return f"{address}\t{name}\t{expected.status}\t{answer}\t{case.does}\n"
