"""TLS that comes first of all: the handshake and the greeting inside it are the conversation's business."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import aiosmtplib

from imcprobe.errors import ReplyError
from imcprobe.evidence import Tls
from imcprobe.fingerprint.reply import GREETING, parse_reply
from imcprobe.model import Status
from imcprobe.probe.late import judge
from imcprobe.probe.outcomes import name_of, status_of
from imcprobe.probe.timelimit import TimeLimit
from imcprobe.probe.tls import NOT_IN_TIME, inspected

if TYPE_CHECKING:
    from imcprobe.fingerprint.reply import ReplyReader
    from imcprobe.model import Observation
    from imcprobe.probe.late import Greeted
    from imcprobe.probe.wire import Wire

# What a record of TLS begins with that a server may answer a client with: an alert or the handshake.
_RECORDS = (b"\x15", b"\x16")
_NOT_TLS = "the server speaks without TLS"


async def greeting_inside(client: aiosmtplib.SMTP, wire: Wire, greeted: Greeted, limit: float) -> Observation:
    """Shake hands and read the greeting within `limit` seconds.

    Never raises for anything that a server does.
    """
    wire.start_tls(greeted.seen.target.host)
    reader = wire.expect_reply()
    in_time = True
    try:
        async with TimeLimit(limit):
            await client.connect()
    except TimeoutError:
        in_time = False
    except (aiosmtplib.SMTPException, OSError):
        pass  # what became of it is seen at the wire
    now = time.monotonic()
    status, error = _judged(wire, reader) if in_time else (Status.IO_TIMEOUT, greeted.after(now))
    said = bytes(reader.data[: reader.length] if wire.answered else reader.data)
    tls = _told(wire, greeted.seen.target.host, in_time=in_time)
    if not wire.layer.is_up and wire.first and not wire.first.startswith(_RECORDS):
        said, status, error = _plain(wire.first)
        tls = tls._replace(error=_NOT_TLS)
    has_greeted = status in (Status.SUCCESS, Status.APPLICATION_ERROR)
    took = (now - greeted.began) * 1000 if has_greeted else None
    return greeted.seen._replace(
        status=status,
        greeting=said,
        tls=tls,
        times=greeted.seen.times._replace(greeting_ms=took),
        error=error,
        seen_at=time.time(),
    )


def _plain(first: bytes) -> tuple[bytes, Status, str | None]:
    """What a server without TLS said at first: a greeting is one, and the answer that it gives stands."""
    try:
        read = parse_reply(first)
    except ReplyError:
        read = None
    if read is None:
        return first, Status.PROTOCOL_ERROR, _NOT_TLS
    reply, length = read
    status, error = (Status.SUCCESS, None) if reply.code == GREETING else judge(reply.code)
    return first[:length], status, error


def _judged(wire: Wire, reader: ReplyReader) -> tuple[Status, str | None]:
    """The status of a target whose time has not run out."""
    if wire.answered:
        return (Status.SUCCESS, None) if reader.code == GREETING else judge(reader.code)
    if wire.refused is not None:
        return Status.PROTOCOL_ERROR, str(wire.refused)
    if wire.errno is not None:
        return status_of(wire.errno), name_of(wire.errno)
    if wire.has_ended or wire.layer.has_ended:
        return Status.CONNECTION_CLOSED, None
    what = "TLS broke" if wire.layer.is_up else "the TLS handshake failed"
    return Status.PROTOCOL_ERROR, f"{what}: {wire.tls_error}"


def _told(wire: Wire, host: str, *, in_time: bool) -> Tls:
    """What there is to say of TLS itself."""
    if wire.layer.is_up:
        return inspected(wire.layer, Tls(implicit=True), host)
    return Tls(implicit=True, error=str(wire.tls_error) if in_time else NOT_IN_TIME)
