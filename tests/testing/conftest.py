"""A client of plain sockets, which shares nothing with the one that imcprobe scans with."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from imcprobe.testing.running import serve_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imcprobe.testing.server import MockServer


@pytest.fixture
def running() -> Iterator[Callable[[MockServer], MockServer]]:
    """Run a server in a thread until the test ends."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(serve_in_thread(server))


@pytest.fixture
def connect() -> Iterator[Callable[[MockServer], socket.socket]]:
    """Connect to a server; the socket is closed when the test ends."""
    with ExitStack() as stack:

        def connected(server: MockServer) -> socket.socket:
            return stack.enter_context(socket.create_connection((server.host, server.port), timeout=10))

        yield connected


@pytest.fixture
def dialogue(connect: Callable[[MockServer], socket.socket]) -> Callable[[MockServer, bytes], bytes]:
    """Connect, send everything at once, read to the end of the connection."""

    def spoken(server: MockServer, sent: bytes) -> bytes:
        client = connect(server)
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65_536), b""))

    return spoken
