"""The greeting path: thousands of sockets at once, no task, future or stream for any of them.

A target costs `socket`, `connect`, one registration, one `recv` and `close` (QUIT adds a `send` and
a `recv`), and one tuple while it waits. All targets share one limit, so the order of starting is the
order of expiry and an ordered dict is the whole timer. What does not fit that (a greeting in pieces,
a name with several addresses, a conversation) goes to the slow lane.

Each turn drains, then starts, then expires: expiring what was not yet looked at would make time-outs
of our own delay.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from imcprobe.fingerprint.reply import is_plain_greeting
from imcprobe.model import Observation, Status, Target, Times
from imcprobe.probe.exhaustion import Exhaustion
from imcprobe.probe.goodbye import Goodbyes
from imcprobe.probe.outcomes import failure
from imcprobe.probe.poller import MAX_EVENTS
from imcprobe.probe.slowlane import SlowLane

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from imcprobe.probe.late import Greeted
    from imcprobe.probe.options import ProbeOptions
    from imcprobe.probe.poller import Poller
    from imcprobe.probe.sockets import Connect, Socket

    Start = tuple[Target, tuple[str, ...]]
    """A target and the literal addresses to try; none where its host is one."""

# Enough for every greeting seen; what is longer is read on in the slow lane.
FIRST_READ = 4096
# New connections a turn: many enough to amortise it, few enough that answers are read in between.
MAX_STARTS = 256
# How long to wait when this machine has run out of descriptors, ports or buffers.
EXHAUSTED_PAUSE = 0.05


class Sweep:
    """Probes what `supply` gives (None: nothing at the moment) and passes observations to `deliver`.

    `converse` takes a connection whose greeting is complete but unread, when options ask for more than
    a greeting, and calls `release` when it has ended. `turned` is called after each turn, `failed` with
    an exception that nothing here expects: a bug, or the supply's own.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: ProbeOptions,
        *,
        supply: Callable[[], Start | None],
        deliver: Callable[[Observation], None],
        converse: Callable[[Greeted], None],
        turned: Callable[[], None],
        failed: Callable[[Exception], None],
        poller: Callable[..., Poller],
        connect: Connect,
    ) -> None:
        self._loop = loop
        self._options = options
        self._supply = supply
        self._deliver = deliver
        self._turned = turned
        self._failed = failed
        self._poller = poller(loop, self._turn, watch_connect=options.watch_connect)
        self._begin_connection = connect
        self._slow = SlowLane(
            options, self._poller, self._finish, deliver, converse, self._not_begun, connect
        )
        # Only the plain case is fast: one address, and nothing to watch but the greeting.
        self._all_slow = options.ehlo or options.watch_connect
        self._first_limit = min(options.connect_timeout, options.greeting_timeout, options.deadline)
        self._fresh: OrderedDict[int, tuple[Socket, Target, float]] = OrderedDict()
        self._goodbyes = Goodbyes(self._poller)
        self._again: deque[Start] = deque()
        self._resume_at = 0.0
        self._exhaustion = Exhaustion()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._kicked = False
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Targets begun and not ended, goodbyes and conversations included."""
        return len(self._fresh) + len(self._goodbyes) + len(self._slow)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to wait for but the supply."""
        return not (self.in_flight or self._again)

    def kick(self) -> None:
        """Take a turn soon: the supply has something new."""
        if not (self._kicked or self._closed):
            self._kicked = True
            self._loop.call_soon(self._kicked_turn)

    def release(self) -> None:
        """Take note that a conversation has ended."""
        self._slow.release()
        self.kick()

    def forget_waiting(self) -> bool:
        """Begin none of the targets that this machine had nothing left for; whether there were any."""
        forgotten = bool(self._again)
        self._again.clear()
        return forgotten

    def close(self) -> None:
        """Close every socket, without a word; what is in flight gets no observation."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._poller.close()
        for sock, _, _ in self._fresh.values():
            sock.close()
        self._fresh.clear()
        self._again.clear()
        self._goodbyes.close()
        self._slow.close()

    def _kicked_turn(self) -> None:
        self._kicked = False
        self._turn()

    def _turn(self, *, expire: bool = False) -> None:
        if self._closed:
            return
        # Nothing is called late that may have come since.
        now = time.monotonic()
        try:
            self._drain(all_of_it=expire)
            self._start()
            if expire:
                self._expire(now)
                self.kick()  # for the places that have become free
            self._turned()
        except Exception as error:  # noqa: BLE001 - the loop would swallow it and the scan hang
            self._failed(error)
            return
        self._arm()

    def _drain(self, *, all_of_it: bool) -> None:
        """Read what came: a batch, or all that has come by now."""
        # The kernel gives out what is ready in turns: so many rounds reach each connection once.
        for _ in range(1 + self.in_flight // MAX_EVENTS if all_of_it else 1):
            ready = self._poller.take()
            self._read(ready)
            if len(ready) < MAX_EVENTS:
                break
        self._goodbyes.say_all()

    def _read(self, ready: list[int]) -> None:
        fresh = self._fresh
        for fd in ready:
            entry = fresh.get(fd)
            if entry is None:
                if not self._goodbyes.ready(fd):
                    self._slow.ready(fd)
                continue
            sock, target, started = entry
            try:
                data = sock.recv(FIRST_READ)
            except BlockingIOError:
                continue
            except OSError as error:
                del fresh[fd]
                self._refused(fd, sock, target, error)
                continue
            del fresh[fd]
            if is_plain_greeting(data) is not None:
                self._greeted(fd, sock, target, started, data)
            else:
                self._slow.adopt(fd, sock, target, started, data)

    def _greeted(self, fd: int, sock: Socket, target: Target, started: float, data: bytes) -> None:
        took = Times(None, (time.monotonic() - started) * 1000)
        seen = Observation(
            target, target.host, Status.SUCCESS, greeting=data, times=took, seen_at=time.time()
        )
        self._finish(fd, sock, seen, polite=True)

    def _refused(self, fd: int, sock: Socket, target: Target, error: OSError) -> None:
        self._finish(fd, sock, failure(target, target.host, error.errno), polite=False)

    def _finish(self, fd: int, sock: Socket, seen: Observation, *, polite: bool) -> None:
        """Hand out the observation and close the connection, politely where the server spoke SMTP."""
        self._deliver(seen)
        if polite and self._options.quit:
            self._goodbyes.add(fd, sock)
        else:
            self._close(fd, sock)

    def _close(self, fd: int, sock: Socket) -> None:
        self._poller.closing(fd)
        sock.close()

    def _start(self) -> None:
        if self._again and time.monotonic() < self._resume_at:
            return
        places = min(self._options.concurrency - self.in_flight, MAX_STARTS)
        items = self._next_items(places)
        # In a row, with nothing in between: kernel and server stay awake, and each costs less.
        for at, item in enumerate(items):
            if not self._open(*item):
                self._again.extend(items[at + 1 :])
                return
        if len(items) == places and self.in_flight < self._options.concurrency:
            self.kick()

    def _next_items(self, count: int) -> list[Start]:
        """Targets that are to begin now: first those that had to wait for this machine."""
        items: list[Start] = []
        while len(items) < count:
            item = self._again.popleft() if self._again else self._supply()
            if item is None:
                break
            items.append(item)
        return items

    def _open(self, target: Target, addresses: tuple[str, ...]) -> bool:
        """Begin a target; False when this machine has run out of something and all must wait."""
        try:
            if addresses or self._all_slow:
                self._slow.begin(target, addresses or (target.host,))
            else:
                self._connect(target)
        except OSError as error:
            return self._not_begun(target, addresses or (target.host,), error)
        except (OverflowError, ValueError) as error:
            self._report(target, addresses or (target.host,), Status.INVALID_INPUT, str(error))
        else:
            self._exhaustion.over(addresses[0] if addresses else target.host)
        return True

    def _connect(self, target: Target) -> None:
        sock = self._begin_connection(target.host, target.port)
        fd = sock.fileno()
        try:
            self._poller.add(fd)
        except OSError:
            sock.close()
            raise
        self._fresh[fd] = (sock, target, time.monotonic())

    def _not_begun(self, target: Target, addresses: tuple[str, ...], error: OSError) -> bool:
        if not self._exhaustion.must_wait(error, addresses[-1], busy=self.in_flight > 0):
            self._deliver(failure(target, addresses[-1], error.errno))
            return True
        self._again.append((target, addresses))
        self._resume_at = time.monotonic() + EXHAUSTED_PAUSE
        return False

    def _report(self, target: Target, addresses: tuple[str, ...], status: Status, error: str) -> None:
        self._deliver(Observation(target, addresses[-1], status, error=error, seen_at=time.time()))

    def _expire(self, now: float) -> None:
        fresh = self._fresh
        while fresh:
            fd, (sock, target, started) = next(iter(fresh.items()))
            if started + self._first_limit > now:
                break
            del fresh[fd]
            self._slow.overdue(fd, sock, target, started, now)
        self._goodbyes.expire(now)
        self._slow.expire(now)

    def _arm(self) -> None:
        """See to it that a turn is taken when the next limit ends."""
        due = self._next_due()
        if due is None or (self._timer is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._loop.call_later(max(0.0, due - time.monotonic()), self._timer_turn)

    def _next_due(self) -> float | None:
        waiting = self._resume_at if self._again else None
        moments = [self._slow.next_due, self._goodbyes.next_due, waiting]
        if self._fresh:
            moments.append(next(iter(self._fresh.values()))[2] + self._first_limit)
        return min((moment for moment in moments if moment is not None), default=None)

    def _timer_turn(self) -> None:
        # The loop runs timers behind readers, so that by now all that came in time is known.
        self._timer = None
        self._turn(expire=True)
