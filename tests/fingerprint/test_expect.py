from __future__ import annotations

import pytest

from imcprobe.errors import UsageError
from imcprobe.fingerprint.expect import FAIL_ON, parse_expect, parse_fail_on
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Observation, Result, Status, Target

IMS = "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service {}) ready\r\n"
IMC = "220 mx.example.com Microsoft Exchange Internet Mail Connector {} ready\r\n"
POSTFIX = "220 mx.example.com ESMTP Postfix\r\n"
WINDOWS = "220 mx.example.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready\r\n"
W2000_SP3, W2000_SP4 = (WINDOWS.replace("6.0.3790.4675", f"5.0.2195.{revision}") for revision in (5329, 6713))
FIXED = ["5.5.2656.59", "5.5.2700.1", W2000_SP4]
# Whether anything is fixed, these do not show: whatever touches the product is no condition.
UNCERTAIN = ["5.0.1458.49", "5.0.2650.21", "5.5.2650.24", "5.5.2656", "5.5.x", WINDOWS]
LATER = "220 mx.example.com Microsoft ESMTP MAIL Service ready at now\r\n"


def result(said: str, status: Status = Status.SUCCESS) -> Result:
    form = IMC if said.startswith("4.0") else IMS
    greeting = form.format(said) if said[:1].isdecimal() and not said.startswith("220") else said
    return conclude(Observation(Target("192.0.2.1"), "192.0.2.1", status, greeting=greeting.encode()))


@pytest.mark.parametrize(
    ("word", "hits", "misses"),
    [
        ("exchange", ["5.5.2653.13", LATER, "4.0.837.3"], [POSTFIX, WINDOWS, ""]),
        ("outdated", ["5.5.2650.21", "5.5.2650", "4.0.993.5"], ["5.5.2656.59", "5.0.1460.8", POSTFIX]),
        ("unsupported", ["5.5.2653.13", "4.0.837.3"], [LATER, POSTFIX, ""]),
        ("vulnerable", ["5.5.2650.21", "5.5.2653.13", W2000_SP3], [*FIXED, *UNCERTAIN, POSTFIX, ""]),
        ("unknown", ["5.5.x", "5.5.2650.24", "5.0.2653.13"], ["5.5.2653.13", "5.5.2700.0", POSTFIX, ""]),
        ("unreached", [""], [POSTFIX, "5.5.2653.13"]),
    ],
)  # fmt: skip
def test_a_word_says_what_it_says(word: str, hits: list[str], misses: list[str]) -> None:
    (condition,) = parse_fail_on(word).values()
    assert [said for said in hits if not condition(result(said))] == []
    assert [said for said in misses if condition(result(said))] == []


def test_several_words_are_several_conditions() -> None:
    words = ("exchange", "unreached")
    assert parse_fail_on("exchange, unreached") == {word: FAIL_ON[word] for word in words}


@pytest.mark.parametrize("text", ["", "vulnerabel", "exchange,", "\x1b[2J"])
def test_an_unknown_word_is_refused_with_those_that_are_known(text: str) -> None:
    with pytest.raises(
        UsageError,
        match=r"--fail-on .* Known: exchange, outdated, unsupported, vulnerable, unknown, unreached\.",
    ):
        parse_fail_on(text)


@pytest.mark.parametrize(
    ("expected", "met", "unmet"),
    [
        ("5.5sp4", ["5.5.2653.13", "5.5.2656.59", "5.5.2700.1"], ["5.5.2652.78", "5.0.2653.13"]),
        ("5.5sp4", [], ["5.5.2653.23"]),
        ("5.5 SP3", ["5.5.2650.21", "5.5.2652.78", "5.5.2652.1"], ["5.5.2653.13", "5.5.2650.1", "5.5.2650"]),
        ("5.5rtm", ["5.5.1960.3", "5.5.2186.0"], ["5.5.2232.9", "5.5.1664.3"]),
        ("5.5", ["5.5.1960.3", "5.5.2653.13", "5.5.2700.1"], ["5.5.1664.3", "5.0.1460.8", "5.5.x", LATER]),
        ("5.0rtm", ["5.0.1457.3", "5.0.1457.10", "5.0.1457.11", "5.0.1458.30"], ["5.0.1458.49"]),
        ("4.0sp2", ["4.0.993.5"], ["4.0.838.14", "4.0.994.63"]),
        ("4.0a", ["4.0.993.5", "4.0.994.63", "4.0.997.1"], ["4.0.837.3", "4.0.838.14"]),
        ("4.0artm", ["4.0.993.5"], ["4.0.838.14", "4.0.994.63"]),
        ("4.0sp3", ["4.0.994.63"], ["4.0.995.52"]),
        ("4.0a service pack 3", ["4.0.994.63"], ["4.0.995.52"]),
        ("4.0", ["4.0.837.3", "4.0.997.1"], ["5.0.1457.10"]),
        (">=5.5sp3", ["5.5.2650.21", "5.5.2653.13"], ["5.5.2650.1", "5.0.1460.8", "5.5.2650", LATER]),
        (">= 5.0sp1", ["5.0.1458.49", "5.5.1960.3"], ["5.0.1457.10", "4.0.996.62"]),
        (">=5.5", ["5.5.1960.3", "5.5.2653.13"], ["4.0.837.3", "5.0.1460.8", "5.5.1664.3"]),
        (">=5.0", ["5.0.1457.3", "5.5.1960.3"], ["4.0.996.62"]),
        ("none", [POSTFIX, WINDOWS], ["5.5.2653.13", LATER]),
    ],
)  # fmt: skip
def test_an_expectation_is_a_range_of_builds(expected: str, met: list[str], unmet: list[str]) -> None:
    expectation = parse_expect(expected)
    assert [said for said in met if not expectation.met(result(said))] == []
    assert [said for said in unmet if expectation.met(result(said))] == []


def test_a_cut_off_greeting_meets_nothing() -> None:
    assert not parse_expect("5.5").met(result(IMS.format("5.5.2653.13")[:-10], Status.CONNECTION_CLOSED))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5.5sp5",
        "6.0",
        "sp4",
        ">5.5",
        "=5.5sp4",
        ">=none",
        "5.0a",
        "4.0asp1",
        "4.0asp2",
        "2653.13",
        "\x1b",
    ],
)
def test_an_unknown_expectation_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match=r'unknown\. Write 5\.5sp4, 5\.5, 5\.5rtm, ">=5\.5sp3" or none\.'):
        parse_expect(text)
