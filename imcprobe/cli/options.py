"""Options that verbs share, each declared once, and the texts that they are read from."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from imcprobe.cli.exits import Verdict
from imcprobe.errors import UsageError
from imcprobe.fingerprint.expect import FAIL_ON, parse_expect, parse_fail_on
from imcprobe.outputs.formats import ENDINGS, FORMATS
from imcprobe.probe.extras import require_extra
from imcprobe.probe.options import IMPLICIT_TLS_PORT, MAX_ALL_ADDRESSES, ProbeOptions
from imcprobe.safetext import quoted

_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(ms|s|m)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}
_DEFAULTS = ProbeOptions()

_NETWORK, _OUTPUT, _CONDITIONS = "Probing", "Output", "Exit code"


def _seconds(value: float) -> str:
    return f"{value:g}s"


TargetArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET",
        help="Address, host, host:port, [v6]:port, network, a-b, 10.0.0.1-50 or 10.0.0-3.1-254.",
        show_default=False,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="SPEC", help="Leave out, whatever includes it. Repeatable."),
]
Port = Annotated[str, typer.Option("--port", "-p", metavar="LIST", help="25, 25,587,2525 or 25-27.")]
Concurrency = Annotated[
    int, typer.Option("--concurrency", "-c", metavar="N", min=1, help="Targets in flight.")
]
Rate = Annotated[
    float | None, typer.Option("--rate", metavar="N", help="New connections per second at the most.")
]
PerNet = Annotated[
    int | None,
    typer.Option(
        "--per-net", metavar="N", min=1, help="Connections at once to one /24 or /64, for small firewalls."
    ),
]
Retries = Annotated[
    int,
    typer.Option(
        "--retries", metavar="N", min=0, help="Further tries after a time-out or a reset; a refusal is final."
    ),
]
Adaptive = Annotated[
    bool,
    typer.Option("--adaptive", help="Lower the connect limit to what connections turn out to take."),
]
Shuffle = Annotated[bool, typer.Option("--shuffle", help="Scan in a random order.")]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", help="The random order to take, for one that can be had again."),
]
Shard = Annotated[
    str | None, typer.Option("--shard", metavar="I/N", help="Scan the I-th of N parts, the first is 1/N.")
]
Resume = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="FILE",
        help="Go on with the scan whose .jsonl was left incomplete: nothing lost, nothing repeated.",
    ),
]
ConnectTimeout = Annotated[
    str, typer.Option("--connect-timeout", metavar="TIME", help="For the connection: 5s, 500ms, 2m.")
]
GreetingTimeout = Annotated[
    str,
    typer.Option(
        "--greeting-timeout",
        metavar="TIME",
        help="For the whole greeting, from the connection on. Old servers look up your name first.",
    ),
]
Deadline = Annotated[str, typer.Option("--deadline", metavar="TIME", help="For one target in all.")]
NoQuit = Annotated[bool, typer.Option("--no-quit", help="Close after the greeting, without QUIT.")]
Ehlo = Annotated[bool, typer.Option("--ehlo", help="Send EHLO too.")]
HeloName = Annotated[
    str | None,
    typer.Option(
        "--helo-name",
        metavar="NAME",
        help="The name for EHLO and HELO. Default: the own address, as a literal.",
    ),
]
Tls = Annotated[
    bool, typer.Option("--tls", help="Send EHLO, and STARTTLS where it is offered; look at the certificate.")
]
ImplicitTls = Annotated[
    bool,
    typer.Option(
        "--implicit-tls",
        help=f"TLS comes first of all, on every port; on {IMPLICIT_TLS_PORT} it does without this.",
    ),
]
Ntlm = Annotated[
    bool,
    typer.Option(
        "--ntlm",
        help="Begin AUTH NTLM for the names and the Windows in its challenge. Servers log that.",
    ),
]
HelpCommand = Annotated[
    bool, typer.Option("--help-command", help="Send HELP: its text tells servers apart that hide.")
]
OnlyV4 = Annotated[bool, typer.Option("-4", help="Only IPv4 addresses of names.")]
OnlyV6 = Annotated[bool, typer.Option("-6", help="Only IPv6 addresses of names.")]
Mx = Annotated[
    list[str] | None,
    typer.Option(
        "--mx",
        metavar="DOMAIN",
        help="The mail hosts of DOMAIN too, in its order. DNS is asked before all else. Repeatable.",
    ),
]
AllAddresses = Annotated[
    bool,
    typer.Option(
        "--all-addresses",
        help=f"Probe every address of a name, up to {MAX_ALL_ADDRESSES}; each counts as a target once found.",
    ),
]
Ptr = Annotated[bool, typer.Option("--ptr", help="Ask reverse DNS about addresses that answer.")]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help=f"Write results to FILE; the ending chooses: {' '.join(ENDINGS)}. Repeatable.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
Only = Annotated[
    str | None,
    typer.Option("--only", metavar="LIST", help="What files hold: answered, exchange. Default: all."),
]
FormatName = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="NAME",
        help=f"For stdout: {', '.join(FORMATS)}. Default: a table, or lines into a pipe.",
    ),
]
FailOn = Annotated[
    str | None,
    typer.Option("--fail-on", metavar="LIST", help=f"Exit 1 when a target is any of {', '.join(FAIL_ON)}."),
]
Expect = Annotated[
    str | None,
    typer.Option(
        "--expect",
        metavar="RELEASE",
        help="Exit 1 unless all that answer run it, 3 when one does not answer: 5.5sp4, '>=5.5sp3', none.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 3 when any target did not answer.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        metavar="",
        show_default=False,
        help="The table shows all that answered; -vv all targets.",
    ),
]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours (as NO_COLOR).")]

CONNECT_TIMEOUT = _seconds(_DEFAULTS.connect_timeout)
GREETING_TIMEOUT = _seconds(_DEFAULTS.greeting_timeout)
DEADLINE = _seconds(_DEFAULTS.deadline)
CONCURRENCY = _DEFAULTS.concurrency


def parse_duration(text: str, option: str) -> float:
    """Seconds of `5`, `5s`, `500ms`, `2m`. Raises UsageError.

    >>> parse_duration("500ms", "--deadline")
    0.5
    """
    found = _DURATION.fullmatch(text)
    value = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if value <= 0:
        raise UsageError(f"{option} {quoted(text)}: write a time above 0 like 5s, 500ms or 2m.")
    return value


def parse_probing(
    *,
    connect_timeout: str,
    greeting_timeout: str,
    deadline: str,
    ehlo: bool,
    helo_name: str | None,
    only_v4: bool,
    only_v6: bool,
    no_quit: bool,
    concurrency: int = CONCURRENCY,
    watch_connect: bool = False,
    rate: float | None = None,
    per_net: int | None = None,
    retries: int = 0,
    adaptive: bool = False,
    all_addresses: bool = False,
    ptr: bool = False,
    tls: bool = False,
    implicit_tls: bool = False,
    ntlm: bool = False,
    help_command: bool = False,
) -> ProbeOptions:
    """The options of a probe as a user writes them. Raises UsageError."""
    if rate is not None and not 0 < rate < float("inf"):
        raise UsageError(f"--rate {rate:g}: give connections per second above 0, like 100.")
    if ptr:
        require_extra("--ptr", "dns.asyncresolver", "dns")
    for option, is_given in (("--tls", tls), ("--implicit-tls", implicit_tls)):
        if is_given:
            require_extra(option, "cryptography", "tls")
    return ProbeOptions(
        concurrency=concurrency,
        rate=rate,
        per_net=per_net,
        retries=retries,
        adaptive=adaptive,
        connect_timeout=parse_duration(connect_timeout, "--connect-timeout"),
        greeting_timeout=parse_duration(greeting_timeout, "--greeting-timeout"),
        deadline=parse_duration(deadline, "--deadline"),
        quit=not no_quit,
        ehlo=ehlo,
        helo_name=parse_helo_name(helo_name, ehlo=ehlo or tls or ntlm),
        family=parse_family(only_v4, only_v6),
        watch_connect=watch_connect,
        all_addresses=all_addresses,
        ptr=ptr,
        tls=tls,
        implicit_tls=implicit_tls,
        ntlm=ntlm,
        help_command=help_command,
    )


def parse_verdict(*, fail_on: str | None, expect: str | None, strict: bool) -> Verdict:
    """The conditions that decide the exit code. Raises UsageError."""
    return Verdict(
        {} if fail_on is None else parse_fail_on(fail_on),
        None if expect is None else parse_expect(expect),
        strict=strict,
    )


def parse_family(only_v4: bool, only_v6: bool) -> int | None:
    """4, 6 or None for both. Raises UsageError when both are the only one."""
    if only_v4 and only_v6:
        raise UsageError("-4 and -6 exclude each other. Give one, or none for both.")
    return 4 if only_v4 else 6 if only_v6 else None


def parse_helo_name(name: str | None, *, ehlo: bool) -> str | None:
    """A name for EHLO. Raises UsageError for one that would not be sent."""
    if name is None:
        return None
    if not ehlo:
        raise UsageError("--helo-name is for EHLO. Add --ehlo, --tls or --ntlm.")
    return name


def parse_format(name: str | None) -> str | None:
    """Check the name of a format. Raises UsageError."""
    if name is not None and name not in FORMATS:
        raise UsageError(f"--format {quoted(name)}: unknown. Known: {', '.join(FORMATS)}.")
    return name
