"""The tables against a second reading of the same sources: each digit has to be wrong twice to stay."""

from __future__ import annotations

import csv
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from imcprobe.fingerprint.builds import exchange_possible, windows_release
from imcprobe.knowledge.components import COMPONENTS
from imcprobe.knowledge.fixes import FIXES
from imcprobe.knowledge.lifecycle import SUPPORT
from imcprobe.knowledge.releases import RELEASES
from imcprobe.knowledge.windows import WINDOWS

if TYPE_CHECKING:
    from imcprobe.model import Release

FILE = Path(__file__).parents[2] / "fixtures" / "builds" / "builds.tsv"
OWN_BUILDS = (*RELEASES, *FIXES)

LEVEL = re.compile(r"([0-9.]+a?)(?: (RTM|SP[0-9]))?(?: to (RTM|SP[0-9]))?( on)?")
ARTICLE = re.compile(r"\b(?:Q[0-9]{6}|KB [0-9]{6}|MS[0-9]{2}-[0-9]{3}|CVE-[0-9]{4}-[0-9]{4}|Recog)\b")
MONTH = re.compile(r"(?:\b([A-Z][a-z]+) )?\b((?:19|20)[0-9]{2})\b")
YEAR = re.compile(r"\b[0-9]{4}\b")
# Commas inside brackets do not separate parts.
BETWEEN_PARTS = re.compile(r", (?![^(]*\))")


class Witness(NamedTuple):
    table: str
    build: str
    level: str
    kind: str
    detail: str
    sources: str

    @property
    def release(self) -> tuple[str, str | None, str]:
        """Version, service pack and name that a level stands for."""
        found = LEVEL.fullmatch(self.level)
        assert found is not None, self.level
        version, after, before, on = found.groups()
        pack = None if after in (None, "RTM") else after
        reached = "" if pack is None else f" {spelled(pack)}"
        name = f"Exchange Server {version}"
        if before == "RTM":
            name += ", before release"
        elif before:
            name += (f", after{reached}" if reached else "") + f", before {spelled(before)}"
        else:
            name += reached + (" with later fixes" if on else "")
        return version, pack, name


def spelled(pack: str) -> str:
    return f"Service Pack {pack.removeprefix('SP')}"


def witnesses(table: str) -> list[Witness]:
    with FILE.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t")
    assert header == list(Witness._fields)
    return [witness for witness in map(Witness._make, rows) if witness.table == table]


def cited(table: str, row: Release) -> set[str]:
    """The articles that the witness of a row cites."""
    (sources,) = [
        witness.sources
        for witness in witnesses(table)
        if (witness.build, witness.release[2]) == (str(row.build), row.name)
    ]
    return set(sources.split())


def test_the_witness_has_sixty_builds_of_which_one_has_two_names() -> None:
    builds = [witness.build for witness in witnesses("ims")]
    assert (len(builds), len(set(builds))) == (61, 60)


@pytest.mark.parametrize(
    ("table", "rows"), [("ims", OWN_BUILDS), ("component", COMPONENTS)], ids=["builds", "components"]
)
def test_every_row_has_the_build_the_release_and_the_kind_of_its_witness(
    table: str, rows: tuple[Release, ...]
) -> None:
    ours = [(str(row.build), row.version, row.service_pack, row.name, str(row.kind)) for row in rows]
    theirs = [(witness.build, *witness.release, witness.kind) for witness in witnesses(table)]
    assert sorted(ours, key=str) == sorted(theirs, key=str)


def test_every_other_component_is_the_one_that_its_witness_names() -> None:
    ours = {(str(row.build), row.name): sorted(BETWEEN_PARTS.split(row.note or "")) for row in COMPONENTS}
    theirs = {
        (witness.build, witness.release[2]): witness.detail.split("; ") for witness in witnesses("component")
    }
    assert ours == theirs


@pytest.mark.parametrize("row", OWN_BUILDS, ids=lambda row: f"{row.build}-{row.version}")
def test_a_build_cites_only_articles_that_its_witness_cites_too(row: Release) -> None:
    ours = {article.replace(" ", "") for article in ARTICLE.findall(f"{row.source} {row.note}")}
    assert ours <= cited("ims", row)


@pytest.mark.parametrize("row", COMPONENTS, ids=lambda row: f"{row.build}-{row.version}{row.service_pack}")
def test_a_component_cites_all_articles_that_its_witness_cites(row: Release) -> None:
    assert set(row.source.split(", ")) == cited("component", row)


@pytest.mark.parametrize(
    "row",
    [row for row in OWN_BUILDS if MONTH.search(f"{row.source} {row.note}")],
    ids=lambda row: str(row.build),
)
def test_a_date_beside_a_build_is_that_of_its_witness(row: Release) -> None:
    (dated,) = [witness.detail for witness in witnesses("ims") if witness.build == str(row.build)]
    first, *later = dated.split()
    seen = date.fromisoformat(first)
    (month, _), *_ = told = MONTH.findall(f"{row.source} {row.note}")
    assert [year for _, year in told] == [f"{seen:%Y}", *later]
    assert month in ("", f"{seen:%B}")


def test_every_windows_release_is_that_of_its_witness() -> None:
    ours = [(".".join(str(part) for part in row.version if part is not None), row.name) for row in WINDOWS]
    assert ours == [(witness.build, witness.level) for witness in witnesses("windows")]


@pytest.mark.parametrize("witness", witnesses("capture"), ids=lambda witness: witness.build)
def test_a_captured_version_is_that_of_the_windows_it_came_from(witness: Witness) -> None:
    assert windows_release(witness.build) == witness.level


@pytest.mark.parametrize("witness", witnesses("windows"), ids=lambda witness: witness.build)
def test_exchange_is_possible_where_exchange_2000_or_2003_ran(witness: Witness) -> None:
    version = witness.build if witness.build.count(".") == 3 else f"{witness.build}.1"
    assert exchange_possible(version) is (witness.kind == "exchange")


def test_support_ended_when_its_witness_says() -> None:
    ours = {product: (support.state, support.date or "-") for product, support in SUPPORT.items()}
    assert ours == {witness.build: (witness.kind, witness.level) for witness in witnesses("support")}


@pytest.mark.parametrize(
    "witness", [each for each in witnesses("support") if each.detail != "-"], ids=lambda each: each.build
)
def test_the_other_date_of_support_is_told_beside_it(witness: Witness) -> None:
    other, *product = witness.detail.split()
    ended = date.fromisoformat(other)
    note = SUPPORT[witness.build].note or ""
    assert f"{ended.day} {ended:%b %Y}" in note
    assert sorted(YEAR.findall(note)) == sorted([f"{ended:%Y}", *product])
