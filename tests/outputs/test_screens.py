"""What people read: headlines, screens, tables, lines, spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Observation, Result, Status, Target
from imcprobe.outputs.columns import COLUMNS
from imcprobe.outputs.formats import ENDINGS, FORMATS
from imcprobe.outputs.records import Head, result_record
from imcprobe.outputs.screen import check_screen, identify_line
from imcprobe.outputs.spreadsheet import csv_line, header_line
from imcprobe.outputs.table import MAX_WIDTH, table_row
from imcprobe.outputs.tally import Bucket, Tally, alike, bucket
from imcprobe.outputs.wording import headline, in_full, in_short, support_line

if TYPE_CHECKING:
    from imcprobe.outputs.formats import Format

HEAD = Head(version="0.1.0", started=0.0, targets=1)
LABELS = "Build|Greeting|Support|Advisories|Not shown|Caveat|Note|EHLO|HELO|HELP|TLS|Certificate|NTLM|Reverse DNS|Hint|Error|Time"
EVIDENCE = re.compile(rf"  (?:{LABELS}) +\S.*")


def seen(text: str, status: Status = Status.SUCCESS, error: str | None = None) -> Result:
    greeting = text.encode("utf-8", "surrogateescape")
    return conclude(Observation(Target("10.1.4.17"), "10.1.4.17", status, greeting=greeting, error=error))


def ims(build: str) -> Result:
    return seen(
        f"220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service {build}) ready\r\n"
    )


def imc(build: str) -> Result:
    return seen(f"220 mx.example.com Microsoft Exchange Internet Mail Connector {build} ready\r\n")


WINDOWS = "220 mx Microsoft ESMTP MAIL Service, Version: {} ready\r\n"


@pytest.mark.parametrize(
    ("result", "told", "brief"),
    [
        (ims("5.5.2650.21"), "Exchange Server 5.5 Service Pack 3", "Exchange Server 5.5 SP3"),
        (imc("4.0.993.5"), "Exchange Server 4.0 Service Pack 2  or  Exchange Server 4.0a   (4.0.993.5 is the build of both)", "Exchange Server 4.0 SP2|4.0a"),
        (ims("5.5.2651.58"), "Exchange Server 5.5, after Service Pack 3, before Service Pack 4: fix of Q246889 (5.5.2651.58)", "Exchange Server 5.5 SP3+"),
        (ims("5.5.2656.59"), "Exchange Server 5.5 Service Pack 4 with later fixes: MS02-037, Q326322 (5.5.2656.59)", "Exchange Server 5.5 SP4+"),
        (ims("5.5.2657.72"), "Exchange Server 5.5 Service Pack 4 with later fixes: mail archives, 2004 to 2007 (5.5.2657.72)", "Exchange Server 5.5 SP4+"),
        (ims("5.5.2186.0"), "Exchange Server 5.5, before Service Pack 1: Q189270 (5.5.2186.0)", "Exchange Server 5.5 RTM+"),
        (ims("5.5.2652.50"), "Exchange Server 5.5, after Service Pack 3, before Service Pack 4: no documented build (5.5.2652.50)", "Exchange Server 5.5 SP3+"),
        (ims("5.5.2654.20"), "Exchange Server 5.5 Service Pack 4 with later fixes: no documented build (5.5.2654.20)", "Exchange Server 5.5 SP4+"),
        (ims("5.5.2000.0"), "Exchange Server 5.5, before Service Pack 1: no documented build (5.5.2000.0)", "Exchange Server 5.5 RTM+"),
        (ims("5.5.2232.0"), "Exchange Server 5.5, before Service Pack 1 (5.5.2232.0, Q194131)", "Exchange Server 5.5 RTM+"),
        (ims("5.5.1664.3"), "Exchange Server 5.5, before release (5.5.1664.3, Q173656)", "Exchange Server 5.5, before release"),
        (ims("5.5.1700.1"), "Exchange Server 5.5, before release (5.5.1700.1)", "Exchange Server 5.5, before release"),
        (ims("5.5.2700.1"), "Exchange Server 5.5, newer than any documented build (highest 5.5.2658.27)", "Exchange Server 5.5 SP4+"),
        (ims("5.5.2653.23"), "Exchange Server 5.5, build 5.5.2653.23 is that of its MTA, server build, inproxy.dll in Exchange Server 5.5 Service Pack 4", "Exchange Server 5.5 ?"),
        (ims("5.0.2653.13"), "Exchange Server 5.5 Service Pack 4 by its number, though the greeting says 5.0", "Exchange Server 5.5 SP4 ?"),
        (ims("5.0.2700.1"), "Exchange Server 5.5 by its number, though the greeting says 5.0", "Exchange Server 5.5 ?"),
        (ims("5.0.XXXX.0"), "Exchange Server 5.0: the build is not readable: 5.0.XXXX.0", "Exchange Server 5.0 ?"),
        (ims("6.5.7638.1"), "Exchange Server: 6.5.7638.1 is no build of 4.0, 5.0 or 5.5", "Exchange Server ?"),
        (ims(""), "Exchange Server: the greeting carries no build", "Exchange Server ?"),
        (ims("5.5"), "Exchange Server 5.5: the greeting carries no build", "Exchange Server 5.5 ?"),
        (seen("220 mx ESMTP Postfix\r\n"), "Not Exchange: Postfix", "Postfix"),
        (seen("220 hello\r\n"), "SMTP server of unknown make", "SMTP"),
        (seen("220 mx.example.com ESMTP MS Exchange\r\n"), "Calls itself Exchange Server: words that a person chose", "Exchange Server"),
        (seen(WINDOWS.format("6.0.3790.3959")), "Windows SMTP service 6.0.3790.3959 (Windows Server 2003 SP2); Exchange 2000 or 2003 possible. --ehlo tells.", "Windows SMTP service"),
        (seen(WINDOWS.format("10.0.14393.1")), "Windows SMTP service 10.0.14393.1 (Windows Server 2016)", "Windows SMTP service"),
        (seen(WINDOWS.format("11.0.1.1")), "Windows SMTP service 11.0.1.1", "Windows SMTP service"),
        (seen("220 mx Microsoft ESMTP MAIL Service ready at x\r\n"), "Exchange 2007 or later: the greeting carries no build", "Exchange 2007 or later"),
        (seen("220 **0**2**\r\n"), "Greeting masked by a firewall", "masked by a firewall"),
        (seen("220 (vsFTPd 3.0)\r\n"), 'Not SMTP: "220 (vsFTPd 3.0)"', ""),
        (seen("554 5.7.1 No SMTP service here\r\n", Status.APPLICATION_ERROR), "Refused with 554: 554 5.7.1 No SMTP service here", "SMTP, refused"),
        (seen("SSH-2\r\n", Status.PROTOCOL_ERROR, "a line without a reply code"), 'Not SMTP: a line without a reply code: "SSH-2"', ""),
        (seen("220 ex55.", Status.CONNECTION_CLOSED), 'Closed after 9 bytes, no complete line: "220 ex55."', ""),
        (seen("220 ex55.", Status.CONNECTION_RESET), 'Reset after 9 bytes, no complete line: "220 ex55."', ""),
        (seen("220 ex55.", Status.IO_TIMEOUT), 'Timed out after 9 bytes, no complete line: "220 ex55."', ""),
        (seen("220 ex55.", Status.UNREACHABLE), 'Lost after 9 bytes, no complete line: "220 ex55."', ""),
        (seen("", Status.CONNECTION_TIMEOUT, "after 5 s"), "No answer: connection timed out after 5 s", ""),
        (seen("", Status.IO_TIMEOUT, "after 30 s"), "No answer: connected, no greeting after 30 s", ""),
        (seen("", Status.CONNECTION_REFUSED), "No answer: connection refused", ""),
        (seen("", Status.CONNECTION_CLOSED), "No answer: connection closed without a greeting", ""),
        (seen("", Status.UNREACHABLE, "ENETUNREACH"), "No answer: unreachable (ENETUNREACH)", ""),
        (seen("", Status.RESOLUTION_ERROR, "no address"), "Name not resolved: no address", ""),
        (seen("", Status.EXCLUDED), "Not probed: its address is excluded", ""),
        (seen("", Status.INVALID_INPUT, "x {y} is no target"), "Not probed: x {y} is no target", ""),
        (seen("", Status.UNKNOWN_ERROR, "EIO"), "No answer: EIO", ""),
    ],
)  # fmt: skip
def test_a_result_is_told_in_one_line_and_in_few_words(result: Result, told: str, brief: str) -> None:
    assert headline(result) == told
    assert in_short(result) == brief


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (ims("5.5.2650.21"), "Exchange Server 5.5 Service Pack 3"),
        (imc("4.0.993.5"), "Exchange Server 4.0 Service Pack 2 | Exchange Server 4.0a"),
        (ims("5.5.2652.50"), "Exchange Server 5.5, after Service Pack 3, before Service Pack 4"),
        (ims("5.5.1960.3"), "Exchange Server 5.5"),
        (ims("5.5.2653.23"), "Exchange Server 5.5, build of another component"),
        (ims("5.5.2700.1"), "Exchange Server 5.5, newer than any documented build"),
        (ims("5.5.1700.1"), "Exchange Server 5.5, before release"),
        (ims("5.5.1664.3"), "Exchange Server 5.5, before release"),
        (ims("5.5.XXXX.0"), "Exchange Server 5.5, build unknown"),
        (ims("5.0.2653.13"), "Exchange Server 5.5 Service Pack 4, by its number"),
        (ims("5.0.2700.1"), "Exchange Server 5.5, by its number"),
        (seen("220 mx ESMTP Postfix\r\n"), "Postfix"),
        (seen("", Status.IO_TIMEOUT), ""),
    ],
)
def test_lines_and_sheets_have_releases_by_their_whole_names(result: Result, told: str) -> None:
    assert in_full(result) == told


def test_the_screen_of_a_host_has_the_answer_first() -> None:
    shown = check_screen(ims("5.5.2650.21")).splitlines()
    assert shown == [
        "10.1.4.17 port 25",
        "  Exchange Server 5.5 Service Pack 3",
        "  Build       5.5.2650.21   exact: Internet Mail Service of 5.5 SP3 (Q257618)",
        "  Greeting    220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready",
        "  Support     ended (2006-01-10; 31 Dec 2005 in other sources); newer service pack: SP4",
        "  Advisories  not fixed in this build: Q264330 (5.5.2652.78), MS02-037 (5.5.2656.59)",
        "  Not shown   whether these are fixed, this greeting does not tell: Q169174, MS98-007, MS00-082, MS02-011, MS03-046, MS06-003",
    ]


def test_advisories_are_told_where_there_are_any() -> None:
    assert "Advisories" not in check_screen(ims("5.5.2656.59"))
    assert "Not shown" in check_screen(ims("5.5.2656.59"))
    told = [check_screen(seen(text)) for text in ("220 mx ESMTP Postfix\r\n", WINDOWS.format("10.0.14393.1"))]
    assert [screen for screen in told if "Advisories" in screen or "Not shown" in screen] == []
    assert "  Advisories  not fixed in this build: CVE-2003-1106 (5.0.2195.6713)\n" in check_screen(
        seen(WINDOWS.format("5.0.2195.5329"))
    )


def test_the_screen_has_doubts_and_notes_and_what_ehlo_said() -> None:
    shown = check_screen(imc("4.0.994.63"))
    assert "articles other than Q257618 call this 4.0, not 4.0a" in shown
    assert "no greeting of this form is documented" in shown
    seen_ = Observation(
        Target("mx.example.com"), "10.0.0.1", Status.SUCCESS, b"220 mx ESMTP\r\n", ehlo=("mx", "HELP")
    )
    assert "  EHLO        HELP" in check_screen(conclude(seen_))
    assert check_screen(conclude(seen_)).startswith("mx.example.com (10.0.0.1) port 25\n")


def test_an_identified_greeting_is_one_line() -> None:
    plain = "220 old Microsoft Exchange Internet Mail Service 5.0.1460.8 ready\r\n"
    assert identify_line(seen(plain)) == "Exchange Server 5.0 Service Pack 2   build 5.0.1460.8   exact"
    assert identify_line(imc("4.0.837.3")).endswith("exact   (undocumented-form)")
    assert identify_line(seen("220 mx ESMTP Postfix\r\n")) == "Not Exchange: Postfix"


def strings(value: object) -> list[str]:
    """Every text in a record, keys left out."""
    if isinstance(value, dict):
        return [text for inside in value.values() for text in strings(inside)]
    if isinstance(value, list):
        return [text for inside in value for text in strings(inside)]
    return [value] if isinstance(value, str) else []


def test_an_identified_build_is_named_also_where_no_row_has_it() -> None:
    assert identify_line(ims("5.5.2700.1")).endswith("   build 5.5.2700.1   newer")
    assert identify_line(seen(WINDOWS.format("10.0.14393.1"))).endswith("10.0.14393.1 (Windows Server 2016)")


@pytest.mark.parametrize(
    ("length", "told"),
    [(400, "x" * 400), (401, f"{'x' * 399}\u2026 (403 bytes)"), (9998, f"{'x' * 399}\u2026 (10,000 bytes)")],
)
def test_a_screen_shows_four_hundred_characters_of_a_greeting(length: int, told: str) -> None:
    shown = check_screen(seen("x" * length + "\r\n", Status.PROTOCOL_ERROR)).splitlines()
    assert shown[2] == f"  Greeting    {told}"


def test_a_headline_quotes_sixty_characters_of_a_greeting() -> None:
    assert headline(seen("x" * 60, Status.PROTOCOL_ERROR)) == f'Not SMTP: "{"x" * 60}"'
    assert headline(seen("x" * 61, Status.PROTOCOL_ERROR)) == f'Not SMTP: "{"x" * 59}\u2026"'
    refused = seen(f"554 {'x' * 57}\r\n", Status.APPLICATION_ERROR)
    assert headline(refused) == f"Refused with 554: 554 {'x' * 55}\u2026"


def test_nothing_unprintable_leaves_any_format(each_result: Result) -> None:
    shown = check_screen(each_result).split("\n")
    cells = FORMATS["line"]().row(each_result).removesuffix("\n").split("\t")
    texts = [
        headline(each_result),
        in_short(each_result),
        in_full(each_result),
        identify_line(each_result),
        table_row(each_result),
        csv_line(each_result).removesuffix("\n"),
        *shown,
        *cells,
        *strings(result_record(each_result)),
    ]
    assert [text for text in texts if not text.isprintable()] == []
    # Line ends and tabs of a server would make lines and cells of their own.
    assert [line for line in shown[2:] if not EVIDENCE.fullmatch(line)] == []
    assert len(cells) == sum(column.line for column in COLUMNS)


def test_a_spreadsheet_row_is_strict_csv_and_no_formula(each_result: Result) -> None:
    header, row = csv.reader(io.StringIO(header_line() + csv_line(each_result)), strict=True)
    assert header == [column.name for column in COLUMNS]
    assert len(row) == len(header)
    assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize(
    "start",
    [
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@SUM(1)",
        '="x"',
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff20x",
        "'",
        "'=1",
        "''",
    ],
)
def test_a_cell_that_would_be_a_formula_or_seem_to_be_made_text_is_made_text(start: str) -> None:
    found = conclude(Observation(Target(start, 0), None, Status.SUCCESS, start.encode(), source="text"))
    row = dict(zip([c.name for c in COLUMNS], next(csv.reader([csv_line(found)])), strict=True))
    assert row["target"] == row["greeting"] == f"'{start}"


def written(form: Format, results: list[Result]) -> str:
    tally = Tally()
    for result in results:
        tally.add(result)
    rows = "".join(map(form.row, results))
    return form.start(HEAD) + rows + form.end(tally, 1.5, complete=True)


def test_json_lines_have_a_head_the_results_and_a_summary(all_results: list[Result]) -> None:
    lines = [json.loads(line) for line in written(FORMATS["jsonl"](), all_results).splitlines()]
    assert [line["type"] for line in lines] == ["scan", *["result"] * len(all_results), "summary"]
    assert lines[1:-1] == [result_record(result) for result in all_results]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_json_is_one_document(all_results: list[Result], count: int) -> None:
    document = json.loads(written(FORMATS["json"](), all_results[:count]))
    assert list(document) == ["scan", "results", "summary"]
    assert document["results"] == [result_record(result) for result in all_results[:count]]
    assert document["summary"]["targets"] == count


def test_csv_has_a_line_a_target(all_results: list[Result]) -> None:
    assert written(FORMATS["csv"](), all_results).count("\n") == len(all_results) + 1


def test_lines_have_a_line_a_target_and_nothing_else(all_results: list[Result]) -> None:
    lines = written(FORMATS["line"](), all_results).splitlines()
    assert len(lines) == len(all_results)
    assert {line.count("\t") for line in lines} == {sum(column.line for column in COLUMNS) - 1}


def test_a_table_has_a_heading_a_row_a_target_and_the_counts(all_results: list[Result]) -> None:
    lines = written(FORMATS["table"](), all_results).splitlines()
    assert lines[0].split()[:3] == ["ADDRESS", "PORT", "RELEASE"]
    assert len(lines) == len(all_results) + 2
    assert lines[-1].endswith(f"{len(all_results)} targets, 1.5 s")


def test_a_scan_that_was_stopped_says_so() -> None:
    assert "stopped early" in FORMATS["table"]().end(Tally(), 1.0, complete=False)


def test_the_counts_of_the_last_line_add_up(all_results: list[Result]) -> None:
    tally = Tally()
    for result in all_results:
        tally.add(result)
    counts = [int(number) for number in re.findall(r"(\d+) ", tally.line())]
    assert sum(counts) == len(all_results) == tally.targets
    assert all(str(each) in tally.line() for each in Bucket)


@pytest.mark.parametrize(
    ("result", "counted"),
    [
        (ims("5.5.2650.21"), Bucket.EXCHANGE),
        (seen("220 hello\r\n"), Bucket.OTHER_SMTP),
        (seen("554 no\r\n", Status.APPLICATION_ERROR), Bucket.OTHER_SMTP),
        (seen("SSH-2\r\n", Status.PROTOCOL_ERROR), Bucket.NOT_SMTP),
        (seen("", Status.CONNECTION_REFUSED), Bucket.REFUSED),
        (seen("", Status.CONNECTION_TIMEOUT), Bucket.NO_ANSWER),
        (seen("", Status.EXCLUDED), Bucket.EXCLUDED),
        (seen("", Status.INVALID_INPUT), Bucket.INVALID),
    ],
)
def test_each_result_counts_as_one_thing(result: Result, counted: Bucket) -> None:
    assert bucket(result) is counted


def test_of_a_kind_are_those_with_the_same_status() -> None:
    refused, silent = seen("", Status.CONNECTION_REFUSED), seen("", Status.CONNECTION_TIMEOUT)
    assert alike([refused, silent, refused]) == [(refused, 2), (silent, 1)]


def test_of_a_kind_are_those_with_bytes_or_those_without() -> None:
    silent, half = seen("", Status.IO_TIMEOUT), seen("220", Status.IO_TIMEOUT)
    assert alike([silent, half, half]) == [(silent, 1), (half, 2)]


def test_every_column_says_what_it_is_and_names_are_unique() -> None:
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)
    assert all(column.help for column in COLUMNS)


def test_every_ending_has_a_format() -> None:
    assert set(ENDINGS.values()) <= set(FORMATS)


def test_nothing_is_said_of_support_that_is_not_known() -> None:
    found = seen("220 hello\r\n").identification
    assert found is not None
    assert support_line(found) == ""


def test_wide_letters_keep_the_columns_in_line() -> None:
    def row(name: str) -> str:
        return table_row(
            conclude(Observation(Target(name), None, Status.SUCCESS, b"220 mx ESMTP Postfix\r\n"))
        )

    wide, plain = row("\u6f22\u5b57 line 3"), row("abcd line 3")
    assert cell_len(wide.partition("Postfix")[0]) == plain.index("Postfix")
    assert cell_len(wide) == len(plain)


@pytest.mark.parametrize(
    "letter", ["a", "\u6f22", "\x1b", "a\u6f22"], ids=["narrow", "wide", "escaped", "both"]
)
def test_a_row_of_the_table_has_a_width_that_no_server_can_exceed(letter: str) -> None:
    name = (letter * 300)[:255]
    for text in (
        f"220 mx.{'a' * 248}.com Microsoft Exchange Internet Mail Service 5.5.{letter * 99} ready\r\n",
        f"220 [{'a' * 63}] Microsoft Exchange Internet Mail Service 5.0.{letter * 99}.99999 ready\r\n",
        *(
            f"220 {name} {rest}\r\n"
            for rest in ("ESMTP Postfix", "Microsoft ESMTP MAIL Service, Version: 1.1")
        ),
    ):
        said = text.encode()
        row = table_row(conclude(Observation(Target(name, 65_535), None, Status.SUCCESS, said)))
        assert cell_len(row) <= MAX_WIDTH == 190
        assert row.count("\u2026") >= 1


def test_what_the_table_cuts_ends_in_an_ellipsis_where_the_next_column_would_begin() -> None:
    def name(length: int) -> str:
        return table_row(seen(f"220 {'a' * (length - 4)}.com ESMTP Postfix\r\n")).split()[-1]

    assert name(48) == f"{'a' * 44}.com"
    assert name(49) == f"{'a' * 45}.c\u2026"
    zone = Target(f"{':'.join(['2001'] * 8)}%{'e' * 15}")
    assert f" {zone.host} " in table_row(Result(Observation(zone, None, Status.SUCCESS), None))


def test_files_have_all_of_what_the_table_cuts() -> None:
    found = seen(f"220 {'a' * 250}.com ESMTP Postfix\r\n")
    assert [
        name for name in ("line", "csv", "jsonl") if f"{'a' * 250}.com" not in FORMATS[name]().row(found)
    ] == []


def test_a_cell_is_no_longer_than_a_spreadsheet_has_room_for() -> None:
    said = "x" * 32_767
    (row,) = csv.reader([csv_line(seen(f"{said}\r\n", Status.PROTOCOL_ERROR))], strict=True)
    assert said in row
    (row,) = csv.reader([csv_line(seen(f"{said}y\r\n", Status.PROTOCOL_ERROR))], strict=True)
    assert f"{said[:-1]}\u2026" in row


def test_the_guard_of_a_cell_is_within_its_bound() -> None:
    said = "=" + "x" * 40_000
    found = conclude(Observation(Target("a", 0), None, Status.SUCCESS, said.encode(), source="text"))
    (row,) = csv.reader([csv_line(found)], strict=True)
    assert max(map(len, row)) == 32_767
