"""The connections that need more than one look: greetings in pieces, names, conversations, watched connects.

Same sockets, same poller as the fast lane, but with a little state each and deadlines of their own in
a heap. Where a conversation may follow, a greeting is only peeked at, so that aiosmtplib can read it.
"""

from __future__ import annotations

import heapq
import socket
import time
from itertools import count
from typing import TYPE_CHECKING

from imcprobe.errors import ReplyError
from imcprobe.fingerprint.reply import GREETING, MAX_REPLY_BYTES, ReplyReader
from imcprobe.model import Observation, Status
from imcprobe.probe.late import Late, Probe, judge
from imcprobe.probe.outcomes import name_of, status_of
from imcprobe.probe.peek import glance
from imcprobe.probe.sockets import connect, connect_seconds, is_connected, swallow

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.probe.late import Greeted
    from imcprobe.probe.options import ProbeOptions
    from imcprobe.probe.pace import ConnectLimit
    from imcprobe.probe.poller import Poller
    from imcprobe.probe.sockets import Dial, Socket

_NOT_AVAILABLE = 421  # the server closes by itself (RFC 5321, 3.8)
_READ = MAX_REPLY_BYTES + 1
_URGENT = "no EHLO: a byte of the greeting was urgent"


class SlowLane:
    """Holds late connections until `finish` takes the observation, or `converse` the connection.

    `again` takes a probe with other addresses, and what was seen at this one, once `hang_up` closed it.
    """

    def __init__(
        self,
        options: ProbeOptions,
        limit: ConnectLimit,
        poller: Poller,
        *,
        finish: Callable[..., None],
        again: Callable[[Probe, Observation], None],
        converse: Callable[[Greeted], None],
        hang_up: Callable[[int, Socket], None],
        dial: Dial,
    ) -> None:
        self._options = options
        self._limit = limit
        self._poller = poller
        self._finish = finish
        self._again = again
        self._converse = converse
        self._hang_up = hang_up
        self._dial = dial
        self._lates: dict[int, Late] = {}
        self._heap: list[tuple[float, int, Late]] = []
        self._serial = count()

    def __len__(self) -> int:
        return len(self._lates)

    @property
    def next_due(self) -> float | None:
        """When something here has to be looked at, by the monotonic clock."""
        return self._heap[0][0] if self._heap else None

    def close(self) -> None:
        """Close every socket, without a word."""
        for late in self._lates.values():
            late.sock.close()
        self._lates.clear()
        self._heap.clear()

    def begin(self, probe: Probe) -> Socket:
        """Connect to the address whose turn it is; all of one try share one connect limit.

        Raises OSError when that is refused at once or this machine has run out of something.
        """
        implicit = self._options.is_implicit(probe.target.port)
        sock = connect(probe.address, probe.target.port, self._dial)
        try:
            self._poller.add(sock.fileno(), connect=implicit)
        except OSError:
            sock.close()
            raise
        now = time.monotonic()
        probe.connected(now)
        late = Late(sock, probe, probe.since or now, now, dialled=now, implicit=implicit)
        self._hold(sock.fileno(), late)
        late.connect_by = now + max(self._connect_due(late) - now, 0.0) / (probe.others + 1)
        # The moment of connection may go by unseen: it is looked for when the greeting could be late.
        self._schedule(late, min(late.connect_by, now + self._options.greeting_timeout))
        return sock

    def adopt(
        self, fd: int, sock: Socket, probe: Probe, started: float, data: bytes, *, broken: int = 0
    ) -> None:
        """Take over a connection that said something other than a plain greeting, or ended."""
        late = Late(sock, probe, started, started, dialled=started, broken=broken)
        late.connected_at = late.made_at()
        self._hold(fd, late)
        if not data:
            self._closed(late)
        elif not self._feed(late, data):
            self._schedule(late, late.greeting_due(self._options))
            self._read(late)

    def adopt_unread(self, fd: int, sock: Socket, probe: Probe, started: float, *, broken: int = 0) -> None:
        """Take over a connection on which something has come, which nobody has taken yet."""
        late = Late(sock, probe, started, started, dialled=started, broken=broken)
        self._hold(fd, late)
        self._peek(late)
        if self._lates.get(fd) is late:
            self._schedule(late, late.greeting_due(self._options))

    def overdue(self, fd: int, sock: Socket, probe: Probe, started: float, now: float) -> None:
        """Take over a connection on which nothing came within the first limit."""
        late = Late(sock, probe, started, started, dialled=started)
        self._hold(fd, late)
        self._overdue(late, now)

    def _hold(self, fd: int, late: Late) -> None:
        late.sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)  # or an urgent byte is lost
        self._lates[fd] = late

    def ready(self, fd: int) -> None:
        """Read what a descriptor has; one that is not known here (an event of its former life) is ignored."""
        late = self._lates.get(fd)
        if late is None:
            return
        if late.implicit:
            self._look_for_connection(late)
        elif self._options.converses and not late.taken:
            self._peek(late)
        else:
            self._read(late)

    def expire(self, now: float) -> bool:
        """End, or give more time to, all whose moment has come; whether any ended."""
        before = len(self)
        while self._heap and self._heap[0][0] <= now:
            _, _, late = heapq.heappop(self._heap)
            if self._lates.get(late.sock.fileno()) is not late:
                continue
            if late.due <= now:  # else a later moment was set since, with an entry of its own
                self._overdue(late, now)
        return len(self) < before

    def _connect_due(self, late: Late) -> float:
        return min(late.started + self._limit.seconds, late.probe.ends_at(self._options))

    def _schedule(self, late: Late, due: float) -> None:
        late.due = due
        heapq.heappush(self._heap, (due, next(self._serial), late))

    def _read(self, late: Late) -> None:
        while True:  # edge-triggered: to the last byte; bounded by the reader's own limits
            try:
                data = late.sock.recv(_READ - len(late.reader.data))
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
            seen = glance(late.sock, len(late.reader.data))
            if seen.new:
                if self._feed(late, seen.new):
                    return
                late.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(late.reader.data) + 1)
                self._note_connected(late)
            elif seen.stuck:
                late.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
                late.taken = swallow(late.sock, len(late.reader.data))
                self._read(late)
                return
            elif seen.errno is None:
                self._note_connected(late)
                return
            else:
                self._broken(late, seen.errno) if seen.errno else self._closed(late)
                return

    def _look_for_connection(self, late: Late) -> None:
        """Where TLS comes first, all behind the connection is the conversation's business."""
        code = late.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._broken(late, code)
        elif is_connected(late.sock):
            self._note_connected(late)
            self._hand_over(late, Status.IO_TIMEOUT)

    def _note_connected(self, late: Late) -> None:
        if late.connected_at is not None:
            return
        if late.reader.data:  # some time ago
            late.connected_at = late.made_at()
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
        if self._limit.adaptive and (took := connect_seconds(late.sock)):
            self._limit.learn(took)
        if code != GREETING:
            status, error = judge(code)
            self._end(late, status, error, greeted=True)
        elif self._options.converses and not late.taken and len(late.reader.data) == late.reader.length:
            self._hand_over(late, Status.SUCCESS)
        else:
            self._end(late, Status.SUCCESS, _URGENT if late.taken else None, greeted=True)

    def _hand_over(self, late: Late, status: Status) -> None:
        fd = late.sock.fileno()
        del self._lates[fd]
        self._poller.discard(fd)
        late.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._converse(late.greeted(status, self._options))
        late.reader = ReplyReader()

    def _closed(self, late: Late) -> None:
        if late.broken:
            self._end(late, status_of(late.broken), name_of(late.broken))
        else:
            self._end(late, Status.CONNECTION_CLOSED, None)

    def _broken(self, late: Late, code: int | None) -> None:
        if late.probe.others and not late.reader.data and late.connected_at is None:
            self._next_address(late, late.failure(code))
        else:
            self._end(late, status_of(code), name_of(code))

    def _next_address(self, late: Late, seen: Observation) -> None:
        fd = late.sock.fileno()
        del self._lates[fd]
        self._hang_up(fd, late.sock)
        self._again(late.probe, seen)

    def _overdue(self, late: Late, now: float) -> None:
        if late.connected_at is None and is_connected(late.sock):
            late.connected_at = late.made_at()
        if late.connected_at is not None and late.implicit:
            self._hand_over(late, Status.IO_TIMEOUT)
        elif late.connected_at is not None:
            self._extend(late, now, late.greeting_due(self._options), Status.IO_TIMEOUT)
        elif now < late.connect_by:
            self._schedule(late, late.connect_by)
        elif late.probe.others:
            self._next_address(late, late.seen(Status.CONNECTION_TIMEOUT, late.after(now), greeted=False))
        else:
            self._extend(late, now, self._connect_due(late), Status.CONNECTION_TIMEOUT)

    def _extend(self, late: Late, now: float, due: float, ended: Status) -> None:
        if now < due:
            self._schedule(late, due)
        else:
            self._end(late, ended, late.after(due))

    def _end(self, late: Late, status: Status, error: str | None, *, greeted: bool = False) -> None:
        fd = late.sock.fileno()
        del self._lates[fd]
        if self._options.converses:
            if not late.taken:
                swallow(late.sock, len(late.reader.data) or 1)
            late.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)  # or no answer to QUIT is seen
        polite = greeted and status is not Status.PROTOCOL_ERROR and late.reader.reply.code != _NOT_AVAILABLE
        seen = late.seen(status, error, greeted=greeted)
        late.reader = ReplyReader()  # the heap may hold this for a while, and need not hold its bytes
        self._finish(fd, late.sock, late.probe, seen, polite=polite)
