from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import NAMES
from pieces import FLOODS, PIECES
from promises import PROMISES
from seeds import seeds, words

SCRIPT = Path(__file__).parent / "fuzz.py"
# As where the extra `fuzz` is not installed, whatever is.
WITHOUT_ATHERIS = f"""
import importlib.util, runpy, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "atheris" else find_spec(name)
sys.argv = ["fuzz.py"]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=False)


def test_every_parser_that_can_be_fuzzed_has_a_promise_that_hypothesis_tests_too() -> None:
    assert set(NAMES) == set(PROMISES) == set(PIECES) == set(FLOODS)


def test_without_atheris_it_says_in_one_line_what_to_install() -> None:
    done = run("-c", WITHOUT_ATHERIS)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fuzz.py needs atheris: pip install -e '.[fuzz]'\n"


def test_an_unknown_parser_is_refused_with_those_that_there_are() -> None:
    done = run(str(SCRIPT), "replies")
    assert done.returncode == 2
    assert "no parser: replies; there are reply, greeting, " in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_what_fuzzing_begins_with_keeps_the_promises(name: str) -> None:
    assert words(name)
    for seed in seeds(name):
        PROMISES[name](seed)
