"""One command at a time, and whether what comes answers it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import aiosmtplib

from imcprobe.errors import ReplyError
from imcprobe.fingerprint.reply import parse_reply
from imcprobe.probe.options import QUIT_TIMEOUT
from imcprobe.probe.outcomes import name_of
from imcprobe.probe.timelimit import TimeLimit
from imcprobe.probe.tls import TlsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.evidence import Reply
    from imcprobe.probe.wire import Wire

# How QUIT is answered, at its time or out of time (RFC 5321, 4.2.3 and 3.8).
_GOODBYES = (b"221", b"421")


class OutOfStepError(Exception):
    """The server said something that nobody had asked for."""


# aiosmtplib raises these (its own classes, the built-in ones they come with, and what escapes it), and our
# own readers theirs: the most specific first, each with the words for Observation.error.
_WORDS: tuple[tuple[type[Exception], Callable[[Exception, str], str]], ...] = (
    (TlsError, lambda error, step: f"TLS broke during {step}: {error}"),
    (aiosmtplib.SMTPConnectError, lambda _, step: f"connection closed during {step}"),
    (aiosmtplib.SMTPServerDisconnected, lambda _, step: f"connection closed during {step}"),
    (ReplyError, lambda error, step: f"{step} answered with no SMTP reply: {error}"),
    (TimeoutError, lambda _, step: f"no complete {step} reply in time"),
    (OSError, lambda error, step: f"{name_of(getattr(error, 'errno', None))} during {step}"),
    (aiosmtplib.SMTPException, lambda error, step: f"{step} failed: {error}"),
    (ValueError, lambda error, step: f"{step} failed: {error}"),  # UnicodeError among them
)
EXPECTED = tuple(kind for kind, _ in _WORDS)
"""What a server may bring about by whatever it does."""


class Dialogue:
    """Commands and their replies; `step` is what is being asked, `first` before anything is."""

    def __init__(self, client: aiosmtplib.SMTP, wire: Wire, first: str) -> None:
        self.step = first
        self.has_asked = False
        self._client = client
        self._wire = wire

    async def ask(self, *words: bytes, step: str | None = None) -> Reply:
        """Say a command, and return what answers it. Raises OutOfStepError and what is EXPECTED."""
        self.step = step or words[0].decode()
        if self._wire.early():
            raise OutOfStepError
        self.has_asked = True
        reader = self._wire.expect_reply()
        try:
            await self._client.execute_command(*words)
        except aiosmtplib.SMTPException as error:
            if not self._wire.answered:
                raise (self._wire.refused or self._wire.tls_error or error) from None
        return reader.reply

    async def leave(self, *, says_quit: bool) -> Reply | None:
        """Say QUIT where that is wanted, and return its answer where one came whole.

        Raises OutOfStepError when it shows that the replies before it were none to what was asked. What came
        counts whatever becomes of the connection, even when the farewell is cut short.
        """
        goodbye = self._wire.early()
        if goodbye and not goodbye.startswith(_GOODBYES):
            raise OutOfStepError
        if says_quit and not goodbye:
            reader = self._wire.expect_reply()
            with contextlib.suppress(*EXPECTED, asyncio.CancelledError):
                async with TimeLimit(QUIT_TIMEOUT):
                    await self._client.execute_command(b"QUIT")
            goodbye = bytes(reader.data)
        if not any(code.startswith(goodbye[: len(code)]) for code in _GOODBYES):
            raise OutOfStepError
        with contextlib.suppress(ReplyError):
            if (read := parse_reply(goodbye)) is not None:
                return read[0]
        return None

    def words(self, error: Exception) -> str:
        """What to tell of an EXPECTED error."""
        return next(words(error, self.step) for kind, words in _WORDS if isinstance(error, kind))
