"""`imcprobe demo`: a subnet of old servers on this machine, and the real scan of it."""

from __future__ import annotations

from dataclasses import replace

from imcprobe.cli import options as opt
from imcprobe.cli.exits import Verdict
from imcprobe.cli.files import OutputFiles
from imcprobe.cli.limits import require_files
from imcprobe.cli.running import Run, run_scan
from imcprobe.cli.terminal import Terminal
from imcprobe.knowledge.releases import RELEASES
from imcprobe.outputs.formats import FORMATS
from imcprobe.probe.options import ProbeOptions
from imcprobe.targets import parse
from imcprobe.testing.faults import parse_fault
from imcprobe.testing.fleet import Fleet, Member, address_exists
from imcprobe.testing.greetings import greeting_for
from imcprobe.testing.profiles import member_of
from imcprobe.testing.running import serve_in_thread

# A documented hotfix: MS02-037.
_HOTFIX = "5.5.2656.59"
_OTHERS = ("masked", "postfix", "windows", "exchange2003")
# Where a fleet begins, far from the addresses that machines use; and where there is nothing else.
_FIRST, _ONLY = "127.86.4.1", "127.0.0.1"
# The silent one is given up after this; the others answer at once.
_PATIENCE = 1.0
# Of each server: one listens, and a connection has two ends. A mock without them would pass for silent.
_SOCKETS = 3


def demo(
    format_name: opt.FormatName = None,
    quiet: opt.Quiet = False,
    no_color: opt.NoColor = False,
) -> int:
    """Scan a subnet of old servers on loopback.

    They are started for it: every release of the table, and some other servers. EHLO is asked as well: one of
    two that greet as the Windows SMTP service turns out to be an Exchange.
    """
    name = opt.parse_format(format_name) or "table"
    members = _members()
    require_files(_SOCKETS * len(members), f"for a demo of {len(members)} servers")
    with Terminal(quiet=quiet, no_color=no_color) as terminal, serve_in_thread(_fleet(members)) as fleet:
        terminal.remark(f"{len(fleet)} servers on this machine, from {fleet.address} on. The scan is real.")
        terminal.remark(
            "The greetings of 4.0 are made up, as none with a build is known; those of 5.0 and 5.5 are not."
        )
        return run_scan(
            Run(
                targets=parse(fleet.addresses),
                options=ProbeOptions(greeting_timeout=_PATIENCE, ehlo=True),
                terminal=terminal,
                files=OutputFiles([], force=False, only=None),
                verdict=Verdict(),
                format=FORMATS[name](),
            )
        )


def _members() -> list[Member]:
    builds = [*dict.fromkeys(str(row.build) for row in RELEASES), _HOTFIX]
    members = [Member(greeting_for(build, f"mx{at}.example.com")) for at, build in enumerate(builds, 1)]
    members += [member_of(name, f"mx{at}.example.com") for at, name in enumerate(_OTHERS, len(builds) + 1)]
    return [*members, replace(members[0], faults=(parse_fault("silence"),)), Member(refused=True)]


def _fleet(members: list[Member]) -> Fleet:
    by_ports = not address_exists(_FIRST)
    return Fleet(members, first=_ONLY if by_ports else _FIRST, by_ports=by_ports)
