"""Every concrete greeting that is documented or was captured, with the answer that is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imcprobe.fingerprint.identify import identify

FOLDER = Path(__file__).parents[2] / "fixtures" / "greetings"
CASES: list[dict[str, Any]] = [
    json.loads(line)
    for name in ("greetings.jsonl", "variants.jsonl")
    for line in (FOLDER / name).read_text().splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case['form']}-{case['source']}" for case in CASES])
def test_the_answer_is_the_right_one(case: dict[str, Any]) -> None:
    answer = identify(case["greeting"])
    if case["expect"] is None:
        assert answer is None
        return
    assert answer is not None
    assert {
        "family": answer.family,
        "product": answer.product,
        "build": answer.build,
        "match": answer.match,
        "releases": [release.name for release in answer.releases],
        "confidence": answer.confidence,
        "caveats": list(answer.caveats),
        "host": answer.host,
    } == case["expect"]


@pytest.mark.parametrize("case", [case for case in CASES if case["form"] == "not_exchange"], ids=str)
def test_a_look_alike_is_no_exchange(case: dict[str, Any]) -> None:
    answer = identify(case["greeting"])
    assert answer is None or not answer.exchange


@pytest.mark.parametrize(
    "case", [case for case in CASES if "MAIL Service, Version: " in case["greeting"]], ids=str
)
def test_a_number_of_windows_names_no_release_of_exchange(case: dict[str, Any]) -> None:
    answer = identify(case["greeting"])
    assert answer is not None
    assert (answer.releases, answer.exchange, answer.cpe) == ((), False, ())


@pytest.mark.parametrize("case", CASES, ids=[f"{case['form']}-{case['source']}" for case in CASES])
def test_no_release_is_named_from_an_unfinished_number(case: dict[str, Any]) -> None:
    greeting = case["greeting"]
    whole = identify(greeting)
    named = whole.releases if whole is not None else ()
    for end in range(len(greeting)):
        cut = identify(greeting[:end])
        assert cut is None or cut.releases in ((), named), greeting[:end]
