from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.fingerprint.builds import (
    BUILDS,
    exchange_possible,
    find,
    lookup,
    next_service_pack,
    product_of,
    windows_release,
)
from imcprobe.knowledge.fixes import HEADER_ONLY
from imcprobe.model import Build, Match, Release

numbers = st.builds(Build, st.none(), st.none(), st.integers(800, 3000), st.integers(0, 99))


@pytest.mark.parametrize("row", BUILDS, ids=lambda row: str(row.build))
def test_every_row_is_found_by_its_number_with_and_without_prefix(row: Release) -> None:
    bare = Build(None, None, row.build.build, row.build.revision)
    for build in (row.build, bare):
        assert row in lookup(build, header=True).releases


@given(numbers)
def test_between_has_true_neighbours(build: Build) -> None:
    finding = lookup(build)
    if finding.match is Match.BETWEEN and not finding.releases:
        assert finding.below is not None
        assert finding.above is not None
        assert finding.below.build.number < build.number < finding.above.build.number
        assert finding.below.build.prefix == finding.above.build.prefix == finding.product
        assert not [
            row
            for row in BUILDS
            if row.build.prefix == finding.product
            and finding.below.build.number < row.build.number < finding.above.build.number
        ]


@given(numbers)
def test_a_build_without_prefix_is_placed_by_its_range_or_not_at_all(build: Build) -> None:
    finding = lookup(build)
    assert finding.product == product_of(build)
    assert (finding.match is Match.NONE) == (finding.product is None)


@pytest.mark.parametrize(
    ("build", "below", "above"),
    [
        ("5.5.2650.21", "5.5.2650.1", "5.5.2651.58"),
        ("4.0.837.3", None, "4.0.838.5"),
        ("5.0.1457.3", None, "5.0.1457.10"),
        ("5.5.2658.27", "5.5.2658.3", None),
        ("5.5.2650", "5.5.2638.0", "5.5.2651.58"),
        ("4.0.994.63", "4.0.993.5", "4.0.995.52"),
    ],
)
def test_neighbours_are_of_the_same_product(build: str, below: str | None, above: str | None) -> None:
    finding = lookup(Build.parse(build))
    assert (str(finding.below.build) if finding.below else None) == below
    assert (str(finding.above.build) if finding.above else None) == above


@pytest.mark.parametrize(
    ("build", "product", "match"),
    [
        ("5.5.1664", "5.5", Match.OLDER),
        ("5.5.2232", "5.5", Match.EXACT),
        ("993", "4.0", Match.AMBIGUOUS),
        ("5.5.2147", "5.5", Match.BETWEEN),
        ("5.5.100.1", "5.5", Match.OLDER),
        ("5.0.1600.1", "5.0", Match.NEWER),
        ("4.0.997.2", "4.0", Match.NEWER),
        ("5.0.2700.1", "5.5", Match.CONFLICT),
        ("6.5.7638.1", None, Match.NONE),
        ("6.5.2653.13", "5.5", Match.CONFLICT),
        ("5.5.996.62", "4.0", Match.CONFLICT),
    ],
)
def test_a_number_is_placed(build: str, product: str | None, match: Match) -> None:
    finding = lookup(Build.parse(build))
    assert (finding.product, finding.match) == (product, match)


def test_a_number_of_headers_is_exact_there_alone() -> None:
    (number,) = HEADER_ONLY
    build = Build(5, 5, *number)
    assert lookup(build, header=True).match is Match.EXACT
    assert lookup(build).match is Match.OTHER_COMPONENT


@pytest.mark.parametrize(
    ("build", "pack"),
    [
        ("4.0.837.3", "SP1"),
        ("4.0.993.5", "SP3"),
        ("4.0.996.62", None),
        ("5.0.1460.8", None),
        ("5.5.2652.50", "SP4"),
        ("5.5.1664.3", "SP1"),
    ],
)
def test_the_next_service_pack_is_the_first_with_a_higher_build(build: str, pack: str | None) -> None:
    parsed = Build.parse(build)
    assert next_service_pack(parsed, str(parsed.prefix)) == pack


@pytest.mark.parametrize(
    ("query", "builds"),
    [
        ("5.5sp3", ["5.5.2650.21", "5.5.2651.58", "5.5.2652.39", "5.5.2652.78"]),
        ("5.5 Service Pack 3", ["5.5.2650.21", "5.5.2651.58", "5.5.2652.39", "5.5.2652.78"]),
        ("993.5", ["4.0.993.5"] * 4),
        ("5.5.2516.3", ["5.5.2516"]),
        ("2650.24", ["5.5.2650.24"]),
        ("4.0sp4", ["4.0.995.52"]),
        ("5.5rtm", ["5.5.1960.3", "5.5.2186.0", "5.5.2232.0"]),
        ("4.0.2650.21", []),
        ("nothing", []),
    ],
)
def test_rows_are_found_for_what_a_person_asks(query: str, builds: list[str]) -> None:
    found = find(query)
    assert [str(row.build) for row in found] == builds


def test_without_a_question_all_builds_are_found_and_no_other_component() -> None:
    assert find("") == BUILDS


def test_a_product_is_found_with_its_letter_or_without() -> None:
    assert {row.version for row in find("4.0")} == {"4.0", "4.0a"}
    assert {row.version for row in find("4.0a")} == {"4.0a"}
    assert {row.service_pack for row in find("5.5 rtm")} == {None}


@pytest.mark.parametrize(
    ("version", "name", "possible"),
    [
        ("5.0.2195.6713", "Windows 2000 SP4", True),
        ("5.0.2195.1", "Windows 2000", True),
        ("6.0.3790.4675", "Windows Server 2003 SP2 with an update", True),
        ("10.0.14393.4169", "Windows Server 2016", False),
        ("6.0.2600.5512", "Windows XP SP3", False),
        ("14.1.218.15", None, False),
        ("5.0.2195", None, False),
        ("9" * 6 + ".0.0.0", None, False),
    ],
)
def test_a_windows_version_is_named(version: str, name: str | None, possible: bool) -> None:
    assert windows_release(version) == name
    assert exchange_possible(version) is possible
