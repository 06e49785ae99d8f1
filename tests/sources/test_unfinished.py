from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.errors import InputError
from imcprobe.evidence import CUT_SHORT
from imcprobe.fingerprint.identify import conclude
from imcprobe.fingerprint.reply import MAX_REPLY_BYTES
from imcprobe.model import Observation, Status, Target, Times
from imcprobe.outputs.formats import FORMATS
from imcprobe.outputs.records import Head, result_line
from imcprobe.outputs.tally import Tally
from imcprobe.sources.records import MAX_LINE
from imcprobe.sources.unfinished import Unfinished

if TYPE_CHECKING:
    from pathlib import Path

IMS = b"220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready\r\n"
SEEN = [
    Observation(
        Target("mx.example.com"),
        "192.0.2.1",
        Status.SUCCESS,
        IMS,
        ehlo=("mx \x1b[2J\\ é", "HELP"),
        times=Times(1.5, 12.5),
        seen_at=1_795_000_000.083,
    ),
    Observation(Target("2001:db8::1", 2525), "2001:db8::1", Status.IO_TIMEOUT, b"220", error="after 30 s"),
    Observation(Target("a\x1bb line 3", 0), None, Status.INVALID_INPUT, error="no\x07"),
    Observation(Target("192.0.2.2"), "192.0.2.2", Status.SUCCESS, b"220 \xff\x00 x\r\nearly \xc3\xa9"),
]


def stored(*, complete: bool = False, source: str | None = None) -> list[bytes]:
    """The lines of a file: head, results, summary."""
    form, head = FORMATS["jsonl"](), Head("0.1.0", 0.0, len(SEEN), (25,), source=source)
    text = [
        form.start(head),
        *[form.row(conclude(seen)) for seen in SEEN],
        form.end(Tally(), 1.5, complete=complete),
    ]
    return [line.encode() for line in text]


LINES = stored()
HEAD, *RESULTS, SUMMARY = LINES
CUT = b"".join([HEAD, *RESULTS])
WHOLE = CUT + SUMMARY
KILLED_IN_HEAD = "--resume out.jsonl: it holds no whole record. Start anew with --force."


def unfinished(data: bytes) -> Unfinished:
    return Unfinished(io.BytesIO(data), "out.jsonl")


def refusal(data: bytes) -> str:
    """In which words a file is refused, be it at its head or later."""
    with pytest.raises(InputError) as caught:
        list(unfinished(data).observations())
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "cut"),
    [
        ({}, Observation(Target("h"), "192.0.2.9", Status.SUCCESS, IMS, error=f"AUTH NTLM {CUT_SHORT}")),
        ({"ptr": True}, Observation(Target("h"), "192.0.2.9", Status.SUCCESS, IMS)),
    ],
    ids=["a conversation", "a name"],
)
def test_what_a_stop_cut_short_is_to_be_made_anew_with_all_behind_it(
    options: dict[str, bool], cut: Observation
) -> None:
    head = HEAD.replace(b'"options":null', f'"options":{json.dumps(options)}'.encode())
    whole = [SEEN[2], SEEN[0]._replace(ptr=())] if options else SEEN
    lines = [result_line(conclude(seen)).encode() + b"\n" for seen in (*whole, cut, SEEN[1])]
    scan = unfinished(b"".join([head, *lines, SUMMARY]))
    assert list(scan.observations()) == whole
    assert scan.end == len(head) + sum(map(len, lines[:-2]))
    assert (scan.complete, scan.seconds) == (False, 1.5)


def test_the_head_is_had_at_once_and_no_more_is_known_yet() -> None:
    scan = unfinished(WHOLE)
    assert scan.head == json.loads(HEAD)
    assert (scan.end, scan.complete, scan.seconds) == (len(HEAD), None, 0.0)


@pytest.mark.parametrize("complete", [True, False])
def test_a_file_with_a_summary_ends_before_it_and_has_its_word_and_its_time(complete: bool) -> None:
    scan = unfinished(b"".join(stored(complete=complete)))
    assert list(scan.observations()) == SEEN
    assert (scan.end, scan.complete, scan.seconds) == (len(CUT), complete, 1.5)


def test_a_file_without_a_summary_ends_behind_its_last_record() -> None:
    scan = unfinished(CUT)
    assert list(scan.observations()) == SEEN
    assert (scan.end, scan.complete, scan.seconds) == (len(CUT), None, 0.0)


def test_a_file_with_nothing_but_a_head_is_a_scan_that_saw_nothing() -> None:
    for data in (HEAD, HEAD + SUMMARY):
        scan = unfinished(data)
        assert list(scan.observations()) == []
        assert scan.end == len(HEAD)


def test_the_stream_may_stand_anywhere_at_first() -> None:
    stream = io.BytesIO(CUT)
    stream.seek(0, io.SEEK_END)
    assert list(Unfinished(stream, "out.jsonl").observations()) == SEEN


def test_it_can_be_read_twice_also_when_the_first_time_was_not_to_the_end() -> None:
    scan = unfinished(WHOLE)
    next(scan.observations())
    assert scan.end == len(HEAD + RESULTS[0])
    for _ in range(2):
        assert list(scan.observations()) == SEEN
        assert (scan.end, scan.complete, scan.seconds) == (len(CUT), False, 1.5)


def test_killed_in_its_first_line_it_holds_nothing_wherever_that_is_cut() -> None:
    for at in range(len(HEAD)):
        assert refusal(HEAD[:at]) == KILLED_IN_HEAD


def test_cut_at_any_byte_it_has_the_whole_records_before_and_goes_on_to_the_same_file() -> None:
    for at in range(len(HEAD), len(WHOLE) + 1):
        stream = io.BytesIO(WHOLE[:at])
        scan = Unfinished(stream, "out.jsonl")
        found = list(scan.observations())
        assert found == SEEN[: WHOLE[:at].count(b"\n") - 1]
        assert scan.complete is (False if at == len(WHOLE) else None)
        assert WHOLE[scan.end - 1 : scan.end] == b"\n"
        stream.seek(scan.end)
        stream.truncate()
        stream.write(b"".join(RESULTS[len(found) :]) + SUMMARY)
        assert stream.getvalue() == WHOLE


observations = st.builds(
    Observation,
    st.builds(Target, st.text(), st.integers(0, 65_535)),
    st.one_of(st.none(), st.just("192.0.2.1")),
    st.sampled_from(Status),
    greeting=st.one_of(st.binary(), st.binary().map(lambda tail: IMS + tail)),
    ehlo=st.one_of(st.none(), st.lists(st.text(), min_size=1).map(tuple)),
    times=st.builds(Times, st.one_of(st.none(), st.floats(0, 1e6)), st.one_of(st.none(), st.floats(0, 1e6))),
    attempts=st.integers(1, 3),
    error=st.one_of(st.none(), st.text()),
    seen_at=st.one_of(st.none(), st.floats(0, 4e9)),
    source=st.none(),
)


@given(st.lists(observations, max_size=4), st.data())
def test_of_any_scan_that_is_cut_anywhere_the_whole_records_are_had_and_written_the_same_again(
    seen: list[Observation], data: st.DataObject
) -> None:
    rows = [f"{result_line(conclude(each))}\n".encode() for each in seen]
    whole = HEAD + b"".join(rows)
    cut = whole[: data.draw(st.integers(len(HEAD), len(whole)))]
    left = data.draw(st.sampled_from([b"", b"\0", b"\0" * 5000, b"\0\0\n", b"\n", b"\n\n"]))
    scan = unfinished(cut if left.startswith(b"\n") and not cut.endswith(b"\n") else cut + left)
    again = [f"{result_line(conclude(each))}\n".encode() for each in scan.observations()]
    assert again == rows[: cut.count(b"\n") - 1]
    assert HEAD + b"".join(again) == cut[: scan.end] == whole[: scan.end]


@pytest.mark.parametrize(
    "torn",
    [
        RESULTS[3][:-1],
        SUMMARY[:-1],
        RESULTS[3][: RESULTS[3].index(b"\\")  + 1],
        '{"type":"result","target":"é'.encode()[:-1],
        b'{"type":"result","target":"a","port":2',
        b"\xff\xfe\n",
        b"{\n",
        b"5\n",
        b"\n",
        b"\n\n",
        b"\0" * 4096,
        b"\0" * 4096 + b"\n",
        b'{"type":"resu' + b"\0" * 4096,
        b'{"type":"resu' + b"\0" * 4096 + b"\n",
        b'{"type":"resu\n' + b"\0" * 4096,
        b'{"type":"resu' + b"\0" * (MAX_LINE * 3),
        b"\0" * (MAX_LINE * 3) + b"\n",
        b"\0" * MAX_LINE + b"\n",
        b"x" * MAX_LINE,
    ],
    ids=lambda torn: f"{torn[:24]!r}…{len(torn)}",
)  # fmt: skip
def test_a_torn_end_is_cut_whatever_tore_it(torn: bytes) -> None:
    scan = unfinished(CUT + torn)
    assert list(scan.observations()) == SEEN
    assert (scan.end, scan.complete, scan.seconds) == (len(CUT), None, 0.0)


class Bounded(io.BytesIO):
    """A stream that minds how much is asked of it at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert 0 < size <= MAX_LINE + 1
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert 0 < size <= MAX_LINE + 1
        return super().readline(size)


def test_no_more_than_a_line_is_read_at_once_however_large_the_hole() -> None:
    scan = Unfinished(Bounded(CUT + b"\0" * (MAX_LINE * 3)), "out.jsonl")
    assert list(scan.observations()) == SEEN
    with pytest.raises(InputError, match="no whole record"):
        Unfinished(Bounded(b"\0" * (MAX_LINE * 3)), "out.jsonl")


def test_the_longest_record_of_a_probe_is_a_quarter_of_a_line() -> None:
    seen = Observation(
        Target("mx.example.com"),
        "192.0.2.1",
        Status.SUCCESS,
        b"220 " + b"\xff" * (MAX_REPLY_BYTES - 6) + b"\r\n",
        ehlo=("\x80" * (1 << 15),),
        error="\x80" * 1000,
    )
    assert len(result_line(conclude(seen))) < MAX_LINE / 4


def test_a_real_file_is_cut_and_gone_on_with_by_the_one_handle(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"".join(LINES[:3]) + RESULTS[2][:50] + b"\0" * 100_000)
    with path.open("r+b") as stream:
        scan = Unfinished(stream, "out.jsonl")
        assert list(scan.observations()) == SEEN[:2]
        stream.seek(scan.end)
        stream.truncate()
        stream.write(b"".join(LINES[3:]))
    assert path.read_bytes() == WHOLE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\0" * 4096,
        HEAD[:5] + b"\0" * 4096,
        HEAD[:100] + b"\0" * 10 + b"\n",
    ],
)
def test_a_file_of_which_no_line_was_written_is_to_be_started_anew(data: bytes) -> None:
    assert refusal(data) == KILLED_IN_HEAD


@pytest.mark.parametrize(
    "data",
    [
        b"secret",
        b"a list\nof hosts\n",
        b"[]\n",
        b"{}\n",
        RESULTS[0],
        HEAD[:50] + b"\n" + RESULTS[0],
        b"\0\n" + WHOLE,
        b'{"scan":' + HEAD[:-1] + b',"results":[\n],"summary":' + SUMMARY[:-1] + b"}\n",
        b"x" * (MAX_LINE + 5),
        b'{"type":"scan"' + b" " * MAX_LINE + HEAD[14:],
    ],
    ids=lambda data: f"{data[:24]!r}…{len(data)}",
)
def test_a_file_of_something_else_is_no_scan_and_nobody_is_told_to_overwrite_it(data: bytes) -> None:
    assert refusal(data) == "--resume out.jsonl: that is no scan of imcprobe. Give the .jsonl of one scan."


def test_a_scan_of_another_schema_is_refused() -> None:
    assert refusal(WHOLE.replace(b"imcprobe/1", b"imcprobe/2", 1)) == (
        "--resume out.jsonl has no schema imcprobe/1: another imcprobe wrote it."
    )


def test_what_identify_wrote_is_no_scan_to_go_on_with() -> None:
    assert refusal(b"".join(stored(source="records"))) == (
        "--resume out.jsonl: identify wrote that, from what was stored. Give the .jsonl of one scan."
    )


@pytest.mark.parametrize(
    "broken", [RESULTS[2][:40] + b"\n", b"\n", b"\0" * 9000 + b"\n", b"\0" * (MAX_LINE * 2) + b"\n"]
)
def test_a_broken_line_in_the_middle_is_named_and_what_stands_before_it_was_given(broken: bytes) -> None:
    scan = unfinished(b"".join([*LINES[:3], broken, *LINES[3:]]))
    given_before: list[Observation] = []
    with pytest.raises(InputError) as caught:
        given_before.extend(scan.observations())
    assert str(caught.value) == (
        "--resume out.jsonl line 4 is no record of imcprobe. Start anew with --force."
    )
    assert given_before == SEEN[:2]
    assert scan.end == len(b"".join(LINES[:3]))


@pytest.mark.parametrize("line", [RESULTS[0][:-2] + b',"status":"maybe"}\n', b'{"type":"result"}\n'])
def test_a_whole_line_that_says_nothing_sensible_is_named_even_as_the_last(line: bytes) -> None:
    for data in (CUT + line, CUT + line + RESULTS[0]):
        assert refusal(data) == (
            "--resume out.jsonl line 6 is no result record of imcprobe. Start anew with --force."
        )


@pytest.mark.parametrize("end", [b"", b"\n", b"\n" + SUMMARY])
def test_a_line_that_is_longer_than_a_record_can_be_is_named(end: bytes) -> None:
    assert refusal(CUT + b"x" * (MAX_LINE + 1) + end) == (
        "--resume out.jsonl line 6 is longer than a record can be. Start anew with --force."
    )


@pytest.mark.parametrize("line", [HEAD, b'{"type":"note"}\n', b"{}\n"])
def test_a_record_of_another_kind_is_named(line: bytes) -> None:
    for data in (CUT + line, CUT + line + RESULTS[0]):
        assert refusal(data) == "--resume out.jsonl line 6 is no result. Give the .jsonl of one scan."


@pytest.mark.parametrize("more", [HEAD, WHOLE, RESULTS[0], SUMMARY, b"x", b"\0" * (MAX_LINE * 2) + b"x"])
def test_a_file_that_goes_on_behind_its_summary_is_refused(more: bytes) -> None:
    assert refusal(WHOLE + more) == (
        "--resume out.jsonl: there is more behind its summary, line 6. Give the .jsonl of one scan."
    )


def test_an_empty_line_behind_the_summary_is_nothing() -> None:
    scan = unfinished(WHOLE + b"\n")
    assert list(scan.observations()) == SEEN
    assert (scan.end, scan.complete) == (len(CUT), False)


@pytest.mark.parametrize(
    "change",
    [
        {"complete": None}, {"complete": 1}, {"seconds": None}, {"seconds": "x"}, {"seconds": -1},
        {"seconds": float("nan")}, {"seconds": float("inf")}, {"seconds": 10**400}, {"seconds": True},
    ],
)  # fmt: skip
def test_a_summary_that_does_not_say_how_it_ended_is_named(change: dict[str, object]) -> None:
    summary = json.dumps(json.loads(SUMMARY) | change).encode() + b"\n"
    assert refusal(CUT + summary) == (
        "--resume out.jsonl line 6 is no summary of imcprobe. Start anew with --force."
    )
