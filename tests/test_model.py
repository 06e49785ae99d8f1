from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.evidence import Reply
from imcprobe.model import Build, Family, Identification, Observation, Status, Target

part = st.integers(0, 99_999)
small = st.integers(0, 999)
builds = st.builds(
    lambda prefix, build, revision: Build(prefix[0], prefix[1], build, revision),
    st.one_of(st.just((None, None)), st.tuples(small, small)),
    part,
    st.one_of(st.none(), part),
)


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("5.5.2653.13", Build(5, 5, 2653, 13)),
        ("5.5.2653.013", Build(5, 5, 2653, 13)),
        ("5.5.2650", Build(5, 5, 2650)),
        ("2650.21", Build(None, None, 2650, 21)),
        ("2650", Build(None, None, 2650)),
    ],
)
def test_a_build_is_read_part_by_part(text: str, build: Build) -> None:
    assert Build.parse(text) == build


@pytest.mark.parametrize(
    "text",
    ["", "5.5.2653.13.1", "5.5.", "x", "5.5.2653.", "-1", "9" * 6, "\uff15.5.2653.13", "5.5.2653.13 ", "1e3"],
)
def test_what_is_no_build_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a build number"):
        Build.parse(text)


@given(builds)
def test_a_build_reads_back_as_it_is_written(build: Build) -> None:
    assert Build.parse(str(build)) == build


@given(st.lists(builds, min_size=3, max_size=3))
def test_the_order_of_builds_is_total_and_agrees_with_equality(three: list[Build]) -> None:
    ordered = sorted(three)
    for low, high in pairwise(ordered):
        assert low <= high
        assert high >= low
        assert (low < high) == (high > low) == (low != high)


@given(small, small, part, part, part)
def test_revisions_compare_as_numbers(major: int, minor: int, build: int, one: int, other: int) -> None:
    left, right = Build(major, minor, build, one), Build(major, minor, build, other)
    assert (left < right) == (one < other)


def test_builds_are_numbers_not_text() -> None:
    assert Build.parse("2650.3") < Build.parse("2650.21")


def test_a_missing_part_sorts_first() -> None:
    assert Build.parse("2650") < Build.parse("2650.0") < Build.parse("5.5.1.1")


def test_a_target_brackets_ipv6() -> None:
    assert str(Target("::1")) == "[::1]:25"
    assert str(Target("mx.example.com", 2525)) == "mx.example.com:2525"


def test_a_reply_is_its_lines() -> None:
    assert Reply(220, ("a", "b")).text == "a\nb"


def test_an_answer_is_at_least_one_byte() -> None:
    assert not Observation(Target("h"), None, Status.CONNECTION_CLOSED).answered
    assert Observation(Target("h"), None, Status.CONNECTION_CLOSED, greeting=b"2").answered


@pytest.mark.parametrize(
    ("found", "exchange"),
    [
        (Identification(Family.EXCHANGE_IMS, "Exchange Server 5.5"), True),
        (Identification(Family.EXCHANGE_2007, "Exchange 2007 or later"), True),
        (Identification(Family.REFUSED, "Exchange Server"), False),
        (Identification(Family.SMTP), False),
        (Identification(Family.WINDOWS_SMTP, "Windows SMTP service"), False),
    ],
)
def test_exchange_of_any_age_counts_and_a_refusal_only_hints(found: Identification, exchange: bool) -> None:
    assert found.exchange is exchange
