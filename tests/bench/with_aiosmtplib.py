"""The usual way to greet in asyncio, to compare with: aiosmtplib, and a task per target.

python tests/bench/with_aiosmtplib.py NETWORK PORT

Prints as JSON how many targets there were and how many greeted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from ipaddress import IPv4Network

import aiosmtplib

_IN_FLIGHT = 256


async def greet(address: str, port: int, slots: asyncio.Semaphore) -> bool:
    """Connect, which waits for the greeting, and quit."""
    async with slots:
        client = aiosmtplib.SMTP(
            hostname=address, port=port, timeout=30, start_tls=False, local_hostname="probe.example.com"
        )
        try:
            await client.connect()
            await client.quit()
        except (OSError, aiosmtplib.SMTPException):
            return False
        return True


async def greet_all(network: IPv4Network, port: int) -> int:
    """Greet every address of a network; returns how many answered."""
    slots = asyncio.Semaphore(_IN_FLIGHT)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(greet(str(address), port, slots)) for address in network]
    return sum(task.result() for task in tasks)


def main() -> None:
    """Read the command line and print the counts."""
    network = IPv4Network(sys.argv[1])
    success = asyncio.run(greet_all(network, int(sys.argv[2])))
    print(json.dumps({"targets": network.num_addresses, "success": success}))


if __name__ == "__main__":
    main()
