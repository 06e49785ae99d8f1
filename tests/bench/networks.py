"""Where the scans go: loopback networks that are fresh, and network namespaces of their own."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# 127.0.0.0/16 is left alone: real services live there.
_FIRST = int(IPv4Address("127.1.0.0"))
_END = int(IPv4Address("127.255.255.255")) + 1
_BLOCK_BITS = 16
# In seconds: TIME_WAIT lasts 60, from the end of a scan on, and the clock runs from its beginning.
_REST = 120.0
_NUMBERS = itertools.count()


class NotRunError(Exception):
    """A workload that this machine cannot run, and why."""


class Networks:
    """Hands out networks of 127/8, none again while connections to it may be in TIME_WAIT.

    A SYN that meets such a connection can be left without an answer for a second, which would be taken
    for slowness of the scanner.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._next = _FIRST
        self._lap = 0
        self._used: dict[int, tuple[int, float]] = {}

    def take(self, bits: int) -> str:
        """Return a network with a prefix of so many bits; waits when all were used a moment ago."""
        size = 1 << (32 - bits)
        first = -(-self._next // size) * size
        if first + size > _END:
            self._lap += 1
            first = -(-_FIRST // size) * size
        self._next = first + size
        for block in range(first >> _BLOCK_BITS, ((first + size - 1) >> _BLOCK_BITS) + 1):
            self._rest(block)
        return f"{IPv4Address(first)}/{bits}"

    def _rest(self, block: int) -> None:
        lap, when = self._used.get(block, (self._lap, 0.0))
        wait = when + _REST - self._clock()
        if lap != self._lap and wait > 0:
            self._sleep(wait)
        self._used[block] = (self._lap, self._clock())


def require_namespaces(*tools: str) -> None:
    """Raise NotRunError unless network namespaces can be made, with the tools that it takes."""
    if os.geteuid() != 0:
        raise NotRunError("a network namespace needs root")
    for tool in ("ip", *tools):
        if shutil.which(tool) is None:
            raise NotRunError(f"{tool} is not on PATH")
    with namespace():
        pass


@contextmanager
def namespace() -> Iterator[str]:
    """A network namespace with nothing but loopback, by its name."""
    name = f"imcprobe-bench-{os.getpid()}-{next(_NUMBERS)}"
    system("ip", "netns", "add", name)
    try:
        system("ip", "-n", name, "link", "set", "dev", "lo", "up")
        yield name
    finally:
        system("ip", "netns", "delete", name)


def inside(name: str) -> list[str]:
    """The words before a command that is to run in a namespace."""
    return ["ip", "netns", "exec", name]


def system(*command: str, text: str = "") -> str:
    """Run a command that prepares a network, and return what it says.

    Raises NotRunError when it fails: it is this machine that cannot do it.
    """
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        raise NotRunError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()
