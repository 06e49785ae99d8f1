"""What the reply to EHLO adds to an identification: never a service pack, at times a product."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imcprobe.fingerprint.builds import exchange_possible
from imcprobe.knowledge.keywords import EXCHANGE_ON_WINDOWS, GENERATIONS
from imcprobe.knowledge.lifecycle import EXCHANGE_ON_WINDOWS_NAME, SUPPORT
from imcprobe.model import Confidence, Family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imcprobe.model import Identification


def keywords(lines: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The keywords of an EHLO reply in capitals, each with its parameters (RFC 5321, 4.1.1.1).

    `lines` are without codes; the first has the server's name, and none.

    >>> keywords(["mx.example.com Hello", "size 1024", "AUTH NTLM LOGIN"])
    {'SIZE': ('1024',), 'AUTH': ('NTLM', 'LOGIN')}
    """
    words = [line.split(" ") for line in lines[1:]]
    return {word.upper(): tuple(filter(None, parameters)) for word, *parameters in words}


def with_ehlo(found: Identification, lines: Sequence[str]) -> Identification:
    """Narrow an identification by the lines of an EHLO reply, codes taken off.

    Only greetings that leave the product open are narrowed: that of the Windows SMTP service, and
    that of Exchange 2007 and later, worded as what the keywords are consistent with.
    """
    keywords = frozenset(line.partition(" ")[0].upper() for line in lines[1:])
    possible = found.family is Family.WINDOWS_SMTP and exchange_possible(found.build or "")
    if possible and keywords & EXCHANGE_ON_WINDOWS:
        return replace(
            found,
            product=EXCHANGE_ON_WINDOWS_NAME,
            confidence=Confidence.MEDIUM,
            support=SUPPORT[EXCHANGE_ON_WINDOWS_NAME],
        )
    if found.family is Family.EXCHANGE_2007:
        for row in GENERATIONS:
            if row.present <= keywords and not row.absent & keywords:
                product = f"{found.product}, consistent with {row.generation}"
                return replace(found, product=product, confidence=Confidence.MEDIUM)
    return found
