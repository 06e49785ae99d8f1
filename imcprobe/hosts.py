"""The hosts of a scan: merged ranges of addresses and names, each host once, by index and back."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate, chain, starmap
from typing import TYPE_CHECKING

from imcprobe.addresses import Range, contains, integer, number_of, position, subtract, text_of, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Hosts:
    """An immutable sequence of hosts: addresses in order, then names as they came."""

    def __init__(self, ranges: list[Range], names: Iterable[str]) -> None:
        self.ranges = ranges
        self.names = tuple(names)
        self._starts = list(accumulate((last - first + 1 for first, last in ranges), initial=0))
        self._addresses = self._starts[-1]

    def __len__(self) -> int:
        return self._addresses + len(self.names)

    def __iter__(self) -> Iterator[str]:
        return chain(chain.from_iterable(starmap(walk, self.ranges)), self.names)

    def __getitem__(self, index: int) -> str:
        if index >= self._addresses:
            return self.names[index - self._addresses]
        at = bisect_right(self._starts, index) - 1
        return text_of(self.ranges[at][0] + index - self._starts[at])

    def index_of(self, host: str) -> int | None:
        """The index whose host is `host` to the letter, None when there is none."""
        number = number_of(host)
        if number is None:
            return self._index_of_name.get(host)
        at = position(self.ranges, number)
        return None if at is None else self._starts[at] + number - self.ranges[at][0]

    @cached_property
    def _index_of_name(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names, self._addresses)}

    @cached_property
    def _plain_names(self) -> frozenset[str]:
        return frozenset(name.rstrip(".") for name in self.names)

    def covers(self, address: str) -> bool:
        """Whether a literal address, with or without a zone, lies in the ranges; False for a name."""
        number = integer(address.partition("%")[0])
        return number is not None and contains(self.ranges, number)

    def without(self, barred: Hosts) -> Hosts:
        if not (barred.ranges or barred.names):
            return self
        gone = barred._plain_names
        left = (name for name in self.names if name.rstrip(".") not in gone and not barred.covers(name))
        return Hosts(subtract(self.ranges, barred.ranges), left)
