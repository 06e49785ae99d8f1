"""What a command costs: processor time, wall time and memory of its whole process tree."""

from __future__ import annotations

import os
import pty
import resource
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

# No workload takes a command so long, in seconds: it hangs.
_LONGEST = 600.0
_PTY_CHUNK = 1 << 16
_LONGEST_QUOTE = 500
_KB_PER_MB = 1024
_SLOWER = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"})


class CommandError(Exception):
    """A contender that did not do what it was started for."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds of user and system time and by the clock, peak memory, and targets found."""

    user: float
    system: float
    wall: float
    rss_mb: float
    found: int | None = None

    @property
    def cpu(self) -> float:
        return self.user + self.system


def measured(
    command: Sequence[str],
    *,
    stdout: Path | None = None,
    on_terminal: bool = False,
    accept: Collection[int] = (0,),
) -> Run:
    """Run a command to its end, its stdout into a file or nowhere, its stderr on a terminal if asked for.

    Raises CommandError for an exit code that is not accepted.
    """
    with _opened(stdout) as output, _terminal() if on_terminal else _kept() as errors:
        began = time.perf_counter()
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment()
        ) as process:
            usage = _waited(process)
        wall = time.perf_counter() - began
        if process.returncode not in accept:
            raise CommandError(f"{' '.join(command)}: exit code {process.returncode}{_said(errors)}")
    return Run(usage.ru_utime, usage.ru_stime, wall, usage.ru_maxrss / _KB_PER_MB)


def environment() -> dict[str, str]:
    """The environment of an installed Python: with bytecode kept, and streams that are buffered."""
    return {name: value for name, value in os.environ.items() if name not in _SLOWER}


def own_peak_mb() -> float:
    """Peak memory of this process. A child's peak is never seen below it: it counts from before its exec."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KB_PER_MB


def _waited(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    """Wait with wait4, which alone tells of one child's tree."""
    guard = threading.Timer(_LONGEST, process.kill)
    guard.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        raise
    finally:
        guard.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


@contextmanager
def _opened(path: Path | None) -> Iterator[int]:
    if path is None:
        yield subprocess.DEVNULL
        return
    with path.open("wb") as file:
        yield file.fileno()


@contextmanager
def _kept() -> Iterator[int]:
    """A file for what is said on stderr: nobody wants it unless something fails."""
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


def _said(errors: int) -> str:
    """The end of what was said on stderr, if it was kept."""
    if os.isatty(errors):
        return ""
    start = max(os.lseek(errors, 0, os.SEEK_END) - _LONGEST_QUOTE, 0)
    return f", {os.pread(errors, _LONGEST_QUOTE, start).decode(errors='replace').strip()}"


@contextmanager
def _terminal() -> Iterator[int]:
    """A pseudo-terminal that somebody reads."""
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=_drain, args=(ours,), daemon=True)
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)


def _drain(terminal: int) -> None:
    with suppress(OSError):  # EIO is how a terminal ends
        while os.read(terminal, _PTY_CHUNK):
            pass
