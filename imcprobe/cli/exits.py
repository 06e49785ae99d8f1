"""Exit codes, and what decides between them."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    """Watches results for conditions; `code` is the answer at the end."""

    def __init__(
        self,
        fail_on: tuple[Condition, ...] = (),
        expectation: Expectation | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self._fail_on = fail_on
        self._expectation = expectation
        self._strict = strict
        self._failed = False
        self._answered = False
        self._silent = False

    def add(self, result: Result) -> None:
        """Take one more result into account."""
        if result.observation.answered:
            self._answered = True
            self._failed |= self._expectation is not None and not self._expectation.met(result)
        else:
            self._silent = True
        if self._fail_on and any(condition(result) for condition in self._fail_on):
            self._failed = True

    @property
    def answered(self) -> bool:
        """Whether at least one target answered."""
        return self._answered

    @property
    def code(self) -> ExitCode:
        """A condition that is met weighs more than a target that did not answer."""
        if self._failed:
            return ExitCode.CONDITION_MET
        missed = self._silent and (self._strict or self._expectation is not None)
        return ExitCode.NOT_DONE if missed or not self._answered else ExitCode.OK
