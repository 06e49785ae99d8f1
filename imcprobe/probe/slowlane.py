"""The connections that need more than one look: greetings in pieces, names, conversations, watched connects.

Same sockets, same poller as the fast lane, but with a little state each and deadlines of their own in
a heap. Where a conversation may follow, a greeting is only peeked at, so that aiosmtplib can read it.
"""

from __future__ import annotations

import errno
import heapq
import socket
import time
from itertools import count
from typing import TYPE_CHECKING

from imcprobe.errors import ReplyError
from imcprobe.fingerprint.reply import GREETING, MAX_REPLY_BYTES, ReplyReader
from imcprobe.model import Observation, Status, Target
from imcprobe.probe.late import Greeted, Late, judge
from imcprobe.probe.outcomes import EXHAUSTED, failure, name_of, status_of, weightier
from imcprobe.probe.sockets import Connect, Socket, has_ended, idle_seconds, is_connected, swallow

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.probe.options import ProbeOptions
    from imcprobe.probe.poller import Poller

_NOT_AVAILABLE = 421  # the server closes by itself (RFC 5321, 3.8)
_READ = MAX_REPLY_BYTES + 1


class SlowLane:
    """Holds late connections until `finish` takes the observation, or `converse` the connection."""

    def __init__(
        self,
        options: ProbeOptions,
        poller: Poller,
        finish: Callable[..., None],
        deliver: Callable[[Observation], None],
        converse: Callable[[Greeted], None],
        not_begun: Callable[[Target, tuple[str, ...], OSError], object],
        connect: Connect,
    ) -> None:
        self._options = options
        self._poller = poller
        self._finish = finish
        self._deliver = deliver
        self._converse = converse
        self._not_begun = not_begun
        self._connect = connect
        self._lates: dict[int, Late] = {}
        self._heap: list[tuple[float, int, Late]] = []
        self._serial = count()
        self._talking = 0

    def __len__(self) -> int:
        return len(self._lates) + self._talking

    @property
    def next_due(self) -> float | None:
        """When something here has to be looked at, by the monotonic clock."""
        return self._heap[0][0] if self._heap else None

    def release(self) -> None:
        """Take note that a conversation has ended."""
        self._talking -= 1

    def close(self) -> None:
        """Close every socket, without a word."""
        for late in self._lates.values():
            late.sock.close()
        self._lates.clear()
        self._heap.clear()

    def begin(self, target: Target, addresses: tuple[str, ...]) -> None:
        """Connect to a target, to one address after the other inside one connect limit.

        Raises OSError when the last of them is refused at once or this machine has run out of something,
        OverflowError for an impossible port.
        """
        self._attempt(target, addresses, time.monotonic())

    def adopt(self, fd: int, sock: Socket, target: Target, started: float, data: bytes) -> None:
        """Take over a connection that said something other than a plain greeting, or ended."""
        # When it was connected is not known; that it was no earlier than this keeps the limit a limit.
        late = Late(sock, target, target.host, (), started, started, connected_at=started)
        self._lates[fd] = late
        if not data:
            self._closed(late)
        elif not self._feed(late, data):
            self._schedule(late, late.greeting_due(self._options))
            self._read(late)

    def overdue(self, fd: int, sock: Socket, target: Target, started: float, now: float) -> None:
        """Take over a connection on which nothing came within the first limit."""
        late = Late(sock, target, target.host, (), started, started)
        self._lates[fd] = late
        self._overdue(late, now)

    def ready(self, fd: int) -> None:
        """Read what a descriptor has; one that is not known here (an event of its former life) is ignored."""
        late = self._lates.get(fd)
        if late is None:
            return
        if self._options.ehlo:
            self._peek(late)
        else:
            self._read(late)

    def expire(self, now: float) -> None:
        """End, or give more time to, all whose moment has come."""
        while self._heap and self._heap[0][0] <= now:
            _, _, late = heapq.heappop(self._heap)
            if self._lates.get(late.sock.fileno()) is not late:
                continue
            if late.due <= now:  # else a later moment was set since, with an entry of its own
                self._overdue(late, now)

    def _attempt(
        self,
        target: Target,
        addresses: tuple[str, ...],
        started: float,
        failed: Observation | None = None,
    ) -> None:
        address, *others = addresses
        try:
            sock = self._connect(address, target.port)
        except OSError as error:
            # Without an own address of that kind another kind may do, or has been tried; without a file
            # nothing will.
            another = error.errno == errno.EADDRNOTAVAIL and (others or failed is not None)
            ran_out = error.errno in EXHAUSTED and not another
            if ran_out or (not others and failed is None):
                raise
            worst = weightier(failed, failure(target, address, error.errno))
            if others:
                self._attempt(target, tuple(others), started, worst)
            else:
                self._deliver(worst)
        else:
            self._watch(Late(sock, target, address, tuple(others), started, started, failed=failed))

    def _watch(self, late: Late) -> None:
        try:
            self._poller.add(late.sock.fileno())
        except OSError:
            late.sock.close()
            raise
        self._lates[late.sock.fileno()] = late
        now = time.monotonic()
        left = late.started + min(self._options.connect_timeout, self._options.deadline) - now
        late.connect_by = now + max(left, 0.0) / (len(late.others) + 1)
        # The moment of connection may go by unseen: it is looked for when the greeting could be late.
        self._schedule(late, min(late.connect_by, now + self._options.greeting_timeout))

    def _schedule(self, late: Late, due: float) -> None:
        late.due = due
        heapq.heappush(self._heap, (due, next(self._serial), late))

    def _read(self, late: Late) -> None:
        while True:  # edge-triggered: to the last byte; bounded by the reader's own limits
            try:
                data = late.sock.recv(_READ)
            except BlockingIOError:
                self._note_connected(late)
                return
            except OSError as error:
                self._broken(late, error.errno)
                return
            if not data:
                self._closed(late)
                return
            if self._feed(late, data):
                return

    def _peek(self, late: Late) -> None:
        while True:  # SO_RCVLOWAT swallows events of its own: looked at again once it is set
            # Asked before the look: at its end, and nothing new to see, is the end.
            ended = has_ended(late.sock)
            try:
                data = late.sock.recv(_READ, socket.MSG_PEEK)
            except BlockingIOError:
                self._note_connected(late)
                return
            except OSError as error:
                self._broken(late, error.errno)
                return
            new = data[len(late.reader.data) :]
            if new and self._feed(late, new):
                return
            if new:
                late.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(data) + 1)
                self._note_connected(late)
            elif ended:
                code = late.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self._broken(late, code) if code else self._closed(late)
                return
            else:
                return

    def _note_connected(self, late: Late) -> None:
        if late.connected_at is not None:
            return
        if late.reader.data:  # some time ago: that it was no earlier than this keeps the limit a limit
            late.connected_at = late.started
        elif is_connected(late.sock):
            late.connected_at = time.monotonic()
            late.watched = self._options.watch_connect
        else:
            return
        self._schedule(late, late.greeting_due(self._options))

    def _feed(self, late: Late, data: bytes) -> bool:
        """Take bytes; whether that was the end of it, in one way or another."""
        try:
            complete = late.reader.feed(data)
        except ReplyError as error:
            self._end(late, Status.PROTOCOL_ERROR, str(error))
            return True
        if complete:
            self._complete(late)
        return complete

    def _complete(self, late: Late) -> None:
        code = late.reader.reply.code
        if code != GREETING:
            status, error = judge(code)
            self._end(late, status, error, greeted=True)
        elif self._options.ehlo and len(late.reader.data) == late.reader.length:
            self._hand_over(late)
        else:
            self._end(late, Status.SUCCESS, None, greeted=True)

    def _hand_over(self, late: Late) -> None:
        fd = late.sock.fileno()
        del self._lates[fd]
        self._poller.discard(fd)
        late.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._talking += 1
        seen = late.seen(Status.SUCCESS, None, greeted=True)
        ends_at = late.started + self._options.deadline
        length, late.reader = late.reader.length, ReplyReader()
        self._converse(Greeted(late.sock, seen, length, ends_at))

    def _closed(self, late: Late) -> None:
        self._end(late, Status.CONNECTION_CLOSED, None)

    def _broken(self, late: Late, code: int | None) -> None:
        if late.others and not late.reader.data and late.connected_at is None:
            self._next_address(late, failure(late.target, late.address, code))
        else:
            self._end(late, status_of(code), name_of(code))

    def _next_address(self, late: Late, seen: Observation) -> None:
        fd = late.sock.fileno()
        del self._lates[fd]
        self._poller.closing(fd)
        late.sock.close()
        try:
            self._attempt(late.target, late.others, late.started, weightier(late.failed, seen))
        except OSError as error:
            self._not_begun(late.target, late.others, error)

    def _overdue(self, late: Late, now: float) -> None:
        if late.connected_at is None and is_connected(late.sock):
            late.connected_at = max(late.started, now - idle_seconds(late.sock))
        if late.connected_at is not None:
            self._extend(late, now, late.greeting_due(self._options), Status.IO_TIMEOUT)
        elif now < late.connect_by:
            self._schedule(late, late.connect_by)
        elif late.others:
            self._next_address(late, late.seen(Status.CONNECTION_TIMEOUT, late.after(now), greeted=False))
        else:
            due = late.started + min(self._options.connect_timeout, self._options.deadline)
            self._extend(late, now, due, Status.CONNECTION_TIMEOUT)

    def _extend(self, late: Late, now: float, due: float, ended: Status) -> None:
        if now < due:
            self._schedule(late, due)
        else:
            self._end(late, ended, late.after(due))

    def _end(self, late: Late, status: Status, error: str | None, *, greeted: bool = False) -> None:
        fd = late.sock.fileno()
        del self._lates[fd]
        if self._options.ehlo:
            swallow(late.sock, len(late.reader.data) or 1)
        polite = greeted and status is not Status.PROTOCOL_ERROR and late.reader.reply.code != _NOT_AVAILABLE
        seen = late.seen(status, error, greeted=greeted)
        if not seen.answered:
            seen = weightier(late.failed, seen)
        late.reader = ReplyReader()  # the heap may hold this for a while, and need not hold its bytes
        self._finish(fd, late.sock, seen, polite=polite)
