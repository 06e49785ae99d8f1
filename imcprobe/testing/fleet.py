"""Many mocks at once: a subnet of the loopback network, or ports of one address."""

from __future__ import annotations

import contextlib
import ipaddress
import resource
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import count, repeat
from typing import TYPE_CHECKING, Self

from imcprobe.errors import UsageError
from imcprobe.testing.certificates import context
from imcprobe.testing.manner import IMS
from imcprobe.testing.ntlm import challenge_of
from imcprobe.testing.server import DEFAULT_GREETING, MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from imcprobe.testing.conversation import TlsContext
    from imcprobe.testing.faults import Fault
    from imcprobe.testing.manner import Manner

# 127.0.0.1 to 127.0.3.254: the hosts of a /22.
MAX_MEMBERS = 1022
# How often another port is tried when one is free on some addresses only.
_ATTEMPTS = 8
# Open files besides the listening sockets: the connections of a busy scan, and the process's own.
_FILES_FOR_CONNECTIONS = 4096
# Of an address that is none, in characters.
_LONGEST_TOLD = 200


@dataclass(frozen=True, slots=True)
class Member:
    """What one server of a fleet does; the fields mean what they mean to `MockServer`."""

    greeting: bytes = DEFAULT_GREETING
    faults: tuple[Fault, ...] = ()
    ehlo: Sequence[str] | None = None
    refused: bool = False
    deaf: bool = False
    manner: Manner = IMS
    tls: TlsContext | None = None
    implicit_tls: bool = False

    def at(self, host: str, port: int) -> MockServer:
        """Make the server of this member for an address; it is not started."""
        return MockServer(
            self.greeting,
            host=host,
            port=port,
            faults=self.faults,
            ehlo=self.ehlo,
            manner=self.manner,
            tls=self.tls,
            implicit_tls=self.implicit_tls,
            refused=self.refused,
            deaf=self.deaf,
        )

    def with_tls(self, *, starttls: bool, implicit: bool) -> Member:
        """The same with TLS; where it has no certificate, by one of the kind that Exchange makes itself."""
        if not starttls and not implicit:
            return self
        manner = self.manner.offering_starttls() if starttls else self.manner
        return replace(self, manner=manner, tls=self.tls or context, implicit_tls=implicit)

    def with_ntlm(self, windows: str | None) -> Member:
        """The same with the challenge of a Windows, one of `ntlm.WINDOWS_NAMES`. Raises UsageError."""
        if windows is None:
            return self
        return replace(self, manner=self.manner.challenging(challenge_of(windows)))


class Fleet:
    """Servers side by side: on consecutive addresses and one port, or on ports of one address.

    The addresses begin at `first`; Linux has all of 127.0.0.0/8. With `by_ports` all are on
    `first` (where only 127.0.0.1 exists), with consecutive ports from `port` on. `port` 0 lets
    the system choose. Raises UsageError for no members or more than 1,022.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        first: str = "127.0.0.1",
        port: int = 0,
        by_ports: bool = False,
    ) -> None:
        if not 1 <= len(members) <= MAX_MEMBERS:
            raise UsageError(f"a fleet of {len(members)}: 1 to {MAX_MEMBERS} servers are possible.")
        self.servers: tuple[MockServer, ...] = ()
        self._members = tuple(members)
        self._hosts = [first] * len(members) if by_ports else _consecutive(first, len(members))
        self._port = port
        self._by_ports = by_ports
        self._running = AsyncExitStack()

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index: int) -> MockServer:
        return self.servers[index]

    def __iter__(self) -> Iterator[MockServer]:
        return iter(self.servers)

    @property
    def addresses(self) -> tuple[str, ...]:
        """`127.0.0.1:2525`, `127.0.0.2:2525` and so on, in the order of the members."""
        return tuple(server.address for server in self.servers)

    @property
    def address(self) -> str:
        """The address of the first member."""
        return self.servers[0].address

    @property
    def ready_line(self) -> str:
        """What a command prints as soon as clients may come."""
        last = self.servers[-1].address
        return f"imcprobe mock: {len(self)} servers listening on {self.address} to {last}"

    async def start(self) -> None:
        """Start all.

        Raises UsageError when not every address can be had, ImcprobeError when there are too few files.
        """
        allow_files(len(self) + _FILES_FOR_CONNECTIONS)
        for left in reversed(range(1 if self._port else _ATTEMPTS)):
            try:
                await self._start()
            except UsageError:
                if left == 0:
                    raise
            else:
                return

    async def stop(self) -> None:
        """Stop all."""
        await self._running.aclose()

    async def settle(self, connections: int = 0, limit: float = 5.0) -> None:
        """Wait as `MockServer.settle` does, for each server. Raises TimeoutError."""
        for server in self.servers:
            await server.settle(connections, limit)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        servers: list[MockServer] = []
        async with AsyncExitStack() as stack:
            port = self._port
            for member, host, step in zip(self._members, self._hosts, self._steps(), strict=False):
                server = await stack.enter_async_context(member.at(host, port and port + step))
                servers.append(server)
                port = port if self._by_ports else server.port
            self._running = stack.pop_all()
        self.servers = tuple(servers)

    def _steps(self) -> Iterator[int]:
        return count() if self._by_ports else repeat(0)


def address_exists(host: str) -> bool:
    """Whether this machine has an address: Linux has all of 127.0.0.0/8, others 127.0.0.1 alone."""
    with socket.socket() as sock:
        try:
            sock.bind((host, 0))
        except OSError:
            return False
    return True


def _consecutive(first: str, number: int) -> list[str]:
    try:
        start = ipaddress.ip_address(first)
        return [str(start + offset) for offset in range(number)]
    except ValueError as error:
        shown, why = first[:_LONGEST_TOLD], str(error)[:_LONGEST_TOLD]
        raise UsageError(f"{number} addresses from {shown!a} on: {ascii(why)[1:-1]}.") from None


def allow_files(wanted: int) -> None:
    """Raise the soft limit of open files to `wanted`, as far as the hard one lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < possible:
        with contextlib.suppress(ValueError, OSError):  # a system with a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
