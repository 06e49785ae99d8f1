"""Files and stdin that are read: hostile in size, name and content, and told in one line."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from imcprobe.cli.inputs import read_bytes
from imcprobe.errors import InputError

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
