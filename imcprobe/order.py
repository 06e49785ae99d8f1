"""In which order targets come, and which of them: indices -> the same indices, shuffled, one part of them.

A shuffle costs no memory: it walks through the multiplicative group of the integers modulo a prime just
above the number of targets, as zmap does (Durumeric and others, USENIX Security 2013, 4.1). Powers of a
primitive root g come by each of 1 to p - 1 once before they repeat; what lies beyond the targets is skipped.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import partial
from itertools import count, repeat
from typing import TYPE_CHECKING

from imcprobe.errors import UsageError
from imcprobe.safetext import LONGEST_QUOTE, clip, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SEED = (1 << 63) - 1
"""Seeds are 0 to this: a database keeps them in its largest integer."""

_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)
# A smaller group has few roots, so that ten targets would have forty orders and four of them eight.
_FEWEST = 1000
# As bases of Miller and Rabin's test these prove primes below 3.3e24 (Sorenson and Webster, 2015).
_SMALL_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a scan, and its part `shard`: (I, N) is the I-th of N, I from 1 on.

    With `shuffle` the same seed, shard and number of targets give the same order everywhere. Raises
    UsageError for what makes no sense.

    >>> list(Order(shard=(2, 3)).indices(10)), list(Order(shuffle=True, seed=1).indices(5))
    ([1, 4, 7], [2, 3, 1, 4, 0])
    """

    shuffle: bool = False
    seed: int | None = None
    shard: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.seed is not None and not self.shuffle:
            raise UsageError("--seed is for a random order. Add --shuffle.")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise UsageError(f"--seed {clip(str(self.seed), LONGEST_QUOTE)}: it must be 0 to {MAX_SEED}.")
        part, parts = self._part
        if parts < 1:
            raise UsageError(f"--shard {part}/{parts}: the second number must be 1 or more.")
        if not 1 <= part <= parts:
            raise UsageError(f"--shard {part}/{parts}: the first number must be 1 to {parts}.")

    def size(self, total: int) -> int:
        """How many of `total` targets belong to it."""
        return len(self._in_turn(total))

    def indices(self, total: int) -> Iterator[int]:
        """Give those of the indices 0 to `total` - 1 that belong to it, each once.

        Raises UsageError when a shuffle has no seed yet.
        """
        if not self.shuffle:
            return iter(self._in_turn(total))
        if self.seed is None:
            raise UsageError("a random order needs a seed to be repeatable. Add --seed.")
        part, parts = self._part
        return _shuffled(self._in_turn(total), f"seed {self.seed} shard {part}/{parts}")

    @property
    def parts(self) -> int:
        """How many shards there are."""
        return self._part[1]

    @property
    def shown_shard(self) -> str | None:
        """`2/5`, as it is written; None without one."""
        return None if self.shard is None else f"{self.shard[0]}/{self.shard[1]}"

    @property
    def _part(self) -> tuple[int, int]:
        return self.shard or (1, 1)

    def _in_turn(self, total: int) -> range:
        part, parts = self._part
        return range(part - 1, total, parts)


IN_TURN = Order()
"""All targets, as they come."""


def parse_shard(text: str) -> tuple[int, int]:
    """Read `2/5`, the second of five parts; `Order` checks its numbers. Raises UsageError.

    >>> parse_shard("2/5")
    (2, 5)
    """
    found = _SHARD.fullmatch(text)
    if found is None:
        raise UsageError(f"--shard {quoted(text)}: write it like 2/5, the second of five parts.")
    return int(found[1]), int(found[2])


class Done:
    """A set of indices below `size`, a bit each: a million take 125 KB."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._bits = bytearray((size + 7) // 8)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, index: int) -> bool:
        return 0 <= index < self._size and self._bits[index >> 3] >> (index & 7) & 1 == 1

    def add(self, index: int) -> None:
        """Raises IndexError for one that is not below `size`."""
        if not 0 <= index < self._size:
            raise IndexError(index)
        if index not in self:
            self._bits[index >> 3] |= 1 << (index & 7)
            self._count += 1


def _shuffled(indices: range, name: str) -> Iterator[int]:
    """Permute indices; `name` decides how.

    Shards of one seed have names of their own: in step they would all knock at one network at a time.
    """
    prime = _prime_above(max(len(indices), _FEWEST))
    draws = map(partial(_draw, name, prime), count())
    start = next(draws)
    root = next(draw for draw in draws if _is_root(draw, prime))
    return _cycle(indices, prime, root, start)


def _cycle(indices: range, prime: int, root: int, start: int) -> Iterator[int]:
    size, step, before = len(indices), indices.step, indices.start - indices.step
    at = start
    for _ in repeat(None, prime - 1):
        if at <= size:
            yield before + at * step
        at = at * root % prime


def _draw(name: str, prime: int, number: int) -> int:
    """A number from 1 to `prime` - 1, as good as random: 256 bits leave no bias to speak of."""
    digest = hashlib.sha256(f"{name} modulo {prime} draw {number}".encode()).digest()
    return int.from_bytes(digest, "big") % (prime - 1) + 1


def _prime_above(size: int) -> int:
    """The first safe prime above: one that is 2q + 1 with a prime q, so that `_is_root` factors nothing.

    There are enough of them: from 1,000 on at most one step in six is in vain, at 2**32 one in a million.
    """
    halves = count((size + 1) // 2)
    return next(2 * half + 1 for half in halves if _is_prime(half) and _is_prime(2 * half + 1))


def _is_root(number: int, prime: int) -> bool:
    """Whether the powers of a number are all of 1 to p - 1, for p = 2q + 1.

    The order of a number divides 2q. The power q is p - 1 for orders 2 and 2q alone, and p - 1 itself is
    the one of order 2.
    """
    return number != prime - 1 and pow(number, prime // 2, prime) == prime - 1


def _is_prime(number: int) -> bool:
    """Miller and Rabin's test, certain for what is below 3.3e24; `number` is 2 or more."""
    for prime in _SMALL_PRIMES:
        if number % prime == 0:
            return number == prime
    return all(_passes(number, base) for base in _SMALL_PRIMES)


def _passes(number: int, base: int) -> bool:
    """Whether an odd number looks like a prime to one base."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    squares = (pow(base, odd << times, number) for times in range(twos))
    return pow(base, odd, number) == 1 or number - 1 in squares
