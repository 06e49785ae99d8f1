"""Signals at moments that no test of a process hits: nothing is left without its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.cli.signals import EndedError, Stop, caught, end

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imcprobe.testing.factories import ServerFactory

    Cli = Callable[..., Any]


def check_ended(folder: Path) -> None:
    """Both files are whole, and say that they are not complete."""
    assert json.loads((folder / "a.jsonl").read_text().splitlines()[-1])["complete"] is False
    assert json.loads((folder / "a.json").read_text())["summary"]["complete"] is False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_there_is_anything_to_stop_stops_it(
    cli: Cli, imc_server: ServerFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def interrupted(options: object, *_: object) -> object:
        os.kill(os.getpid(), number)
        return options

    monkeypatch.setattr("imcprobe.cli.running._capped", interrupted)
    server = imc_server(fault="silence")
    done = cli("scan", server.address, "-o", tmp_path / "a.jsonl", "-o", tmp_path / "a.json")
    assert done.code == 128 + number
    check_ended(tmp_path)


def test_a_bug_in_the_middle_of_a_scan_leaves_its_files_whole(
    cli: Cli, imc_server: ServerFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imcprobe.cli.running.alike", lambda _: 1 / 0)
    done = cli("scan", imc_server().address, "-o", tmp_path / "a.jsonl", "-o", tmp_path / "a.json")
    assert done.code == 4
    check_ended(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_identify_that_is_told_to_end_leaves_its_files_whole(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("imcprobe.cli.identify.alike", lambda _: end(number, None))
    done = cli("identify", "220 mx ESMTP", "-o", tmp_path / "a.jsonl", "-o", tmp_path / "a.json")
    assert done.code == 128 + number
    check_ended(tmp_path)


def test_nohup_keeps_a_command_from_sighup_and_nothing_keeps_it_from_the_others() -> None:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGINT)}
    try:
        with caught(end):
            os.kill(os.getpid(), signal.SIGHUP)
            for number in (signal.SIGTERM, signal.SIGINT):
                with pytest.raises(EndedError):
                    os.kill(os.getpid(), number)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_stop_that_was_asked_for_too_early_is_made_when_it_can_be() -> None:
    done: list[str] = []
    stop = Stop(lambda: done.append("left"))
    stop(signal.SIGTERM, None)
    assert (stop.number, done) == (signal.SIGTERM, [])
    stop.means(lambda: done.append("stopped"))
    assert done == ["stopped"]


def test_while_it_is_loaded_an_interrupt_ends_the_process_and_says_nothing() -> None:
    code = "import os, signal, imcprobe.__main__; os.kill(os.getpid(), signal.SIGINT); print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
