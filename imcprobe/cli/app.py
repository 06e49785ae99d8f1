"""The command `imcprobe`: verbs, the first screen, the one place where everything becomes an exit code."""

from __future__ import annotations

import codecs
import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from imcprobe.cli.exits import ExitCode
from imcprobe.cli.signals import EndedError, caught, end
from imcprobe.cli.terminal import PROGRAM, Terminal, reason_of, say, silence
from imcprobe.errors import ImcprobeError, UsageError
from imcprobe.fingerprint.builds import FURTHER_BUILDS
from imcprobe.knowledge.releases import ARTICLE
from imcprobe.safetext import clip, escaped, safe
from imcprobe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

VERBS = ("check", "scan", "identify", "builds", "mock", "demo", "schema")
"""In the order of the help; each is a module of this package with a function of that name."""

_FIRST_SCREEN = """\
imcprobe {version}: which Exchange Server answers on port 25?
Reads the SMTP greeting, finds the Internet Mail Service build, names version and service pack.

  imcprobe check mail.example.com                 one host
  imcprobe scan 10.1.0.0/22 --exclude 10.1.0.1    a network
  imcprobe scan -i hosts.txt -o result.jsonl      a list, results to a file
  imcprobe identify '220 … (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready'
  imcprobe builds                                 the releases it knows
  imcprobe demo                                   a whole subnet of old servers, on this machine

Build table: KB {article} and {further} other documented builds, Exchange 4.0 to 5.5.
imcprobe COMMAND --help tells more.  Scan only networks you are responsible for.
"""
_LONGEST_WORD = 60
# Of a sentence of Typer's, which quotes all that it was given.
_LONGEST_SENTENCE = 200
_ESCAPED = "imcprobe"
_NO_MEMORY = "not enough memory. Split the list or the file, or raise the limit (ulimit -v)."
# New objects between two looks for garbage (Python: 700).
_COLLECT_AFTER = 20_000


def main() -> None:
    """Run the command line and leave with its exit code."""
    # A shell may have closed a stream (`>&-`): data then has nowhere to go, which is told like a full disk.
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("r")
    sys.stderr = sys.stderr or _nowhere("w")
    codecs.register_error(_ESCAPED, escaped)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its bytes, never an exception.
        stream.reconfigure(errors=_ESCAPED)  # type: ignore[union-attr]  # TextIO is less than it is
    # A scan makes no cycles, and most of what is alive was made at the start: rarely looking saves 4 %.
    gc.set_threshold(_COLLECT_AFTER)
    try:
        with caught(end):
            code = _flushed(run(sys.argv[1:]))
    except EndedError as error:  # on the very way out
        code = error.code
    sys.exit(code)


def _flushed(code: int) -> int:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            silence(stream)
            code = code or ExitCode.NOT_DONE
    return code


def _nowhere(mode: Literal["r", "w"]) -> TextIO:
    return Path(os.devnull).open(mode, encoding="utf-8")


def run(arguments: Sequence[str]) -> int:
    """Run the command line; what goes wrong becomes one line on stderr and a code."""
    try:
        return _run(list(arguments))
    except EndedError as error:
        return error.code
    except SystemExit:  # how Typer takes a reader of its help who has left
        silence(sys.stdout)
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug is told as one
        return _failed(error)


def _failed(error: Exception) -> ExitCode:
    for kind, code, words in _FAILURES:
        if isinstance(error, kind):
            say(words(error))
            return code
    from imcprobe.cli.bugs import show  # which nobody needs before

    show(error)
    say("that was a bug of imcprobe, sorry. Please report the lines above.")
    return ExitCode.BUG


def _run(arguments: list[str]) -> int:
    if not arguments:
        Terminal().out(_first_screen())
        return ExitCode.USAGE
    word = arguments[0]
    if word == "help":
        return _invoke(VERBS, ["--help"])
    if word in VERBS:
        return _invoke([word], arguments)
    if word.startswith("-"):
        return _invoke([] if word == "--version" else VERBS, arguments)
    if "." in word or ":" in word or word == "localhost":
        return _invoke(["check"], ["check", *arguments])
    shown = safe(clip(word, _LONGEST_WORD))
    raise UsageError(f'no such command "{shown}". For a host of that name: imcprobe check {shown}')


def _invoke(verbs: Iterable[str], arguments: list[str]) -> int:
    """Run Typer with the verbs that are needed: each loads what it works with."""
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_imcprobe)
    for verb in verbs:
        app.command(verb)(getattr(import_module(f"imcprobe.cli.{verb}"), verb))
    code = typer.main.get_command(app).main(arguments, prog_name=PROGRAM, standalone_mode=False)
    sys.stdout.flush()
    return int(code or 0)


def _show_version(wanted: bool) -> None:
    if wanted:
        Terminal().out(f"{PROGRAM} {__version__}\n")
        raise typer.Exit


def _imcprobe(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Which Exchange Server answers on port 25? Version and service pack from the SMTP greeting."""


def _first_screen() -> str:
    return _FIRST_SCREEN.format(version=__version__, article=ARTICLE, further=FURTHER_BUILDS)


def _sentence(error: Exception) -> str:
    """Typer's message with a full stop, and where help is."""
    told = getattr(error, "format_message", error.__str__)()
    return f"{clip(' '.join(told.split()).rstrip('.'), _LONGEST_SENTENCE)}. --help tells more."


def _unwritable(error: Exception) -> str:
    silence(sys.stdout)
    return f"a stream cannot be written: {reason_of(error) if isinstance(error, OSError) else error}."


# What may go wrong, the most specific first: the code to end with, and the words.
_FAILURES: tuple[tuple[type[Exception], ExitCode, Callable[[Exception], str]], ...] = (
    (UsageError, ExitCode.USAGE, str),
    (ImcprobeError, ExitCode.NOT_DONE, str),
    (typer.TyperException, ExitCode.USAGE, _sentence),
    (OSError, ExitCode.NOT_DONE, _unwritable),
    (MemoryError, ExitCode.NOT_DONE, lambda _: _NO_MEMORY),
)
