"""Networks of our own: namespaces of Linux, made by root with iproute2, and gone after the test."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# No step of a test takes longer.
LIMIT = 30


class Namespace:
    """A network namespace with a loopback interface that is up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._programs = ExitStack()

    def ip(self, command: str) -> None:
        """Run `ip` in it."""
        _ip("-n", self.name, *command.split())

    def start(self, program: str, given: Any = None) -> subprocess.Popen[str]:
        """Start a Python program in it, with `given` as JSON on its stdin."""
        running = self._programs.enter_context(
            subprocess.Popen(
                ["ip", "netns", "exec", self.name, sys.executable, "-c", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        self._programs.callback(running.kill)
        assert running.stdin is not None
        running.stdin.write(json.dumps(given))
        running.stdin.close()
        running.stdin = None
        return running

    def run(self, program: str, given: Any = None) -> Any:
        """Run a Python program in it; what it prints is JSON."""
        running = self.start(program, given)
        out, err = running.communicate(timeout=LIMIT)
        assert (running.returncode, err) == (0, "")
        return json.loads(out)

    def __enter__(self) -> Self:
        _ip("netns", "add", self.name)
        self.ip("link set lo up")
        return self

    def __exit__(self, *_: object) -> None:
        self._programs.close()
        _ip("netns", "del", self.name)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, timeout=LIMIT)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


@pytest.fixture
def namespaces() -> Iterator[tuple[Namespace, Namespace]]:
    """Two networks, of a scanner and of its targets, with nothing between them yet."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        if os.environ.get("CI_PEERS"):
            pytest.fail("CI_PEERS is set, and there is no iproute2, or no root to use it")
        pytest.skip("needs iproute2, and root")
    unique = f"imcprobe-{secrets.token_hex(4)}"
    with Namespace(f"{unique}-here") as here, Namespace(f"{unique}-there") as there:
        yield here, there
