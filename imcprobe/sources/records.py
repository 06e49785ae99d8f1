"""Scans that imcprobe has stored as JSON or JSON Lines: what was seen, to be concluded from again."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from datetime import datetime
from typing import TYPE_CHECKING, Any

from imcprobe.addresses import MAX_PORT
from imcprobe.errors import InputError
from imcprobe.model import Observation, Status, Target, Times
from imcprobe.safetext import restore

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA_NAME = "imcprobe/1"
# Bounds of what a record may say: this many tries, a time of a week.
MAX_ATTEMPTS = 1000
MAX_MILLISECONDS = 7 * 86_400_000.0
_MOMENT = re.compile(r"(?:19[7-9][0-9]|2[0-9]{3})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def read_records(data: bytes, name: str) -> Iterator[Observation]:
    """Read a file's bytes: a record a line, or one object with `results`.

    A last line without its end is left out: a scan that was killed tore it. Raises InputError that
    names `name` and the line.
    """
    whole = data.rfind(b"\n") + 1
    lines = data[: whole or len(data)].splitlines()
    head = _parsed(lines[0] if lines else b"", f"{name} line 1", lenient=True)
    if head.get("type") != "scan":
        yield from _of_document(data, name)
        return
    source = _checked_source(head, name)
    for number, line in enumerate(lines[1:], 2):
        place = f"{name} line {number}"
        record = _parsed(line, place)
        if record.get("type") == "result":
            yield _observation(record, place, source)


def _of_document(data: bytes, name: str) -> Iterator[Observation]:
    document = _parsed(data, name)
    head, results = document.get("scan"), document.get("results")
    if not isinstance(head, dict) or not isinstance(results, list):
        raise InputError(f"{name} is JSON, but no scan of imcprobe.")
    source = _checked_source(head, name)
    for number, record in enumerate(results, 1):
        yield _observation(record, f"{name} result {number}", source)


def _checked_source(head: dict[str, Any], name: str) -> str:
    if head.get("schema") != SCHEMA_NAME:
        raise InputError(f"{name} has no schema {SCHEMA_NAME}: another imcprobe wrote it.")
    # Text that was read once is no more than text when it is read again.
    return "text" if head.get("source") == "text" else "records"


def _parsed(line: bytes, place: str, *, lenient: bool = False) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict):
        return record
    if lenient:
        return {}
    raise InputError(f"{place} is no record of imcprobe.")


def _observation(record: Any, place: str, source: str) -> Observation:
    try:
        return Observation(
            Target(_text(record["target"]), _number(record["port"] or 0, MAX_PORT)),
            _optional(record["ip"]),
            Status(record["status"]),
            greeting=b64decode(record["greeting_base64"] or "", validate=True),
            ehlo=_lines(record["ehlo"]),
            times=Times(_time(record["times"]["connect_ms"]), _time(record["times"]["greeting_ms"])),
            attempts=_number(record["attempts"], MAX_ATTEMPTS),
            error=_optional(record["error"]),
            seen_at=_moment(record["timestamp"]),
            source=source,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{place} is no result record of imcprobe.") from error


def _text(value: str) -> str:
    return restore(value).decode("utf-8", "surrogateescape")


def _optional(value: str | None) -> str | None:
    return None if value is None else _text(value)


def _lines(value: list[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_text, value))


def _number(value: int, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError
    return value


def _time(value: float | None) -> float | None:
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
