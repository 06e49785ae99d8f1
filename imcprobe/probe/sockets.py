"""Raw non-blocking sockets: opening them, and what the kernel knows about them."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import sys
import termios
from collections.abc import Callable, Iterable

from imcprobe.probe.outcomes import NO_PORT, RUN_OUT

# The C type: `socket.socket` runs Python code in its constructor, for nothing that is needed here.
Socket = socket.SocketType
Dial = Callable[[Socket, tuple[str, int]], int]
"""Begin to connect a socket to (literal address, port): the errno, UNDER_WAY when it has begun."""

_NONBLOCK = getattr(socket, "SOCK_NONBLOCK", 0)
_STREAM = socket.SOCK_STREAM | _NONBLOCK | getattr(socket, "SOCK_CLOEXEC", 0)
# Without POLLRDHUP (it is Linux's) anything readable counts: SO_RCVLOWAT keeps old bytes out of that.
_END = getattr(select, "POLLRDHUP", select.POLLIN)
# Digits of the number of an interface.
_LONGEST_INDEX = 9
UNDER_WAY = frozenset({errno.EINPROGRESS, 0})
dial: Dial = Socket.connect_ex
"""The way out, to be replaced in tests."""
# Where no packet goes by the mere opening of a socket (RFC 863, discard).
_NOWHERE = 9
# struct tcp_info of Linux: eight bytes, then 32-bit fields, of which the tenth is tcpi_last_data_sent (in
# milliseconds; from the handshake on, until something is sent) and the sixteenth tcpi_rtt (in microseconds).
_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None) if sys.platform == "linux" else None
_LAST_SENT_AT = 44
_RTT_AT = 68
_FIELD = struct.Struct("=I")
_COUNT = struct.Struct("i")
# TCP_SYN_SENT and TCP_CLOSE of Linux (include/net/tcp_states.h).
_NOT_CONNECTED = frozenset({2, 7})


def is_literal(host: str) -> bool:
    """Whether `host` is an address as `connect` takes it: nothing here may ever resolve a name."""
    family, text = (socket.AF_INET6, host.partition("%")[0]) if ":" in host else (socket.AF_INET, host)
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def all_plain(places: Iterable[tuple[str, int]]) -> bool:
    """Whether all hosts are IPv4 addresses, as those of most scans are: asked for many at once, faster."""
    family, read = socket.AF_INET, socket.inet_pton
    try:
        for host, _ in places:
            read(family, host)
    except (OSError, ValueError):
        return False
    return True


def open_socket(address: str) -> Socket:
    """Open a socket for a literal address. Raises OSError."""
    if ":" not in address:
        sock = Socket(socket.AF_INET, _STREAM)
    else:
        if "%" in address:
            _check_zone(address.partition("%")[2])
        sock = Socket(socket.AF_INET6, _STREAM)
    if not _NONBLOCK:
        sock.setblocking(False)
    return sock


def connect(address: str, port: int, dial: Dial = dial) -> Socket:
    """Begin a connection to a literal address.

    Raises OSError when the kernel refuses at once, or the port is none.
    """
    sock = open_socket(address)
    try:
        code = dial(sock, (address, port))
    except OverflowError:
        code = NO_PORT
    if code in UNDER_WAY:
        return sock
    sock.close()
    raise OSError(code, os.strerror(code))


def close(_fd: int, sock: Socket) -> None:
    """Close a socket of which nobody need be told."""
    sock.close()


def has_route(address: str) -> bool:
    """Whether there is a way to a literal address, and an own address to go from. Sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, _NOWHERE))
    except OSError as error:
        # What says nothing of the way must not be taken for its end; EAGAIN is of UDP's own ports.
        return error.errno in RUN_OUT or error.errno == errno.EAGAIN
    return True


def _check_zone(zone: str) -> None:
    # An unknown one would make the system ask its resolver, and raise gaierror.
    if not (zone.isascii() and zone.isdigit() and len(zone) <= _LONGEST_INDEX):
        try:
            socket.if_nametoindex(zone)
        except (OSError, ValueError) as error:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error


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


def unread(sock: Socket) -> int:
    """How many bytes can be read, those behind an urgent one included."""
    count: int = _COUNT.unpack(fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(_COUNT.size)))[0]
    return count


def is_connected(sock: Socket) -> bool:
    """Whether the connection stands: what tells a connect timeout from a greeting timeout."""
    if _TCP_INFO is not None:  # the first byte is tcpi_state: no exception for each that is silent
        return sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0] not in _NOT_CONNECTED
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


def connected_for(sock: Socket) -> float | None:
    """How long ago a connection was made that has sent nothing yet; None where the system does not say."""
    return None if _TCP_INFO is None else _tcp_info(sock, _LAST_SENT_AT) / 1000


def connect_seconds(sock: Socket) -> float | None:
    """How long a connection took that has sent nothing yet; None where the system does not say.

    Nor does it of one whose first SYN was lost: which one was answered is not known then.
    """
    return _tcp_info(sock, _RTT_AT) / 1_000_000 or None


def _tcp_info(sock: Socket, at: int) -> int:
    """A field of struct tcp_info, 0 where the system has none."""
    if _TCP_INFO is None:
        return 0
    info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, at + _FIELD.size)
    if len(info) < at + _FIELD.size:
        return 0
    field: int = _FIELD.unpack_from(info, at)[0]
    return field
