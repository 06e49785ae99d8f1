from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from imcprobe.cli.app import VERBS
from imcprobe.cli.signals import end
from imcprobe.fingerprint.builds import BUILDS
from imcprobe.knowledge.releases import ARTICLE, RELEASES
from imcprobe.outputs.schema import json_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imcprobe.testing.factories import ServerFactory

    Cli = Callable[..., Any]

IMS = "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service {}) ready"


def test_alone_it_prints_the_first_screen(cli: Cli) -> None:
    done = cli()
    assert done.code == 2
    assert done.out.startswith("imcprobe 0.1.0: which Exchange Server answers on port 25?\n")
    assert "KB Q257618 and 47 other documented builds" in done.out
    assert "Scan only networks you are responsible for." in done.out


def test_the_first_screen_names_only_verbs_that_exist(cli: Cli) -> None:
    shown = [line.split()[1] for line in cli().out.splitlines() if line.startswith("  imcprobe ")]
    assert set(shown) <= set(VERBS)


@pytest.mark.parametrize("option", ["--help", "-h", "help"])
def test_help_is_plain_and_lists_the_verbs(cli: Cli, option: str) -> None:
    done = cli(option)
    assert done.code == 0
    assert all(f"  {verb} " in done.out for verb in VERBS)
    assert done.out.isascii()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_without_boxes(cli: Cli, verb: str) -> None:
    done = cli(verb, "--help")
    assert done.code == 0
    assert f"Usage: imcprobe {verb}" in done.out
    assert "─" not in done.out


def test_the_version(cli: Cli) -> None:
    assert cli("--version").out == "imcprobe 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["foo"], 'no such command "foo". For a host of that name: imcprobe check foo'),
        (["sc\x1b[2Jan"], r'no such command "sc\x1b[2Jan"'),
        (["scan"], "no targets. Name some, or give a list: imcprobe scan -i hosts.txt"),
        (["scan", "--bogus"], "No such option: --bogus"),
        (["--bogus"], "No such option: --bogus"),
        (["scan", "10.1.4.300"], '"10.1.4.300" is not an address, network, range or host name.'),
        (["scan", "0x7f.1"], '"0x7f.1" is not an address'),
        (["scan", "2001:db8::/64"], "2001:db8::/64 is too large to scan address by address. Give a list, or a /112"),
        (["scan", "http://mx.example.com/"], '"http://mx.example.com/" is a URL. Give its host alone.'),
        (["scan", "-i", "-", "--exclude-file", "-"], "- is stdin, which can be read once."),
        (["scan", "-i", "/dev/null"], "no targets in /dev/null. Write one a line."),
        (["identify", "-", "-"], "- is stdin, which can be read once."),
        (["identify"], "identify what? Give a greeting in quotes, a file, or - for stdin."),
        (["scan", "10.0.0.1", "-p", "0"], '--port "0": give ports of 1 to 65535'),
        (["scan", "10.0.0.1", "-c", "0"], "Invalid value for '--concurrency'"),
        (["scan", "10.0.0.1", "-c", "x"], "Invalid value for '--concurrency'"),
        (["scan", "10.0.0.1", "--exclude", "10.0.0.0/24"], "nothing is left to scan: 1 excluded. Exclude less."),
        (["scan", "10.0.0.1", "--exclude", "x y"], '"x y" is not an address'),
        (["scan", "10.0.0.1", "--connect-timeout", "0"], '--connect-timeout "0": write a time above 0 like 5s'),
        (["scan", "10.0.0.1", "--deadline", "1h"], '--deadline "1h": write a time'),
        (["scan", "10.0.0.1", "-o", "result.pdf"], "-o result.pdf: unknown ending. Known: .json .jsonl .csv .txt"),
        (["scan", "10.0.0.1", "-f", "xml"], '--format "xml": unknown. Known: table, line, json, jsonl, csv.'),
        (["scan", "10.0.0.1", "--only", "all"], '--only "all": unknown. Known: answered, exchange.'),
        (["scan", "10.0.0.1", "--fail-on", "x"], '--fail-on "x": unknown.'),
        (["scan", "10.0.0.1", "--expect", "x"], '--expect "x": unknown.'),
        (["scan", "10.0.0.1", "-4", "-6"], "-4 and -6 exclude each other"),
        (["scan", "10.0.0.1", "--helo-name", "x"], "--helo-name is for EHLO. Add --ehlo, --tls or --ntlm."),
        (["scan", "10.0.0.1", "--ehlo", "--helo-name", "a\r\nb"], r'helo_name "a\x0d\x0ab": a host name or an address literal'),
        (["check"], "check which host?"),
        (["check", "10.0.0.0/24"], "256 hosts are too many to check one by one. imcprobe scan takes networks."),
        (["builds", "9.9"], '"9.9": no such product, service pack or build.'),
        (["builds", "6.5.7638.1"], '"6.5.7638.1": no build of Exchange Server 4.0, 5.0 or 5.5.'),
        (["builds", "5.0.2195.5329"], '"5.0.2195.5329": the SMTP service of Windows 2000 SP3, no build of Exchange.'),
        (["builds", "1500.1"], '"1500.1": no such product, service pack or build.'),
        (["builds", "-f", "csv"], '--format "csv": unknown. Known: table, line, json.'),
        (["mock", "--build", "x"], "build 'x': no build number."),
        (["mock", "--build", ""], "build '': no build number."),
        (["mock", "--build", "5.5.2650.21", "--greeting", "x"], "--build and --greeting exclude each other"),
        (["mock", "--greeting", ""], "give what the server is to say"),
        (["mock", "--fault", "x"], "fault 'x': unknown"),
        (["mock", "--fleet", "-3"], '--fleet "-3": unknown. Give 1 to 1022, or hostile, timing,'),
        (["mock", "--fleet", "9" * 5_000], "--fleet 9999999999999999999\u2026: 1 to 1022 servers"),
        (["mock", "--fleet", "0"], "--fleet 0: 1 to 1022 servers are possible."),
        (["mock", "--fleet", "\u0663"], r'--fleet "\xd9\xa3": unknown. Give'),
        (["mock", "--fleet", "codes", "--fault", "421"], '--fleet "codes": each of it says its own. Leave --build'),
        (["mock", "--fleet", "999999999999"], "--fleet 999999999999: 1 to 1022 servers are possible."),
        (["mock", "--fleet", "codes", "--build", "5.5.2650.21"], "Leave --build, --greeting, --fault, --tls, --imp"),
        (["mock", "--fleet", "codes", "--tls"], '--fleet "codes": each of it says its own.'),
        (["mock", "--ntlm", "95"], '--ntlm "95": unknown. Known: nt4, 2000, 2003,'),
        (["mock", "--fault", "handshake:drip=1s"], "nothing is said at handshake yet. Try starttls:drip=1s."),
        (["mock", "--exec", " "], "--exec: give a command, like 'pytest -q'."),
        (["scan", "10.0.0.1", "-p", "25,"], '--port "25,": give ports of 1 to 65535'),
        (["mock", "--port", "70000"], "Invalid value for '--port'"),
        (["mock", "--host", "a..b"], "cannot listen on a..b:2525"),
        (["mock", "--host", "192.0.2.1"], "cannot listen on 192.0.2.1:2525"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_2(cli: Cli, arguments: list[str], told: str) -> None:
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("imcprobe: ")
    assert told in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["scan", "-i", "missing.txt"], '"missing.txt" cannot be read: no such file or directory.'),
        (["scan", "-i", "L", "hosts.txt"], "For nmap's -iL FILE write -i FILE."),
        (["scan", "10.0.0.1", "--exclude-file", "missing.txt"], '"missing.txt" cannot be read'),
        (["identify", "missing.txt"], '"missing.txt" cannot be read: no such file.'),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_and_exit_3(cli: Cli, arguments: list[str], told: str) -> None:
    done = cli(*arguments)
    assert (done.code, done.out) == (3, "")
    assert told in done.err
    assert done.err.count("\n") == 1


def test_a_bug_is_told_as_one(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("imcprobe.cli.app._first_screen", broken)
    done = cli()
    assert done.code == 4
    assert "that was a bug of imcprobe" in done.err


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_where_nothing_runs_ends_the_command_without_a_word(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    monkeypatch.setattr("imcprobe.cli.app._first_screen", lambda: end(number, None))
    done = cli()
    assert (done.code, done.out, done.err) == (code, "", "")


# check


@pytest.mark.parametrize("row", [row for row in RELEASES if row.source == ARTICLE], ids=lambda row: row.name)
def test_check_names_each_release_as_the_article_does(cli: Cli, imc_server: ServerFactory, row: Any) -> None:
    done = cli("check", imc_server(str(row.build)).address, "-f", "table")
    assert done.code == 0
    answer = done.out.splitlines()[1]
    assert row.name in answer
    assert ("  or  " in answer) == (row.build.build == 993)


def test_a_host_alone_is_checked(cli: Cli, imc_server: ServerFactory) -> None:
    server = imc_server()
    assert "5.5.2650.21" in cli(server.address).out
    assert "5.5.2650.21" in cli("localhost", "-p", server.port, "-4").out


def test_several_hosts_have_a_screen_each(cli: Cli, imc_server: ServerFactory) -> None:
    servers = [imc_server(build) for build in ("5.5.2650.21", "5.0.1460.8")]
    out = cli("check", *(server.address for server in servers), "-f", "table").out
    assert out.count("\n\n") == 1
    assert "Exchange Server 5.5 Service Pack 3" in out
    assert "Exchange Server 5.0 Service Pack 2" in out


def test_check_measures_the_connection(cli: Cli, imc_server: ServerFactory) -> None:
    (record,) = cli("check", imc_server(fault="delay=50ms").address, "-f", "jsonl").results
    assert record["times"]["connect_ms"] is not None


def test_check_writes_files_too(cli: Cli, imc_server: ServerFactory, tmp_path: Path) -> None:
    out = tmp_path / "a.json"
    assert cli("check", imc_server().address, "-o", out).code == 0
    assert json.loads(out.read_text())["results"][0]["status"] == "success"


@pytest.mark.parametrize(("build", "code"), [("5.5.2650.21", 1), ("5.5.2653.13", 0), ("refused", 3)])
def test_a_ci_job_expects_a_release(cli: Cli, imc_server: ServerFactory, build: str, code: int) -> None:
    server = imc_server(refused=True) if build == "refused" else imc_server(build)
    assert cli("check", "--expect", ">=5.5sp4", server.address).code == code


# identify


@pytest.mark.parametrize(
    ("greeting", "told", "code"),
    [
        (IMS.format("5.5.2650.21"), "Exchange Server 5.5 Service Pack 3   build 5.5.2650.21   exact\n", 0),
        ("220 old Microsoft Exchange Internet Mail Service 5.0.1460.8", "Exchange Server 5.0 Service Pack 2   build 5.0.1460.8   exact\n", 0),
        ("220 mx.example.com ESMTP Postfix", "Not Exchange: Postfix\n", 1),
        ("not a greeting", 'Not SMTP: "not a greeting"\n', 1),
        ("220 mx.example.com ESMTP Postfix " + "a" * 5000, "Not Exchange: Postfix\n", 1),
    ],
)  # fmt: skip
def test_a_greeting_is_identified(cli: Cli, greeting: str, told: str, code: int) -> None:
    done = cli("identify", greeting)
    assert (done.out, done.code, done.err) == (told, code, "")


def test_a_text_file_is_identified_line_by_line(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "greetings.txt"
    file.write_text(f"{IMS.format('5.5.2650.21')}\n220 mx ESMTP Postfix\n")
    done = cli("identify", file, "-f", "jsonl")
    assert [record["target"] for record in done.results] == [f"{file} line 1", f"{file} line 2"]
    assert done.records[0]["source"] == "text"
    for record in done.records:
        Draft202012Validator(json_schema()).validate(record)
    assert f"{file}   text   2 greetings   1 Exchange" in done.err
    table = cli("identify", file, "-f", "table").out
    assert "Postfix" not in table
    assert "Postfix" in cli("identify", file, "-f", "table", "-v").out
    assert cli("identify", file).out.count("\n") == 2


def test_a_stored_scan_is_judged_again(cli: Cli, imc_server: ServerFactory, tmp_path: Path) -> None:
    scan, again = tmp_path / "scan.jsonl", tmp_path / "again.jsonl"
    cli("scan", imc_server().address, "-o", scan)
    done = cli("identify", scan, "-o", again, "-q")
    assert (done.code, done.err) == (0, "")
    first, second = ([json.loads(line) for line in file.read_text().splitlines()] for file in (scan, again))
    assert first[1] == second[1]
    assert second[0]["source"] == "records"
    assert cli("identify", again).code == 0


def test_several_stores_at_once(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("220 hello\n")
    done = cli("identify", file, IMS.format("5.5.2653.13"), "-f", "csv")
    assert done.out.count("\n") == 3
    assert done.code == 0


def test_a_directory_is_no_store(cli: Cli, tmp_path: Path) -> None:
    done = cli("identify", tmp_path)
    assert (done.code, "is a directory" in done.err) == (3, True)


def test_files_of_identify_hold_what_is_asked_for(cli: Cli, tmp_path: Path) -> None:
    file, out = tmp_path / "a.txt", tmp_path / "out.csv"
    file.write_text(f"220 hello\n{IMS.format('5.5.2653.13')}\n")
    done = cli("identify", file, "-o", out, "--only", "exchange")
    assert len(out.read_text().splitlines()) == 2
    assert f"wrote {out} (1 record, complete)" in done.err


# builds, schema, demo


def test_builds_shows_the_table_and_parts_of_it(cli: Cli) -> None:
    assert cli("builds").out.count("\n") == len(BUILDS)
    assert cli("builds", "993.5").out.count("\n") == 4
    assert json.loads(cli("builds", "5.5sp4", "-f", "json").out)[0]["build"] == "5.5.2653.13"
    table = cli("builds", "5.5", "Service", "Pack", "3", "-f", "table").out.splitlines()
    assert table[0].split() == ["BUILD", "RELEASE", "KIND", "SOURCE", "NOTE"]
    assert table[1].split()[0] == "5.5.2650.21"


def test_builds_explains_one_build_in_full(cli: Cli) -> None:
    shown = cli("builds", "2650.21", "-f", "table").out
    assert shown.startswith("Exchange Server 5.5 Service Pack 3\n  Build       5.5.2650.21   exact")
    assert "  Not fixed   MS02-037, CVE-2002-0698: " in shown
    record = json.loads(cli("builds", "5.5.2650.21", "-f", "json").out)
    assert (record["build"], record["match"], record["superseded_by"]) == ("5.5.2650.21", "exact", "SP4")
    assert [row["id"] for row in record["fixed"]] == ["MS99-027"]


def test_builds_explains_a_build_that_no_row_has(cli: Cli) -> None:
    assert "  Above       5.5.2655.51   " in cli("builds", "5.5.2655.21", "-f", "table").out
    assert cli("builds", "2655.21").out.split("\t")[2] == "between"
    assert json.loads(cli("builds", "2655.21", "-f", "json").out)["releases"] == []


def test_the_schema_is_printed(cli: Cli) -> None:
    assert json.loads(cli("schema").out) == json_schema()


def test_the_demo_prints_every_release_from_its_own_greeting(cli: Cli) -> None:
    done = cli("demo", "-f", "jsonl")
    assert done.code == 0
    named = {
        release["name"]
        for record in done.results
        if record["identification"]
        for release in record["identification"]["releases"]
    }
    assert named >= {row.name for row in RELEASES}
    summary = done.records[-1]
    assert summary["targets"] == len(done.results) == sum(summary["by_status"].values())
    assert {record["status"] for record in done.results} == {"success", "connection-refused", "io-timeout"}
    assert "The greetings of 4.0 are made up" in done.err


def test_the_demo_tells_an_exchange_behind_a_windows_greeting_from_a_plain_one(cli: Cli) -> None:
    windows = [
        record["identification"]["product"]
        for record in cli("demo", "-f", "jsonl").results
        if "Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675" in (record["greeting"] or "")
    ]
    assert windows == ["Windows SMTP service", "Exchange 2000 or 2003"]


def test_the_demo_works_where_only_127_0_0_1_exists(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcprobe.cli.demo.address_exists", lambda _: False)
    done = cli("demo", "-f", "jsonl")
    assert {record["target"] for record in done.results} == {"127.0.0.1"}
    assert len({record["port"] for record in done.results}) == len(done.results)
    assert done.records[-1]["exchange"] == len(RELEASES) - 1 + 2
