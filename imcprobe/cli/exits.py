"""Exit codes, and what decides between them."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from imcprobe.model import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imcprobe.fingerprint.expect import Condition, Expectation
    from imcprobe.model import Result


BY_SIGNAL = 128
"""What a shell adds to the number of the signal that ended a command: 130, 143."""


class ExitCode(IntEnum):
    """What a shell sees, where no signal was."""

    OK = 0
    CONDITION_MET = 1
    USAGE = 2
    NOT_DONE = 3
    BUG = 4


class Verdict:
    """Watches results for conditions; `code` is the answer at the end, `reasons` why it is not OK."""

    def __init__(
        self,
        fail_on: Mapping[str, Condition] = MappingProxyType({}),
        expectation: Expectation | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self._fail_on = fail_on
        self._expectation = expectation
        self._strict = strict
        self._met: Counter[str] = Counter()
        self._unexpected = 0
        self._answered = 0
        self._silent = 0

    def add(self, result: Result, count: int = 1) -> None:
        """Take a result, and others that are like it, into account.

        A line that is no target is none that did not answer.
        """
        if result.observation.status is Status.INVALID_INPUT:
            return
        if result.observation.answered:
            self._answered += count
            if self._expectation is not None and not self._expectation.met(result):
                self._unexpected += count
        else:
            self._silent += count
        for word, condition in self._fail_on.items():
            if condition(result):
                self._met[word] += count

    @property
    def answered(self) -> bool:
        """Whether at least one target answered."""
        return self._answered > 0

    @property
    def code(self) -> ExitCode:
        """A condition that is met weighs more than a target that did not answer."""
        if self._met or self._unexpected:
            return ExitCode.CONDITION_MET
        return ExitCode.NOT_DONE if self._missed or not self._answered else ExitCode.OK

    @property
    def reasons(self) -> list[str]:
        """What was asked for and is not so, a sentence each."""
        everybody = self._answered + self._silent
        told = [f"--fail-on {word}: {count:,} of {everybody:,}." for word, count in self._met.items()]
        if self._expectation is not None and self._unexpected:
            told.append(
                f"--expect {self._expectation.text}: not met by {self._unexpected:,} of {self._answered:,} "
                "that answered."
            )
        if self._missed:
            asked = "--strict" if self._expectation is None else f"--expect {self._expectation.text}"
            told.append(f"{asked}: {self._silent:,} of {everybody:,} did not answer.")
        return told

    @property
    def _missed(self) -> bool:
        return self._silent > 0 and (self._strict or self._expectation is not None)
