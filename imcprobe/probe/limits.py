"""How many connections this machine lets a process have."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from imcprobe.probe.options import MAX_ALL_ADDRESSES, MAX_QUESTIONS

if TYPE_CHECKING:
    from imcprobe.probe.options import ProbeOptions

try:
    import resource
except ImportError:  # a system without them has no such limit to ask for
    resource = None  # type: ignore[assignment]  # a module elsewhere

# Files that are no connection: the standard ones, outputs, the loop's own, the resolver's. Of few files a
# quarter must do: whoever finds none left waits.
RESERVED_FILES = 64
_SHARE = 4
# A conversation is held or waits, each in places of its own.
_PLACES = 2


def allowed_connections(wanted: int, reserved: int = RESERVED_FILES) -> int:
    """At most `wanted`, as many as open files are allowed: the soft limit is raised to the hard one first.

    `reserved` files are for something else.
    """
    if resource is None:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + reserved and soft != hard:
        with contextlib.suppress(OSError, ValueError):  # a system with a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, soft - min(reserved, soft // _SHARE)))


def connections(options: ProbeOptions, targets: int) -> int:
    """How many connections there may be at once for so many targets, whatever this machine allows.

    Those that talk, or wait to, are among them.
    """
    most = max(targets, 1) * (MAX_ALL_ADDRESSES if options.all_addresses else 1)
    places = [options.concurrency]
    if options.converses:
        places += [options.conversations] * _PLACES
    return sum(min(each, most) for each in places)


def within_limits(options: ProbeOptions, targets: int) -> ProbeOptions:
    """The options, with no more connections than open files allow for so many targets."""
    wanted = connections(options, targets)
    allowed = allowed_connections(wanted, RESERVED_FILES + MAX_QUESTIONS * options.ptr)
    if allowed == wanted:
        return options
    if not options.converses:
        return replace(options, concurrency=allowed)
    talking = max(1, min(options.conversations, allowed // (2 * _PLACES)))
    return replace(options, conversations=talking, concurrency=max(1, allowed - talking * _PLACES))


def open_files() -> int:
    """The soft limit of open files, for messages; 0 where there is none."""
    if resource is None:
        return 0
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if soft == resource.RLIM_INFINITY else soft
