"""How fast, and how patiently: a bucket of connections per second, and a connect limit that learns."""

from __future__ import annotations

# Credit is kept for this long, in seconds, beside the one connection that is being saved for: what a late
# turn may make up for. A longer stall is lost, not followed by a burst. More would let the second after a
# stall have over a twentieth too many.
_CREDIT = 0.025
# Of RFC 6298, section 2: how much one more measurement changes what was known.
_ALPHA, _BETA, _DEVIATIONS = 1 / 8, 1 / 4, 4
# What a few connections took says nothing of the others.
_ENOUGH = 8
# A SYN that was lost is sent again after a second (RFC 6298, 2.1): who answers that one is there, too.
_SECOND_SYN = 1.0
# The least that an answer is given, in seconds: machines are busy now and then.
_LEAST = 0.2


class RateLimit:
    """`rate` connections per second, evenly: a token bucket, filled as time goes by.

    Moments are of the monotonic clock, in seconds; the caller tells them.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = 1.0 + rate * _CREDIT
        self._tokens = 1.0
        self._at = now

    def allowed(self, now: float) -> int:
        """How many connections may begin now."""
        self._tokens = min(self._tokens + (now - self._at) * self._rate, self._most)
        self._at = now
        return int(self._tokens)

    def spend(self, count: int) -> None:
        """Take note that so many have begun."""
        self._tokens -= count

    @property
    def next_due(self) -> float | None:
        """When one more may begin, None when one could have begun when it was last asked."""
        return None if self._tokens >= 1.0 else self._at + (1.0 - self._tokens) / self._rate


class ConnectLimit:
    """How long a connection may take, `seconds`: `longest`, or less once `learn` was told of enough of them.

    What it learns is the time-out of RFC 6298 (smoothed time and four deviations) for the answer to a
    second SYN, so that neither a slow network nor one lost packet costs an answer.
    """

    def __init__(self, longest: float, *, adaptive: bool) -> None:
        self.seconds = longest
        self.adaptive = adaptive
        self._longest = longest
        self._known = 0
        self._smoothed = 0.0
        self._deviation = 0.0

    def learn(self, took: float) -> None:
        """Take note of how long a connection took, in seconds."""
        if self._known == 0:
            self._smoothed, self._deviation = took, took / 2
        else:
            self._deviation += _BETA * (abs(self._smoothed - took) - self._deviation)
            self._smoothed += _ALPHA * (took - self._smoothed)
        self._known += 1
        if self.adaptive and self._known >= _ENOUGH:
            answer = max(_LEAST, self._smoothed + _DEVIATIONS * self._deviation)
            self.seconds = min(self._longest, _SECOND_SYN + answer)
