"""A scan: targets in, observations out, in batches and under backpressure."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from imcprobe.model import Observation, Status, Target
from imcprobe.probe.exhaustion import Exhaustion
from imcprobe.probe.late import Probe
from imcprobe.probe.options import MAX_ALL_ADDRESSES, ProbeOptions
from imcprobe.probe.outbox import Outbox
from imcprobe.probe.poller import default_poller
from imcprobe.probe.resolve import resolver_for, system_lookup
from imcprobe.probe.sockets import all_plain, dial, has_route, is_literal
from imcprobe.probe.sweep import Sweep
from imcprobe.probe.talks import Talks
from imcprobe.safetext import quoted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable

    from imcprobe.probe.late import Greeted
    from imcprobe.probe.poller import Poller
    from imcprobe.probe.resolve import Answer, Lookup
    from imcprobe.probe.sockets import Dial

T = TypeVar("T")

# Names that may wait for their turn at the resolver, so that they hold up no address behind them.
MAX_NAMES = 4096
# After `stop`, connections that are under way have this long, and then all that has ended to be taken.
STOP_GRACE = 2.3
LAST_CALL = 0.2


class Scan:
    """Probes targets, pulled lazily, each once; `batches` is its life.

    `excluded` tells whether a literal address must not be connected to: it is asked about what names
    resolve to. `remark` is told, in a sentence, what an operator must know while it runs. `further` is how
    many observations there are by now beyond one a target, where every address of a name has one. `lookup`,
    `dial`, `has_route` and `poller` are the outside, to be replaced in tests.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        options: ProbeOptions | None = None,
        *,
        excluded: Callable[[str], bool] = lambda _: False,
        remark: Callable[[str], None] = lambda _: None,
        lookup: Lookup = system_lookup,
        dial: Dial = dial,
        has_route: Callable[[str], bool] = has_route,
        poller: Callable[..., Poller] = default_poller,
    ) -> None:
        self.options = options or ProbeOptions()
        self._targets = iter(targets)
        self._excluded = excluded
        self._resolver = resolver_for(self.options, lookup, freed=self._kick)
        self.further = 0
        self._dial = dial
        self._remark = remark
        self._exhaustion = Exhaustion(has_route, remark)
        self._new_poller = poller
        self._sweep: Sweep | None = None
        self._held: deque[Target] = deque()
        self._names: deque[Target] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._outbox = Outbox()
        self._talks = Talks(self.options, self._spawn, self._told)
        self._cutting: asyncio.Task[None] | None = None
        self._leave_by: float | None = None
        self._exhausted = False
        self._stopping = False
        self._cut_short = False
        self._over = False
        self._whole = False
        self._failure: BaseException | None = None

    @property
    def complete(self) -> bool:
        """Whether every target was probed to its end."""
        return self._whole

    async def batches(self) -> AsyncGenerator[list[Observation], None]:
        """Run the scan; yields observations in the order in which they end, never an empty list.

        Raises what the iterable of targets raises. Closing the generator closes every connection.
        """
        if self.options.converses:  # aiosmtplib loads only when wanted, and while there are files left
            import_module("imcprobe.probe.session").prepare(self.options)
        loop = asyncio.get_running_loop()
        self._sweep = sweep = Sweep(
            loop,
            self.options,
            self,
            self._outbox,
            self._talks,
            exhaustion=self._exhaustion,
            poller=self._new_poller,
            dial=self._dial,
        )
        sweep.kick()
        try:
            while self._outbox.seen or not self._over:
                if not self._outbox.seen:
                    await self._outbox.wait()
                batches = self._outbox.take()
                sweep.kick()
                for batch in batches:
                    yield batch
                    if self._is_late:
                        self._whole = False
                        return
                    if batch is not batches[-1]:
                        await asyncio.sleep(0)  # for signals, and whoever else lives on this loop
            if self._failure is not None:
                raise self._failure
        finally:
            self._over = True
            sweep.close()
            self._talks.cut()
            await self._cancel_tasks()

    def stop(self, grace: float = STOP_GRACE) -> None:
        """Start nothing more; what is under way may end within `grace` seconds."""
        self._stopping = True
        # From now on, and not from when the loop comes to it: what is handed out may be long.
        self._leave_by = time.monotonic() + grace + LAST_CALL
        if self._sweep is not None:
            self._sweep.stop()
            asyncio.get_running_loop().call_later(grace, self._spawn_cut)
            self._sweep.kick()

    def _spawn_cut(self) -> None:
        self._cutting = asyncio.get_running_loop().create_task(self._cut())

    async def _cut(self) -> None:
        """End now: conversations hand over the greeting that they began with."""
        self._talks.cut()
        await self._cancel_tasks()
        self._end()

    @property
    def _is_late(self) -> bool:
        """Whether a scan that was stopped should be over by now, whatever is still to be taken."""
        return self._leave_by is not None and time.monotonic() > self._leave_by

    def supply(self, count: int) -> list[Target]:
        """Return targets that can begin at once; names that come by are looked up first."""
        found: list[Target] = []
        if self._stopping or self._over or self._outbox.is_full:
            return found
        self._ask()
        while len(found) < count:
            if not self._held:
                self._held += islice(self._targets, count - len(found))
                self._exhausted = not self._held
            if all_plain(self._held):
                found += self._held
                self._held.clear()
            if self._exhausted or not self._sort_out(found):
                break
        if not self._held and not self._exhausted:
            # One ahead: that there is no more is known at once, not when a rate lets the next one begin.
            self._held += islice(self._targets, 1)
            self._exhausted = not self._held
        return found

    def _sort_out(self, found: list[Target]) -> bool:
        """Move what can begin from the targets held to those found; whether none is held any more."""
        while self._held:
            if is_literal(self._held[0].host):
                found.append(self._held.popleft())
                continue
            if len(self._names) >= MAX_NAMES:
                self._ask()
            if len(self._names) >= MAX_NAMES:
                return False
            self._names.append(self._held.popleft())
        self._ask()
        return True

    def _ask(self) -> None:
        """Look up names that wait, as many as may be asked for at once."""
        while self._names and self._resolver.free:
            target = self._names.popleft()
            self._spawn(self._resolve(target, self._resolver.ask(target.host)))

    async def _resolve(self, target: Target, answer: Answer) -> None:
        asked_at = time.monotonic()
        try:
            found = await self._resolver.wait(answer)
        except asyncio.CancelledError:
            self._cut_short = True
            raise
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error) or "no answer from the resolver in time"
            self._report(target, None, Status.RESOLUTION_ERROR, words)
            return
        found = tuple(filter(is_literal, found))
        if len(found) > MAX_ALL_ADDRESSES:
            name = quoted(target.host)
            self._remark(f"{name} has {len(found)} addresses; {MAX_ALL_ADDRESSES} of them are probed.")
            found = found[:MAX_ALL_ADDRESSES]
        spent = time.monotonic() - asked_at
        groups = [(address,) for address in found] if self.options.all_addresses else [found]
        self.further += max(len(groups) - 1, 0)
        for addresses in filter(None, groups):
            allowed = tuple(address for address in addresses if not self._excluded(address))
            if allowed:
                self._resolved(Probe(target, allowed, spent=spent))
            else:
                self._report(target, addresses[0], Status.EXCLUDED, None)
        if not found:
            self._report(target, None, Status.RESOLUTION_ERROR, "no address")

    def _resolved(self, probe: Probe) -> None:
        if self._stopping:
            self._cut_short = True
        else:
            self._running.add(probe)

    def _report(self, target: Target, address: str | None, status: Status, error: str | None) -> None:
        self._outbox.add(Observation(target, address, status, error=error, seen_at=time.time()))

    def _told(self, greeted: Greeted, seen: Observation | None) -> None:
        self._running.conversed(greeted, seen)

    @property
    def _running(self) -> Sweep:
        assert self._sweep is not None  # noqa: S101 - nothing calls back before `batches` made it
        return self._sweep

    def _spawn(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(error)
        else:
            self._kick()

    def _kick(self) -> None:
        if not self._over:
            self._running.kick()

    def turned(self) -> None:
        waiting = self._tasks or self._held or self._names
        if self._running.idle and (self._stopping or (self._exhausted and not waiting)):
            cut_short = self._cut_short or self._running.cut_short or self._talks.cut_short
            self._whole = self._exhausted and not waiting and not cut_short
            self._end()
        else:
            self._outbox.note()

    def failed(self, error: BaseException) -> None:
        self._failure = error
        self._end()

    def _end(self) -> None:
        self._over = True
        self._outbox.wake()

    async def _cancel_tasks(self) -> None:
        while tasks := tuple(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
