"""`imcprobe scan`: networks and lists."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from imcprobe.cli import options as opt
from imcprobe.cli.exits import ExitCode
from imcprobe.cli.files import ONLY, OutputFiles, read_bytes, shown_path
from imcprobe.cli.running import Run, run_scan
from imcprobe.cli.terminal import Terminal, reason_of, shown_ports
from imcprobe.errors import InputError, UsageError
from imcprobe.outputs.formats import FORMATS
from imcprobe.safetext import decode, safe
from imcprobe.targets import TargetsBuilder, parse_ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.model import Result
    from imcprobe.targets import Targets

_ALL = 2


def scan(
    targets: opt.TargetArguments = None,
    input_file: Annotated[
        list[str] | None,
        typer.Option(
            "--input-file", "-i", metavar="FILE", help="Targets, one a line, # comments; - is stdin."
        ),
    ] = None,
    exclude: opt.Exclude = None,
    exclude_file: Annotated[
        list[str] | None,
        typer.Option("--exclude-file", metavar="FILE", help="What to leave out, one a line."),
    ] = None,
    port: opt.Port = "25",
    concurrency: opt.Concurrency = opt.CONCURRENCY,
    connect_timeout: opt.ConnectTimeout = opt.CONNECT_TIMEOUT,
    greeting_timeout: opt.GreetingTimeout = opt.GREETING_TIMEOUT,
    deadline: opt.Deadline = opt.DEADLINE,
    no_quit: opt.NoQuit = False,
    ehlo: opt.Ehlo = False,
    helo_name: opt.HeloName = None,
    only_v4: opt.OnlyV4 = False,
    only_v6: opt.OnlyV6 = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on past lines of a file that are no target.")
    ] = False,
    output: opt.Outputs = None,
    force: opt.Force = False,
    only: opt.Only = None,
    format_name: opt.FormatName = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count and list the targets; send nothing.")
    ] = False,
    fail_on: opt.FailOn = None,
    expect: opt.Expect = None,
    strict: opt.Strict = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = 0,
    no_color: opt.NoColor = False,
) -> int:
    """Scan networks and lists for Exchange servers.

    A network means every address in it. The table shows Exchange servers as they are found; files
    hold every target.
    """
    wanted = _targets(targets or [], input_file or [], exclude or [], exclude_file or [], port, skip_bad)
    probing = opt.parse_probing(
        connect_timeout=connect_timeout,
        greeting_timeout=greeting_timeout,
        deadline=deadline,
        ehlo=ehlo,
        helo_name=helo_name,
        only_v4=only_v4,
        only_v6=only_v6,
        no_quit=no_quit,
        concurrency=concurrency,
    )
    verdict = opt.parse_verdict(fail_on=fail_on, expect=expect, strict=strict)
    chosen = opt.parse_format(format_name)
    with Terminal(quiet=quiet, no_color=no_color) as terminal:
        for bad in wanted.bad:
            terminal.remark(bad.message)
        if dry_run:
            return _list(wanted, terminal)
        name = chosen or ("table" if terminal.is_interactive else "line")
        files = OutputFiles(output or [], force=force, only=only)
        return run_scan(
            Run(
                targets=wanted,
                options=probing,
                terminal=terminal,
                files=files,
                verdict=verdict,
                format=FORMATS[name](),
                show=_shown(verbose) if name == "table" else None,
                announcement=_announced(wanted),
            )
        )


def _shown(verbose: int) -> Callable[[Result], bool] | None:
    """Which results the table shows, None for all."""
    if verbose >= _ALL:
        return None
    return ONLY["answered" if verbose else "exchange"]


def _targets(
    specs: list[str],
    files: list[str],
    exclude: list[str],
    exclude_files: list[str],
    port: str,
    skip_bad: bool,
) -> Targets:
    if [*files, *exclude_files].count("-") > 1:
        raise UsageError("- is stdin, which can be read once. Give one of the lists as a file.")
    builder = TargetsBuilder()
    for path in files:
        builder.add_lines(_text(path), _named(path), skip_bad=skip_bad)
    for spec in specs:
        builder.add(spec)
    for spec in exclude:
        builder.exclude(spec)
    for path in exclude_files:
        builder.exclude_lines(_text(path), _named(path))
    targets = builder.build(parse_ports(port))
    if len(targets) == 0:
        if targets.excluded:
            raise UsageError(f"nothing is left to scan: {targets.excluded:,} excluded. Exclude less.")
        if files:
            bad = f", {len(targets.bad):,} passed over" if targets.bad else ""
            raise UsageError(f"no targets in {', '.join(map(_named, files))}{bad}. Write one a line.")
        raise UsageError("no targets. Name some, or give a list: imcprobe scan -i hosts.txt")
    return targets


def _named(path: str) -> str:
    return "stdin" if path == "-" else safe(path)


def _text(path: str) -> str:
    try:
        return decode(sys.stdin.buffer.read() if path == "-" else read_bytes(path))
    except OSError as error:
        hint = " For nmap's -iL FILE write -i FILE." if path == "L" else ""
        raise InputError(f"{shown_path(path)} cannot be read: {reason_of(error)}.{hint}") from error


def _announced(targets: Targets) -> str:
    """The targets in numbers."""
    left_out = [f"{count:,} {what}" for count, what in _left_out(targets) if count]
    counts = f"{len(targets):,} target{'' if len(targets) == 1 else 's'}"
    if left_out:
        counts += f" ({', '.join(left_out)})"
    return f"{counts}, port {shown_ports(targets.ports)}"


def _left_out(targets: Targets) -> list[tuple[int, str]]:
    duplicates = "duplicate" if targets.duplicates == 1 else "duplicates"
    return [
        (targets.excluded, "excluded"),
        (targets.duplicates, duplicates),
        (len(targets.bad), "passed over"),
    ]


def _list(targets: Targets, terminal: Terminal) -> int:
    terminal.remark(_announced(targets))
    for target in targets:
        terminal.out(f"{target}\n")
        if terminal.gone:
            break
    return ExitCode.OK
