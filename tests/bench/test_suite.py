"""The benchmarks decide whether a change lands, so what they decide with is tested."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bars import Bar, Verdict, judged
from contenders import ClosedPort, Contender, Ground, interleaved, ratio, refer, scan
from conversations import answers
from measure import CommandError, Run, measured
from networks import Networks
from programs import compiled, serving, without_compiler
from report import workload_table
from workloads import Outcome

if TYPE_CHECKING:
    from programs import Programs

_RUN = Run(user=1.0, system=0.5, wall=2.0, rss_mb=30.0, found=10)


@pytest.mark.parametrize(
    ("measured", "word", "fails"),
    [(None, "not measured", False), (1.0, "goal", False), (1.1, "passes", False), (1.3, "FAILS", True)],
)
def test_a_figure_is_held_against_its_bar(measured: float | None, word: str, *, fails: bool) -> None:
    verdict = Verdict(Bar("key", "name", 1.0, 1.2), measured)
    assert (verdict.word, verdict.fails) == (word, fails)


def test_some_bars_want_more() -> None:
    bar = Bar("rate", "name", 0.85, 0.7, more_is_better=True)
    figures = [judged((bar,), {"rate": figure})[0].word for figure in (0.9, 0.8, 0.6)]
    assert figures == ["goal", "passes", "FAILS"]


def test_no_network_is_scanned_again_while_its_connections_rest() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    networks = Networks(lambda: now[0], sleep)
    taken = [networks.take(16) for _ in range(255)]
    assert len(set(taken)) == len(taken)
    assert (taken[0], taken[-1], slept) == ("127.1.0.0/16", "127.255.0.0/16", [])
    assert networks.take(16) == taken[0]
    assert slept == [120.0]


def test_networks_of_any_size_begin_where_they_can() -> None:
    networks = Networks()
    taken = [networks.take(bits) for bits in (18, 20, 16, 12, 16)]
    assert taken == ["127.1.0.0/18", "127.1.64.0/20", "127.2.0.0/16", "127.16.0.0/12", "127.32.0.0/16"]


def test_contenders_take_turns_and_every_other_time_backwards() -> None:
    order: list[str] = []

    def contender(name: str) -> Contender:
        def run() -> Run:
            order.append(name)
            return _RUN

        return Contender(name, 10, run)

    rows = interleaved([contender("a"), contender("b")], 2)
    assert order == ["a", "b", "b", "a"]
    assert [len(row.runs) for row in rows.values()] == [2, 2]


def test_a_ratio_is_taken_within_each_repetition() -> None:
    assert ratio([1.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == 2.0


def test_the_table_shows_the_worst_of_what_was_found() -> None:
    rows = interleaved([Contender("a", 10, lambda: _RUN, "b"), Contender("b", 10, lambda: _RUN)], 2)
    rows["a"].runs[0] = replace(_RUN, user=4.0, found=9)
    name, _, first, second, note = workload_table("answer", Outcome([*rows.values()], notes=["so"])).split(
        "\n"
    )
    assert (name, first.split()[:3], second.split()[2], note) == ("answer", ["a", "10", "9"], "10", "  so")
    assert first.endswith("2.00 of b")
    assert rows["a"].missed() == 1


def test_the_cost_of_a_command_is_that_of_its_children_too() -> None:
    burn = "import os; list(range(3_000_000)); print(os.isatty(2))"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    nothing = measured([sys.executable, "-c", "pass"])
    run = measured([sys.executable, "-c", child])
    assert run.cpu > nothing.cpu


def test_a_command_that_fails_is_quoted() -> None:
    with pytest.raises(CommandError, match=r"exit code 1, too bad$"):
        measured([sys.executable, "-c", "raise SystemExit('too bad')"])


def test_stderr_can_be_a_terminal(tmp_path: Path) -> None:
    out = tmp_path / "out"
    measured([sys.executable, "-c", "import os; print(os.isatty(2))"], stdout=out, on_terminal=True)
    assert out.read_text() == "True\n"


def test_the_programs_talk_to_each_other(tmp_path: Path, programs: Programs) -> None:
    ground = Ground(programs, tmp_path, 1)
    late = ["--slow", "50", "--delay", "200"] if programs.reference else []
    with serving([*programs.target, *late]) as port:
        assert scan(ground, ground.networks.take(28), port).found == 16
        if programs.reference:
            assert refer(ground, ground.networks.take(28), port, "--quit").found == 16
            assert refer(ground, ground.networks.take(28), port).found == 16
            assert refer(ground, ground.networks.take(28), port, "--timeout", "50").found in range(1, 16)


def test_a_part_of_the_addresses_refuses_and_the_others_have_keywords(tmp_path: Path) -> None:
    programs = compiled(tmp_path)
    if programs is None:
        pytest.skip("no C compiler")
    ground = Ground(programs, tmp_path, 1)
    with serving([*programs.target, "--refusing", "50"]) as port, ClosedPort() as closed:
        greeted = scan(ground, "127.1.0.0/28", port, "--ehlo", closed=[closed]).found
        assert greeted is not None
        assert greeted in range(1, 16)
        assert answers(ground.records, asked=True) == 16
        assert scan(ground, "127.1.0.0/28", port, closed=[closed]).found == greeted
        assert answers(ground.records, asked=False) == 16
        assert answers(ground.records, asked=True) == 16 - greeted


def test_an_answer_that_is_not_in_the_records_is_lost(tmp_path: Path) -> None:
    greeted = {"type": "result", "code": 220, "keywords": {"SIZE": []}}
    records = [
        {"type": "scan"},
        {**greeted, "ip": "127.1.0.0"},
        {**greeted, "ip": "127.1.0.0"},  # a second time
        {**greeted, "ip": "127.1.0.1", "keywords": None},
        {**greeted, "ip": "127.1.0.2", "keywords": {}},
        {"type": "result", "code": 554, "ip": "127.1.0.3", "keywords": None},
        {"type": "result", "code": None, "ip": "127.1.0.4", "keywords": None},
        {"type": "summary"},
    ]
    path = tmp_path / "scan.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert (answers(path, asked=True), answers(path, asked=False)) == (2, 4)


def test_a_closed_port_is_closed(tmp_path: Path, programs: Programs) -> None:
    ground = Ground(programs, tmp_path, 1)
    with ClosedPort() as port:
        assert scan(ground, "127.1.0.0/28", port, counted="connection-refused").found == 16
        if programs.reference:
            assert refer(ground, "127.1.0.0/28", port, counted="refused").found == 16


def test_a_workload_that_does_not_exist_is_named() -> None:
    suite = Path(__file__).with_name("suite.py")
    done = subprocess.run(
        [sys.executable, str(suite), "--only", "answer,nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no workload 'nothing'" in done.stderr


@pytest.fixture(params=["with a compiler", "without"])
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Programs:
    made = compiled(tmp_path) if request.param == "with a compiler" else without_compiler()
    if made is None:
        pytest.skip("no C compiler")
    return made
