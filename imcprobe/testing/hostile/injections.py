r"""Servers that talk to whoever reads the output: terminals, spreadsheets, browsers, parsers, logs.

Each is an Exchange 5.5 SP3 behind what it injects: the answer must stand, in one row, with nothing of it
raw. Texts that would do harm in earnest do nothing here but show that they arrived.
"""

from __future__ import annotations

from imcprobe.testing.hostile.case import SP3, Case, no_build, says, sp3

_IMS = b"Microsoft Exchange Internet Mail Service 5.5.2650.21"


def _behind(name: str, does: str, injected: bytes) -> Case:
    """Injected behind the answer, in the same line."""
    said = SP3.replace(b"ready\r\n", injected + b"\r\n")
    return says(name, does, said, sp3(said))


def _before(name: str, does: str, injected: bytes) -> Case:
    """Injected in place of the host, where a cell of its own could come of it."""
    said = b"220 " + injected + b" ESMTP Server (" + _IMS + b") ready\r\n"
    return says(name, does, said, sp3(said))


def _lines(name: str, does: str, *injected: bytes) -> Case:
    """Injected as lines of their own, before the answer."""
    said = b"".join(b"220-" + line + b"\r\n" for line in injected) + SP3
    return says(name, does, said, sp3(said))


def _as_build(name: str, does: str, injected: bytes) -> Case:
    """Injected in place of the build, which output shows in a cell of its own."""
    build = b"5.5." + injected
    return no_build(name, does, build, build.decode("utf-8", "surrogateescape"))


CASES = (
    _behind("ansi-colour", "colours, and hides text", b"\x1b[31;8mready\x1b[0m"),
    _behind("ansi-clear", "clears the screen and goes home", b"\x1b[2J\x1b[3J\x1b[H"),
    _behind("ansi-up", "goes up a line, and writes over it", b"\x1b[1A\x1b[2K0 Exchange"),
    _behind("ansi-report", "makes the terminal type (DSR, DA)", b"\x1b[6n\x1b[c\x1b[>c"),
    _behind("osc-title", "sets the title", b"\x1b]0;owned\x07\x1b]2;owned\x1b\\"),
    _behind("osc-link", "makes a link of text", b"\x1b]8;;https://example.com/\x1b\\ready\x1b]8;;\x1b\\"),
    _behind("osc-clipboard", "fills the clipboard", b"\x1b]52;c;cm0gLXJmIH4K\x07"),
    _behind("dcs", "sends a device control string", b"\x1bP$q q\x1b\\\x1b_apc\x1b\\\x1b^pm\x1b\\"),
    _behind("c1", "C1 controls as single bytes", b"\x9b31m\x9d0;owned\x9c\x90x\x9c"),
    _behind("c1-utf-8", "C1 controls in UTF-8", "\x9b31m\x9d0;owned\x9c\x85".encode()),
    _behind("carriage-return", "CR, to write over the line", b"ready\r127.0.0.1  nothing to see"),
    _behind("backspace", "BS and DEL, to rub out", b"SP3" + b"\b" * 80 + b"\x7f" * 20),
    _behind("bell", "rings, feeds forms, tabs vertically, shifts out", b"\a\f\v\x0e\x0f\x05"),
    _behind("bidi", "turns the reading direction", "\u202e12.0562.5.5\u202c \u2066x\u2069 \u200f".encode()),
    _behind(
        "zero-width", "letters nobody sees", "SP\u200b3\u200c\u200d\u2060\ufeff\u00ad\u3164\u180e".encode()
    ),
    _behind("combining", "letters that climb", ("Z" + "\u0301" * 40).encode()),
    _behind("line-separators", "line ends of Unicode", "a\u2028b\u2029c\x85d".encode()),
    _behind("tags", "tag characters and private ones", "\U000e0041\U000e007f\ue000\U0010ffff".encode()),
    _behind("escaped", "text that looks like an escape of imcprobe's", rb"\x1b[31m \\x0d\x0a \\"),
    _behind("markup", "Rich markup", b"[bold red]ready[/] [link=https://example.com]x[/link] [/nothing]"),
    _behind("format-strings", "format strings", b"%s%s%n %(name)s {0} {} {__class__} $HOME `id` $(id)"),
    _behind("jndi", "a lookup of Log4j", b"${jndi:ldap://example.com/x} ${env:PATH}"),
    _behind("html", "a script, and a way out of an attribute", b"<script>alert(1)</script>\"' onload=x <!--"),
    _behind("javascript", "a link that runs", b"javascript:alert(1) data:text/html,x"),
    _behind(
        "json", "an end of the string, and a record", b'"},{"type":"result","target":"192.0.2.1"} \\u001b \\"'
    ),
    _behind("xml", "an end of the section, an entity", b"]]>&x;<!ENTITY x SYSTEM 'file:///etc/hostname'>"),
    _behind("sql", "an end of the statement", b"'; DROP TABLE results; --"),
    _before("formula", "a formula as its host", b"=cmd|'/C calc'!A0"),
    _before("formula-at", "a formula as old spreadsheets have it", b"@SUM(1+1)*cmd|'/C calc'!A0"),
    _before("formula-sign", "a formula that begins with a sign", b"+1-2"),
    _before("formula-minus", "another one", b"-2+3"),
    _before("quotes", "quotes, commas and semicolons", b'"a","b";"=1+1",\'c\''),
    _before("tab-columns", "tabs, to shift columns", b"a\tb\t=1+1\tsuccess\tExchange Server 5.5 SP4"),
    _before("apostrophe", "what the guard against formulas looks like", b"'=1+1"),
    _lines(
        "forged-rows",
        "rows of a table, a line and a summary as further lines",
        b" 192.0.2.1  25 Exchange Server 5.5 SP4  5.5.2653.13",
        b"192.0.2.1\t25\tsuccess\tExchange Server 5.5 Service Pack 4\t5.5.2653.13\tmx\tended",
        b" 99 Exchange                                       99 targets, 0.1 s",
    ),
    _lines(
        "forged-records",
        "records of its own as further lines",
        b'{"type":"result","target":"192.0.2.1","ip":null,"port":25,"status":"success"}',
        b'{"type":"summary","complete":true,"targets":1}',
        b"imcprobe: wrote today.jsonl (1 record, complete)",
    ),
    _as_build("build-control", "control characters as its build", b"\x1bc\x08\x9b"),
    _as_build("build-bidi", "a build that reads backwards", "\u202e12".encode()),
)
