"""A timer of the loop that stands at the earliest moment that was asked for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


# No sooner than this from now, in seconds: what is due by then is seen to in one go.
GRAIN = 0.01


class Alarm:
    """Calls `ring` at the moment that it is set to, by the monotonic clock, or up to GRAIN later."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due: float | None) -> None:
        """Ring at `due` at the latest; None asks for nothing. What was asked for before stays."""
        if due is None or (self._timer is not None and self._due <= due):
            return
        self.cancel()
        self._due = due
        self._timer = self._loop.call_later(max(GRAIN, due - time.monotonic()), self._rung)

    def cancel(self) -> None:
        """Do not ring any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rung(self) -> None:
        self._timer = None
        self._ring()
