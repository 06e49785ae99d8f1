"""What holds of a message, a reply and an identification, whoever gave the bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from challenges import HEAD
from imcprobe.errors import ImcprobeError, ReplyError
from imcprobe.fingerprint import certificate, ntlm
from imcprobe.fingerprint.greeting import EXCHANGE, MAX_VERSION
from imcprobe.fingerprint.reply import MAX_REPLY_BYTES, ReplyReader
from imcprobe.model import Build, Caveat, Family, Match
from imcprobe.safetext import LONGEST_QUOTE, to_bytes

if TYPE_CHECKING:
    from imcprobe.evidence import Certificate, Reply
    from imcprobe.meaning import Hint
    from imcprobe.model import Identification

# A quote in which each character is four bytes that are shown as `\xNN`, and the words around it.
MAX_MESSAGE = 16 * LONGEST_QUOTE + 200
MAX_HOST = 255
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
# A digit of any script beside it makes another number, and at the very end one may be missing.
NUMBER = re.compile(r"(?<!\d)(?=([0-9]+)(?!\d)(?:\.([0-9]+)(?!\d))?[\s\S])")


def check_message(error: ImcprobeError, begins: str = "") -> None:
    message = str(error)
    assert message.isprintable(), message
    assert len(message) <= MAX_MESSAGE
    assert message.startswith(begins), message


def read_reply(chunks: list[bytes]) -> tuple[int | str, Reply | None]:
    """The length of a reply and the reply, or what the reader says of it."""
    reader = ReplyReader()
    try:
        for chunk in chunks:
            if reader.feed(chunk):
                return reader.length, reader.reply
            assert len(reader.data) <= MAX_REPLY_BYTES
    except ReplyError as error:
        check_message(error)
        return str(error), None
    return "more", None


def check_whole(live: Identification | None, data: bytes) -> None:
    """Of a live connection nothing but a whole reply counts, and what came behind it is a doubt."""
    length, found = read_reply([data])
    if found is None or not isinstance(length, int):
        assert live is None
    elif live is not None:
        assert found.code == 220 or (found.code >= 400 and live.family is Family.REFUSED)
        assert (Caveat.EARLY_DATA in live.caveats) == (length < len(data))


def check_sound(found: Identification | None, data: bytes) -> None:
    """What was found is bounded and stands in the bytes."""
    if found is None:
        return
    assert list(found.caveats) == [caveat for caveat in Caveat if caveat in found.caveats]
    assert (found.product or "").isprintable()
    if found.host is not None:
        assert 0 < len(found.host) <= MAX_HOST
        assert to_bytes(found.host) in data
    assert found.build is None or 0 < len(found.build) <= MAX_VERSION
    if found.match is Match.NONE or found.build is None:
        assert (found.releases, found.below, found.above, found.superseded_by) == ((), None, None, None)
        return
    assert found.family in EXCHANGE
    assert b"mail" in data.lower() or b"imc" in data.lower()
    build = Build.parse(found.build)
    text = data.decode("utf-8", "surrogateescape")
    said = {
        tuple(part and (part.lstrip("0") or "0") for part in each.groups()) for each in NUMBER.finditer(text)
    }
    if build.revision is None:
        assert str(build.build) in {number for number, _ in said}, found.build
    else:
        assert (str(build.build), str(build.revision)) in said, found.build
    assert all(row.build.build == build.build for row in found.releases)
    if found.below is not None:
        assert found.below.build.number < build.number
    if found.above is not None:
        assert build.number < found.above.build.number


def check_challenge(message: bytes) -> None:
    """A challenge is one by its first bytes, and what is read of it is bounded and can be written."""
    found = ntlm.decode(message)
    assert (found is None) == (len(message) > ntlm.MAX_MESSAGE or not message.startswith(HEAD))
    if found is None:
        return
    assert found.challenge == message
    names = [found.target, found.netbios_domain, found.netbios_computer]
    for name in (*names, found.dns_domain, found.dns_computer, found.dns_forest):
        _check_text(name, ntlm.MAX_NAME)
    _check_hints(ntlm.hints(found))


def check_certificate(found: Certificate) -> None:
    """What was read is bounded and can be written; what was not has its reason."""
    assert len(found.names) <= certificate.MAX_NAMES
    said = (found.subject, found.issuer, found.not_before, found.not_after, found.key, found.signature)
    for text in said:
        _check_text(text, certificate.MAX_TEXT, empty=True)
    for name in found.names:
        _check_text(name, certificate.MAX_TEXT, empty=True)
    for moment in (found.not_before, found.not_after):
        assert moment is None or MOMENT.fullmatch(moment)
    assert found.error is not None or None not in (*said, found.self_signed)
    assert (found.error or "").isprintable()
    _check_hints(certificate.hints(found))


def _check_text(text: str | None, most: int, *, empty: bool = False) -> None:
    if text is not None:
        assert text or empty
        assert len(text) <= most
        assert to_bytes(text).decode("utf-8", "surrogateescape") == text


def _check_hints(hints: tuple[Hint, ...]) -> None:
    assert len(hints) <= 1
    for hint in hints:
        assert hint.reading.isprintable()
        assert hint.evidence
        assert hint.source
