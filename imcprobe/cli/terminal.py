"""The two streams of a command: data on stdout, everything else on stderr, and the progress in between.

Nothing here trusts what it is given: remarks go through the sanitiser.
"""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from imcprobe.cli.bar import ERASE, clock, progress_line
from imcprobe.errors import OutputError
from imcprobe.safetext import clip, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

PROGRAM = "imcprobe"
# A plain line of progress this often, in seconds, where no bar can be drawn.
_LINE_EVERY = 10.0
# A pace is told of no shorter a time than this.
_SHORTEST = 0.1
# Of a list of ports, in characters.
_LONGEST_LIST = 60
# A reader of stdout who does not read is looked after this often, in milliseconds, and left after so many
# seconds when a signal has come.
_GLANCE = 200
_PATIENCE = 1.0
# Where a terminal does not say how wide it is.
_USUAL_WIDTH = 80


class Terminal:
    """Where a command speaks. `gone` becomes True when whoever read stdout has left."""

    def __init__(self, *, quiet: bool = False, no_color: bool = False) -> None:
        self.gone = False
        self._quiet = quiet
        self._colour = not (no_color or "NO_COLOR" in os.environ)
        self._bar: str | None = None
        self._total = 0
        self._before = 0
        self._began = 0.0
        self._line_due = 0.0
        self._interrupted_at: float | None = None

    @property
    def is_interactive(self) -> bool:
        """Whether a person reads stdout."""
        return sys.stdout.isatty()

    def out(self, text: str) -> None:
        """Write data. Raises OutputError when stdout cannot be written; a reader who left is no error."""
        if self.gone or not text:
            return
        try:
            if self._bar is not None and self.is_interactive:
                self._draw(ERASE)
                self._write(text)
                self._draw(self._bar)
            else:
                self._write(text)
        except (BrokenPipeError, ConnectionResetError):
            self.gone = True
            silence(sys.stdout)
        except OSError as error:
            silence(sys.stdout)
            raise OutputError(f"stdout cannot be written: {reason_of(error)}.") from error

    def interrupt(self) -> None:
        """Wait no longer than a moment for a reader of stdout who does not read; for signal handlers."""
        self._interrupted_at = time.monotonic()

    def abandon(self) -> None:
        """Leave the bar where nothing else is to be waited for; for signal handlers."""
        if self._bar is not None:
            os.write(sys.stderr.fileno(), b"\r\n")

    def remark(self, text: str) -> None:
        """Say something beside the data, unless quiet."""
        if not self._quiet:
            self.complain(text)

    def complain(self, text: str) -> None:
        """Say something that also a quiet command has to say."""
        if self._bar is None:
            say(text)
        else:
            self._draw(f"{ERASE}{_line(text)}\n{self._bar}")

    def begin(self, total: int, *, done: int = 0) -> None:
        """Begin to show progress towards `total` targets, `done` of which were before."""
        self._total = total
        self._before = done
        self._began = time.monotonic()
        self._line_due = self._began + _LINE_EVERY
        if not self._quiet and _can_draw():
            self._bar = ""
            self.advance(done, "")

    def advance(self, done: int, told: str, *, more: int = 0) -> None:
        """Show how far it is, once it has begun; `told` are the counts in words.

        `more` is how many there are by now beyond those that it began with.
        """
        if not self._began:
            return
        total = self._total + more
        pace = (done - self._before) / max(time.monotonic() - self._began, _SHORTEST)
        if self._bar is not None:
            line = progress_line(
                done,
                total,
                pace=pace,
                told=told,
                width=_width() - 1,
                plain=not _has_lines(),
                colour=self._colour,
            )
            self._bar = f"{ERASE}{line}"
            self._draw(self._bar)
        elif not self._quiet and time.monotonic() >= self._line_due:
            self._line_due = time.monotonic() + _LINE_EVERY
            share = 100 * done // max(total, 1)
            ahead = f", ETA {clock((total - done) / pace)}" if pace > 0 else ""
            self.remark(f"{done:,} of {total:,} targets ({share} %), {pace:,.0f} hosts/s{ahead}, {told}")

    def finish(self) -> None:
        """Take the progress away."""
        if self._bar is not None:
            self._draw(ERASE)
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish()

    @staticmethod
    def _draw(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # nobody looks any more
            silence(sys.stderr)

    def _write(self, text: str) -> None:
        descriptor = _stdout_that_may_wait()
        if descriptor is None:
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            self._write_what_fits(descriptor, text.encode(sys.stdout.encoding, sys.stdout.errors or "strict"))

    def _write_what_fits(self, descriptor: int, data: bytes) -> None:
        """Write again and again: a write that blocks would be deaf to signals, one that cannot loses data."""
        writable = select.poll()
        writable.register(descriptor, select.POLLOUT)
        left = memoryview(data)
        while left:
            if writable.poll(_GLANCE):
                with suppress(BlockingIOError):
                    left = left[os.write(descriptor, left[: select.PIPE_BUF]) :]
                    continue
            patience = time.monotonic() - _PATIENCE
            if self._interrupted_at is not None and self._interrupted_at < patience:
                self.gone = True
                return


def _width() -> int:
    """Columns of the terminal that stderr is."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _USUAL_WIDTH
    except OSError:
        return _USUAL_WIDTH


def _has_lines() -> bool:
    """Whether stderr can show more than ASCII."""
    return "utf" in (sys.stderr.encoding or "").lower()


def _can_draw() -> bool:
    """Whether a bar can be drawn: on a terminal that can, and that no reader of a pipe writes to as well."""
    return (
        sys.stderr.isatty()
        and os.environ.get("TERM") not in ("dumb", "unknown")
        and _stdout_that_may_wait() is None
    )


def shown_ports(ports: Sequence[int]) -> str:
    """Ports for a sentence, neighbours joined.

    >>> shown_ports((25, 26, 27, 587))
    '25-27, 587'
    """
    ranges: list[list[int]] = []
    for port in ports:
        if ranges and port == ranges[-1][1] + 1:
            ranges[-1][1] = port
        else:
            ranges.append([port, port])
    told = ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)
    return clip(told, _LONGEST_LIST)


def _stdout_that_may_wait() -> int | None:
    """The descriptor of a stdout that a reader has to empty, or that refuses what it has no room for.

    Nothing is waiting in Python's own buffer then.
    """
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # a stand-in, as in tests
        return None
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)) and os.get_blocking(descriptor):
        return None
    sys.stdout.flush()
    return descriptor


def reason_of(error: OSError) -> str:
    """Why a file could not be had, in the system's words."""
    return (error.strerror or str(error)).lower()


def say(text: str) -> None:
    """Say something on stderr in one line; where nobody can hear it, nothing."""
    try:
        print(_line(text), file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Point a stream at nothing, so that Python's own flush at the end has nobody to complain about."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


def _line(text: str) -> str:
    return f"{PROGRAM}: {printable(text)}"
