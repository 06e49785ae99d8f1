"""Files and stdin that are read: hostile in size, name and content, and told in one line."""

from __future__ import annotations

import errno
import json
import os
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.cli.inputs import read_bytes
from imcprobe.errors import InputError
from imcprobe.safetext import safe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Callable[..., Any]

MIB = 1 << 20
READERS = (
    ("scan", "-i"),
    ("scan", "192.0.2.1", "--dry-run", "--exclude-file"),
    ("identify",),
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcprobe.cli.scan.MAX_LIST", MIB)
    monkeypatch.setattr("imcprobe.cli.identify.MAX_STORE", MIB)


@pytest.mark.parametrize("reader", READERS, ids=" ".join)
@pytest.mark.parametrize("source", ["/dev/zero", "-"])
def test_what_has_no_end_is_read_up_to_a_bound(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, reader: tuple[str, ...], source: str
) -> None:
    remedy = "Split it." if reader == ("identify",) else "Give networks or ranges, or split it."
    with open("/dev/zero") as endless:  # noqa: PTH123 - a stream as stdin is
        monkeypatch.setattr("sys.stdin", endless)
        done = cli(*reader, source)
    name = "stdin" if source == "-" else source
    assert (done.code, done.out, done.err) == (3, "", f"imcprobe: {name} is larger than 1 MiB. {remedy}\n")


def test_a_pipe_is_read_up_to_a_bound_and_no_further(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    written: list[int] = []

    def write() -> None:
        descriptor = os.open(pipe, os.O_WRONLY)
        try:
            while True:
                written.append(os.write(descriptor, bytes(4096)))
        except BrokenPipeError:
            os.close(descriptor)

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(InputError, match="is larger than 1 MiB"):
        read_bytes(str(pipe), MIB, "")
    writer.join(5)
    assert sum(written) < 2 * MIB


def test_a_file_may_be_as_large_as_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(bytes(MIB))
    assert read_bytes(str(file), MIB, "") == bytes(MIB)
    with file.open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(InputError, match=r"a\.txt is larger than 1 MiB\. Split it\.$"):
        read_bytes(str(file), MIB, "Split it.")


def test_a_scan_says_in_one_line_what_a_list_is_not(cli: Cli, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_bytes(b"x y\n" * 20_000)
    done = cli("scan", "-i", hosts, "--skip-bad", "--dry-run")
    told = f"{hosts} line 10001: more than 10,000 lines are no targets. Give a list of targets."
    assert (done.code, done.out, done.err) == (2, "", f"imcprobe: {told}\n")


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")


@pytest.mark.parametrize("option", ["-i", "--exclude-file"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_bad_line_is_named_right_in_each_encoding_and_shown_in_escapes(
    cli: Cli, tmp_path: Path, encoding: str, end: str, option: str
) -> None:
    hosts = tmp_path / "hosts.txt"
    # Without a BOM a NUL speaks against UTF-16, as it is not text.
    nul = "" if encoding in ("utf-16-le", "utf-16-be") else "\0"
    bad = f"\x1b[31m\u202eevil{nul}\u00e9"
    hosts.write_bytes(end.join(["# list", "", "10.0.0.1", bad, "10.0.0.2"]).encode(encoding))
    done = cli("scan", "192.0.2.1", option, hosts, "--dry-run")
    shown = rf'"\x1b[31m\xe2\x80\xaeevil{safe(nul)}é"'
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"{hosts} line 4: {shown} is not an address, network, range or host name." in done.err


def test_lines_of_other_encodings_spoil_none_of_the_others(cli: Cli, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.txt"
    lines = [b"10.0.0.1", b"caf\xe9.example", "é.example".encode(), b"\xff\xfe1\0", b"10.0.0.2"]
    hosts.write_bytes(b"\n".join(lines))
    done = cli("scan", "-i", hosts, "--skip-bad", "--dry-run")
    assert (done.code, done.out) == (0, "10.0.0.1:25\n10.0.0.2:25\n")
    for number, shown in ((2, r"caf\xe9.example"), (3, "é.example"), (4, r"\xff\xfe1\x00")):
        assert f'{hosts} line {number}: "{shown}" is not an address' in done.err


def test_a_file_of_an_old_mac_is_identified_line_by_line(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "mac.txt"
    file.write_bytes(b"220 a.example.com ESMTP Postfix\r220 b.example.com ESMTP Postfix\r")
    done = cli("identify", file, "-f", "jsonl")
    assert [record["target"] for record in done.results] == [f"{file} line 1", f"{file} line 2"]
    assert all(record["complete_greeting"] for record in done.results)


LONG = "a" * 5_000
NO_LIST = (2, "Write one a line.")
NO_TARGET = "is not an address, network, range or host name. Fix it, or --skip-bad."
NO_STORE = (3, "imcprobe builds tells.")
# A name, what is in the file, and what scan and identify make of it: exit code, and how the line ends.
FILES = [
    ("missing.txt", None, (3, '"missing.txt" cannot be read: no such file or directory.'), NO_STORE),
    ("folder", None, (3, '"folder" cannot be read: is a directory.'), None),
    ("folder/", None, (3, '"folder/" cannot be read: is a directory.'), None),
    ("empty.txt", b"", NO_LIST, (1, "empty.txt   text   0 greetings   0 Exchange")),
    ("a.txt", b"# a\n\n # b", NO_LIST, (1, "a.txt   text   2 greetings   0 Exchange")),
    ("a.txt/b", b"", (3, '"a.txt/b" cannot be read: not a directory.'), NO_STORE),
    ("a\0b", None, (3, r'"a\x00b" cannot be read: no file has such a name.'), NO_STORE),
    ("\ud800", None, (3, r'"\xed\xa0\x80" cannot be read: no file has such a name.'), NO_STORE),
    (LONG, None, (3, f'"{LONG[:4095]}…" cannot be read: file name too long.'), NO_STORE),
    ("\x1b[2J\n", b"x y", (2, rf'\x1b[2J\x0a line 1: "x y" {NO_TARGET}'), (1, "   1 greeting   0 Exchange")),
    ("\x1b[2J", None, (3, r'"\x1b[2J" cannot be read: no such file or directory.'), NO_STORE),
    ("\udcff", b"{", (2, rf'\xff line 1: "{{" {NO_TARGET}'), (3, r" \xff is no record of imcprobe.")),
    ("/proc/self/mem", None, (3, '"/proc/self/mem" cannot be read: input/output error.'), None),
]


@pytest.mark.parametrize("verb", ["scan", "identify"])
@pytest.mark.parametrize(("name", "data", "scanned", "identified"), FILES, ids=lambda each: ascii(each)[:30])
def test_what_is_wrong_with_a_file_is_one_line_and_an_exit_code(
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    name: str,
    data: bytes | None,
    scanned: tuple[int, str],
    identified: tuple[int, str] | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    if data is not None:
        (tmp_path / name.partition("/")[0]).write_bytes(data)
    code, told = scanned if verb == "scan" or identified is None else identified
    done = cli(*(("scan", "-i") if verb == "scan" else ("identify",)), name)
    assert (done.code, done.err.count("\n")) == (code, 1)
    assert done.err.startswith("imcprobe: ")
    assert done.err.endswith(f"{told}\n")
    assert done.err.removesuffix("\n").isprintable()


def test_a_file_of_somebody_else_is_one_line_and_exit_3(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    file = tmp_path / "hosts.txt"
    file.touch()
    monkeypatch.setattr("imcprobe.cli.inputs.os.read", refused)  # root may read every file
    for reader in READERS:
        done = cli(*reader, file)
        assert (done.code, done.err) == (3, f'imcprobe: "{file}" cannot be read: permission denied.\n')


def test_a_stdin_that_cannot_be_read_is_one_line_and_exit_3(shell: Any) -> None:
    for command in ("scan -i -", "scan 192.0.2.1 --exclude-file -", "identify -"):
        done = shell(f"imcprobe {command} < /proc/self/mem")
        assert (done.code, done.err) == (3, "imcprobe: stdin cannot be read: input/output error.\n")


def test_what_is_stored_is_looked_at_before_a_file_is_emptied(cli: Cli, tmp_path: Path) -> None:
    stored, out = tmp_path / "a.jsonl", tmp_path / "out.csv"
    stored.write_bytes(b'{"type":"scan","schema":"imcprobe/1"}\n' + b"\n" * 1_000 + b"x\n")
    out.write_text("precious")
    done = cli("identify", stored, "-o", out, "--force")
    assert (done.code, done.err) == (3, f"imcprobe: {stored} line 1002 is no record of imcprobe.\n")
    assert out.read_text() == "precious"


def test_a_store_of_many_greetings_is_judged_in_batches(cli: Cli, tmp_path: Path) -> None:
    stored, out = tmp_path / "a.txt", tmp_path / "out.jsonl"
    stored.write_bytes(b"a\n" * 10_000)
    cli("identify", stored, "-q")
    tracemalloc.start()
    done = cli("identify", stored, "-o", out, "-q", "-f", "table")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (done.code, out.read_bytes().count(b"\n"), peak < 3_000_000) == (1, 10_002, True)
    assert " 10,000 targets, " in done.out


def test_when_an_output_of_identify_is_lost_the_others_end_as_they_should(cli: Cli, tmp_path: Path) -> None:
    full, good = tmp_path / "full.jsonl", tmp_path / "good.json"
    full.symlink_to("/dev/full")
    done = cli("identify", "220 mx.example.com ESMTP", "-o", full, "-o", good, "--force")
    assert done.code == 3
    assert json.loads(good.read_text())["summary"]["complete"] is False
