from __future__ import annotations

import tracemalloc
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.errors import UsageError
from imcprobe.order import MAX_SEED, Done, Order, _is_prime, _is_root, _prime_above, parse_shard

PRIMES = [number for number in range(2, 3000) if all(number % other for other in range(2, number))]
# Where the group of a size is the least that is taken, or about to become the next.
EDGES = [999, 1000, 1001, 1018, 1019, 1020, 1186, 1187, 1188, 4095, 4096, 4097]

seeds = st.integers(0, MAX_SEED)
shards = st.integers(1, 40).flatmap(lambda parts: st.tuples(st.integers(1, parts), st.just(parts)))


def order_of(total: int, seed: int, shard: tuple[int, int] | None = None) -> list[int]:
    return list(Order(shuffle=True, seed=seed, shard=shard).indices(total))


def from_zero(order: list[int]) -> list[int]:
    at = order.index(0)
    return order[at:] + order[:at]


@pytest.mark.parametrize("seed", [0, 1, 2, 2026, MAX_SEED])
def test_every_index_of_a_few_comes_once(seed: int) -> None:
    for total in range(71):
        assert sorted(order_of(total, seed)) == list(range(total))


@given(st.sampled_from(PRIMES), st.sampled_from([-1, 0, 1]), seeds)
def test_every_index_comes_once_around_primes(prime: int, beside: int, seed: int) -> None:
    assert sorted(order_of(prime + beside, seed)) == list(range(prime + beside))


@pytest.mark.parametrize("total", EDGES)
def test_every_index_comes_once_where_the_group_changes(total: int) -> None:
    assert sorted(order_of(total, 5)) == list(range(total))


@given(st.integers(0, 5000), seeds)
def test_every_index_comes_once(total: int, seed: int) -> None:
    assert sorted(order_of(total, seed)) == list(range(total))


@given(st.integers(0, 500), st.integers(1, 40), st.none() | seeds)
def test_shards_are_disjoint_and_complete_and_as_large_as_they_say(
    total: int, parts: int, seed: int | None
) -> None:
    orders = [Order(seed is not None, seed, (part, parts)) for part in range(1, parts + 1)]
    shares = [list(order.indices(total)) for order in orders]
    assert sorted(index for share in shares for index in share) == list(range(total))
    assert [order.size(total) for order in orders] == [len(share) for share in shares]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_shard_has_every_nth_index() -> None:
    assert list(Order(shard=(2, 3)).indices(10)) == [1, 4, 7]
    assert list(Order(shard=(5, 5)).indices(4)) == []


@given(st.integers(0, 500), seeds, shards)
def test_a_shuffle_permutes_within_the_shard(total: int, seed: int, shard: tuple[int, int]) -> None:
    assert sorted(order_of(total, seed, shard)) == list(Order(shard=shard).indices(total))


def test_the_whole_is_the_only_shard_of_one() -> None:
    assert order_of(100, 3) == order_of(100, 3, (1, 1))


@given(st.integers(0, 300), seeds)
def test_equal_seeds_give_equal_orders(total: int, seed: int) -> None:
    assert order_of(total, seed) == order_of(total, seed)


def test_a_stored_seed_keeps_its_meaning() -> None:
    assert order_of(20, 1) == [6, 11, 5, 14, 2, 15, 7, 19, 17, 3, 9, 8, 16, 1, 4, 18, 0, 13, 10, 12]
    assert order_of(20, 1, (2, 3)) == [10, 16, 13, 1, 4, 7, 19]
    many = [15483169, 10934493, 5032837, 5386061, 13231448, 12311366]
    assert list(islice(Order(shuffle=True, seed=2026).indices(2**24), 6)) == many
    most = [111239777454636, 221199900450466, 165761094772766, 68086442054372, 87561315467496]
    assert list(islice(Order(shuffle=True, seed=2026).indices(2**48), 5)) == most


def test_other_seeds_give_other_orders_and_not_the_same_from_elsewhere() -> None:
    orders = [from_zero(order_of(254, seed)) for seed in range(40)]
    assert len({tuple(order) for order in orders}) >= 35
    assert len({tuple(order_of(254, seed)) for seed in range(40)}) == 40


def test_even_four_targets_have_all_their_orders() -> None:
    assert len({tuple(order_of(4, seed)) for seed in range(1000)}) == 24


def test_shards_of_one_seed_are_not_in_step() -> None:
    first, second = (order_of(2000, 9, (part, 2)) for part in (1, 2))
    assert [index + 1 for index in first] != second


def test_a_shuffle_leaves_neighbours_apart() -> None:
    order = order_of(2**16, 1)
    together = sum(one >> 8 == other >> 8 for one, other in pairwise(order))
    assert together < 2**16 // 100


@pytest.mark.parametrize("total", [2**32 - 1, 2**32, 2**32 + 1, 2**48 - 1, 2**48, 2**48 + 1])
@pytest.mark.parametrize("shard", [None, (3, 7)])
def test_the_largest_scans_are_shuffled_too(total: int, shard: tuple[int, int] | None) -> None:
    found = list(islice(Order(shuffle=True, seed=11, shard=shard).indices(total), 1000))
    assert len(set(found)) == 1000
    assert 0 <= min(found) < total // 100
    assert total - total // 100 < max(found) < total
    assert shard is None or {index % 7 for index in found} == {2}


def test_a_group_is_the_next_one_whose_half_is_a_prime_too() -> None:
    safe = [prime for prime in PRIMES if prime > 5 and prime // 2 in PRIMES]
    for total in range(1000, 2800):
        assert _prime_above(total) == min(prime for prime in safe if prime > total)


def test_a_root_has_all_of_its_group_as_powers() -> None:
    for prime in (7, 11, 23, 47, 1019):
        for number in range(1, prime):
            powers = {pow(number, exponent, prime) for exponent in range(1, prime)}
            assert _is_root(number, prime) == (len(powers) == prime - 1)


@pytest.mark.parametrize("size", [2**32, 2**48])
def test_the_order_of_a_root_of_a_large_group_is_that_of_the_group(size: int) -> None:
    prime = _prime_above(size)
    roots = [number for number in range(2, 200) if _is_root(number, prime)]
    assert 60 < len(roots) < 140
    for root in roots:
        assert pow(root, prime - 1, prime) == 1
        assert pow(root, 2, prime) != 1 != pow(root, prime // 2, prime)


def test_primes_are_told_from_other_numbers() -> None:
    assert [number for number in range(2, 3000) if _is_prime(number)] == PRIMES
    assert _is_prime(2**61 - 1)
    assert _is_prime(2**48 + 21)


@pytest.mark.parametrize(
    "number",
    [
        2**32 + 1,  # 641 * 6700417
        (2**31 - 1) ** 2,
        3_215_031_751,  # looks like a prime to bases 2, 3, 5 and 7
        3_825_123_056_546_413_051,  # to all up to 23
        318_665_857_834_031_151_167_461,  # to all up to 37
    ],
)
def test_a_number_that_looks_like_a_prime_is_none(number: int) -> None:
    assert not _is_prime(number)


def test_a_million_indices_are_given_without_a_list() -> None:
    tracemalloc.start()
    assert sum(1 for _ in islice(Order(shuffle=True, seed=1).indices(10**6), 10_000)) == 10_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000


@pytest.mark.parametrize(
    ("text", "shard"), [("2/5", (2, 5)), ("1/1", (1, 1)), ("999999/999999", (999_999, 999_999))]
)
def test_a_shard_is_read(text: str, shard: tuple[int, int]) -> None:
    assert parse_shard(text) == shard


@pytest.mark.parametrize(
    "text", ["", "2", "2/", "/5", "2/5/7", "-1/5", "+1/5", "1 / 5", "1/5\n", "\u0661/5", "1/\uff15", "a/b",
             "1/1000000", "1_0/20", "0x1/5", "2 of 5", "1" * 5000 + "/5", "\x1b[2J"]
)  # fmt: skip
def test_what_is_no_shard_is_refused_in_one_safe_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_shard(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 160
    assert str(caught.value).endswith(": write it like 2/5, the second of five parts.")


def test_what_is_no_shard_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        parse_shard("2 of 5")
    assert str(caught.value) == '--shard "2 of 5": write it like 2/5, the second of five parts.'


@pytest.mark.parametrize(
    ("shuffle", "seed", "shard", "message"),
    [
        (False, None, (4, 3), "--shard 4/3: the first number must be 1 to 3."),
        (False, None, (0, 3), "--shard 0/3: the first number must be 1 to 3."),
        (False, None, (2, 1), "--shard 2/1: the first number must be 1 to 1."),
        (False, None, (1, 0), "--shard 1/0: the second number must be 1 or more."),
        (False, 5, None, "--seed is for a random order. Add --shuffle."),
        (True, -1, None, "--seed -1: it must be 0 to 9223372036854775807."),
        (True, 2**63, None, "--seed 9223372036854775808: it must be 0 to 9223372036854775807."),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(
    shuffle: bool, seed: int | None, shard: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Order(shuffle, seed, shard)
    assert str(caught.value) == message


def test_a_shuffle_may_be_asked_for_before_its_seed_is_drawn_but_not_walked() -> None:
    order = Order(shuffle=True)
    assert order.size(10) == 10
    with pytest.raises(UsageError, match=r"a random order needs a seed to be repeatable\. Add --seed\."):
        order.indices(10)


@given(st.integers(1, 200), st.lists(st.integers(0, 199)))
def test_what_is_done_is_known_and_counted_once(size: int, chosen: list[int]) -> None:
    inside = [index for index in chosen if index < size]
    done = Done(size)
    for index in inside:
        done.add(index)
    assert len(done) == len(set(inside))
    assert {index for index in range(-3, size + 10) if index in done} == set(inside)


@pytest.mark.parametrize("index", [-1, 10, 15, 16])
def test_what_is_no_index_is_not_done(index: int) -> None:
    done = Done(10)
    with pytest.raises(IndexError):
        done.add(index)
    assert (index in done, len(done)) == (False, 0)


def test_nothing_can_be_done_of_nothing() -> None:
    assert (0 in Done(0), len(Done(0))) == (False, 0)


def test_a_million_done_targets_take_125_kilobytes() -> None:
    tracemalloc.start()
    done = Done(10**6)
    for index in range(0, 10**6, 1000):
        done.add(index)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 130_000
