"""How tests are spread, and what the machine must have for some: where all must be there, a lack fails."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator

# How long an example takes says something of the machine, on which other tests run.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# What starts the tests may have made them deaf (nohup, a job behind `&`), and so all that they start.
for number, handler in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Have two workers a processor with `-n auto`: a test waits for sockets most of its time."""
    count = yield
    return count if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else 2 * count


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
