"""What fuzzing begins with: inputs that get far into each parser, from fixtures and from imcprobe itself."""

from __future__ import annotations

import base64
import codecs
import json
from pathlib import Path
from typing import Any

import der
from challenges import HEAD, REAL, built, pair
from imcprobe.evidence import Certificate, Ntlm, Replies, Reply, Tls
from imcprobe.fingerprint.identify import conclude
from imcprobe.knowledge.greetings import PATTERNS
from imcprobe.model import Observation, Status, Target, Times
from imcprobe.outputs.formats import FORMATS
from imcprobe.outputs.records import Head
from imcprobe.outputs.tally import Tally

_FOLDER = Path(__file__).parents[2] / "fixtures" / "greetings"
_EHLO = ("250-mx.example.com", "250-SIZE 1", "250-X-LINK2STATE", "250-XEXCH50", "250-XRDST", "250 HELP")
_CONVERSATION: dict[str, Any] = {
    "tls": Tls(
        offered=True,
        negotiated=True,
        verified=False,
        certificate=Certificate(
            b"\x30\x82\xff", "CN=a\x1b", names=("mx.example.com", "\\"), not_after="2024-01-01T00:00:00Z"
        ),
        ehlo=("mx.example.com", "AUTH NTLM"),
        error="after 30 s",
    ),
    "ntlm": Ntlm(b"NTLMSSP\0\xff", "CORP\x1b", dns_computer="ex1.example.com", windows=(6, 1, 7601)),
    "replies": Replies(helo=Reply(250, ("mx \x1b", "")), quit=Reply(221, ("closing connection",))),
    "ptr": ("mx.example.com", "a\x1bb"),
}
SPECS = (
    "10.0.0.1",
    "mx.example.com:2525",
    "[2001:db8::1]:2525",
    "[fe80::1%eth0]:587",
    "10.1.0.0/22",
    "2001:db8::/112",
    "::ffff:10.0.0.0/112",
    "10.0.0.1-10.0.1.50",
    "10.0.0.1-50",
    "10.0.0-3.1-254",
    "0.0.0.0/8",
    "::-::5",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "http://example.com/",
    "example.com.",
    "# a comment",
)


def greetings() -> list[bytes]:
    """Every greeting that is documented or was captured, and the examples of the patterns."""
    lines = [
        line for name in ("greetings", "variants") for line in _lines_of(_FOLDER / f"{name}.jsonl") if line
    ]
    said = [str(json.loads(line)["greeting"]) for line in lines]
    said += [f"{example}\r\n" for pattern in PATTERNS for example in pattern.examples]
    return [text.encode("utf-8", "surrogateescape") for text in said]


def stored(form: str, said: list[bytes], source: str | None = None) -> bytes:
    """A scan of servers that said this, as imcprobe stores it."""
    writer = FORMATS[form]()
    observations = [
        Observation(
            Target("mx.example.com", 0 if source == "text" else 2525),
            None if number % 2 else "192.0.2.1",
            Status.SUCCESS if number % 3 else Status.IO_TIMEOUT,
            each,
            ehlo=("mx \x1b\\", "X-LINK2STATE") if number % 2 else None,
            times=Times(1.5, 12.5),
            error="after 30 s" if number % 3 == 0 else None,
            seen_at=1_795_000_000.5,
            **(_CONVERSATION if number % 2 else {}),
        )
        for number, each in enumerate(said)
    ]
    text = writer.start(Head("0.1.0", 0.0, len(observations), source=source))
    text += "".join(writer.row(conclude(seen)) for seen in observations)
    return (text + writer.end(Tally(), 1.0, complete=True)).encode()


def certificates() -> list[bytes]:
    """Certificates of old servers."""
    named = der.alternative((der.DNS, b"EX1"), (der.DNS, b"ex1.example.com"), (der.ADDRESS, b"\xc0\0\2\1"))
    return [
        der.certificate(),
        der.certificate(named, signature=der.SHA256, key=der.rsa(2048)),
        der.certificate(named, issuer=der.name(b"Example CA"), signature=der.MD5, key=der.rsa(512)),
        der.certificate(version=1, serial=-1, subject=der.name(b"\0E\0X", der.BMP), key=der.dsa(1024)),
        der.certificate(dates=(b"18000101000000Z", b"99991231235959Z"), signature="1.2.3.4"),
    ]


def seeds(name: str) -> list[bytes]:
    """Where the fuzzing of a parser begins. No floods: one takes the time of a hundred others."""
    said = greetings()
    answer = "\r\n".join(_EHLO).encode() + b"\r\n"
    if name == "targets":
        lines = "\n".join(SPECS)
        texts = [*SPECS, lines, f"{lines}\n!!10.0.0.0/30\r\nmx.example.com"]
        return [
            *(text.encode() for text in texts),
            codecs.BOM_UTF8 + lines.encode(),
            lines.encode("utf-16"),
            lines.encode("utf-16-be"),
        ]
    if name in ("records", "unfinished"):
        files = [stored(form, said[at : at + 2]) for form in ("jsonl", "json") for at in (0, 20, 40)]
        more = [stored("jsonl", said[:1], "text"), stored("jsonl", [])]
        return [*files, *more, *(said if name == "records" else ())]
    if name == "ntlm":
        return [*REAL, built(pair(2, b"D\0") * 3), *map(base64.b64encode, REAL), b"ntlm supported"]
    if name == "certificate":
        return certificates()
    if name == "ehlo":
        return [each.split(b"\n")[0] + b"\n" + answer for each in said]
    return [*said, answer, b"220-a\r\n220 b\r\nmore"]


def words(name: str) -> list[bytes]:
    """What mutations put in: words of the parser's own that chance would not find."""
    own = {
        "targets": [each.encode() for each in (*SPECS, "!!", "::", "/", "-", "%", "\n", "255", "[", "]")],
        "records": [
            b'"status"',
            b'"greeting_base64"',
            b'"target"',
            b'"port"',
            b'"times"',
            b'"type":"result"',
            b'"tls":{',
            b'"ntlm":{',
            b'"replies":{',
            b'"certificate":null',
        ],
    }
    own["ntlm"] = [HEAD, base64.b64encode(HEAD), *(bytes([kind, 0]) for kind in range(8)), b"8\0\0\0"]
    oids = (der.MD2, der.SHA1, "2.5.29.17", "2.5.4.3", "1.2.840.113549.1.1.1", "1.2.840.10040.4.1")
    own["certificate"] = [*map(der.oid, oids), bytes([der.DNS, 1]), b"\x30\x82", b"\x18\x0f", b"\xa3\x1f"]
    own["unfinished"] = own["records"]
    patterns = [pattern.word.encode() for pattern in PATTERNS]
    more = [b"220 ", b"220-", b"554 ", b"5.5.2650.21", b"Version", b"Build", b"\r\n", *map(str.encode, _EHLO)]
    return own.get(name, [*patterns, *more])


def _lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()
