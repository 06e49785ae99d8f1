"""When this machine has run out of files, ports or buffers: no target's fault, and mostly soon over."""

from __future__ import annotations

import errno
import time

from imcprobe.errors import ImcprobeError
from imcprobe.probe.outcomes import EXHAUSTED, name_of

# With no connection left that could end and free something, waiting longer than this is in vain.
STUCK_LIMIT = 5.0


class Exhaustion:
    """Tells waiting from failing, for connections that the system refuses to begin."""

    def __init__(self) -> None:
        self._reached: set[bool] = set()  # whether of IPv6
        self._stuck_since: float | None = None

    def over(self, address: str) -> None:
        """Take note that a connection to `address` has begun."""
        self._reached.add(":" in address)
        self._stuck_since = None

    def must_wait(self, error: OSError, address: str, *, busy: bool) -> bool:
        """Whether `address` is to be tried again later; `busy` when other connections are under way.

        Raises ImcprobeError when nothing has been possible for STUCK_LIMIT seconds.
        """
        if error.errno not in EXHAUSTED:
            return False
        # No own address of that kind is no matter of waiting, unless there has been one before.
        if error.errno == errno.EADDRNOTAVAIL and (":" in address) not in self._reached:
            return False
        now = time.monotonic()
        if busy:
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since > STUCK_LIMIT:
            raise ImcprobeError(
                f"no connection can be opened on this machine: {name_of(error.errno)} for {STUCK_LIMIT:g} s. "
                "Raise its limits (ulimit -n), or end what holds them."
            )
        return True
