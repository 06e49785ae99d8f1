"""Text -> ranges of addresses, and back: integers in between, so that a network is two numbers.

    10.0.0.1  10.0.0.0/22  10.0.0.1-10.0.0.50  10.0.0.1-50  10.0.0-3.1-254  2001:db8::1  2001:db8::/112

An IPv4 address is its value, an IPv6 one its value above all of IPv4. Hexadecimal, octal, short and
one-number forms, which inet_aton would take for some address, are no addresses here.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from itertools import chain, product
from math import prod
from typing import TYPE_CHECKING, TypeAlias

from imcprobe.errors import TargetError
from imcprobe.safetext import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Range: TypeAlias = tuple[int, int]
"""First and last address, both included."""

MAX_PORT = 65_535
_V6 = 1 << 32
# The IPv6 way of writing IPv4 addresses (RFC 4291, 2.5.5.2), first and last.
_MAPPED = _V6 + (0xFFFF << 32), _V6 + (0xFFFF << 32) + (1 << 32) - 1
_VERSION_6 = 6
_BEYOND = 1 << 130
# What of IPv6 is walked through at the most: a /112.
MAX_IPV6 = 1 << 16
# Into how many pieces an octet range may fall.
MAX_PIECES = 1 << 16
_FULL = (0, 255)
_OCTET_TEXTS = tuple(map(str, range(256)))

_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::(.*))?")
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_WITH_PORT = re.compile(r"([^:]*):([^:]*)")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_MAX_NAME = 253
# A name whose last label begins with a digit is an address in disguise (127.1, 0x7f.1) or a mistyped
# range (10.0.0.1-300): no top-level domain does. A single label may, if it is no number.
_NUMERIC = re.compile(r"[0-9-]+|0x[0-9a-f]*|.*\.[0-9][^.]*", re.ASCII)
_ZONE = re.compile(r"%[A-Za-z0-9_.-]{1,15}", re.ASCII)
_PREFIX_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)

LOOPBACK_OF = {0: int(ipaddress.IPv4Address("127.0.0.1")), _V6: _V6 + 1}
"""0.0.0.0 and :: are "this host" to a system that connects: the address that they lead to."""

# What is no key is no octet as it should be written: no sign, no zero in front, no other script's digits.
_OCTET_OF = {str(octet): octet for octet in range(256)}
_OCTET = r"(?:0|[1-9][0-9]{0,2})"
_OCTETS = rf"{_OCTET}(?:-{_OCTET})?"
_OCTET_RANGES = re.compile(rf"{_OCTETS}\.{_OCTETS}\.{_OCTETS}\.{_OCTETS}", re.ASCII)


def read_ranges(text: str, *, bounded: bool = True, room: int = MAX_PIECES) -> list[Range] | None:
    """Read an address, network or range; None when `text` has no such form.

    Raises TargetError for one that makes no sense, has no `room` or, `bounded`, too many IPv6 addresses.
    """
    number = _plain_ipv4(text)
    if number is not None:  # what most lines of most lists are: ten times as fast
        return [(number, number)]
    if "%" in text:  # a zone belongs to one address, and may be any text to `ipaddress`
        return None
    found = _network(text) or _between(text) or _octets(text, min(room, MAX_PIECES))
    if found and bounded and found[-1][1] >= _V6 and found[-1][1] - found[-1][0] >= MAX_IPV6:
        raise TargetError(
            f"{text} is too large to scan address by address. Give a list, or a /112 or smaller."
        )
    if found is None or found[-1][1] < _V6:
        return found
    return [piece for pair in found for piece in _unmapped(*pair)]


def contains(ranges: list[Range], number: int) -> bool:
    """Whether one of the merged ranges has a number."""
    return position(ranges, number) is not None


def position(ranges: list[Range], number: int) -> int | None:
    """The index of that one of the merged ranges that has a number, None when none has."""
    at = bisect_right(ranges, (number, _BEYOND)) - 1
    return at if at >= 0 and number <= ranges[at][1] else None


def integer(text: str) -> int | None:
    """The number of a literal address without zone; an IPv4-mapped IPv6 address is the IPv4 one."""
    try:
        number = _number(ipaddress.ip_address(text))
    except ValueError:
        return None
    return _unmapped(number, number)[0][0]


def text_of(number: int) -> str:
    """The literal address of a number.

    >>> text_of(integer("2001:db8::0001") or 0)
    '2001:db8::1'
    """
    if number >= _V6:
        return str(ipaddress.IPv6Address(number - _V6))
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def number_of(text: str) -> int | None:
    """The number whose `text_of` is `text` to the letter; None for every other way to write an address.

    >>> number_of("0.0.1.2"), number_of("0.0.1.02"), number_of("2001:DB8::1")
    (258, None, None)
    """
    if ":" not in text:
        return _plain_ipv4(text)
    number = integer(text)
    return number if number is not None and text_of(number) == text else None


def _plain_ipv4(text: str) -> int | None:
    try:
        first, second, third, fourth = text.split(".")
        return _OCTET_OF[first] << 24 | _OCTET_OF[second] << 16 | _OCTET_OF[third] << 8 | _OCTET_OF[fourth]
    except (ValueError, KeyError):
        return None


def walk(first: int, last: int) -> Iterator[str]:
    """Give the literal addresses of a range, one at a time."""
    if first >= _V6:
        return map(text_of, range(first, last + 1))
    return chain.from_iterable(_walk_ipv4(first, last))


def merge(ranges: Iterable[Range]) -> list[Range]:
    """Sort ranges and join those that touch.

    >>> merge([(5, 9), (1, 3), (4, 6)])
    [(1, 9)]
    """
    merged: list[Range] = []
    for pair in sorted(ranges):
        # IPv6 begins where IPv4 ends: that is no touching.
        if merged and pair[0] <= merged[-1][1] + 1 and (pair[0] != _V6 or merged[-1][1] >= _V6):
            merged[-1] = (merged[-1][0], max(merged[-1][1], pair[1]))
        else:
            merged.append(pair)
    return merged


def subtract(ranges: list[Range], barred: list[Range]) -> list[Range]:
    """Take the merged ranges `barred` out of the merged `ranges`.

    >>> subtract([(1, 9)], [(3, 4), (9, 12)])
    [(1, 2), (5, 8)]
    """
    left: list[Range] = []
    at = 0
    for first, last in ranges:
        start = first
        # No walk past all that is barred: each port of a list asks for its few ranges.
        at = max(at, bisect_right(barred, (first, _BEYOND), at) - 1)
        piece = at + (at < len(barred) and barred[at][1] < first)
        while piece < len(barred) and barred[piece][0] <= last:
            if start < barred[piece][0]:
                left.append((start, barred[piece][0] - 1))
            start = barred[piece][1] + 1
            piece += 1
        if start <= last:
            left.append((start, last))
    return left


def split_port(spec: str) -> tuple[str, int | None]:
    """The host of a target, in small letters and without brackets, and its own port. Raises TargetError."""
    text = spec.strip()
    if len(text) > _MAX_NAME + len(":65535"):  # nothing is longer: no need to take it to pieces
        raise TargetError(f"{quoted(text)} is not an address, network, range or host name.")
    if "://" in text:
        raise TargetError(f"{quoted(spec)} is a URL. Give its host alone.")
    if text.isascii():  # of other letters small ones would be another name
        address, percent, zone = text.partition("%")
        text = address.lower() + percent + zone
    found = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
    if found is None:
        return text, None
    host, port = found.groups()
    if text.startswith("[") and integer(host.partition("%")[0]) is None:
        raise TargetError(f"{quoted(spec)}: brackets are for an IPv6 address.")
    return host, None if port is None else _port(port, spec)


def _port(text: str, spec: str) -> int:
    if not (_PORT.fullmatch(text) and 1 <= int(text) <= MAX_PORT):
        raise TargetError(f"{quoted(spec)}: the port must be 1 to {MAX_PORT}.")
    return int(text)


def host_name(text: str, spec: str) -> str:
    """Check a host name, or an IPv6 address with a zone; `spec` is how it was written.

    Raises TargetError for anything else.
    """
    address, percent, zone = text.partition("%")
    number = integer(address) if percent and ":" in address else None
    if number is not None and number >= _V6 and _ZONE.fullmatch(percent + zone):
        return f"{text_of(number)}{percent}{zone}"
    labels = text.removesuffix(".").split(".")
    plain = len(text) <= _MAX_NAME and all(_LABEL.fullmatch(label) for label in labels)
    if not plain or _NUMERIC.fullmatch(".".join(labels)):
        raise TargetError(f"{quoted(spec)} is not an address, network, range or host name.")
    return text


def _number(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    return int(address) + (_V6 if address.version == _VERSION_6 else 0)


def _unmapped(first: int, last: int) -> list[Range]:
    """The range with what of it is mapped IPv4 as IPv4, so that an address has one number."""
    low, high = _MAPPED
    if first < low and last > high:  # ::/16 is not said of IPv4
        return [(first, last)]
    pieces = [
        (first, min(last, low - 1)),
        (max(first, low) - low, min(last, high) - low),
        (max(first, high + 1), last),
    ]
    return [piece for piece in pieces if piece[0] <= piece[1]]


def _network(text: str) -> list[Range] | None:
    _, slash, length = text.partition("/")
    if slash and _PREFIX_LENGTH.fullmatch(length) is None:  # `ipaddress` takes masks, too
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return [_checked(text, _number(network[0]), _number(network[-1]))]


def _between(text: str) -> list[Range] | None:
    first, _, last = text.partition("-")
    try:
        ends = ipaddress.ip_address(first), ipaddress.ip_address(last)
    except ValueError:
        return None
    if ends[0].version != ends[1].version:
        raise TargetError(f"{text} goes from one IP version to the other.")
    return [_checked(text, _number(ends[0]), _number(ends[1]))]


def _checked(text: str, first: int, last: int) -> Range:
    if first > last:
        raise TargetError(f"{text} ends before it begins. Turn it round.")
    return first, last


def _octets(text: str, room: int) -> list[Range] | None:
    if _OCTET_RANGES.fullmatch(text) is None:
        return None
    parts = [_octet(text, part) for part in text.split(".")]
    if any(last > _FULL[1] for _, last in parts):
        return None
    # Whole octets at the end belong to one range; what varies before them makes pieces.
    whole = 0
    while whole < len(parts) - 1 and parts[-1 - whole] == _FULL:
        whole += 1
    size = 256**whole
    low, high = parts[-1 - whole]
    heads = parts[: -1 - whole]
    pieces = prod(last - first + 1 for first, last in heads)
    if pieces > max(room, 1):
        of_all = "" if pieces > MAX_PIECES else ", too many with those before it"
        raise TargetError(f"{text} falls into {pieces:,} pieces{of_all}. Give networks.")
    beyond = (high - low + 1) * size - 1
    starts = product(*(range(first, last + 1) for first, last in heads), (low,))
    return [(start, start + beyond) for start in (_joined(octets) * size for octets in starts)]


def _octet(text: str, part: str) -> Range:
    first, _, last = part.partition("-")
    return _checked(text, int(first), int(last or first))


def _joined(octets: tuple[int, ...]) -> int:
    return int.from_bytes(octets, "big")


def _walk_ipv4(first: int, last: int) -> Iterator[Iterator[str]]:
    for block in range(first >> 8, (last >> 8) + 1):
        start = f"{block >> 16}.{block >> 8 & 255}.{block & 255}."
        low = first & 255 if block == first >> 8 else 0
        high = last & 255 if block == last >> 8 else 255
        yield map(start.__add__, _OCTET_TEXTS[low : high + 1])  # in C: a scan waits for each
