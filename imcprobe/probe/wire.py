"""What stands between aiosmtplib and the server: a socket that reads as strictly as the sweep does.

aiosmtplib pairs replies with commands by their order only, reads codes as numbers of any kind, and anew
with each piece that comes. So a reply is read here, to its end and within the bounds of a greeting, and
aiosmtplib gets its code alone; what came out of turn is kept aside, inside TLS as outside.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from imcprobe.errors import ReplyError
from imcprobe.fingerprint.reply import ReplyReader
from imcprobe.probe.sockets import unread
from imcprobe.probe.tls import TlsError, TlsLayer

if TYPE_CHECKING:
    from imcprobe.probe.sockets import Socket

_GREETING = b"220 \r\n"
# Of bytes that came out of turn this much is kept: enough to see what it is.
MAX_EARLY = 4096
_RESET = "the connection was reset"


class Wire(socket.socket):
    """The socket of a conversation, taken over from the sweep with `greeting` bytes still to be read.

    `refused` says why what came was no reply, `tls_error` why it was no TLS; both end the conversation as
    the server's leaving does. `answered` is whether the reply that was last expected has come, `first` what
    came first of all behind `start_tls`, which gives the `layer`; `has_ended` and `errno` tell of the
    connection's end.
    """

    def __init__(self, sock: Socket, greeting: int) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.setblocking(False)
        self._left = greeting
        self._early = b""
        self._reply: ReplyReader | None = None
        self._unsent = b""
        self._in_tls = False
        self.layer: TlsLayer
        self.first = b""
        self.answered = False
        self.refused: ReplyError | None = None
        self.tls_error: TlsError | None = None
        self.errno: int | None = None
        self.has_ended = False

    def expect_reply(self) -> ReplyReader:
        """Take what comes from now on for the reply to a command, or for the greeting inside TLS."""
        self.answered = False
        self._reply = ReplyReader()
        return self._reply

    def early(self) -> bytes:
        """Bytes that nobody asked for, taken now or before: asked for just before a command."""
        if unread(self):
            try:
                self._early = (self._early + self._hear(MAX_EARLY))[:MAX_EARLY]
            except TlsError as error:
                self._broken(error)
            except OSError:
                pass  # told again when aiosmtplib reads
        return self._early

    def start_tls(self, host: str) -> asyncio.Future[None]:
        """Begin a handshake; it is over when the result is there. That raises TlsError."""
        self._in_tls = True
        self.layer = TlsLayer(host)
        self._secured: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flush()
        return self._secured

    # What asyncio calls.

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        while self._left:  # all of it is there, unless a reset has thrown it away
            data = super().recv(self._left, flags)
            self._left -= len(data)
            if not data or not self._left:
                return data and _GREETING
        try:
            data = self._hear(bufsize)
        except TlsError as error:
            self._broken(error)
            return b""
        except BlockingIOError:
            raise
        except OSError as error:
            self.errno = error.errno
            self._broken(TlsError(_RESET))
            raise
        if self._reply is not None and data:
            return self._read_reply(self._reply, data)
        self._early = (self._early + data)[:MAX_EARLY]
        return data

    def send(self, data: bytes, flags: int = 0, /) -> int:  # type: ignore[override]  # asyncio gives it bytes
        if not self._in_tls:
            return super().send(data, flags)
        try:
            self.layer.write(data)
        except TlsError as error:
            raise ConnectionAbortedError from error
        if self.layer.has_ended:
            raise ConnectionAbortedError
        self._flush()
        return len(data)

    def _hear(self, bufsize: int) -> bytes:
        """What the server says; nothing at its end. Raises BlockingIOError, TlsError."""
        data = super().recv(bufsize)
        self.has_ended = not data
        if not self._in_tls:
            return data
        if not data and self.errno is not None:  # a reset that sending was told of
            raise TlsError(_RESET)
        self.first = self.first or data[:MAX_EARLY]
        try:
            said = self.layer.feed(data)
        finally:
            self._flush()  # an alert says why
        if self.layer.is_up and not self._secured.done():
            self._secured.set_result(None)
        if said or not data or self.layer.has_ended:
            return said
        raise BlockingIOError  # as if nothing had come yet

    def _read_reply(self, reply: ReplyReader, data: bytes) -> bytes:
        try:
            is_whole = reply.feed(data)
        except ReplyError as error:
            self.refused = error
            return b""
        if not is_whole:
            raise BlockingIOError
        self._reply, self.answered = None, True
        self._early = bytes(reply.data[reply.length :][:MAX_EARLY])
        return b"%d \r\n" % reply.code

    def _flush(self) -> None:
        """Send what TLS has to say; what finds no room goes with the next."""
        self._unsent += self.layer.pending()
        try:
            while self._unsent:
                self._unsent = self._unsent[super().send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError as error:  # told when it is read: the server may have said something before
            self.errno = error.errno

    def _broken(self, error: TlsError) -> None:
        if not self._in_tls:
            return
        self.tls_error = error
        if not self._secured.done():
            self._secured.set_exception(error)
            self._secured.exception()  # known, also where nobody waits for it
