"""Leaving politely, at the level of sockets; and events that come when nobody waits for them."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.model import Status, Target
from imcprobe.probe.goodbye import Goodbyes
from imcprobe.probe.options import QUIT_TIMEOUT, ProbeOptions
from imcprobe.probe.poller import EpollPoller, LoopPoller
from imcprobe.probe.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imcprobe.testing.factories import ServerFactory

    Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(sock) for sock in socket.socketpair())
        ours.setblocking(False)
        yield ours, theirs


def test_whoever_has_left_already_is_hung_up_on(pair: Pair) -> None:
    ours, theirs = pair
    ended: list[int] = []
    goodbyes = Goodbyes(lambda fd, _sock: ended.append(fd))
    theirs.close()
    goodbyes.add(ours.fileno(), ours)
    assert len(goodbyes) == 1
    goodbyes.say_all()
    assert (ended, len(goodbyes), goodbyes.next_due) == ([ours.fileno()], 0, None)


def test_an_answer_is_waited_for_and_then_no_longer(pair: Pair) -> None:
    ours, theirs = pair
    ended: list[int] = []
    goodbyes = Goodbyes(lambda fd, _sock: ended.append(fd))
    now = time.monotonic()
    goodbyes.add(ours.fileno(), ours)
    goodbyes.say_all()
    assert theirs.recv(100) == b"QUIT\r\n"
    assert goodbyes.read([ours.fileno(), -7]) == [-7]  # nothing came: an event of a former life
    assert ended == []
    assert goodbyes.next_due is not None
    assert not goodbyes.expire(now + QUIT_TIMEOUT - 0.1)
    assert goodbyes.expire(goodbyes.next_due)
    assert (ended, len(goodbyes)) == ([ours.fileno()], 0)


def test_at_the_end_all_are_closed_said_or_not() -> None:
    goodbyes = Goodbyes(lambda _fd, sock: sock.close())
    with ExitStack() as stack:
        said, unsaid = ([stack.enter_context(sock) for sock in socket.socketpair()] for _ in range(2))
        goodbyes.add(said[0].fileno(), said[0])
        goodbyes.say_all()
        goodbyes.add(unsaid[0].fileno(), unsaid[0])
        goodbyes.close()
        assert said[0].fileno() == unsaid[0].fileno() == -1
        assert len(goodbyes) == 0
        assert (said[1].recv(100), unsaid[1].recv(100)) == (b"QUIT\r\n", b"")


async def test_an_event_without_data_ends_no_connection(imc_server: ServerFactory) -> None:
    class Restless(EpollPoller):
        """One that reports every descriptor each time."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.watched: list[int] = []

        def add(self, fd: int, *, connect: bool = False) -> None:
            self.watched.append(fd)
            super().add(fd, connect=connect)

        def take(self) -> list[tuple[int, int]]:
            return [*(dict.fromkeys(self.watched, 0) | dict(super().take())).items()]

    server = imc_server(fault="delay=50ms")
    targets = [Target("127.0.0.1", server.port)] * 3
    scan = Scan(targets, ProbeOptions(concurrency=2), poller=Restless)
    async with asyncio.timeout(5):
        seen = [each async for batch in scan.batches() for each in batch]
    assert [each.status for each in seen] == [Status.SUCCESS] * 3


async def test_an_event_behind_the_end_of_a_scan_is_nobodys(imc_server: ServerFactory) -> None:
    woken = asyncio.Event()

    class Late(LoopPoller):
        def close(self) -> None:
            super().close()
            self._loop.call_soon(self._wake)
            self._loop.call_soon(woken.set)

    scan = Scan([Target("127.0.0.1", imc_server(fault="silence").port)], poller=Late)
    batches = scan.batches()
    running = asyncio.ensure_future(anext(batches))
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    await batches.aclose()
    await asyncio.wait_for(woken.wait(), 5)
    assert not scan.complete
