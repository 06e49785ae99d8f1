"""Running mocks: in a thread of their own, until cancelled, or as long as a command takes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from asyncio.subprocess import Process, create_subprocess_shell
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType
    from typing import Self

    from imcprobe.testing.fleet import Fleet
    from imcprobe.testing.server import MockServer

T = TypeVar("T")

# The variable that tells a command where the mock is.
ADDRESS_VARIABLE = "IMCPROBE_MOCK"
# How long a command may take to end after SIGTERM, in seconds.
_TERMINATION = 2.5
# How often it is looked whether all is over, in seconds.
_GLANCE = 0.02
# A shell's way of saying that a signal ended a command.
_BY_SIGNAL = 128


class LoopThread:
    """An asyncio loop in a daemon thread, for code that has none of its own."""

    def __enter__(self) -> Self:
        # Made here and not in the thread, whose exceptions nobody would hear of.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._run, name="imcprobe mock", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def call(self, work: Coroutine[object, None, T]) -> T:
        """Run `work` on the loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _run(self) -> None:
        with self._runner:
            self._loop.run_forever()


@contextlib.contextmanager
def serve_in_thread(mock: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Run a MockServer or a Fleet in a thread of its own while the block runs."""
    with LoopThread() as thread:

        async def enter() -> T:
            return await stack.enter_async_context(mock)

        stack = contextlib.AsyncExitStack()
        running = thread.call(enter())
        try:
            yield running
        finally:
            thread.call(stack.aclose())


async def serve(mock: MockServer | Fleet, announce: Callable[[str], None]) -> None:
    """Run a mock until cancelled; `announce` gets the line that says where it listens."""
    async with mock:
        announce(mock.ready_line)
        await asyncio.Event().wait()


async def run_with(
    command: str,
    address: str,
    *,
    signals: asyncio.Queue[int] | None = None,
    patience: float = _TERMINATION,
) -> int:
    """Run a shell command that finds `address` in IMCPROBE_MOCK; return its exit code.

    A command that a signal ended has 128 + the signal, as in a shell. The first of `signals` is passed on
    to the command and all that it has started; what then takes more than `patience` seconds to end, or
    meets a second one, is killed. Cancelling is as SIGTERM.
    """
    signals = signals or asyncio.Queue()
    environment = {**os.environ, ADDRESS_VARIABLE: address}
    process = await create_subprocess_shell(command, env=environment, start_new_session=True)
    ended, told = asyncio.ensure_future(process.wait()), asyncio.ensure_future(signals.get())
    try:
        await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            await _end(process, told.result(), signals, patience)
    except asyncio.CancelledError:
        await _end(process, signal.SIGTERM, signals, patience)
        raise
    finally:
        told.cancel()
    code = await ended
    return code if code >= 0 else _BY_SIGNAL - code


async def _end(process: Process, number: int, signals: asyncio.Queue[int], patience: float) -> None:
    """Pass a signal on and wait for the end of all; after `patience` or another signal kill the rest."""
    _signal_all(process, number)
    over, again = asyncio.ensure_future(_over(process)), asyncio.ensure_future(signals.get())
    try:
        await asyncio.wait((over, again), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not over.done():
            _signal_all(process, signal.SIGKILL)
        over.cancel()
        again.cancel()
    await process.wait()


async def _over(process: Process) -> None:
    """Wait for the end of a command and, told to end as well, of what its shell has left behind."""
    await process.wait()
    _signal_all(process, signal.SIGTERM)  # a shell's background jobs are deaf to SIGINT
    while _signal_all(process, 0):  # noqa: ASYNC110 - nobody else would tell
        await asyncio.sleep(_GLANCE)


def _signal_all(process: Process, number: int) -> bool:
    """Send a signal to a command and all that it has started; False when nothing of it is left."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
