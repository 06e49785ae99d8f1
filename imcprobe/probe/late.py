"""One connection of the slow lane: its state, and the observations that it becomes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from imcprobe.fingerprint.reply import FIRST_REFUSAL, ReplyReader
from imcprobe.model import Observation, Status, Target, Times

if TYPE_CHECKING:
    from imcprobe.probe.options import ProbeOptions
    from imcprobe.probe.sockets import Socket


class Greeted(NamedTuple):
    """A connection whose greeting of `length` bytes is complete but still to be read.

    `seen` is the observation as it is without a conversation, `ends_at` the target's last moment by the
    monotonic clock.
    """

    sock: Socket
    seen: Observation
    length: int
    ends_at: float


@dataclass(slots=True, eq=False)
class Late:
    """A connection in the slow lane; times are of the monotonic clock, `due` its next moment.

    `connect_by` is when this address is given up, `failed` what to tell of those before it, should it
    fail too.
    """

    sock: Socket
    target: Target
    address: str
    others: tuple[str, ...]
    started: float
    due: float
    connect_by: float = 0.0
    connected_at: float | None = None
    watched: bool = False
    reader: ReplyReader = field(default_factory=ReplyReader)
    failed: Observation | None = None

    def seen(self, status: Status, error: str | None, *, greeted: bool) -> Observation:
        """The observation, as of now; with `greeted` the greeting has just ended."""
        now = time.monotonic()
        connected = self.connected_at if self.watched else None
        return Observation(
            self.target,
            self.address,
            status,
            greeting=bytes(self.reader.data),
            times=Times(self._since(connected), self._since(now if greeted else None)),
            error=error,
            seen_at=time.time(),
        )

    def greeting_due(self, options: ProbeOptions) -> float:
        """When the greeting must be complete, as far as is known by now."""
        connected = self.started if self.connected_at is None else self.connected_at
        return min(connected + options.greeting_timeout, self.started + options.deadline)

    def after(self, moment: float) -> str:
        """How long after its start a moment comes, in words."""
        return f"after {round(moment - self.started, 1):g} s"

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else (moment - self.started) * 1000


def judge(code: int) -> tuple[Status, str | None]:
    """The status of a whole greeting that is no 220: only 4xx and 5xx are a server's way to say no."""
    if code >= FIRST_REFUSAL:
        return Status.APPLICATION_ERROR, None
    return Status.PROTOCOL_ERROR, f"a greeting with code {code}"
