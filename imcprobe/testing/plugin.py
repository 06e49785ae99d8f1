r"""The pytest plugin: `imc_server` and `imc_fleet`, mocks for synchronous and asynchronous tests.

    def test_the_service_pack_is_named(imc_server):
        server = imc_server(build="5.5.2650.21", fault="delay=200ms")
        ...                                     # connect to server.host, server.port
        imc_server.settle()
        assert server.received == [b"QUIT\r\n"]

The mocks run in a thread of their own and are stopped when the test ends, those of
`imc_session_server` when the session does. Ports are the system's choice, and a fleet takes
addresses that no other is likely to take, so that the workers of pytest-xdist do not meet.

Whoever has imcprobe installed loads this in every pytest run: it imports pytest, the rest when a
fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imcprobe.testing.factories import FleetFactory, ServerFactory
    from imcprobe.testing.running import LoopThread


@pytest.fixture
def imc_server(_imc_thread: LoopThread) -> Iterator[ServerFactory]:
    """Make mock servers: `imc_server(build="5.0.1460.8")` has `.host .port .address .received`."""
    from imcprobe.testing.factories import ServerFactory

    with ServerFactory(_imc_thread) as factory:
        yield factory


@pytest.fixture(scope="session")
def imc_session_server(_imc_thread: LoopThread) -> Iterator[ServerFactory]:
    """Make mock servers like those of `imc_server` that live as long as the session."""
    from imcprobe.testing.factories import ServerFactory

    with ServerFactory(_imc_thread) as factory:
        yield factory


@pytest.fixture
def imc_fleet(_imc_thread: LoopThread) -> Iterator[FleetFactory]:
    """Make fleets: `imc_fleet(16)`, `imc_fleet(["5.5.2650.21", "postfix", "refused"])`."""
    from imcprobe.testing.factories import FleetFactory

    with FleetFactory(_imc_thread) as factory:
        yield factory


@pytest.fixture(scope="session")
def _imc_thread() -> Iterator[LoopThread]:
    from imcprobe.testing.running import LoopThread

    with LoopThread() as thread:
        yield thread
