"""How tests are spread, and what the machine must have for some: where all must be there, a lack fails."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from dns.asyncresolver import Resolver

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


class NameServer:
    """A little DNS server on loopback; `records` may be changed while it runs.

    Keys are `example.com MX`; values records as text, an rcode (`SERVFAIL`), bytes to send instead of an
    answer, or None for silence. What is not there has no such record, or no such name. `asked` are the
    questions so far; none is answered before `gate` is set, as it is at first.
    """

    def __init__(self) -> None:
        self.records: dict[str, list[str] | str | bytes | None] = {}
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def resolver(self) -> Resolver:
        """A resolver that asks this server and no other."""
        from dns.asyncresolver import Resolver

        resolver = Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self._sock.getsockname()[1]
        return resolver

    def close(self) -> None:
        self.gate.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self._sock.getsockname())
        self._thread.join(10)
        self._sock.close()

    def _serve(self) -> None:
        while True:
            data, client = self._sock.recvfrom(65_535)
            if not data:
                return
            answer = self._answer(data)
            self.gate.wait(10)
            if answer is not None:
                self._sock.sendto(answer, client)

    def _answer(self, data: bytes) -> bytes | None:
        import dns.flags
        import dns.message
        import dns.rcode
        import dns.rdatatype
        import dns.rrset

        query = dns.message.from_wire(data)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        known = any(key.startswith(f"{name} ") for key in self.records)
        found = self.records.get(f"{name} {kind}", [] if known else "NXDOMAIN")
        if found is None or isinstance(found, bytes):
            return found
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if isinstance(found, str):
            response.set_rcode(dns.rcode.from_text(found))
        elif found:
            response.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, found))
        return response.to_wire()


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    """Start a DNS server that knows nothing yet."""
    pytest.importorskip("dns")
    server = NameServer()
    yield server
    server.close()
