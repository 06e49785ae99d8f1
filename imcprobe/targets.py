"""What a user wrote (addresses, networks, ranges, names) -> targets, lazily and each once.

Addresses stay merged ranges (`imcprobe.addresses`) and become text one at a time, so that 127.0.0.0/8
costs nothing until it is walked through. The order is by port, then IPv4, IPv6, names as written.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import accumulate, chain, filterfalse, repeat
from typing import TYPE_CHECKING, NamedTuple

from imcprobe.addresses import (
    LOOPBACK_OF,
    MAX_PORT,
    Range,
    contains,
    host_name,
    merge,
    read_ranges,
    split_port,
    text_of,
)
from imcprobe.errors import TargetError, UsageError
from imcprobe.hosts import Hosts
from imcprobe.model import DEFAULT_PORT, Target
from imcprobe.order import Order
from imcprobe.safetext import LONGEST_QUOTE, clip, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_BAD_LINES = 10_000
"""Lines that are passed over: each is told, and kept; where there are more something else was meant."""

_LINE = re.compile(r"([^\r\n]*)(?:\r\n?|\n|\Z)")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)
# Octet ranges of all lines together fall into so many pieces at the most: sixteen of the largest.
MAX_ALL_PIECES = 1 << 20


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no target: its text as it stands, not too long, and a message that is safe to show."""

    text: str
    message: str


@dataclass(slots=True)
class _Given:
    """What was written, as it came; `count` has repeated addresses and names as often as they came.

    Names as they were first written, by what tells them apart: a dot at the end does not.
    """

    ranges: list[Range] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def add(self, text: str, spec: str, *, bounded: bool, room: int) -> int:
        """Add an address, network, range or name; `spec` is how it was written. Raises TargetError.

        Returns how much of the `room` for pieces it took: each range beyond the first.
        """
        ranges = read_ranges(text, bounded=bounded, room=room)
        if bounded and ranges is not None and ranges[0][0] == ranges[-1][1] in LOOPBACK_OF:
            raise TargetError(f"{text} is this machine. Say {text_of(LOOPBACK_OF[ranges[0][0]])}.")
        if ranges is None:
            name = host_name(text, spec)
            self.names.setdefault(name.rstrip("."), name)
            self.count += 1
            return 0
        self.ranges += ranges
        self.count += sum(last - first + 1 for first, last in ranges)
        return len(ranges) - 1


class _Layer(NamedTuple):
    """The hosts of one port, and how many were left out."""

    hosts: Hosts
    excluded: int
    duplicates: int


def _merged(given: list[_Given], barred: Hosts) -> _Layer:
    names: dict[str, str] = {}
    for key, name in chain.from_iterable(each.names.items() for each in given):
        names.setdefault(key, name)
    whole = Hosts(merge(chain.from_iterable(each.ranges for each in given)), names.values())
    left = whole.without(barred)
    return _Layer(left, len(whole) - len(left), sum(each.count for each in given) - len(whole))


class Targets:
    """An immutable sequence of `Target`; made by `parse` or a `TargetsBuilder`.

    `ports` are those that any target is on, the common ones first. `excluded` and `duplicates` count the
    targets that were left out, `bad` holds the lines that were passed over.
    """

    def __init__(
        self,
        layers: list[tuple[int, Hosts]],
        barred: Hosts,
        *,
        excluded: int,
        duplicates: int,
        bad: tuple[BadLine, ...],
    ) -> None:
        self.ports = tuple(port for port, hosts in layers if len(hosts))
        self.excluded = excluded
        self.duplicates = duplicates
        self.bad = bad
        self._layers = layers
        self._barred = barred
        self._starts = list(accumulate((len(hosts) for _, hosts in layers), initial=0))
        self._size = self._starts[-1]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Target]:
        # As `Target(host, port)`, without a Python frame for each.
        make = partial(tuple.__new__, Target)
        return chain.from_iterable(map(make, zip(hosts, repeat(port))) for port, hosts in self._layers)

    def __getitem__(self, index: int) -> Target:
        """Return the target at an index from 0 on. Raises IndexError."""
        if not 0 <= index < self._size:
            raise IndexError(index)
        at = bisect_right(self._starts, index) - 1
        port, hosts = self._layers[at]
        return Target(hosts[index - self._starts[at]], port)

    def index_of(self, target: Target) -> int | None:
        """The index that gives this target, its host written to the letter; None when none does."""
        at = self._layer_of.get(target.port)
        index = None if at is None else self._layers[at][1].index_of(target.host)
        return None if at is None or index is None else self._starts[at] + index

    @cached_property
    def _layer_of(self) -> dict[int, int]:
        return {port: at for at, (port, _) in enumerate(self._layers)}

    def walk(self, order: Order, done: Callable[[int], bool] | None = None) -> Iterator[Target]:
        """Give the targets of an order without those whose index is `done`; each is made when asked for.

        Raises UsageError when a shuffle has no seed yet.
        """
        if order == Order() and done is None:
            return iter(self)
        indices = order.indices(self._size)
        return map(self.__getitem__, indices if done is None else filterfalse(done, indices))

    @property
    def digest(self) -> str:
        """`sha256:` and the digest of targets and exclusions: the same for the same scan."""
        whole = hashlib.sha256()
        barred = Hosts(self._barred.ranges, sorted(self._barred.names))
        for port, hosts in (*self._layers, ("not", barred)):
            for first, last in hosts.ranges:
                whole.update(f"{port} {first:x}-{last:x}\n".encode())
            for name in hosts.names:
                whole.update(f"{port} name {name}\n".encode())
        return f"sha256:{whole.hexdigest()}"

    def covers_excluded(self, address: str) -> bool:
        """Whether a literal address is excluded, as names that resolve to it are."""
        return self._barred.covers(address)


class TargetsBuilder:
    """Collects what a user wrote, in any order; `build` makes it `Targets`."""

    def __init__(self) -> None:
        self._given: dict[int | None, _Given] = defaultdict(_Given)
        self._barred = _Given()
        self._bad: list[BadLine] = []
        self._room = MAX_ALL_PIECES

    def add(self, spec: str) -> None:
        """Add an address, network, range or name, with a port of its own or without.

        Raises TargetError that says what is wrong.
        """
        host, port = split_port(spec)
        self._room -= self._given[port].add(host, spec, bounded=True, room=self._room)

    def exclude(self, spec: str) -> None:
        """Leave out an address, network, range or name, on every port. Raises TargetError."""
        host, port = split_port(spec)
        if port is not None:
            raise TargetError(f"{quoted(spec)}: an exclusion is for every port. Leave the port away.")
        self._room -= self._barred.add(host, spec, bounded=False, room=self._room)

    def add_lines(self, text: str, source: str, *, skip_bad: bool = False) -> None:
        """Add a file's lines (`#` begins a comment); with `skip_bad`, lines that are no target go to `bad`.

        Raises TargetError that names `source`, which must be safe to show, and the line.
        """
        for number, line in _lines(text):
            try:
                self.add(line)
            except TargetError as error:
                message = f"{source} line {number}: {error}"
                if not skip_bad:
                    raise TargetError(f"{message} Fix it, or --skip-bad.") from None
                if len(self._bad) >= MAX_BAD_LINES:
                    what = f"more than {MAX_BAD_LINES:,} lines are no targets"
                    raise TargetError(f"{source} line {number}: {what}. Give a list of targets.") from None
                self._bad.append(BadLine(clip(line, LONGEST_QUOTE), message))

    def exclude_lines(self, text: str, source: str) -> None:
        """Exclude what a file's lines say. Raises TargetError: an exclusion is never passed over."""
        for number, line in _lines(text):
            try:
                self.exclude(line)
            except TargetError as error:
                raise TargetError(f"{source} line {number}: {error} Fix it.") from None

    def build(self, ports: Iterable[int] = (DEFAULT_PORT,)) -> Targets:
        """Merge what was given and take exclusions out of it. Raises TargetError for an impossible port."""
        common = dict.fromkeys(ports)
        for port in common:
            if not 1 <= port <= MAX_PORT:
                raise TargetError(f"port {port}: it must be 1 to {MAX_PORT}.")
        barred = Hosts(_with_other_names(merge(self._barred.ranges)), self._barred.names.values())
        everywhere = _merged([self._given.get(None, _Given())], barred)
        layers: list[tuple[int, _Layer]] = []
        for port in common:
            given = self._given.get(port)
            both = everywhere if given is None else _merged([self._given.get(None, _Given()), given], barred)
            layers.append((port, both))
        own = sorted(port for port in self._given if port is not None and port not in common)
        layers += [(port, _merged([self._given[port]], barred)) for port in own]
        return Targets(
            [(port, layer.hosts) for port, layer in layers],
            barred,
            excluded=sum(layer.excluded for _, layer in layers),
            duplicates=sum(layer.duplicates for _, layer in layers),
            bad=tuple(self._bad),
        )


def _with_other_names(barred: list[Range]) -> list[Range]:
    """Bar 0.0.0.0 and :: as well where the address that they lead to is barred."""
    more = [(other, other) for other, number in LOOPBACK_OF.items() if contains(barred, number)]
    return merge([*barred, *more])


def parse(
    specs: Iterable[str], *, exclude: Iterable[str] = (), ports: Iterable[int] = (DEFAULT_PORT,)
) -> Targets:
    """Read targets as on the command line. Raises TargetError for the first that is none.

    >>> [str(target) for target in parse(["10.0.0.0/30", "mx.example.com:2525"], exclude=["10.0.0.1-2"])]
    ['10.0.0.0:25', '10.0.0.3:25', 'mx.example.com:2525']
    """
    builder = TargetsBuilder()
    for spec in specs:
        builder.add(spec)
    for spec in exclude:
        builder.exclude(spec)
    return builder.build(ports)


def parse_ports(text: str) -> tuple[int, ...]:
    """Read `25`, `25,587,2525` or `25-27`; each port once, in the order given. Raises UsageError.

    >>> parse_ports("587,25-27")
    (587, 25, 26, 27)
    """
    ranges = [_port_range(part) for part in text.split(",")]
    if None in ranges:
        raise UsageError(f"--port {quoted(text)}: give ports of 1 to {MAX_PORT} like 25,587 or 25-27.")
    return tuple(dict.fromkeys(chain.from_iterable(each for each in ranges if each is not None)))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # One at a time: all of them as strings are ten times the text.
    for number, line in enumerate(_LINE.finditer(text), 1):
        wanted = line[1].partition("#")[0].strip()
        if wanted:
            yield number, wanted


def _port_range(text: str) -> range | None:
    found = _PORTS.fullmatch(text.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    return range(first, last + 1) if 1 <= first <= last <= MAX_PORT else None
