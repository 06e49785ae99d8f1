"""What holds of a message, a reply and an identification, whoever gave the bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imcprobe.errors import ImcprobeError, ReplyError
from imcprobe.fingerprint.greeting import EXCHANGE, MAX_VERSION
from imcprobe.fingerprint.reply import MAX_REPLY_BYTES, ReplyReader
from imcprobe.model import Build, Caveat, Family, Match
from imcprobe.safetext import LONGEST_QUOTE, to_bytes

if TYPE_CHECKING:
    from imcprobe.evidence import Reply
    from imcprobe.model import Identification

# A quote in which each character is four bytes that are shown as `\xNN`, and the words around it.
MAX_MESSAGE = 16 * LONGEST_QUOTE + 200
MAX_HOST = 255
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
