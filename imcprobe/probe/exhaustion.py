"""When this machine has run out of something, or its network is away: no target's fault, mostly soon over."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

from imcprobe.errors import ImcprobeError
from imcprobe.model import Status
from imcprobe.probe.outcomes import RUN_OUT, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.model import Observation
    from imcprobe.probe.late import Probe

_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.ENETDOWN})
# How what was under way ends when the network has gone, in time.
_BY_SILENCE = frozenset({Status.CONNECTION_TIMEOUT, Status.IO_TIMEOUT, Status.UNREACHABLE})
# How long to wait for files, ports or buffers, which connections that end give back.
_SHORT_PAUSE = 0.05
# How long to wait for a network, and for one while the other, of IPv4 or IPv6, stands.
_LONG_PAUSE = 0.5
AWAY_PAUSE = 2.0
# With no connection left that could end and free something, waiting longer than this is in vain.
STUCK_LIMIT = 5.0
# Ports come back by themselves: after a minute in TIME_WAIT.
PORTS_LIMIT = 65.0


class Exhaustion:
    """Tells waiting from failing, for connections that the system refuses to begin.

    `has_route` says of an address whether there is a way to it and an own address for it, without sending
    anything. `remark` is told once of each time that the network is away. The networks of IPv4 and IPv6
    come and go each by itself.
    """

    def __init__(self, has_route: Callable[[str], bool], remark: Callable[[str], None]) -> None:
        self._has_route = has_route
        self._remark = remark
        self._reached: dict[bool, str] = {}  # the last address, by whether it is of IPv6
        self._stuck_since: float | None = None
        self._away: set[bool] = set()  # as above
        self._away_until: dict[bool, float] = {}
        self._looked_at = float("-inf")

    def over(self, address: str) -> None:
        """Take note that a connection to `address` has begun."""
        self._reached[":" in address] = address
        self._stuck_since = None
        self._set_away(address, gone=False)

    @property
    def stands(self) -> bool:
        """Whether one of the two networks was reached, and is not away."""
        return bool(self._reached.keys() - self._away)

    def is_away(self, address: str) -> bool:
        """Whether the network of this kind of address was away when it was last looked at."""
        return (":" in address) in self._away

    def pause(self, code: int | None, probe: Probe, *, busy: bool) -> float | None:
        """How many seconds to wait before a probe's address is tried again; None when it is its own matter.

        `busy` when other connections are under way. Raises ImcprobeError when nothing has been possible
        for STUCK_LIMIT seconds, or PORTS_LIMIT where ports have run out.
        """
        address = probe.address
        if code in _NO_ROUTE:
            return self._pause_without_network(probe, address)
        # Without an own address of that kind waiting is in vain; with one the ports have run out.
        if code in RUN_OUT or (code == errno.EADDRNOTAVAIL and self._has_route(address)):
            self._check_stuck(code, busy=busy)
            return _SHORT_PAUSE
        self._stuck_since = None
        return None

    def excused_before(self, now: float) -> float:
        """The moment before which whatever began may be excused: asked about many at once."""
        if now - self._looked_at > _LONG_PAUSE:
            self._looked_at = now
            for address in tuple(self._reached.values()):
                self._look(address)
        return float("inf") if self._away else max(self._away_until.values(), default=float("-inf"))

    def excuses(self, seen: Observation, since: float) -> bool:
        """Whether a probe that was under way since that moment failed because the network was away."""
        if seen.status not in _BY_SILENCE or seen.address is None:
            return False
        if since >= self.excused_before(time.monotonic()):
            return False
        return self.is_away(seen.address) or since < self._gone_until(seen.address)

    def _pause_without_network(self, probe: Probe, address: str) -> float | None:
        self._look(address)
        if self.is_away(address):
            return _LONG_PAUSE
        # It may have come back between the connection's failure and this look: that is asked once.
        doubtful = not probe.doubted and self._has_route(address)
        probe.doubted = True
        return _SHORT_PAUSE if doubtful else None

    def _look(self, address: str) -> None:
        """Find out whether also the way to an address that was reached before is gone."""
        reached = self._reached.get(":" in address)
        gone = reached is not None and not self._has_route(reached)
        if gone and not self.is_away(address):
            self._remark(f"your network went away (no route) at {address}; waiting for it. Ctrl-C to stop.")
        self._set_away(address, gone=gone)

    def _set_away(self, address: str, *, gone: bool) -> None:
        kind = ":" in address
        if gone:
            self._away.add(kind)
        elif kind in self._away:
            self._away.remove(kind)
            self._away_until[kind] = time.monotonic()

    def _gone_until(self, address: str) -> float:
        return self._away_until.get(":" in address, float("-inf"))

    def _check_stuck(self, code: int | None, *, busy: bool) -> None:
        now = time.monotonic()
        if busy:
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        elif code == errno.EADDRNOTAVAIL and now - self._stuck_since > PORTS_LIMIT:
            raise ImcprobeError(
                f"no connection can be opened: no port has been left for {PORTS_LIMIT:g} s. "
                "Widen their range (net.ipv4.ip_local_port_range), or end what holds them."
            )
        elif code != errno.EADDRNOTAVAIL and now - self._stuck_since > STUCK_LIMIT:
            raise ImcprobeError(
                f"no connection can be opened on this machine: {name_of(code)} for {STUCK_LIMIT:g} s. "
                "Raise its limits (ulimit -n), or end what holds them."
            )
