"""Operating system errors -> statuses: the one table between errno's words and ours."""

from __future__ import annotations

import errno
import time

from imcprobe.model import Observation, Status, Target

NO_PORT = errno.ERANGE
"""What stands for a port that is none: no system call is made with it."""

RUN_OUT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC})
"""Files, buffers, memory of this machine; ENOSPC is of epoll, fs.epoll.max_user_watches."""

_STATUS_OF = {
    NO_PORT: Status.INVALID_INPUT,
    errno.ECONNREFUSED: Status.CONNECTION_REFUSED,
    errno.ECONNRESET: Status.CONNECTION_RESET,
    errno.ECONNABORTED: Status.CONNECTION_RESET,
    errno.EPIPE: Status.CONNECTION_RESET,
    errno.ETIMEDOUT: Status.CONNECTION_TIMEOUT,
    errno.ENETUNREACH: Status.UNREACHABLE,
    errno.EHOSTUNREACH: Status.UNREACHABLE,
    errno.ENETDOWN: Status.UNREACHABLE,
    errno.EHOSTDOWN: Status.UNREACHABLE,
    errno.EACCES: Status.UNREACHABLE,  # a broadcast address
    errno.EPERM: Status.UNREACHABLE,  # a local packet filter
    errno.EINVAL: Status.UNREACHABLE,  # a link-local address without zone
    errno.EADDRNOTAVAIL: Status.UNREACHABLE,  # no own address of that kind, e.g. IPv6 switched off
    errno.EAFNOSUPPORT: Status.UNREACHABLE,
    errno.EPROTONOSUPPORT: Status.UNREACHABLE,
    errno.ENODEV: Status.UNREACHABLE,  # a zone that no interface has
    errno.ENOPROTOOPT: Status.UNREACHABLE,
    errno.EPROTO: Status.UNREACHABLE,
}

# What may pass, or answer another time; a refusal or a close is an answer.
RETRIED = frozenset({Status.CONNECTION_TIMEOUT, Status.CONNECTION_RESET, Status.IO_TIMEOUT})

# Of several addresses or tries that failed, the one that says most of the host is told: what bytes came
# from (most of all when they were its last word, else the more of them) before what answered, that before
# what did not, and that before what could not even be asked.
_WEIGHT = {
    Status.UNREACHABLE: 0,
    Status.UNKNOWN_ERROR: 0,
    Status.CONNECTION_TIMEOUT: 1,
    Status.APPLICATION_ERROR: 3,
    Status.PROTOCOL_ERROR: 3,
}
_ANSWERED = 2


def weightier(before: Observation | None, now: Observation) -> Observation:
    """The failure to tell of: the later one of two that weigh the same."""
    return now if before is None or _weight(now) >= _weight(before) else before


def _weight(seen: Observation) -> tuple[bool, int, int]:
    return seen.answered, _WEIGHT.get(seen.status, _ANSWERED), len(seen.greeting)


def status_of(code: int | None) -> Status:
    """The status that an errno stands for."""
    return _STATUS_OF.get(code or 0, Status.UNKNOWN_ERROR)


def name_of(code: int | None) -> str:
    """`ECONNREFUSED` for 111: the same on every system and in every language."""
    return errno.errorcode.get(code or 0, f"error {code}")


def failure(target: Target, address: str, code: int | None) -> Observation:
    """The observation of a connection that an errno ended before a byte came."""
    return Observation(target, address, status_of(code), error=name_of(code), seen_at=time.time())
