"""What every parser of a stranger's bytes promises, whatever the bytes: one function a parser.

Hypothesis (test_promises.py) and atheris (fuzz.py) call the same functions. Each takes bytes, returns
nothing, and fails with an AssertionError, or with what the parser should not have raised.
"""

from __future__ import annotations

import base64
import io
import json
import time
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import der
from challenges import HEAD
from imcprobe.addresses import LOOPBACK_OF, text_of
from imcprobe.errors import InputError, TargetError
from imcprobe.fingerprint.certificate import MAX_DER, read
from imcprobe.fingerprint.identify import conclude, identify
from imcprobe.fingerprint.ntlm import MAX_MESSAGE, challenge_of
from imcprobe.fingerprint.reply import (
    MAX_REPLY_BYTES,
    MAX_REPLY_LINES,
    is_plain_greeting,
    is_single,
    parse_reply,
)
from imcprobe.meaning import Channel
from imcprobe.model import Caveat, Confidence, Family, Observation, Status, Target
from imcprobe.outputs.records import line_of, result_line, result_record
from imcprobe.probe.trust import Trust
from imcprobe.safetext import LONGEST_QUOTE, decode, restore, safe, to_bytes
from imcprobe.sources.detect import read_stored
from imcprobe.sources.records import MAX_ATTEMPTS, MAX_GREETING, observation
from imcprobe.sources.unfinished import Unfinished
from imcprobe.targets import Targets, TargetsBuilder, parse
from sound import (
    check_certificate,
    check_challenge,
    check_message,
    check_sound,
    check_whole,
    read_reply,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Promise = Callable[[bytes], None]

# What begins so is `head~piece~tail`, the piece as often as makes it longer than any reply may be.
FLOOD = b"\0~"
FLOOD_LENGTH = MAX_REPLY_BYTES + 4096
# Of processor time, far more than any input of that length costs and far less than its square would.
MAX_SECONDS = 5.0
BETWEEN = "!!"
"""In what `targets` reads: behind it stand the exclusions."""
WALKED = 12
HIDDEN = (Family.MASKED, Family.SMTP)
EHLO_TELLS = (Family.WINDOWS_SMTP, Family.EXCHANGE_2007, Family.EXCHANGE_IMS, *HIDDEN)

PROMISES: dict[str, Promise] = {}


def flood(head: bytes, piece: bytes, tail: bytes = b"") -> bytes:
    """What every promise reads as `piece` again and again between `head` and `tail`."""
    return FLOOD + b"~".join((head, piece, tail))


def _expanded(data: bytes) -> bytes:
    if not data.startswith(FLOOD):
        return data
    head, piece, tail = (*data.removeprefix(FLOOD).split(b"~", 2), b"", b"")[:3]
    return head + piece * (FLOOD_LENGTH // max(1, len(piece))) + tail


def _promise(check: Promise) -> Promise:
    def checked(data: bytes) -> None:
        whole = _expanded(data)
        began = time.process_time()
        check(whole)
        assert time.process_time() - began < MAX_SECONDS, "it takes too long"

    PROMISES[check.__name__] = checked
    return checked


@_promise
def reply(data: bytes) -> None:
    whole = read_reply([data])
    for size in {1 + len(data) // 2000, 7 + len(data) // 100, 1 + len(data) // 2}:
        assert read_reply([data[at : at + size] for at in range(0, len(data), size)]) == whole
    assert read_reply(data.splitlines(keepends=True)) == whole
    length, found = whole
    single = isinstance(length, int) and length == len(data) and found is not None and len(found.lines) == 1
    assert is_single(data) == single
    if len(data) <= MAX_REPLY_BYTES:
        assert is_plain_greeting(data) == (single and data.startswith(b"220 "))
    if found is None or not isinstance(length, int):
        return
    assert 200 <= found.code <= 599
    assert len(found.lines) <= MAX_REPLY_LINES
    assert length <= min(len(data), MAX_REPLY_BYTES)
    assert parse_reply(data[: length - 1]) is None
    assert parse_reply(data[:length] + b"\n\xff") == (found, length)
    said = [line.removesuffix(b"\r") for line in data[:length].removesuffix(b"\n").split(b"\n")]
    assert [line[4:] for line in said] == [to_bytes(line) for line in found.lines]
    assert {line[:3] for line in said} == {b"%d" % found.code}


@_promise
def greeting(data: bytes) -> None:
    found = identify(data)
    check_sound(found, data[:MAX_REPLY_BYTES])
    assert identify(data.decode("utf-8", "surrogateescape")) == found
    assert identify(data[:MAX_REPLY_BYTES]) == found
    assert (
        conclude(Observation(Target("h"), None, Status.SUCCESS, data, source="text")).identification == found
    )
    for status in (Status.SUCCESS, Status.APPLICATION_ERROR, Status.PROTOCOL_ERROR, Status.IO_TIMEOUT):
        live = conclude(Observation(Target("h"), None, status, data)).identification
        check_sound(live, data[:MAX_REPLY_BYTES])
        if status in (Status.SUCCESS, Status.APPLICATION_ERROR):
            check_whole(live, data)
        elif live is not None:
            assert data.startswith(b"220")
            assert status is not Status.PROTOCOL_ERROR
            assert (Caveat.TRUNCATED in live.caveats, live.confidence) == (True, Confidence.LOW)


@_promise
def ehlo(data: bytes) -> None:
    said, _, answer = data.partition(b"\n")
    said = said[:1000] + b"\n"
    raw = tuple(line.decode("utf-8", "surrogateescape") for line in answer.split(b"\n"))
    _, parsed = read_reply([answer])
    base = conclude(Observation(Target("h"), None, Status.SUCCESS, said)).identification
    for lines in (raw, () if parsed is None else parsed.lines):
        turned = (*lines[:1], *reversed(lines[1:]))
        found, again = (
            conclude(Observation(Target("h"), None, Status.SUCCESS, said, ehlo=each)).identification
            for each in (lines, turned)
        )
        assert found == again
        check_sound(found, said)
        if found == base:
            continue
        assert base is not None
        assert found is not None
        assert base.family in EHLO_TELLS
        assert 0 < len(found.hints) <= len(Channel)
        if found.product != base.product:
            assert found.exchange
            assert found.confidence is (Confidence.LOW if base.family in HIDDEN else Confidence.MEDIUM)
        for name in ("family", "build", "match", "releases", "caveats", "host", "cpe", "superseded_by"):
            assert getattr(found, name) == getattr(base, name)


@_promise
def targets(data: bytes) -> None:
    text = decode(data)
    assert restore(safe(text)) == to_bytes(text)
    given, _, barred = text.partition(BETWEEN)
    builder = TargetsBuilder()
    try:
        builder.add_lines(given, "f", skip_bad=True)
    except TargetError as error:  # that is no list of targets
        check_message(error, "f line ")
        return
    _exclude(builder, barred)
    found = builder.build((25, 587))
    for bad in found.bad:
        assert len(bad.text) <= LONGEST_QUOTE
        check_message(TargetError(bad.message), "f line ")
    _check_strict(given, is_bad=bool(found.bad))
    assert found.digest == builder.build((25, 587)).digest
    _check_walk(found)


def _exclude(builder: TargetsBuilder, barred: str) -> None:
    try:
        builder.exclude_lines(barred, "x")
    except TargetError as error:
        check_message(error, "x line ")


def _check_strict(given: str, *, is_bad: bool) -> None:
    """Without --skip-bad the first bad line ends it, and no other does."""
    try:
        TargetsBuilder().add_lines(given, "f")
    except TargetError as error:
        check_message(error, "f line ")
        assert is_bad
    else:
        assert not is_bad


def _check_walk(found: Targets) -> None:
    first = list(islice(found, WALKED))
    assert len(set(first)) == len(first) == min(WALKED, len(found))
    at_the_end = range(max(0, len(found) - WALKED), len(found))
    assert first == [found[index] for index in range(len(first))]
    walked = {index: found[index] for index in (*range(len(first)), *at_the_end)}
    for index, target in walked.items():
        assert found.index_of(target) == index
        assert not found.covers_excluded(target.host)
        assert str(target).isprintable()
    again = {target for target in walked.values() if target.host not in map(text_of, LOOPBACK_OF)}
    assert set(parse(map(str, again), ports=[1])) == again
    for before, after in pairwise(found[index].port for index in at_the_end):
        assert found.ports.index(before) <= found.ports.index(after)


@_promise
def records(data: bytes) -> None:
    try:
        kind, found = read_stored(data, "f")
        for seen in found:
            _check_stored(seen, kind)
    except InputError as error:
        check_message(error, "f ")


def _check_stored(seen: Observation, kind: str) -> None:
    assert len(seen.greeting) <= (MAX_GREETING if kind == "records" else MAX_REPLY_BYTES)
    assert 1 <= seen.attempts <= MAX_ATTEMPTS
    result = conclude(seen)
    check_sound(result.identification, seen.greeting[:MAX_REPLY_BYTES])
    record = result_record(result)
    line = line_of(record)
    assert result_line(result) == line
    assert line.isascii()
    assert line.isprintable()
    again = observation(json.loads(line), "f", probed=seen.source is None)
    assert result_record(conclude(again)) == record
    assert again.greeting == seen.greeting
    assert again.target == seen.target


@_promise
def unfinished(data: bytes) -> None:
    try:
        scan = Unfinished(io.BytesIO(data), "f")
    except InputError as error:
        check_message(error, "--resume f")
        return
    behind_head = scan.end
    seen: list[Observation] = []
    try:
        seen.extend(scan.observations())
    except InputError as error:
        check_message(error, "--resume f")
        return
    finally:
        assert behind_head <= scan.end <= len(data)
    for each in seen:
        _check_stored(each, "records")
    assert scan.seconds >= 0
    assert list(scan.observations()) == seen
    # Killed at any moment, or without power: what was whole is there, and the rest is cut.
    for end in (scan.end, scan.end - 1, (behind_head + scan.end) // 2, len(data) - 1):
        for torn in (data[:end], data[:end] + b"\0" * 9):
            cut = Unfinished(io.BytesIO(torn), "f") if end >= behind_head else scan
            kept = list(cut.observations())
            assert kept == seen[: len(kept)]
            assert cut.end <= max(end, scan.end)


@_promise
def ntlm(data: bytes) -> None:
    found = challenge_of(data.decode("latin-1"))
    if found is not None:
        assert len(found) <= MAX_MESSAGE
        check_challenge(found)
    for message in (data, data[:MAX_MESSAGE], (HEAD + data)[:MAX_MESSAGE]):
        check_challenge(message)
        if 0 < len(message) <= MAX_MESSAGE:
            assert challenge_of(base64.b64encode(message).decode()) == message


_TRUST = Trust(lambda: [der.certificate()])


@_promise
def certificate(data: bytes) -> None:
    for each in {data, data[:MAX_DER]}:
        found = read(each)
        assert found.der == each
        check_certificate(found)
        why = _TRUST.distrust(each, [data, each], "ex1.example.com", 1e9)
        assert why is None or why.isprintable()
