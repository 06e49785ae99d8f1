from __future__ import annotations

import re
from pathlib import Path

import pytest

from imcprobe.fingerprint.builds import ARTICLE_BUILDS, BUILDS, FURTHER_BUILDS, TABLE_NAME
from imcprobe.fingerprint.greeting import normalise, recognise
from imcprobe.knowledge.advisories import ADVISORIES, ON_WINDOWS
from imcprobe.knowledge.components import COMPONENTS
from imcprobe.knowledge.fixes import FIXES
from imcprobe.knowledge.greetings import PATTERNS, Pattern
from imcprobe.knowledge.lifecycle import BUILD_RANGES, EXCHANGE_ON_WINDOWS_NAME, PRODUCT_OF, SUPPORT
from imcprobe.knowledge.releases import ARTICLE, RELEASES
from imcprobe.knowledge.windows import WINDOWS
from imcprobe.model import Build, Kind

ARTICLE_TEXT = Path(__file__).parents[2] / "fixtures" / "kb" / "Q257618-table.txt"
ARTICLE_ROW = re.compile(r"\| Exchange Server version ([^|]*?) *\| Build ([0-9.]+) *\|")


def article_rows() -> list[tuple[str, str]]:
    return ARTICLE_ROW.findall(ARTICLE_TEXT.read_text())


def test_the_article_has_fourteen_rows_on_thirteen_builds() -> None:
    assert len(article_rows()) == 14
    assert len({build for _, build in article_rows()}) == 13


def test_every_row_of_the_article_is_in_the_table_as_the_article_names_it_and_no_other() -> None:
    ours = [
        (row.name.removeprefix("Exchange Server "), f"{row.build.build}.{row.build.revision}")
        for row in RELEASES
        if row.source == ARTICLE
    ]
    assert ours == article_rows()


def test_service_pack_4_is_in_the_table_with_another_source() -> None:
    (row,) = [row for row in RELEASES if row.name == "Exchange Server 5.5 Service Pack 4"]
    assert str(row.build) == "5.5.2653.13"
    assert row.source != ARTICLE


def test_sixty_builds_are_documented_and_forty_seven_of_them_go_beyond_the_article() -> None:
    assert len({row.build for row in BUILDS}) == 60
    assert (len(ARTICLE_BUILDS), FURTHER_BUILDS, TABLE_NAME) == (13, 47, "Q257618+47")


def test_only_993_5_has_two_rows() -> None:
    builds = [str(row.build) for row in BUILDS]
    assert sorted(build for build in builds if builds.count(build) > 1) == ["4.0.993.5", "4.0.993.5"]


@pytest.mark.parametrize("rows", [RELEASES, FIXES, COMPONENTS], ids=["releases", "fixes", "components"])
def test_rows_are_sorted_and_have_a_source_and_lie_in_the_range_of_their_product(rows: tuple) -> None:  # type: ignore[type-arg]
    assert [row.build for row in rows] == sorted(row.build for row in rows)
    for row in rows:
        low, high = BUILD_RANGES[PRODUCT_OF[row.version]]
        assert row.source
        assert row.build.prefix == PRODUCT_OF[row.version]
        assert low <= row.build.build <= high


def test_kinds_are_in_the_tables_they_belong_to() -> None:
    assert {row.kind for row in RELEASES} == {Kind.RELEASE}
    assert {row.kind for row in COMPONENTS} == {Kind.COMPONENT}
    assert {row.kind for row in FIXES} == set(Kind) - {Kind.RELEASE, Kind.COMPONENT}


def test_a_fix_is_named_after_the_service_pack_it_follows() -> None:
    for row in FIXES:
        if row.service_pack is not None:
            assert f"Service Pack {row.service_pack[2:]}" in row.name


def test_windows_releases_are_sorted_and_unique() -> None:
    versions = [tuple(-1 if part is None else part for part in row.version) for row in WINDOWS]
    assert versions == sorted(set(versions))


def test_every_product_has_a_support_state() -> None:
    assert set(SUPPORT) == {*BUILD_RANGES, EXCHANGE_ON_WINDOWS_NAME}
    assert set(BUILD_RANGES) == set(PRODUCT_OF.values())


@pytest.mark.parametrize(
    ("pattern", "example"),
    [(pattern, example) for pattern in PATTERNS for example in pattern.examples],
    ids=lambda value: value.name if isinstance(value, Pattern) else None,
)
def test_each_example_of_a_pattern_is_recognised_by_that_pattern(pattern: Pattern, example: str) -> None:
    text = re.sub(r"(?m)^220[ -]", "", example)
    found = recognise(normalise(text), headers=text == example)
    assert found is not None
    assert found.pattern.name == pattern.name


def test_pattern_names_are_unique_and_their_words_are_small_letters() -> None:
    assert len({pattern.name for pattern in PATTERNS}) == len(PATTERNS)
    assert all(pattern.word == pattern.word.casefold() and pattern.examples for pattern in PATTERNS)


def test_advisories_are_named_once_by_a_bulletin_an_article_or_a_cve_and_have_a_source() -> None:
    assert len({row.id for row in ADVISORIES}) == len(ADVISORIES)
    for row in ADVISORIES:
        assert re.fullmatch(r"MS\d\d-\d\d\d|Q\d{6}|CVE-\d{4}-\d{4}", row.id)
        assert row.cve is None or re.fullmatch(r"CVE-\d{4}-\d{4}", row.cve)
        assert row.cve == row.id or not row.id.startswith("CVE")
        assert row.source
        assert row.title


def test_a_build_that_shows_an_advisory_is_one_of_what_it_touches() -> None:
    shown = [row for row in ADVISORIES if row.fixed_in is not None]
    assert [row for row in ADVISORIES if row.missing_below and not row.fixed_in] == []
    for row in shown:
        assert row.fixed_in is not None
        assert len(row.touches) == 1  # a number of one product says nothing of another
        assert row.touches in ((row.fixed_in.prefix,), ("Windows 2000",))
        assert row.missing_below is None or row.missing_below <= row.fixed_in


def test_a_build_with_a_fix_is_one_that_the_table_has() -> None:
    documented = {row.build for row in BUILDS} | {Build(*row.version) for row in WINDOWS}
    assert {row.fixed_in for row in ADVISORIES if row.fixed_in} <= documented


def test_an_advisory_touches_what_a_greeting_can_name() -> None:
    windows = {row.name for row in WINDOWS} | {pattern.product or "" for pattern in PATTERNS}
    for name in {name for row in ADVISORIES for name in row.touches}:
        assert name in {*BUILD_RANGES, *ON_WINDOWS} or any(each.startswith(name) for each in windows)
