"""Conversations: what takes more than reading a greeting is aiosmtplib's business.

The socket comes from the sweep with its greeting complete but unread. aiosmtplib pairs replies with
commands by their order only: whatever else has arrived before EHLO goes out would be taken for EHLO's
reply. So there is no EHLO for a server that spoke out of turn, and a reply to it is believed when QUIT
is answered as QUIT is.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING, TypeVar

import aiosmtplib

from imcprobe.errors import ReplyError
from imcprobe.fingerprint.reply import ReplyReader
from imcprobe.probe.options import QUIT_TIMEOUT
from imcprobe.probe.outcomes import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from imcprobe.model import Observation
    from imcprobe.probe.late import Greeted
    from imcprobe.probe.options import ProbeOptions

T = TypeVar("T")

_OK = 250
_GREETING = b"220 \r\n"
# Of bytes that came out of turn this much is kept: enough to see what it is.
MAX_EARLY = 4096
# How QUIT is answered, at its time or out of time (RFC 5321, 4.2.3 and 3.8).
_GOODBYES = (b"221", b"421")

# aiosmtplib raises these (its own classes, the built-in ones they come with, and what escapes it), and
# our own reader its one: the most specific first, each with the words for Observation.error.
_WORDS: tuple[tuple[type[Exception], Callable[[Exception], str]], ...] = (
    (aiosmtplib.SMTPServerDisconnected, lambda _: "connection closed during EHLO"),
    (ReplyError, lambda error: f"EHLO answered with no SMTP reply: {error}"),
    (TimeoutError, lambda _: "no complete EHLO reply in time"),
    (OSError, lambda error: f"{name_of(getattr(error, 'errno', None))} during EHLO"),
    (aiosmtplib.SMTPException, lambda error: f"EHLO failed: {error}"),
    (ValueError, lambda error: f"EHLO failed: {error}"),  # UnicodeError among them
)
_EXPECTED = tuple(kind for kind, _ in _WORDS)
_OUT_OF_STEP = "replies out of step with commands: what answered EHLO may have been said before it"


async def converse(greeted: Greeted, options: ProbeOptions) -> Observation:
    """EHLO, then QUIT; the observation gains the reply's lines, or an error, or the early bytes.

    Never raises for anything that a server does. All but the goodbye ends before `greeted.ends_at`.
    """
    sock = _PeekedSocket(greeted.sock, greeted.length)
    client = aiosmtplib.SMTP(
        sock=sock,
        timeout=None,  # one limit for all of it, below
        start_tls=False,  # else connect() itself sends EHLO and STARTTLS
        local_hostname=options.helo_name or _address_literal(sock),  # else getfqdn() per connection
    )
    try:
        seen = await _asked(client, sock, greeted, options)
        if options.quit and sock.in_step:
            await _quit(client)
            if seen.ehlo is not None and not sock.is_farewell:
                return seen._replace(ehlo=None, error=_OUT_OF_STEP)
        return seen
    finally:
        client.close()
        sock.close()


async def _asked(
    client: aiosmtplib.SMTP, sock: _PeekedSocket, greeted: Greeted, options: ProbeOptions
) -> Observation:
    limit = min(options.greeting_timeout, greeted.ends_at - time.monotonic())
    try:
        return await _in_time(_ehlo(client, sock, greeted.seen), limit)
    except _EXPECTED as error:
        return greeted.seen._replace(error=_words(error))


async def _ehlo(client: aiosmtplib.SMTP, sock: _PeekedSocket, seen: Observation) -> Observation:
    await client.connect()
    early = sock.early()
    if early:
        return seen._replace(greeting=seen.greeting + early)
    reply = sock.expect_reply()
    try:
        await client.ehlo()
    except aiosmtplib.SMTPException:
        if sock.refused is not None:
            raise sock.refused from None
        if not sock.answered:
            raise
    if len(reply.data) > reply.length:
        return seen._replace(error=_OUT_OF_STEP)
    sock.in_step = True
    if reply.reply.code != _OK:
        return seen._replace(error=f"EHLO refused with {reply.reply.code}")
    return seen._replace(ehlo=reply.reply.lines)


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Say goodbye: what came is kept whatever becomes of it, even when it is cut short."""
    with contextlib.suppress(
        aiosmtplib.SMTPException, OSError, TimeoutError, ValueError, asyncio.CancelledError
    ):
        await client.quit(timeout=QUIT_TIMEOUT)


async def _in_time(work: Coroutine[None, None, T], limit: float) -> T:
    """Wait for `work`, and what has come by then counts, however late this is run. Raises TimeoutError."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task,), timeout=max(limit, 0.0))
        # Whatever was read in the turn in which the time was up has woken the task by the next one.
        if not task.done():
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()  # known by now, or of no use to anybody


class _PeekedSocket(socket.socket):
    """Stands between aiosmtplib and what it would read otherwise than RFC 5321, or over and over.

    It gives out a short greeting for the real one, keeps aside what stands behind it and, once a reply is
    expected, reads that itself: aiosmtplib gets its code when it is whole, and the end for one that is none
    (`refused` says why). `answered` is whether it came, `in_step` whether it answers the command before it,
    as far as is known.
    """

    def __init__(self, sock: socket.SocketType, greeting: int) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.setblocking(False)
        self._left = greeting
        self._early = b""
        self._reply: ReplyReader | None = None
        self._goodbye = b""
        self.refused: ReplyError | None = None
        self.answered = False
        self.in_step = False

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        if self._left:
            while self._left:  # all of it is there, unless a reset has thrown it away
                data = super().recv(self._left, flags)
                if not data:
                    return data
                self._left -= len(data)
            return _GREETING
        data = super().recv(bufsize, flags)
        if self._reply is None:
            self._early = (self._early + data)[:MAX_EARLY]
        elif self.answered:
            self._goodbye = (self._goodbye + data)[: len(_GOODBYES[0])]
        elif data:
            return self._read_reply(self._reply, data)
        return data

    def _read_reply(self, reply: ReplyReader, data: bytes) -> bytes:
        try:
            self.answered = reply.feed(data)
        except ReplyError as error:
            self.refused = error
            return b""
        if not self.answered:
            raise BlockingIOError  # as if nothing had come yet
        return b"%d \r\n" % reply.reply.code

    def expect_reply(self) -> ReplyReader:
        """Take what comes from now on for the reply to a command."""
        self._reply = ReplyReader()
        return self._reply

    @property
    def is_farewell(self) -> bool:
        """Whether what came behind the reply is the answer to QUIT, the beginning of it, or nothing."""
        return any(code.startswith(self._goodbye) for code in _GOODBYES)

    def early(self) -> bytes:
        """Bytes behind the greeting, taken now or before: asked for once, just before a command."""
        with contextlib.suppress(OSError):
            return (self._early + super().recv(MAX_EARLY))[:MAX_EARLY]
        return self._early


def _address_literal(sock: socket.socket) -> str:
    """The own end of the connection as EHLO wants it (RFC 5321, 4.1.3): `[192.0.2.1]`."""
    address = sock.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if sock.family == socket.AF_INET6 else f"[{address}]"


def _words(error: Exception) -> str:
    return next(words(error) for kind, words in _WORDS if isinstance(error, kind))
