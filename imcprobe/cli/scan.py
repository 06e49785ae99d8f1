"""`imcprobe scan`: networks and lists."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from imcprobe.cli import options as opt
from imcprobe.cli.exits import ExitCode
from imcprobe.cli.files import ONLY, OutputFiles, is_same_file
from imcprobe.cli.inputs import MAX_LIST, as_given, named, read_bytes
from imcprobe.cli.mail import hosts_of
from imcprobe.cli.running import Run, run_scan
from imcprobe.cli.terminal import Terminal, shown_ports
from imcprobe.errors import InputError, UsageError
from imcprobe.order import Order, parse_shard
from imcprobe.outputs.formats import FORMATS
from imcprobe.safetext import decode
from imcprobe.targets import TargetsBuilder, parse_ports

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from imcprobe.cli.resume import Earlier
    from imcprobe.model import Result
    from imcprobe.targets import Targets

_ALL = 2
# Seeds that are drawn: as many as every reader of JSON has numbers for.
_SEEDS = 1 << 53


def scan(
    targets: opt.TargetArguments = None,
    input_file: Annotated[
        list[str] | None,
        typer.Option(
            "--input-file", "-i", metavar="FILE", help="Targets, one a line, # comments; - is stdin."
        ),
    ] = None,
    mx: opt.Mx = None,
    exclude: opt.Exclude = None,
    exclude_file: Annotated[
        list[str] | None,
        typer.Option("--exclude-file", metavar="FILE", help="What to leave out, one a line."),
    ] = None,
    port: opt.Port = "25",
    concurrency: opt.Concurrency = opt.CONCURRENCY,
    rate: opt.Rate = None,
    per_net: opt.PerNet = None,
    retries: opt.Retries = 0,
    connect_timeout: opt.ConnectTimeout = opt.CONNECT_TIMEOUT,
    adaptive: opt.Adaptive = False,
    greeting_timeout: opt.GreetingTimeout = opt.GREETING_TIMEOUT,
    deadline: opt.Deadline = opt.DEADLINE,
    no_quit: opt.NoQuit = False,
    ehlo: opt.Ehlo = False,
    helo_name: opt.HeloName = None,
    tls: opt.Tls = False,
    implicit_tls: opt.ImplicitTls = False,
    ntlm: opt.Ntlm = False,
    help_command: opt.HelpCommand = False,
    only_v4: opt.OnlyV4 = False,
    only_v6: opt.OnlyV6 = False,
    all_addresses: opt.AllAddresses = False,
    ptr: opt.Ptr = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on past lines of a file that are no target.")
    ] = False,
    shuffle: opt.Shuffle = False,
    seed: opt.Seed = None,
    shard: opt.Shard = None,
    output: opt.Outputs = None,
    force: opt.Force = False,
    resume: opt.Resume = None,
    only: opt.Only = None,
    format_name: opt.FormatName = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count and list the targets; send them nothing.")
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
    order = Order(shuffle, seed, None if shard is None else parse_shard(shard))
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
        rate=rate,
        per_net=per_net,
        retries=retries,
        adaptive=adaptive,
        all_addresses=all_addresses,
        ptr=ptr,
        tls=tls,
        implicit_tls=implicit_tls,
        ntlm=ntlm,
        help_command=help_command,
    )
    verdict = opt.parse_verdict(fail_on=fail_on, expect=expect, strict=strict)
    chosen = opt.parse_format(format_name)
    for path in output or []:
        if any(is_same_file(path, each) for each in [*(input_file or []), *(exclude_file or [])]):
            raise UsageError(f"-o {as_given(path)} is a list that is read. Give another name.")
    if resume is not None and all_addresses:
        raise UsageError(
            "--resume does not go with --all-addresses: what is done is known by target, and a name has "
            "several records. Leave one of them away."
        )
    if resume is not None and (force or only is not None):
        raise UsageError("--resume goes on with a file of every target. Leave --force and --only away.")
    wanted = _targets(
        targets or [], input_file or [], mx or [], exclude or [], exclude_file or [], port, skip_bad
    )
    with Terminal(quiet=quiet, no_color=no_color) as terminal, _earlier(resume) as earlier:
        for bad in wanted.bad:
            terminal.remark(bad.message)
        if earlier is not None:
            order = earlier.agreed(order)
            earlier.survey(wanted)
        order = _settled(order, wanted)
        if dry_run:
            return _list(wanted, order, earlier, all_addresses, terminal)
        name = chosen or ("table" if terminal.is_interactive else "line")
        return run_scan(
            Run(
                targets=wanted,
                options=probing,
                terminal=terminal,
                files=OutputFiles(
                    output or [],
                    force=force,
                    only=only,
                    earlier=earlier,
                    resumable=only is None and not all_addresses,
                ),
                verdict=verdict,
                format=FORMATS[name](),
                order=order,
                earlier=earlier,
                show=_shown(verbose) if name == "table" else None,
                announcement=_announced(wanted, order, earlier, all_addresses),
            )
        )


def _earlier(path: str | None) -> AbstractContextManager[Earlier | None]:
    """The scan to go on with, closed in the end. Raises InputError, UsageError."""
    if path is None:
        return nullcontext()
    from imcprobe.cli.resume import Earlier  # with all that reads records

    return closing(Earlier(path))


def _settled(order: Order, targets: Targets) -> Order:
    """The order with a seed where it needs one. Raises UsageError when there is nothing in its shard."""
    if not order.size(len(targets)):
        raise UsageError(
            f"--shard {order.shown_shard}: there are only {len(targets):,} targets. Make fewer shards."
        )
    if not order.shuffle or order.seed is not None:
        return order
    import secrets  # and what it brings, only for this

    return replace(order, seed=secrets.randbelow(_SEEDS))


def _shown(verbose: int) -> Callable[[Result], bool] | None:
    """Which results the table shows, None for all."""
    if verbose >= _ALL:
        return None
    return ONLY["answered" if verbose else "exchange"]


def _targets(
    specs: list[str],
    files: list[str],
    domains: list[str],
    exclude: list[str],
    exclude_files: list[str],
    port: str,
    skip_bad: bool,
) -> Targets:
    if [*files, *exclude_files].count("-") > 1:
        raise UsageError("- is stdin, which can be read once. Give one of the lists as a file.")
    builder = TargetsBuilder()
    for path in files:
        builder.add_lines(_text(path), named(path), skip_bad=skip_bad)
    for spec in specs:
        builder.add(spec)
    for spec in exclude:
        builder.exclude(spec)
    for path in exclude_files:
        builder.exclude_lines(_text(path), named(path))
    ports = parse_ports(port)
    for host in hosts_of(domains):
        builder.add(host)
    targets = builder.build(ports)
    if len(targets) == 0:
        if targets.excluded:
            raise UsageError(f"nothing is left to scan: {targets.excluded:,} excluded. Exclude less.")
        if files:
            bad = f", {len(targets.bad):,} passed over" if targets.bad else ""
            raise UsageError(f"no targets in {', '.join(map(named, files))}{bad}. Write one a line.")
        raise UsageError("no targets. Name some, or give a list: imcprobe scan -i hosts.txt")
    return targets


def _text(path: str) -> str:
    try:
        return decode(read_bytes(path, MAX_LIST, "Give networks or ranges, or split it."))
    except InputError as error:
        if path != "L":
            raise
        raise InputError(f"{error} For nmap's -iL FILE write -i FILE.") from error


def _announced(targets: Targets, order: Order, earlier: Earlier | None, all_addresses: bool) -> str:
    """The targets in numbers."""
    count = order.size(len(targets))
    details = [] if order.shard is None else [f"shard {order.shown_shard} of {len(targets):,}"]
    details += ["names: every address"] * all_addresses
    details += [f"{number:,} {what}" for number, what in _left_out(targets, earlier) if number]
    counts = f"{count:,} target{'' if count == 1 else 's'}"
    if details:
        counts += f" ({', '.join(details)})"
    return f"{counts}, port {shown_ports(targets.ports)}"


def _left_out(targets: Targets, earlier: Earlier | None) -> list[tuple[int, str]]:
    duplicates = "duplicate" if targets.duplicates == 1 else "duplicates"
    return [
        (0 if earlier is None else len(earlier.done), "done before"),
        (targets.excluded, "excluded"),
        (targets.duplicates, duplicates),
        (len(targets.bad), "passed over"),
    ]


def _list(
    targets: Targets, order: Order, earlier: Earlier | None, all_addresses: bool, terminal: Terminal
) -> int:
    terminal.remark(_announced(targets, order, earlier, all_addresses))
    for target in targets.walk(order, None if earlier is None else earlier.done.__contains__):
        terminal.out(f"{target}\n")
        if terminal.gone:
            break
    return ExitCode.OK
