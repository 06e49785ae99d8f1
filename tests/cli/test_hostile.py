"""The hostile fleet scanned by the command, as a user would: what it costs, what it writes, what it shows."""

from __future__ import annotations

import csv
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import unicodedata
from typing import TYPE_CHECKING

import jsonschema

from imcprobe.fingerprint.identify import conclude
from imcprobe.outputs.columns import COLUMNS
from imcprobe.outputs.schema import json_schema
from imcprobe.safetext import safe
from imcprobe.sources.records import observation
from imcprobe.testing import HOSTILE, hostile_cases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imcprobe.testing.factories import FleetFactory

    OnATerminal = Callable[..., bytes]

LIMIT, DEADLINE = 3.0, 4.5
LIMITS = ("--connect-timeout", str(LIMIT), "--greeting-timeout", str(LIMIT), "--deadline", str(DEADLINE))
# Besides what begins with C: separators of lines and paragraphs, and marks that go onto other letters.
UNSEEN = frozenset({"Zl", "Zp", "Mn", "Me"})
MAX_CPU, MAX_RSS_MB = 6.0, 80.0
WITHOUT_COVERAGE = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
# The peak of this program alone: what a parent is told of a child may be the parent's own.
MEASURED = """
import json, re, sys, time
from imcprobe.cli.app import run
code = run(sys.argv[2:])
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
json.dump({"code": code, "cpu": time.process_time(), "rss_mb": peak}, open(sys.argv[1], "w"))
"""


def test_the_hostile_fleet_costs_little_and_each_of_it_has_a_record_as_stated(
    imc_fleet: FleetFactory, tmp_path: Path
) -> None:
    cases = hostile_cases()
    fleet = imc_fleet([case.member for case in cases.values()])
    of_place = dict(zip(fleet.addresses, cases.items(), strict=True))
    outputs = [f for ending in ("jsonl", "json", "csv", "txt") for f in ("-o", tmp_path / f"a.{ending}")]
    began = time.monotonic()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            MEASURED,
            tmp_path / "cost",
            "scan",
            *fleet.addresses,
            "--tls",
            "--ntlm",
            *LIMITS,
            *outputs,
        ],
        capture_output=True,
        timeout=30,
        check=False,
        env=WITHOUT_COVERAGE,
    )
    assert time.monotonic() - began < DEADLINE + 1
    cost = json.loads((tmp_path / "cost").read_text())
    assert cost["code"] == 0
    assert cost["cpu"] < MAX_CPU
    assert cost["rss_mb"] < MAX_RSS_MB

    head, *records, summary = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    validator = jsonschema.Draft202012Validator(json_schema())
    for record in (head, *records, summary):
        validator.validate(record)
    assert summary["complete"] is True
    assert sorted(f"{each['target']}:{each['port']}" for each in records) == sorted(of_place)
    wrong = {}
    for record in records:
        name, case = of_place[f"{record['target']}:{record['port']}"]
        result = conclude(observation(record, name, probed=True))
        wrong[name] = case.expected.differences(result, ehlo=True, tls=True, ntlm=True)
    assert {name: each for name, each in wrong.items() if each} == {}

    everything = b"".join(path.read_bytes() for path in tmp_path.glob("a.*")) + done.stdout + done.stderr
    check_that_nothing_is_raw(everything)
    assert json.loads((tmp_path / "a.json").read_text())["results"] == records
    with (tmp_path / "a.csv").open(newline="") as sheet:
        rows = [*csv.reader(sheet, strict=True)]
    assert len(rows) == len(cases) + 1
    assert {len(row) for row in rows} == {len(COLUMNS)}
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(cases)
    assert {line.count("\t") for line in lines} == {sum(column.line for column in COLUMNS) - 1}
    assert len((tmp_path / "a.txt").read_text().splitlines()) == len(cases) + 2


def test_a_hostile_fleet_that_is_left_and_gone_back_to_is_whole(
    imc_fleet: FleetFactory, tmp_path: Path
) -> None:
    cases = hostile_cases()
    fleet = imc_fleet([case.member for case in cases.values()])
    out = tmp_path / "a.jsonl"
    command = [sys.executable, "-m", "imcprobe", "scan", *fleet.addresses, *LIMITS, "-q"]
    slowly = [*command, "--rate", "100", "-o", str(out)]  # so that there is more to begin when it is left
    with subprocess.Popen(slowly, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as left:
        while not out.exists() or out.read_bytes().count(b"\n") < 20:
            select.select([], [], [], 0.01)
        began = time.monotonic()
        left.send_signal(signal.SIGINT)
        assert left.wait(10) == 130
        assert time.monotonic() - began < 3
    head, *before, summary = map(json.loads, out.read_text().splitlines())
    assert (head["targets"], summary["complete"], summary["targets"]) == (len(cases), False, len(before))

    subprocess.run([*command, "--resume", out], stdout=subprocess.DEVNULL, check=True)
    _, *records, summary = map(json.loads, out.read_text().splitlines())
    assert records[: len(before)] == before
    assert (summary["complete"], summary["targets"]) == (True, len(records))
    of_place = dict(zip(fleet.addresses, cases.items(), strict=True))
    assert sorted(f"{each['target']}:{each['port']}" for each in records) == sorted(of_place)
    for record in records:
        name, case = of_place[f"{record['target']}:{record['port']}"]
        assert case.expected.differences(conclude(observation(record, name, probed=True))) == [], name


def check_that_nothing_is_raw(shown: bytes) -> None:
    """No control character but our own line ends and tabs, and nothing that cannot be seen or climbs."""
    kinds = {char: unicodedata.category(char) for char in set(shown.decode("utf-8")) - {"\n", "\t"}}
    assert {char: kind for char, kind in kinds.items() if kind[0] == "C" or kind in UNSEEN} == {}


def test_a_person_sees_each_injection_in_a_row_of_its_own_and_nothing_of_it_happens(
    on_a_terminal: OnATerminal, imc_fleet: FleetFactory
) -> None:
    cases = HOSTILE["injections"]
    fleet = imc_fleet([case.member for case in cases])
    shown = on_a_terminal("scan", "-vv", *fleet.addresses, *LIMITS, TERM="dumb", NO_COLOR="1")
    # On a terminal a line ends with CR LF: its own doing.
    text = shown.replace(b"\r\n", b"\n")
    check_that_nothing_is_raw(text)
    rows = [line.split() for line in text.decode().splitlines()]
    for server, case in zip(fleet, cases, strict=True):
        (row,) = [row for row in rows if row[0] == server.host]
        build = case.expected.build or ""
        assert row[1] == str(server.port)
        assert safe(build) in row, case


def test_a_bar_and_its_remarks_are_all_that_moves_the_cursor(
    on_a_terminal: OnATerminal, imc_fleet: FleetFactory
) -> None:
    fleet = imc_fleet([case.member for case in HOSTILE["injections"]])
    shown = on_a_terminal("scan", "-vv", *fleet.addresses, *LIMITS, TERM="xterm")
    own = re.sub(rb"\r\x1b\[K|\x1b\[32m|\x1b\[0m|\r\n", b"\n", shown)
    check_that_nothing_is_raw(own)
