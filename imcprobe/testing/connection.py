"""One connection of the mock: what came in, and the ways of saying something.

A protocol of our own, not asyncio's streams, so that every byte is recorded the moment it comes,
also while the conversation is busy with something else: a client that talks too early is seen.
Inside TLS it is the decrypted bytes that are recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, NoReturn, cast

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from imcprobe.testing.tls import TlsLayer

# RFC 5321, 4.5.3.1.4 asks for 512 bytes; who sends more than this is no mail client.
MAX_LINE = 1000
MAX_COMMANDS = 100
# All that one client may send, read or not.
_MAX_RECEIVED = MAX_LINE * MAX_COMMANDS
# What TLS begins with: a record with a message of the handshake (RFC 8446, 5.1).
_HANDSHAKE = b"\x16\x03"
_LINGER_0 = struct.pack("ii", 1, 0)
# How long, in seconds, a client may take to close after we did.
_LAST_WORDS = 0.5


class HungUpError(Exception):
    """The connection has ended, by either side."""


class LineTooLongError(Exception):
    """The client sent more than `MAX_LINE` bytes without a line end."""


class Connection(asyncio.Protocol):
    """A client that has connected; `converse` is run for it, and its end closes the connection.

    `began` is called once when it stands, `ended` once when it is gone and its conversation done.
    """

    def __init__(
        self,
        converse: Callable[[Connection], Awaitable[None]],
        began: Callable[[Connection], None],
        ended: Callable[[Connection], None],
    ) -> None:
        self.received = bytearray()
        self._converse = converse
        self._began = began
        self._ended = ended
        self._read = 0
        self._left = False
        self._said_all = False
        self._full = False
        self._heard = 0
        self._layer: TlsLayer | None = None
        self._news = asyncio.Event()

    @property
    def is_secure(self) -> bool:
        """Whether this is inside TLS."""
        return self._layer is not None

    async def secure(self, context: ssl.SSLContext, limit: float) -> None:
        """Do a server's part of a TLS handshake; all that is said and heard is inside TLS from then on.

        What came before counts as the handshake's, so that no command slips in with it. Raises HungUpError
        when it fails or takes more than `limit` seconds.
        """
        from imcprobe.testing.tls import TlsLayer

        layer = self._layer = TlsLayer(context)
        early = bytes(self.received[self._read :])
        if early.startswith(_HANDSHAKE):
            del self.received[self._read :]
        self._read = len(self.received)
        self._decrypt(layer, early)
        with contextlib.suppress(TimeoutError):
            await self._until(lambda: layer.is_ready or self._left, limit)
        if not layer.is_ready:
            raise HungUpError

    async def send(self, data: bytes) -> None:
        """Say `data` and wait while the client is not reading. Raises HungUpError."""
        if self._transport.is_closing():
            raise HungUpError
        self._transport.write(data if self._layer is None else self._layer.encrypted(data))
        await asyncio.sleep(0)  # an endless talker lets others have their turn
        await self._until(lambda: not self._full)
        if self._transport.is_closing():
            raise HungUpError

    async def sleep(self, seconds: float) -> None:
        """Wait. Raises HungUpError as soon as the client has closed its side."""
        try:
            await self._until(lambda: self._left, seconds)
        except TimeoutError:
            return
        raise HungUpError

    async def until_left(self) -> NoReturn:
        """Wait until the client has closed its side; then raises HungUpError."""
        await self._until(lambda: self._left)
        raise HungUpError

    def hang_up(self) -> NoReturn:
        """Close (FIN) behind everything that was said and heard; always raises HungUpError."""
        raise HungUpError

    def reset(self) -> NoReturn:
        """Close with an RST; always raises HungUpError."""
        sock: socket.socket = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        self._transport.abort()
        raise HungUpError

    async def read_line(self, limit: float) -> bytes:
        """Read the next line with its end, waiting at most `limit` seconds.

        Raises LineTooLongError, TimeoutError, or HungUpError when the client left without one.
        """
        await self._until(lambda: self._line_end() > 0 or self._left, limit)
        end = self._line_end()
        if end == 0:
            raise HungUpError
        line = bytes(self.received[self._read : end])
        if len(line) > MAX_LINE:
            raise LineTooLongError
        self._read = end
        return line

    def _line_end(self) -> int:
        """Where the next line ends, or would be too long if it did; 0 while neither is known."""
        end = self.received.find(b"\n", self._read) + 1
        waiting = len(self.received) - self._read
        return len(self.received) if end == 0 and waiting > MAX_LINE else end

    async def stop(self) -> None:
        """Break off whatever is going on and wait for the end of it."""
        self._transport.abort()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            with contextlib.suppress(HungUpError):
                await self._converse(self)
            await self._say_no_more()
        finally:
            self._transport.close()

    async def _say_no_more(self) -> None:
        """Close our side, and hear the client out: closing over unread bytes would be a reset, not a FIN."""
        with contextlib.suppress(OSError, TimeoutError):  # the client has reset it, or takes its time
            if self._layer is not None:
                self._transport.write(self._layer.last_words())
            self._said_all = True
            self._transport.write_eof()
            await self._until(lambda: self._left, _LAST_WORDS)

    async def _until(self, condition: Callable[[], bool], limit: float | None = None) -> None:
        async with asyncio.timeout(limit):
            while not condition():
                self._news.clear()
                await self._news.wait()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)  # what is said has left before anything else happens
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._began(self)

    def data_received(self, data: bytes) -> None:
        self._heard += len(data)
        if self._layer is None:
            self.received += data
        else:
            self._decrypt(self._layer, data)
        self._news.set()
        if self._heard > _MAX_RECEIVED:
            self._transport.abort()

    def _decrypt(self, layer: TlsLayer, data: bytes) -> None:
        self.received += layer.decrypted(data)
        self._left = self._left or layer.is_over
        if not self._said_all:
            self._transport.write(layer.outgoing())

    def eof_received(self) -> bool:
        self._left = True
        self._news.set()
        return True  # what was asked before is still answered

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._news.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self._left = True
        self._full = False
        self._news.set()
        self._task.add_done_callback(lambda _: self._ended(self))
