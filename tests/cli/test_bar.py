"""The progress of a scan: what it says, and that it stays in its line."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.cli.bar import ERASE, progress_line
from imcprobe.cli.terminal import Terminal


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.floats(0, 1e6),
    st.integers(1, 300),
    st.booleans(),
    st.booleans(),
)
def test_a_line_is_never_wider_than_the_terminal(
    done: int, total: int, pace: float, width: int, plain: bool, colour: bool
) -> None:
    line = progress_line(
        min(done, total),
        total,
        pace=pace,
        told="4 Exchange · 9 refused",
        width=width,
        plain=plain,
        colour=colour,
    )
    assert len(line.replace("\x1b[32m", "").replace("\x1b[0m", "")) <= max(width, len("  Scanning "))
    if plain:
        assert line.replace("·", "").replace("…", "").isascii()


def test_a_line_tells_rate_share_time_ahead_and_counts() -> None:
    line = progress_line(500, 2000, pace=10.0, told="1 Exchange", width=120, plain=False, colour=True)
    assert line == (
        f"  Scanning \x1b[32m{'━' * 6}\x1b[0m{'─' * 18} 500/2,000  25 %  10 hosts/s  ETA 2:30  1 Exchange"
    )
    assert "0/0  0 %  0 hosts/s  ETA -:--" in progress_line(
        0, 0, pace=0.0, told="", width=120, plain=True, colour=True
    )


class Screen(io.StringIO):
    """A terminal that keeps what is drawn on it."""

    def isatty(self) -> bool:
        return True


def put_before(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A screen in the place of stderr; not by a fixture, whose streams are taken away again."""
    made = Screen()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setenv("TERM", "xterm")
    return made


def test_a_pace_is_that_of_this_run_and_not_of_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = put_before(monkeypatch)
    terminal = Terminal()
    terminal.begin(1000, done=600)
    terminal.advance(600, "0 Exchange")
    assert "600/1,000  60 %  0 hosts/s" in screen.getvalue()
    terminal.finish()
    assert screen.getvalue().endswith(ERASE)


def test_a_remark_takes_the_place_of_the_bar_which_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = put_before(monkeypatch)
    terminal = Terminal(no_color=True)
    terminal.begin(10)
    terminal.remark("by the way")
    *_, remark, bar = screen.getvalue().split(ERASE)
    assert remark == "imcprobe: by the way\n"
    assert bar.startswith("  Scanning ")
    assert "\x1b[32m" not in screen.getvalue()


def test_a_terminal_that_has_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = put_before(monkeypatch)
    silenced: list[object] = []

    def gone(_text: str) -> int:
        raise OSError

    monkeypatch.setattr("imcprobe.cli.terminal.silence", silenced.append)
    monkeypatch.setattr(screen, "write", gone)
    Terminal().begin(10)
    assert silenced == [screen]


def test_a_row_takes_the_place_of_the_bar_which_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both streams are one terminal: what is drawn is what a person sees."""
    screen = put_before(monkeypatch)
    monkeypatch.setattr(sys, "stdout", screen)
    terminal = Terminal(no_color=True)
    terminal.begin(10)
    bar = screen.getvalue()
    assert bar.startswith(f"{ERASE}  Scanning ")
    assert len(bar.removeprefix(ERASE)) <= 79
    terminal.out("a row\n")
    terminal.finish()
    terminal.out("the end\n")
    assert screen.getvalue() == f"{bar}{ERASE}a row\n{bar}{ERASE}the end\n"


@pytest.mark.parametrize("name", ["dumb", "unknown"])
def test_a_terminal_that_cannot_erase_gets_no_bar(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    screen = put_before(monkeypatch)
    monkeypatch.setenv("TERM", name)
    terminal = Terminal()
    terminal.begin(10)
    terminal.advance(5, "1 Exchange")
    terminal.finish()
    assert screen.getvalue() == ""


def test_without_a_bar_a_line_is_told_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = put_before(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    clock = [1000.0]
    monkeypatch.setattr("imcprobe.cli.terminal.time.monotonic", lambda: clock[0])
    terminal = Terminal()
    terminal.begin(400, done=100)
    for second in range(1, 31):
        clock[0] = 1000.0 + second
        terminal.advance(100 + 5 * second, "1 Exchange")
    assert screen.getvalue().splitlines() == [
        "imcprobe: 150 of 400 targets (37 %), 5 hosts/s, ETA 0:50, 1 Exchange",
        "imcprobe: 200 of 400 targets (50 %), 5 hosts/s, ETA 0:40, 1 Exchange",
        "imcprobe: 250 of 400 targets (62 %), 5 hosts/s, ETA 0:30, 1 Exchange",
    ]


def test_targets_that_were_found_on_the_way_count_as_those_that_were_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = put_before(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    clock = [1000.0]
    monkeypatch.setattr("imcprobe.cli.terminal.time.monotonic", lambda: clock[0])
    terminal = Terminal()
    terminal.begin(10)
    clock[0] += 10
    terminal.advance(20, "1 Exchange", more=30)
    assert screen.getvalue() == "imcprobe: 20 of 40 targets (50 %), 2 hosts/s, ETA 0:10, 1 Exchange\n"
