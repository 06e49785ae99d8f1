"""The plain case, by the million: one address, and a greeting that comes whole.

What waits here is a socket, its target and a moment; all share one limit, so the order of starting is the
order of expiry and a dict is the whole timer. The same call is made for many sockets in a row, since kernel
and server then stay awake and in the processor's cache, and each costs less.
"""

from __future__ import annotations

import select
import time
from errno import ECONNREFUSED
from itertools import takewhile
from socket import SO_ERROR, SO_OOBINLINE, SOL_SOCKET
from typing import TYPE_CHECKING

from imcprobe.fingerprint.reply import MAX_REPLY_BYTES, is_plain_greeting
from imcprobe.model import NO_TIMES, Observation, Status, Target, Times
from imcprobe.probe.late import of_one_address
from imcprobe.probe.outcomes import NO_PORT, RUN_OUT, failure, name_of
from imcprobe.probe.sockets import UNDER_WAY, connect_seconds, is_connected, open_socket

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.probe.exhaustion import Exhaustion
    from imcprobe.probe.late import Probe
    from imcprobe.probe.options import ProbeOptions
    from imcprobe.probe.pace import ConnectLimit
    from imcprobe.probe.poller import Poller
    from imcprobe.probe.slowlane import SlowLane
    from imcprobe.probe.sockets import Dial, Socket

# Enough for every greeting seen, and with the head of a bytes object a block that Python keeps at hand;
# what is longer is read on in the slow lane.
FIRST_READ = 479
# Connections that share a moment, as each moment kept is a fifth of what a connection takes: they are begun
# within a tenth of a millisecond or so.
_PER_MOMENT = 8
_SUCCESS = Status.SUCCESS
_ERROR = getattr(select, "EPOLLERR", 0)
_REFUSED, _REFUSAL = Status.CONNECTION_REFUSED, name_of(ECONNREFUSED)


class FastLane:
    """Connections on which nothing but a plain greeting is expected; their number is the length.

    Observations of those that greet or refuse are appended to `seen`, and `leave` or `hang_up` takes the
    connection; `finish` takes those that end in another way, `slow` what needs another look. `begun`,
    where somebody counts them, is told of each that is begun, `not_begun` of those that are refused at once.
    """

    def __init__(
        self,
        options: ProbeOptions,
        limit: ConnectLimit,
        poller: Poller,
        slow: SlowLane,
        seen: list[Observation],
        *,
        leave: Callable[[int, Socket], None],
        hang_up: Callable[[int, Socket], None],
        finish: Callable[..., None],
        begun: Callable[[str, Socket], None] | None,
        exhaustion: Exhaustion,
        not_begun: Callable[[Probe, int | None], None],
        dial: Dial,
    ) -> None:
        self._options = options
        self._limit = limit
        self._poller = poller
        self._slow = slow
        self._seen = seen
        self._leave = leave
        self._hang_up = hang_up
        self._finish = finish
        self._begun = begun
        self._exhaustion = exhaustion
        self._not_begun = not_begun
        self._dial = dial
        self._fresh: dict[int, tuple[Socket, Target, float]] = {}

    def __len__(self) -> int:
        return len(self._fresh)

    @property
    def next_due(self) -> float | None:
        """When the first has waited long enough, by the monotonic clock."""
        return next(iter(self._fresh.values()))[2] + self._patience if self._fresh else None

    def close(self) -> None:
        """Close every socket, without a word."""
        for sock, _, _ in self._fresh.values():
            sock.close()
        self._fresh.clear()

    def begin(self, targets: list[Target]) -> None:
        """Connect to targets whose host is a literal address."""
        fresh, dial, begun, clock = self._fresh, self._dial, self._begun, time.monotonic
        failed: list[tuple[Target, int | None]] = []
        ipv4 = ipv6 = None  # those networks come and go each by itself
        for at, (sock, target) in enumerate(self._opened(targets, failed)):
            if at % _PER_MOMENT == 0:
                started = clock()
            try:
                code = dial(sock, target)
            except OverflowError:
                code = NO_PORT
            if code in UNDER_WAY:
                fresh[sock.fileno()] = (sock, target, started)
                if ":" in target[0]:
                    ipv6 = target[0]
                else:
                    ipv4 = target[0]
                if begun is not None:
                    begun(target.host, sock)
            else:
                failed.append((target, code))
                self._poller.closing(sock.fileno())
                sock.close()
        for address in filter(None, (ipv4, ipv6)):
            self._exhaustion.over(address)
        # What is told of comes last: nothing is to stand between two connections.
        for target, reason in failed:
            self._not_begun(of_one_address(target), reason)

    def _opened(
        self, targets: list[Target], failed: list[tuple[Target, int | None]]
    ) -> list[tuple[Socket, Target]]:
        """Sockets for the targets, as many as this machine has; the others go to `failed`, with the errno."""
        add, opened, inline = self._poller.add, [], self._options.converses
        for at, target in enumerate(targets):
            sock = None
            try:
                sock = open_socket(target[0])
                if inline:
                    sock.setsockopt(
                        SOL_SOCKET, SO_OOBINLINE, 1
                    )  # or an urgent byte is lost before it is seen
                # Of a socket that is not connected yet epoll reports nothing once it is.
                add(sock.fileno())
            except OSError as error:
                if sock is not None:
                    sock.close()
                if error.errno in RUN_OUT:  # so that there is none for the rest either
                    failed += [(each, error.errno) for each in targets[at:]]
                    break
                failed.append((target, error.errno))
            else:
                opened.append((sock, target))
        return opened

    def read(self, ready: list[tuple[int, int]], now: float) -> list[int]:
        """Read what these descriptors, which were ready at that moment, have; returns those of others."""
        fresh, leave, limit, seen = self._fresh, self._leave, self._limit, self._seen
        hang_up, at, make, take = self._hang_up, time.time(), tuple.__new__, not self._options.converses
        others: list[int] = []
        for fd, events in ready:
            entry = fresh.get(fd)
            if entry is None:
                others.append(fd)
                continue
            sock, target, started = entry
            # Most hosts refuse: an exception for each would cost as much as all the rest.
            code = sock.getsockopt(SOL_SOCKET, SO_ERROR) if events & _ERROR else 0
            if code == ECONNREFUSED:
                del fresh[fd]
                fields: tuple[object, ...]
                # fmt: off
                fields = (target, target[0], _REFUSED, b"", None, None, None, NO_TIMES, 1, _REFUSAL, at,
                          None, None, None)
                # fmt: on
                seen.append(make(Observation, fields))
                hang_up(fd, sock)
                continue
            if not take:  # a conversation is to find its greeting
                del fresh[fd]
                self._slow.adopt_unread(fd, sock, of_one_address(target, started), started, broken=code)
                continue
            try:
                data = sock.recv(FIRST_READ)
            except BlockingIOError:
                continue
            except OSError as error:
                del fresh[fd]
                self._broken(fd, sock, target, started, error.errno)
                continue
            del fresh[fd]
            if code and not data:
                self._broken(fd, sock, target, started, code)
                continue
            if code or not is_plain_greeting(data) or len(data) == FIRST_READ:
                self._look_again(fd, sock, target, started, data, code)
                continue
            if limit.adaptive:
                limit.learn(connect_seconds(sock) or now - started)
            took = make(Times, (None, (now - started) * 1000))
            # What a named tuple's own constructor does, without its frame; a test holds the order.
            fields = target, target[0], _SUCCESS, data, None, None, None, took, 1, None, at, None, None, None
            seen.append(make(Observation, fields))
            leave(fd, sock)
        return others

    def _look_again(
        self, fd: int, sock: Socket, target: Target, started: float, data: bytes, code: int
    ) -> None:
        """Hand over a connection with all that has come, an errno that was told behind it included."""
        if len(data) == FIRST_READ:
            try:
                data += sock.recv(MAX_REPLY_BYTES + 1 - FIRST_READ)
            except BlockingIOError:
                pass
            except OSError as error:
                code = error.errno or 0
        self._slow.adopt(fd, sock, of_one_address(target, started), started, data, broken=code)

    def _broken(self, fd: int, sock: Socket, target: Target, started: float, code: int | None) -> None:
        seen = failure(target, target.host, code)
        self._finish(fd, sock, of_one_address(target, started), seen, polite=False)

    def expire(self, now: float) -> bool:
        """End those that were not connected in time, and hand over the others; whether there were any."""
        patience = self._patience
        due = [*takewhile(lambda entry: entry[1][2] + patience <= now, self._fresh.items())]
        if not due:
            return False
        excused_before, at = self._exhaustion.excused_before(now), time.time()
        error = f"after {round(patience, 1):g} s"
        is_final = patience == self._limit.seconds and not self._options.retries
        for fd, (sock, target, started) in due:
            del self._fresh[fd]
            if is_final and started >= excused_before and not is_connected(sock):
                timeout = Status.CONNECTION_TIMEOUT
                self._seen.append(Observation(target, target.host, timeout, error=error, seen_at=at))
                self._hang_up(fd, sock)
            else:
                self._slow.overdue(fd, sock, of_one_address(target, started), started, now)
        return True

    @property
    def _patience(self) -> float:
        options = self._options
        return min(self._limit.seconds, options.greeting_timeout, options.deadline)
