"""The command as a user's shell runs it: pipes, signals, terminals, environments."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imcprobe.testing.factories import FleetFactory, ServerFactory

    OnATerminal = Callable[..., bytes]

IMCPROBE = [sys.executable, "-m", "imcprobe"]
WITHOUT_COVERAGE = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def start(*arguments: object, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*IMCPROBE, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
    )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_scan_with_valid_files(
    imc_fleet: FleetFactory, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    fleet = imc_fleet(["5.5.2650.21", "5.5.2653.13"])
    out = tmp_path / "a.jsonl"
    silent = imc_fleet(20, fault="silence")
    process = start("scan", *fleet.addresses, *silent.addresses, "-o", out)
    wait_for(lambda: out.exists() and out.read_text().count("\n") >= 3)
    began = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert time.monotonic() - began < 3.5
    assert process.returncode == code
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert records[-1]["complete"] is False
    assert records[-1]["targets"] == len(records) - 2 == 2
    assert b"incomplete" in err


def test_a_second_ctrl_c_leaves_at_once(imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(5, fault="silence")
    process = start("scan", *fleet.addresses)
    fleet_seen(fleet)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while b"once more" not in process.stderr.readline():
        pass
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert time.monotonic() - began < 1
    assert process.returncode == 130


def fleet_seen(fleet: Any) -> None:
    wait_for(lambda: all(server.connections for server in fleet))


def wait_for(condition: Callable[[], bool], limit: float = 15.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end
        select.select([], [], [], 0.01)


def test_a_reader_who_leaves_ends_a_scan_quietly(shell: Any, imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(100)
    spec = f"{fleet[0].host}-{fleet[99].host}"
    done = shell(f"imcprobe scan {spec} -p {fleet[0].port} -q -c 4 | head -1")
    assert done.out.count("\n") == 1
    assert done.err == ""


def test_a_stdout_that_is_full_is_told_in_one_line(shell: Any, imc_server: ServerFactory) -> None:
    done = shell(f"imcprobe scan {imc_server().address} -q > /dev/full")
    assert done.code == 3
    assert done.err == "imcprobe: stdout cannot be written: no space left on device.\n"


def test_a_stdout_that_is_closed_is_no_traceback(shell: Any, imc_server: ServerFactory) -> None:
    for command, code in (
        (f"imcprobe scan {imc_server().address} -q >&-", 3),
        ("imcprobe schema >&-", 3),
        ("imcprobe identify - <&-", 1),
        ("imcprobe -x 2>&-", 2),
    ):
        done = shell(command)
        assert "Traceback" not in done.err
        assert done.code == code
        assert (done.err == "imcprobe: stdout cannot be written: not writable.\n") == (code == 3)


def test_stdin_is_read_for_a_dash_alone(shell: Any, imc_server: ServerFactory) -> None:
    address = imc_server().address
    done = shell(f"printf '{address}\\r\\n# no\\n' | imcprobe scan -i - -f jsonl")
    assert len(done.results) == 1
    done = shell(f"printf 'nonsense of no use' | imcprobe scan {address} -f jsonl")
    assert len(done.results) == 1
    done = shell("printf 'x y\\n' | imcprobe scan -i -")
    assert 'stdin line 1: "x y" is not an address' in done.err


def test_greetings_come_through_a_pipe(shell: Any) -> None:
    done = shell(
        "echo '220 mx Microsoft Exchange Internet Mail Service 5.0.1460.8 ready' | imcprobe identify -"
    )
    assert "Exchange Server 5.0 Service Pack 2" in done.out
    assert "stdin   text   1 greeting   1 Exchange" in done.err


@pytest.mark.parametrize("environment", [{"GITHUB_ACTIONS": "true"}, {"FORCE_COLOR": "1"}, {"NO_COLOR": "1"}])
def test_a_usage_error_has_no_box_anywhere(shell: Any, environment: dict[str, str]) -> None:
    for arguments in ("scan --bogus", "scan -c x 10.0.0.1", "bogus", "scan 10.0.0.300"):
        done = shell(f"imcprobe {arguments}", **environment)
        assert done.code == 2
        assert done.err.isascii()
        assert done.err.count("\n") == 1
        assert "\x1b" not in done.err


def test_into_a_pipe_nothing_is_coloured_or_boxed(shell: Any) -> None:
    done = shell("imcprobe demo; imcprobe builds; imcprobe scan --help", GITHUB_ACTIONS="true")
    assert "\x1b" not in done.out + done.err
    assert "─" not in done.out + done.err


def test_a_terminal_gets_a_table_and_a_bar(on_a_terminal: OnATerminal, imc_server: ServerFactory) -> None:
    seen = on_a_terminal("scan", imc_server().address)
    assert b"ADDRESS" in seen
    assert b"Exchange Server 5.5 SP3" in seen
    assert b"Scanning" in seen


def test_a_terminal_gets_the_screen_of_a_host(on_a_terminal: OnATerminal, imc_server: ServerFactory) -> None:
    seen = on_a_terminal("check", imc_server().address)
    assert b"  Exchange Server 5.5 Service Pack 3\r\n" in seen


@pytest.mark.parametrize("verb", ["check", "scan"])
def test_what_a_server_says_reaches_no_terminal_raw(
    on_a_terminal: OnATerminal, imc_server: ServerFactory, verb: str
) -> None:
    hostile = b"220 \x1b]0;owned\x07 \x1b[31mred \xc2\x9b2J \xe2\x80\xae [bold]x[/bold] ESMTP\r\n"
    seen = on_a_terminal(
        verb, imc_server(hostile).address, *(["-vv"] if verb == "scan" else []), NO_COLOR="1"
    )
    for raw in (b"\x1b]0;", b"\x1b[31m", b"\xc2\x9b", b"\xe2\x80\xae", b"\x07"):
        assert raw not in seen
    if verb == "check":
        assert rb"\x1b]0;owned\x07" in seen
        assert b"[bold]x[/bold]" in seen


@pytest.mark.parametrize("environment", [{"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, {"TERM": "dumb"}])
def test_a_poor_terminal_gets_the_table_too(
    on_a_terminal: OnATerminal, imc_server: ServerFactory, environment: dict[str, str]
) -> None:
    seen = on_a_terminal("scan", imc_server("postfix").address, "-v", **environment)
    assert b"Postfix" in seen
    assert b"Traceback" not in seen


def test_where_no_bar_can_be_drawn_none_is(on_a_terminal: OnATerminal, imc_server: ServerFactory) -> None:
    address = imc_server().address
    assert b"Scanning" not in on_a_terminal("scan", address, TERM="dumb")
    parent, child = pty.openpty()
    command = [*IMCPROBE, "scan", address]
    process = subprocess.Popen(command, stdin=child, stdout=subprocess.PIPE, stderr=child)
    os.close(child)
    process.communicate(timeout=20)
    seen = os.read(parent, 65_536)
    os.close(parent)
    assert b"1 target" in seen
    assert b"Scanning" not in seen


def test_lines_on_a_terminal_keep_their_tabs_beside_the_bar(
    on_a_terminal: OnATerminal, imc_server: ServerFactory
) -> None:
    server = imc_server()
    seen = on_a_terminal("scan", server.address, "-f", "line", COLUMNS="40")
    assert f"127.0.0.1\t{server.port}\tsuccess\tExchange Server 5.5 Service Pack 3\t".encode() in seen


def test_no_progress_when_quiet(on_a_terminal: OnATerminal, imc_server: ServerFactory) -> None:
    seen = on_a_terminal("scan", imc_server().address, "-q")
    assert b"Scanning" not in seen
    assert b"imcprobe:" not in seen


# mock


def ready(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_mock_says_where_it_is_and_stops_cleanly(number: signal.Signals) -> None:
    process = start("mock", "--port", "0")
    line = ready(process)
    assert line.startswith("imcprobe mock: listening on 127.0.0.1:")
    checked = subprocess.run([*IMCPROBE, line.split()[-1]], capture_output=True, text=True, check=True)
    assert "5.5.2650.21" in checked.stdout
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, b"")


def test_a_fleet_says_where_it_is() -> None:
    process = start("mock", "--port", "0", "--fleet", "3", "--host", "127.0.0.1", "--build", "5.0.1460.8")
    line = ready(process)
    assert line.startswith("imcprobe mock: 3 servers listening on 127.0.0.1:")
    port = line.rpartition(":")[2]
    scanned = subprocess.run(
        [*IMCPROBE, "scan", "127.0.0.1-3", "-p", port, "-q"], capture_output=True, text=True, check=True
    )
    assert scanned.stdout.count("Exchange Server 5.0 Service Pack 2") == 3
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_hostile_fleet_says_who_is_where_and_what_is_right() -> None:
    process = start("mock", "--port", "0", "--fleet", "codes")
    line = ready(process)
    assert line.startswith("imcprobe mock: 21 servers listening on 127.0.0.1:")
    first = line.split()[6]
    assert ready(process) == f"{first}\tcodes/421\tapplication-error\trefused\tis not available, and closes"
    told = [ready(process) for _ in range(20)]
    assert told[2].split("\t")[1:4] == ["codes/550-with-a-build", "application-error", "Exchange Server"]
    process.terminate()
    assert process.communicate(timeout=10) == (b"", b"")


@pytest.mark.parametrize(("build", "code"), [("5.5.2650.21", 1), ("5.5.2653.13", 0)])
def test_a_mock_runs_a_command_and_ends_with_its_code(shell: Any, build: str, code: int) -> None:
    command = 'imcprobe check --expect ">=5.5sp4" $IMCPROBE_MOCK'
    done = shell(f"imcprobe mock --build {build} --port 0 --exec '{command}'")
    assert done.code == code
    assert build in done.out


def test_a_mock_with_a_command_ends_with_a_signal(tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    process = start("mock", "--port", "0", "--exec", f"touch {mark}; sleep 60; true")
    wait_for(mark.exists)
    process.terminate()
    process.communicate(timeout=10)  # which `sleep` would keep waiting if it lived on
    assert process.returncode == 143


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_command_of_a_mock_as_what_it_is(number: signal.Signals, tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    trap = f"trap 'echo caught; exit 9' {number.name.removeprefix('SIG')}"
    process = start("mock", "--port", "0", "--exec", f"{trap}; touch {mark}; sleep 60 & wait")
    wait_for(mark.exists)
    process.send_signal(number)
    out, _ = process.communicate(timeout=10)
    assert out.endswith(b"caught\n")
    assert process.returncode == 128 + number


def test_nohup_keeps_a_mock() -> None:
    command = f"trap '' HUP; exec {sys.executable} -m imcprobe mock --port 0"
    process = subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = ready(process)
    process.send_signal(signal.SIGHUP)
    checked = subprocess.run([*IMCPROBE, line.split()[-1]], capture_output=True, check=False)
    assert checked.returncode == 0
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_second_signal_ends_a_command_that_ignores_the_first(tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    process = start("mock", "--port", "0", "--exec", f"trap '' TERM INT; touch {mark}; sleep 60; true")
    wait_for(mark.exists)
    began = time.monotonic()
    process.send_signal(signal.SIGSTOP)  # both wait for it together
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=10)
    assert process.returncode in (130, 143)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("work", "limit"),
    [("trap '' INT TERM HUP; touch {}; sleep 60; true", 3.5), ("sleep 60 & touch {}; wait", 2.4)],
    ids=["deaf to signals", "a job in the background"],
)
def test_whatever_a_command_does_it_is_over_within_three_seconds_of_a_signal(
    tmp_path: Path, work: str, limit: float
) -> None:
    mark = tmp_path / "begun"
    process = start("mock", "--port", "0", "--exec", work.format(mark))
    wait_for(mark.exists)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert time.monotonic() - began < limit


def test_a_reader_who_leaves_makes_no_finding(imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(["refused"] * 3)
    process = start("scan", *fleet.addresses, "-q")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait(20)) == (b"", 0)
    process.stderr.close()


def test_a_shell_without_files_is_told_so(shell: Any) -> None:
    done = shell(
        "unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START; ulimit -n 5; imcprobe scan 127.0.0.1 -p 1"
    )
    assert done.code == 3
    assert "this shell allows 5 open files, too few to begin. Raise the limit: ulimit -n.\n" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("files", "command", "told"),
    [
        (5, "demo", "5 open files, too few for a demo of 22 servers"),
        (30, "demo", "30 open files, too few for a demo of 22 servers"),
        (40, "demo", "40 open files, too few for a demo of 22 servers"),
        (81, "demo", "81 open files, too few for a demo of 22 servers"),
        (5, "mock -p 0", "5 open files, too few to begin"),
        (5, "mock --fleet 40", "5 open files, too few for 40 servers"),
        (20, "mock --fleet 40", "20 open files, too few for 40 servers"),
    ],
)
def test_servers_that_need_more_files_than_there_are_begin_nothing(
    shell: Any, files: int, command: str, told: str
) -> None:
    limited = f"unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START; ulimit -n {files}"
    done = shell(f"{limited}; imcprobe {command}")
    assert (done.code, done.out) == (3, "")
    assert done.err == f"imcprobe: this shell allows {told}. Raise the limit: ulimit -n.\n"


def test_as_many_files_as_are_asked_for_are_enough(shell: Any) -> None:
    limited = "unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START; ulimit -n"
    done = shell(f"{limited} 82; imcprobe demo -q -f jsonl")
    assert (done.code, done.err) == (0, "")
    assert sum(record["status"] == "io-timeout" for record in done.results) == 1
    for mock, files in (("", 17), ("--fleet 40", 56)):
        assert shell(f"{limited} {files}; imcprobe mock -p 0 {mock} --exec true").code == 0


def test_a_mock_says_that_4_0_is_made_up() -> None:
    process = start("mock", "--port", "0", "--build", "4.0.994.63")
    ready(process)
    process.terminate()
    _, err = process.communicate(timeout=10)
    assert b"this one is made up" in err


def told_by_python(shell: Any, options: str, code: str) -> str:
    """What a program of the standard library alone prints, run by a mock."""
    start_of_it = (
        "import os, smtplib, ssl; host, port = os.environ['IMCPROBE_MOCK'].split(':'); "
        "tls = ssl._create_unverified_context(); "
    )
    done = shell(f'imcprobe mock -p 0 {options} --exec "{sys.executable} -c \\"{start_of_it}{code}\\""')
    assert (done.code, done.err) == (0, "")
    return str(done.out)


def test_a_mock_offers_starttls_and_does_it(shell: Any) -> None:
    code = (
        "client = smtplib.SMTP(host, port); client.starttls(context=tls); print(client.sock.version()); "
        "print(b'mock.example.com' in client.sock.getpeercert(True)); client.quit()"
    )
    for options in ("--tls", "--tls --greeting exchange2003", "--greeting exchange2016"):
        assert told_by_python(shell, options, code) == "TLSv1.3\nTrue\n"


def test_a_mock_does_tls_from_the_first_byte(shell: Any) -> None:
    code = "client = smtplib.SMTP_SSL(host, port, context=tls); print(client.ehlo()[0]); client.quit()"
    assert told_by_python(shell, "--implicit-tls", code) == "250\n"


def test_a_mock_answers_auth_ntlm_as_the_windows_it_is_given(shell: Any) -> None:
    code = (
        "client = smtplib.SMTP(host, port); client.ehlo(); print(client.esmtp_features['auth']); "
        "print(client.docmd('AUTH NTLM')); print(client.docmd('TlRMTVNTUAABAAAA')[1][:16]); client.docmd('*')"
    )
    said = told_by_python(shell, "--ntlm 2003", code).splitlines()
    assert said[0].split() == ["NTLM", "LOGIN", "LOGIN"]
    assert said[1:] == ["(334, b'ntlm supported')", "b'TlRMTVNTUAACAAAA'"]


def test_a_mock_says_what_it_is_given(shell: Any) -> None:
    done = shell(
        "imcprobe mock --port 0 --greeting '220 caf\u00e9 ESMTP' --exec 'imcprobe $IMCPROBE_MOCK -f jsonl'"
    )
    assert done.results[0]["greeting"] == "220 caf\u00e9 ESMTP"
    done = shell("imcprobe mock --port 0 --greeting masked --exec 'imcprobe $IMCPROBE_MOCK -f jsonl'")
    assert done.results[0]["identification"]["family"] == "masked"
    done = shell("imcprobe mock --port 0 --fault 554 --exec 'imcprobe $IMCPROBE_MOCK -f jsonl'")
    assert done.results[0]["status"] == "application-error"


@pytest.mark.parametrize(
    ("arguments", "never"),
    [
        (["--version"], ["rich", "aiosmtplib", "imcprobe.probe", "imcprobe.cli.scan"]),
        (["builds", "5.5"], ["rich", "aiosmtplib", "imcprobe.probe", "imcprobe.testing"]),
        (["scan", "127.0.0.1", "-p", "1"], ["rich", "aiosmtplib", "imcprobe.testing.server"]),
    ],
)
def test_a_verb_loads_only_what_it_works_with(arguments: list[str], never: list[str]) -> None:
    code = "import sys; from imcprobe.cli.app import run; run(sys.argv[1:]); print('\\n', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=WITHOUT_COVERAGE,
    )
    assert not set(never) & set(done.stdout.splitlines()[-1].split())


def test_a_shell_with_few_files_gets_the_same_results_and_a_remark(
    shell: Any, imc_fleet: FleetFactory
) -> None:
    fleet = imc_fleet(100)
    spec = f"{fleet[0].host}-{fleet[99].host}"
    done = shell(f"ulimit -n 80; imcprobe scan {spec} -p {fleet[0].port} -f jsonl")
    assert [record["status"] for record in done.results] == ["success"] * 100
    assert "100 connections wanted, but this shell allows 80 open files; using 60." in done.err
    assert "100 targets, port" in done.err
    assert "60 at a time" in done.err


def test_the_first_of_sixteen_million_comes_at_once(shell: Any) -> None:
    began = time.monotonic()
    done = shell("imcprobe scan 127.0.0.0/8 -p 1 -q -f jsonl | head -2")
    assert len(done.results) == 1
    assert time.monotonic() - began < 5


def test_a_reader_who_leaves_ends_a_list_of_sixteen_million_quietly(shell: Any) -> None:
    began = time.monotonic()
    done = shell("(imcprobe scan 127.0.0.0/8 --dry-run -q; echo code $? >&2) | head -1")
    assert (done.out, done.err) == ("127.0.0.0:25\n", "code 0\n")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_reader_who_does_not_read_keeps_no_scan_from_ending(
    imc_fleet: FleetFactory, tmp_path: Path, number: signal.Signals
) -> None:
    fleet = imc_fleet(200)
    out = tmp_path / "a.jsonl"
    spec = f"{fleet[0].host}-{fleet[199].host}"
    process = start("scan", spec, "-p", fleet[0].port, "-f", "jsonl", "-o", out)
    wait_for(lambda: out.exists() and out.read_text().count("\n") >= 10)  # fewer than a pipe holds
    began = time.monotonic()
    process.send_signal(number)
    code = process.wait(timeout=10)
    assert time.monotonic() - began < 3.5
    assert code == 128 + number
    process.communicate()
    assert json.loads(out.read_text().splitlines()[-1])["type"] == "summary"


def test_leaving_at_once_leaves_the_terminal_as_it_was(imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(3, fault="silence")
    parent, child = pty.openpty()
    process = subprocess.Popen([*IMCPROBE, "scan", *fleet.addresses], stdin=child, stdout=child, stderr=child)
    os.close(child)
    fleet_seen(fleet)
    seen = b""
    for awaited in (b"Scanning", b"once more"):
        while awaited not in seen:
            seen += os.read(parent, 4096)
        process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    while select.select([parent], [], [], 0)[0]:
        try:
            seen += os.read(parent, 4096)
        except OSError:
            break
    os.close(parent)
    assert b"\x1b[?25l" not in seen  # the cursor was never hidden
    assert seen.endswith(b"\r\n")


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        ("imcprobe scan 127.0.0.1-3 -p 1 2>/dev/full", {3}),
        ("imcprobe --version >/dev/full", {3}),
        ("imcprobe scan --help >/dev/full", {3}),
        ("imcprobe >/dev/full", {3}),
        ("imcprobe schema >/dev/full", {3}),
        ("imcprobe scan --bogus 2>/dev/full", {2}),
    ],
)
def test_a_stream_that_is_full_or_gone_is_no_bug_and_no_finding(
    shell: Any, command: str, codes: set[int]
) -> None:
    for environment in ({}, {"PYTHONUNBUFFERED": "1"}):
        done = shell(command, **environment)
        assert done.code in codes
        assert "Traceback" not in done.err
        assert done.err.count("\n") <= 1


def test_help_for_a_reader_who_leaves_is_quiet(shell: Any) -> None:
    done = shell("(imcprobe scan --help; echo code $? >&2) | true")
    assert done.err == "code 0\n"


def test_a_refused_output_leaves_no_other_behind(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("precious")
    assert shell("imcprobe scan 127.0.0.1 -p 1 -o a.jsonl -o b.csv").code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["b.csv"]
