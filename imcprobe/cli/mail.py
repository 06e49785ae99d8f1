"""`--mx`: the mail hosts of domains become targets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import chain

from imcprobe.cli.signals import EndedError, Stop, caught
from imcprobe.probe.extras import require_extra

# Domains that are asked about at once.
_AT_ONCE = 16


def hosts_of(domains: list[str]) -> list[str]:
    """The hosts of each domain, in its order of preference.

    One domain that cannot be looked up stops all, before anything is probed, as a list that cannot be read
    does. Raises UsageError, ImcprobeError.
    """
    if not domains:
        return []
    require_extra("--mx", "dns.asyncresolver", "dns")
    stop = Stop(lambda: None)
    found: list[tuple[str, ...] | BaseException] = []
    # A signal that raised where it comes would be taken for an error by whatever the loop is doing.
    with caught(stop), suppress(asyncio.CancelledError), asyncio.Runner() as runner:
        found = runner.run(_all_of(domains, stop))
    if stop.number:
        raise EndedError(stop.number)
    return list(chain.from_iterable(map(_or_raise, found)))


async def _all_of(domains: list[str], stop: Stop) -> list[tuple[str, ...] | BaseException]:
    from imcprobe.probe.names import mail_hosts

    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(domain: str) -> tuple[str, ...]:
        async with gate:
            return await mail_hosts(domain)

    # All to their ends, so that of several failures it is always the first that is told.
    asking = asyncio.gather(*map(one, domains), return_exceptions=True)
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        with suppress(RuntimeError):  # the loop is closed, and all is over
            loop.call_soon_threadsafe(asking.cancel)

    stop.means(cancel)
    return await asking


def _or_raise(found: tuple[str, ...] | BaseException) -> tuple[str, ...]:
    if isinstance(found, BaseException):
        raise found
    return found
