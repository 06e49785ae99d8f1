"""A mock Exchange server for tests: any build's greeting, any misbehaviour, one or a thousand.

    async with MockServer(greeting_for("5.0.1460.8"), faults=[parse_fault("delay=2s")]) as server:
        ...

`MockServer` is one server, `Fleet` many (`Member` says what each does), `serve_in_thread` runs
either beside synchronous code. `greeting_for` a build, `named_greeting` of another product,
`greeting_of` either; `member_of` also answers EHLO, STARTTLS and the like as that server does, a
`Manner` of your own as you say, with `challenge_of` a Windows for AUTH NTLM. `parse_fault` reads what
`FAULTS` lists, `Fault` carries a behaviour of your own. `HOSTILE` is a fleet of all that a broken or
ill-meaning world does to a scanner, each `Case` with what is `Expected` of one; `hostile_cases` names
them. With pytest there are the fixtures `imc_server` and `imc_fleet` (`imcprobe.testing.plugin`).

The names are loaded when they are used: every pytest run imports this package for its plugin.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imcprobe.testing.behaviours import Behaviour, Line
    from imcprobe.testing.faults import FAULTS, Fault, Point, parse_fault
    from imcprobe.testing.fleet import MAX_MEMBERS, Fleet, Member
    from imcprobe.testing.greetings import GREETING_NAMES, greeting_for, greeting_of, named_greeting
    from imcprobe.testing.hostile.case import Case, Expected
    from imcprobe.testing.hostile.fleet import HOSTILE, hostile_cases
    from imcprobe.testing.manner import EHLO_5_5, Manner
    from imcprobe.testing.ntlm import challenge_of
    from imcprobe.testing.profiles import member_of
    from imcprobe.testing.running import ADDRESS_VARIABLE, run_with, serve, serve_in_thread
    from imcprobe.testing.server import DEFAULT_GREETING, MockServer

_MODULES = {
    "behaviours": ("Behaviour", "Line"),
    "faults": ("FAULTS", "Fault", "Point", "parse_fault"),
    "fleet": ("MAX_MEMBERS", "Fleet", "Member"),
    "greetings": ("GREETING_NAMES", "greeting_for", "greeting_of", "named_greeting"),
    "hostile.case": ("Case", "Expected"),
    "hostile.fleet": ("HOSTILE", "hostile_cases"),
    "ntlm": ("challenge_of",),
    "profiles": ("member_of",),
    "running": ("ADDRESS_VARIABLE", "run_with", "serve", "serve_in_thread"),
    "manner": ("EHLO_5_5", "Manner"),
    "server": ("DEFAULT_GREETING", "MockServer"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "ADDRESS_VARIABLE",
    "DEFAULT_GREETING",
    "EHLO_5_5",
    "FAULTS",
    "GREETING_NAMES",
    "HOSTILE",
    "MAX_MEMBERS",
    "Behaviour",
    "Case",
    "Expected",
    "Fault",
    "Fleet",
    "Line",
    "Manner",
    "Member",
    "MockServer",
    "Point",
    "challenge_of",
    "greeting_for",
    "greeting_of",
    "hostile_cases",
    "member_of",
    "named_greeting",
    "parse_fault",
    "run_with",
    "serve",
    "serve_in_thread",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
