"""Raw non-blocking sockets: opening them, and what the kernel knows about them."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Callable

# The C type: `socket.socket` runs Python code in its constructor, for nothing that is needed here.
Socket = socket.SocketType
Connect = Callable[[str, int], Socket]
"""(literal address, port) -> a connection that has begun; raises OSError, OverflowError."""

_NONBLOCK = getattr(socket, "SOCK_NONBLOCK", 0)
_STREAM = socket.SOCK_STREAM | _NONBLOCK | getattr(socket, "SOCK_CLOEXEC", 0)
# Without POLLRDHUP (it is Linux's) anything readable counts: SO_RCVLOWAT keeps old bytes out of that.
_END = getattr(select, "POLLRDHUP", select.POLLIN)
# Digits of the number of an interface.
_LONGEST_INDEX = 9
_UNDER_WAY = (errno.EINPROGRESS, 0)
# struct tcp_info of Linux: eight bytes, then 32-bit fields, of which the thirteenth is tcpi_last_ack_recv.
_LAST_ACK_AT = 56
_LAST_ACK = struct.Struct("=I")


def is_literal(host: str) -> bool:
    """Whether `host` is an address as `connect` takes it: nothing here may ever resolve a name."""
    family, text = (socket.AF_INET6, host.partition("%")[0]) if ":" in host else (socket.AF_INET, host)
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def connect(address: str, port: int) -> Socket:
    """Begin a connection to a literal address.

    Raises OSError when the kernel refuses at once, OverflowError for a port beyond 65535.
    """
    if "%" in address:
        _check_zone(address.partition("%")[2])
    sock = Socket(socket.AF_INET6 if ":" in address else socket.AF_INET, _STREAM)
    try:
        if not _NONBLOCK:
            sock.setblocking(False)
        code = sock.connect_ex((address, port))
    except BaseException:
        sock.close()
        raise
    if code in _UNDER_WAY:
        return sock
    sock.close()
    raise OSError(code, os.strerror(code))


def _check_zone(zone: str) -> None:
    # An unknown one would make the system ask its resolver, and raise gaierror.
    if not (zone.isascii() and zone.isdigit() and len(zone) <= _LONGEST_INDEX):
        try:
            socket.if_nametoindex(zone)
        except (OSError, ValueError) as error:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error


def say(sock: Socket, data: bytes) -> bool:
    """Send a few bytes; False when the peer has left already."""
    try:
        sock.send(data)
    except OSError:
        return False
    return True


def swallow(sock: Socket, size: int) -> bool:
    """Take what is there, `size` bytes at the most: closing over unread bytes would be a reset.

    False when there is nothing yet.
    """
    try:
        sock.recv(size)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def is_connected(sock: Socket) -> bool:
    """Whether the connection stands: what tells a connect timeout from a greeting timeout."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def has_ended(sock: Socket) -> bool:
    """Whether the peer has closed or reset the connection; there may be unread bytes all the same."""
    now = select.poll()
    now.register(sock, _END)
    return bool(now.poll(0))


def idle_seconds(sock: Socket) -> float:
    """How long ago the peer was last heard; 0 where the system does not say.

    Of a connection on which no byte came yet, that is the moment at which it was made.
    """
    if not hasattr(socket, "TCP_INFO"):
        return 0.0
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_ACK_AT + _LAST_ACK.size)
    if len(info) < _LAST_ACK_AT + _LAST_ACK.size:
        return 0.0
    milliseconds: int = _LAST_ACK.unpack_from(info, _LAST_ACK_AT)[0]
    return milliseconds / 1000
