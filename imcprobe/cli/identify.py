"""`imcprobe identify`: stored greetings, without any network."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Annotated

import typer

from imcprobe.cli import options as opt
from imcprobe.cli.exits import ExitCode
from imcprobe.cli.files import ONLY, OutputFiles
from imcprobe.cli.inputs import MAX_STORE, read_bytes
from imcprobe.cli.terminal import Terminal
from imcprobe.errors import InputError, UsageError
from imcprobe.fingerprint.identify import conclude
from imcprobe.outputs.formats import FORMATS, Format
from imcprobe.outputs.records import Head
from imcprobe.outputs.screen import identify_line
from imcprobe.outputs.tally import Tally, alike
from imcprobe.safetext import quoted, safe, to_bytes
from imcprobe.sources.detect import read_stored
from imcprobe.sources.text import observation
from imcprobe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imcprobe.model import Observation, Result


# Greetings that are judged and written in one go: a file of short ones holds more than memory does.
_BATCH = 512


@dataclass(slots=True)
class _Store:
    """One argument: a file, stdin, or a greeting itself (`kind` "greeting"); what is known of it by then."""

    name: str
    kind: str
    data: bytes
    count: int = 0
    exchange: int = 0

    def observations(self) -> Iterator[Observation]:
        """What it holds, from the first on. Raises InputError where it is damaged."""
        if self.kind == "greeting":
            # What is typed ends where it ends: a line end says that nothing is cut off.
            return iter([observation("greeting", self.data + b"\n")])
        return read_stored(self.data, self.name)[1]

    def batches(self) -> Iterator[list[Result]]:
        observations = self.observations()
        while batch := [conclude(seen) for seen in islice(observations, _BATCH)]:
            yield batch


class Answers(Format):
    """The answer for each greeting, in one line."""

    def row(self, result: Result) -> str:
        return f"{identify_line(result)}\n"


def identify(
    stores: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="GREETING|FILE",
            help="A greeting, a text file with a greeting a line, a .jsonl or .json of imcprobe; - is stdin.",
        ),
    ] = None,
    output: opt.Outputs = None,
    force: opt.Force = False,
    only: opt.Only = None,
    format_name: opt.FormatName = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = 0,
    no_color: opt.NoColor = False,
) -> int:
    """Identify stored greetings, without network.

    Mail headers too. Exit 1 when there is nothing of Exchange among them.
    """
    names = stores or []
    if not names:
        raise UsageError("identify what? Give a greeting in quotes, a file, or - for stdin.")
    if names.count("-") > 1:
        raise UsageError("- is stdin, which can be read once. Name it once.")
    chosen = opt.parse_format(format_name)
    started = time.time()
    read = [_read(name) for name in names]
    with Terminal(quiet=quiet, no_color=no_color) as terminal:
        _write(read, chosen, OutputFiles(output or [], force=force, only=only), terminal, verbose, started)
        for store in read:
            if store.kind != "greeting":
                terminal.remark(_told(store))
    found = any(store.exchange for store in read)
    return ExitCode.OK if found else ExitCode.CONDITION_MET


def _read(name: str) -> _Store:
    if name != "-" and not os.path.exists(name):  # noqa: PTH110 - says no where Path raises: a long greeting
        if _is_file_name(name):
            raise InputError(
                f"{quoted(name)} cannot be read: no such file. A greeting has blanks in it; "
                "what a build is, imcprobe builds tells."
            )
        return _Store(name, "greeting", to_bytes(name), 1)
    data = read_bytes(name, MAX_STORE, "Split it.")
    known_as = "stdin" if name == "-" else name
    kind, observations = read_stored(data, known_as)
    # All of it is looked at before anything is written.
    return _Store(known_as, kind, data, sum(1 for _ in observations))


def _is_file_name(text: str) -> bool:
    """Whether what names no file was meant to: greetings have blanks, and masked ones stars."""
    return not any(char in " *\t" for char in text)


def _write(
    read: list[_Store],
    chosen: str | None,
    files: OutputFiles,
    terminal: Terminal,
    verbose: int,
    started: float,
) -> None:
    form, shows_all = _format(read, chosen, terminal)
    show = (lambda _: True) if shows_all or verbose else ONLY["exchange"]
    tally = Tally()
    kinds = {"records" if store.kind == "records" else "text" for store in read}
    head = Head(
        version=__version__,
        started=started,
        targets=sum(store.count for store in read),
        source="records" if "records" in kinds else "text",
    )
    complete = False
    try:
        files.start(head)
        terminal.out(form.start(head))
        for store, batch in chain.from_iterable(zip(repeat(each), each.batches()) for each in read):
            for result, count in alike(batch):
                tally.add(result, count)
            store.exchange += sum(map(ONLY["exchange"], batch))
            files.add(batch)
            terminal.out(form.rows(filter(show, batch)))
        complete = True
    finally:
        seconds = time.time() - started
        told = files.end(tally, seconds, complete=complete)
    terminal.out(form.end(tally, seconds, complete=True))
    if told:
        terminal.remark(f"wrote {told}")


def _format(read: list[_Store], chosen: str | None, terminal: Terminal) -> tuple[Format, bool]:
    """The format of stdout, and whether it shows everything: a table of a file shows Exchange."""
    if chosen is None and all(store.kind == "greeting" for store in read):
        return Answers(), True
    name = chosen or ("table" if terminal.is_interactive else "line")
    return FORMATS[name](), name != "table"


def _told(store: _Store) -> str:
    what = "greeting" if store.kind == "text" else "record"
    plural = "" if store.count == 1 else "s"
    return f"{safe(store.name)}   {store.kind}   {store.count:,} {what}{plural}   {store.exchange:,} Exchange"
