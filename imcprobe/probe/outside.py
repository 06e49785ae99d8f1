"""What a sweep needs of whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from imcprobe.model import Target


class Outside(Protocol):
    """What a sweep works for: where targets come from, and who is told of what."""

    def supply(self, count: int) -> list[Target]:
        """Return targets whose host is a literal address, `count` at the most, none when there is none."""
        ...

    def turned(self) -> None:
        """Take note that a turn has been taken."""
        ...

    def failed(self, error: Exception) -> None:
        """Take an exception that nothing here expects: a bug, or the supply's own."""
        ...
