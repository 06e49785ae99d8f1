"""Signals that end a command: Ctrl-C, SIGTERM, and the loss of the terminal (SIGHUP)."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, NoReturn

from imcprobe.cli.exits import BY_SIGNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndedError(BaseException):
    """A signal wants the command to end. No KeyboardInterrupt: Typer would make 130 of any."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = BY_SIGNAL + number


def end(number: int, _frame: object) -> NoReturn:
    """Raise EndedError: what is begun is ended on the way out."""
    raise EndedError(number)


@contextlib.contextmanager
def caught(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Have a handler for what ends a command; nohup is asked to keep it from SIGHUP.

    SIGINT counts also where a shell has it ignored, as of a job behind `&`: who sends it there means it.
    """
    kept = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else []
    before = [(number, signal.signal(number, handler)) for number in _ENDING if number not in kept]
    try:
        yield
    finally:
        for number, former in before:
            signal.signal(number, former)


class Stop:
    """A handler that asks for a stop with the first signal, and leaves at once with the second.

    `number` is the first one, 0 before. `farewell` is called before leaving at once.
    """

    def __init__(self, farewell: Callable[[], None]) -> None:
        self.number = 0
        self._farewell = farewell
        self._stop: Callable[[], None] = lambda: None

    def __call__(self, number: int, _frame: object) -> None:
        if self.number:
            self._farewell()
            os._exit(BY_SIGNAL + number)
        self.number = number
        self._stop()

    def means(self, stop: Callable[[], None]) -> None:
        """Say how to stop; asked for already, it is done."""
        self._stop = stop
        if self.number:
            stop()
