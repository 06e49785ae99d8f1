from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from imcprobe.safetext import (
    _REMEMBERED,
    _TABLE,
    clip,
    decode,
    escaped,
    printable,
    restore,
    safe,
    to_bytes,
    to_utf_8,
)


@given(st.binary())
def test_what_is_shown_gives_the_bytes_back(data: bytes) -> None:
    assert restore(safe(data)) == data


@given(st.binary())
def test_only_printable_characters_are_shown_and_json_can_hold_them(data: bytes) -> None:
    shown = safe(data)
    assert shown.isprintable()
    shown.encode("utf-8")


@given(st.text(alphabet=st.characters()))
def test_text_is_shown_as_its_bytes_are(text: str) -> None:
    assert restore(safe(text)) == to_bytes(text)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"220 plain", "220 plain"),
        (b"a\tb\r\n", r"a\x09b\x0d\x0a"),
        (b"\x1b]8;;x\x07\x7f", r"\x1b]8;;x\x07\x7f"),
        (b"\xff\xfe", r"\xff\xfe"),
        ("\x9b31m".encode(), r"\xc2\x9b31m"),
        ("é \u202e \u200b \u2028".encode(), r"é \xe2\x80\xae \xe2\x80\x8b \xe2\x80\xa8"),
        ("\u00a0\ufeff\u0301\u3164\ue000".encode(), r"\xc2\xa0\xef\xbb\xbf\xcc\x81\xe3\x85\xa4\xee\x80\x80"),
        ("5.5.\u05d0\u05d1.21".encode(), r"5.5.\xd7\x90\xd7\x91.21"),
        ("1 \u0627 \u0661 \u06f1 2".encode(), r"1 \xd8\xa7 \xd9\xa1" + " \u06f1 2"),
        ("\u1100\u1161\u11a8\ud7b0".encode(), "\u1100" + r"\xe1\x85\xa1\xe1\x86\xa8\xed\x9e\xb0"),
        ("\u0915\u0903 \ufffc \U0001d159".encode(), "\u0915" + r"\xe0\xa4\x83 \xef\xbf\xbc \xf0\x9d\x85\x99"),
        ("\U0001f44d\U0001f3fb".encode(), "\U0001f44d" + r"\xf0\x9f\x8f\xbb"),
        ("\ud55c \u6f22 \u042f \u03a9 \ufffd".encode(), "\ud55c \u6f22 \u042f \u03a9 \ufffd"),
        (b"\\x1b", r"\\x1b"),
        ("\udcff", r"\xff"),
        ("\ud800", r"\xed\xa0\x80"),
        (bytearray(b"ok"), "ok"),
    ],
)
def test_everything_but_plain_letters_is_written_as_bytes(data: bytes | str, shown: str) -> None:
    assert safe(data) == shown


EVERY_CHARACTER = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def test_what_is_shown_is_read_from_left_to_right() -> None:
    shown = {unicodedata.bidirectional(char) for char in safe("".join(EVERY_CHARACTER))}
    assert shown.isdisjoint({"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI", "PDF", "PDI"})


def test_every_character_that_is_shown_has_a_width() -> None:
    assert [char for char in set(safe("".join(EVERY_CHARACTER))) if cell_len(char) == 0] == []


def test_every_character_can_be_had_back() -> None:
    text = "\\".join(EVERY_CHARACTER)
    assert restore(safe(text)) == text.encode()


def test_a_sentence_keeps_what_was_made_safe_in_it() -> None:
    assert printable(f"\x1b\u034f.txt: {safe(chr(27))} \\") == r"\x1b\xcd\x8f.txt: \x1b " + "\\"


@pytest.mark.parametrize(
    "data",
    [
        b"220 mx" + b"\0" * 400 + b"\r\n220 mx.example.com ESMTP\r\n",
        b"2\x002\x000\x00 \0\r\0\n\0" + b"220 mx.example.com ESMTP\r\n",
        b"\0",
        b"\xff\xfe220 mx.example.com\r\n",
        b"\xff\xfe2\0\xd8",
    ],
)
def test_bytes_that_look_like_utf_16_in_part_are_kept(data: bytes) -> None:
    assert to_bytes(decode(data)) == data


def test_what_cannot_be_decoded_is_no_matter_of_what_is_shown() -> None:
    error = UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range(128)")
    with pytest.raises(UnicodeDecodeError):
        escaped(error)


def test_long_text_is_clipped_with_an_ellipsis() -> None:
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcd", 4) == "abcd"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_files_are_read_as_editors_and_shells_write_them(encoding: str) -> None:
    assert decode("10.0.0.1\r\nmx.example.com\r\n".encode(encoding)) == "10.0.0.1\r\nmx.example.com\r\n"


@pytest.mark.parametrize("data", [b"", b"a", b"\xe9t\xe9", b"\xff", b"\x00\x00\x01"])
def test_any_bytes_are_text_of_some_kind(data: bytes) -> None:
    safe(decode(data))


def test_what_is_no_utf_8_is_kept() -> None:
    assert to_bytes(decode(b"caf\xe9")) == b"caf\xe9"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 65_536,
        b"\xff" * 65_536,
        "\u202e".encode() * 20_000,
        b"A\x1b" * 32_768,
        b"\\" * 65_536,
        "\ue000".encode() * 20_000,
        "\U0010fffd".encode() * 16_000,
        "\u0301".encode() * 32_768,
        "\u05d0".encode() * 32_768,
    ],
    ids=["zero", "no UTF-8", "override", "between", "backslash", "private", "last", "combining", "Hebrew"],
)
def test_a_flood_of_what_cannot_be_shown_costs_little(data: bytes) -> None:
    began = time.process_time()
    for _ in range(10):
        restore(safe(data))
    # On an idle core 60 ms; each of them took 25 ms and more when every character was looked up anew.
    assert time.process_time() - began < (
        0.25 if sys.gettrace() is None else 2.0
    )  # coverage looks at each line


def test_what_is_remembered_is_no_more_than_there_is_room_for() -> None:
    text = "".join(map(chr, range(0xF0000, 0xF0000 + 20_000)))
    assert restore(safe(text)) == text.encode()
    assert len(_TABLE) <= _REMEMBERED


@given(st.binary() | st.text().map(lambda text: text.encode("utf-16", "surrogatepass")))
def test_bytes_become_utf_8_as_their_text_would(data: bytes) -> None:
    assert to_utf_8(data) == to_bytes(decode(data))
