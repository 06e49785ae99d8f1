"""The library's front door to the network: `check` for one host, `scan` for many."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from imcprobe.errors import UsageError
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import DEFAULT_PORT, Result
from imcprobe.order import IN_TURN, Order
from imcprobe.probe.limits import within_limits
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.targets import parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from imcprobe.targets import Targets


async def check(host: str, port: int = DEFAULT_PORT, *, options: ProbeOptions | None = None) -> Result:
    """Probe one host: a name, an address, `host:port` or `[v6]:port`; what it does is in the result.

    Without options its connect time is measured. Raises UsageError for text that is no single host.
    """
    targets = parse([host], ports=(port,))
    if len(targets) != 1:
        raise UsageError(f"{host.strip()} is {len(targets)} hosts: scan() takes networks.")
    # To the end of the scan, which comes after the goodbye.
    (result,) = [each async for each in _results(targets, options or ProbeOptions(watch_connect=True))]
    return result


async def scan(
    targets: Iterable[str],
    *,
    exclude: Iterable[str] = (),
    ports: Iterable[int] = (DEFAULT_PORT,),
    options: ProbeOptions | None = None,
    order: Order = IN_TURN,
) -> AsyncIterator[Result]:
    """Probe all targets, written as on the command line; one result each, in the order in which they end.

    `order` may shuffle them, or be one of several shards.

    Raises TargetError for text that is no target, before the first connection. Breaking off the loop
    breaks off every connection that is under way. Where the process may open too few files for so many
    targets at once, its soft limit is raised, and no more are begun than fit.
    """
    wanted = parse(targets, exclude=exclude, ports=ports)
    async for result in _results(wanted, options or ProbeOptions(), order):
        yield result


async def _results(targets: Targets, options: ProbeOptions, order: Order = IN_TURN) -> AsyncIterator[Result]:
    limited = within_limits(options, order.size(len(targets)))
    running = Scan(targets.walk(order), limited, excluded=targets.covers_excluded)
    async with aclosing(running.batches()) as batches:
        async for batch in batches:
            for seen in batch:
                yield conclude(seen)
