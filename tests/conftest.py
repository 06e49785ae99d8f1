"""What the machine must have for some tests: missing where everything must be there, that is a failure."""

from __future__ import annotations

import os
import socket

import pytest


@pytest.fixture
def ipv6() -> None:
    """Skip the test where there is no ::1, unless CI_PEERS says that all must be there."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        if os.environ.get("CI_PEERS"):
            pytest.fail("CI_PEERS is set, and this machine has no ::1")
        pytest.skip("this machine has no ::1")
