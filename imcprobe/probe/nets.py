"""Connections at once to one network: a small firewall in front of an office has a small table of them."""

from __future__ import annotations

import socket
from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imcprobe.probe.late import Probe
    from imcprobe.probe.sockets import Socket

# How many may wait for their network, before nothing new is looked at: 64 networks of 256 addresses.
MAX_HELD = 1 << 14
_PREFIX_6 = 8


def net_of(address: str) -> str | bytes:
    """The /24 of an IPv4 address, the /64 of an IPv6 one."""
    if ":" not in address:
        return address.rpartition(".")[0]
    return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:_PREFIX_6]


class Nets:
    """Lets `most` probes at once into each network, and holds the others until one ends."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: defaultdict[str | bytes, int] = defaultdict(int)
        self._nets: dict[Socket, str | bytes] = {}
        self._held: dict[str | bytes, deque[Probe]] = {}
        self._freed: deque[str | bytes] = deque()
        self._count = 0

    def __len__(self) -> int:
        """How many are held."""
        return self._count

    @property
    def full(self) -> bool:
        """Whether no more can be held."""
        return self._count >= MAX_HELD

    @property
    def has_room(self) -> bool:
        """Whether something that is held may have a place by now."""
        return bool(self._freed)

    def admit(self, probe: Probe) -> bool:
        """Whether a probe may begin now; if not it is held, and `freed` gives it back."""
        net = net_of(probe.address)
        if self._under_way[net] < self._most:
            self._under_way[net] += 1
            return True
        self._held.setdefault(net, deque()).append(probe)
        self._count += 1
        return False

    def freed(self) -> Probe | None:
        """A held probe whose network has a place again; it has taken it."""
        while self._freed:
            net = self._freed.popleft()
            if net in self._held and self._under_way[net] < self._most:
                self._under_way[net] += 1
                return self._released(net)
        return None

    def begun(self, address: str, sock: Socket) -> None:
        """Take note of the connection of a probe that was admitted."""
        self._nets[sock] = net_of(address)

    def not_begun(self, address: str) -> None:
        """Give back the place of a probe that was admitted and has no connection."""
        self._leave(net_of(address))

    def ended(self, sock: Socket) -> None:
        """Take note that a connection is closed, or about to be."""
        self._leave(self._nets.pop(sock))

    def forget(self) -> None:
        """Hold nothing any more."""
        self._held.clear()
        self._freed.clear()
        self._count = 0

    def _released(self, net: str | bytes) -> Probe:
        held = self._held[net]
        self._count -= 1
        probe = held.popleft()
        if not held:
            del self._held[net]
        return probe

    def _leave(self, net: str | bytes) -> None:
        self._under_way[net] -= 1
        if not self._under_way[net]:
            del self._under_way[net]  # or it would grow with every network that was ever scanned
        if net in self._held:
            self._freed.append(net)
