"""What greetings show of advisories: each row of the table around its builds, and what shows nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imcprobe.fingerprint.advisories import advisories_of, fixes_of, with_advisories
from imcprobe.fingerprint.answer import of_build
from imcprobe.fingerprint.identify import conclude, identify
from imcprobe.knowledge.advisories import ADVISORIES, AdvisoryRow
from imcprobe.knowledge.lifecycle import EXCHANGE_ON_WINDOWS_NAME
from imcprobe.meaning import State
from imcprobe.model import Build, Family, Identification, Observation, Status, Target

IMS = "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service {}) ready\r\n"
WINDOWS = "220 mx.example.com Microsoft ESMTP MAIL Service, Version: {} ready\r\n"
NT4 = "220-mx Microsoft SMTP MAIL ready at now Version: 5.5.1877.197.19\r\n220 ESMTP spoken here\r\n"
IMC = "220 mx.example.com Microsoft Exchange Internet Mail Connector {} ready\r\n"
SPLIT = [row for row in ADVISORIES if row.fixed_in is not None]


def identified(greeting: str) -> Identification:
    found = identify(greeting)
    assert found is not None
    return found


def of_version(build: Build, row: AdvisoryRow) -> Identification:
    form = WINDOWS if row.touches == ("Windows 2000",) else IMS
    return identified(form.format(build))


def ids(found: Identification, state: State) -> list[str]:
    return [each.id for each in found.advisories if each.state is state]


def step(build: Build, by: int) -> Build:
    return replace(build, revision=(build.revision or 0) + by)


@pytest.mark.parametrize("row", SPLIT, ids=lambda row: row.id)
def test_a_build_with_the_fix_and_those_above_it_show_the_fix(row: AdvisoryRow) -> None:
    assert row.fixed_in is not None
    for build in (row.fixed_in, step(row.fixed_in, 2)):  # 2656.60 is one of another component
        found = of_version(build, row)
        assert row.id not in [each.id for each in found.advisories]
        assert row in fixes_of(found)


@pytest.mark.parametrize("row", SPLIT, ids=lambda row: row.id)
def test_a_build_right_below_is_without_the_fix_or_shows_nothing(row: AdvisoryRow) -> None:
    assert row.fixed_in is not None
    found = of_version(step(row.fixed_in, -1), row)
    expected = State.NOT_FIXED if row.missing_below == row.fixed_in else State.NOT_SHOWN
    assert row.id in ids(found, expected)
    assert row not in fixes_of(found)
    if row.missing_below is not None:
        assert row.id in ids(of_version(step(row.missing_below, -1), row), State.NOT_FIXED)


@pytest.mark.parametrize(
    ("build", "missing"),
    [
        ("5.5.1960.3", ["MS99-027", "Q264330", "MS02-037"]),
        ("5.5.1664.3", ["MS99-027", "Q264330", "MS02-037"]),
        ("5.5.2448.0", ["MS99-027", "Q264330", "MS02-037"]),
        ("5.5.2516.7", ["MS99-027", "Q264330", "MS02-037"]),
        ("5.5.2650.21", ["Q264330", "MS02-037"]),
        ("2650.21", ["Q264330", "MS02-037"]),
        ("5.5.2650.3", ["Q264330", "MS02-037"]),
        ("5.5.2653.13", ["MS02-037"]),
        ("5.5.2655.21", ["MS02-037"]),
        ("5.5.2656.59", []),
        ("5.5.2700.1", []),
        ("5.0.1460.8", []),
    ],
)
def test_a_build_that_is_read_for_certain_tells_which_fixes_are_missing(
    build: str, missing: list[str]
) -> None:
    assert ids(identified(IMS.format(build)), State.NOT_FIXED) == missing
    assert ids(of_build(Build.parse(build)), State.NOT_FIXED) == missing


@pytest.mark.parametrize(
    ("build", "missing", "unseen"),
    [
        ("5.5.2650", ["Q264330", "MS02-037"], "MS99-027"),
        ("5.5.2652", ["MS02-037"], "Q264330"),
        ("5.5.2656", [], "MS02-037"),
    ],
)
def test_a_number_without_a_revision_may_have_any(build: str, missing: list[str], unseen: str) -> None:
    found = identified(IMS.format(build))
    assert ids(found, State.NOT_FIXED) == missing
    assert unseen in ids(found, State.NOT_SHOWN)


@pytest.mark.parametrize("build", ["5.5.2650.24", "5.0.2650.21", "5.5.x", "5.5", "5.5.2653.19"])
def test_a_build_that_is_not_certain_shows_nothing(build: str) -> None:
    found = identified(IMS.format(build))
    assert ids(found, State.NOT_FIXED) == []
    assert fixes_of(found) == ()
    if build != "5.0.2650.21":
        assert {"MS99-027", "Q264330", "MS02-037"} <= set(ids(found, State.NOT_SHOWN))


def test_a_greeting_that_was_cut_off_shows_nothing() -> None:
    whole = "220-mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2448.0) ready\r\n"
    part = Observation(Target("192.0.2.1"), "192.0.2.1", Status.CONNECTION_CLOSED, whole.encode())
    found = conclude(part).identification
    assert found is not None
    assert found.build == "5.5.2448.0"
    assert ids(found, State.NOT_FIXED) == []
    assert ids(identified(IMS.format("5.5.2448.0")[: -len(") ready\r\n")]), State.NOT_FIXED) == []
    assert ids(identified(WINDOWS.format("5.0.2195.2966")[: -len(" ready\r\n")]), State.NOT_FIXED) == []


@pytest.mark.parametrize(
    ("greeting", "missing", "unseen"),
    [
        (WINDOWS.format("5.0.2195.5329"), ["CVE-2003-1106"], ["MS02-011", "MS02-012", "CVE-2002-1790"]),
        (WINDOWS.format("5.0.2195.6621"), [], ["MS02-011", "MS02-012", "CVE-2002-1790", "CVE-2003-1106"]),
        (WINDOWS.format("5.0.2195.6713"), [], ["MS02-011", "MS02-012", "CVE-2002-1790"]),
        (WINDOWS.format("6.0.2600.5512"), [], ["MS02-012"]),
        (WINDOWS.format("6.0.3790.3959"), [], ["MS04-035"]),
        (WINDOWS.format("10.0.14393.0"), [], []),
        (WINDOWS.format("00005.0.2195.1"), ["CVE-2003-1106"], ["MS02-011", "MS02-012", "CVE-2002-1790"]),
        (WINDOWS.format("14.1.218.15"), [], []),
        (NT4, [], ["MS02-011", "CVE-2002-1790"]),
        (IMC.format("4.0.994.63"), [], ["CVE-1999-0284"]),
        (IMS.format("6.5.7638.1"), [], []),
        ("220 mx.example.com Microsoft ESMTP MAIL Service ready at now\r\n", [], []),
        ("554 mx.example.com Microsoft ESMTP MAIL Service, Version: 5.0.2195.5329\r\n", [], []),
        ("220 mx.example.com ESMTP Postfix\r\n", [], []),
    ],
)  # fmt: skip
def test_an_advisory_is_told_of_what_it_touches_and_of_nothing_else(
    greeting: str, missing: list[str], unseen: list[str]
) -> None:
    found = identified(greeting)
    assert ids(found, State.NOT_FIXED) == missing
    assert ids(found, State.NOT_SHOWN) == unseen


def test_an_exchange_on_windows_has_its_own_advisories_and_those_of_the_windows_that_touch_it() -> None:
    raised = {
        version: with_advisories(
            replace(identified(WINDOWS.format(version)), product=EXCHANGE_ON_WINDOWS_NAME)
        )
        for version in ("5.0.2195.5329", "6.0.3790.3959")
    }
    exchange = ["MS02-012", "MS03-046", "MS04-035", "MS05-021", "MS06-003", "MS06-019"]
    assert ids(raised["6.0.3790.3959"], State.NOT_SHOWN) == exchange
    assert ids(raised["5.0.2195.5329"], State.NOT_FIXED) == ["CVE-2003-1106"]
    # MS02-011 says that servers with Exchange 2000 are not affected.
    assert set(ids(raised["5.0.2195.5329"], State.NOT_SHOWN)) == {*exchange, "CVE-2002-1790"}


def test_what_is_missing_comes_first() -> None:
    states = [each.state for each in identified(IMS.format("5.5.1960.3")).advisories]
    assert states == sorted(states, key=[State.NOT_FIXED, State.NOT_SHOWN].index)


def test_an_advisory_has_all_that_its_row_has() -> None:
    (told,) = [each for each in identified(IMS.format("5.5.2653.13")).advisories if each.id == "MS02-037"]
    (row,) = [row for row in ADVISORIES if row.id == "MS02-037"]
    assert (told.cve, told.title, told.source) == (row.cve, row.title, row.source)
    assert told.fixed_in == "5.5.2656.59"


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("build", [None, "", "x", "5.0.2195.x", "2195.1", "1.2.3.4.5"])
def test_whatever_stands_for_a_build_of_another_kind_is_no_error(family: Family, build: str | None) -> None:
    told = advisories_of(Identification(family, "Exchange Server 5.5", build=build))
    assert [each for each in told if each.state is State.NOT_FIXED] == []


@pytest.mark.parametrize("build", ["5.5.0.0", "5.5.1.2", "5.5.7"])
def test_a_number_that_no_internet_mail_service_can_have_shows_nothing(build: str) -> None:
    """It was written by a hand, perhaps to hide the one that was there."""
    found = identify(f"220 mx ESMTP Server (Microsoft Exchange Internet Mail Service {build}) ready\r\n")
    assert found is not None
    assert {each.state for each in found.advisories} == {State.NOT_SHOWN}


def test_what_is_fixed_elsewhere_than_in_the_service_is_never_shown_by_its_build() -> None:
    for build in ("5.5.1960.3", "5.5.2653.13", "5.5.2658.27"):
        found = of_build(Build.parse(build))
        shown = {each.id: each for each in found.advisories}
        assert (shown["MS00-082"].state, shown["MS00-082"].fixed_in) == (State.NOT_SHOWN, None)
