"""Scanners of other people: how each is called to read greetings, and how its findings are counted."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from contenders import Contender, size
from measure import CommandError, measured
from networks import NotRunError, inside, namespace, require_namespaces, system
from programs import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contenders import Ground
    from measure import Run

# A tool is tried before it takes part: versions differ in their options.
_TRIAL_BITS = 28
# For benchmarks by RFC 2544.
_FAR_NETWORK = "198.18.0.0/20"
_FAR_TRIAL = "198.18.0.0/28"
_FAR_SERVER = "198.19.0.1/15"
_FAR_SCANNER = "198.19.0.2"


@dataclass(frozen=True, slots=True)
class Tool:
    """A scanner: its name, the prefix of the network it gets, its command, and the mark of a finding.

    The command is made of a network, a port and the file that the findings go to; `to_stdout` says
    that they come on stdout and are to be sent there. `mark` occurs once for each greeting.
    """

    name: str
    bits: int
    command: Callable[[str, int, Path], list[str]]
    mark: bytes
    to_stdout: bool = True


def _nmap(network: str, port: int, out: Path) -> list[str]:
    return ["nmap", "-n", "-Pn", "-T5", "-p", str(port), "--script", "banner", "-oN", str(out), network]


def _pnscan(network: str, port: int, _: Path) -> list[str]:
    return ["pnscan", "-n200", "-t5000", network, str(port)]


def _doscan(network: str, port: int, _: Path) -> list[str]:
    # The expression lets it close after the line, and the pace does not hold it back.
    pace = ["-c", "1000", "-A", "1000", "-a", "10"]
    return ["doscan", *pace, "-p", str(port), "-b", "200", "-r", r"(.*?)\r?\n$", network]


def _zgrab2(network: str, port: int, out: Path) -> list[str]:
    # It reads its targets from a file. Without an address of its own it asks the Internet for one.
    targets = out.with_name("targets.txt")
    targets.write_text(network + "\n")
    files = ["-f", str(targets), "-o", str(out)]
    return ["zgrab2", *files, "-s", "1000", "--local-addr", "127.0.0.1", "banner", "-p", str(port)]


TOOLS = (
    Tool("nmap", 20, _nmap, b"banner: 220", to_stdout=False),
    Tool("pnscan", 16, _pnscan, b"220 mx"),  # it leaves out the first and the last address
    Tool("doscan", 16, _doscan, b"220 mx"),
    Tool("zgrab2", 20, _zgrab2, b"220 mx", to_stdout=False),
)


def found_tools(ground: Ground, port: int) -> tuple[list[Contender], list[str]]:
    """Those that are there and work as contenders, and a note on each of the others."""
    ways = {tool.name: partial(_tried, ground, tool, port) for tool in TOOLS}
    ways["masscan"] = partial(_tried_masscan, ground)
    contenders, notes = [], []
    for name, way in ways.items():
        try:
            contenders.append(way())
        except (NotRunError, CommandError) as reason:
            notes.append(f"{name}: {reason}")
    return contenders, notes


def _tried(ground: Ground, tool: Tool, port: int) -> Contender:
    if shutil.which(tool.name) is None:
        raise NotRunError("not on PATH")
    _run(ground, tool, port, _TRIAL_BITS)
    return Contender(tool.name, 1 << (32 - tool.bits), lambda: _run(ground, tool, port, tool.bits), "C")


def _run(ground: Ground, tool: Tool, port: int, bits: int) -> Run:
    out = ground.folder / "findings"
    command = tool.command(ground.networks.take(bits), port, out)
    run = measured(command, stdout=out if tool.to_stdout else None)
    return replace(run, found=_lines_with(tool.mark, out))


def _lines_with(mark: bytes, path: Path) -> int:
    """Line by line, so that this process stays small."""
    with path.open("rb") as file:
        return sum(mark in line for line in file)


def _tried_masscan(ground: Ground) -> Contender:
    require_namespaces("masscan")
    _masscan(ground, _FAR_TRIAL)
    return Contender("masscan", size(_FAR_NETWORK), lambda: _masscan(ground, _FAR_NETWORK), "C")


def _masscan(ground: Ground, network: str) -> Run:
    """Scan over a wire: masscan has a TCP of its own, which loopback and its kernel do not get along with."""
    out = ground.folder / "findings"
    with namespace() as near, namespace() as far:
        hardware = _wire(near, far)
        with serving([*inside(far), *ground.programs.target]) as port:
            way = ["-e", "near", "--source-ip", _FAR_SCANNER, "--router-mac", hardware]
            pace = ["--rate", "5000", "--wait", "3"]
            what = ["-p", str(port), "--banners", "-oL", str(out)]
            run = measured([*inside(near), "masscan", network, *what, *pace, *way])
    return replace(run, found=_lines_with(b"220 mx", out))


def _wire(near: str, far: str) -> str:
    """Join two namespaces, the far one answering for the whole network; returns its hardware address."""
    system("ip", "-n", near, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far)
    system("ip", "-n", far, "addr", "add", _FAR_SERVER, "dev", "far")
    for name, device in ((near, "near"), (far, "far")):
        system("ip", "-n", name, "link", "set", "dev", device, "up")
    system("ip", "-n", far, "route", "add", "local", _FAR_NETWORK, "dev", "lo")
    scanner = _hardware_address(near, "near")
    # masscan answers no ARP before it has begun.
    system("ip", "-n", far, "neigh", "add", _FAR_SCANNER, "lladdr", scanner, "dev", "far")
    return _hardware_address(far, "far")


def _hardware_address(name: str, device: str) -> str:
    return system(*inside(name), "cat", f"/sys/class/net/{device}/address").strip()
