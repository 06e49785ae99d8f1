"""Scans that imcprobe has stored as JSON or JSON Lines: what was seen, to be concluded from again."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from imcprobe.addresses import MAX_PORT
from imcprobe.errors import InputError
from imcprobe.model import SCHEMA_NAME, Observation, Status, Target, Times
from imcprobe.sources import values
from imcprobe.sources.evidence import names_of, ntlm_of, replies_of, tls_of
from imcprobe.sources.lines import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 1 << 23
"""Bytes of a record, without its line end. A byte is five characters at the most, and nine times there may
be 64 KiB of them: a greeting, EHLO's reply, once more as keywords and inside TLS, and five other replies,
which makes 2.8 MiB. A certificate of 100 KiB and a hundred names out of it make 1.2 MiB, a challenge of
48 KiB 64 KiB of Base64. Nothing else is of that size."""
MAX_DOCUMENT = 1 << 27
"""Bytes of one JSON object: it is read in one go, and what is made of it takes up to 24 times as much."""

# Bounds of what a record may say: several times what a probe keeps, this many tries, a time of a week.
MAX_GREETING = 1 << 18
MAX_ATTEMPTS = 1000
MAX_MILLISECONDS = 7 * 86_400_000.0
_MOMENT = re.compile(r"(?:19[7-9][0-9]|2[0-9]{3})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def read_records(data: bytes, name: str) -> Iterator[Observation]:
    """Read a file's bytes: a record a line, or one object with `results`.

    A last line that is torn is left out: a scan was killed. Files of JSON Lines may stand one behind the
    other. Raises InputError that names `name`, which must be safe to show, and the line.
    """
    _, first = next(lines_of(data, MAX_LINE + 1), (0, b""))
    if (record_of(first) or {}).get("type") != "scan":
        yield from _of_document(data, name)
        return
    for number, line in lines_of(data, MAX_LINE + 1):
        place = f"{name} line {number}"
        is_whole = line.endswith(b"\n")
        if len(line) > MAX_LINE and not is_whole:
            raise InputError(f"{place} is longer than a record can be.")
        record = record_of(line)
        if record is None and not is_whole:
            return
        if record is None:
            raise InputError(f"{place} is no record of imcprobe.")
        if record.get("type") == "scan":
            check_schema(record, name)
        elif record.get("type") == "result":
            yield observation(record, place)


def _of_document(data: bytes, name: str) -> Iterator[Observation]:
    if len(data) > MAX_DOCUMENT:
        raise InputError(
            f"{name} is no JSON Lines of imcprobe, and as JSON larger than {MAX_DOCUMENT >> 20} MiB. "
            "Store large scans as .jsonl."
        )
    document = record_of(data)
    if document is None:
        raise InputError(f"{name} is no record of imcprobe.")
    head, results = document.get("scan"), document.get("results")
    if not isinstance(head, dict) or not isinstance(results, list):
        raise InputError(f"{name} is JSON, but no scan of imcprobe.")
    check_schema(head, name)
    for number, record in enumerate(results, 1):
        yield observation(record, f"{name} result {number}")


def check_schema(head: dict[str, Any], name: str) -> None:
    """Raise InputError, which names `name`, unless this imcprobe knows what the records mean."""
    if head.get("schema") != SCHEMA_NAME:
        raise InputError(f"{name} has no schema {SCHEMA_NAME}: another imcprobe wrote it.")


def record_of(line: bytes) -> dict[str, Any] | None:
    """The JSON object that `line` is, None when it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def observation(record: Any, place: str, *, probed: bool = False) -> Observation:
    """What a result record says was seen: as a store's, or `probed` as it was by the scan itself.

    Raises InputError that begins with `place`.
    """
    try:
        port = 0 if record["port"] is None else values.number(record["port"], MAX_PORT, least=1)
        return Observation(
            Target(values.text(record["target"]), port),
            values.optional_text(record["ip"]),
            Status(record["status"]),
            greeting=_greeting(record["greeting_base64"]),
            ehlo=values.optional_texts(record["ehlo"]),
            tls=tls_of(record["tls"]),
            ntlm=ntlm_of(record["ntlm"]),
            times=Times(duration(record["times"]["connect_ms"]), duration(record["times"]["greeting_ms"])),
            attempts=values.number(record["attempts"], MAX_ATTEMPTS, least=1),
            error=values.optional_text(record["error"]),
            seen_at=_moment(record["timestamp"]),
            # What was never probed had no port: text that was stored is no more than text again.
            source=None if probed else "records" if port else "text",
            # Records had neither of these at first.
            replies=replies_of(record.get("replies")),
            ptr=names_of(record.get("ptr")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{place} is no result record of imcprobe.") from error


def _greeting(value: Any) -> bytes:
    return b"" if value is None else values.data(value, MAX_GREETING)


def duration(value: float | None) -> float | None:
    """A time as records have it, in any unit. Raises ValueError for what is none."""
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value < MAX_MILLISECONDS:
        raise ValueError
    return float(value)


def _moment(value: str | None) -> float | None:
    if value is None:
        return None
    if not _MOMENT.fullmatch(value):
        raise ValueError
    return datetime.fromisoformat(value).timestamp()
