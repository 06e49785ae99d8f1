"""A scan's JSON Lines that may have no end: what was seen so far, and where to go on writing.

A process that is killed leaves its last line torn. A loss of power leaves zeros where blocks were
never written, possibly many. Both are cut, and what they held is scanned again; a line that is broken
anywhere else is an error, as something else than an end happened to the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imcprobe.errors import InputError
from imcprobe.evidence import CUT_SHORT
from imcprobe.sources.records import MAX_LINE, check_schema, duration, observation, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from imcprobe.model import Observation

_BLOCK = 1 << 20
# What is in blocks that were never written, and in lines that are empty.
_VOID = b"\0\n"
_HEAD = b'{"type":"scan"'
_ANEW = "Start anew with --force."
_ANOTHER = "Give the .jsonl of one scan."


class Unfinished:
    """A scan to go on with: made, it has its `head`; once `observations` are through, all the rest.

    `end` is the offset in bytes behind the last record that was given, at first behind the head: cut
    and go on writing there. `complete` is what the old summary says, None without one; `seconds` how
    long that scan took, 0.0 without.
    """

    head: dict[str, Any]
    end: int
    complete: bool | None
    seconds: float

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """Read the head of `stream`, which can seek and is to be left where it is; `name` is fit to show.

        Raises InputError when it is not of a scan, or not whole.
        """
        self._stream = stream
        self._place = f"--resume {name}"
        stream.seek(0)
        line = stream.readline(MAX_LINE + 1)
        self.head = self._checked_head(line)
        self._behind_head = len(line)
        self._forget()

    def observations(self) -> Iterator[Observation]:
        """Each as the scan saw it, up to the summary or a torn end; called again, from the first on.

        From the first one on that a stop cut short they are left out: it comes last, and is to be made anew.

        Raises InputError that names the line.
        """
        self._forget()
        self._stream.seek(self._behind_head)
        number, is_cut = 1, False
        while line := self._stream.readline(MAX_LINE + 1):
            number += 1
            record = _whole_record(line)
            if record is None:
                self._check_torn(line, number)
                return
            if record.get("type") == "summary":
                self._take_summary(record, number)
                return
            seen = self._result(record, number)
            is_cut = is_cut or self._was_cut_short(seen)
            if not is_cut:
                self.end += len(line)
                yield seen

    def _was_cut_short(self, seen: Observation) -> bool:
        """Whether not all was asked of a target that was to be asked."""
        if (seen.error or "").endswith(CUT_SHORT):
            return True
        asks_names = (self.head.get("options") or {}).get("ptr") is True
        return asks_names and seen.answered and seen.address is not None and seen.ptr is None

    def _forget(self) -> None:
        self.end, self.complete, self.seconds = self._behind_head, None, 0.0

    def _checked_head(self, line: bytes) -> dict[str, Any]:
        head = _whole_record(line)
        if head is None and _begins_head(line) and self._is_void_behind():
            raise InputError(f"{self._place}: it holds no whole record. {_ANEW}")
        # Nothing here speaks of --force: the file may be another one than was meant.
        if head is None or head.get("type") != "scan":
            raise InputError(f"{self._place}: that is no scan of imcprobe. {_ANOTHER}")
        check_schema(head, self._place)
        if head.get("source") is not None:
            raise InputError(f"{self._place}: identify wrote that, from what was stored. {_ANOTHER}")
        return head

    def _result(self, record: dict[str, Any], number: int) -> Observation:
        if record.get("type") != "result":
            raise InputError(f"{self._place} line {number} is no result. {_ANOTHER}")
        try:
            return observation(record, f"{self._place} line {number}", probed=True)
        except InputError as error:
            raise InputError(f"{error} {_ANEW}") from error

    def _take_summary(self, record: dict[str, Any], number: int) -> None:
        if not self._is_void_behind():
            raise InputError(f"{self._place}: there is more behind its summary, line {number}. {_ANOTHER}")
        complete, seconds = record.get("complete"), _seconds(record)
        if not isinstance(complete, bool) or seconds is None:
            raise InputError(f"{self._place} line {number} is no summary of imcprobe. {_ANEW}")
        self.complete, self.seconds = complete, seconds

    def _check_torn(self, line: bytes, number: int) -> None:
        """Raise InputError unless the file ends with `line`, whose end was never written."""
        if len(line) > MAX_LINE and not line.endswith((b"\0", b"\n")):
            raise InputError(f"{self._place} line {number} is longer than a record can be. {_ANEW}")
        if not self._is_void_behind():
            raise InputError(f"{self._place} line {number} is no record of imcprobe. {_ANEW}")

    def _is_void_behind(self) -> bool:
        while block := self._stream.read(_BLOCK):
            if block.strip(_VOID):
                return False
        return True


def _whole_record(line: bytes) -> dict[str, Any] | None:
    """The record of a line, None when it is torn: without its end even a whole object is."""
    return record_of(line) if line.endswith(b"\n") else None


def _begins_head(line: bytes) -> bool:
    """Whether a scan that was stopped in its first line can have left `line`."""
    return _HEAD.startswith(line.rstrip(_VOID)[: len(_HEAD)])


def _seconds(summary: dict[str, Any]) -> float | None:
    try:
        return duration(summary.get("seconds"))
    except ValueError:
        return None
