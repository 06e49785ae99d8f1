"""Conversations have places of their own: so many at once, and as many may wait, while the sweep goes on."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from imcprobe.evidence import CUT_SHORT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from imcprobe.model import Observation
    from imcprobe.probe.late import Greeted
    from imcprobe.probe.options import ProbeOptions

# So many at once cost least: with more, what they keep alive is looked through by Python ever more often.
# Most are over within a moment; those that are not keep nobody waiting, as far as there are places.
_QUICK = 128
_MOMENT = 0.25
_CUT = f"the conversation {CUT_SHORT}"


class Talks:
    """Holds conversations with `greeted` connections, in the order in which they come.

    `spawn` runs one, `told` takes what came of it: None where the scan was stopped before it said anything.
    Their number is the length; `cut_short` is whether the scan's end broke any off.
    """

    def __init__(
        self,
        options: ProbeOptions,
        spawn: Callable[[Coroutine[None, None, Observation]], asyncio.Task[Observation]],
        told: Callable[[Greeted, Observation | None], None],
    ) -> None:
        self._options = options
        self._spawn = spawn
        self._told = told
        self._waiting: dict[int, tuple[Greeted, asyncio.TimerHandle]] = {}
        self._talking = 0
        self._begun: deque[float] = deque(maxlen=_QUICK)
        self._later: asyncio.TimerHandle | None = None
        self._is_over = False
        self.cut_short = False

    def __len__(self) -> int:
        return self._talking + len(self._waiting)

    @property
    def excess(self) -> int:
        """How many wait beyond the places for waiting: these take places of the sweep."""
        return max(0, len(self._waiting) - self._options.conversations)

    def add(self, greeted: Greeted) -> None:
        """Take a connection, whose conversation begins as soon as there is a place, or its time is up."""
        if not (self._is_over or self._waiting) and self._has_place():
            self._begin(greeted)
            return
        fd, left = greeted.sock.fileno(), greeted.ends_at - time.monotonic()
        timer = asyncio.get_running_loop().call_later(left, self._overdue, fd)
        self._waiting[fd] = (greeted, timer)
        self._go_on()

    def cut(self) -> None:
        """Begin no more: what waits is told of as it is."""
        self._is_over = True
        if self._later is not None:
            self._later.cancel()
        self._go_on()

    def _overdue(self, fd: int) -> None:
        self._begin(self._waiting.pop(fd)[0])

    def _look_again(self) -> None:
        self._later = None
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and (self._is_over or self._has_place()):
            fd = next(iter(self._waiting))
            greeted, timer = self._waiting.pop(fd)
            timer.cancel()
            if self._is_over:
                self._broken_off(greeted)
            else:
                self._begin(greeted)

    def _has_place(self) -> bool:
        """Whether a conversation may begin; when it will be so in a moment, it is looked at again then."""
        if self._talking >= self._options.conversations:
            return False
        if self._talking < _QUICK:
            return True
        left = self._begun[0] + _MOMENT - time.monotonic()
        if left > 0 and self._later is None:
            self._later = asyncio.get_running_loop().call_later(left, self._look_again)
        return left <= 0

    def _begin(self, greeted: Greeted) -> None:
        from imcprobe.probe.session import converse

        self._talking += 1
        self._begun.append(time.monotonic())
        task = self._spawn(converse(greeted, self._options))
        task.add_done_callback(lambda task: self._ended(greeted, task))

    def _ended(self, greeted: Greeted, task: asyncio.Task[Any]) -> None:
        self._talking -= 1
        if task.cancelled():
            self._broken_off(greeted)
        elif task.exception() is None:
            seen = task.result()
            self.cut_short |= self._is_over and seen.error is not None
            self._told(greeted, seen)
        self._go_on()

    def _broken_off(self, greeted: Greeted) -> None:
        greeted.sock.close()  # unless the conversation had begun, and took it
        self.cut_short = True
        self._told(greeted, None if greeted.implicit else greeted.seen._replace(error=_CUT))
