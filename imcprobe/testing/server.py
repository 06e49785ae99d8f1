r"""The mock: an SMTP server that says exactly the bytes it is given, and records what it is told.

    async with MockServer(greeting_for("5.5.2650.21")) as server:
        ...                                     # connect to server.host, server.port
        await server.settle(connections=1)
    assert server.received == [b"QUIT\r\n"]

Nothing here is shared with the client's side: the fake must not inherit its mistakes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from imcprobe.model import Target
from imcprobe.testing.connection import Connection
from imcprobe.testing.conversation import Conversation, Service
from imcprobe.testing.greetings import DEFAULT_BUILD, greeting_for
from imcprobe.testing.listening import bound, filled_queue, unavailable
from imcprobe.testing.manner import IMS

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from imcprobe.testing.conversation import TlsContext
    from imcprobe.testing.faults import Fault
    from imcprobe.testing.manner import Manner

DEFAULT_GREETING = greeting_for(DEFAULT_BUILD)

# RFC 5321, 4.5.3.2.7: a server waits at least five minutes for a command.
IDLE_TIMEOUT = 300.0
# A scanner opens thousands of connections at once; Linux caps this at net.core.somaxconn.
_BACKLOG = 4096
# Connections whose bytes are remembered, so that a mock may run for weeks.
_REMEMBERED = 10_000
# How long to wait, in seconds, when no file is left for a client: it waits in the backlog meanwhile.
_OUT_OF_FILES_PAUSE = 0.1


class MockServer:
    """An SMTP server for tests, on the running loop (for another thread: `serve_in_thread`).

    `greeting` is sent as it is, whatever it is. `faults` strike in the order given. `manner` is how
    commands are answered, `ehlo` the lines of its EHLO reply when they are others, without codes; none
    means that EHLO is unknown. With `tls`, a context of a server or what makes it when it is first
    needed (`imcprobe.testing.certificates`), STARTTLS is obeyed whether EHLO offers it or not, and with
    `implicit_tls` TLS comes first of all. `idle_timeout` is in seconds. With `refused` the address is
    taken and nothing listens: connections are refused; with `deaf` its queue is full of others, and
    connections are never answered (Linux drops them). `port` 0 lets the system choose; `host` and `port`
    say where it is once it has started.
    """

    def __init__(
        self,
        greeting: bytes = DEFAULT_GREETING,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Iterable[Fault] = (),
        ehlo: Sequence[str] | None = None,
        manner: Manner = IMS,
        tls: TlsContext | None = None,
        implicit_tls: bool = False,
        idle_timeout: float = IDLE_TIMEOUT,
        refused: bool = False,
        deaf: bool = False,
    ) -> None:
        self.host = host
        self.port = port
        self.connections = 0
        self._service = Service(
            greeting,
            manner if ehlo is None else replace(manner, ehlo=tuple(ehlo)),
            tuple(faults),
            tls,
            implicit_tls,
            idle_timeout,
        )
        self._refused = refused
        self._deaf = deaf
        self._queue = ExitStack()
        self._past: deque[bytearray] = deque(maxlen=_REMEMBERED)
        self._open: set[Connection] = set()
        self._arriving: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()

    @property
    def address(self) -> str:
        """`127.0.0.1:2525`, `[::1]:2525`."""
        return str(Target(self.host, self.port))

    @property
    def ready_line(self) -> str:
        """What a command prints as soon as clients may come."""
        return f"imcprobe mock: listening on {self.address}"

    @property
    def received(self) -> list[bytes]:
        """What each connection has sent so far, in the order they came (the last 10,000)."""
        return [bytes(received) for received in tuple(self._past)]

    async def start(self) -> None:
        """Take the address and listen.

        Raises UsageError when it cannot be had, ImcprobeError when this process has too few files.
        """
        self._socket = bound(self.host, self.port, shared=not self._refused)
        self.host, self.port = self._socket.getsockname()[:2]
        if self._deaf:
            self._fill_queue()
        elif not self._refused:
            self._socket.listen(_BACKLOG)
            self._await_client()

    async def stop(self) -> None:
        """Stop listening and break off every connection; a second time nothing is left to do."""
        if self._socket.fileno() < 0:
            return
        self._await_no_client()
        self._socket.close()
        self._queue.close()
        await asyncio.gather(*self._arriving)
        await asyncio.gather(*(connection.stop() for connection in tuple(self._open)))
        await self.settle()

    async def settle(self, connections: int = 0, limit: float = 5.0) -> None:
        """Wait until `connections` have come and all have ended, so that `received` is complete.

        Where connections are refused or never answered there is nothing to wait for. Raises
        TimeoutError after `limit` seconds.
        """
        if self._refused or self._deaf:
            return
        async with asyncio.timeout(limit):
            while self._open or self.connections < connections:
                self._ended.clear()
                await self._ended.wait()

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

    # Not asyncio.Server: closed at the moment of an accept it leaves the client's socket open
    # (Python 3.11), and what its wait_closed() waits for differs between versions.

    def _fill_queue(self) -> None:
        try:
            self._queue = filled_queue(self._socket)
        except OSError as error:
            self._socket.close()
            raise unavailable(self.host, self.port, error) from error

    def _await_client(self) -> None:
        self._pause = None
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _await_no_client(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        if self._pause is not None:
            self._pause.cancel()

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            client, _ = self._socket.accept()
        except OSError:
            self._await_no_client()
            self._pause = loop.call_later(_OUT_OF_FILES_PAUSE, self._await_client)
        else:
            client.setblocking(False)
            arriving = loop.create_task(self._welcome(client))
            self._arriving.add(arriving)
            arriving.add_done_callback(self._arriving.discard)

    async def _welcome(self, client: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(self._connection, client)

    def _connection(self) -> Connection:
        return Connection(self._converse, self._began, self._forget)

    def _began(self, connection: Connection) -> None:
        self.connections += 1
        self._past.append(connection.received)
        self._open.add(connection)

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._ended.set()

    async def _converse(self, client: Connection) -> None:
        await Conversation(client, self._service).hold()
