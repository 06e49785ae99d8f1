"""What a pending target costs: with a hundred thousand at once it is this that counts."""

from __future__ import annotations

import asyncio
import gc
import socket
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from imcprobe.model import Target
from imcprobe.probe.limits import allowed_connections
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.probe.sockets import Socket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Until = Callable[[Callable[[], object]], Awaitable[None]]

PENDING = 2000
# In bytes: a tuple of 64, its share of a moment of 24, the descriptor's number of 28, and an entry of 24 in a
# dict that has room to grow.
MOST = 150


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """A server that takes connections, and says nothing, to their end."""
    with socket.create_server(("127.0.0.1", 0), backlog=PENDING) as server:
        yield server.getsockname()


@pytest.fixture
def _traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_traced")
async def test_a_pending_target_costs_a_socket_object_and_little_more(
    silent: tuple[str, int], until: Until
) -> None:
    # What is loaded, remembered or measured by coverage the first time is no target's.
    await cost_of(10, silent, until)
    pending = allowed_connections(PENDING)
    each = await cost_of(pending, silent, until) / pending
    assert each - Socket.__basicsize__ <= MOST


async def cost_of(pending: int, silent: tuple[str, int], until: Until) -> int:
    """What so many targets under way take, in bytes."""
    targets = [Target(*silent)] * pending  # one target and its text: those are the supply's

    async def run(scan: Scan) -> None:
        async for _ in scan.batches():
            pytest.fail("nothing ends here")

    scan = Scan(targets, ProbeOptions(concurrency=pending + 1))
    before = tracemalloc.get_traced_memory()[0]
    running = asyncio.ensure_future(run(scan))
    await until(lambda: scan._sweep and scan._sweep.in_flight == pending)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    running.cancel()
    await asyncio.wait([running])
    return taken
