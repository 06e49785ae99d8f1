"""Open files for the servers of a command: a shell may allow too few."""

from __future__ import annotations

from imcprobe.errors import ImcprobeError
from imcprobe.probe.limits import open_files
from imcprobe.testing.fleet import allow_files

# The standard ones, two loops, what starts a command.
_OWN = 16


def require_files(sockets: int, purpose: str) -> None:
    """Raise the limit of open files as needed. Raises ImcprobeError where so many sockets cannot be had.

    Before there is a loop: one that is half made complains by itself.
    """
    allow_files(sockets + _OWN)
    allowed = open_files()
    if 0 < allowed < sockets + _OWN:
        raise ImcprobeError(
            f"this shell allows {allowed} open files, too few {purpose}. Raise the limit: ulimit -n."
        )
