from __future__ import annotations

import asyncio
import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from imcprobe.errors import UsageError
from imcprobe.testing.fleet import Fleet, Member
from imcprobe.testing.running import LoopThread, run_with, serve, serve_in_thread
from imcprobe.testing.server import MockServer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("true", 0),
        ("exit 3", 3),
        ('test "$IMCPROBE_MOCK" = 127.0.0.1:2525', 0),
        ('test -n "$PATH"', 0),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("/nonexistent/command 2>/dev/null", 127),
    ],
)
async def test_a_command_runs_with_the_address_and_its_exit_code_is_kept(command: str, code: int) -> None:
    assert await run_with(command, "127.0.0.1:2525") == code


@pytest.mark.parametrize("before", ["", "trap '' TERM; "])
async def test_a_cancelled_command_is_ended_even_when_it_will_not(tmp_path: Path, before: str) -> None:
    pipe = tmp_path / "pid"
    os.mkfifo(pipe)
    command = f"{before}echo $$ > {pipe}; exec sleep 60"
    running = asyncio.create_task(run_with(command, "127.0.0.1:2525", patience=0.2))
    pid = int(await asyncio.to_thread(pipe.read_text))
    running.cancel("for a reason")
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_mock_is_announced_and_serves_until_cancelled() -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    server = MockServer()
    serving = asyncio.create_task(serve(server, lines.put_nowait))
    assert await lines.get() == f"imcprobe mock: listening on {server.address}"
    _, writer = await asyncio.open_connection(server.host, server.port)
    writer.close()
    await writer.wait_closed()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(server.host, server.port)


def threads_of_mocks() -> int:
    """Threads of other tests, a resolver's say, may end at any time."""
    return sum(thread.name == "imcprobe mock" for thread in threading.enumerate())


def test_the_thread_ends_with_the_block() -> None:
    before = threads_of_mocks()
    with serve_in_thread(Fleet([Member()], by_ports=True)) as fleet:
        assert threads_of_mocks() == before + 1
        assert fleet.address.startswith("127.0.0.1:")
    assert threads_of_mocks() == before


def test_a_loop_that_cannot_be_made_is_told_to_whoever_wants_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncio, "new_event_loop", none_left)
    with pytest.raises(OSError, match="Too many open files"), LoopThread():
        pass


def test_the_thread_ends_when_the_block_or_the_start_fails() -> None:
    before = threads_of_mocks()
    with pytest.raises(ValueError, match="mine"), serve_in_thread(MockServer()):
        raise ValueError("mine")
    with pytest.raises(UsageError), serve_in_thread(MockServer(host="192.0.2.1")):
        pass
    assert threads_of_mocks() == before
