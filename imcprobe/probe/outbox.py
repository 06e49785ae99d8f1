"""What was seen and waits for whoever takes it: in batches, within bounds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imcprobe.model import Observation

# So many observations may wait, and so many bytes of those that `add` took: beyond, nothing new is begun.
MAX_UNDELIVERED = 2048
MAX_UNDELIVERED_BYTES = 1 << 23
# A batch is handed out when it is worth the trouble of files and screens, or after so many seconds.
WORTHWHILE = 128
BATCH_PAUSE = 0.01
# Long greetings are an attack, or a lawyer's: a batch has little more of them than this, so that neither its
# memory nor its time is a stranger's to choose.
HEAVY = 1 << 18
# What Python adds to a line of text.
_LINE = 57


class Outbox:
    """Observations in the order in which they came.

    `seen` holds what waits. Usual greetings, which are short, may be appended to it directly, by the
    million; all else is `add`ed.
    """

    def __init__(self) -> None:
        self.seen: list[Observation] = []
        self._weight = 0
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        """Whether so much waits that nothing new is to begin."""
        return len(self.seen) >= MAX_UNDELIVERED or self._weight >= MAX_UNDELIVERED_BYTES

    def add(self, seen: Observation) -> None:
        """Take an observation, however long its greeting."""
        self.seen.append(seen)
        self._weight += weight_of(seen)

    def take(self) -> list[list[Observation]]:
        """All that waits, in batches: one or none, unless there are long greetings."""
        batch, weight = self.seen[:], self._weight
        self.seen.clear()
        self._weight = 0
        if weight > HEAVY:
            return [*_parts(batch)]
        return [batch] if batch else []

    async def wait(self) -> None:
        """Wait for the next `wake`."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def note(self) -> None:
        """Take note that something may have come: wake whoever waits, soon or when it is worthwhile."""
        if len(self.seen) >= WORTHWHILE:
            self.wake()
        elif self.seen and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_PAUSE, self.wake)

    def wake(self) -> None:
        """Wake whoever waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _parts(batch: list[Observation]) -> Iterator[list[Observation]]:
    part: list[Observation] = []
    weight = 0
    for seen in batch:
        part.append(seen)
        weight += weight_of(seen)
        if weight >= HEAVY:
            yield part
            part, weight = [], 0
    if part:
        yield part


def weight_of(seen: Observation) -> int:
    """About how many bytes of a stranger's an observation holds."""
    weight = len(seen.greeting)
    if seen.ehlo is None and seen.replies is None and seen.tls is None:
        return weight
    tls, replies = seen.tls, [reply for reply in seen.replies or () if reply is not None]
    said = [seen.ehlo or (), (tls and tls.ehlo) or (), *(reply.lines for reply in replies)]
    if tls is not None and tls.certificate is not None:
        weight += len(tls.certificate.der)
    return weight + sum(_LINE * len(lines) + sum(map(len, lines)) for lines in said)
