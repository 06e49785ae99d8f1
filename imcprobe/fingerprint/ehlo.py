"""What the reply to EHLO adds to an identification: never a build or a service pack, at times a product."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from imcprobe.fingerprint.builds import exchange_possible
from imcprobe.knowledge.keywords import GENERATIONS
from imcprobe.knowledge.lifecycle import EXCHANGE_ON_WINDOWS_NAME, SUPPORT
from imcprobe.meaning import Channel, Hint
from imcprobe.model import Confidence, Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imcprobe.knowledge.keywords import KeywordRow
    from imcprobe.model import Identification

# More than any server has, fewer than would fill a screen: a hostile reply has thousands.
MAX_KEYWORDS = 64
MAX_PARAMETERS = 64

# How a server without a name is called once its keywords show whose it is.
_NAMELESS = "Exchange"
_KNOWN = frozenset[str]().union(*(row.present | row.absent | row.any_of for row in GENERATIONS))


def keywords(lines: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read the lines of an EHLO reply, codes taken off, as data: keyword in capitals -> its parameters.

    The first line is the server's hello (RFC 5321, 4.1.1.1) and no keyword. The form from before RFC 2554,
    `AUTH=LOGIN`, counts as `AUTH LOGIN`; what comes again is merged, each parameter once, in order.
    At most `MAX_KEYWORDS`, with `MAX_PARAMETERS` each. Text stays as it came: sanitise it before showing it.

    >>> keywords(["mx.example.com Hello", "SIZE 0", "AUTH NTLM LOGIN", "AUTH=LOGIN"])
    {'SIZE': ('0',), 'AUTH': ('NTLM', 'LOGIN')}
    """
    found: dict[str, dict[str, None]] = {}
    for line in islice(lines, 1, None):
        word, _, rest = line.partition(" ")
        name, *first = word.split("=", 1)
        name = name.upper()
        if name and (name in found or len(found) < MAX_KEYWORDS):
            found.setdefault(name, {}).update(dict.fromkeys((*first, *filter(None, rest.split(" ")))))
    return {name: tuple(islice(parameters, MAX_PARAMETERS)) for name, parameters in found.items()}


def telling(lines: Iterable[str]) -> frozenset[str]:
    """The keywords of an EHLO reply that the table has a row with, by their names in capitals.

    `AUTH=LOGIN` is one of its own here: it tells Exchange 5.5 apart. Servers that differ in their names,
    sizes and ways to authenticate alone give the same.
    """
    words = {word.upper() for line in islice(lines, 1, None) if (word := line.partition(" ")[0]).isascii()}
    return _KNOWN & words.union([word.partition("=")[0] for word in words if "=" in word])


def with_keywords(found: Identification, said: frozenset[str]) -> Identification:
    """Narrow an identification by the `telling` keywords of an EHLO reply; the same one if they add nothing.

    The first row of the table that fits becomes a hint. The greeting of the Windows SMTP service is raised
    to Exchange 2000 or 2003, that of Exchange 2007 and later narrowed, and a greeting that names nobody
    (masked, or set by hand) gets a product with low confidence, where keywords are Microsoft's own beyond
    doubt: a keyword is a feature of a program, while a text is copied easily (see `knowledge/replies.py`).
    The family stays that of the greeting, as do build and match.
    """
    row = row_for(found, said)
    if row is None:
        return found
    evidence = ", ".join(sorted(said & (row.present | row.any_of)))
    hint = Hint(Channel.EHLO, row.reading, evidence, row.source)
    named = found if row.generation is None else _named(found, row.generation)
    return replace(named, hints=(*named.hints, hint))


def row_for(found: Identification, said: frozenset[str]) -> KeywordRow | None:
    """The row of the table that keywords fit, behind the greeting that `found` is from."""
    version = found.build or ""
    if not said or (found.family is Family.WINDOWS_SMTP and not exchange_possible(version)):
        return None
    return next((row for row in GENERATIONS if _fits(row, found.family, version, said)), None)


def _fits(row: KeywordRow, family: Family, version: str, said: frozenset[str]) -> bool:
    return (
        family in row.families
        and row.present <= said
        and not row.absent & said
        and (not row.any_of or bool(row.any_of & said))
        and version.startswith(row.windows)
    )


def _named(found: Identification, generation: str) -> Identification:
    if found.family is Family.WINDOWS_SMTP:
        return replace(
            found,
            product=EXCHANGE_ON_WINDOWS_NAME,
            confidence=Confidence.MEDIUM,
            support=SUPPORT[EXCHANGE_ON_WINDOWS_NAME],
        )
    confidence = Confidence.MEDIUM if found.family is Family.EXCHANGE_2007 else Confidence.LOW
    product = f"{found.product or _NAMELESS}, consistent with {generation}"
    return replace(found, product=product, confidence=confidence)
