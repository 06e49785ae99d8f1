"""QUIT, and a bounded wait for its answer: what is left of a connection whose greeting has been read."""

from __future__ import annotations

import time
from itertools import takewhile
from typing import TYPE_CHECKING

from imcprobe.probe.options import QUIT_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.probe.sockets import Socket

_QUIT = b"QUIT\r\n"
# More than any 221, in a block that Python keeps at hand; what is longer is closed over all the same.
_READ = 479


class Goodbyes:
    """Connections that are to be closed politely, by `hang_up` in the end; their number is the length.

    All wait equally long, so that the order of saying QUIT is the order of giving up.
    """

    def __init__(self, hang_up: Callable[[int, Socket], None]) -> None:
        self._hang_up = hang_up
        self._unsaid: list[tuple[int, Socket]] = []
        self._said: dict[int, tuple[Socket, float]] = {}

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
            try:
                sock.send(_QUIT)
            except OSError:  # the peer has left already
                self._hang_up(fd, sock)
            else:
                self._said[fd] = (sock, until)
        self._unsaid.clear()

    def read(self, ready: list[int]) -> list[int]:
        """Take the answers of descriptors that are ready; returns those of others.

        221, anything else, or the end: all are goodbye.
        """
        said, others = self._said, []
        for fd in ready:
            entry = said.get(fd)
            if entry is None:
                others.append(fd)
                continue
            sock = entry[0]
            try:
                sock.recv(_READ)  # closing over unread bytes would be a reset
            except BlockingIOError:
                continue
            except OSError:
                pass
            del said[fd]
            self._hang_up(fd, sock)
        return others

    def expire(self, now: float) -> bool:
        """Close those whose server had its time; whether there were any."""
        due = [*takewhile(lambda said: said[1][1] <= now, self._said.items())]
        for fd, (sock, _) in due:
            del self._said[fd]
            self._hang_up(fd, sock)
        return bool(due)

    def close(self) -> None:
        """Close all, without a word."""
        for sock in (*(sock for sock, _ in self._said.values()), *(sock for _, sock in self._unsaid)):
            sock.close()
        self._said.clear()
        self._unsaid.clear()
