"""Output files: opened before anything is probed, written as results come, whole records at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from imcprobe.cli.inputs import as_given, shown_path
from imcprobe.cli.terminal import reason_of
from imcprobe.errors import OutputError, UsageError
from imcprobe.outputs.formats import ENDINGS, FORMATS, JsonLines
from imcprobe.safetext import quoted, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imcprobe.cli.resume import Earlier
    from imcprobe.model import Result
    from imcprobe.outputs.formats import Format
    from imcprobe.outputs.records import Head
    from imcprobe.outputs.tally import Tally

ONLY: dict[str, Callable[[Result], bool]] = {
    "answered": lambda result: result.observation.answered,
    "exchange": lambda result: result.identification is not None and result.identification.exchange,
}
"""The words of `--only`."""


@dataclass(slots=True)
class _File:
    path: str
    format: Format
    stream: FileIO
    resumable: bool = False
    made: bool = False
    resumed: bool = False
    begun: bool = False
    holds: bool = False
    broken: bool = False


class OutputFiles:
    """All files of a run. What cannot be written raises OutputError, and is left alone from then on."""

    def __init__(
        self,
        paths: Iterable[str],
        *,
        force: bool,
        only: str | None,
        earlier: Earlier | None = None,
        resumable: bool = False,
    ) -> None:
        """Open all. Raises UsageError for unknown endings and words, and for files that exist.

        The file of an `earlier` scan is continued, and the others replaced; `resumable` ones that exist
        could be. When one cannot be had, the
        others are as they were before: nothing is emptied, nothing left behind.
        """
        self.only = _parse_only(only)
        self._held = 0
        self._files: list[_File] = []
        others = [path for path in paths if earlier is None or not is_same_file(path, earlier.path)]
        wanted = [(path, _format_of(path)) for path in dict.fromkeys(others)]
        _check_apart(path for path, _ in wanted)
        try:
            for path, form in wanted:
                replaces = force or earlier is not None
                self._files.append(_opened(path, form, force=replaces, resumable=resumable))
            if earlier is not None:
                self._files.insert(0, _continued(earlier))
                self._held = earlier.count
        except BaseException:
            self.close()
            raise
        self._end_of_earlier = 0 if earlier is None else earlier.end

    def start(self, head: Head) -> None:
        """Empty all but the one that is continued, and write their beginnings."""
        for file in self._files:
            if not file.resumed:
                _cut(file, 0)
        self._write_each(lambda file: "" if file.resumed else file.format.start(head))

    def go_on(self) -> None:
        """Cut the old end of the file that is continued: until then it stays as it is."""
        for file in self._files:
            if file.resumed:
                _cut(file, self._end_of_earlier)

    def add(self, results: list[Result], *, earlier: bool = False) -> None:
        """Write the results that the files are to hold, in one piece a file; `earlier` ones are in one."""
        if not self._files:
            return
        held = (
            [each for each in results if all(ONLY[word](each) for word in self.only)]
            if self.only
            else results
        )
        self._held += 0 if earlier else len(held)
        self._write_each(lambda file: "" if earlier and file.resumed else file.format.rows(held))

    def end(self, tally: Tally, seconds: float, *, complete: bool) -> str:
        """Write the ends; returns what was written, in words, empty without files."""
        for file in self._files:
            if file.format.is_document and file.holds:
                # What had no room was taken away again: there may be enough for what makes it a document.
                file.broken = False
        try:
            self._write_each(
                lambda file: file.format.end(tally, seconds, complete=complete) if file.begun else ""
            )
        finally:
            self.close()
        state = "complete" if complete else "incomplete"
        records = f"{self._held:,} record{'' if self._held == 1 else 's'}"
        first, *others = [safe(file.path) for file in self._files if file.begun] or [""]
        return first and ", ".join([f"{first} ({records}, {state})", *others])

    def _write_each(self, text_of: Callable[[_File], str]) -> None:
        """Write to all that are open, also when one of them fails. Raises the first failure afterwards."""
        failures: list[OutputError] = []
        for file in self._files:
            if file.stream.closed:
                continue
            try:
                _write(file, text_of(file))
            except OutputError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def close(self) -> None:
        """Close all, and leave nothing behind that was made here and holds nothing."""
        for file in self._files:
            with contextlib.suppress(OSError):
                file.stream.close()
            if file.made and not file.holds:
                with contextlib.suppress(OSError):
                    Path(file.path).unlink()


def _parse_only(text: str | None) -> tuple[str, ...]:
    """The conditions that what files hold must meet, none for all."""
    words = () if text is None else tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if word not in ONLY:
            raise UsageError(f"--only {quoted(word)}: unknown. Known: {', '.join(ONLY)}.")
    return words


def _format_of(path: str) -> Format:
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"-o {as_given(path)}: unknown ending. Known: {' '.join(ENDINGS)}.")
    return FORMATS[ENDINGS[ending]]()


def _opened(path: str, form: Format, *, force: bool, resumable: bool) -> _File:
    """A file that nobody else writes. Raises UsageError, OutputError."""
    file = _made(path, form)
    if file is None:
        if not force and not Path(path).is_dir():
            store = resumable and isinstance(form, JsonLines) and Path(path).is_file()
            resume = "--resume continues it, " if store else ""
            raise UsageError(f"{safe(path)} exists. {resume}--force replaces it.")
        file = _File(path, form, _written_over(path))
    file.resumable = resumable and isinstance(form, JsonLines)
    try:
        lock(file.stream.fileno(), path)
    except UsageError:
        file.stream.close()  # whoever holds it goes on with it, whoever made it
        raise
    return file


def _made(path: str, form: Format) -> _File | None:
    """A new file, None where there is one already."""
    try:
        return _File(path, form, FileIO(path, "xb"), made=True)
    except FileExistsError:
        return None
    except OSError as error:
        raise _unwritable(path, error) from error


def _written_over(path: str) -> FileIO:
    """A file to write to that is not emptied yet: perhaps another one cannot be had, and there is no run."""
    try:
        return FileIO(os.open(path, os.O_WRONLY | os.O_CREAT), "wb")  # a path would be emptied
    except OSError as error:
        raise _unwritable(path, error) from error


def _continued(earlier: Earlier) -> _File:
    """The file of an earlier scan, to be written from behind its last whole record on.

    Raises UsageError when it is another file by now, OutputError when it cannot be written.
    """
    stream = _written_over(earlier.path)
    if not os.path.sameopenfile(stream.fileno(), earlier.descriptor):
        stream.close()
        raise UsageError(f"--resume {as_given(earlier.path)}: somebody has replaced it. Start again.")
    os.lseek(stream.fileno(), earlier.end, os.SEEK_SET)
    return _File(earlier.path, FORMATS["jsonl"](), stream, resumable=True, resumed=True, holds=True)


def _cut(file: _File, size: int) -> None:
    file.begun = True
    with contextlib.suppress(OSError):  # a device: there is nothing to empty
        file.stream.truncate(size)


def is_same_file(path: str, other: str) -> bool:
    """Whether two paths lead to one file."""
    try:
        return os.path.samefile(path, other)  # noqa: PTH121 - the paths may be anything
    except (OSError, ValueError):
        return False


def lock(descriptor: int, path: str) -> None:
    """Keep other imcprobes from writing a file; devices are everybody's. Raises UsageError when one does."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise UsageError(f"{safe(path)} is being written by another imcprobe. Wait for it.") from None
        # A file system without locks: nobody can be kept away.


def _check_apart(paths: Iterable[str]) -> None:
    """Raise UsageError when two paths lead to one file; a device may be written to by several."""
    seen: dict[object, str] = {}
    for path in paths:
        other = seen.setdefault(_identity(path), path)
        if other is not path:
            raise UsageError(f"-o {as_given(other)} and -o {as_given(path)} are one file. Give it once.")


def _identity(path: str) -> object:
    """What two paths to one file have in common: its inode, or its place where it does not exist yet."""
    try:
        known = Path(path).stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    return (known.st_dev, known.st_ino) if stat.S_ISREG(known.st_mode) else path


def _write(file: _File, text: str) -> None:
    """Write all of a text or, where that fails, as many whole lines as there is room for."""
    if file.broken or not text:
        return
    data, descriptor, written = text.encode(), file.stream.fileno(), 0
    try:
        while written < len(data):
            written += os.write(descriptor, memoryview(data)[written:])
    except OSError as error:
        file.broken = True
        # What separates the records of a document stands before each.
        whole = 0 if file.format.is_document else data.rfind(b"\n", 0, written) + 1
        cut = _take_back(descriptor, written - whole)
        remedy = " --resume continues it." if cut and file.resumable and file.holds else ""
        raise _unwritable(file.path, error, remedy) from error
    file.holds = True


def _take_back(descriptor: int, size: int) -> bool:
    """Cut off the last bytes that were written; False of a device, which has taken them."""
    try:
        os.ftruncate(descriptor, os.lseek(descriptor, -size, os.SEEK_CUR))
    except OSError:
        return False
    return True


def _unwritable(path: str, error: OSError, remedy: str = "") -> OutputError:
    return OutputError(f"{shown_path(path)} cannot be written: {reason_of(error)}.{remedy}")
