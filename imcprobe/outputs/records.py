"""Records as JSON: one head, one result per target, one summary (`imcprobe schema` prints their schema).

Every key is always there; what was not observed is null. All text is printable ASCII to whoever
reads the file, whatever a server said: what it said went through `safetext` and then through JSON.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _json_text
from typing import TYPE_CHECKING, Any

from imcprobe.errors import ReplyError
from imcprobe.fingerprint.builds import TABLE_NAME
from imcprobe.fingerprint.reply import is_single, parse_reply
from imcprobe.model import SCHEMA_NAME, Status
from imcprobe.order import IN_TURN, Order
from imcprobe.outputs.conclusion import advisory_records, hint_record, neighbour_record, release_details
from imcprobe.outputs.evidence import conversation_record
from imcprobe.safetext import safe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imcprobe.model import Identification, Observation, Release, Result
    from imcprobe.outputs.tally import Tally

    _Remembered = tuple[Identification | None, tuple[object, ...], str]

_ENCODER = json.JSONEncoder(separators=(",", ":"))
_CODE = re.compile(rb"([2-5][0-9][0-9])[ \r\n-]")
_WHOLE = frozenset((Status.SUCCESS, Status.APPLICATION_ERROR))
# JSON of greetings, by the identity of what they were identified as: a scan meets few different ones,
# and `identify` remembers them too. What is longer than such a text is not worth its room in memory.
_MAX_REMEMBERED = 1024
_LONGEST_REMEMBERED = 4096
_remembered: dict[int, _Remembered] = {}
# With nobody was there more than a greeting: what nearly every record has.
_NO_CONVERSATION = '"ehlo":null,"keywords":null,"tls":null,"ntlm":null,"replies":null'


@dataclass(frozen=True, slots=True)
class Head:
    """What stands at the beginning of a scan: `source` is None, or what kind of store was read.

    `started` is in seconds since the epoch (UTC). `targets_digest` is None where there is none; it is that
    of all targets, whatever part of them `order` says the scan is.
    """

    version: str
    started: float
    targets: int
    ports: tuple[int, ...] = ()
    targets_digest: str | None = None
    options: HeadOptions | None = None
    source: str | None = None
    order: Order = IN_TURN


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """The options that shape what a scan sees, and what its file holds (`only`); limits in seconds."""

    concurrency: int
    connect_timeout: float
    greeting_timeout: float
    deadline: float
    quit: bool
    ehlo: bool
    helo_name: str | None
    family: int | None
    rate: float | None = None
    per_net: int | None = None
    retries: int = 0
    adaptive: bool = False
    tls: bool = False
    implicit_tls: bool = False
    ntlm: bool = False
    help_command: bool = False
    ptr: bool = False
    all_addresses: bool = False
    conversations: int = 1024
    only: tuple[str, ...] = ()


def head_record(head: Head) -> dict[str, Any]:
    """The first record of a file."""
    return {
        "type": "scan",
        "schema": SCHEMA_NAME,
        "version": head.version,
        "table": TABLE_NAME,
        "started": timestamp(head.started),
        "source": head.source,
        "targets": head.targets,
        "ports": list(head.ports),
        "targets_digest": head.targets_digest,
        "order": {
            "shuffle": head.order.shuffle,
            "seed": head.order.seed,
            "shard": head.order.shown_shard,
        },
        "options": None if head.options is None else {**asdict(head.options), "only": [*head.options.only]},
    }


def summary_record(tally: Tally, seconds: float, *, complete: bool) -> dict[str, Any]:
    """The last record of a file; it counts all targets, also those that `--only` keeps out of the file."""
    return {
        "type": "summary",
        "complete": complete,
        "targets": tally.targets,
        "by_status": {str(status): tally.by_status[status] for status in Status},
        "exchange": tally.exchange,
        "seconds": round(seconds, 1),
    }


def result_record(result: Result) -> dict[str, Any]:
    """The record of one target; `result_line` is the same as text, faster."""
    seen, found = result.observation, result.identification
    return {
        "type": "result",
        "target": safe(seen.target.host),
        "ip": None if seen.address is None else safe(seen.address),
        "port": seen.target.port or None,
        "status": str(seen.status),
        "code": reply_code(seen.greeting),
        "greeting": shown_greeting(seen.greeting),
        "greeting_base64": b64encode(seen.greeting).decode() if seen.greeting else None,
        "complete_greeting": is_complete(seen),
        "name": None if found is None or found.host is None else safe(found.host),
        "identification": None if found is None else identification_record(found),
        **conversation_record(seen),
        "ptr": None if seen.ptr is None else [safe(name) for name in seen.ptr],
        "times": {
            "connect_ms": rounded(seen.times.connect_ms),
            "greeting_ms": rounded(seen.times.greeting_ms),
        },
        "attempts": seen.attempts,
        "error": None if seen.error is None else safe(seen.error),
        "timestamp": None if seen.seen_at is None else timestamp(seen.seen_at),
    }


def identification_record(found: Identification) -> dict[str, Any]:
    """The conclusion of a record."""
    return {
        "family": str(found.family),
        "product": found.product,
        "build": None if found.build is None else safe(found.build),
        "match": str(found.match),
        "releases": [release_details(release) for release in found.releases],
        "below": neighbour_record(found.below),
        "above": neighbour_record(found.above),
        "confidence": str(found.confidence),
        "caveats": [str(caveat) for caveat in found.caveats],
        "cpe": list(found.cpe),
        "support": None if found.support is None else asdict(found.support),
        "superseded_by": found.superseded_by,
        "hints": [hint_record(hint) for hint in found.hints],
        **advisory_records(found.advisories),
    }


def release_record(release: Release) -> dict[str, Any]:
    """A row of the table on its own."""
    return {"build": str(release.build), **release_details(release)}


def line_of(record: dict[str, Any]) -> str:
    """A record as one line of JSON, without its line end."""
    return _ENCODER.encode(record)


def result_line(result: Result) -> str:
    """What `line_of(result_record(result))` gives."""
    return result_lines([result])[0]


def result_lines(results: Iterable[Result]) -> list[str]:
    """Records as lines, for scans of millions: no dictionary in between, and what many share made once."""
    lines: list[str] = []
    known_of, moment_of, json_of, shown = _remembered.get, _moment, _json_text, safe
    for seen, found in results:
        place, address, status, said, ehlo, tls, ntlm, times, tries, error, seen_at, source, replies, ptr = (
            seen
        )
        (host, port), (connect, greeting) = place, times
        known = known_of(id(found))
        key = said, status, ehlo, source, tls, ntlm, replies
        if known is None or known[0] is not found or known[1] != key:
            known = _remember(seen, found, key)
        target = json_of(shown(host))
        lines.append(
            f'{{"type":"result","target":{target},"ip":{target if address == host else _text(address)},'
            f'"port":{port or "null"},{known[2]}"ptr":{"null" if ptr is None else _names(ptr)},'
            f'"times":{{"connect_ms":{"null" if connect is None else f"{connect:.1f}"},'
            f'"greeting_ms":{"null" if greeting is None else f"{greeting:.1f}"}}},'
            f'"attempts":{tries},"error":{"null" if error is None else _error(error)},'
            f'"timestamp":{moment_of(seen_at)}}}'
        )
    return lines


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond.

    >>> timestamp(0)
    '1970-01-01T00:00:00.000Z'
    """
    # By way of microseconds: 0.083 as a float is a little less.
    whole, rest = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_to_the_second(whole)}.{rest // 1000:03d}Z"


@lru_cache(maxsize=8)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]


def reply_code(greeting: bytes) -> int | None:
    """The code that a greeting begins with."""
    found = _CODE.match(greeting)
    return None if found is None else int(found[1])


def shown_greeting(greeting: bytes) -> str | None:
    """A greeting fit to print, without its last line end; None when nothing came."""
    return safe(re.sub(rb"\r?\n\Z", b"", greeting)) if greeting else None


def is_complete(seen: Observation) -> bool:
    """Whether the bytes begin with a whole reply."""
    if seen.status in _WHOLE and seen.source is None:
        return True
    if is_single(seen.greeting):
        return True
    try:
        return parse_reply(seen.greeting) is not None
    except ReplyError:
        return False


def _remember(seen: Observation, found: Identification | None, key: tuple[object, ...]) -> _Remembered:
    """From `status` to `replies`: the same for every server that says the same; `key` is what it said."""
    code, shown = reply_code(seen.greeting), shown_greeting(seen.greeting)
    base64 = f'"{b64encode(seen.greeting).decode()}"' if seen.greeting else "null"
    plain = seen.ehlo is None and seen.tls is None and seen.ntlm is None and seen.replies is None
    conversation = _NO_CONVERSATION if plain else line_of(conversation_record(seen))[1:-1]
    text = (
        f'"status":"{seen.status}","code":{"null" if code is None else code},'
        f'"greeting":{"null" if shown is None else _json_text(shown)},'
        f'"greeting_base64":{base64},"complete_greeting":{"true" if is_complete(seen) else "false"},'
        f'"name":{_text(None if found is None else found.host)},'
        f'"identification":{"null" if found is None else line_of(identification_record(found))},'
        f"{conversation},"
    )
    known = found, key, text
    if len(text) <= _LONGEST_REMEMBERED:
        if len(_remembered) >= _MAX_REMEMBERED:
            _remembered.clear()
        _remembered[id(found)] = known
    return known


@lru_cache(maxsize=8)
def _moment(seconds: float | None) -> str:
    # What is read in one go has one moment.
    return "null" if seconds is None else f'"{timestamp(seconds)}"'


def rounded(milliseconds: float | None) -> float | None:
    """A duration as records have it."""
    return None if milliseconds is None else round(milliseconds, 1)


def _names(names: tuple[str, ...]) -> str:
    return f"[{','.join(map(_text, names))}]"


def _text(text: str | None) -> str:
    return "null" if text is None else _json_text(safe(text))


# A scan meets few errors, each many times.
_error = lru_cache(maxsize=64)(_text)
