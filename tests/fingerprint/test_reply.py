from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.errors import ReplyError
from imcprobe.evidence import Reply
from imcprobe.fingerprint.reply import MAX_REPLY_BYTES, MAX_REPLY_LINES, ReplyReader, is_single, parse_reply

# Bytes that come near replies: where random ones would never get.
nearly = st.lists(
    st.sampled_from(
        [b"220", b"250", b"999", b"-", b" ", b"\r\n", b"\n", b"\r", b"a", b"\xff", b"2_2", b"+22"]
    )
).map(b"".join)
anything = st.one_of(st.binary(), nearly)


@pytest.mark.parametrize(
    ("data", "reply", "length"),
    [
        (b"220 hello\r\n", Reply(220, ("hello",)), 11),
        (b"220\r\n", Reply(220, ("",)), 5),
        (b"220 \n", Reply(220, ("",)), 5),
        (b"220-a\r\n220 b\r\nmore", Reply(220, ("a", "b")), 14),
        (b"220-\r\n220\r\n", Reply(220, ("", "")), 11),
        (b"554 \xff\r\n", Reply(554, ("\udcff",)), 7),
        (b"299 x\ry\r\n", Reply(299, ("x\ry",)), 9),
    ],
)
def test_a_reply_is_read_and_measured(data: bytes, reply: Reply, length: int) -> None:
    assert parse_reply(data) == (reply, length)


@pytest.mark.parametrize(
    "data", [b"", b"2", b"22", b"220", b"220 half", b"220-a\r\n", b"220-a\r\n22", b"220\r"]
)
def test_part_of_a_reply_needs_more(data: bytes) -> None:
    assert parse_reply(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"220hello\r\n",
        b"22\r\n",
        b"\r\n220 a\r\n",
        b"999 a\r\n",
        b"199 a",
        b"2_2 a",
        b"+22 a",
        b"\xef\xbc\x92\xef\xbc\x92\xef\xbc\x90 a\r\n",
        b"220-a\r\n554 b\r\n",
        b"220-a\r\nb",
        b"SSH-2.0-x\r\n",
    ],
)
def test_what_can_be_no_reply_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(ReplyError):
        parse_reply(data)


@pytest.mark.parametrize(
    "data",
    [
        b"220 " + b"a" * MAX_REPLY_BYTES,
        b"220 " + b"a" * MAX_REPLY_BYTES + b"\r\n",
        b"220-a\r\n" * (MAX_REPLY_LINES + 1),
        b"220-" + b"a" * 60_000 + b"\r\n220-" + b"a" * 6_000 + b"\r\n",
    ],
    ids=["endless line", "long line", "endless lines", "long lines"],
)
def test_a_reply_is_bounded(data: bytes) -> None:
    with pytest.raises(ReplyError, match="without an end"):
        parse_reply(data)


@pytest.mark.parametrize("start", [b"220 ", b"220-a\r\n220 "], ids=["one line", "lines"])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["CR LF", "LF"])
@pytest.mark.parametrize("size", [1, 1000, MAX_REPLY_BYTES - 1, MAX_REPLY_BYTES, MAX_REPLY_BYTES + 2])
def test_a_reply_ends_within_the_bound_to_the_byte_in_whatever_pieces_it_comes(
    start: bytes, end: bytes, size: int
) -> None:
    for more, expected in ((0, "reply"), (1, "error"), (2, "error")):
        data = start + b"a" * (MAX_REPLY_BYTES - len(start + end) + more) + end
        assert outcome([data[at : at + size] for at in range(0, len(data), size)])[0] == expected


def outcome(chunks: list[bytes]) -> tuple[object, ...]:
    reader = ReplyReader()
    try:
        for at, chunk in enumerate(chunks):
            if reader.feed(chunk):
                rest = b"".join(chunks[at + 1 :])
                return ("reply", reader.reply, reader.length, bytes(reader.data) + rest)
    except ReplyError as error:
        return ("error", str(error))
    return ("more",)


def single_bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@given(anything, st.integers(1, 7))
def test_chunks_make_no_difference(data: bytes, size: int) -> None:
    whole = outcome([data])
    assert outcome(single_bytes(data)) == whole
    assert outcome([data[at : at + size] for at in range(0, len(data), size)]) == whole


@given(anything, st.binary())
def test_a_tail_makes_no_difference_to_a_reply(data: bytes, tail: bytes) -> None:
    try:
        whole = parse_reply(data)
    except ReplyError:
        return
    if whole is not None:
        assert parse_reply(data + tail) == whole


@given(nearly)
def test_the_fast_look_agrees_with_the_parser(data: bytes) -> None:
    if is_single(data):
        parsed = parse_reply(data)
        assert parsed is not None
        assert parsed[1] == len(data)
        assert len(parsed[0].lines) == 1


def test_the_fast_look_knows_the_usual_greeting() -> None:
    assert is_single(b"220 mx.example.com ESMTP\r\n")
    assert not is_single(b"220-a\r\n220 b\r\n")
    assert not is_single(b"220 a\r\n220 b\r\n")
