"""`imcprobe mock`: a server, or a subnet of them, that says what old Exchange servers said."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from imcprobe.cli.exits import BY_SIGNAL, ExitCode
from imcprobe.cli.terminal import Terminal
from imcprobe.errors import UsageError
from imcprobe.fingerprint.builds import lookup
from imcprobe.model import Build
from imcprobe.safetext import quoted
from imcprobe.testing.faults import FAULTS, parse_fault
from imcprobe.testing.fleet import MAX_MEMBERS, Fleet, Member
from imcprobe.testing.greetings import DEFAULT_BUILD, GREETING_NAMES, greeting_for, greeting_of
from imcprobe.testing.running import run_with, serve

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from imcprobe.testing.server import MockServer

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
            help=f"The greeting as it is, or one of {', '.join(GREETING_NAMES)}.",
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
        int | None,
        typer.Option("--fleet", metavar="N", help="N servers on consecutive addresses (Linux has 127/8)."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="[POINT:]NAME",
            help=f"Misbehave, at connect, greeting (default), ehlo or quit. Repeatable. {_FAULT_HELP}.",
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
    terminal = Terminal(quiet=quiet)
    said = _greeting(build, greeting)
    if _is_made_up(build):
        terminal.remark("no greeting of Exchange 4.0 with a build is known: this one is made up.")
    if command is not None and not command.strip():
        raise UsageError("--exec: give a command, like 'pytest -q'.")
    if fleet is not None and not 1 <= fleet <= MAX_MEMBERS:
        raise UsageError(f"--fleet {fleet}: 1 to {MAX_MEMBERS} servers are possible.")
    member = Member(said, tuple(parse_fault(text) for text in fault or []))
    server = member.at(host, port) if fleet is None else Fleet([member] * fleet, first=host, port=port)
    return asyncio.run(_run(server, command, terminal))


def _greeting(build: str | None, greeting: str | None) -> bytes:
    if build is not None and greeting is not None:
        raise UsageError("--build and --greeting exclude each other. Give one.")
    if greeting in GREETING_NAMES:
        return greeting_of(greeting)
    if greeting is not None:
        if not greeting:
            raise UsageError(f"--greeting {quoted(greeting)}: give what the server is to say.")
        return os.fsencode(greeting) + b"\r\n"
    return greeting_for(DEFAULT_BUILD if build is None else build)


def _is_made_up(build: str | None) -> bool:
    return build is not None and lookup(Build.parse(build)).product == "4.0"


async def _run(server: MockServer | Fleet, command: str | None, terminal: Terminal) -> int:
    """Serve until a signal or the command's end; the exit code. Raises UsageError for an address in use."""
    if command is None:
        # Ctrl-C or SIGTERM is how a mock ends when all is well.
        return await _until_signal(serve(server, partial(_say, terminal)), ended=ExitCode.OK)
    return await _until_signal(_with(server, command), ended=None)


async def _with(server: MockServer | Fleet, command: str) -> int:
    async with server:
        return await run_with(command, server.address)


async def _until_signal(work: Coroutine[None, None, int | None], *, ended: int | None) -> int:
    """Do the work, and pass signals on to it; `ended` is the code after one, None for 128 and its number."""
    task = asyncio.ensure_future(work)
    caught: list[int] = []

    def stop(number: int) -> None:
        caught.append(number)
        task.cancel(number)

    # A terminal that is closed ends a mock, unless nohup was asked to keep it.
    kept = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    for number in (signal.SIGINT, signal.SIGTERM, *([] if kept else [signal.SIGHUP])):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await task or ExitCode.OK
    except asyncio.CancelledError:
        return BY_SIGNAL + caught[0] if ended is None else ended


def _say(terminal: Terminal, line: str) -> None:
    terminal.out(f"{line}\n")
