"""Conversations: what takes more than reading a greeting, as far as the options ask for it.

The socket comes from the sweep with its greeting complete but unread (or, where TLS comes first, with
nothing said). aiosmtplib says the commands, one at a time. A server that speaks out of turn is asked nothing
more, and what it has answered is believed when QUIT is answered as QUIT is.
"""

from __future__ import annotations

import asyncio
import socket
import time
from base64 import b64encode
from typing import TYPE_CHECKING

import aiosmtplib

from imcprobe.evidence import CUT_SHORT, Replies, Tls
from imcprobe.fingerprint.ehlo import keywords
from imcprobe.fingerprint.ntlm import NEGOTIATE, challenge_of, decode
from imcprobe.model import Status
from imcprobe.probe.dialogue import EXPECTED, Dialogue, OutOfStepError
from imcprobe.probe.extras import require_extra
from imcprobe.probe.implicit import greeting_inside
from imcprobe.probe.sockets import swallow
from imcprobe.probe.timelimit import TimeLimit
from imcprobe.probe.tls import NOT_IN_TIME, TlsError, inspected, warm_up
from imcprobe.probe.wire import Wire

if TYPE_CHECKING:
    from imcprobe.evidence import Reply
    from imcprobe.model import Observation
    from imcprobe.probe.late import Greeted
    from imcprobe.probe.options import ProbeOptions

_OK, _READY, _GO_ON = 250, 220, 334
# How a server says that it knows no EHLO (RFC 5321, 4.1.4 and 4.2.4): HELO is asked then.
_UNKNOWN = frozenset({500, 501, 502, 504})
_NTLM = "NTLM"
# What Exchange 5.5 offers, and takes NTLM all the same (Q262945).
_LOGIN_ALONE = {"LOGIN"}
_HANDSHAKE, _INSIDE = "the TLS handshake", "EHLO inside TLS"
_OF_TLS = frozenset({"STARTTLS", _HANDSHAKE, _INSIDE})
_TALKED_OVER = "something was said, not by TLS, behind the answer to STARTTLS"
_TOO_LATE = "no conversation: its turn did not come in time"


class _OverError(Exception):
    """Nothing more can be asked, and it has been told why."""


_OUT_OF_STEP = "replies out of step with commands: what answered one may have been said before it"


async def converse(greeted: Greeted, options: ProbeOptions) -> Observation:
    """Ask what the options want to know, then QUIT; the observation gains what came of it, or an error.

    Never raises for anything that a server does. All but the goodbye ends before `greeted.ends_at`.
    """
    if greeted.ends_at <= time.monotonic():
        return _too_late(greeted)
    wire = Wire(greeted.sock, greeted.length)
    client = aiosmtplib.SMTP(
        sock=wire,
        timeout=None,  # one limit for all of it, below
        start_tls=False,  # else connect() itself sends EHLO and STARTTLS
        local_hostname=options.helo_name or _address_literal(wire),  # else getfqdn() per connection
    )
    try:
        seen = greeted.seen
        if greeted.implicit:
            seen = await greeting_inside(client, wire, greeted, _limit(greeted, options))
            if seen.status is not Status.SUCCESS or not (seen.tls and seen.tls.negotiated):
                return seen
        return await _Talk(client, wire, seen, options).hold(_limit(greeted, options))
    finally:
        client.close()
        wire.close()


def prepare(options: ProbeOptions) -> None:
    """Load now what takes a while to load, so that it takes none of any server's time.

    Raises UsageError where TLS is wanted and its extra is missing.
    """
    if options.tls or options.implicit_tls:
        require_extra("tls", "cryptography", "tls")
        warm_up()


def _too_late(greeted: Greeted) -> Observation:
    """Close a connection whose time has run out while it waited; with TLS first, nothing is known of it."""
    swallow(greeted.sock, greeted.length or 1)
    greeted.sock.close()
    seen = greeted.seen._replace(error=_TOO_LATE)
    return seen._replace(status=Status.UNKNOWN_ERROR) if greeted.implicit else seen


def _limit(greeted: Greeted, options: ProbeOptions) -> float:
    return min(options.greeting_timeout, greeted.ends_at - time.monotonic())


class _Talk:
    """One conversation: `seen` is what is known by now."""

    def __init__(self, client: aiosmtplib.SMTP, wire: Wire, seen: Observation, options: ProbeOptions) -> None:
        self.seen = seen
        self._client = client
        self._name = str(client.local_hostname).encode()
        self._wire = wire
        self._dialogue = Dialogue(client, wire, first="EHLO" if options.asks_ehlo else "HELP")
        self._options = options
        self._replies: dict[str, Reply] = {}
        self._in_step = True

    async def hold(self, limit: float) -> Observation:
        """Ask within `limit` seconds, take leave, and tell."""
        try:
            async with TimeLimit(limit):
                await self._ask_all()
        except _OverError:
            self._in_step = False
        except OutOfStepError:
            self._spoken_out_of_turn()
        except EXPECTED as error:
            self._failed(error)
        except asyncio.CancelledError:  # what is known by now is told
            self._in_step = False
            self._note(f"{self._dialogue.step} {CUT_SHORT}")
        if self._in_step:
            await self._leave()
        return self.seen._replace(replies=Replies(**self._replies)) if self._replies else self.seen

    async def _ask_all(self) -> None:
        options = self._options
        if not self._client.is_connected:
            await self._client.connect()  # which takes the greeting: it has come already
        if options.asks_ehlo:
            await self._hello()
        if options.help_command:
            self._replies["help"] = await self._dialogue.ask(b"HELP")
        if options.tls and self.seen.tls is None:
            await self._start_tls()
        if options.ntlm:
            await self._challenge()

    def _spoken_out_of_turn(self) -> None:
        self._in_step = False
        if self._dialogue.has_asked:
            self._disbelieve()
        else:  # what is behind a greeting belongs to it, whatever it is
            self.seen = self.seen._replace(greeting=self.seen.greeting + self._wire.early())

    async def _hello(self) -> None:
        """EHLO, and HELO for a server that knows none."""
        reply = await self._dialogue.ask(b"EHLO", self._name)
        if reply.code == _OK:
            self.seen = self.seen._replace(ehlo=reply.lines)
            return
        self._note(f"EHLO refused with {reply.code}")
        if reply.code in _UNKNOWN:
            self._replies["helo"] = await self._dialogue.ask(b"HELO", self._name)

    async def _start_tls(self) -> None:
        """STARTTLS where it is offered; EHLO is asked anew inside, as nothing said before counts there."""
        lines = self.seen.ehlo
        tls = Tls(offered=None if lines is None else "STARTTLS" in keywords(lines))
        self.seen = self.seen._replace(tls=tls)
        if not tls.offered:
            return
        reply = await self._dialogue.ask(b"STARTTLS")
        self._replies["starttls"] = reply
        if reply.code != _READY:
            self.seen = self.seen._replace(tls=tls._replace(error=f"STARTTLS answered with {reply.code}"))
            return
        try:
            tls = await self._shaken_hands(tls)
        except TlsError as error:
            self.seen = self.seen._replace(tls=tls._replace(error=str(error)))
            raise _OverError from error
        self.seen = self.seen._replace(tls=tls)
        inside = await self._dialogue.ask(b"EHLO", self._name, step=_INSIDE)
        if inside.code == _OK:
            tls = tls._replace(ehlo=inside.lines)
        else:
            tls = tls._replace(error=f"EHLO inside TLS refused with {inside.code}")
        self.seen = self.seen._replace(tls=tls)

    async def _shaken_hands(self, tls: Tls) -> Tls:
        """What a handshake brings, once it is through. Raises TlsError."""
        self._dialogue.step = _HANDSHAKE
        if self._wire.early():
            raise TlsError(_TALKED_OVER)
        host = self.seen.target.host
        await self._wire.start_tls(host)
        return inspected(self._wire.layer, tls, host)

    async def _challenge(self) -> None:
        """Begin to authenticate where NTLM is offered, and leave off at the challenge."""
        tls = self.seen.tls
        lines = tls.ehlo if tls is not None and tls.negotiated and not tls.implicit else self.seen.ehlo
        ways = {way.upper() for way in keywords(lines or ()).get("AUTH", ())}
        if _NTLM not in ways and ways != _LOGIN_ALONE:
            return
        reply = await self._dialogue.ask(b"AUTH", b"NTLM", step="AUTH NTLM")
        if reply.code == _GO_ON:
            reply = await self._dialogue.ask(b64encode(NEGOTIATE), step="AUTH NTLM")
        self._replies["auth"] = reply
        if reply.code != _GO_ON:
            if _NTLM in ways:
                self._note(f"AUTH NTLM answered with {reply.code}")
            return
        message = challenge_of(reply.text)
        self.seen = self.seen._replace(ntlm=None if message is None else decode(message))
        await self._dialogue.ask(b"*", step="AUTH NTLM")

    async def _leave(self) -> None:
        try:
            goodbye = await self._dialogue.leave(says_quit=self._options.quit)
        except OutOfStepError:
            self._spoken_out_of_turn()
        else:
            if goodbye is not None:
                self._replies["quit"] = goodbye

    def _disbelieve(self) -> None:
        """Take back all that may have been said ahead of what it answers; what TLS has shown stands."""
        self._in_step = False
        seen, tls = self.seen, self.seen.tls
        self._replies.clear()
        tls = tls._replace(ehlo=None) if tls is not None and tls.negotiated else None
        self.seen = seen._replace(ehlo=None, ntlm=None, tls=tls, error=_OUT_OF_STEP)

    def _failed(self, error: Exception) -> None:
        """Tell what ended it: of STARTTLS, and of what it leads to, where TLS is told of."""
        self._in_step = False
        told = NOT_IN_TIME if self._dialogue.step == _HANDSHAKE else self._dialogue.words(error)
        if self._dialogue.step in _OF_TLS and self.seen.tls is not None:
            self.seen = self.seen._replace(tls=self.seen.tls._replace(error=told))
        else:
            self._note(told)

    def _note(self, error: str) -> None:
        self.seen = self.seen._replace(error=self.seen.error or error)


def _address_literal(sock: socket.socket) -> str:
    """The own end of the connection as EHLO wants it (RFC 5321, 4.1.3): `[192.0.2.1]`."""
    address = sock.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if sock.family == socket.AF_INET6 else f"[{address}]"
