"""A stdout that is no file and no pipe: sockets, and terminals that another process has made non-blocking."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import tty
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from imcprobe.testing.factories import FleetFactory

IMCPROBE = [sys.executable, "-m", "imcprobe"]
# Less than any of these commands write.
_SMALL = 4096


def start(stdout: int, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*IMCPROBE, *map(str, arguments)], stdout=stdout, stderr=subprocess.PIPE)


def read_all(descriptor: int) -> bytes:
    data = b""
    try:
        while block := os.read(descriptor, 1000):
            data += block
    except OSError:  # how a terminal says that its other end is closed
        pass
    return data


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("arguments", [("schema",), ("builds", "-f", "json")])
def test_a_socket_gets_every_byte(arguments: tuple[str, ...], blocking: bool) -> None:
    whole = subprocess.run([*IMCPROBE, *arguments], capture_output=True, check=True).stdout
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL)
        writer.setblocking(blocking)
        process = start(writer.fileno(), *arguments)
        writer.close()
        select.select([reader], [], [], 20)
        assert read_all(reader.fileno()) == whole
    assert (process.communicate(timeout=10)[1], process.returncode) == (b"", 0)


@pytest.mark.parametrize("arguments", [("schema",), ("builds", "-f", "json")])
def test_a_terminal_that_does_not_block_gets_every_byte(arguments: tuple[str, ...]) -> None:
    whole = subprocess.run([*IMCPROBE, *arguments], capture_output=True, check=True).stdout
    reader, writer = pty.openpty()
    tty.setraw(writer, termios.TCSANOW)
    os.set_blocking(writer, False)
    process = start(writer, *arguments)
    os.close(writer)
    select.select([reader], [], [], 20)
    assert read_all(reader) == whole
    os.close(reader)
    assert (process.communicate(timeout=10)[1], process.returncode) == (b"", 0)


def test_a_reader_of_a_socket_who_does_not_read_keeps_no_scan_from_ending(imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(200)
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL)
        process = start(
            writer.fileno(), "scan", f"{fleet[0].host}-{fleet[199].host}", "-p", fleet[0].port, "-f", "jsonl"
        )
        select.select([reader], [], [], 20)
        while select.select([], [writer], [], 0)[1]:  # until it waits for the reader
            select.select([], [], [], 0.01)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert time.monotonic() - began < 3.5
        process.communicate()


def test_a_reader_of_a_socket_who_breaks_off_is_no_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        writer = socket.create_connection(server.getsockname())
        reader, _ = server.accept()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no end
    reader.close()
    with writer:
        process = start(writer.fileno(), "schema")
    assert (process.communicate(timeout=10)[1], process.returncode) == (b"", 0)
