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
from imcprobe.safetext import safe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imcprobe.model import Identification, Observation, Release, Result
    from imcprobe.outputs.tally import Tally

    _Remembered = tuple[Identification | None, tuple[object, ...], str]

_CODE = re.compile(rb"([2-5][0-9][0-9])[ \r\n-]")
_WHOLE = frozenset((Status.SUCCESS, Status.APPLICATION_ERROR))
# JSON of greetings, by the identity of what they were identified as: a scan meets few different ones,
# and `identify` remembers them too. What is longer than such a text is not worth its room in memory.
_MAX_REMEMBERED = 1024
_LONGEST_REMEMBERED = 4096
_remembered: dict[int, _Remembered] = {}


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
        "ehlo": None if seen.ehlo is None else [safe(line) for line in seen.ehlo],
        "tls": None,
        "ntlm": None,
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
        "releases": [_release_in(release) for release in found.releases],
        "below": _neighbour(found.below),
        "above": _neighbour(found.above),
        "confidence": str(found.confidence),
        "caveats": [str(caveat) for caveat in found.caveats],
        "cpe": list(found.cpe),
        "support": None if found.support is None else asdict(found.support),
        "superseded_by": found.superseded_by,
        "advisories": [],
    }


def release_record(release: Release) -> dict[str, Any]:
    """A row of the table on its own."""
    return {"build": str(release.build), **_release_in(release)}


def line_of(record: dict[str, Any]) -> str:
    """A record as one line of JSON, without its line end."""
    return json.dumps(record, separators=(",", ":"))


def result_line(result: Result) -> str:
    """What `line_of(result_record(result))` gives."""
    return result_lines([result])[0]


def result_lines(results: Iterable[Result]) -> list[str]:
    """Records as lines, for scans of millions: no dictionary in between, and what many share made once."""
    lines: list[str] = []
    known_of, moment_of, json_of, shown = _remembered.get, _moment, _json_text, safe
    for seen, found in results:
        (host, port), address, status, said, ehlo, _, _, (connect, greeting), *rest = seen
        attempts, error, seen_at, source, *_ = rest
        known = known_of(id(found))
        if known is None or known[0] is not found or known[1] != (said, status, ehlo, source):
            known = _remember(seen, found)
        target = json_of(shown(host))
        lines.append(
            f'{{"type":"result","target":{target},"ip":{target if address == host else _text(address)},'
            f'"port":{port or "null"},{known[2]}'
            f'"times":{{"connect_ms":{"null" if connect is None else f"{connect:.1f}"},'
            f'"greeting_ms":{"null" if greeting is None else f"{greeting:.1f}"}}},'
            f'"attempts":{attempts},"error":{"null" if error is None else _error(error)},'
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


def _release_in(release: Release) -> dict[str, Any]:
    """A row beside the build that found it."""
    return {
        "name": release.name,
        "version": release.version,
        "service_pack": release.service_pack,
        "kind": str(release.kind),
        "source": release.source,
        "note": release.note,
    }


def _neighbour(release: Release | None) -> dict[str, str] | None:
    return None if release is None else {"build": str(release.build), "name": release.name}


def _remember(seen: Observation, found: Identification | None) -> _Remembered:
    """From `status` to `ntlm`: the same for every server that says the same."""
    code, shown = reply_code(seen.greeting), shown_greeting(seen.greeting)
    base64 = f'"{b64encode(seen.greeting).decode()}"' if seen.greeting else "null"
    ehlo = "null" if seen.ehlo is None else f"[{','.join(map(_text, seen.ehlo))}]"
    text = (
        f'"status":"{seen.status}","code":{"null" if code is None else code},'
        f'"greeting":{"null" if shown is None else _json_text(shown)},'
        f'"greeting_base64":{base64},"complete_greeting":{"true" if is_complete(seen) else "false"},'
        f'"name":{_text(None if found is None else found.host)},'
        f'"identification":{"null" if found is None else line_of(identification_record(found))},'
        f'"ehlo":{ehlo},"tls":null,"ntlm":null,'
    )
    known = found, (seen.greeting, seen.status, seen.ehlo, seen.source), text
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


def _text(text: str | None) -> str:
    return "null" if text is None else _json_text(safe(text))


# A scan meets few errors, each many times.
_error = lru_cache(maxsize=64)(_text)
