"""The programs of the benchmarks: our own two in C, imcprobe as it is installed, and a server's life."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from measure import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Programs:
    """Commands: the server, and the reference scanner where there is a compiler to make it."""

    target: list[str]
    reference: list[str] | None


def compiled(folder: Path) -> Programs | None:
    """Make the C programs in a folder; None where there is no compiler."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if not compiler or shutil.which(compiler[0]) is None:
        return None
    return Programs(
        target=[_made(compiler, "target", folder)], reference=[_made(compiler, "reference", folder)]
    )


def without_compiler() -> Programs:
    """The server in Python, which is enough for a comparison with other things in Python."""
    return Programs(target=[sys.executable, str(_HERE / "plain_target.py")], reference=None)


def imcprobe() -> list[str]:
    """The command a user would type: the console script of this Python, or else the module."""
    script = Path(sys.executable).with_name("imcprobe")
    return [str(script)] if script.exists() else [sys.executable, "-m", "imcprobe"]


def with_aiosmtplib() -> list[str]:
    """The command that greets with aiosmtplib, a task per target."""
    return [sys.executable, str(_HERE / "with_aiosmtplib.py")]


@contextmanager
def serving(command: Sequence[str]) -> Iterator[int]:
    """Run a server that prints its port; it ends with the block.

    Raises CommandError when it does not start.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline()
            if not port:
                raise CommandError(f"{' '.join(command)}: no server")
            yield int(port)
        finally:
            server.terminate()


def _made(compiler: list[str], name: str, folder: Path) -> str:
    program = str(folder / name)
    subprocess.run([*compiler, "-O2", "-o", program, str(_HERE / f"{name}.c")], check=True)
    return program
