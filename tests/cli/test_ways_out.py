"""The ways out that no format is: tracebacks, logs, names of files, and streams that have few letters."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.cli import app
from imcprobe.cli.bugs import show
from imcprobe.safetext import restore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imcprobe.testing.factories import ServerFactory

    Cli = Callable[..., Any]

HOSTILE = "\x1b]0;x\x07\u202e\x9b\nimcprobe: all is well"
ESCAPED = r"\x1b]0;x\x07\xe2\x80\xae\xc2\x9b\x0aimcprobe: all is well"
BUILD = "5.5.26é\u202e\x9b€50"
GREETING = f"220 mx.example.com Microsoft Exchange Internet Mail Service {BUILD} \x1b[2J ready\r\n"


def is_safe(text: str) -> bool:
    return all(char in "\n\t" or char.isprintable() for char in text)


def quotes() -> None:
    raise ValueError(HOSTILE)


def broken(*_: object) -> None:
    try:
        quotes()
    except ValueError as error:
        raise RuntimeError(HOSTILE) from error


def test_the_traceback_of_a_bug_is_printable_and_its_lines_are_our_own(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imcprobe.cli.app._first_screen", broken)
    done = cli()
    assert done.code == 4
    assert is_safe(done.err)
    lines = done.err.splitlines()
    assert f"imcprobe: ValueError: {ESCAPED}" in lines
    assert f"imcprobe: RuntimeError: {ESCAPED}" in lines
    assert "imcprobe:     raise RuntimeError(HOSTILE) from error" in lines
    assert "imcprobe: Traceback (most recent call last):" in lines
    assert all(line.startswith("imcprobe: ") for line in lines)
    assert sum(line.startswith("imcprobe:   File ") for line in lines) >= 4
    assert lines[-1] == "imcprobe: that was a bug of imcprobe, sorry. Please report the lines above."


def test_a_lack_of_memory_is_told_in_one_line_with_what_helps(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("imcprobe.cli.app._first_screen", greedy)
    done = cli()
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        "imcprobe: not enough memory. Split the list or the file, or raise the limit (ulimit -v).\n"
    )


def test_a_traceback_shows_all_that_python_would_show(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        broken()
    except RuntimeError as error:
        shown = error
    show(shown)
    told = capsys.readouterr().err
    for line in "".join(traceback.format_exception(shown)).replace(HOSTILE, ESCAPED).splitlines():
        assert not line or line in told or "all is well" in line


def test_what_asyncio_logs_is_printable(
    cli: Cli, imc_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails_soon(_: object) -> None:
        asyncio.get_running_loop().call_soon(broken)

    monkeypatch.setattr("imcprobe.cli.running._Runner._tick", fails_soon)
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    monkeypatch.setattr(logging.root, "handlers", [])
    done = cli("scan", imc_server().address, "-f", "jsonl")
    assert (done.code, len(done.results)) == (0, 1)
    assert is_safe(done.err)
    assert "imcprobe: Exception in callback broken() at " in done.err
    assert f"imcprobe: RuntimeError: {ESCAPED}\n" in done.err
    assert "\nimcprobe: all is well" not in done.err


def test_what_a_mock_logs_is_printable(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    monkeypatch.setattr(logging.root, "handlers", [])
    assert cli("mock", "--port", "0", "--exec", "true").code == 0
    logging.getLogger("asyncio").error("%s", HOSTILE)
    told = cli("--version").err
    assert told == f"imcprobe: {ESCAPED}\n"


def test_the_name_of_a_store_is_made_safe_once(cli: Cli, tmp_path: Path) -> None:
    store = tmp_path / "a\x1b[2J\\\u202e\udcff'.txt"
    store.write_text(GREETING)
    done = cli("identify", store, "-f", "jsonl")
    assert is_safe(done.out + done.err)
    assert [restore(each["target"]) for each in done.results] == [os.fsencode(store) + b" line 1"]
    assert r"/a\x1b[2J\\\xe2\x80\xae\xff'.txt   text   1 greeting" in done.err
    store.write_text('{"type":"scan","schema":"imcprobe/9"}\n')
    assert is_safe(cli("identify", store).err)


def test_the_name_of_an_output_is_printable(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "a\x1b[2J\\\u202e\udcff\n.jsonl"
    assert r"a\x1b[2J\\\xe2\x80\xae\xff\x0a.jsonl (1 record, " in cli("identify", GREETING, "-o", out).err
    for more in ((), ("-o", tmp_path / "no" / out.name, "--force")):
        done = cli("identify", GREETING, "-o", out, *more)
        assert done.code in (2, 3)
        assert is_safe(done.err)
        assert done.err.count("\n") == 1


def test_a_command_that_there_is_not_is_quoted_as_bytes(cli: Cli) -> None:
    assert cli("a\\\x1b").err.startswith(r'imcprobe: no such command "a\\\x1b". ')


def test_what_typer_quotes_is_printable(cli: Cli) -> None:
    for arguments in (["scan", f"--{HOSTILE}"], ["scan", "192.0.2.1", "-c", HOSTILE], [f"--{HOSTILE}"]):
        done = cli(*arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert is_safe(done.err)


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "127.0.0.1", "-c"),
        ("scan", "127.0.0.1", "--rate"),
        ("scan", "127.0.0.1", "--per-net"),
        ("scan", "127.0.0.1", "--seed"),
        ("mock", "-p"),
        ("schema",),
    ],
)
@pytest.mark.parametrize("char", ["x", "9", "\x1b"])
def test_what_typer_quotes_is_no_longer_than_a_few_lines(
    cli: Cli, arguments: tuple[str, ...], char: str
) -> None:
    done = cli(*arguments, char * 120_000)
    assert done.code == 2
    assert len(done.err) < 1000
    assert done.err.endswith("\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_stream_with_few_letters_gets_their_bytes_which_can_be_had_back(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "é€.txt"
    store.write_text(GREETING)
    monkeypatch.setattr("imcprobe.cli.app.gc.set_threshold", lambda _: None)
    said: dict[str, str] = {}
    for form in ("table", "line", "json", "csv"):
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in "oe")
        monkeypatch.setattr(sys, "argv", ["imcprobe", "identify", str(store), "-v", "-f", form])
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as left:
            app.main()
        assert left.value.code == 0
        said[form], told = (stream.buffer.getvalue().decode(encoding) for stream in (out, err))
        assert is_safe(said[form] + told)
    cells = said["line"].removesuffix("\n").split("\t")
    assert restore(cells[0]) == f"{store} line 1".encode()
    assert restore(cells[4]) == BUILD.encode()
    _, row = csv.reader(io.StringIO(said["csv"]), strict=True)
    assert restore(row[5]) == BUILD.encode()
    assert json.loads(said["json"])["results"][0]["identification"]["build"] == cells[4].replace(
        r"\xc3\xa9", "é"
    ).replace(r"\xe2\x82\xac", "€")


def test_a_shell_without_letters_gets_every_format(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "é.txt").write_text(GREETING)
    asked = "for form in table line json; do imcprobe identify é.txt -v -f $form || exit; done"
    done = shell(asked, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert done.code == 0
    assert (done.out + done.err).isascii()
    assert is_safe(done.out + done.err)
    assert "\\xc3\\xa9.txt line 1\t\tsuccess\t" in done.out
