"""Conversations: what takes more than reading a greeting is aiosmtplib's business.

The socket comes from the sweep with its greeting complete but unread, so that aiosmtplib reads it as
its own. aiosmtplib pairs replies with commands by their order only: whatever else has arrived before
EHLO goes out would be taken for EHLO's reply. So nothing is said to a server that spoke out of turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import time
from typing import TYPE_CHECKING

import aiosmtplib

from imcprobe.probe.options import QUIT_TIMEOUT
from imcprobe.probe.outcomes import name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.model import Observation
    from imcprobe.probe.late import Greeted
    from imcprobe.probe.options import ProbeOptions

# Of bytes that came out of turn, and of a reply that is none, this much is kept: enough to see what it is.
MAX_EARLY = 4096
MAX_QUOTED = 80

# aiosmtplib raises these (its own classes, the built-in ones they come with, and what escapes it):
# the most specific first, each with the words for Observation.error.
_WORDS: tuple[tuple[type[Exception], Callable[[Exception], str]], ...] = (
    (aiosmtplib.SMTPHeloError, lambda error: f"EHLO refused with {_code(error)}"),
    (aiosmtplib.SMTPResponseException, lambda error: f"EHLO answered with no SMTP reply: {_text(error)}"),
    (aiosmtplib.SMTPServerDisconnected, lambda _: "connection closed during EHLO"),
    (TimeoutError, lambda _: "no complete EHLO reply in time"),
    (OSError, lambda error: f"{name_of(getattr(error, 'errno', None))} during EHLO"),
    (aiosmtplib.SMTPException, lambda error: f"EHLO failed: {error}"),
    (ValueError, lambda error: f"EHLO failed: {error}"),  # UnicodeError among them
)


async def converse(greeted: Greeted, options: ProbeOptions) -> Observation:
    """EHLO, then QUIT; the observation gains the reply's lines, or an error, or the early bytes.

    Never raises for anything that a server does. All but the goodbye ends before `greeted.ends_at`.
    """
    sock = _PeekedSocket(greeted.sock, greeted.length)
    seen = greeted.seen
    client = aiosmtplib.SMTP(
        sock=sock,
        timeout=None,  # one limit for all of it, below
        start_tls=False,  # else connect() itself sends EHLO and STARTTLS
        local_hostname=options.helo_name or _address_literal(sock),  # else getfqdn() per connection
    )
    try:
        async with asyncio.timeout(min(options.greeting_timeout, greeted.ends_at - time.monotonic())):
            seen = await _ehlo(client, sock, seen)
        if options.quit and seen.ehlo is not None:
            await _quit(client)
    except tuple(kind for kind, _ in _WORDS) as error:
        return dataclasses.replace(seen, error=_words(error))
    finally:
        client.close()
        sock.close()
    return seen


async def _ehlo(client: aiosmtplib.SMTP, sock: _PeekedSocket, seen: Observation) -> Observation:
    await client.connect()
    early = sock.early()
    if early:
        return dataclasses.replace(seen, greeting=seen.greeting + early)
    sock.listening = True
    response = await client.ehlo()
    return dataclasses.replace(seen, ehlo=tuple(response.message.split("\n")))


async def _quit(client: aiosmtplib.SMTP) -> None:
    # What came is kept whatever becomes of the goodbye.
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit(timeout=QUIT_TIMEOUT)


class _PeekedSocket(socket.socket):
    """Gives out the greeting and, until `listening`, keeps aside what stands behind it."""

    def __init__(self, sock: socket.SocketType, greeting: int) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.setblocking(False)
        self._left = greeting
        self._early = b""
        self.listening = False

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        if self._left:
            data = super().recv(min(bufsize, self._left), flags)
            self._left -= len(data)
            return data
        data = super().recv(bufsize, flags)
        if not self.listening:
            self._early = (self._early + data)[:MAX_EARLY]
        return data

    def early(self) -> bytes:
        """Bytes behind the greeting, taken now or before: asked for once, just before a command."""
        with contextlib.suppress(OSError):
            return self._early + super().recv(MAX_EARLY)
        return self._early


def _address_literal(sock: socket.socket) -> str:
    """The own end of the connection as EHLO wants it (RFC 5321, 4.1.3): `[192.0.2.1]`."""
    address = sock.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if sock.family == socket.AF_INET6 else f"[{address}]"


def _words(error: Exception) -> str:
    return next(words(error) for kind, words in _WORDS if isinstance(error, kind))


def _code(error: Exception) -> int:
    return error.code if isinstance(error, aiosmtplib.SMTPResponseException) else -1


def _text(error: Exception) -> str:
    return error.message[:MAX_QUOTED] if isinstance(error, aiosmtplib.SMTPResponseException) else ""
