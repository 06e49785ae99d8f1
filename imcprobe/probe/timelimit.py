"""One limit for all of a piece of work, however many waits it has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

# What was read in the turn in which the time was up has woken the task by the second turn behind it.
_SPARE_TURNS = 2


class TimeLimit:
    """As `asyncio.timeout`, but what has come by then counts, however late this is run.

    Raises TimeoutError. A cancellation from elsewhere stays one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = max(seconds, 0.0)
        self._expired = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it is one that awaits this
        self._task: asyncio.Task[object] = task
        self._timer: asyncio.Handle = self._loop.call_later(self._seconds, self._spare, _SPARE_TURNS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._expired and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _spare(self, turns: int) -> None:
        if turns:
            self._timer = self._loop.call_soon(self._spare, turns - 1)
        else:
            self._expired = True
            self._task.cancel()
