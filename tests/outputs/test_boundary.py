"""One boundary out: whatever a stranger said, wherever it comes out, it is printable and can be had back."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from base64 import b64decode
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.cells import cell_len

from imcprobe.cli.app import run
from imcprobe.cli.bar import progress_line
from imcprobe.cli.files import OutputFiles
from imcprobe.cli.options import parse_duration, parse_format
from imcprobe.cli.terminal import Terminal, say
from imcprobe.errors import ImcprobeError
from imcprobe.fingerprint.expect import parse_expect, parse_fail_on
from imcprobe.fingerprint.identify import conclude
from imcprobe.fingerprint.reply import ReplyReader
from imcprobe.meaning import Channel, Hint
from imcprobe.model import Build, Observation, Result, Status, Target, Times
from imcprobe.order import parse_shard
from imcprobe.outputs.columns import COLUMNS
from imcprobe.outputs.evidence import conversation_record
from imcprobe.outputs.formats import ENDINGS, FORMATS
from imcprobe.outputs.records import Head
from imcprobe.outputs.schema import json_schema
from imcprobe.outputs.screen import check_screen, identify_line
from imcprobe.outputs.table import MAX_WIDTH
from imcprobe.outputs.tally import Tally
from imcprobe.outputs.wording import headline, in_full, in_short
from imcprobe.probe.options import ProbeOptions
from imcprobe.safetext import restore, safe, to_bytes
from imcprobe.sources.detect import read_stored
from imcprobe.sources.unfinished import Unfinished
from imcprobe.targets import TargetsBuilder, parse, parse_ports
from imcprobe.testing.faults import parse_fault
from imcprobe.testing.fleet import Fleet, Member
from imcprobe.testing.greetings import greeting_of, named_greeting
from observed import with_conversation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VALIDATOR = Draft202012Validator(json_schema())
IN_LINE = [column.name for column in COLUMNS if column.line]
SEEN = {"target", "ip", "error", "greeting", "certificate_subject", "ptr"}
IN_SHEET = [column.name for column in COLUMNS]
LABELS = (
    "Build|Greeting|Support|Advisories|Not shown|Caveat|Note|EHLO|HELO|HELP|TLS|Certificate|NTLM|Reverse DNS"
    "|Hint|Error|Time"
)
EVIDENCE = re.compile(rf"  (?=.{{11}} .)(?:{LABELS}) +.*")
# Of a screen: a row of what was said, and the words around it; a headline quotes less.
LONGEST_ROW = 500
# What a spreadsheet begins a formula with (OWASP, CSV Injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

HOSTILE = [
    *(b"\x1b[2J\x1b[31m", b"\x1b]0;owned\x07", b"\x1b]8;;http://example.com\x1b\\x\x1b]8;;\x1b\\"),
    *(b"\x1b]52;c;ZXZpbA==\x07", b'\x1bP$q"p\x1b\\', b"\x9b31m\x9d0;x\x9c", "\x9b31m\x9d0;x\x9c".encode()),
    *(b"a\rb", b"\x08\x08", b"\x7f", b"\x00", b"\t", b"\n", b"\x0b\x0c\x1c\x1d\x1e\x1f", "\x85".encode()),
    *("\u2028\u2029".encode(), "\u202e\u2066\u061c".encode(), "\u200b\u200d\u2060\ufeff\u00ad".encode()),
    *("\u00a0\u3000".encode(), "e\u0301\u20dd".encode(), "\u3164\u115f\u2800".encode()),
    *("\u05d0\u05d1\u05d2.21".encode(), "\u0628\u0661\u06f1".encode(), "\U00010d30\U0001e900".encode()),
    *("\u1100\u1161\u11a8".encode(), "\ud7b0\ud7cb".encode(), "\u0903\U0001f3fb\ufffc\U0001d159".encode()),
    *("\ue000\U000e0041\ufff9".encode(), "\ud800".encode("utf-8", "surrogatepass"), b"\xff\xc0\xaf\xe2"),
    *("evil \x1b".encode("utf-16"), "evil".encode("utf-16-be"), "é€\U0001d518".encode()),
    *(b'"', b"'", b"''", b'""', b",", b";", b"\\", b"\\x1b", b"\\\\x1b[2J", b"`", b"$(x)", b"${jndi:x}"),
    *(b";=1", b'; "@x', b";;+1;-1", "x; \uff1d1".encode()),
    *(b"=cmd|' /C calc'!A0", b"@SUM(1)", b"+1", b"-1", b"'=1", "\uff1d1\uff0b".encode(), "\uff0b1".encode()),
    *(b"%s%n%(x)s", b"{0}{error}{", b"[bold]x[/bold]", b"[/]", b"<script>alert(1)</script>", b"&lt;"),
]  # fmt: skip
pieces = st.one_of(
    st.sampled_from(HOSTILE),
    st.binary(max_size=6),
    st.sampled_from([b"mx", b".", b" ", b"x", b"(", b")", b"5.5"]),
)
said = st.lists(pieces, max_size=4).map(b"".join)
texts = st.one_of(
    said.map(lambda data: data.decode("utf-8", "surrogateescape")),
    st.text(st.characters(), max_size=8),
)
hosts = st.one_of(st.just(b"mx.example.com"), said, said.map(lambda tail: b"mx.example.com" + tail))
builds = st.one_of(
    st.sampled_from([b"5.5.2650.21", b"4.0.993.5", b"5.5.2652.50", b"2650", b"6.0.3790.4675"]),
    *(said.map(start.__add__) for start in (b"5.5.26", b"5.0.XX", b"6.5.7", b"X")),
    said,
)
FORMS = [
    b"220 HOST ESMTP Server (Microsoft Exchange Internet Mail Service BUILD) WORDS",
    b"220 HOST Microsoft Exchange Internet Mail Connector BUILD WORDS",
    b"220-HOST WORDS\r\n220 Microsoft Exchange Internet Mail Service BUILD WORDS",
    b"220 HOST Microsoft ESMTP MAIL Service, Version: BUILD WORDS",
    b"220 HOST Microsoft SMTP MAIL ready at x Version: BUILD WORDS",
    b"220 HOST ESMTP WORDS",
    b"220 HOST ESMTP MS Exchange BUILD WORDS",
    b"554 HOST ESMTP WORDS",
    b"HOST WORDS",
    b"X-Mailer: Internet Mail Service (BUILD) WORDS",
]
ends = st.sampled_from([b"\r\n", b"\n", b"", b"\r", b"\r\n\r\n", b"\r\n250 INJECTED\r\n", b"\n\n"])
greetings = st.one_of(
    st.just(b""),
    st.binary(max_size=40),
    st.builds(
        lambda form, host, build, words, end: (
            form.replace(b"HOST", host).replace(b"BUILD", build).replace(b"WORDS", words) + end
        ),
        *(st.sampled_from(FORMS), hosts, builds, said, ends),
    ),
)
plain = st.builds(
    Observation,
    st.builds(Target, st.one_of(st.just("192.0.2.1"), texts), st.sampled_from([0, 25, 65_535])),
    st.one_of(st.none(), st.just("192.0.2.1"), texts),
    st.one_of(st.just(Status.SUCCESS), st.sampled_from(Status)),
    greeting=greetings,
    times=st.builds(Times, st.sampled_from([None, 0.04, 12.5]), st.sampled_from([None, 0.0, 1e6])),
    attempts=st.integers(1, 3),
    error=st.one_of(st.none(), texts),
    seen_at=st.sampled_from([None, 0.0, 1_795_000_000.5]),
    source=st.sampled_from([None, None, "text", "records"]),
)
hint = st.builds(Hint, st.sampled_from(Channel), st.just("consistent with x"), texts, st.just("a source"))


def hinted(result: Result, hints: list[Hint]) -> Result:
    """A result with hints at what was said, whatever the tables make of it."""
    seen, found = result
    return result if found is None else Result(seen, replace(found, hints=(*found.hints, *hints)))


results = st.builds(hinted, with_conversation(plain, texts).map(conclude), st.lists(hint, max_size=2))
several = st.lists(results, min_size=1, max_size=3)


def hides(char: str) -> bool:
    """Whether a person does not see a character as itself, or a terminal obeys it; asked of Unicode alone."""
    category = unicodedata.category(char)
    return (
        category in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Mc", "Me"}
        or unicodedata.bidirectional(char) in {"R", "AL", "AN"}
        or unicodedata.name(char, "").startswith(("HANGUL JUNGSEONG", "HANGUL JONGSEONG", "EMOJI MODIFIER"))
        or (category == "Zs" and char != " ")
        or char in "\u115f\u1160\u3164\uffa0\u2800\ufffc\U0001d159"
    )


def check_one_line(text: str) -> None:
    assert [char for char in set(text) if hides(char)] == [], text
    text.encode("utf-8")


def lines_of(text: str) -> list[str]:
    """The lines, of which each is one to everybody."""
    assert text.endswith("\n")
    lines = text.split("\n")[:-1]
    assert text.splitlines() == lines
    return lines


def written(name: str, found: list[Result]) -> str:
    form, tally = FORMATS[name](), Tally()
    for each in found:
        tally.add(each)
    text = form.start(Head("0.1.0", 0.0, len(found))) + form.rows(found)
    text += form.end(tally, 1.0, complete=True)
    text.encode("utf-8")
    return text


def raw(result: Result) -> dict[str, bytes]:
    """What was said, by the name of the column that shows it."""
    seen, found = result
    certificate = None if seen.tls is None else seen.tls.certificate
    told = {
        "certificate_subject": None if certificate is None else certificate.subject,
        "ptr": " ".join(seen.ptr or ()),
        "target": seen.target.host,
        "ip": seen.address,
        "error": seen.error,
        "build": None if found is None else found.build,
        "name": None if found is None else found.host,
    }
    return {
        "greeting": re.sub(rb"\r?\n\Z", b"", seen.greeting),
        **{name: to_bytes(text or "") for name, text in told.items()},
    }


def no_number(text: str) -> NoReturn:
    pytest.fail(f"{text} is no JSON")


def loaded(text: str) -> Any:
    assert text.isascii()
    return json.loads(text, parse_constant=no_number)


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inside in value.values() if isinstance(value, dict) else value:
            yield from strings(inside)


@settings(max_examples=150)
@given(several)
def test_json_is_valid_and_the_bytes_can_be_had_back(found: list[Result]) -> None:
    lines = lines_of(written("jsonl", found))
    head, *records, summary = map(loaded, lines)
    assert loaded(written("json", found)) == {"scan": head, "results": records, "summary": summary}
    for record, result in zip(records, found, strict=True):
        VALIDATOR.validate(record)
        for text in strings(record):
            check_one_line(text)
        assert b64decode(record["greeting_base64"] or "") == result.observation.greeting
        shown = {**record, "build": (record["identification"] or {}).get("build")}
        shown["certificate_subject"] = ((record["tls"] or {}).get("certificate") or {}).get("subject")
        shown["ptr"] = " ".join(record["ptr"] or ())
        assert {name: restore(shown[name] or "") for name in raw(result)} == raw(result)
        seen = result.observation
        assert list(map(restore, record["ehlo"] or ())) == list(map(to_bytes, seen.ehlo or ()))
        if seen.tls is not None and seen.tls.certificate is not None:
            assert b64decode(record["tls"]["certificate"]["base64"]) == seen.tls.certificate.der
        if seen.replies is not None and seen.replies.quit is not None:
            said = record["replies"]["quit"]["lines"]
            assert list(map(restore, said)) == list(map(to_bytes, seen.replies.quit.lines))


@settings(max_examples=200)
@given(several)
def test_a_sheet_has_a_row_a_target_no_formula_and_the_bytes(found: list[Result]) -> None:
    text = written("csv", found)
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == IN_SHEET
    # To a program that splits at semicolons alone no cell is a formula, quotes taken off or not; to one that
    # splits at commas too the cells are the same.
    for line, row in zip(lines_of(text), (header, *rows), strict=True):
        first, *others = next(csv.reader([line], delimiter=";"))
        assert not first.startswith(FORMULA)
        assert [cell for cell in others if cell.lstrip(" \"'").startswith(FORMULA)] == []
        assert len(next(csv.reader([line.replace(";", ",")]))) == len(row)
    assert len(lines_of(text)) - 1 == len(rows)
    for row, result in zip(rows, found, strict=True):
        for cell in row:
            check_one_line(cell)
            assert not cell.startswith(FORMULA)
        values = {name: cell.removeprefix("'") for name, cell in zip(IN_SHEET, row, strict=True)}
        assert {name: restore(values[name]) for name in raw(result)} == raw(result)


@settings(max_examples=200)
@given(several)
def test_lines_have_a_line_a_target_their_columns_and_the_bytes(found: list[Result]) -> None:
    for line, result in zip(lines_of(written("line", found)), found, strict=True):
        cells = dict(zip(IN_LINE, line.split("\t"), strict=True))
        for cell in cells.values():
            check_one_line(cell)
        told = {name: data for name, data in raw(result).items() if name in IN_LINE}
        assert {name: restore(cells[name]) for name in told} == told


def uncut(text: str) -> str:
    """What no cell is too narrow for: of what is cut the beginning, be all of it wide letters."""
    shown = safe(text)
    return shown if cell_len(shown) <= 20 else shown[:9]


@settings(max_examples=200)
@given(several)
def test_a_table_has_a_row_a_target_and_shows_what_was_said_escaped(found: list[Result]) -> None:
    heading, *rows, counts = lines_of(written("table", found))
    for line in (heading, *rows, counts):
        check_one_line(line)
        assert cell_len(line) <= MAX_WIDTH
    for row, result in zip(rows, found, strict=True):
        assert row.startswith(f" {uncut(result.observation.target.host)}".rstrip())
        identified = result.identification
        if identified is not None:
            assert uncut(identified.build or "") in row
            assert uncut(identified.host or "") in row


def check_screens(result: Result) -> None:
    for text in (headline(result), in_short(result), in_full(result), identify_line(result)):
        check_one_line(text)
    where, answer, *evidence = check_screen(result).split("\n")
    assert answer == f"  {headline(result)}"
    for line in (where, answer, *evidence):
        check_one_line(line)
    assert max(map(len, evidence), default=0) <= LONGEST_ROW
    assert [line for line in evidence if not EVIDENCE.fullmatch(line)] == []


@settings(max_examples=200)
@given(results)
def test_screens_have_the_lines_that_are_theirs(result: Result) -> None:
    check_screens(result)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_hostile_is_so_in_no_place_of_any_greeting(form: bytes) -> None:
    target = Target("192.0.2.1")
    for piece in HOSTILE:
        for build in (b"5.5.26", b"5.0.XX", b"6.5.7", b"X"):
            greeting = form.replace(b"BUILD", build + piece + b"0").replace(b"HOST", b"mx" + piece)
            seen = Observation(target, target.host, Status.SUCCESS, greeting + b"\r\n", source="text")
            check_screens(conclude(seen))


@settings(max_examples=25)
@given(several)
def test_a_file_of_any_ending_has_what_its_format_gives(found: list[Result]) -> None:
    with TemporaryDirectory() as name:
        paths = {ending: Path(name) / f"a{ending}" for ending in ENDINGS}
        files, tally = OutputFiles(map(str, paths.values()), force=False, only=None), Tally()
        for each in found:
            tally.add(each)
        files.start(Head("0.1.0", 0.0, len(found)))
        files.add(found)
        files.end(tally, 1.0, complete=True)
        for ending, path in paths.items():
            assert path.read_bytes().decode("utf-8") == written(ENDINGS[ending], found)


@settings(max_examples=25)
@given(several)
def test_what_was_stored_is_shown_as_it_was_when_it_is_read_again(found: list[Result]) -> None:
    _, again = read_stored(written("jsonl", found).encode(), "today.jsonl")
    for result, seen in zip(found, again, strict=True):
        told = raw(Result(seen))
        assert told == {name: raw(result)[name] if name in SEEN else b"" for name in told}
        assert conversation_record(seen) == conversation_record(result.observation)
        assert (seen.status, seen.ehlo and [*map(to_bytes, seen.ehlo)]) == (
            result.observation.status,
            result.observation.ehlo and [*map(to_bytes, result.observation.ehlo)],
        )


class Screen(io.StringIO):
    """A terminal that keeps what is drawn on it."""

    def isatty(self) -> bool:
        return True


@settings(max_examples=200)
@given(texts)
def test_a_remark_is_one_line_whatever_it_quotes(text: str) -> None:
    with redirect_stderr(io.StringIO()) as heard:
        say(text)
        Terminal().remark(text)
        Terminal().complain(text)
    lines = lines_of(heard.getvalue())
    assert len(lines) == 3
    for line in lines:
        assert line.startswith("imcprobe: ")
        check_one_line(line)


@settings(max_examples=50)
@given(texts, several)
def test_a_remark_beside_the_bar_and_the_bar_itself_are_a_line_each(text: str, found: list[Result]) -> None:
    tally = Tally()
    for each in found:
        tally.add(each)
    with redirect_stderr(Screen()) as heard, pytest.MonkeyPatch.context() as patched:
        patched.setattr("imcprobe.cli.terminal._can_draw", lambda: True)
        terminal = Terminal(no_color=True)
        terminal.begin(3)
        terminal.advance(1, tally.line())
        terminal.remark(text)
        terminal.finish()
    drawn = heard.getvalue().replace("\r\x1b[K", "")
    assert drawn.count("\n") == 1
    check_one_line(drawn.replace("\n", ""))
    for plain in (False, True):
        line = progress_line(1, 3, pace=1.0, told=tally.line(), width=99, plain=plain, colour=False)
        check_one_line(line)


def read_unfinished(text: str) -> None:
    list(Unfinished(io.BytesIO(to_bytes(text)), safe(text)).observations())


def read_lines(text: str) -> None:
    TargetsBuilder().add_lines(text, safe(text))


def read_exclusions(text: str) -> None:
    TargetsBuilder().exclude_lines(text, safe(text))


PARSERS: list[Callable[[str], object]] = [
    lambda text: parse([text]),
    lambda text: parse([f"[{text}]"]),
    lambda text: parse([f"{text}:25"]),
    lambda text: parse([f"10.0.0.0/{text}"]),
    lambda text: parse([f"::1%{text}"]),
    lambda text: parse(["192.0.2.1"], exclude=[f"{text}:25"]),
    read_lines,
    read_exclusions,
    parse_ports,
    parse_shard,
    parse_expect,
    parse_fail_on,
    parse_format,
    lambda text: parse_duration(text, "--deadline"),
    lambda text: OutputFiles([], force=False, only=text),
    lambda text: OutputFiles([f"{text}.pdf"], force=False, only=None),
    lambda text: ProbeOptions(helo_name=text),
    lambda text: list(read_stored(b"{" + to_bytes(text), text)[1]),
    read_unfinished,
    parse_fault,
    named_greeting,
    greeting_of,
    lambda text: Fleet([Member()] * 2, first=text),
    Build.parse,
    lambda text: ReplyReader().feed(to_bytes(text)),
]


def check_messages(text: str) -> None:
    for parser in PARSERS:
        try:
            parser(text)
        except (ImcprobeError, ValueError) as error:
            check_one_line(str(error))


@settings(max_examples=200)
@given(texts)
def test_a_message_that_quotes_is_printable(text: str) -> None:
    check_messages(text)


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_a_message_that_quotes_what_is_hostile_is_printable(piece: bytes) -> None:
    check_messages(f"x{piece.decode('utf-8', 'surrogateescape')}x")


@settings(max_examples=15)
@given(texts)
@example("\x1b[2J\u202e\x85\u115f")
def test_a_command_that_is_refused_says_so_in_one_line(text: str) -> None:
    for arguments in (
        [f"x{text}"],
        [f"--x{text}"],
        ["scan", f"--x{text}"],
        ["scan", "192.0.2.1", "-c", f"x{text}"],
        ["scan", "192.0.2.1", "-o", f"x{text}.pdf"],
        ["identify", f"no-such-{text.replace(' ', '')}"],
        ["builds", f"x{text}"],
    ):
        with redirect_stderr(io.StringIO()) as heard:
            assert run(arguments) in (1, 2, 3)
        for line in lines_of(heard.getvalue() or "\n"):
            check_one_line(line)
