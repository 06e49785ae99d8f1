"""Running a scan for a verb: batches to screen, files, counts and verdict, until done or stopped."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import aclosing, suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from imcprobe.cli.bugs import catch_log
from imcprobe.cli.exits import BY_SIGNAL, ExitCode
from imcprobe.cli.signals import Stop, caught
from imcprobe.cli.terminal import shown_ports
from imcprobe.errors import ImcprobeError, OutputError
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Observation, Result, Status, Target
from imcprobe.order import IN_TURN, Order
from imcprobe.outputs.records import Head, HeadOptions
from imcprobe.outputs.tally import Tally, alike
from imcprobe.probe.api import new_scan
from imcprobe.probe.limits import connections, open_files, within_limits
from imcprobe.safetext import restore
from imcprobe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.cli.exits import Verdict
    from imcprobe.cli.files import OutputFiles
    from imcprobe.cli.resume import Earlier
    from imcprobe.cli.terminal import Terminal
    from imcprobe.outputs.formats import Format
    from imcprobe.probe.options import ProbeOptions
    from imcprobe.targets import BadLine, Targets

# One greeting from so many addresses, and from more than half of those that answered: something in between.
_SAME_FROM = 16
_MAX_GREETINGS = 4096
_LONGEST_GREETING = 512
_NEVER_TRIED = frozenset({Status.RESOLUTION_ERROR, Status.EXCLUDED, Status.INVALID_INPUT})
# Below, not even a loop can be made.
_FEWEST_FILES = 16
# What the head of a file has of the options of the probe, under the same names.
_IN_HEAD = tuple(field.name for field in fields(HeadOptions) if field.name != "only")
# Progress is shown this often, in seconds.
_TICK = 0.2


@dataclass(slots=True)
class Run:
    """All that one scan of the command line needs.

    `order` says which of the targets, and in which order; `earlier` is the scan that this one goes on with.
    `show` says which results stdout gets (None: all), `announcement` what is said first, the pace added, and
    `warns` whether it is said that nobody answered.
    """

    targets: Targets
    options: ProbeOptions
    terminal: Terminal
    files: OutputFiles
    verdict: Verdict
    format: Format
    order: Order = IN_TURN
    earlier: Earlier | None = None
    show: Callable[[Result], bool] | None = None
    announcement: str | None = None
    warns: bool = True

    @property
    def bad(self) -> tuple[BadLine, ...]:
        """The lines that were passed over; of several shards the first tells of them."""
        return self.targets.bad if self.order.shard in (None, (1, self.order.parts)) else ()

    @property
    def total(self) -> int:
        """How many records there will be."""
        bad = len(self.bad)
        if self.earlier is not None:  # its list may have been mended since
            bad = self.earlier.bad.total() + len(self.earlier.left_of(self.bad))
        return self.order.size(len(self.targets)) + bad

    @property
    def left(self) -> int:
        """How many of its targets are still to be probed."""
        return self.order.size(len(self.targets)) - (0 if self.earlier is None else len(self.earlier.done))


def run_scan(run: Run) -> int:
    """Run to the end, or until a signal; returns the exit code. Raises ImcprobeError."""
    catch_log()
    stop = Stop(run.terminal.abandon)
    try:
        # Not the loop's own handlers: they run in its turns, and a turn may wait for whoever reads stdout.
        with caught(stop):
            run.options = _capped(run.options, run.left, run.terminal)
            if run.announcement is not None:
                run.terminal.remark(f"{run.announcement}, {run.options.concurrency} at a time")
            with asyncio.Runner() as runner:  # which makes its loop, or fails to, before there is a coroutine
                return runner.run(_running(run, stop))
    finally:
        run.files.close()
        if run.earlier is not None:
            run.earlier.close()


async def _running(run: Run, stop: Stop) -> int:
    return await _Runner(run, stop).run()


def _capped(options: ProbeOptions, targets: int, terminal: Terminal) -> ProbeOptions:
    """Lower the number of connections to what open files allow, and say so.

    Raises ImcprobeError where there are too few for anything.
    """
    fitted = within_limits(options, targets)
    if 0 < open_files() < _FEWEST_FILES:
        raise ImcprobeError(
            f"this shell allows {open_files()} open files, too few to begin. Raise the limit: ulimit -n."
        )
    if fitted is not options:
        terminal.remark(
            f"{connections(options, targets)} connections wanted, but this shell allows {open_files()} "
            f"open files; using {connections(fitted, targets)}."
        )
    return fitted


class _Runner:
    """One run: holds the counts, and what a signal has asked for."""

    def __init__(self, run: Run, stop: Stop) -> None:
        self._run = run
        self._asked = stop
        self._tally = Tally()
        self._greetings: Counter[bytes] = Counter()
        # The ports of one address may well greet alike.
        self._counts_greetings = len(run.targets.ports) == 1
        self._loop = asyncio.get_running_loop()
        done = None if run.earlier is None else run.earlier.done.__contains__
        self._scan = new_scan(
            run.targets.walk(run.order, done),
            run.options,
            excluded=run.targets.covers_excluded,
            remark=run.terminal.remark,
        )

    async def run(self) -> int:
        run = self._run
        started = time.monotonic() - (0.0 if run.earlier is None else run.earlier.seconds)
        self._asked.means(self._on_signal)
        ticking = asyncio.get_running_loop().create_task(self._tick())
        try:
            await self._all(_head(run))
            return self._end(time.monotonic() - started)
        except BaseException:
            # One output is lost, or whatever it is: the others are ended as they should be.
            with suppress(OutputError):
                run.files.end(self._tally, time.monotonic() - started, complete=False)
            raise
        finally:
            ticking.cancel()

    async def _all(self, head: Head) -> None:
        run = self._run
        run.files.start(head)
        run.terminal.out(run.format.start(head))
        bad = run.bad
        run.terminal.begin(head.targets)
        if run.earlier is not None:
            if not await self._repeat(run.earlier):
                return  # nothing is probed, and its file stays as it was
            run.files.go_on()
            bad = run.earlier.left_of(bad)
        run.terminal.begin(head.targets, done=self._tally.targets)
        self._add([_invalid(each.text, each.message) for each in bad])
        async with aclosing(self._scan.batches()) as batches:
            async for batch in batches:
                self._add([conclude(seen) for seen in batch])
                if run.terminal.gone:
                    break

    async def _repeat(self, earlier: Earlier) -> bool:
        """Tell again of what an earlier scan has seen: its own file alone has that already."""
        for batch in earlier.batches():
            self._add([conclude(seen) for seen in batch], earlier=True)
            await asyncio.sleep(0)  # for signals and progress
            if self._asked.number or self._run.terminal.gone:
                return False
        return True

    async def _tick(self) -> None:
        """Show progress also while nobody answers."""
        while True:
            self._run.terminal.advance(self._tally.targets, self._tally.line(), more=self._scan.further)
            await asyncio.sleep(_TICK)

    def _add(self, results: list[Result], *, earlier: bool = False) -> None:
        run = self._run
        for result, count in alike(results):
            self._tally.add(result, count)
            run.verdict.add(result, count)
        if self._counts_greetings:
            self._note([seen.greeting for seen, _ in results])
        run.files.add(results, earlier=earlier)
        run.terminal.out(run.format.rows(results if run.show is None else filter(run.show, results)))

    def _note(self, greetings: list[bytes]) -> None:
        """Count greetings; once there are very many different ones, only those that are known."""
        short = [each for each in greetings if 0 < len(each) <= _LONGEST_GREETING]
        if len(self._greetings) >= _MAX_GREETINGS:
            short = [each for each in short if each in self._greetings]
        self._greetings.update(short)

    def _end(self, seconds: float) -> int:
        run, tally = self._run, self._tally
        complete = self._scan.complete
        run.terminal.finish()
        run.terminal.out(run.format.end(tally, seconds, complete=complete))
        written = run.files.end(tally, seconds, complete=complete)
        if written:
            run.terminal.remark(f"wrote {written}")
        self._warn()
        if self._asked.number:
            return BY_SIGNAL + self._asked.number
        # A reader who has left has seen what it wanted to see: nothing is to be concluded from the rest.
        return int(ExitCode.OK if run.terminal.gone else run.verdict.code)

    def _warn(self) -> None:
        run, tally = self._run, self._tally
        if run.terminal.gone:
            return
        most = max(self._greetings.values(), default=0)
        if most >= _SAME_FROM and most * 2 > tally.answered:
            run.terminal.remark(
                f"the same greeting came from {most:,} of {tally.answered:,} addresses: "
                "something in between may answer for them."
            )
        if run.warns and not run.verdict.answered and not self._asked.number:
            run.terminal.complain(f"{self._nobody()} Nothing was shown to be safe.")
        if not self._asked.number:
            for reason in run.verdict.reasons:
                run.terminal.remark(reason)

    def _nobody(self) -> str:
        """Why nobody answered, as far as can be said."""
        if all(status in _NEVER_TRIED for status in self._tally.by_status):
            return "no host was tried: see what became of each."
        ports = self._run.targets.ports
        named = f"port{'' if len(ports) == 1 else 's'} {shown_ports(ports)}"
        return f"no host answered on {named} from here. {named.capitalize()} may be blocked on the way out."

    def _on_signal(self) -> None:
        self._run.terminal.interrupt()
        with suppress(RuntimeError):  # the loop is closed, and all is over
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self._run.terminal.remark("stopping; once more to leave at once.")
        self._scan.stop()


def _head(run: Run) -> Head:
    options = run.options
    return Head(
        version=__version__,
        started=time.time(),
        targets=run.total,
        ports=run.targets.ports,
        targets_digest=run.targets.digest,
        order=run.order,
        options=HeadOptions(**{name: getattr(options, name) for name in _IN_HEAD}, only=run.files.only),
    )


def _invalid(text: str, message: str) -> Result:
    # Every output makes it safe, so what is safe already is taken back first.
    raw = restore(message).decode("utf-8", "surrogateescape")
    return Result(Observation(Target(text, 0), None, Status.INVALID_INPUT, error=raw))
