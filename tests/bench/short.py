"""The short benchmark: CPU per greeting of `imcprobe scan`, beside aiosmtplib with a task per target.

    python tests/bench/short.py

Both greet a /18 of loopback that one small server answers, in turns, each run on addresses of its own
(addresses that were just scanned would meet connections in TIME_WAIT). What counts is the ratio of user
and system time of the whole processes, medians of the runs; rates mean nothing, since the server is the
limit. Exits 1 when the ratio or the memory is over its bar, or a greeting was missed.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 3
TARGETS = 1 << 14
NETWORKS = [f"127.{second}.{third}.0/18" for second in range(101, 110) for third in (0, 64, 128, 192)]
# Start-up is in it, and the server shares the machine: over this something is broken.
MOST_CPU = 0.5
MOST_MEMORY_MB = 60

AIOSMTPLIB = """
import asyncio, ipaddress, sys
import aiosmtplib

async def greet(address, port, slots):
    async with slots:
        client = aiosmtplib.SMTP(
            hostname=address, port=port, timeout=30, start_tls=False, local_hostname="probe.example.com"
        )
        await client.connect()
        await client.quit()

async def main(network, port):
    slots = asyncio.Semaphore(256)
    async with asyncio.TaskGroup() as tasks:
        for address in ipaddress.ip_network(network):
            tasks.create_task(greet(str(address), port, slots))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


SERVER = """
import select, socket
GREETING = (
    b"220 mx.example.com ESMTP Server"
    b" (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready\\r\\n"
)
listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
listener.setblocking(False)
print(listener.getsockname()[1], flush=True)
epoll, clients = select.epoll(), {}
epoll.register(listener, select.EPOLLIN)
while True:
    for fd, _ in epoll.poll():
        if fd == listener.fileno():
            client, _ = listener.accept()
            client.send(GREETING)
            epoll.register(client, select.EPOLLIN)
            clients[client.fileno()] = client
        else:
            client = clients.pop(fd)
            try:
                client.recv(100) and client.send(b"221 closing connection\\r\\n")
            except OSError:
                pass
            client.close()
"""


def main() -> int:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().decode().strip()
        with tempfile.TemporaryDirectory() as folder:
            return measured(port, Path(folder) / "out.jsonl")
    finally:
        server.terminate()
        server.wait()


def measured(port: str, out: Path) -> int:
    networks = iter(NETWORKS)
    ours, theirs, ratios, memory = [], [], [], 0
    for _ in range(RUNS):
        scan = [
            sys.executable,
            "-m",
            "imcprobe",
            "scan",
            next(networks),
            "-p",
            port,
            "-q",
            "-o",
            str(out),
            "--force",
        ]
        mine, mine_memory = cpu_of(scan)
        greeted = last_record(out)["by_status"]["success"]
        if greeted != TARGETS:
            print(f"only {greeted} of {TARGETS} greetings were seen")
            return 1
        other, _ = cpu_of([sys.executable, "-c", AIOSMTPLIB, next(networks), port])
        ours.append(mine)
        theirs.append(other)
        ratios.append(mine / other)
        memory = max(memory, mine_memory)
    ratio = statistics.median(ratios)
    each = 1e6 / TARGETS
    print(f"CPU per greeting: imcprobe {statistics.median(ours) * each:.0f} µs", end=", ")
    print(f"aiosmtplib {statistics.median(theirs) * each:.0f} µs, ratio {ratio:.2f} (bar {MOST_CPU})")
    print(f"peak memory {memory} MB (bar {MOST_MEMORY_MB}); all {TARGETS} greetings were seen in each run")
    return int(ratio > MOST_CPU or memory > MOST_MEMORY_MB)


def last_record(path: Path) -> dict[str, dict[str, int]]:
    """The summary; not by reading all, or this process's memory would count as that of the next ones."""
    with path.open("rb") as file:
        file.seek(-2048, os.SEEK_END)
        record: dict[str, dict[str, int]] = json.loads(file.read().splitlines()[-1])
        return record


def cpu_of(command: list[str]) -> tuple[float, int]:
    """User and system time in seconds, and peak memory in MB, of a process that must succeed."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[:4]} failed with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.exit(main())
