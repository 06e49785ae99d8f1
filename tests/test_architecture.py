"""The rooms and who may know whom, held by reading the source."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "imcprobe"
MODULES = sorted(PACKAGE.rglob("*.py"))

CORE = (
    "errors",
    "version",
    "safetext",
    "evidence",
    "meaning",
    "model",
    "addresses",
    "hosts",
    "order",
    "targets",
    "knowledge",
    "fingerprint",
)
# What each room may import from; a room may always import from itself.
ALLOWED = {
    "errors": (),
    "version": (),
    "safetext": (),
    "evidence": (),
    "meaning": (),
    "model": ("evidence", "meaning"),
    "addresses": ("errors", "safetext", "model"),
    "hosts": ("addresses",),
    "order": ("errors", "safetext"),
    "targets": ("errors", "safetext", "model", "addresses", "hosts", "order"),
    "knowledge": ("errors", "safetext", "evidence", "meaning", "model"),
    "fingerprint": (
        "errors",
        "safetext",
        "evidence",
        "meaning",
        "model",
        "addresses",
        "targets",
        "knowledge",
    ),
    "probe": CORE,
    "sources": CORE,
    "outputs": CORE,
    "testing": CORE,
    "cli": (*CORE, "probe", "sources", "outputs", "testing"),
    "__init__": (*CORE, "probe"),
    "__main__": ("cli",),
}
# Outside worlds, and the only rooms that may know them.
ONLY_IN = {
    "aiosmtplib": {"probe"},
    "dns": {"probe"},
    "typer": {"cli"},
    "rich": {"outputs", "cli"},
    "pytest": {"testing"},
}
# What reaches out of the process: network, files, clock, chance, other processes, threads, the machine.
NOT_IN_CORE = {
    "asyncio",
    "concurrent",
    "datetime",
    "fcntl",
    "getpass",
    "glob",
    "http",
    "io",
    "logging",
    "mmap",
    "multiprocessing",
    "os",
    "pathlib",
    "platform",
    "random",
    "resource",
    "secrets",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "socketserver",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}
# Calls that do the same without an import: by their last name, so that `path.open()` is one.
NOT_CALLED_IN_CORE = {
    "__import__",
    "breakpoint",
    "eval",
    "exec",
    "import_module",
    "input",
    "open",
    "print",
    "read_bytes",
    "read_text",
    "write_bytes",
    "write_text",
}
MAX_LINES = 300
ROW_FILES = {"knowledge"}
# What was loaded already (by coverage, say) is not this package's doing.
BEFORE, AFTER = "import sys; before = set(sys.modules)", "print(*set(sys.modules) - before)"


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMES = frozenset(map(module_name, MODULES))


def imports(path: Path, *, at_run_time: bool = False) -> set[str]:
    """The modules that a module imports, also those that it takes out of their package by name."""
    tree = ast.parse(path.read_text())
    if at_run_time:
        tree.body = [node for node in tree.body if not _is_type_checking(node)]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import from the defining module, by its whole name"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & NAMES
    return found


def called(path: Path) -> set[str]:
    """What a module calls, as it is written."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}


def last_names(calls: set[str]) -> set[str]:
    return {name.rpartition(".")[2] for name in calls}


def _is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import subprocess", {"subprocess"}),
        ("from urllib.request import urlopen", {"urllib.request"}),
        ("from imcprobe.outputs import table", {"imcprobe.outputs", "imcprobe.outputs.table"}),
        ("from imcprobe.model import Build", {"imcprobe.model"}),
        ("def f():\n    from imcprobe.cli import app", {"imcprobe.cli", "imcprobe.cli.app"}),
        ("if TYPE_CHECKING:\n    import socket", set()),
    ],
)
def test_the_reader_of_imports_sees_every_way_to_write_one(
    tmp_path: Path, source: str, found: set[str]
) -> None:
    module = tmp_path / "module.py"
    module.write_text(source)
    assert imports(module, at_run_time=True) == found


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("open('x')", "open"),
        ("path.open()", "open"),
        ("Path('x').read_text()", "read_text"),
        ("(here / 'x').write_bytes(b'')", "write_bytes"),
        ("builtins.print('x')", "print"),
        ("sys.exit(1)", "exit"),
        ("lines[0](print('x'))", "print"),
    ],
)
def test_the_reader_of_calls_sees_every_way_to_write_one(tmp_path: Path, source: str, name: str) -> None:
    module = tmp_path / "module.py"
    module.write_text(source)
    assert name in last_names(called(module))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_knows_only_the_rooms_before_it(path: Path) -> None:
    allowed = {room(path), *ALLOWED[room(path)]}
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "imcprobe":
            continue
        assert len(parts) > 1, f"{name}: import from the defining module, never from the package"
        assert parts[1] in allowed, f"{room(path)} must not know {parts[1]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_outside_library_is_known_to_its_room_alone(path: Path) -> None:
    for name in imports(path):
        outside = name.partition(".")[0]
        assert room(path) in ONLY_IN.get(outside, {room(path)}), f"{outside} in {room(path)}"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room(path) in CORE], ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_core_is_pure(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports(path)} & NOT_IN_CORE
    assert not last_names(called(path)) & NOT_CALLED_IN_CORE


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if room(path) not in ("cli", "__main__")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_only_the_command_line_prints_and_exits(path: Path) -> None:
    assert not called(path) & {"print", "builtins.print", "sys.exit", "exit", "quit", "os._exit", "os.abort"}


def test_there_are_no_cycles() -> None:
    graph = {module_name(path): imports(path, at_run_time=True) for path in MODULES}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name in done or name not in graph:
            return
        for other in graph[name]:
            visit(other, (*way, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_a_module_that_is_no_data_has_at_most_300_lines() -> None:
    long = {
        str(path): len(path.read_text().splitlines())
        for path in MODULES
        if room(path) not in ROW_FILES and len(path.read_text().splitlines()) > MAX_LINES
    }
    assert not long


def test_the_top_level_is_fixed() -> None:
    made = {"build", "dist", "htmlcov", "__pycache__"}
    top = {path.name for path in ROOT.iterdir()} - made
    assert {name for name in top if not name.startswith(".")} == {
        "pyproject.toml",
        "README.md",
        "imcprobe",
        "tests",
        "fixtures",
    }


def test_importing_the_package_loads_next_to_nothing() -> None:
    loaded = run_python(f"{BEFORE}; import imcprobe; {AFTER}").split()
    heavy = {"typer", "rich", "aiosmtplib", "asyncio", "socket", "imcprobe.model", "imcprobe.probe"}
    assert not heavy & set(loaded)


def test_the_pytest_plugin_imports_nothing_heavy() -> None:
    loaded = run_python(f"{BEFORE}; import imcprobe.testing.plugin; {AFTER}").split()
    assert not {"typer", "rich", "aiosmtplib", "imcprobe.model", "imcprobe.testing.server"} & set(loaded)


def test_every_public_name_can_be_had() -> None:
    names = "[getattr(imcprobe, name).__class__ for name in imcprobe.__all__]"
    assert run_python(f"import imcprobe; print(len({names}) == len(imcprobe.__all__))") == "True\n"


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    ).stdout
