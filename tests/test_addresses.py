from __future__ import annotations

import ipaddress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.addresses import MAX_IPV6, integer, merge, number_of, read_ranges, subtract, text_of, walk
from imcprobe.errors import TargetError

ranges = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20)).map(lambda pair: (pair[0], sum(pair))))


def numbers(found: list[tuple[int, int]]) -> set[int]:
    return {number for first, last in found for number in range(first, last + 1)}


def texts(spec: str) -> list[str]:
    found = read_ranges(spec)
    assert found is not None
    return [address for first, last in found for address in walk(first, last)]


@pytest.mark.parametrize(
    ("spec", "addresses"),
    [
        ("10.0.0.1", ["10.0.0.1"]),
        ("10.0.0.5/30", ["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"]),
        ("10.0.0.254-10.0.1.1", ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        ("10.0.0.1-3", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ("10.0-1.0.1-2", ["10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.2"]),
        ("2001:db8::1", ["2001:db8::1"]),
        ("2001:db8::/127", ["2001:db8::", "2001:db8::1"]),
        ("2001:db8::fffe-2001:db8::1:0", ["2001:db8::fffe", "2001:db8::ffff", "2001:db8::1:0"]),
        ("::ffff:192.0.2.1", ["192.0.2.1"]),
        ("::ffff:192.0.2.0/127", ["192.0.2.0", "192.0.2.1"]),
        ("::fffe:ffff:ffff-::ffff:0:1", ["::fffe:ffff:ffff", "0.0.0.0", "0.0.0.1"]),
        ("255.255.255.255", ["255.255.255.255"]),
        ("0.0.0.0", ["0.0.0.0"]),
    ],
)
def test_each_form_gives_its_addresses(spec: str, addresses: list[str]) -> None:
    assert texts(spec) == addresses


def test_whole_octets_are_one_range() -> None:
    assert read_ranges("10-11.0-255.0-255.0-255") == read_ranges("10.0.0.0-11.255.255.255")
    assert len(read_ranges("10.0-3.0-255.0-255") or []) == 1


@pytest.mark.parametrize(
    "spec",
    ["", "mx.example.com", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "10.1.4.300", "10.0.0.1/33",
     "10.0.0", "a-b", "10.0.0.1-", "-10.0.0.1", "10.0.0.01", "fe80::1%eth0", "\uff11.0.0.1",
     "10.0.0.0/255.255.0.0/8"],
)  # fmt: skip
def test_what_is_no_address_form_is_none(spec: str) -> None:
    assert read_ranges(spec) is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("10.0.0.9-10.0.0.1", "ends before it begins"),
        ("10.0.0.9-1", "ends before it begins"),
        ("10.0.0.1-2001:db8::1", "from one IP version to the other"),
        ("2001:db8::/64", "is too large to scan address by address. Give a list, or a /112 or smaller."),
        ("::/0", "is too large"),
        ("::/80", "::/80 is too large to scan address by address"),
        ("::ffff:0:0/95", "is too large"),
        ("0-255.0-255.0-255.0-254", "falls into 16,777,216 pieces"),
    ],
)
def test_a_form_without_sense_is_refused_in_words(spec: str, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        read_ranges(spec)


def test_an_exclusion_may_be_of_any_size() -> None:
    assert read_ranges("2001:db8::/32", bounded=False) is not None
    assert len(texts("2001:db8::/112")) == MAX_IPV6


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_an_address_is_written_as_ipaddress_writes_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    number = integer(str(address))
    assert number is not None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    assert text_of(number) == str(mapped or address)


@given(ranges)
def test_merged_ranges_are_sorted_apart_and_the_same_numbers(given_: list[tuple[int, int]]) -> None:
    merged = merge(given_)
    assert numbers(merged) == numbers(given_)
    assert all(left[1] + 1 < right[0] for left, right in pairwise(merged))


@given(ranges, ranges)
def test_what_is_subtracted_is_gone_and_all_else_left(
    given_: list[tuple[int, int]], barred: list[tuple[int, int]]
) -> None:
    left = subtract(merge(given_), merge(barred))
    assert numbers(left) == numbers(given_) - numbers(barred)
    assert left == merge(left)


def test_the_ends_of_ipv4_and_ipv6_do_not_touch() -> None:
    both = merge([*(read_ranges("255.255.255.255") or []), *(read_ranges("::") or [])])
    assert len(both) == 2


@given(
    st.lists(
        st.one_of(st.integers(0, 300).map(str), st.sampled_from(["01", "", "x", "1 "])),
        min_size=3,
        max_size=5,
    )
)
def test_the_quick_way_takes_the_addresses_that_ipaddress_takes(parts: list[str]) -> None:
    text = ".".join(parts)
    try:
        number: int | None = int(ipaddress.IPv4Address(text))
    except ValueError:
        number = None
    assert read_ranges(text) == (None if number is None else [(number, number)])


@given(st.integers(0, 2**32 - 1) | st.integers(2**32, 2**32 + 2**128 - 1))
def test_the_text_of_a_number_gives_the_number_back(number: int) -> None:
    text = text_of(number)
    mapped = integer(text) != number  # IPv4 in the way of IPv6 is another address here
    assert number_of(text) == (None if mapped else number)


@given(st.text("0123456789.:abcdef%+-_ \u0661\uff11\n", max_size=20))
def test_only_text_as_it_is_written_here_has_a_number(text: str) -> None:
    number = number_of(text)
    assert number is None or text_of(number) == text


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0", "10.0.0.0.1", "10.0.0.01", "10.0.0.256", "+10.0.0.1", "10.0.0.1 ", "10.0.0.1_0",
     "10.0.0.\u0661", "10.0.0.1\n", "10.0.0.", "mx.example.com", "a.b.c.d", "2001:DB8::1", "2001:db8:0::1",
     "::ffff:10.0.0.1", "::ffff:a00:1", "fe80::1%eth0", ":", "2001:db8::1 "],
)  # fmt: skip
def test_an_address_in_other_words_has_no_number(text: str) -> None:
    assert number_of(text) is None


def test_numbers_of_addresses_as_they_are_written_here() -> None:
    assert number_of("10.11.212.255") == 0x0A0BD4FF
    assert number_of("2001:db8::1") == 2**32 + 0x20010DB8_00000000_00000000_00000001
