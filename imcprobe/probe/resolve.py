"""Names -> addresses, in a bounded number of threads: getaddrinfo knows no other way to wait.

The threads are daemons, because a resolver that hangs must not keep the program from ending, which the
threads of `concurrent.futures` would.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from typing import TYPE_CHECKING

from imcprobe.probe.options import MAX_ADDRESSES, RESOLVE_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imcprobe.probe.options import ProbeOptions

    Lookup = Callable[[str, int | None], Sequence[str]]
    """(host name, IP version or None) -> addresses; may block; raises OSError or ValueError."""
    Answer = asyncio.Future[Sequence[str]]

# A resolver answers a few hundred questions a second at the best; more threads only wait for it.
MAX_LOOKUPS = 32
# Questions that were given up hold a thread until the system gives up too.
MAX_STUCK = 256
# More addresses than an answer of DNS has room for.
_ALL = 1 << 16

_FAMILY = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}


def system_lookup(host: str, version: int | None) -> list[str]:
    """Ask the system's resolver, /etc/hosts included; addresses in its order of preference, each once."""
    found = socket.getaddrinfo(host, None, _FAMILY[version], socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Resolver:
    """At most MAX_LOOKUPS questions at a time, and MAX_STUCK more that were given up and go on in vain.

    `freed` is called when another question has become possible without an answer being due.
    """

    def __init__(
        self,
        lookup: Lookup,
        version: int | None,
        *,
        freed: Callable[[], None] = lambda: None,
        limit: float = RESOLVE_TIMEOUT,
        most: int = MAX_ADDRESSES,
    ) -> None:
        self._lookup = lookup
        self._version = version
        self._freed = freed
        self._limit = limit
        self._most = most
        self._asked = 0
        self._stuck = 0

    @property
    def free(self) -> bool:
        """Whether another name may be asked for now, without waiting behind others."""
        return self._asked < MAX_LOOKUPS and self._stuck < MAX_STUCK

    def ask(self, host: str) -> Answer:
        """Begin to look up a name; `wait` gives the answer."""
        loop = asyncio.get_running_loop()
        answer: Answer = loop.create_future()
        self._asked += 1
        thread = threading.Thread(target=self._look_up, args=(host, loop, answer), daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # this machine has no thread left
            self._asked -= 1
            answer.set_exception(OSError(errno.EAGAIN, str(error)))
        return answer

    async def wait(self, answer: Answer) -> tuple[str, ...]:
        """Return the addresses, `most` of them at the most.

        Raises OSError or ValueError as the lookup does, TimeoutError after the limit.
        """
        try:
            async with asyncio.timeout(self._limit):
                return tuple(await answer)[: self._most]
        except TimeoutError:
            if answer.cancelled():  # given up, and not a lookup's own TimeoutError
                self._asked -= 1
                self._stuck += 1
            raise

    def _look_up(self, host: str, loop: asyncio.AbstractEventLoop, answer: Answer) -> None:
        try:
            found: Sequence[str] | Exception = self._lookup(host, self._version)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            found = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._answered, answer, found)

    def _answered(self, answer: Answer, found: Sequence[str] | Exception) -> None:
        if answer.cancelled():
            self._stuck -= 1
            self._freed()
            return
        self._asked -= 1
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)


def resolver_for(options: ProbeOptions, lookup: Lookup, *, freed: Callable[[], None]) -> Resolver:
    """Return a resolver that keeps to the options of a scan; else as `Resolver`."""
    return Resolver(
        lookup,
        options.family,
        freed=freed,
        limit=min(RESOLVE_TIMEOUT, options.deadline),
        most=_ALL if options.all_addresses else MAX_ADDRESSES,  # whoever wants all is told of those left out
    )
