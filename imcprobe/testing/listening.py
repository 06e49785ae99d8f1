"""Taking an address for a mock: to listen on it, to refuse on it, or to be deaf on it."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack

from imcprobe.errors import ImcprobeError, UsageError
from imcprobe.model import Target

# Connections that fill a queue for one, what the kernel lets in beyond it included.
_FULL = 4
# Of a host that is no host, in characters: a host name has 253 at the most.
_LONGEST_PLACE = 300


def bound(host: str, port: int, *, shared: bool) -> socket.socket:
    """Bind a socket without listening; `shared` lets old connections of that port linger.

    Raises UsageError when it cannot be had, ImcprobeError when this process has too few files.
    """
    try:
        return _bind(host, port, shared=shared)
    except (OSError, UnicodeError) as error:  # no host name at all
        raise unavailable(host, port, error) from error


def filled_queue(sock: socket.socket) -> ExitStack:
    """Listen, and fill the queue with connections that live until the stack is closed. Raises OSError."""
    with ExitStack() as queue:
        sock.listen(0)
        for _ in range(_FULL):
            waiting = queue.enter_context(socket.socket(sock.family))
            waiting.setblocking(False)
            waiting.connect_ex(sock.getsockname())
        return queue.pop_all()


def unavailable(host: str, port: int, error: OSError | UnicodeError) -> ImcprobeError:
    """Say that an address cannot be had, or that it is files that are lacking."""
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
