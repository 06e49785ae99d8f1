"""Run a scan to its end, on the poller of this system or on the one for systems without epoll."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.poller import EpollPoller, LoopPoller
from imcprobe.probe.scan import Scan
from imcprobe.targets import parse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from imcprobe.model import Observation

    Probe = Callable[..., Awaitable[list[Observation]]]
    Until = Callable[[Callable[[], object]], Awaitable[None]]

# Long enough for a loaded machine, short enough for a suite.
LIMITS = {"connect_timeout": 3.0, "greeting_timeout": 3.0, "deadline": 5.0}


@pytest.fixture(params=[EpollPoller, LoopPoller])
def poller(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
def probe(poller: Any) -> Probe:
    """Scan targets written as a user writes them; keywords are options, or parameters of `Scan`."""

    async def run(
        *specs: str,
        exclude: tuple[str, ...] = (),
        lookup: Any = None,
        dial: Any = None,
        has_route: Any = None,
        **options: Any,
    ) -> list[Observation]:
        targets = parse(specs, exclude=exclude)
        outside = {"lookup": lookup, "dial": dial, "has_route": has_route}
        more = {name: each for name, each in outside.items() if each is not None}
        scan = Scan(
            targets,
            ProbeOptions(**(LIMITS | options)),
            excluded=targets.covers_excluded,
            poller=poller,
            **more,
        )
        async with asyncio.timeout(10):
            seen = [each async for batch in scan.batches() for each in batch]
        assert scan.complete
        return seen

    return run


@pytest.fixture
def until() -> Until:
    """Let the loop run until something is so."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - a scan tells nobody of what is asked for here
                await asyncio.sleep(0.001)

    return wait


@pytest.fixture
def deaf() -> Iterator[str]:
    """Address of a port whose backlog is full: a connection to it is never answered."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        host, port = server.getsockname()
        yield f"{host}:{port}"
