"""Looking at what has come without taking it, so that a conversation can."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

from imcprobe.fingerprint.reply import MAX_REPLY_BYTES
from imcprobe.probe.sockets import has_ended, unread

if TYPE_CHECKING:
    from imcprobe.probe.sockets import Socket

_READ = MAX_REPLY_BYTES + 1


class Glance(NamedTuple):
    """What a look has shown: bytes that are `new`, or the end (`errno` 0 for a plain one), or nothing.

    `stuck` is whether there is more behind an urgent byte, which no look gets past.
    """

    new: bytes = b""
    errno: int | None = None
    stuck: bool = False


def glance(sock: Socket, known: int) -> Glance:
    """Look at a connection of which `known` bytes have been seen."""
    stuck = ended = False
    while True:
        try:
            data = sock.recv(_READ, socket.MSG_PEEK)
        except BlockingIOError:
            return Glance()
        except OSError as error:
            return Glance(errno=error.errno)
        if len(data) > known:
            return Glance(data[known:])
        # Asked before the look that counts: at its end, and nothing new to see, is the end.
        if ended:
            return Glance(errno=sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        if unread(sock) > known:
            if stuck:
                return Glance(stuck=True)
            stuck = True  # or it has come this very moment
            continue
        ended = has_ended(sock)
        if not ended:
            return Glance()
