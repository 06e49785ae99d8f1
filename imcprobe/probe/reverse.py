"""A scan that also asks what reverse DNS calls the addresses that answered (`ProbeOptions.ptr`).

Observations go on as they come; one whose address has to be asked about follows when its name is known. A
slow name server holds up nothing but what waits for it, until so much waits that the scan has to.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from imcprobe.probe.extras import require_extra
from imcprobe.probe.names import DNS_EXTRA, DNS_MODULE, default_resolver, reverse_names
from imcprobe.probe.options import MAX_QUESTIONS
from imcprobe.probe.outbox import MAX_UNDELIVERED, MAX_UNDELIVERED_BYTES, Outbox, weight_of
from imcprobe.probe.scan import STOP_GRACE, Scan

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from dns.asyncresolver import Resolver

    from imcprobe.model import Observation, Target
    from imcprobe.probe.options import ProbeOptions

# Addresses whose names are kept, for their other ports.
MAX_KNOWN = 4096


class NamedScan(Scan):
    """A scan whose observations have `ptr` where at least one byte came; else as `Scan`.

    What is cut off by a stop goes out without, and the scan is not complete then. Raises UsageError without
    the extra `dns`, ImcprobeError where this machine knows no name server.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        options: ProbeOptions | None = None,
        *,
        resolver: Resolver | None = None,
        **outside: Any,
    ) -> None:
        require_extra("ptr", DNS_MODULE, DNS_EXTRA)
        super().__init__(targets, options, **outside)
        self._named = Outbox()
        self._naming = _Naming(resolver or default_resolver(), self._named)
        self._all_taken = False

    @property
    def complete(self) -> bool:
        """Whether every target was probed to its end, its name asked for, and all of it taken."""
        return super().complete and self._all_taken and not self._naming.cut_short

    async def batches(self) -> AsyncGenerator[list[Observation], None]:
        """As `Scan.batches`, each observation with the name of its address once that is known."""
        pumping = asyncio.get_running_loop().create_task(self._pump(super().batches()))
        pumping.add_done_callback(lambda _: self._named.wake())
        try:
            while self._named.seen or not pumping.done():
                if not self._named.seen:
                    await self._named.wait()
                batches = self._named.take()
                self._naming.note_room()
                for batch in batches:
                    yield batch
                    if self._is_late:
                        return
                    if batch is not batches[-1]:
                        await asyncio.sleep(0)  # as in `Scan.batches`
            await pumping  # for what it raised
            self._all_taken = True
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
            await self._naming.close()
            self._named.wake()  # and its timer ends

    def stop(self, grace: float = STOP_GRACE) -> None:
        """Start nothing more; what is under way, names included, may end within `grace` seconds."""
        super().stop(grace)
        if self._sweep is not None:
            asyncio.get_running_loop().call_later(grace, self._naming.give_up)

    async def _pump(self, inner: AsyncGenerator[list[Observation], None]) -> None:
        try:
            async with aclosing(inner) as batches:
                async for batch in batches:
                    self._naming.add(batch)
                    await self._naming.room()
            await self._naming.all_known()
        finally:
            self._naming.give_up()  # whatever ended it, nothing is lost


class _Naming:
    """Puts observations into `outbox` when the names of their addresses are known, which it asks for."""

    def __init__(self, resolver: Resolver, outbox: Outbox, *, kept: int = MAX_KNOWN) -> None:
        self.cut_short = False
        self._resolver = resolver
        self._outbox = outbox
        self._kept = kept
        self._known: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._waiting: dict[str, list[Observation]] = {}
        self._queue: deque[str] = deque()
        self._asking: set[asyncio.Task[None]] = set()
        self._count = 0
        self._weight = 0
        self._moved = asyncio.Event()
        self._given_up = False

    def add(self, batch: list[Observation]) -> None:
        """Take observations, and ask about the addresses of those that have an answer and no name yet."""
        for seen in batch:
            address = seen.address
            if address is None or not seen.answered:
                self._outbox.add(seen)
            elif (names := self._known.get(address)) is not None:
                self._known.move_to_end(address)
                self._outbox.add(seen._replace(ptr=names))
            elif self._given_up:
                self._give_nameless(seen)
            else:
                self._wait(address, seen)
        self._ask()
        self._outbox.note()

    def give_up(self) -> None:
        """Ask no more, and let go of what waits, without names."""
        self._given_up = True
        waiting = [seen for each in self._waiting.values() for seen in each]
        self._waiting.clear()
        self._queue.clear()
        self._count = self._weight = 0
        for seen in waiting:
            self._give_nameless(seen)
        for task in self._asking:
            task.cancel()
        self._outbox.note()
        self._moved.set()

    def note_room(self) -> None:
        """Take note that the outbox was emptied."""
        self._moved.set()

    async def room(self) -> None:
        """Wait until little enough waits, here and in the outbox."""
        while self._is_full or self._outbox.is_full:
            await self._move()

    async def all_known(self) -> None:
        """Wait until nothing waits here."""
        while self._waiting:
            await self._move()

    async def close(self) -> None:
        """End the questions that are left."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    @property
    def _is_full(self) -> bool:
        return self._count >= MAX_UNDELIVERED or self._weight >= MAX_UNDELIVERED_BYTES

    async def _move(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    def _give_nameless(self, seen: Observation) -> None:
        self.cut_short = True
        self._outbox.add(seen)

    def _wait(self, address: str, seen: Observation) -> None:
        self._count += 1
        self._weight += weight_of(seen)
        if address in self._waiting:
            self._waiting[address].append(seen)
        else:
            self._waiting[address] = [seen]
            self._queue.append(address)

    def _ask(self) -> None:
        while self._queue and len(self._asking) < MAX_QUESTIONS:
            task = asyncio.get_running_loop().create_task(self._name(self._queue.popleft()))
            self._asking.add(task)
            task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._ask()

    async def _name(self, address: str) -> None:
        names = await reverse_names(address, self._resolver)
        if self._given_up:  # a question that could not be broken off
            return
        self._known[address] = names
        if len(self._known) > self._kept:
            self._known.popitem(last=False)
        for seen in self._waiting.pop(address):
            self._count -= 1
            self._weight -= weight_of(seen)
            self._outbox.add(seen._replace(ptr=names))
        self._outbox.note()
        self._moved.set()
