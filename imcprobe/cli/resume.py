"""`--resume`: the file of a scan that was left incomplete, and what of the scan is left to do.

Everything is looked at before anything is changed: a file that is not of this scan stays as it is.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from imcprobe.cli.files import lock
from imcprobe.cli.inputs import as_given
from imcprobe.cli.terminal import reason_of, shown_ports
from imcprobe.errors import InputError, UsageError
from imcprobe.model import Status
from imcprobe.order import Done, Order, parse_shard
from imcprobe.sources.unfinished import Unfinished
from imcprobe.targets import MAX_BAD_LINES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imcprobe.model import Observation
    from imcprobe.targets import BadLine, Targets

# Observations that are judged and written again in one go.
_BATCH = 512


class Earlier:
    """A scan to go on with, mostly one that was left incomplete; its file is held open, and locked.

    `order` is the one that it had. After `survey`, `done` has the indices of its targets, `bad` the lines
    that it has passed over, `end` is where to go on writing, `seconds` how long it took as far as is known.
    """

    def __init__(self, path: str) -> None:
        """Open the file and read its head. Raises InputError, UsageError when another imcprobe writes it."""
        self.path = path
        self._name = as_given(path)
        self._stream = _opened(path)
        try:
            lock(self._stream.fileno(), path)
            self._unfinished = Unfinished(self._stream, self._name)
            self.order = _order_of(self._unfinished.head, self._name)
        except OSError as error:
            self._stream.close()
            raise self._unreadable(error) from error
        except BaseException:
            self._stream.close()
            raise
        self.done = Done(0)
        self.bad: Counter[str] = Counter()
        self.end = 0

    @property
    def descriptor(self) -> int:
        return self._stream.fileno()

    @property
    def seconds(self) -> float:
        return self._unfinished.seconds

    @property
    def count(self) -> int:
        """How many of its records are done with."""
        return len(self.done) + self.bad.total()

    def close(self) -> None:
        """Close the file, and let others have it."""
        self._stream.close()

    def agreed(self, wanted: Order) -> Order:
        """The order to go on in: that of the scan. Raises UsageError when another one was asked for."""
        for option, asked, had in (
            ("--shuffle", wanted.shuffle, self.order.shuffle),
            ("--seed", wanted.seed, self.order.seed),
            ("--shard", wanted.shard, self.order.shard),
        ):
            if asked is not None and asked is not False and asked != had:
                raise UsageError(
                    f"--resume {self._name}: that scan had another {option}. Leave it away: it is repeated."
                )
        return self.order

    def survey(self, targets: Targets) -> None:
        """Read what was done, once through. Raises InputError, UsageError when it is another scan."""
        self._check_same(targets)
        self.done = Done(len(targets))
        for number, seen in enumerate(self._observations(), 2):
            if seen.target.port == 0 and seen.status is Status.INVALID_INPUT:
                self.bad[seen.target.host] += 1
                if len(self.bad) > MAX_BAD_LINES:
                    raise InputError(
                        f"--resume {self._name} line {number}: no scan passes over so many lines. "
                        "Start anew with --force."
                    )
                continue
            index = targets.index_of(seen.target)
            if index is None or index in self.done:
                what = "repeats a target" if index is not None else "has a target that is not in this scan"
                raise InputError(f"--resume {self._name} line {number} {what}. Start anew with --force.")
            self.done.add(index)
        self.end = self._unfinished.end

    def left_of(self, bad: tuple[BadLine, ...]) -> tuple[BadLine, ...]:
        """Those of the lines that were passed over which are not in its file yet."""
        known = self.bad.copy()
        left: list[BadLine] = []
        for each in bad:
            if known[each.text]:
                known[each.text] -= 1
            else:
                left.append(each)
        return tuple(left)

    def batches(self) -> Iterator[list[Observation]]:
        """What was seen, once more from the first on."""
        observations = self._observations()
        while batch := list(islice(observations, _BATCH)):
            yield batch

    def _observations(self) -> Iterator[Observation]:
        try:
            yield from self._unfinished.observations()
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(f"--resume {self._name} cannot be read: {reason_of(error)}.")

    def _check_same(self, targets: Targets) -> None:
        head = self._unfinished.head
        options = head.get("options")
        if not isinstance(options, dict) or options.get("only") != []:
            raise UsageError(
                f"--resume {self._name}: its file holds not every target (--only), so that nobody knows what "
                "is left. Start anew with --force."
            )
        if options.get("all_addresses"):
            raise UsageError(
                f"--resume {self._name}: that scan had --all-addresses: what is done is known by target, and "
                "a name has several records. Start anew with --force."
            )
        if head.get("ports") != list(targets.ports):
            had = head.get("ports")
            known = isinstance(had, list) and had and all(type(port) is int for port in had)
            used = f"port {shown_ports(had)}" if known and had else "other ports"
            raise UsageError(f"--resume {self._name}: that scan used {used}. Give the same.")
        if head.get("targets_digest") != targets.digest:
            raise UsageError(
                f"--resume {self._name}: that scan had other targets or exclusions. Give the same."
            )


def _opened(path: str) -> BinaryIO:
    try:
        if not Path(path).is_file() and Path(path).exists():
            raise InputError(f"--resume {as_given(path)} is no file. Give the .jsonl of one scan.")
        return Path(path).open("r+b")
    except OSError as error:
        raise InputError(
            f"--resume {as_given(path)} cannot be read and written: {reason_of(error)}."
        ) from error


def _order_of(head: dict[str, Any], name: str) -> Order:
    """The order in a head record. Raises InputError for what imcprobe never wrote."""
    match head.get("order"):
        case {"shuffle": bool(shuffle), "seed": int() | None as seed, "shard": str() | None as shard}:
            with suppress(UsageError):
                return Order(shuffle, seed, None if shard is None else parse_shard(shard))
    raise InputError(
        f"--resume {name}: the order in its head is none of imcprobe's. Start anew with --force."
    )
