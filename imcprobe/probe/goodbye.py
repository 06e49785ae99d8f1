"""QUIT, and a bounded wait for its answer: what is left of a connection whose greeting has been read."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from imcprobe.probe.options import QUIT_TIMEOUT
from imcprobe.probe.sockets import say, swallow

if TYPE_CHECKING:
    from imcprobe.probe.poller import Poller
    from imcprobe.probe.sockets import Socket

_QUIT = b"QUIT\r\n"
# More than any 221; what is longer is closed over all the same.
_READ = 4096


class Goodbyes:
    """Connections that are to be closed politely; their number is the length.

    All wait equally long, so that the order of saying QUIT is the order of giving up.
    """

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._unsaid: list[tuple[int, Socket]] = []
        self._said: OrderedDict[int, tuple[Socket, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._unsaid) + len(self._said)

    @property
    def next_due(self) -> float | None:
        """When the first is given up, by the monotonic clock."""
        return next(iter(self._said.values()))[1] if self._said else None

    def add(self, fd: int, sock: Socket) -> None:
        """Take over a connection; nothing is said before `say_all`."""
        self._unsaid.append((fd, sock))

    def say_all(self) -> None:
        """Say QUIT, one right behind the other: kernel and server stay awake, and each costs less."""
        until = time.monotonic() + QUIT_TIMEOUT
        for fd, sock in self._unsaid:
            if say(sock, _QUIT):
                self._said[fd] = (sock, until)
            else:
                self._end(fd, sock)
        self._unsaid.clear()

    def ready(self, fd: int) -> bool:
        """Whether a descriptor that is ready is one of these; 221, anything else, or the end is goodbye."""
        said = self._said.get(fd)
        if said is None:
            return False
        if swallow(said[0], _READ):
            del self._said[fd]
            self._end(fd, said[0])
        return True

    def expire(self, now: float) -> None:
        """Close those whose server had its time."""
        while self._said:
            fd, (sock, until) = next(iter(self._said.items()))
            if until > now:
                return
            del self._said[fd]
            self._end(fd, sock)

    def close(self) -> None:
        """Close all, without a word."""
        for sock in (*(sock for sock, _ in self._said.values()), *(sock for _, sock in self._unsaid)):
            sock.close()
        self._said.clear()
        self._unsaid.clear()

    def _end(self, fd: int, sock: Socket) -> None:
        self._poller.closing(fd)
        sock.close()
