"""One target that needs more than one look: its probe, its connection, and the observations of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from imcprobe.fingerprint.reply import FIRST_REFUSAL, ReplyReader
from imcprobe.model import Observation, Status, Target, Times
from imcprobe.probe.options import BACK_OFF
from imcprobe.probe.outcomes import RETRIED, failure, weightier
from imcprobe.probe.sockets import connected_for

if TYPE_CHECKING:
    from imcprobe.probe.options import ProbeOptions
    from imcprobe.probe.sockets import Socket


class Greeted(NamedTuple):
    """A connection whose greeting of `length` bytes is complete but still to be read.

    With `implicit` there is none yet, as TLS comes first. `seen` is the observation as it is without a
    conversation. `ends_at` is the target's last moment, `began` when its connection was begun, both by the
    monotonic clock.
    """

    sock: Socket
    probe: Probe
    seen: Observation
    length: int
    began: float
    ends_at: float
    implicit: bool = False

    def after(self, moment: float) -> str:
        """How long after its start a moment comes, in words."""
        return f"after {round(moment - self.began, 1):g} s"


@dataclass(slots=True, eq=False)
class Probe:
    """One target under way: the literal addresses to try, and how far it is.

    `at` is the address whose turn it is. By the monotonic clock, and None before its first connection,
    are `began`, from which its deadline counts, and `since`, from which this try's connect limit does;
    `left` is when the address before this one was given up. `failed` is what to tell of this try should
    its other addresses fail too, `before` of the tries before it. `spent` is how many seconds of its
    deadline finding its addresses took. `doubted` is set once the system's word that there is no way to it
    was not believed.
    """

    target: Target
    addresses: tuple[str, ...]
    spent: float = 0.0
    at: int = 0
    began: float | None = None
    since: float | None = None
    left: float = 0.0
    attempts: int = 1
    failed: Observation | None = None
    before: Observation | None = None
    doubted: bool = False

    @property
    def address(self) -> str:
        return self.addresses[self.at]

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to it but a target whose host is its address."""
        fresh = self.began is None and self.attempts == 1 and not self.doubted
        return fresh and self.addresses == (self.target.host,)

    @property
    def others(self) -> int:
        """How many addresses are left behind this one."""
        return len(self.addresses) - self.at - 1

    def is_over(self, now: float, options: ProbeOptions) -> bool:
        """Whether its last moment has come while it waited."""
        return self.began is not None and self.ends_at(options) <= now

    def ends_at(self, options: ProbeOptions) -> float:
        """Its last moment, once it has begun."""
        assert self.began is not None  # noqa: S101 - asked about connections only
        return self.began + options.deadline

    def connected(self, now: float) -> None:
        """Take note that a connection has been begun."""
        self.began = now - self.spent if self.began is None else self.began
        # Waiting for a place between two addresses is not part of a connection.
        self.since = now if self.since is None else self.since + (now - self.left)

    def next_address(self, seen: Observation) -> None:
        """Turn to the next address, after what was seen at this one."""
        self.failed = weightier(self.failed, seen)
        self.left = time.monotonic()
        self.at += 1

    def next_attempt(self, seen: Observation) -> None:
        """Turn to the first address again, after what was last seen in this try."""
        self.before = weightier(self.before, weightier(self.failed, seen))
        self.at, self.since, self.failed = 0, None, None
        self.attempts += 1

    def start_over(self) -> None:
        """Turn to the first address as if this try had not been."""
        self.at, self.began, self.since, self.failed = 0, None, None, None

    def wait_for_network(self) -> None:
        """Let its time begin with its next connection: it must not run out while there is no network."""
        self.began = self.since = None

    def due_again(self, seen: Observation, options: ProbeOptions) -> float | None:
        """When to try again after what was last seen in this try, None when that is the last word."""
        if weightier(self.failed, seen).status not in RETRIED or self.attempts > options.retries:
            return None
        due = time.monotonic() + BACK_OFF * 2 ** (self.attempts - 1)
        return None if self.is_over(due, options) else due

    def outcome(self, seen: Observation) -> Observation:
        """What to tell of the target after its last observation."""
        if seen.status is not Status.SUCCESS:
            seen = weightier(self.before, weightier(self.failed, seen))
        return seen._replace(attempts=self.attempts) if seen.attempts != self.attempts else seen

    def last_word(self) -> Observation | None:
        """What to tell of a target whose time has run out while it waited, perhaps for a try not begun."""
        seen = self.failed or self.before
        return seen and self.outcome(seen)._replace(attempts=self.attempts - (self.since is None))


def of_one_address(target: Target, started: float | None = None) -> Probe:
    """The probe of a target whose host is its address, begun at `started`."""
    return Probe(target, (target.host,), began=started, since=started)


@dataclass(slots=True, eq=False)
class Late:
    """A connection in the slow lane; times are of the monotonic clock, `due` its next moment.

    `started` is when its try began, from which the connect limit counts, `dialled` when this connection
    did, `connect_by` when this address is given up, `broken` the errno that is told behind the last byte.
    `taken` is whether what could have been left for a conversation had to be read, `implicit` whether TLS
    comes first.
    """

    sock: Socket
    probe: Probe
    started: float
    due: float
    connect_by: float = 0.0
    connected_at: float | None = None
    watched: bool = False
    broken: int = 0
    taken: bool = False
    implicit: bool = False
    dialled: float = 0.0
    reader: ReplyReader = field(default_factory=ReplyReader)

    def seen(self, status: Status, error: str | None, *, greeted: bool) -> Observation:
        """The observation, as of now; with `greeted` the greeting has just ended."""
        now = time.monotonic()
        connected = self.connected_at if self.watched else None
        return Observation(
            self.probe.target,
            self.probe.address,
            status,
            greeting=bytes(self.reader.data),
            times=Times(self._since(connected), self._since(now if greeted else None)),
            attempts=self.probe.attempts,
            error=error,
            seen_at=time.time(),
        )

    def greeted(self, status: Status, options: ProbeOptions) -> Greeted:
        """The connection for a conversation, its greeting complete; or, where TLS comes first, none begun."""
        return Greeted(
            self.sock,
            self.probe,
            self.seen(status, None, greeted=not self.implicit),
            self.reader.length,
            began=self.dialled,
            ends_at=self.probe.ends_at(options),
            implicit=self.implicit,
        )

    def failure(self, code: int | None) -> Observation:
        """The observation of a connection that an errno ended before a byte came."""
        return failure(self.probe.target, self.probe.address, code)

    def greeting_due(self, options: ProbeOptions) -> float:
        """When the greeting must be complete, as far as is known by now."""
        connected = self.started if self.connected_at is None else self.connected_at
        return min(connected + options.greeting_timeout, self.probe.ends_at(options))

    def after(self, moment: float) -> str:
        """How long after its start a moment comes, in words."""
        return f"after {round(moment - self.started, 1):g} s"

    def made_at(self) -> float:
        """When the connection was made: where that is not known, no earlier than it was begun."""
        ago = connected_for(self.sock)
        return self.dialled if ago is None else max(self.dialled, time.monotonic() - ago)

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else (moment - self.dialled) * 1000


def judge(code: int) -> tuple[Status, str | None]:
    """The status of a whole greeting that is no 220: only 4xx and 5xx are a server's way to say no."""
    if code >= FIRST_REFUSAL:
        return Status.APPLICATION_ERROR, None
    return Status.PROTOCOL_ERROR, f"a greeting with code {code}"
