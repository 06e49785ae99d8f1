"""README tells the truth: its examples are run, against a fleet in place of the mocks it speaks of.

What stands under a command is all that it prints, but for what varies and where a line says "…".
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imcprobe.cli.app import VERBS
from imcprobe.fingerprint.builds import FURTHER_BUILDS
from imcprobe.knowledge.releases import ARTICLE
from imcprobe.testing import HOSTILE, hostile_cases

if TYPE_CHECKING:
    from imcprobe.testing.factories import FleetFactory
    from imcprobe.testing.fleet import Fleet

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
CONSOLE = [text for kind, text in BLOCKS if kind == "console"]
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
# What differs from run to run: durations, the ports of the demo, and how long certificates are valid.
VARYING = re.compile(r"\d+(?:\.\d+)? (?:ms|s)\b|under 1 ms|\b\d{5}\b|\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d")


@pytest.fixture
def fleet(imc_fleet: FleetFactory) -> Fleet:
    """Three mocks, a refused address and an Exchange 2013: README's 127.0.0.1 to 127.0.0.5 on port 2525."""
    return imc_fleet([*["5.5.2650.21"] * 3, "refused", "exchange2013"])


def placed(text: str, fleet: Fleet) -> str:
    net, third = fleet[0].host.split(".", 2)[1], int(fleet[0].host.split(".")[2])
    moved = re.sub(r"\b127\.0\.([01])\.", lambda found: f"127.{net}.{third + int(found[1])}.", text)
    return moved.replace("2525", str(fleet[0].port))


def flat(text: str) -> list[str]:
    """Sorted lines without what varies: durations, the order of answers, and how many blanks fill columns."""
    lines = (" ".join(VARYING.sub("#", line).split()) for line in text.splitlines())
    return sorted(line for line in lines if line)


def on_a_terminal(command: str, folder: Path) -> str:
    parent, child = pty.openpty()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # A terminal where no bar is drawn: it comes and goes.
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "200", "NO_COLOR": "1", "PATH": path}
    process = subprocess.Popen(
        ["/bin/sh", "-c", command], stdin=child, stdout=child, stderr=child, cwd=folder, env=environment
    )
    os.close(child)
    seen = b""
    while select.select([parent], [], [], 30)[0]:
        try:
            piece = os.read(parent, 65_536)
        except OSError:  # the other end is closed
            break
        seen += piece
    os.close(parent)
    process.wait(10)
    return seen.decode()


@pytest.mark.parametrize("block", CONSOLE, ids=lambda block: block.splitlines()[0][2:40])
def test_what_readme_shows_on_a_terminal_is_what_is_shown(block: str, fleet: Fleet, tmp_path: Path) -> None:
    if "today.jsonl" in block and "-o today" not in block:
        on_a_terminal(placed("imcprobe scan 127.0.0.1-4 -p 2525 -q -o today.jsonl", fleet), tmp_path)
    for example in re.split(r"(?m)^\$ ", block)[1:]:
        command, _, shown = example.partition("\n")
        seen = flat(on_a_terminal(placed(command, fleet), tmp_path))
        expected = flat(placed(shown, fleet))
        if "…" in expected:
            assert Counter(line for line in expected if line != "…") <= Counter(seen)
        else:
            assert seen == expected


def test_the_library_example_runs(fleet: Fleet, tmp_path: Path) -> None:
    (example,) = [block for block in PYTHON if "asyncio.run" in block]
    done = subprocess.run(
        [sys.executable, "-c", placed(example, fleet)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "Exchange Server 5.5 Service Pack 3"
    assert lines[1].startswith("TLSv1.3 exchange.example.com Hint(")
    assert len(lines) == 1 + 1 + 7 + 1
    assert lines[-1] == "Postfix 61"


def test_the_pytest_example_passes(tmp_path: Path) -> None:
    (example,) = [block for block in PYTHON if "imc_server" in block]
    (tmp_path / "test_example.py").write_text(example)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_verb_is_in_readme() -> None:
    assert set(VERBS) <= set(re.findall(r"imcprobe ([a-z]+)\b", README))


def test_the_number_of_builds_is_that_of_the_table() -> None:
    assert f"KB {ARTICLE} and {FURTHER_BUILDS} other documented builds" in README


def test_the_hostile_fleet_is_as_large_as_readme_says() -> None:
    assert f"{len(hostile_cases())} servers in eleven classes ({', '.join(HOSTILE)}" in " ".join(
        README.split()
    )


def test_the_commands_for_a_fresh_machine_are_two() -> None:
    commands = [text for kind, text in BLOCKS if kind == "sh"]
    assert len(commands) == 2
    for mark, command, does in zip(("demo", "tests"), commands, ("imcprobe demo", "pytest"), strict=True):
        assert f"<!-- {mark} -->\n```sh\n{command}```" in README
        assert does in command
