"""The engine: thousands of sockets at once, no task, future or stream for any of them.

A target costs `socket`, one registration, `connect`, one `recv` and `close`; QUIT adds a `send` and a
`recv`. The fast lane has the plain case; what does not fit it (a greeting in pieces, a name with several
addresses, a conversation) goes to the slow lane.

Each turn drains, then starts, then expires: expiring what was not yet looked at would make time-outs
of our own delay.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from imcprobe.model import Observation, Status, Target
from imcprobe.probe.alarm import Alarm
from imcprobe.probe.fastlane import FastLane
from imcprobe.probe.goodbye import Goodbyes
from imcprobe.probe.intake import Intake
from imcprobe.probe.late import Greeted, Probe, of_one_address
from imcprobe.probe.outcomes import failure
from imcprobe.probe.pace import ConnectLimit, RateLimit
from imcprobe.probe.poller import MAX_EVENTS
from imcprobe.probe.slowlane import SlowLane

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from imcprobe.probe.exhaustion import Exhaustion
    from imcprobe.probe.options import ProbeOptions
    from imcprobe.probe.poller import Poller
    from imcprobe.probe.sockets import Dial, Socket

# New connections in a row: many enough to amortise it, few enough that answers are read in between.
MAX_STARTS = 128
# How often a turn drains and starts before the loop has its turn again.
_ROUNDS = 4


class Outside(Protocol):
    """What a sweep works for: where targets come from, and who is told of what."""

    def supply(self, count: int) -> list[Target]:
        """Return targets whose host is a literal address, `count` at the most, none when there is none."""
        ...

    def converse(self, greeted: Greeted) -> None:
        """Take a connection whose greeting is unread; the sweep's `release` is called at its end."""
        ...

    def turned(self) -> None:
        """Take note that a turn has been taken."""
        ...

    def failed(self, error: Exception) -> None:
        """Take an exception that nothing here expects: a bug, or the supply's own."""
        ...


class Sweep:
    """Probes what `outside` supplies, and appends observations to `seen`.

    `exhaustion` tells what is this machine's own fault.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: ProbeOptions,
        outside: Outside,
        seen: list[Observation],
        *,
        exhaustion: Exhaustion,
        poller: Callable[..., Poller],
        dial: Dial,
    ) -> None:
        self._loop = loop
        self._options = options
        self._outside = outside
        self._seen = seen
        self._exhaustion = exhaustion
        self._poller = poller(loop, self._turn, watch_connect=options.watch_connect)
        self._intake = Intake(options, outside.supply)
        self._rate = None if options.rate is None else RateLimit(options.rate, time.monotonic())
        tells_more = options.per_net is not None or not self._poller.forgets_closed
        self._hang_up = self._close_and_tell if tells_more else _close
        self._goodbyes = Goodbyes(self._hang_up)
        self._leave = self._goodbyes.add if options.quit else self._hang_up
        limit = ConnectLimit(options.connect_timeout, adaptive=options.adaptive)
        self._slow = SlowLane(
            options,
            limit,
            self._poller,
            finish=self._finish,
            again=self.add,
            converse=outside.converse,
            hang_up=self._hang_up,
            dial=dial,
        )
        self._fast = FastLane(
            options,
            limit,
            self._poller,
            self._slow,
            seen,
            leave=self._leave,
            hang_up=self._hang_up,
            finish=self._finish,
            begun=self._intake.begun if options.per_net else None,
            exhaustion=exhaustion,
            not_begun=self._not_begun,
            dial=dial,
        )
        # Only the plain case is fast: one address, and nothing to watch but the greeting.
        self._all_slow = options.ehlo or options.watch_connect
        self._resume_at = 0.0
        self._alarm = Alarm(loop, self._expiring_turn)
        self._kicked: asyncio.Handle | None = None
        self._stopping = False
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Targets begun and not ended, goodbyes and conversations included."""
        return len(self._fast) + len(self._goodbyes) + len(self._slow)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to wait for but the supply."""
        return not (self.in_flight or len(self._intake))

    def add(self, probe: Probe) -> None:
        """Take a probe of a name, or one that is to go on."""
        self._intake.put(probe)
        self.kick()

    def kick(self) -> None:
        """Take a turn soon: there is something new."""
        if self._kicked is None and not self._closed:
            self._kicked = self._loop.call_soon(self._turn)

    def release(self, sock: Socket) -> None:
        """Take note that a conversation has ended, and its connection."""
        self._intake.ended(sock)
        self._slow.release()
        self.kick()

    def stop(self) -> bool:
        """Begin nothing more; whether there was anything that had to wait."""
        self._stopping = True
        return self._intake.forget()

    def close(self) -> None:
        """Close every socket, without a word; what is in flight gets no observation."""
        self._closed = True
        self._alarm.cancel()
        if self._kicked is not None:
            self._kicked.cancel()
        self._poller.close()
        self._intake.forget()
        for lane in (self._fast, self._goodbyes, self._slow):
            lane.close()

    def _turn(self, *, expire: bool = False) -> None:
        if self._closed:
            return
        if self._kicked is not None:
            self._kicked.cancel()
            self._kicked = None
        # Nothing is called late that may have come since.
        now = time.monotonic()
        try:
            more = self._rounds(everything=expire)
            freed = expire and self._expire(now)
            if more or freed:
                self.kick()
            self._outside.turned()
        except Exception as error:  # noqa: BLE001 - the loop would swallow it and the scan hang
            self._outside.failed(error)
            return
        self._alarm.set(self._next_due())

    def _rounds(self, *, everything: bool) -> bool:
        """Drain and start while there is something to do; whether there is more to start."""
        # The kernel gives out what is ready in turns: so many rounds reach each connection once.
        rounds = _ROUNDS + (self.in_flight // MAX_EVENTS if everything else 0)
        more = drained = True
        while rounds and (more or drained):
            drained = self._drain()
            more = self._start()
            rounds -= 1
        return more

    def _drain(self) -> bool:
        """Read what came; whether there may be more."""
        ready = self._poller.take()
        others = self._fast.read(ready, time.monotonic())
        for fd in self._goodbyes.read(others):
            self._slow.ready(fd)
        self._goodbyes.say_all()
        return len(ready) >= MAX_EVENTS

    def _start(self) -> bool:
        """Begin what there is room for; whether there is room for more, and may be more."""
        now = time.monotonic()
        places = min(self._options.concurrency - self.in_flight, MAX_STARTS)
        if self._rate is not None:
            places = min(places, self._rate.allowed(now))
        if places <= 0 or now < self._resume_at or self._stopping:
            return False
        probes, plain = self._intake.take(places, now)
        if self._rate is not None:
            self._rate.spend(len(probes) + len(plain))
        for probe in probes:
            self._begin(probe)
        if self._all_slow:
            for target in plain:
                self._begin(of_one_address(target))
        elif plain:
            self._fast.begin(plain)
        return len(probes) + len(plain) == places

    def _begin(self, probe: Probe) -> None:
        try:
            sock = self._slow.begin(probe)
        except OSError as error:
            self._not_begun(probe, error.errno)
        else:
            self._exhaustion.over(probe.address)
            self._intake.begun(probe.address, sock)

    def _not_begun(self, probe: Probe, code: int | None) -> None:
        """Try a probe again when this machine is to blame, else turn to its next address, or end it."""
        self._intake.not_begun(probe.address)
        pause = self._exhaustion.pause(code, probe.address, busy=self.in_flight > 0)
        if pause is not None:
            self._intake.put(probe)
            self._resume_at = time.monotonic() + pause
            return
        seen = failure(probe.target, probe.address, code)
        if probe.others:
            probe.next_address(seen)
            self.add(probe)
        else:
            self._seen.append(probe.outcome(seen))

    def _finish(self, fd: int, sock: Socket, probe: Probe, seen: Observation, *, polite: bool) -> None:
        """Take an observation, and close the connection, politely where the server spoke SMTP."""
        (self._leave if polite else self._hang_up)(fd, sock)
        if not self._is_tried_again(probe, seen):
            self._seen.append(probe.outcome(seen))

    def _is_tried_again(self, probe: Probe, seen: Observation) -> bool:
        """Whether what was seen is not the last word, and the probe will begin anew."""
        if seen.status is Status.SUCCESS or self._stopping:
            return False
        if probe.since is not None and self._exhaustion.excuses(seen, probe.since):
            probe.next_attempt(None)
            self._intake.put(probe)
            return True
        due = probe.due_again(seen, self._options)
        if due is not None:
            probe.next_attempt(seen)
            self._intake.put(probe, due)
        return due is not None

    def _close_and_tell(self, fd: int, sock: Socket) -> None:
        self._poller.closing(fd)
        self._intake.ended(sock)
        sock.close()

    def _expire(self, now: float) -> bool:
        """End what is overdue; whether a place has become free."""
        freed = [lane.expire(now) for lane in (self._fast, self._goodbyes, self._slow)]
        return any(freed)

    def _next_due(self) -> float | None:
        """When a turn must be taken at the latest."""
        moments = [lane.next_due for lane in (self._fast, self._goodbyes, self._slow)]
        if self.in_flight < self._options.concurrency:
            moments += self._starts_due(time.monotonic())
        return min((moment for moment in moments if moment is not None), default=None)

    def _starts_due(self, now: float) -> list[float | None]:
        """When something may begin that has to wait now, though there are places."""
        if self._resume_at > now:
            return [self._resume_at if len(self._intake) else None]
        if self._rate is not None and self._rate.next_due > now:
            return [self._rate.next_due]
        return [self._intake.next_due]

    def _expiring_turn(self) -> None:
        # The loop runs timers behind readers, so that by now all that came in time is known.
        self._turn(expire=True)


def _close(_fd: int, sock: Socket) -> None:
    sock.close()
