"""Run the command line in this process, or as a user's shell does."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.cli.app import run

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def results(self) -> list[dict[str, Any]]:
        return [record for record in self.records if record["type"] == "result"]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run `imcprobe ARGUMENTS` here."""

    def called(*arguments: str) -> Done:
        code = int(run([str(argument) for argument in arguments]))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return called


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., Done]:
    """Run a shell command that knows `imcprobe`."""

    def called(command: str, **more: str) -> Done:
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **more,
        }
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=environment,
            cwd=tmp_path,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return called


@pytest.fixture
def on_a_terminal() -> Callable[..., bytes]:
    """Run `imcprobe ARGUMENTS` where stdout and stderr are one terminal; what a person sees."""

    def called(*arguments: object, **environment: str) -> bytes:
        parent, child = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "imcprobe", *map(str, arguments)],
            stdout=child,
            stderr=child,
            stdin=child,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120", **environment},
        )
        os.close(child)
        seen = b""
        while select.select([parent], [], [], 20)[0]:
            try:
                piece = os.read(parent, 65_536)
            except OSError:  # how a terminal says that its other end is closed
                break
            seen += piece
        os.close(parent)
        process.wait(10)
        return seen

    return called
