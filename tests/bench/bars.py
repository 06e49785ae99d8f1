"""The bars: what is wanted of each figure, and beyond what the project is broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure by its key, its name and unit in the report, its goal, and the last value that passes."""

    key: str
    name: str
    goal: float
    fails_at: float
    unit: str = ""
    more_is_better: bool = False

    def beyond(self, measured: float, limit: float) -> bool:
        """Whether a figure is on the wrong side of a limit."""
        return measured < limit if self.more_is_better else measured > limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar and what was measured, None where it was not."""

    bar: Bar
    measured: float | None

    @property
    def fails(self) -> bool:
        return self.measured is not None and self.bar.beyond(self.measured, self.bar.fails_at)

    @property
    def word(self) -> str:
        if self.measured is None:
            return "not measured"
        if self.fails:
            return "FAILS"
        return "passes" if self.bar.beyond(self.measured, self.bar.goal) else "goal"


# Between two scans of one program, so that neither the machine nor a few runs excuse more.
_CONVERSATIONS = (
    Bar("conversations", "CPU with EHLO for one in ten / without", 2.0, 2.5),
    Bar("conversations-missed", "answers missed with EHLO for one in ten", 0, 0),
)
BARS = (
    Bar("answer-missed", "greetings missed where all answer", 0, 0),
    Bar("cpu-quit", "CPU with QUIT / C with QUIT", 1.15, 1.4),
    Bar("cpu-plain", "CPU without QUIT / C without", 1.25, 1.6),
    Bar("rate", "rate / C with QUIT", 0.85, 0.7, more_is_better=True),
    Bar("closed", "CPU on closed ports / C", 1.3, 1.8),
    Bar("silent", "CPU on a silent net / C", 1.5, 2.0),
    Bar("aiosmtplib", "CPU with QUIT / aiosmtplib", 0.22, 0.33),
    Bar("nmap", "CPU with QUIT / nmap", 0.10, 0.2),
    Bar("pnscan", "CPU without QUIT / pnscan", 1.0, 1.3),
    Bar("doscan", "CPU without QUIT / doscan", 1.0, 1.3),
    Bar("silent-missed", "greetings missed on a silent net", 0, 0),
    Bar("slow-missed", "greetings missed on a slow net", 0, 0),
    Bar("rss", "peak memory, 65,536 targets", 40, 60, "MB"),
    Bar("growth", "more memory for 1,048,576", 3, 10, "MB"),
    Bar("version", "imcprobe --version", 0.12, 0.25, "s"),
    Bar("import", "import imcprobe", 0.03, 0.08, "s"),
    # Of two scans alike, one may well take some per cent more than the other.
    Bar("progress", "CPU for the progress bar", 1, 5, "%"),
    *_CONVERSATIONS,
)
# Few runs, on any machine and with other things beside them: beyond these something is broken.
SHORT_BARS = (
    Bar("answer-missed", "greetings missed where all answer", 0, 0),
    Bar("cpu-quit", "CPU with QUIT / C with QUIT", 2.5, 2.5),
    Bar("aiosmtplib", "CPU with QUIT / aiosmtplib", 0.5, 0.5),
    Bar("rss", "peak memory, 65,536 targets", 60, 60, "MB"),
    *_CONVERSATIONS,
)


def judged(bars: tuple[Bar, ...], figures: Mapping[str, float]) -> list[Verdict]:
    """Hold figures against the bars that they have."""
    return [Verdict(bar, figures.get(bar.key)) for bar in bars]
