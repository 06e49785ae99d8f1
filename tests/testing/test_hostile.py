"""The hostile fleet as a table; what its servers do is shown by the scan of all of it (`tests/probe`)."""

from __future__ import annotations

import pytest

from imcprobe.errors import UsageError
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Observation, Status, Target
from imcprobe.testing import HOSTILE, Case, Expected, greeting_for, hostile_cases
from imcprobe.testing.hostile.case import sp3
from imcprobe.testing.manner import EHLO_5_5

SP3 = greeting_for("5.5.2650.21")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_class_has_eight_different_servers_at_least(name: str) -> None:
    cases = HOSTILE[name]
    assert len(cases) >= 8
    assert len({case.name for case in cases}) == len({case.does for case in cases}) == len(cases)
    # What they say differs, or how they say it: each has a greeting or a script of its own.
    assert len({does_what(case) for case in cases}) == len(cases)


def does_what(case: Case) -> tuple[object, ...]:
    member = case.member
    steps = [(fault.point, repr(fault.behave)) for fault in member.faults]
    return member.greeting, *steps, member.refused, member.deaf, member.manner, repr(member.tls)


def test_a_server_has_a_name_for_the_command_line_and_half_a_sentence_on_what_it_does() -> None:
    for name, case in hostile_cases().items():
        assert name.replace("-", "").replace("/", "").isalnum()
        assert name.islower() or name[-3:].isdigit()
        assert case.does.isprintable()
        assert not case.does.endswith(".")


def test_the_fleet_can_be_had_whole_or_by_class() -> None:
    assert len(hostile_cases()) == sum(map(len, HOSTILE.values()))
    assert set(hostile_cases("timing", "ehlo")) == {
        f"{name}/{case.name}" for name in ("timing", "ehlo") for case in HOSTILE[name]
    }


def test_a_class_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UsageError, match=r"fleet 'nice': unknown\. Known: timing, framing, .*, tls, ntlm\."):
        hostile_cases("nice")


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (Observation(Target("a"), None, Status.SUCCESS, SP3, EHLO_5_5), []),
        (
            Observation(Target("a"), None, Status.SUCCESS, SP3, ("mx",)),
            [f"ehlo: ('mx',) instead of {EHLO_5_5!r}"],
        ),
        (
            Observation(Target("a"), None, Status.SUCCESS, SP3 + SP3, EHLO_5_5),
            [
                "more: False instead of True",
                "caveats: (<Caveat.EARLY_DATA: 'early-data'>,) instead of ()",
            ],
        ),
        (
            Observation(Target("a"), None, Status.IO_TIMEOUT, SP3[:9], EHLO_5_5),
            [
                f"status: {Status.IO_TIMEOUT!r} instead of {Status.SUCCESS!r}",
                f"kept: {SP3[:9]!r} instead of {SP3!r}",
                "family: None instead of <Family.EXCHANGE_IMS: 'exchange-ims'>",
                "product: None instead of 'Exchange Server 5.5'",
                "build: None instead of '5.5.2650.21'",
                "releases: () instead of ('Exchange Server 5.5 Service Pack 3',)",
            ],
        ),
    ],
    ids=["nothing", "keywords", "more than came", "half of it"],
)
def test_what_a_result_has_that_it_should_not_is_told(seen: Observation, told: list[str]) -> None:
    assert sp3().differences(conclude(seen), ehlo=True) == told


def test_keywords_count_only_where_they_were_asked_for() -> None:
    seen = conclude(Observation(Target("a"), None, Status.SUCCESS, SP3))
    assert sp3().differences(seen) == []
    assert [line[:4] for line in sp3().differences(seen, ehlo=True)] == ["ehlo"]


def test_a_reset_may_come_before_what_was_said() -> None:
    seen = conclude(Observation(Target("a"), None, Status.CONNECTION_RESET))
    assert sp3(or_reset=True).differences(seen) == []
    assert sp3().differences(seen) != []
    assert Expected(Status.IO_TIMEOUT).differences(seen) != []


def test_a_scanner_may_keep_so_many_bytes_more_and_not_one_beyond() -> None:
    expected = Expected(Status.IO_TIMEOUT, b"22", 1)
    for said, told in ((b"22x", []), (b"22xy", ["more: False instead of True"])):
        assert expected.differences(conclude(Observation(Target("a"), None, Status.IO_TIMEOUT, said))) == told


def test_keywords_that_nobody_asked_for_are_a_difference() -> None:
    seen = conclude(Observation(Target("a"), None, Status.SUCCESS, SP3, ("mx",)))
    assert sp3().differences(seen) == ["ehlo: ('mx',) instead of None"]
