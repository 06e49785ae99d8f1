"""Waiting for many sockets inside one asyncio loop.

A sweep wants to know which of its sockets have something to read, a batch at a time. Where there is
`epoll`, an epoll set of the sweep's own is *one* reader of the loop, and a registration is one system
call that closing the socket undoes by itself. Elsewhere each socket is a reader of the loop: slower,
the same to the sweep.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

# Events taken at once: enough to amortise the call, few enough that what the kernel and we touch for each
# stays in the processor's cache until it is done with (512 cost a tenth more).
MAX_EVENTS = 128


class Poller(Protocol):
    """Where a sweep registers its sockets; `wake` is called in the loop when some are ready.

    One that forgets what is closed need not be told of it.
    """

    forgets_closed: bool

    def add(self, fd: int, *, connect: bool = False) -> None:
        """Watch a descriptor: for data, its end, an error; and the connection, if asked for."""
        ...

    def closing(self, fd: int) -> None:
        """Forget a descriptor that is about to be closed."""
        ...

    def discard(self, fd: int) -> None:
        """Forget a descriptor that lives on elsewhere."""
        ...

    def take(self) -> list[tuple[int, int]]:
        """Return the descriptors that are ready, each once, some MAX_EVENTS of them, with epoll's events.

        No events, 0, say nothing: they are a hint.
        """
        ...

    def close(self) -> None:
        """Stop watching altogether."""
        ...


class EpollPoller:
    """Edge-triggered epoll, its descriptor one reader of the loop (Linux)."""

    forgets_closed = True

    def __init__(
        self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None], *, watch_connect: bool
    ) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        # No EPOLLOUT unless asked for: a refusal is EPOLLERR and a greeting EPOLLIN, so the moment of
        # connection would only cost an event.
        self._mask = select.EPOLLIN | select.EPOLLET | (select.EPOLLOUT if watch_connect else 0)
        loop.add_reader(self._epoll.fileno(), wake)

    def add(self, fd: int, *, connect: bool = False) -> None:
        self._epoll.register(fd, self._mask | select.EPOLLOUT if connect else self._mask)

    def closing(self, fd: int) -> None:
        """Nothing: closing takes a descriptor out of the set."""

    def discard(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def take(self) -> list[tuple[int, int]]:
        return self._epoll.poll(0, MAX_EVENTS)

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()


class LoopPoller:
    """One reader of the loop per socket, for systems without epoll."""

    forgets_closed = False

    def __init__(
        self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None], *, watch_connect: bool
    ) -> None:
        self._loop = loop
        self._wake = wake
        self._watch_connect = watch_connect
        self._watched: set[int] = set()
        self._ready: dict[int, None] = {}

    def add(self, fd: int, *, connect: bool = False) -> None:
        self._watched.add(fd)
        self._loop.add_reader(fd, self._readable, fd)
        if connect or self._watch_connect:
            self._loop.add_writer(fd, self._connected, fd)

    def closing(self, fd: int) -> None:
        self.discard(fd)

    def discard(self, fd: int) -> None:
        self._watched.discard(fd)
        self._ready.pop(fd, None)
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)

    def take(self) -> list[tuple[int, int]]:
        ready = [(fd, 0) for fd in self._ready]
        self._ready.clear()
        return ready

    def close(self) -> None:
        for fd in list(self._watched):
            self.discard(fd)

    def _readable(self, fd: int) -> None:
        if not self._ready:
            self._loop.call_soon(self._wake)
        self._ready[fd] = None

    def _connected(self, fd: int) -> None:
        self._loop.remove_writer(fd)  # a connected socket stays writable: once is enough
        self._readable(fd)


def default_poller(
    loop: asyncio.AbstractEventLoop, wake: Callable[[], None], *, watch_connect: bool
) -> Poller:
    """The fastest kind that this system has."""
    kind = EpollPoller if hasattr(select, "epoll") else LoopPoller
    return kind(loop, wake, watch_connect=watch_connect)
