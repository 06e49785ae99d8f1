"""`--mx`: the mail hosts of domains become targets."""

from __future__ import annotations

import asyncio
from itertools import chain

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
    return list(chain.from_iterable(asyncio.run(_all_of(domains))))


async def _all_of(domains: list[str]) -> list[tuple[str, ...]]:
    from imcprobe.probe.names import mail_hosts

    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(domain: str) -> tuple[str, ...]:
        async with gate:
            return await mail_hosts(domain)

    # All to their ends, so that of several failures it is always the first that is told.
    found = await asyncio.gather(*map(one, domains), return_exceptions=True)
    return [_or_raise(each) for each in found]


def _or_raise(found: tuple[str, ...] | BaseException) -> tuple[str, ...]:
    if isinstance(found, BaseException):
        raise found
    return found
