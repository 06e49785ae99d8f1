"""`imcprobe check`: one or a few hosts, each with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcprobe.cli import options as opt
from imcprobe.cli.files import OutputFiles
from imcprobe.cli.mail import hosts_of
from imcprobe.cli.running import Run, run_scan
from imcprobe.cli.terminal import Terminal
from imcprobe.errors import UsageError
from imcprobe.outputs.formats import FORMATS, Format
from imcprobe.outputs.screen import check_screen
from imcprobe.targets import parse, parse_ports

if TYPE_CHECKING:
    from imcprobe.model import Result
    from imcprobe.outputs.tally import Tally

# More screens than this nobody reads.
MAX_HOSTS = 64


class Screens(Format):
    """A screen for each host, an empty line between them."""

    def __init__(self) -> None:
        self._between = ""

    def row(self, result: Result) -> str:
        text, self._between = f"{self._between}{check_screen(result)}\n", "\n"
        return text

    def end(self, _tally: Tally, _seconds: float, *, complete: bool) -> str:
        return "" if complete else "\nStopped early.\n"


def check(
    targets: opt.TargetArguments = None,
    mx: opt.Mx = None,
    port: opt.Port = "25",
    retries: opt.Retries = 0,
    connect_timeout: opt.ConnectTimeout = opt.CONNECT_TIMEOUT,
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
    output: opt.Outputs = None,
    force: opt.Force = False,
    format_name: opt.FormatName = None,
    fail_on: opt.FailOn = None,
    expect: opt.Expect = None,
    strict: opt.Strict = False,
    quiet: opt.Quiet = False,
    no_color: opt.NoColor = False,
) -> int:
    """Check one or a few hosts. The release comes first, then what the answer rests on."""
    if not targets and not mx:
        raise UsageError("check which host? imcprobe check mail.example.com")
    ports = parse_ports(port)
    probing = opt.parse_probing(
        connect_timeout=connect_timeout,
        greeting_timeout=greeting_timeout,
        deadline=deadline,
        ehlo=ehlo,
        helo_name=helo_name,
        only_v4=only_v4,
        only_v6=only_v6,
        no_quit=no_quit,
        watch_connect=True,
        concurrency=MAX_HOSTS,
        retries=retries,
        all_addresses=all_addresses,
        ptr=ptr,
        tls=tls,
        implicit_tls=implicit_tls,
        ntlm=ntlm,
        help_command=help_command,
    )
    verdict = opt.parse_verdict(fail_on=fail_on, expect=expect, strict=strict)
    chosen = opt.parse_format(format_name)
    wanted = parse([*(targets or []), *hosts_of(mx or [])], ports=ports)
    if len(wanted) > MAX_HOSTS:
        raise UsageError(
            f"{len(wanted):,} hosts are too many to check one by one. imcprobe scan takes networks."
        )
    with Terminal(quiet=quiet, no_color=no_color) as terminal:
        name = chosen or ("table" if terminal.is_interactive else "line")
        return run_scan(
            Run(
                targets=wanted,
                options=probing,
                terminal=terminal,
                files=OutputFiles(output or [], force=force, only=None),
                verdict=verdict,
                format=Screens() if name == "table" else FORMATS[name](),
                warns=len(wanted) > 1
                or all_addresses
                or name != "table",  # the screen of one host says so itself
            )
        )
