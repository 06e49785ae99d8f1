"""The library's front door to the network: `check` for one host, `scan` for many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcprobe.errors import UsageError
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import DEFAULT_PORT, Result
from imcprobe.probe.options import ProbeOptions
from imcprobe.probe.scan import Scan
from imcprobe.targets import parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable


async def check(host: str, port: int = DEFAULT_PORT, *, options: ProbeOptions | None = None) -> Result:
    """Probe one host: a name, an address, `host:port` or `[v6]:port`; its connect time is measured.

    Raises UsageError for text that is no single host. What the host does is in the result.
    """
    targets = parse([host], ports=(port,))
    if len(targets) != 1:
        raise UsageError(f"{host} is {len(targets)} hosts: scan() takes networks.")
    async for result in _results(Scan(targets, options or ProbeOptions(watch_connect=True))):
        return result
    raise AssertionError("a scan gives one result per target")


async def scan(
    targets: Iterable[str],
    *,
    exclude: Iterable[str] = (),
    ports: Iterable[int] = (DEFAULT_PORT,),
    options: ProbeOptions | None = None,
) -> AsyncIterator[Result]:
    """Probe all targets, written as on the command line; one result each, in the order in which they end.

    Raises TargetError for text that is no target, before the first connection.
    """
    wanted = parse(targets, exclude=exclude, ports=ports)
    async for result in _results(Scan(wanted, options, excluded=wanted.covers_excluded)):
        yield result


async def _results(scan_: Scan) -> AsyncIterator[Result]:
    async for batch in scan_.batches():
        for seen in batch:
            yield conclude(seen)
