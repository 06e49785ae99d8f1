"""EHLO keywords that tell generations of Exchange apart, from one or two transcripts each: hints, no proof.

Keywords can be switched off per connector and be removed by firewalls, so that nothing follows from
one that is missing beyond what a row says.
"""

from __future__ import annotations

from typing import NamedTuple


class KeywordRow(NamedTuple):
    """All of `present` and none of `absent` are consistent with `generation`."""

    present: frozenset[str]
    absent: frozenset[str]
    generation: str
    source: str


# Any of these in the reply of the Windows SMTP service shows an Exchange 2000 or 2003 behind it (KB 153119, later
# text: missing ones mean that the tie between the two is broken).
EXCHANGE_ON_WINDOWS = frozenset({"X-LINK2STATE", "XEXCH50"})

# fmt: off
# For greetings of Exchange 2007 and later; the first row that fits counts.
GENERATIONS: tuple[KeywordRow, ...] = (
    KeywordRow(frozenset({"XSHADOWREQUEST"}), frozenset(), "2013", "public archive (Microsoft, 27 Jun 2013)"),
    KeywordRow(frozenset({"XSHADOW"}), frozenset(), "2010", "public archive"),
    KeywordRow(frozenset({"XEXCH50"}), frozenset({"X-LINK2STATE"}), "2007, 2010 or 2013", "public archive; nmap 13280"),
    KeywordRow(frozenset({"SMTPUTF8", "XRDST"}), frozenset({"XEXCH50"}), "2019 or later", "public archive (receive connector log, 29 Jan 2025)"),
    KeywordRow(frozenset({"XRDST"}), frozenset({"XEXCH50", "SMTPUTF8"}), "2016", "public archive (Microsoft, 5 Aug 2016)"),
)
# fmt: on
