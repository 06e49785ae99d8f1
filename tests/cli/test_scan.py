from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from imcprobe.cli.files import OutputFiles
from imcprobe.errors import OutputError
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Observation, Status, Target
from imcprobe.outputs.records import Head
from imcprobe.outputs.schema import json_schema
from imcprobe.outputs.tally import Tally
from imcprobe.safetext import safe
from imcprobe.testing import greeting_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imcprobe.testing.factories import FleetFactory, ServerFactory

    Cli = Callable[..., Any]

VALIDATOR = Draft202012Validator(json_schema())


@pytest.fixture
def deaf() -> Iterator[str]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        clients = [socket.socket() for _ in range(4)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield f"127.0.0.1:{server.getsockname()[1]}"
        for client in clients:
            client.close()


def one(done: Any) -> dict[str, Any]:
    for record in done.records:
        VALIDATOR.validate(record)
    (result,) = done.results
    return result  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("greeting", "fault", "status"),
    [
        ("5.5.2650.21", None, Status.SUCCESS),
        ("5.5.2650.21", "reset", Status.CONNECTION_RESET),
        ("5.5.2650.21", "close=9", Status.CONNECTION_CLOSED),
        ("5.5.2650.21", "silence", Status.IO_TIMEOUT),
        (b"SSH-2.0-x\r\n", None, Status.PROTOCOL_ERROR),
        ("5.5.2650.21", "554", Status.APPLICATION_ERROR),
    ],
)
def test_what_a_server_does_is_in_the_record(
    cli: Cli, imc_server: ServerFactory, greeting: str | bytes, fault: str | None, status: Status
) -> None:
    server = imc_server(greeting, fault=fault)
    record = one(cli("scan", server.address, "-f", "jsonl", "--greeting-timeout", "300ms", "-q"))
    assert (record["status"], record["target"], record["ip"], record["port"]) == (
        status,
        "127.0.0.1",
        "127.0.0.1",
        server.port,
    )


def test_a_refusal_is_in_the_record(cli: Cli, imc_server: ServerFactory) -> None:
    done = cli("scan", imc_server(refused=True).address, "-f", "jsonl")
    assert (one(done)["status"], one(done)["error"], done.code) == ("connection-refused", "ECONNREFUSED", 3)


def test_a_connection_that_is_never_answered_is_in_the_record(cli: Cli, deaf: str) -> None:
    record = one(cli("scan", deaf, "-f", "jsonl", "--connect-timeout", "0.2"))
    assert (record["status"], record["error"]) == ("connection-timeout", "after 0.2 s")


def test_no_route_is_in_the_record(cli: Cli) -> None:
    assert one(cli("scan", "255.255.255.255", "-f", "jsonl"))["status"] == "unreachable"


def test_a_name_that_is_not_known_is_in_the_record(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("imcprobe.probe.resolve.socket.getaddrinfo", unknown)
    record = one(cli("scan", "mx.example.com", "-f", "jsonl"))
    assert (record["status"], record["ip"]) == ("resolution-error", None)


def test_a_name_with_an_excluded_address_is_in_the_record(cli: Cli) -> None:
    done = cli("scan", "localhost", "--exclude", "127.0.0.0/8", "--exclude", "::1", "-f", "jsonl")
    assert one(done)["status"] == "excluded"


def test_a_bad_line_is_in_the_record_when_it_is_passed_over(
    cli: Cli, imc_server: ServerFactory, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text(f"{imc_server().address}\n10.1.4.300\n")
    done = cli("scan", "-i", hosts, "--skip-bad", "-f", "jsonl")
    bad = done.results[0]
    assert (bad["status"], bad["target"], bad["port"]) == ("invalid-input", "10.1.4.300", None)
    assert done.records[0]["targets"] == done.records[-1]["targets"] == 2
    assert f"{hosts} line 2" in done.err
    assert "(1 passed over)" in done.err


def test_an_error_of_the_system_that_has_no_name_here_is_in_the_record(
    cli: Cli, imc_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(socket.SocketType):
        def recv(self, _size: int, _flags: int = 0, /) -> bytes:
            raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("imcprobe.probe.sockets.Socket", Broken)
    record = one(cli("scan", imc_server().address, "-f", "jsonl"))
    assert (record["status"], record["error"]) == ("unknown-error", "EIO")


def test_a_subnet_gives_a_record_for_each_address(cli: Cli, imc_fleet: FleetFactory, tmp_path: Path) -> None:
    fleet = imc_fleet(30)
    base = fleet[0].host.rpartition(".")[0]
    out = tmp_path / "a.jsonl"
    done = cli("scan", f"{base}.0/27", "-p", fleet[0].port, "-o", out)
    records = [json.loads(line) for line in out.read_text().splitlines()]
    for record in records:
        VALIDATOR.validate(record)
    summary = records[-1]
    assert summary["by_status"]["success"] == summary["exchange"] == 30
    assert summary["by_status"]["connection-refused"] == 2
    assert (summary["complete"], summary["targets"], len(records)) == (True, 32, 34)
    assert f"wrote {out} (32 records, complete)" in done.err
    assert done.code == 0


def test_lines_go_into_a_pipe(cli: Cli, imc_server: ServerFactory) -> None:
    server = imc_server()
    done = cli("scan", server.address)
    columns = ["127.0.0.1", str(server.port), "success", "Exchange Server 5.5 Service Pack 3", "5.5.2650.21"]
    assert done.out == "\t".join([*columns, "mock.example.com", "ended"]) + "\n"
    assert f"1 target, port {server.port}, 1024 at a time" in done.err


def test_the_table_shows_exchange_or_more_when_asked(cli: Cli, imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(["5.5.2650.21", "postfix", "refused"])
    spec = f"{fleet[0].host}-{fleet[2].host}"
    for more, rows in (((), 1), (("-v",), 2), (("-vv",), 3), (("-v", "-v"), 3)):
        out = cli("scan", spec, "-p", fleet[0].port, "-f", "table", "-q", *more).out.splitlines()
        assert len(out) == rows + 2
        assert " 1 Exchange · 1 other SMTP · 1 refused " in out[-1]


@pytest.mark.parametrize(
    ("only", "rows"), [("answered", 2), ("exchange", 1), ("exchange,answered", 1), (None, 3)]
)
def test_files_hold_what_was_asked_for(
    cli: Cli, imc_fleet: FleetFactory, tmp_path: Path, only: str | None, rows: int
) -> None:
    fleet = imc_fleet(["5.5.2650.21", "postfix", "refused"])
    out, table = tmp_path / "out.csv", tmp_path / "out.txt"
    more = () if only is None else ("--only", only)
    cli("scan", f"{fleet[0].host}-{fleet[2].host}", "-p", fleet[0].port, "-o", out, "-o", table, *more)
    assert len(out.read_text().splitlines()) == rows + 1
    assert len(table.read_text().splitlines()) == rows + 2


def test_an_existing_file_is_kept_unless_forced(cli: Cli, imc_server: ServerFactory, tmp_path: Path) -> None:
    out = tmp_path / "a.json"
    out.write_text("precious")
    server = imc_server()
    done = cli("scan", server.address, "-o", out)
    assert (done.code, out.read_text()) == (2, "precious")
    assert done.err == f"imcprobe: {out} exists. --force replaces it.\n"
    assert server.connections == 0
    assert cli("scan", server.address, "-o", out, "--force").code == 0
    assert json.loads(out.read_text())["summary"]["complete"]


def test_a_file_that_cannot_be_written_stops_before_the_first_connection(
    cli: Cli, imc_server: ServerFactory, tmp_path: Path
) -> None:
    server = imc_server()
    done = cli("scan", server.address, "-o", tmp_path / "no" / "a.jsonl")
    assert (done.code, server.connections) == (3, 0)
    assert "cannot be written: no such file or directory." in done.err


def test_nothing_is_emptied_or_left_behind_when_a_run_cannot_begin(cli: Cli, tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("precious")
    done = cli("scan", "127.0.0.1", "-o", old, "-o", new, "-o", tmp_path / "no" / "a.csv", "--force")
    assert (done.code, old.read_text(), new.exists()) == (3, "precious", False)


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_two_names_of_one_file_are_refused(cli: Cli, tmp_path: Path, force: list[str]) -> None:
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "c.json")
    for other in ("./c.json", "b.jsonl"):
        done = cli("scan", "127.0.0.1", "-o", tmp_path / "c.json", "-o", f"{tmp_path}/{other}", *force)
        assert done.code == 2
        assert f"{other} are one file. Give it once." in done.err
    assert not (tmp_path / "c.json").exists()
    (tmp_path / "c.json").touch()
    (tmp_path / "d.csv").hardlink_to(tmp_path / "c.json")
    assert cli("scan", "127.0.0.1", "-o", tmp_path / "c.json", "-o", tmp_path / "d.csv", "--force").code == 2


def test_a_device_may_be_written_to_by_several(cli: Cli, imc_server: ServerFactory, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).symlink_to("/dev/null")
    outputs = ("-o", tmp_path / "a.csv", "-o", tmp_path / "b.csv", "--force")
    assert cli("scan", imc_server().address, *outputs).code == 0


def test_a_disk_that_is_full_at_the_very_end_is_one_line_too(shell: Any, imc_server: ServerFactory) -> None:
    address = imc_server().address
    # What measures coverage writes files too.
    limited = "unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START; ulimit -f 2"
    done = shell(f"{limited}; imcprobe scan {address} -q -f jsonl -o h.csv -o h.jsonl; echo code $?")
    assert "code 3" in done.out
    assert done.err.count("\n") == 1
    assert "cannot be written: file too large." in done.err


def test_a_full_disk_is_told_in_one_line(cli: Cli, imc_server: ServerFactory, tmp_path: Path) -> None:
    full = tmp_path / "full.jsonl"
    full.symlink_to("/dev/full")
    done = cli("scan", imc_server().address, "-o", full, "--force", "-q")
    assert done.code == 3
    assert done.err == f'imcprobe: "{full}" cannot be written: no space left on device.\n'


def test_records_that_come_together_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    write = os.write

    def noted(descriptor: int, data: memoryview) -> int:
        written.append(bytes(data))
        return write(descriptor, data)

    target = Target("192.0.2.1")
    result = conclude(Observation(target, target.host, Status.SUCCESS, b"220 mx" + b"x" * 60_000 + b"\r\n"))
    files = OutputFiles([str(tmp_path / "a.jsonl")], force=False, only=None)
    files.start(Head(version="0.1.0", started=0.0, targets=3))
    monkeypatch.setattr(os, "write", noted)
    files.add([result] * 3)
    files.end(Tally(), 1.0, complete=True)
    assert [data.count(b"\n") for data in written] == [3, 1]
    assert all(data.endswith(b"}\n") for data in written)


# Three records, and a fourth for which there is room in part.
WRITES_UNTIL_FULL = """
import resource, sys
from imcprobe.cli.files import OutputFiles
from imcprobe.errors import OutputError
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Observation, Status, Target
from imcprobe.outputs.records import Head
from imcprobe.outputs.tally import Tally
from pathlib import Path

path, room = sys.argv[1], int(sys.argv[2])
seen = [Observation(Target(f"192.0.2.{n}"), None, Status.SUCCESS, b"220 mx ESMTP\\r\\n") for n in range(9)]
results = [*map(conclude, seen)]
files = OutputFiles([path], force=False, only=None, resumable=True)
files.start(Head(version="0.1.0", started=0.0, targets=9))
for result in results[:3]:
    files.add([result])
limit = Path(path).stat().st_size + room
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    files.add(results[3:])
except OutputError as error:
    print(error)
files.end(Tally(), 1.0, complete=False)
"""


@pytest.mark.parametrize(("ending", "room"), [("jsonl", 1000), ("csv", 200), ("txt", 100), ("json", 1000)])
def test_a_disk_that_fills_up_leaves_whole_records_and_a_document_its_end(
    tmp_path: Path, ending: str, room: int
) -> None:
    path = tmp_path / f"a.{ending}"
    command = [sys.executable, "-c", WRITES_UNTIL_FULL, str(path), str(room)]
    # What measures coverage writes files too.
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=bare)
    remedy = " --resume continues it." if ending == "jsonl" else ""
    assert done.stdout == f'"{path}" cannot be written: file too large.{remedy}\n'
    text = path.read_text()
    assert text.endswith("\n")
    if ending == "json":
        document = json.loads(text)
        assert (len(document["results"]), document["summary"]["complete"]) == (3, False)
        return
    head, *rows = text.splitlines()
    assert 3 < len(rows) < 9
    assert {"jsonl": '{"type":"scan"', "csv": "target,ip,", "txt": " ADDRESS "}[ending] in head
    assert {len(row) for row in rows} == {len(rows[0])}  # none is torn


def test_a_dry_run_lists_and_sends_nothing(cli: Cli, imc_server: ServerFactory, tmp_path: Path) -> None:
    server = imc_server()
    out = tmp_path / "a.jsonl"
    done = cli("scan", server.address, "10.0.0.0/30", "--exclude", "10.0.0.1", "--dry-run", "-o", out)
    assert done.out.splitlines() == ["10.0.0.0:25", "10.0.0.2:25", "10.0.0.3:25", server.address]
    assert "4 targets (1 excluded), port 25" in done.err
    assert (done.code, server.connections, out.exists()) == (0, 0, False)


def test_lists_come_from_files_and_exclusions_too(cli: Cli, imc_fleet: FleetFactory, tmp_path: Path) -> None:
    fleet = imc_fleet(3)
    hosts, never = tmp_path / "hosts.txt", tmp_path / "never.txt"
    hosts.write_bytes("\r\n".join([server.host for server in fleet] * 2).encode("utf-16"))
    never.write_text(f"# mine\n{fleet[1].host}\n")
    done = cli("scan", "-i", hosts, "--exclude-file", never, "-p", fleet[0].port, "-f", "jsonl")
    assert {record["target"] for record in done.results} == {fleet[0].host, fleet[2].host}
    assert "2 targets (1 excluded, 3 duplicates)" in done.err


def test_ehlo_is_sent_when_asked_for(cli: Cli, imc_server: ServerFactory) -> None:
    server = imc_server()
    done = cli("scan", server.address, "--ehlo", "--helo-name", "probe.example.com", "-f", "jsonl")
    assert "XEXCH50" in one(done)["ehlo"]
    assert done.records[0]["options"]["helo_name"] == "probe.example.com"
    imc_server.settle(1)
    assert server.received == [b"EHLO probe.example.com\r\nQUIT\r\n"]


def test_early_lines_are_a_caveat_in_the_record(cli: Cli, imc_server: ServerFactory) -> None:
    server = imc_server(b"220 h ready\r\n250-evil\r\n250 INJECTED\r\n")
    record = one(cli("scan", server.address, "--ehlo", "-f", "jsonl"))
    assert (record["ehlo"], record["status"]) == (None, "success")
    assert record["identification"]["caveats"] == ["early-data"]
    assert "INJECTED" in record["greeting"]


@pytest.mark.parametrize(
    ("servers", "options", "reasons"),
    [
        (
            ["5.5.2650.21", "postfix"],
            ["--fail-on", "exchange,outdated,unreached"],
            ["--fail-on exchange: 1 of 2.", "--fail-on outdated: 1 of 2."],
        ),
        (
            ["5.5.2653.13", "5.5.2650.21"],
            ["--expect", "5.5 SP4"],
            ["--expect 5.5sp4: not met by 1 of 2 that answered."],
        ),
        (["5.5.2653.13", "refused"], ["--expect", "5.5sp4"], ["--expect 5.5sp4: 1 of 2 did not answer."]),
        (["5.5.2653.13", "refused"], ["--strict"], ["--strict: 1 of 2 did not answer."]),
        (["5.5.2653.13"], ["--strict", "--expect", "5.5"], []),
    ],
)
def test_an_exit_code_comes_with_its_reason(
    cli: Cli, imc_fleet: FleetFactory, servers: list[str], options: list[str], reasons: list[str]
) -> None:
    fleet = imc_fleet(servers)
    done = cli("scan", *(server.address for server in fleet), *options)
    told = [line.removeprefix("imcprobe: ") for line in done.err.splitlines()]
    assert [line for line in told if line.startswith("--")] == reasons


@pytest.mark.parametrize(
    ("servers", "options", "code"),
    [
        (["5.5.2650.21", "postfix"], [], 0),
        (["refused"], [], 3),
        (["5.5.2650.21", "refused"], [], 0),
        (["5.5.2650.21", "refused"], ["--strict"], 3),
        (["5.5.2650.21"], ["--fail-on", "exchange"], 1),
        (["postfix"], ["--fail-on", "exchange"], 0),
        (["5.5.2650.21"], ["--fail-on", "outdated"], 1),
        (["5.5.2653.13"], ["--fail-on", "outdated"], 0),
        (["5.5.2653.13"], ["--fail-on", "outdated,unsupported"], 1),
        (["5.5.2653.13"], ["--fail-on", "vulnerable"], 1),
        (["5.5.2656.59", "postfix"], ["--fail-on", "vulnerable"], 0),
        (["5.5.2650.24"], ["--fail-on", "unknown"], 1),
        (["5.5.2650.21", "refused"], ["--fail-on", "unreached"], 1),
        (["refused"], ["--fail-on", "unreached"], 1),
        (["5.5.2653.13"], ["--expect", "5.5sp4"], 0),
        (["5.5.2653.13", "5.5.2650.21"], ["--expect", "5.5sp4"], 1),
        (["5.5.2653.13", "refused"], ["--expect", "5.5sp4"], 3),
        (["5.5.2650.21", "refused"], ["--expect", "5.5sp4"], 1),
        (["postfix"], ["--expect", "none"], 0),
        (["5.5.2650.21"], ["--expect", "none"], 1),
    ],
)
def test_the_exit_code_says_how_it_went(
    cli: Cli, imc_fleet: FleetFactory, servers: list[str], options: list[str], code: int
) -> None:
    fleet = imc_fleet(servers)
    assert cli("scan", *(server.address for server in fleet), *options, "-q").code == code


def test_a_list_from_stdin_is_read_once_and_no_exclusion_is_lost(shell: Any) -> None:
    done = shell("printf '127.0.0.1\\n' | imcprobe scan -i - --exclude-file - --dry-run")
    assert (done.code, done.out) == (2, "")


def test_the_ports_are_those_that_were_tried(cli: Cli, imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(["refused", "refused"])
    done = cli("scan", fleet.addresses[0], "-f", "jsonl")
    assert done.records[0]["ports"] == [fleet[0].port]
    assert f"no host answered on port {fleet[0].port} from here. Port {fleet[0].port} may be blo" in done.err


def test_the_ports_of_one_address_may_greet_alike(cli: Cli, imc_server: ServerFactory) -> None:
    servers = [imc_server().address for _ in range(20)]
    assert "same greeting" not in cli("scan", *servers).err


def test_a_bad_line_that_is_passed_over_is_made_safe_once(cli: Cli, tmp_path: Path) -> None:
    hosts = tmp_path / "\u034fhosts.txt"
    hosts.write_bytes(b"\x1b[31mevil\xff\\\n127.0.0.1\n")
    done = cli("scan", "-i", hosts, "-p", "1", "--skip-bad", "-f", "jsonl")
    record, _ = done.results
    assert record["target"] == r"\x1b[31mevil\xff\\"
    assert (
        record["error"]
        == f'{safe(str(hosts))} line 1: "{record["target"]}" is not an address, network, range or host name.'
    )
    assert record["error"] in done.err


def test_where_only_bad_lines_were_given_there_is_nothing_to_scan(cli: Cli, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("x y\n")
    for more in ((), ("--dry-run",)):
        done = cli("scan", "-i", hosts, "--skip-bad", *more)
        assert (done.code, done.out) == (2, "")
        assert f"no targets in {hosts}, 1 passed over. Write one a line.\n" in done.err


def test_a_line_that_is_no_target_is_none_that_did_not_answer(
    cli: Cli, imc_server: ServerFactory, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text(f"x y\n{imc_server('5.5.2653.13').address}\n")
    asked = ("--strict", "--expect", "5.5sp4", "--fail-on", "unreached")
    assert cli("scan", "-i", hosts, "--skip-bad", *asked).code == 0


def test_where_nobody_was_tried_no_port_is_blamed(cli: Cli) -> None:
    done = cli("scan", "localhost", "--exclude", "127.0.0.0/8", "--exclude", "::1")
    assert done.code == 3
    assert "no host was tried: see what became of each. Nothing was shown to be safe." in done.err


def test_a_check_without_a_screen_says_why_it_ends_with_3(cli: Cli, imc_server: ServerFactory) -> None:
    address = imc_server(refused=True).address
    assert "no host answered on port" in cli("check", address, "-f", "line").err
    assert cli("check", address, "-f", "table").err == ""


def test_when_nobody_answers_nothing_was_shown_to_be_safe(cli: Cli, imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(["refused", "refused"])
    done = cli("scan", f"{fleet[0].host}-{fleet[1].host}", "-p", fleet[0].port, "-q")
    assert done.code == 3
    assert f"no host answered on port {fleet[0].port} from here." in done.err
    assert "Nothing was shown to be safe." in done.err


def test_the_same_greeting_from_everywhere_is_remarked(cli: Cli, imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(20)
    done = cli("scan", f"{fleet[0].host}-{fleet[19].host}", "-p", fleet[0].port)
    assert "the same greeting came from 20 of 20 addresses" in done.err


def test_where_nobody_says_anything_no_greeting_is_the_same(cli: Cli, imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(20, fault="close")
    done = cli("scan", f"{fleet[0].host}-{fleet[-1].host}", "-p", fleet[0].port, "-f", "jsonl")
    assert [each["status"] for each in done.results] == [Status.CONNECTION_CLOSED] * 20
    assert "the same greeting" not in done.err


def test_different_greetings_are_no_remark(cli: Cli, imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet([greeting_for("5.5.2650.21", f"mx{at}.example.com") for at in range(20)])
    assert "same greeting" not in cli("scan", f"{fleet[0].host}-{fleet[19].host}", "-p", fleet[0].port).err


def test_what_a_server_says_is_never_shown_raw(cli: Cli, imc_server: ServerFactory) -> None:
    server = imc_server(b"220 \x1b]0;x\x07\x9b [bold]x \xe2\x80\xae ESMTP\r\n")
    for form in ("table", "line", "json", "jsonl", "csv"):
        done = cli("scan", server.address, "-f", form, "-vv")
        text = done.out + done.err
        assert all(char in "\n\t" or char.isprintable() for char in text)


def test_json_is_a_document_and_csv_a_sheet(cli: Cli, imc_server: ServerFactory) -> None:
    server = imc_server()
    assert json.loads(cli("scan", server.address, "-f", "json").out)["summary"]["exchange"] == 1
    assert cli("scan", server.address, "-f", "csv").out.startswith("target,ip,port,status,")


def test_when_one_output_is_lost_the_others_end_as_they_should(
    cli: Cli, imc_server: ServerFactory, tmp_path: Path
) -> None:
    full, good = tmp_path / "full.jsonl", tmp_path / "good.json"
    full.symlink_to("/dev/full")
    done = cli("scan", imc_server().address, "-o", full, "-o", good, "--force")
    assert done.code == 3
    assert json.loads(good.read_text())["summary"]["complete"] is False


def test_a_file_that_could_not_be_written_is_left_alone_from_then_on(tmp_path: Path) -> None:
    full, good = tmp_path / "full.jsonl", tmp_path / "good.jsonl"
    full.symlink_to("/dev/full")
    files = OutputFiles([str(full), str(good)], force=True, only=None)
    target = Target("192.0.2.1")
    with pytest.raises(OutputError, match=r"full\.jsonl"):
        files.start(Head(version="0.1.0", started=0.0, targets=1))
    files.add([conclude(Observation(target, target.host, Status.SUCCESS, b"220 mx ESMTP\r\n"))])
    files.end(Tally(), 1.0, complete=True)
    kinds = [json.loads(line)["type"] for line in good.read_text().splitlines()]
    assert kinds == ["scan", "result", "summary"]


def test_files_may_be_ended_twice(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    files = OutputFiles([str(out)], force=False, only=None)
    files.start(Head(version="0.1.0", started=0.0, targets=0))
    first = files.end(Tally(), 1.0, complete=True)
    written = out.read_bytes()
    assert files.end(Tally(), 2.0, complete=True) == first
    assert out.read_bytes() == written


def test_a_document_that_never_began_gets_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = OutputFiles([str(tmp_path / "a.json")], force=False, only=None)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OutputError):
            files.start(Head(version="0.1.0", started=0.0, targets=1))
    files.end(Tally(), 1.0, complete=False)
    assert [*tmp_path.iterdir()] == []
