"""What a conversation adds to what a greeting says: EHLO, other replies, TLS and NTLM, put together."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from imcprobe.evidence import Replies, Reply, Tls
from imcprobe.fingerprint.advisories import with_advisories
from imcprobe.fingerprint.certificate import hints as certificate_hints
from imcprobe.fingerprint.ehlo import telling, with_keywords
from imcprobe.fingerprint.ntlm import hints as ntlm_hints
from imcprobe.knowledge.replies import REPLIES
from imcprobe.meaning import DENIAL, Channel
from imcprobe.model import Confidence, Family

if TYPE_CHECKING:
    from imcprobe.meaning import Hint
    from imcprobe.model import Identification, Observation

# Answers of one scan are few: servers of one kind say the same.
_REMEMBERED = 512
_EHLO_OK = 250
# Whose server may be an Exchange 2007 or later: no other has the certificate that these make.
_LATER = frozenset({Family.EXCHANGE_2007, Family.MASKED, Family.SMTP})
# Whose greeting leaves open which Exchange it is: what a Windows can carry is news of no other.
_OPEN = _LATER | {Family.WINDOWS_SMTP}
_NOTHING_SAID, _NO_TLS = Replies(), Tls()
_ROWS = {family: tuple(row for row in REPLIES if family in row.families) for family in Family}


def with_evidence(found: Identification, seen: Observation) -> Identification:
    """Add to an identification what else was seen: hints in the order of `Channel`, at times a product.

    The identification stays the same one when nothing is added, and is the same one for all observations of
    a greeting that add the same: what is made from it later is remembered by its identity.
    """
    tls, ntlm = seen.tls or _NO_TLS, seen.ntlm
    outside, inside = seen.ehlo or (), tls.ehlo or ()
    # In the order of `Channel`.
    further = (
        *_of_replies(found.family, seen, outside or inside),
        *(certificate_hints(tls.certificate) if tls.certificate and found.family in _LATER else ()),
        *(ntlm_hints(ntlm) if ntlm and found.family in _OPEN else ()),
    )
    # What is offered before TLS or within it is offered by one server.
    return _combined(found, telling(outside) | telling(inside), further) or found


def _of_replies(family: Family, seen: Observation, ehlo: tuple[str, ...]) -> tuple[Hint, ...]:
    """The hints of replies' texts, behind a greeting of that family."""
    hints = []
    for row in _ROWS[family]:
        reply = _reply(row.hint.channel, seen.replies or _NOTHING_SAID, ehlo)
        if reply is not None and reply.code == row.code and row.regex.fullmatch(reply.text):
            hints.append(row.hint)
    return tuple(hints)


def _reply(channel: Channel, replies: Replies, ehlo: tuple[str, ...]) -> Reply | None:
    """The reply that hints of a channel come from."""
    if channel is Channel.EHLO:
        return Reply(_EHLO_OK, ehlo[:1]) if ehlo else None
    said = {Channel.HELP: replies.help, Channel.QUIT: replies.quit, Channel.STARTTLS: replies.starttls}
    return said[channel]


@lru_cache(maxsize=_REMEMBERED)
def _combined(
    found: Identification, said: frozenset[str], further: tuple[Hint, ...]
) -> Identification | None:
    """Put together what the keywords say and the hints of other channels; None when they add nothing.

    What is remembered is asked for by value: an equal `found` of long ago must not take this one's place.
    """
    narrowed = with_keywords(found, said)
    if narrowed is not found:
        # Behind a hint of its keywords, the words of EHLO's first line say nothing new.
        further = tuple(hint for hint in further if hint.channel is not Channel.EHLO)
    if narrowed is found and not further:
        return None
    hints = (*narrowed.hints, *further)
    is_denied = any(hint.reading.startswith(DENIAL) for hint in hints)
    confidence = Confidence.LOW if is_denied else narrowed.confidence
    hinted = replace(narrowed, hints=hints, confidence=confidence)
    return hinted if narrowed.product == found.product else with_advisories(hinted)
