r"""The mock: an SMTP server that says exactly the bytes it is given, and records what it is told.

    async with MockServer(greeting_for("5.5.2650.21")) as server:
        ...                                     # connect to server.host, server.port
        await server.settle(connections=1)
    assert server.received == [b"QUIT\r\n"]

Nothing here is shared with the client's side: the fake must not inherit its mistakes.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import defaultdict, deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from imcprobe.errors import ImcprobeError, UsageError
from imcprobe.model import Target
from imcprobe.testing.connection import MAX_COMMANDS, Connection, LineTooLongError
from imcprobe.testing.faults import Fault, Point, speak
from imcprobe.testing.greetings import DEFAULT_BUILD, greeting_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from imcprobe.testing.behaviours import Behaviour

DEFAULT_GREETING = greeting_for(DEFAULT_BUILD)

# What Exchange 5.5 SP2 offered in a capture of 2006; the first line says who is really speaking.
EHLO_5_5 = (
    "mock.example.com Hello, this is imcprobe mock",
    "XEXCH50",
    "HELP",
    "ETRN",
    "DSN",
    "SIZE 0",
    "AUTH LOGIN",
    "AUTH=LOGIN",
    "STARTTLS",
    "TLS",
)

# RFC 5321, 4.5.3.2.7: a server waits at least five minutes for a command.
IDLE_TIMEOUT = 300.0
# A scanner opens thousands of connections at once; Linux caps this at net.core.somaxconn.
_BACKLOG = 4096
# Connections that fill a queue for one, what the kernel lets in beyond it included.
_FULL = 4
# Connections whose bytes are remembered, so that a mock may run for weeks.
_REMEMBERED = 10_000
# How long to wait, in seconds, when no file is left for a client: it waits in the backlog meanwhile.
_OUT_OF_FILES_PAUSE = 0.1
# Of a host that is no host, in characters: a host name has 253 at the most.
_LONGEST_PLACE = 300

_OK = b"250 OK\r\n"
_UNKNOWN = b"502 Command not implemented\r\n"
_REPLIES = {
    b"HELO": b"250 mock.example.com Hello, this is imcprobe mock\r\n",
    b"HELP": b"214 imcprobe mock: EHLO HELO HELP NOOP QUIT RSET\r\n",
    b"NOOP": _OK,
    b"RSET": _OK,
    b"QUIT": b"221 closing connection\r\n",
}
_POINTS = {b"EHLO": Point.EHLO, b"QUIT": Point.QUIT}


class MockServer:
    """An SMTP server for tests, on the running loop (for another thread: `serve_in_thread`).

    `greeting` is sent as it is, whatever it is. `faults` strike in the order given. `ehlo` are
    the lines of the EHLO reply, without codes; none means that EHLO is unknown. `idle_timeout` is
    in seconds. With `refused` the address is taken and nothing listens: connections are refused; with
    `deaf` its queue is full of others, and connections are never answered (Linux drops them).
    `port` 0 lets the system choose; `host` and `port` say where it is once it has started.
    """

    def __init__(
        self,
        greeting: bytes = DEFAULT_GREETING,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Iterable[Fault] = (),
        ehlo: Sequence[str] = EHLO_5_5,
        idle_timeout: float = IDLE_TIMEOUT,
        refused: bool = False,
        deaf: bool = False,
    ) -> None:
        self.host = host
        self.port = port
        self.connections = 0
        self._greeting = greeting
        self._behaviours = _by_point(faults)
        self._replies = _REPLIES | {b"EHLO": _reply(250, ehlo) if ehlo else _UNKNOWN}
        self._idle_timeout = idle_timeout
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
        self._socket = _bound(self.host, self.port, shared=not self._refused)
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
        self._socket.listen(0)
        try:
            for _ in range(_FULL):
                waiting = self._queue.enter_context(socket.socket(self._socket.family))
                waiting.setblocking(False)
                waiting.connect_ex(self._socket.getsockname())
        except OSError as error:
            self._socket.close()
            self._queue.close()
            raise _unavailable(self.host, self.port, error) from error

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
        await self._say(client, Point.CONNECT, b"")
        await self._say(client, Point.GREETING, self._greeting)
        try:
            for _ in range(MAX_COMMANDS):
                await self._answer(client, await client.read_line(self._idle_timeout))
            await client.send(b"421 Too many commands\r\n")
        except LineTooLongError:
            await client.send(b"500 Line too long\r\n")
        except TimeoutError:
            await client.send(b"421 Idle too long\r\n")

    async def _answer(self, client: Connection, line: bytes) -> None:
        verb = line.strip().partition(b" ")[0].upper()
        await self._say(client, _POINTS.get(verb), self._replies.get(verb, _UNKNOWN))
        if verb == b"QUIT":
            client.hang_up()

    async def _say(self, client: Connection, point: Point | None, data: bytes) -> None:
        await speak(client, self._behaviours.get(point, ()), data)


def _by_point(faults: Iterable[Fault]) -> dict[Point | None, list[Behaviour]]:
    behaviours: dict[Point | None, list[Behaviour]] = defaultdict(list)
    for fault in faults:
        behaviours[fault.point].append(fault.behave)
    return behaviours


def _reply(code: int, lines: Sequence[str]) -> bytes:
    *first, last = lines
    return "".join([*(f"{code}-{line}\r\n" for line in first), f"{code} {last}\r\n"]).encode()


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    try:
        return _bind(host, port, shared=shared)
    except (OSError, UnicodeError) as error:  # no host name at all
        raise _unavailable(host, port, error) from error


def _unavailable(host: str, port: int, error: OSError | UnicodeError) -> ImcprobeError:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    place = ascii(str(Target(host, port))[:_LONGEST_PLACE])[1:-1]  # a host may be any text
    told = f"cannot listen on {place}: {reason}."
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return ImcprobeError(f"{told} Raise the limit: ulimit -n.")
    return UsageError(f"{told} Choose another.")


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """Bind without listening; `shared` lets old connections of that port linger (SO_REUSEADDR).

    Not for an address that is only reserved: while nobody listens there, another program could
    share it and listen.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shared)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
