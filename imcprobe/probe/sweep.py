"""The engine: thousands of sockets at once, no task, future or stream for any of them.

A target costs `socket`, one registration, `connect`, one `recv` and `close`; QUIT adds a `send` and a
`recv`. The fast lane has the plain case; what does not fit it (a greeting in pieces, a name with several
addresses, a conversation) goes to the slow lane.

Each turn drains, then starts, then expires: expiring what was not yet looked at would make time-outs
of our own delay.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imcprobe.probe.alarm import Alarm
from imcprobe.probe.exhaustion import AWAY_PAUSE, Exhaustion
from imcprobe.probe.fastlane import FastLane
from imcprobe.probe.goodbye import Goodbyes
from imcprobe.probe.intake import Intake
from imcprobe.probe.late import Probe, of_one_address
from imcprobe.probe.options import IMPLICIT_TLS_PORT
from imcprobe.probe.outcomes import failure
from imcprobe.probe.pace import ConnectLimit
from imcprobe.probe.poller import MAX_EVENTS
from imcprobe.probe.slowlane import SlowLane
from imcprobe.probe.sockets import close

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from imcprobe.model import Observation
    from imcprobe.probe.late import Greeted
    from imcprobe.probe.options import ProbeOptions
    from imcprobe.probe.outbox import Outbox
    from imcprobe.probe.outside import Outside
    from imcprobe.probe.poller import Poller
    from imcprobe.probe.sockets import Dial, Socket
    from imcprobe.probe.talks import Talks

# New connections in a row: many enough to amortise it, few enough that answers are read in between.
MAX_STARTS = 128
# How often a turn drains and starts before the loop has its turn again.
_ROUNDS = 8


class Sweep:
    """Probes what `outside` supplies, and puts observations into `outbox`.

    `exhaustion` tells what is this machine's own fault.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: ProbeOptions,
        outside: Outside,
        outbox: Outbox,
        talks: Talks,
        *,
        exhaustion: Exhaustion,
        poller: Callable[..., Poller],
        dial: Dial,
    ) -> None:
        self._loop = loop
        self._options = options
        self._outside = outside
        self._outbox = outbox
        self._talks = talks
        self._exhaustion = exhaustion
        self._poller = poller(loop, self._turn, watch_connect=options.watch_connect)
        self._intake = Intake(options, outside.supply, time.monotonic())
        tells_more = options.per_net is not None or not self._poller.forgets_closed
        self._hang_up = self._close_and_tell if tells_more else close
        self._goodbyes = Goodbyes(self._hang_up)
        self._leave = self._goodbyes.add if options.quit else self._hang_up
        limit = ConnectLimit(options.connect_timeout, adaptive=options.adaptive)
        self._slow = SlowLane(
            options,
            limit,
            self._poller,
            finish=self._finish,
            again=self._next_address,
            converse=talks.add,
            hang_up=self._hang_up,
            dial=dial,
        )
        self._fast = FastLane(
            options,
            limit,
            self._poller,
            self._slow,
            outbox.seen,
            leave=self._leave,
            hang_up=self._hang_up,
            finish=self._finish,
            begun=self._intake.begun if options.per_net else None,
            exhaustion=exhaustion,
            not_begun=self._not_begun,
            dial=dial,
        )
        # Only the plain case is fast: one address, and nothing to watch but the greeting.
        self._all_slow = options.implicit_tls or options.watch_connect
        self._alarm = Alarm(loop, self._expiring_turn)
        self._kicked: asyncio.Handle | None = None
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Targets begun and not ended, goodbyes included, and conversations without a place of their own."""
        return len(self._fast) + len(self._goodbyes) + len(self._slow) + self._talks.excess

    @property
    def idle(self) -> bool:
        """Whether there is nothing to wait for but the supply."""
        return not (self.in_flight or len(self._intake) or len(self._talks))

    def add(self, probe: Probe) -> None:
        """Take a probe of a name, or one that is to go on."""
        self._intake.put(probe)
        self.kick()

    def kick(self) -> None:
        """Take a turn soon: there is something new."""
        if self._kicked is None and not self._closed:
            self._kicked = self._loop.call_soon(self._turn)

    def conversed(self, greeted: Greeted, seen: Observation | None) -> None:
        """Take what came of a conversation; its connection is closed."""
        self._intake.ended(greeted.sock)
        if seen is not None:
            self._end(greeted.probe, seen)
        self.kick()

    @property
    def cut_short(self) -> bool:
        """Whether `stop` kept something from being tried that had been begun, or held back."""
        return self._intake.cut_short

    def stop(self) -> None:
        """Begin nothing more."""
        self._intake.forget()

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
        places = min(self._options.concurrency - self.in_flight, MAX_STARTS)
        if places <= 0:
            return False
        probes, plain = self._intake.take(places, time.monotonic())
        if self._all_slow or IMPLICIT_TLS_PORT in [port for _, port in plain]:
            probes, plain = [*probes, *map(of_one_address, plain)], []
        for probe in probes:
            self._begin(probe)
        if plain:
            self._fast.begin(plain)
        return len(probes) + len(plain) == places

    def _begin(self, probe: Probe) -> None:
        if probe.is_over(time.monotonic(), self._options) and (seen := probe.last_word()) is not None:
            self._intake.not_begun(probe.address)
            self._outbox.add(seen)
            return
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
        pause = self._exhaustion.pause(code, probe, busy=self.in_flight > 0)
        if pause is not None:
            if self._exhaustion.is_away(probe.address):
                self._wait_for_network(probe, code, pause)
            else:
                self._intake.hold(probe, time.monotonic() + pause)
            return
        seen = failure(probe.target, probe.address, code)
        if probe.others:
            self._next_address(probe, seen)
        else:
            self._end(probe, seen)

    def _wait_for_network(self, probe: Probe, code: int | None, pause: float) -> None:
        """Try an address of a network that stands, or this one again later: nobody else is to wait for it."""
        if not all(map(self._exhaustion.is_away, probe.addresses[probe.at + 1 :])):
            probe.next_address(failure(probe.target, probe.address, code))
            self.add(probe)
            return
        probe.wait_for_network()
        if self._exhaustion.stands:
            self._intake.put(probe, time.monotonic() + AWAY_PAUSE)
        else:
            self._intake.hold(probe, time.monotonic() + pause)

    def _next_address(self, probe: Probe, seen: Observation) -> None:
        if not self._begun_anew(probe, seen):
            probe.next_address(seen)
            self.add(probe)

    def _finish(self, fd: int, sock: Socket, probe: Probe, seen: Observation, *, polite: bool) -> None:
        """Take an observation, and close the connection, politely where the server spoke SMTP."""
        (self._leave if polite else self._hang_up)(fd, sock)
        self._end(probe, seen)

    def _end(self, probe: Probe, seen: Observation) -> None:
        """Tell of a probe that is through with its addresses, unless it is to begin anew."""
        if self._begun_anew(probe, seen):
            return
        due = probe.due_again(seen, self._options)
        if due is None or self._intake.is_over:
            self._intake.cut_short |= due is not None
            self._outbox.add(probe.outcome(seen))
        else:
            probe.next_attempt(seen)
            self._intake.put(probe, due)

    def _begun_anew(self, probe: Probe, seen: Observation) -> bool:
        """Whether a probe begins anew: it was the network that was away, not the target."""
        if probe.since is None or not self._exhaustion.excuses(seen, probe.since):
            return False
        probe.start_over()
        self.add(probe)
        return True

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
            moments.append(self._intake.next_due)
        return min((moment for moment in moments if moment is not None), default=None)

    def _expiring_turn(self) -> None:
        # The loop runs timers behind readers, so that by now all that came in time is known.
        self._turn(expire=True)
