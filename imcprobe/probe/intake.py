"""What is to begin next, and when: what is tried again, what its network held back, the supply behind it."""

from __future__ import annotations

import heapq
from collections import deque
from itertools import count
from typing import TYPE_CHECKING

from imcprobe.probe.late import Probe, of_one_address
from imcprobe.probe.nets import Nets
from imcprobe.probe.pace import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.model import Target
    from imcprobe.probe.options import ProbeOptions
    from imcprobe.probe.sockets import Socket

# How many may wait for another try, before nothing new is begun: more than a scan comes to by itself, so that
# they hold nobody up, and few enough to be no burden behind a network that resets everything.
MAX_LATER = 1 << 14


class Intake:
    """Gives out what to begin: probes, and plain targets whose host is their address.

    `supply` gives so many targets at the most, fewer when it has no more at the moment. `is_over` tells
    whether `forget` was called, `cut_short` whether something will not begin for that.
    """

    def __init__(self, options: ProbeOptions, supply: Callable[[int], list[Target]], now: float) -> None:
        self.cut_short = False
        self._supply = supply
        self._ready: deque[Probe] = deque()
        self._later: list[tuple[float, int, Probe]] = []
        self._serial = count()
        self._nets = None if options.per_net is None else Nets(options.per_net)
        self._rate = None if options.rate is None else RateLimit(options.rate, now)
        self._paused_until: float | None = None
        self.is_over = False

    def __len__(self) -> int:
        """How many wait here."""
        return len(self._ready) + len(self._later) + (0 if self._nets is None else len(self._nets))

    @property
    def next_due(self) -> float | None:
        """When to take again, by the monotonic clock; None when time alone brings nothing.

        Judged by what was so when it was last taken: a moment that has passed since must not be forgotten.
        """
        if self.is_over:
            return None
        if self._paused_until is not None:
            return self._paused_until
        if self._rate is not None and (due := self._rate.next_due) is not None:
            return due
        if self._ready or (self._nets is not None and self._nets.has_room):
            return 0.0
        return self._later[0][0] if self._later else None

    def hold(self, probe: Probe, until: float) -> None:
        """Begin nothing before that moment, and this first of all then."""
        self.put(probe)
        self._paused_until = until

    def put(self, probe: Probe, due: float | None = None) -> None:
        """Take a probe that is to begin as soon as it can, or not before `due` by the monotonic clock."""
        if self.is_over:
            self.cut_short = True
        elif due is None:
            self._ready.append(probe)
        else:
            heapq.heappush(self._later, (due, next(self._serial), probe))

    def take(self, places: int, now: float) -> tuple[list[Probe], list[Target]]:
        """Return what is to begin now, `places` in all at the most."""
        if self.is_over or (self._paused_until is not None and now < self._paused_until):
            return [], []
        self._paused_until = None
        if self._rate is None:
            return self._taken(places, now)
        probes, plain = self._taken(min(places, self._rate.allowed(now)), now)
        self._rate.spend(len(probes) + len(plain))
        return probes, plain

    def _taken(self, places: int, now: float) -> tuple[list[Probe], list[Target]]:
        if self._nets is not None:
            return self._admitted(self._nets, places, now)
        probes: list[Probe] = []
        while len(probes) < places and (probe := self._waiting(now)) is not None:
            probes.append(probe)
        return probes, self._new(places - len(probes))

    def begun(self, address: str, sock: Socket) -> None:
        """Take note of the connection of what was given out."""
        if self._nets is not None:
            self._nets.begun(address, sock)

    def not_begun(self, address: str) -> None:
        """Take note that there is no connection of what was given out."""
        if self._nets is not None:
            self._nets.not_begun(address)

    def ended(self, sock: Socket) -> None:
        """Take note that a connection is over."""
        if self._nets is not None:
            self._nets.ended(sock)

    def forget(self) -> None:
        """Begin nothing more: neither what waits here nor what will be put here."""
        self.is_over = True
        self.cut_short |= len(self) > 0
        self._ready.clear()
        self._later.clear()
        if self._nets is not None:
            self._nets.forget()

    def _waiting(self, now: float) -> Probe | None:
        if self._ready:
            return self._ready.popleft()
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        return None

    def _new(self, places: int) -> list[Target]:
        if places <= 0 or len(self._later) >= MAX_LATER:
            return []
        return self._supply(places)

    def _admitted(self, nets: Nets, places: int, now: float) -> tuple[list[Probe], list[Target]]:
        """What its network lets in: first what waited for it, then what comes."""
        probes: list[Probe] = []
        plain: list[Target] = []
        while len(probes) + len(plain) < places:
            probe = nets.freed()
            if probe is None:
                probe = self._next(now, nets)
                if probe is None:
                    break
                if not nets.admit(probe):
                    continue
            if probe.is_plain:
                plain.append(probe.target)
            else:
                probes.append(probe)
        return probes, plain

    def _next(self, now: float, nets: Nets) -> Probe | None:
        probe = self._waiting(now)
        if probe is None and not nets.full:
            probe = next(map(of_one_address, self._new(1)), None)
        return probe
