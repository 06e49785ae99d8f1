"""`--resume`: nothing lost, nothing repeated, whatever ended the scan before; in doubt nothing is touched."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from imcprobe.cli import resume
from imcprobe.cli.resume import Earlier
from imcprobe.targets import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imcprobe.testing import Fleet
    from imcprobe.testing.factories import FleetFactory

    Cli = Callable[..., Any]

HOSTS = 24


@pytest.fixture
def fleet(imc_fleet: FleetFactory) -> Fleet:
    return imc_fleet(["5.5.2650.21", "postfix", "refused"] * (HOSTS // 3))


@pytest.fixture
def whole(cli: Cli, fleet: Fleet, tmp_path: Path) -> bytes:
    """What a scan writes that nothing ends."""
    out = tmp_path / "whole.jsonl"
    assert cli("scan", *fleet.addresses, "-q", "-o", out).code == 0
    return out.read_bytes()


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_whole(path: Path, fleet: Fleet) -> None:
    """Each target once, between one head and one summary."""
    head, *results, summary = records(path)
    assert (head["type"], summary["type"], summary["complete"]) == ("scan", "summary", True)
    assert sorted(f"{each['target']}:{each['port']}" for each in results) == sorted(fleet.addresses)
    assert summary["targets"] == head["targets"] == len(results)
    assert summary["by_status"]["success"] == HOSTS * 2 // 3


# From nothing but the head to all but the summary, at the end of lines and within them.
@pytest.mark.parametrize("share", [0.0, 0.1, 0.35, 0.5, 0.77, 0.99, 1.0])
@pytest.mark.parametrize("torn", [0, 1, 57])
def test_a_file_that_ends_anywhere_is_continued_there(
    cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path, share: float, torn: int
) -> None:
    lines = whole.splitlines(keepends=True)
    kept = 1 + int((len(lines) - 2) * share)
    begun = b"".join(lines[:kept])
    out = tmp_path / "a.jsonl"
    out.write_bytes(begun + lines[kept][:torn])
    done = cli("scan", *fleet.addresses, "--resume", out)
    assert done.code == 0
    assert out.read_bytes().startswith(begun)
    check_whole(out, fleet)
    if kept > 1:
        assert f"({kept - 1} done before)" in done.err
    assert f"wrote {out} ({HOSTS} records, complete)" in done.err


def test_a_scan_that_was_killed_goes_on_and_probes_no_target_twice(
    cli: Cli, fleet: Fleet, tmp_path: Path
) -> None:
    out = tmp_path / "a.jsonl"
    command = [sys.executable, "-m", "imcprobe", "scan", *fleet.addresses, "-q", "-o", str(out)]
    process = subprocess.Popen([*command, "--rate", "20"], stdout=subprocess.DEVNULL)
    while not out.exists() or out.read_bytes().count(b"\n") < HOSTS // 3:
        assert process.poll() is None
    process.kill()
    process.wait()
    before = {each["target"] for each in records(out)[1:]}
    done = [server for server in fleet if server.host in before]
    connections = [server.connections for server in done]
    assert cli("scan", *fleet.addresses, "--resume", out).code == 0
    check_whole(out, fleet)
    assert [server.connections for server in done] == connections


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_of_a_scan_that_was_stopped_is_cut(
    cli: Cli, fleet: Fleet, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "a.jsonl"
    command = [sys.executable, "-m", "imcprobe", "scan", *fleet.addresses, "-q", "-o", str(out)]
    process = subprocess.Popen([*command, "--rate", "20"], stdout=subprocess.DEVNULL)
    while not out.exists() or out.read_bytes().count(b"\n") < HOSTS // 3:
        assert process.poll() is None
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    stopped = records(out)[-1]
    assert stopped["complete"] is False
    assert cli("scan", *fleet.addresses, "--resume", out).code == 0
    check_whole(out, fleet)
    assert records(out)[-1]["seconds"] >= stopped["seconds"]


def test_a_conversation_that_a_stop_cut_short_is_held_anew(
    cli: Cli, imc_fleet: FleetFactory, tmp_path: Path
) -> None:
    """Its greeting is in the file that was left, and its keywords are in the one that is whole."""
    fleet, out = imc_fleet(5, fault="ehlo:delay=2500ms"), tmp_path / "a.jsonl"
    command = [sys.executable, "-m", "imcprobe", "scan", *fleet.addresses, "--ehlo", "-q", "-o", str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as left:
        for server in fleet:
            while not any(b"EHLO" in said for said in server.received):
                select.select([], [], [], 0.01)
        left.send_signal(signal.SIGINT)
        assert left.wait(10) == 130
    _, *before, summary = records(out)
    assert [each["ehlo"] for each in before] == [None] * 5
    assert summary["complete"] is False
    assert cli("scan", *fleet.addresses, "--ehlo", "-q", "--resume", out).code == 0
    head, *results, summary = records(out)
    assert (head["targets"], summary["complete"], len(results)) == (5, True, 5)
    assert all(each["ehlo"] and each["error"] is None for each in results)


def test_a_full_disk_leaves_a_file_to_go_on_with(
    cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "a.jsonl"
    limit = len(whole) // 2
    command = [sys.executable, "-m", "imcprobe", "scan", *fleet.addresses, "-c", "1", "-q", "-o", str(out)]
    process = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert process.returncode == 3
    told = f'imcprobe: "{out}" cannot be written: file too large. --resume continues it.\n'
    assert process.stderr == told
    head, *results = records(out)  # no line is torn
    assert (head["type"], {each["type"] for each in results}) == ("scan", {"result"})
    assert cli("scan", *fleet.addresses, "--resume", out).code == 0
    check_whole(out, fleet)


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "txt"])
def test_a_disk_that_is_full_at_once_leaves_no_file_and_nothing_to_go_on_with(
    shell: Any, fleet: Fleet, tmp_path: Path, ending: str
) -> None:
    limited = "unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START; ulimit -f 0"
    done = shell(f"{limited}; imcprobe scan {fleet.address} -q -o a.{ending}")
    assert (done.code, done.err) == (3, f'imcprobe: "a.{ending}" cannot be written: file too large.\n')
    assert not (tmp_path / f"a.{ending}").exists()


def test_a_disk_that_is_full_leaves_a_file_that_was_continued_to_go_on_with(
    shell: Any, fleet: Fleet, whole: bytes, tmp_path: Path
) -> None:
    head = whole.splitlines(keepends=True)[0]
    (tmp_path / "a.jsonl").write_bytes(head)
    limited = "unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START; ulimit -f 0"
    done = shell(f"{limited}; imcprobe scan {' '.join(fleet.addresses)} -q --resume a.jsonl")
    told = 'imcprobe: "a.jsonl" cannot be written: file too large. --resume continues it.\n'
    assert (done.code, done.err) == (3, told)
    assert (tmp_path / "a.jsonl").read_bytes() == head


def test_what_is_complete_stays_as_it_is(cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path) -> None:
    out = tmp_path / "whole.jsonl"
    done = cli("scan", *fleet.addresses, "--resume", out, "-f", "line")
    assert done.out.count("\n") == HOSTS
    assert out.read_bytes().splitlines()[:-1] == whole.splitlines()[:-1]
    check_whole(out, fleet)


def test_what_was_seen_before_counts_and_is_told_again(
    cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path
) -> None:
    lines = [line for line in whole.splitlines(keepends=True) if b"exchange-ims" in line]
    out, table = tmp_path / "a.jsonl", tmp_path / "a.csv"
    out.write_bytes(b"".join([whole.splitlines(keepends=True)[0], *lines]))
    table.write_text("of the scan before")
    done = cli("scan", *fleet.addresses, "--resume", out, "-o", table, "-o", out, "--fail-on", "exchange")
    assert done.code == 1
    assert f"--fail-on exchange: {len(lines)} of {HOSTS}." in done.err
    assert done.out.count("5.5.2650.21") == len(lines)
    assert table.read_text().count("\n") == HOSTS + 1
    check_whole(out, fleet)


def test_the_order_of_the_scan_is_repeated(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    options = ("--shuffle", "--seed", "7", "--shard", "2/3", "-c", "1", "-q")
    cli("scan", *fleet.addresses, *options, "-o", out)
    all_of_it = [(each["target"], each["port"]) for each in records(out)[1:-1]]
    assert len(all_of_it) == HOSTS // 3
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:4]))
    for same in ([], ["--shuffle"], ["--shuffle", "--seed", "7"], ["--shard", "2/3"]):
        assert cli("scan", *fleet.addresses, "--resume", out, "-c", "1", *same).code == 0
        assert [(each["target"], each["port"]) for each in records(out)[1:-1]] == all_of_it


def test_a_random_order_without_a_seed_has_one_in_its_head(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    orders = []
    for name in ("a.jsonl", "b.jsonl"):
        cli("scan", *fleet.addresses, "--shuffle", "-c", "1", "-q", "-o", tmp_path / name)
        head, *results, _ = records(tmp_path / name)
        again = cli("scan", *fleet.addresses, "--dry-run", "--shuffle", "--seed", head["order"]["seed"])
        assert again.out.split() == [f"{each['target']}:{each['port']}" for each in results]
        orders.append(again.out)
    assert orders[0] != orders[1]


def test_lines_that_were_passed_over_are_told_of_once(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    hosts, out = tmp_path / "hosts.txt", tmp_path / "a.jsonl"
    hosts.write_text("\n".join(["10.1.4.300", *fleet.addresses, "10.1.4.301", "10.1.4.300"]))
    cli("scan", "-i", hosts, "--skip-bad", "-q", "-o", out)
    everything = out.read_bytes().splitlines(keepends=True)
    for kept in (1, 2, 3, 4, 5):
        out.write_bytes(b"".join(everything[:kept]))
        done = cli("scan", "-i", hosts, "--skip-bad", "--resume", out)
        assert f"({HOSTS + 3} records, complete)" in done.err
        results = records(out)[1:-1]
        bad = sorted(each["target"] for each in results if each["status"] == "invalid-input")
        assert bad == ["10.1.4.300", "10.1.4.300", "10.1.4.301"]
        assert len(results) == HOSTS + 3


def test_of_several_shards_the_first_tells_of_lines_that_were_passed_over(
    cli: Cli, fleet: Fleet, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("\n".join(["10.1.4.300", *fleet.addresses]))
    seen: list[str] = []
    for shard in ("1/3", "2/3", "3/3"):
        done = cli("scan", "-i", hosts, "--skip-bad", "--shard", shard, "-f", "jsonl")
        assert done.records[0]["targets"] == done.records[-1]["targets"] == len(done.results)
        assert done.records[0]["order"] == {"shuffle": False, "seed": None, "shard": shard}
        assert f"(shard {shard} of {HOSTS}, 1 passed over)" in done.err
        seen += [each["target"] for each in done.results]
    assert len(seen) == len(set(seen)) == HOSTS + 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["-p", "26"], "that scan used {port}. Give the same."),
        (["--exclude", "127.0.0.1"], "that scan had other targets or exclusions. Give the same."),
        (["192.0.2.1"], "that scan had other targets or exclusions. Give the same."),
        (["--shuffle"], "that scan had another --shuffle. Leave it away: it is repeated."),
        (["--shard", "1/2"], "that scan had another --shard. Leave it away: it is repeated."),
        (["--shuffle", "--seed", "1"], "that scan had another --shuffle. Leave it away: it is repeated."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_another_scan_is_refused_and_its_file_is_left_alone(
    cli: Cli, imc_fleet: FleetFactory, tmp_path: Path, change: list[str], message: str
) -> None:
    fleet = imc_fleet(3)
    spec = [f"{fleet[0].host}-{fleet[2].host}", "-p", fleet[0].port]
    out = tmp_path / "a.jsonl"
    cli("scan", *spec, "-q", "-o", out)
    before = out.read_bytes() + b"torn"
    out.write_bytes(before)
    done = cli("scan", *spec, *change, "--resume", out)
    told = message.format(port=f"port {fleet[0].port}")
    assert (done.code, done.err) == (2, f"imcprobe: --resume {out}: {told}\n")
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"order": None}, "the order in its head is none of imcprobe's. Start anew with --force."),
        ({"order": {"shuffle": True, "seed": -1, "shard": None}}, "the order in its head"),
        ({"order": {"shuffle": False, "seed": None, "shard": "4/3"}}, "the order in its head"),
        ({"options": None}, "its file holds not every target"),
        ({"ports": ["x"]}, "that scan used other ports. Give the same."),
        ({"ports": None}, "that scan used other ports. Give the same."),
        ({"schema": "imcprobe/9"}, "another imcprobe wrote it"),
    ],
    ids=str,
)
def test_a_head_that_is_strange_is_refused(
    cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path, head: dict[str, Any], message: str
) -> None:
    first, rest = whole.split(b"\n", 1)
    out = tmp_path / "a.jsonl"
    strange = json.dumps(json.loads(first) | head).encode() + b"\n" + rest
    out.write_bytes(strange)
    done = cli("scan", *fleet.addresses, "--resume", out)
    assert done.code in (2, 3)
    assert message in done.err
    assert done.err.count("\n") == 1
    assert out.read_bytes() == strange


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (lambda lines: [*lines[:2], lines[1]], "line 3 repeats a target."),
        (
            lambda lines: [lines[0], lines[1].replace(b'"target":"127.', b'"target":"126.')],
            "line 2 has a target that is not in this scan.",
        ),
    ],
)
def test_a_record_that_cannot_be_of_this_scan_is_refused(
    cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path, more: Any, message: str
) -> None:
    out = tmp_path / "a.jsonl"
    out.write_bytes(b"".join(more(whole.splitlines(keepends=True))))
    done = cli("scan", *fleet.addresses, "--resume", out)
    assert (done.code, done.err) == (3, f"imcprobe: --resume {out} {message} Start anew with --force.\n")


def test_a_file_that_holds_not_every_target_is_no_file_to_go_on_with(
    cli: Cli, fleet: Fleet, tmp_path: Path
) -> None:
    out = tmp_path / "a.jsonl"
    cli("scan", *fleet.addresses, "-q", "-o", out, "--only", "answered,answered")
    assert records(out)[0]["options"]["only"] == ["answered"]
    done = cli("scan", *fleet.addresses, "--resume", out)
    assert done.code == 2
    assert "its file holds not every target (--only)" in done.err
    for more in (["--force"], ["--only", "exchange"]):
        done = cli("scan", *fleet.addresses, "--resume", out, *more)
        assert (done.code, done.err) == (
            2,
            "imcprobe: --resume goes on with a file of every target. Leave --force and --only away.\n",
        )


def test_a_file_that_another_imcprobe_writes_is_left_to_it(
    cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "whole.jsonl"
    with out.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        for arguments in (["--resume", out], ["-o", out, "--force"]):
            done = cli("scan", *fleet.addresses, *arguments)
            assert (done.code, done.err) == (
                2,
                f"imcprobe: {out} is being written by another imcprobe. Wait for it.\n",
            )
    assert out.read_bytes() == whole


def test_a_file_that_is_not_there_is_told_of(cli: Cli, tmp_path: Path) -> None:
    done = cli("scan", "192.0.2.1", "--resume", tmp_path / "a.jsonl")
    assert done.code == 3
    assert "cannot be read and written: no such file or directory." in done.err


def test_what_is_left_can_be_listed(cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path) -> None:
    out = tmp_path / "whole.jsonl"
    out.write_bytes(b"".join(whole.splitlines(keepends=True)[:11]))
    before = {f"{each['target']}:{each['port']}" for each in records(out)[1:]}
    done = cli("scan", *fleet.addresses, "--resume", out, "--dry-run")
    assert sorted(done.out.split()) == sorted(set(fleet.addresses) - before)
    assert len(records(out)) == 11


def test_other_files_are_as_they_were_when_one_cannot_be_had(
    cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path
) -> None:
    other = tmp_path / "a.csv"
    other.write_text("before")
    out = tmp_path / "whole.jsonl"
    done = cli("scan", *fleet.addresses, "--resume", out, "-o", other, "-o", tmp_path / "no" / "b.csv")
    assert done.code == 3
    assert (other.read_text(), out.read_bytes()) == ("before", whole)


def test_a_seed_of_nothing_is_a_seed(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    cli("scan", *fleet.addresses, "--shuffle", "--seed", "5", "-q", "-o", out)
    done = cli("scan", *fleet.addresses, "--resume", out, "--shuffle", "--seed", "0")
    assert (done.code, done.err) == (
        2,
        f"imcprobe: --resume {out}: that scan had another --seed. Leave it away: it is repeated.\n",
    )


def many_records(path: Path, whole: bytes, hosts: int) -> tuple[str, bytes]:
    """A scan of so many hosts that ended early, and the range that it was of; the port is nobody's."""
    head, record = whole.splitlines()[:2]
    spec = f"127.85.64.0-127.85.{64 + hosts // 256 - 1}.255"
    targets = parse([spec], ports=[2])
    changed = {"targets": hosts, "ports": [2], "targets_digest": targets.digest}
    lines = [json.dumps(json.loads(head) | changed)]
    one = json.loads(record)
    lines += [json.dumps(one | {"target": host, "ip": host, "port": 2}) for host, _ in targets]
    lines += [json.dumps({"type": "summary", "complete": False, "targets": hosts, "seconds": 7.5})]
    path.write_text("\n".join([*lines, ""]))
    return spec, path.read_bytes()


def test_a_reader_who_leaves_while_all_is_told_again_leaves_the_file_as_it_was(
    shell: Any, whole: bytes, tmp_path: Path
) -> None:
    out, other = tmp_path / "many.jsonl", tmp_path / "other.jsonl"
    spec, before = many_records(out, whole, 2048)
    done = shell(f"imcprobe scan {spec} -p 2 --resume {out} -o {other} -f jsonl | head -1")
    assert out.read_bytes() == before
    assert json.loads(other.read_text().splitlines()[-1])["complete"] is False
    assert "many.jsonl" not in done.err
    assert "incomplete" in done.err


def test_a_full_disk_of_another_file_leaves_the_file_as_it_was(
    cli: Cli, whole: bytes, tmp_path: Path
) -> None:
    out, full = tmp_path / "many.jsonl", tmp_path / "full.csv"
    full.symlink_to("/dev/full")
    spec, before = many_records(out, whole, 512)
    assert cli("scan", spec, "-p", "2", "--resume", out, "-o", full).code == 3
    assert out.read_bytes() == before


def test_a_run_that_cannot_begin_empties_no_file_and_leaves_none_behind(
    shell: Any, whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "whole.jsonl"
    for more in (f"-o {out} --force -o new.csv", f"--resume {out} -o new.csv"):
        spec = f"{json.loads(whole.splitlines()[1])['target']}"
        done = shell(
            "unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START; ulimit -n 15; "
            f"imcprobe scan {spec} -p 2 {more}"
        )
        assert done.code in (2, 3)
        assert out.read_bytes() == whole
        assert not (tmp_path / "new.csv").exists()


def test_a_file_that_another_has_made_first_is_left_to_it(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    """Two begin at once: the one that comes second to the lock must not take the file away."""
    out = tmp_path / "a.jsonl"
    out.touch()
    with out.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert cli("scan", *fleet.addresses, "-o", out, "--force", "-o", tmp_path / "b.csv").code == 2
    assert out.exists()
    assert not (tmp_path / "b.csv").exists()


def test_a_device_is_no_file_to_go_on_with(cli: Cli, tmp_path: Path) -> None:
    endless = tmp_path / "a.jsonl"
    endless.symlink_to("/dev/zero")
    done = cli("scan", "192.0.2.1", "--resume", endless)
    assert (done.code, done.err) == (
        3,
        f"imcprobe: --resume {endless} is no file. Give the .jsonl of one scan.\n",
    )


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_nobody_is_told_to_go_on_with_a_device(cli: Cli, tmp_path: Path, device: str) -> None:
    out = tmp_path / "a.jsonl"
    out.symlink_to(device)
    done = cli("scan", "192.0.2.1", "-o", out)
    assert (done.code, done.err) == (2, f"imcprobe: {out} exists. --force replaces it.\n")


class Worn:
    """A file of a disk that can be read so often, and then no more."""

    def __init__(self, stream: BinaryIO, reads: int) -> None:
        self._stream = stream
        self._reads = reads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def readline(self, size: int) -> bytes:
        self._reads -= 1
        if self._reads < 0:
            raise OSError(errno.EIO, "Input/output error")
        return self._stream.readline(size)


@pytest.mark.parametrize("reads", [0, 1, HOSTS, HOSTS + 3])
def test_a_file_that_cannot_be_read_on_is_named_and_left_as_it_was(
    cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    out = tmp_path / "whole.jsonl"
    opened = resume._opened
    monkeypatch.setattr(resume, "_opened", lambda path: Worn(opened(path), reads))
    done = cli("scan", *fleet.addresses, "-q", "--resume", out)
    assert (done.code, done.err) == (3, f"imcprobe: --resume {out} cannot be read: input/output error.\n")
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    ("option", "told"),
    [("-o", ": unknown ending. "), ("--resume", " is no file. Give the .jsonl of one scan.")],
)
def test_a_name_that_is_empty_or_endless_is_quoted_as_far_as_it_goes(
    cli: Cli, option: str, told: str
) -> None:
    assert cli("scan", "192.0.2.1", option, "").err.startswith(f'imcprobe: {option} ""{told}')
    done = cli("scan", "192.0.2.1", option, "x" * 120_000)
    assert done.code in (2, 3)
    assert len(done.err) < 5000


def test_a_list_that_was_mended_since_keeps_the_counts_right(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    hosts, out, other = tmp_path / "hosts.txt", tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    hosts.write_text("\n".join(["10.1.4.300", *fleet.addresses]))
    cli("scan", "-i", hosts, "--skip-bad", "-q", "-o", out)
    hosts.write_text("\n".join(fleet.addresses))
    assert cli("scan", "-i", hosts, "--skip-bad", "--resume", out, "-o", other).code == 0
    for path in (out, other):
        head, *results, summary = records(path)
        assert head["targets"] == summary["targets"] == len(results) == HOSTS + 1


def test_a_list_that_is_read_is_no_file_to_write(cli: Cli, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("192.0.2.1")
    for more in (["-i", hosts], ["192.0.2.2", "--exclude-file", hosts]):
        done = cli("scan", *more, "-o", hosts, "--force")
        assert (done.code, done.err) == (
            2,
            f"imcprobe: -o {hosts} is a list that is read. Give another name.\n",
        )
    assert hosts.read_text() == "192.0.2.1"


@pytest.mark.usefixtures("whole")
def test_a_file_that_was_replaced_meanwhile_is_left_alone(
    cli: Cli, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "whole.jsonl"
    survey = Earlier.survey

    def replaced(self: Earlier, targets: Any) -> None:
        survey(self, targets)
        out.unlink()
        out.write_text("another")

    monkeypatch.setattr(Earlier, "survey", replaced)
    done = cli("scan", *fleet.addresses, "--resume", out)
    assert (done.code, done.err) == (
        2,
        f"imcprobe: --resume {out}: somebody has replaced it. Start again.\n",
    )
    assert out.read_text() == "another"


def test_only_a_scan_is_told_that_a_file_can_be_resumed(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    out.touch()
    assert "--resume" in cli("scan", *fleet.addresses, "-o", out).err
    assert "--resume" not in cli("scan", *fleet.addresses, "-o", out, "--only", "answered").err
    assert "--resume" not in cli("check", *fleet.addresses[:2], "-o", out).err
    assert "--resume" not in cli("identify", "220 mx.example.com ESMTP Postfix", "-o", out).err


def test_lines_that_were_passed_over_are_bounded_in_a_file_to_go_on_with(
    cli: Cli, fleet: Fleet, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imcprobe.cli.resume.MAX_BAD_LINES", 2)
    head, first, *_ = whole.splitlines()
    record = json.loads(first) | {"port": None, "status": "invalid-input"}
    out = tmp_path / "a.jsonl"
    bad = [json.dumps(record | {"target": f"x {number}"}).encode() for number in (1, 1, 2, 3)]
    out.write_bytes(b"\n".join([head, *bad, b""]))
    done = cli("scan", *fleet.addresses, "--resume", out)
    assert done.code == 3
    assert f"--resume {out} line 5: no scan passes over so many lines. Start anew with --force.\n" in done.err
