"""Fuzzes parsers under atheris: `python tests/fuzz/fuzz.py [NAME...] [--seconds N]`, exit 1 for a finding.

Atheris ends its process, so each parser has one of its own; all its files are in a temporary folder.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

NAMES = ("reply", "greeting", "ehlo", "targets", "records", "unfinished", "ntlm", "certificate")
_MISSING = "fuzz.py needs atheris: pip install -e '.[fuzz]'"
_EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)|^#(\d+)\s", re.MULTILINE)
_FAILED, _CANNOT = 1, 2
# Long enough for a file of a few records; what is longer is a flood of test_promises.py.
_MAX_LENGTH = 8192
_MEMORY_MB = 2048
_SECONDS_FOR_ONE = 20
_SHOWN = 4000


def _fuzz(name: str, folder: Path, seconds: int) -> None:
    """In a process of its own, which ends here."""
    import atheris

    with atheris.instrument_imports(include=["imcprobe"]):
        from promises import PROMISES
        from seeds import seeds, words
    corpus = folder / "corpus"
    corpus.mkdir()
    for seed in seeds(name):
        (corpus / sha256(seed).hexdigest()).write_bytes(seed)
    known = folder / "words"
    known.write_text("".join(f'"{_escaped(word)}"\n' for word in words(name)))
    options = {
        "artifact_prefix": f"{folder}/",
        "dict": known,
        "max_len": _MAX_LENGTH,
        "max_total_time": seconds,
        "print_final_stats": 1,
        "rss_limit_mb": _MEMORY_MB,
        "timeout": _SECONDS_FOR_ONE,
    }
    atheris.Setup([name, str(corpus), *(f"-{key}={value}" for key, value in options.items())], PROMISES[name])
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _run(name: str, seconds: int) -> bool:
    """Fuzz one parser and say what came of it: whether nothing was found."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, name, "--seconds", str(seconds), "--in-folder", folder]
        done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        found = [path.read_bytes() for path in Path(folder).iterdir() if re.match("[a-z]+-", path.name)]
    raised, said = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    executions = max((int(each[1] or each[2]) for each in _EXECUTIONS.finditer(said)), default=0)
    print(f"{name:10} {executions:>10,} executions, {len(found)} findings", flush=True)
    if found or done.returncode:
        # Atheris writes what was raised to stdout, libFuzzer what it does to stderr.
        print((raised.strip() or said)[-_SHOWN:], *map(repr, found), sep="\n", flush=True)
    return not found and done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the parsers of imcprobe.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all without any"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each parser")
    parser.add_argument("--in-folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = given.names or NAMES
    unknown = set(names).difference(NAMES)
    if unknown:
        parser.error(f"no parser: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if importlib.util.find_spec("atheris") is None:
        print(_MISSING, file=sys.stderr)
        return _CANNOT
    if given.in_folder:
        _fuzz(names[0], given.in_folder, given.seconds)
    clean = [_run(name, given.seconds) for name in names]
    return 0 if all(clean) else _FAILED


if __name__ == "__main__":
    sys.exit(main())
