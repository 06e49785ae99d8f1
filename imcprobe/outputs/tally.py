"""Counting results: by status, and in the words of the last line of a scan."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from imcprobe.model import Status

if TYPE_CHECKING:
    from imcprobe.model import Result


class Bucket(StrEnum):
    """What a target counts as on the last line of a scan; each counts as exactly one."""

    EXCHANGE = "Exchange"
    OTHER_SMTP = "other SMTP"
    NOT_SMTP = "not SMTP"
    REFUSED = "refused"
    NO_ANSWER = "no answer"
    EXCLUDED = "excluded"
    INVALID = "invalid"

    __hash__ = str.__hash__  # as of Status


_SILENT = {
    Status.CONNECTION_REFUSED: Bucket.REFUSED,
    Status.EXCLUDED: Bucket.EXCLUDED,
    Status.INVALID_INPUT: Bucket.INVALID,
}


def bucket(result: Result) -> Bucket:
    """What a result counts as."""
    found = result.identification
    if found is not None:
        return Bucket.EXCHANGE if found.exchange else Bucket.OTHER_SMTP
    if result.observation.answered:
        return Bucket.NOT_SMTP
    return _SILENT.get(result.observation.status, Bucket.NO_ANSWER)


def alike(results: list[Result]) -> list[tuple[Result, int]]:
    """One result of each kind, and how many are of it.

    Of a kind are those with the same status and identification, bytes or none: a scan meets few kinds, and
    to judge each once is what counting costs.
    """
    kinds = [(id(found), seen.status, not seen.greeting) for seen, found in results]
    of_kind = dict(zip(kinds, results, strict=True))
    return [(of_kind[kind], count) for kind, count in Counter(kinds).items()]


class Tally:
    """Counts of results so far."""

    def __init__(self) -> None:
        self.by_status: Counter[Status] = Counter()
        self.by_bucket: Counter[Bucket] = Counter()
        self.answered = 0

    @property
    def targets(self) -> int:
        return self.by_status.total()

    @property
    def exchange(self) -> int:
        return self.by_bucket[Bucket.EXCHANGE]

    def add(self, result: Result, count: int = 1) -> None:
        """Count a result, and others that are like it (`alike`)."""
        self.by_status[result.observation.status] += count
        self.by_bucket[bucket(result)] += count
        self.answered += count * result.observation.answered

    def line(self) -> str:
        """The counts in words; those that are zero are left out, but for Exchange.

        >>> Tally().line()
        '0 Exchange'
        """
        return " · ".join(
            f"{self.by_bucket[each]} {each}"
            for each in Bucket
            if self.by_bucket[each] or each is Bucket.EXCHANGE
        )
