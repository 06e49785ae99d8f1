from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcprobe.errors import ImcprobeError, UsageError
from imcprobe.testing.faults import Fault, parse_fault
from imcprobe.testing.manner import EHLO_5_5
from imcprobe.testing.running import LoopThread, serve_in_thread
from imcprobe.testing.server import DEFAULT_GREETING, MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imcprobe.testing.behaviours import Line

    Connect = Callable[[MockServer], socket.socket]
    Dialogue = Callable[[MockServer, bytes], bytes]
    Running = Callable[[MockServer], MockServer]

BYE = b"221 closing connection\r\n"
HELLO = b"mock.example.com Hello, this is imcprobe mock\r\n"


@settings(max_examples=20)
@given(st.binary(max_size=300))
def test_the_greeting_is_exactly_the_bytes_given(greeting: bytes) -> None:
    with serve_in_thread(MockServer(greeting)) as server:
        client = socket.create_connection((server.host, server.port), timeout=10)
        with client:
            client.sendall(b"QUIT\r\n")
            heard = b"".join(iter(lambda: client.recv(4096), b""))
    assert heard == greeting + BYE


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (b"QUIT\r\n", BYE),
        (b"quit\n", BYE),
        (b" Quit now \r\n", BYE),
        (b"HELO me\r\nQUIT\r\n", b"250 " + HELLO + BYE),
        (b"HELP\r\nQUIT\r\n", b"214 imcprobe mock: EHLO HELO HELP NOOP QUIT RSET\r\n" + BYE),
        (b"NOOP\r\nRSET\r\nQUIT\r\n", b"250 OK\r\n250 OK\r\n" + BYE),
        (b"MAIL FROM:<a@example.com>\r\nQUIT\r\n", b"502 Command not implemented\r\n" + BYE),
        (b"STARTTLS\r\nQUIT\r\n", b"502 Command not implemented\r\n" + BYE),
        (b"\r\nQUIT\r\n", b"502 Command not implemented\r\n" + BYE),
        (b"\xff\x00\r\nQUIT\r\n", b"502 Command not implemented\r\n" + BYE),
        (b"QUITE\r\nQUIT\r\n", b"502 Command not implemented\r\n" + BYE),
        (b"QUIT\r\nNOOP\r\n", BYE),
        (b"A" * 999 + b"\nQUIT\r\n", b"502 Command not implemented\r\n" + BYE),
        (b"A" * 1000 + b"\nQUIT\r\n", b"500 Line too long\r\n"),
        (b"A" * 1001, b"500 Line too long\r\n"),
        (b"NOOP\r\n" * 100, b"250 OK\r\n" * 100 + b"421 Too many commands\r\n"),
    ],
)
def test_a_command_is_answered_as_the_ims_would(
    running: Running, connect: Connect, sent: bytes, heard: bytes
) -> None:
    client = connect(running(MockServer(b"220 hi\r\n")))
    client.sendall(sent)
    client.shutdown(socket.SHUT_WR)
    assert b"".join(iter(lambda: client.recv(65_536), b"")) == b"220 hi\r\n" + heard


@pytest.mark.parametrize(
    ("ehlo", "reply"),
    [
        (
            EHLO_5_5,
            b"250-" + HELLO + b"250-XEXCH50\r\n250-HELP\r\n250-ETRN\r\n250-DSN\r\n250-SIZE 0\r\n"
            b"250-AUTH LOGIN\r\n250-AUTH=LOGIN\r\n250-STARTTLS\r\n250 TLS\r\n",
        ),
        (["mx.example.com", "SIZE"], b"250-mx.example.com\r\n250 SIZE\r\n"),
        (["mx.example.com"], b"250 mx.example.com\r\n"),
        ([], b"502 Command not implemented\r\n"),
    ],
)
def test_ehlo_has_the_lines_that_were_given(
    running: Running, dialogue: Dialogue, ehlo: list[str], reply: bytes
) -> None:
    server = running(MockServer(b"", ehlo=ehlo))
    assert dialogue(server, b"EHLO me\r\nQUIT\r\n") == reply + BYE


def test_every_connection_s_bytes_are_recorded_in_their_order(running: Running, dialogue: Dialogue) -> None:
    server = running(MockServer())
    sent = [b"QUIT\r\n", b"EHLO \xff\r\nQUIT\n", b"noop\r\n" * 3 + b"quit\r\n"]
    for each in sent:
        assert dialogue(server, each).startswith(DEFAULT_GREETING)
    assert server.received == sent
    assert server.connections == 3


async def test_early_bytes_are_seen_while_the_server_is_silent() -> None:
    async with MockServer(faults=[parse_fault("silence")]) as server:
        with socket.create_connection((server.host, server.port)) as client:
            client.sendall(b"EHLO too early")
        await server.settle(connections=1)
        assert server.received == [b"EHLO too early"]


@pytest.mark.parametrize("sent", [b"", b"NOOP\r\nQUI"])
async def test_a_client_may_leave_at_any_point(sent: bytes) -> None:
    async with MockServer() as server:
        with socket.create_connection((server.host, server.port)) as client:
            client.sendall(sent)
        await server.settle(connections=1)
        assert server.received == [sent]


async def test_settling_has_a_limit() -> None:
    async with MockServer() as server:
        with pytest.raises(TimeoutError):
            await server.settle(connections=1, limit=0.01)
        with socket.create_connection((server.host, server.port)), pytest.raises(TimeoutError):
            await server.settle(connections=1, limit=0.05)
        await server.settle(connections=1)


def test_an_idle_client_is_told_so(running: Running, connect: Connect) -> None:
    client = connect(running(MockServer(b"", idle_timeout=0.01)))
    assert b"".join(iter(lambda: client.recv(100), b"")) == b"421 Idle too long\r\n"


def test_what_a_client_may_send_is_bounded_even_while_nobody_reads(
    running: Running, connect: Connect
) -> None:
    server = running(MockServer(faults=[parse_fault("silence")]))
    client = connect(server)
    with pytest.raises(ConnectionError):
        client.sendall(b"A" * 100_000_000)
    assert len(server.received[0]) < 1_000_000


async def test_an_address_is_written_as_clients_read_it() -> None:
    async with MockServer() as server:
        assert server.port > 0
        assert server.address == f"127.0.0.1:{server.port}"
        assert server.ready_line == f"imcprobe mock: listening on 127.0.0.1:{server.port}"


@pytest.mark.usefixtures("ipv6")
def test_ipv6_works_like_ipv4(running: Running, dialogue: Dialogue) -> None:
    server = running(MockServer(host="::1"))
    assert server.address == f"[::1]:{server.port}"
    assert dialogue(server, b"QUIT\r\n") == DEFAULT_GREETING + BYE


async def test_a_taken_port_is_a_usage_error_that_names_it() -> None:
    async with MockServer() as server:
        with pytest.raises(
            UsageError, match=rf"cannot listen on 127\.0\.0\.1:{server.port}: address al"
        ) as no:
            await MockServer(port=server.port).start()
    assert isinstance(no.value.__cause__, OSError)
    assert no.value.__cause__.errno == errno.EADDRINUSE


async def test_a_name_that_is_no_address_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on \[::1::\]:0: "):
        await MockServer(host="::1::").start()


async def test_a_deaf_server_answers_no_connection() -> None:
    async with MockServer(deaf=True) as server:
        with socket.socket() as client:
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.connect((server.host, server.port))
        await server.settle(connections=1)


async def test_a_name_that_cannot_be_shown_is_quoted_in_ascii() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on \\x1b\[2J\\u202e\.\.x:0: ") as no:
        await MockServer(host="\x1b[2J\u202e..x").start()
    assert str(no.value).isascii()


async def test_a_refused_server_keeps_its_port_and_refuses() -> None:
    async with MockServer(refused=True) as server:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.host, server.port))
        with pytest.raises(UsageError):
            await MockServer(port=server.port).start()
        await server.settle(connections=1)
    async with MockServer(port=server.port):
        pass


async def test_a_server_may_be_stopped_twice() -> None:
    async with MockServer() as server:
        await server.stop()


async def test_a_port_can_be_taken_again_at_once(dialogue: Dialogue) -> None:
    async with MockServer() as server:
        assert await asyncio.to_thread(dialogue, server, b"QUIT\r\n")
    async with MockServer(port=server.port) as again:
        assert await asyncio.to_thread(dialogue, again, b"QUIT\r\n")


def test_a_close_is_a_fin_whatever_the_client_has_said_meanwhile(running: Running, connect: Connect) -> None:
    said = threading.Event()

    async def busy(line: Line, data: bytes) -> None:
        await line.send(data)
        said.wait(10)  # on the loop: nothing is read meanwhile
        line.hang_up()

    client = connect(running(MockServer(b"22", faults=[Fault(busy)])))
    client.sendall(b"EHLO too early\r\n")
    said.set()
    assert b"".join(iter(lambda: client.recv(100), b"")) == b"22"


async def test_a_client_that_stays_after_the_close_is_closed_all_the_same() -> None:
    async with MockServer(faults=[parse_fault("close")]) as server:
        with socket.create_connection((server.host, server.port)):
            await server.settle(connections=1)


def ends(client: socket.socket) -> bool:
    """Whether the connection has ended, by a FIN or an RST, within the socket's time limit."""
    with client:
        try:
            return client.recv(1) == b""
        except ConnectionResetError:
            return True


@pytest.mark.parametrize("turns", range(8))
async def test_stopping_leaves_no_task_and_no_connection_behind(turns: int) -> None:
    before = asyncio.all_tasks()
    async with MockServer(faults=[parse_fault("silence")]) as server:
        clients = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(3)]
        for _ in range(turns):  # whatever stage accepting them has reached
            await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert server.connections <= 3
    assert [ends(client) for client in clients] == [True] * 3
    del server
    gc.collect()  # an open socket would warn, and warnings are errors


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """Set the limit of open files; the end of the test undoes it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda limit: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("recovers", [True, False])
async def test_a_server_out_of_files_lets_clients_wait(
    file_limit: Callable[[int], None], recovers: bool
) -> None:
    async with MockServer(b"220 hi\r\n") as server:
        with socket.create_connection((server.host, server.port), timeout=10) as client:
            client.sendall(b"QUIT\r\n")
            os.close(next_file := os.dup(0))
            file_limit(next_file)
            for _ in range(5):
                await asyncio.sleep(0)
            assert server.connections == 0
            file_limit(next_file + 100)
            if recovers:
                await server.settle(connections=1)
                assert client.recv(100).startswith(b"220 hi\r\n")


@pytest.mark.parametrize("deaf", [False, True])
async def test_a_lack_of_files_is_told_as_one_and_not_as_an_address(
    file_limit: Callable[[int], None], deaf: bool
) -> None:
    server = MockServer(deaf=deaf)
    os.close(next_file := os.dup(0))
    file_limit(next_file + deaf)
    with pytest.raises(ImcprobeError, match=r"too many open files\. Raise the limit: ulimit -n\.$") as raised:
        await server.start()
    assert not isinstance(raised.value, UsageError)


async def test_a_host_of_any_length_is_told_in_one_line() -> None:
    with pytest.raises(UsageError) as raised:
        await MockServer(host="x" * 120_000).start()
    assert len(str(raised.value)) < 1000


async def test_a_reader_that_stops_reading_stops_the_talker() -> None:
    sent = 0

    async def counted(line: Line, _data: bytes) -> None:
        nonlocal sent
        while True:
            await line.send(b"A" * 65_536)
            sent += 65_536

    async with MockServer(faults=[Fault(counted)]) as server:
        with socket.create_connection((server.host, server.port)):
            with pytest.raises(TimeoutError):
                await server.settle(connections=1, limit=0.3)
            so_far = sent
            with pytest.raises(TimeoutError):
                await server.settle(limit=0.1)
            assert sent == so_far
        await server.settle()


async def test_a_behaviour_that_goes_on_talking_is_told_that_the_client_left() -> None:
    told = asyncio.Event()

    async def deaf(line: Line, data: bytes) -> None:
        try:
            while True:
                await line.send(data)
        finally:
            told.set()

    async with MockServer(faults=[Fault(deaf)]) as server:
        socket.create_connection((server.host, server.port)).close()
        async with asyncio.timeout(5):
            await told.wait()


async def test_a_behaviour_that_talks_after_the_end_is_stopped() -> None:
    ends: list[str] = []

    async def stubborn(line: Line, data: bytes) -> None:
        for _ in range(3):
            try:
                line.reset()
            except Exception as end:  # noqa: BLE001 - the very behaviour that is guarded against
                ends.append(type(end).__name__)
        await line.send(data)
        ends.append("said")

    async with MockServer(faults=[Fault(stubborn)]) as server:
        socket.create_connection((server.host, server.port)).close()
        await server.settle(connections=1)
    assert ends == ["HungUpError"] * 3


def test_a_crowd_is_served_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture, running: Running
) -> None:
    server = running(MockServer(faults=[parse_fault("flood=1000000")]))
    for _ in range(200):
        client = socket.create_connection((server.host, server.port), timeout=10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    with serve_in_thread(MockServer()) as calm:
        clients = [socket.create_connection((calm.host, calm.port), timeout=10) for _ in range(500)]
        for client in clients:
            with client:
                assert client.recv(4) == b"220 "
    assert caplog.records == []


def test_nothing_of_the_client_s_side_is_used() -> None:
    code = "import sys, imcprobe.testing.server, imcprobe.testing.fleet; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    ours = {name for name in loaded.split() if name.startswith("imcprobe.")}
    assert {name for name in ours if not name.startswith("imcprobe.testing")} <= {
        "imcprobe.errors",
        "imcprobe.model",
    }


def test_a_thread_s_loop_returns_and_raises_what_the_work_does() -> None:
    async def work(text: str) -> int:
        return int(text)

    with LoopThread() as thread:
        assert thread.call(work("7")) == 7
        with pytest.raises(ValueError, match="seven"):
            thread.call(work("seven"))
