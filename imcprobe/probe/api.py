"""The library's front door to the network: `check` for one host, `scan` for many."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

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

    from imcprobe.model import Target
    from imcprobe.targets import Targets


async def check(host: str, port: int = DEFAULT_PORT, *, options: ProbeOptions | None = None) -> Result:
    """Probe one host: a name, an address, `host:port` or `[v6]:port`; what it does is in the result.

    Without options its connect time is measured. Raises UsageError for text that is no single host, and
    for the option `all_addresses`.
    """
    targets = parse([host], ports=(port,))
    options = options or ProbeOptions(watch_connect=True)
    if options.all_addresses:
        raise UsageError("check() gives one result: for all_addresses take scan().")
    if len(targets) != 1:
        raise UsageError(f"{host.strip()} is {len(targets)} hosts: scan() takes networks.")
    # To the end of the scan, which comes after the goodbye.
    (result,) = [each async for each in _results(targets, options)]
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

    With the option `all_addresses` a name has one for each of its addresses, 64 at the most.

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
    running = new_scan(targets.walk(order), limited, excluded=targets.covers_excluded)
    async with aclosing(running.batches()) as batches:
        async for batch in batches:
            for seen in batch:
                yield conclude(seen)


def new_scan(targets: Iterable[Target], options: ProbeOptions, **outside: Any) -> Scan:
    """Return a scan to be run, of the kind that the options ask for; `outside` is as of `Scan`.

    Raises UsageError without an extra that they need, ImcprobeError where there is nobody to be asked.
    """
    if not options.ptr:
        return Scan(targets, options, **outside)
    from imcprobe.probe.reverse import NamedScan

    return NamedScan(targets, options, **outside)
