"""What a mock says to one client: the greeting, replies in its manner, TLS, the dialogue of NTLM."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from imcprobe.errors import ImcprobeError
from imcprobe.testing.connection import MAX_COMMANDS, LineTooLongError
from imcprobe.testing.faults import Fault, Point, speak
from imcprobe.testing.manner import reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext

    from imcprobe.testing.behaviours import Line
    from imcprobe.testing.connection import Connection
    from imcprobe.testing.manner import Manner

TlsContext: TypeAlias = "SSLContext | Callable[[], SSLContext]"
"""What TLS is done with, or what makes it when a client first wants it."""

_OK = b"250 OK\r\n"
# RFC 3207, 4: this very text; here because the extra that makes certificates is missing.
_NO_TLS = b"454 TLS not available due to temporary reason\r\n"
# As Windows says it ([MS-SMTPNTLM] 4.1 has the first, 2.2.1.1 the others' codes).
_NTLM_SUPPORTED = b"334 ntlm supported\r\n"
_DENIED = b"535 5.7.3 Authentication unsuccessful\r\n"
_CANCELLED = b"501 5.7.0 Authentication cancelled\r\n"
# Codes that lead on: to TLS, to the next message of NTLM.
_READY, _GO_ON = b"220", b"334"
_CODE = 3
_NEGOTIATE = b"NTLMSSP\0\x01\0\0\0"


@dataclass(frozen=True, slots=True)
class Service:
    """What a server says and does to every client; the fields are those of `MockServer`."""

    greeting: bytes
    manner: Manner
    faults: tuple[Fault, ...]
    tls: TlsContext | None
    implicit_tls: bool
    idle_timeout: float


class Conversation:
    """One client's, from the greeting to the end."""

    def __init__(self, client: Connection, service: Service) -> None:
        self._client = client
        self._service = service
        self._manner = service.manner
        self._answers = {
            b"EHLO": self._ehlo,
            b"HELO": self._helo,
            b"HELP": self._help,
            b"NOOP": self._ok,
            b"RSET": self._ok,
            b"STARTTLS": self._starttls,
            b"AUTH": self._auth,
            b"QUIT": self._quit,
        }

    async def hold(self) -> None:
        """Greet and answer until either side has had enough. Raises HungUpError."""
        await self._say(Point.CONNECT, b"")
        if self._service.implicit_tls:
            await self._secure()
        await self._say(Point.GREETING, self._service.greeting)
        try:
            for _ in range(MAX_COMMANDS):
                await self._answer(await self._line())
            await self._client.send(b"421 Too many commands\r\n")
        except LineTooLongError:
            await self._client.send(b"500 Line too long\r\n")
        except TimeoutError:
            await self._client.send(b"421 Idle too long\r\n")

    async def _answer(self, line: bytes) -> None:
        words = line.split()
        verb = words[0].upper() if words else b""
        await self._answers.get(verb, self._unknown)(words)

    async def _ehlo(self, _: list[bytes]) -> None:
        inside = self._client.is_secure and not self._service.implicit_tls
        lines = self._manner.ehlo_lines(secure=self._client.is_secure)
        said = reply(lines, 250) if lines else self._no
        await self._say(Point.TLS if inside else Point.EHLO, said)

    async def _helo(self, _: list[bytes]) -> None:
        await self._say(None, reply((self._manner.helo,)))

    async def _help(self, _: list[bytes]) -> None:
        await self._say(Point.HELP, reply(self._manner.help))

    async def _ok(self, _: list[bytes]) -> None:
        await self._say(None, _OK)

    async def _unknown(self, _: list[bytes]) -> None:
        await self._say(None, self._no)

    async def _quit(self, _: list[bytes]) -> None:
        await self._say(Point.QUIT, reply((self._manner.quit,)))
        self._client.hang_up()

    async def _starttls(self, _: list[bytes]) -> None:
        if self._service.tls is None or self._client.is_secure:
            await self._say(Point.STARTTLS, self._no)
        elif self._context() is None:
            await self._say(Point.STARTTLS, _NO_TLS)
        elif await self._say(Point.STARTTLS, reply((self._manner.starttls,))) == _READY:
            await self._secure()

    async def _secure(self) -> None:
        await self._say(Point.HANDSHAKE, b"")
        context = self._context()
        if context is None:
            self._client.hang_up()
        await self._client.secure(context, self._service.idle_timeout)

    def _context(self) -> SSLContext | None:
        try:
            return self._service.tls() if callable(self._service.tls) else self._service.tls
        except ImcprobeError:
            return None

    async def _auth(self, words: list[bytes]) -> None:
        challenge = self._manner.challenge
        if challenge is None or [word.upper() for word in words[1:2]] != [b"NTLM"]:
            await self._say(Point.AUTH, self._no)
            return
        message = b" ".join(words[2:])
        if not message:
            if await self._say(Point.AUTH, _NTLM_SUPPORTED) != _GO_ON:
                return
            message = (await self._line()).strip()
        if _is_negotiate(message):
            if await self._say(Point.CHALLENGE, b"334 " + b64encode(challenge) + b"\r\n") != _GO_ON:
                return
            message = (await self._line()).strip()
        await self._say(None, _CANCELLED if message == b"*" else _DENIED)

    @property
    def _no(self) -> bytes:
        return reply((self._manner.unknown,))

    async def _line(self) -> bytes:
        return await self._client.read_line(self._service.idle_timeout)

    async def _say(self, point: Point | None, data: bytes) -> bytes:
        """Say it through the faults of that point; the code of what is said in the end."""
        said = bytearray()

        async def noted(line: Line, data: bytes) -> None:
            said.extend(data[: _CODE - len(said)])
            await line.send(data)

        behaviours = [fault.behave for fault in self._service.faults if fault.point is point]
        await speak(self._client, [*behaviours, noted], data)
        return bytes(said)


def _is_negotiate(text: bytes) -> bool:
    """Whether it is the NEGOTIATE message of NTLM in Base64 ([MS-NLMP] 2.2.1.1)."""
    try:
        return b64decode(text, validate=True).startswith(_NEGOTIATE)
    except binascii.Error:
        return False
