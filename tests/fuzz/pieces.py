"""What Hypothesis puts together for each parser: pieces of what it reads, where chance alone gets nowhere."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import strategies as st

import der
from challenges import HEAD, REAL, built, pair
from imcprobe.knowledge.greetings import PATTERNS
from imcprobe.safetext import to_bytes
from promises import BETWEEN, flood
from seeds import SPECS, certificates, greetings, stored

_ENDS = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"", b" \r\n", b"\n\t"]
_CODES = [b"220", b"250", b"421", b"554", b"299", b"600", b"199", b"22", b"+22", b"2_2"]
_CODES += ["\uff12\uff12\uff10".encode()]
_BYTES = [b"\0", b"\x1b[2J", b"\x7f", b"\xff", b"\xc2\x9b", "\u202e".encode(), b"\\", b"\v", b"\x1c", b"\xa0"]
_DIGITS = [b"0", b"9", b"12", b"5.5", b"2650", b"2650.21", b"5.5.2653.013", b"993.5", b"5.0.XXXX.0", b"X"]
_DIGITS += [
    b"9" * 5000,
    "\u0662\u0666\u0665\u0660".encode(),
    "\u00b2".encode(),
    b"99999.99999",
    b"0005.5.2650.21",
]
_NAMES = [b"mx.example.com", b"[192.0.2.1]", b"a" * 300, b"mx.example.com.", b"MX", b"-", b"."]
_WORDS = [b"Microsoft Exchange Internet Mail Service", b"Microsoft Exchange Internet Mail Connector", b"(IMC"]
_WORDS += [b"Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675", b"Microsoft ESMTP MAIL Service ready"]
_WORDS += [
    b"Received: by",
    b"with SMTP (",
    b"X-Mailer: ",
    b"Version ",
    b"Build ",
    b"ESMTP",
    b"ready",
    b"HTTP/",
]
_WORDS += [pattern.word.encode() for pattern in PATTERNS]
_MARKS = [b" ", b" ", b"-", b".", b",", b"(", b")", b"[", b"]", b":", b";", b"/", b"**", b"\t", b"  "]
_KEYWORDS = [
    b"X-LINK2STATE",
    b"XEXCH50",
    b"XRDST",
    b"X-RCPTLIMIT",
    b"XSHADOW",
    b"SMTPUTF8",
    b"SIZE 1",
    b"HELP",
    b"ENHANCEDSTATUSCODES",
    b"AUTH=LOGIN",
    b"X-EXPS=LOGIN",
    b"OK",
]
_OCTETS = ["0", "1", "255", "256", "01", "0x7f", "0-255", "1-254", "9-1", "\u0661", "0177", "", "-1", "1-"]
_GROUPS = ["::", ":", "2001", "db8", "0", "ffff", "10.0.0.1", "fe80", "%eth0", "%", "12345", "g"]
_REST = ["/0", "/8", "/24", "/30", "/33", "/112", "/128", "/-1", "/255.0.0.0", "-"]
_REST += [":25", ":0", ":99999", ":", ":\u00b2"]
_LINE_ENDS = ["\n", "\r\n", "\r", "\r\r", " # x\n", "\t\n", "\n\n", "\u2028", "\f", "\0", "\x1b", BETWEEN]
_ODD: list[Any] = [None, True, False, 0, -0.0, -1, 0.04, 1e300, 10**30, 10**400, float("nan"), [], {}]
_ODD += [[[]] * 3, ["\\x1b", 1], {"connect_ms": 0.05, "greeting_ms": -0.0}, "", "x", "\ud800", "\udcff"]
_ODD += ["1970-01-01T00:00:00.000Z", "2026-02-30T00:00:00.000Z", "2999-12-31T23:59:60.999Z"]
_ODD += [
    ["x"],
    {"code": 221, "lines": ["\\x1b"]},
    {"code": 42, "lines": []},
    "2024-01-01T00:00:00Z",
    "6.1.7601",
]
_ODD += ["MjIw", "MjIwIA0K", "M", "====", "success"]
_KEYS = ["type", "schema", "target", "ip", "port", "status", "greeting_base64", "ehlo", "times", "attempts"]
_KEYS += ["error", "timestamp", "scan", "results", "complete", "seconds", "source", "greeting", "keywords"]
_KEYS += ["tls", "ntlm", "replies", "ptr", "tls.implicit", "tls.verified", "tls.version", "tls.certificate"]
_KEYS += ["tls.ehlo", "tls.certificate.names", "tls.certificate.base64", "tls.certificate.not_after"]
_KEYS += ["tls.certificate.subject", "ntlm.windows", "ntlm.base64", "ntlm.target", "replies.quit"]
_KEYS += ["replies.quit.code", "replies.quit.lines"]


def _joined(*kinds: list[bytes], most: int = 12) -> st.SearchStrategy[bytes]:
    pieces = [piece for kind in kinds for piece in kind]
    return st.lists(st.one_of(st.sampled_from(pieces), st.binary(max_size=3)), max_size=most).map(b"".join)


def _mixed(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    return st.tuples(*parts).map(b"".join)


_code = st.sampled_from([b"220 ", b"220-", b"220", b"554 ", b"", *_CODES])
_text = _joined(_NAMES, _WORDS, _MARKS, _DIGITS, _BYTES)
_line = _mixed(_code, _text, st.sampled_from(_ENDS))
_number = _joined(_DIGITS, _MARKS, most=4)
_named = _mixed(
    st.sampled_from([b"220 mx.example.com ESMTP Server (", b"220 mx.example.com ", b"X-Mailer: ", b"554 "]),
    st.sampled_from(_WORDS),
    st.sampled_from(_MARKS),
    _number,
    _joined(_MARKS, _BYTES, most=3),
    st.sampled_from(_ENDS),
)
_lines = st.lists(_line, max_size=5).map(b"".join)
_greeting = st.one_of(_named, _lines, st.sampled_from(greetings()), _mixed(_named, _lines))
_capability = _mixed(
    st.sampled_from([b"250-", b"250 ", b"", b"500 "]), st.sampled_from(_KEYWORDS), st.sampled_from(_ENDS)
)
_answer = _mixed(_line, st.lists(_capability, max_size=6).map(b"".join))
_windows = st.sampled_from(
    [b"Microsoft ESMTP MAIL Service, Version: 6.0.3790.1", b"Microsoft ESMTP MAIL Service"]
)
_open = st.one_of(
    _mixed(st.just(b"220 mx.example.com "), _windows, st.just(b" ready at x\n")),
    st.sampled_from([b"220 **0**2**\n", b"220 ESMTP Ready\n", b"220 x ESMTP MS Exchange\n"]),
)

_address = st.one_of(
    st.lists(st.sampled_from(_OCTETS), min_size=1, max_size=5).map(".".join),
    st.lists(st.sampled_from(_GROUPS), max_size=8).map("".join),
    st.sampled_from(SPECS),
    st.sampled_from([name.decode() for name in _NAMES]),
)
_spec = st.one_of(
    _address,
    st.tuples(_address, st.sampled_from(_REST)).map("".join),
    st.tuples(_address, _address).map("-".join),
    _address.map("[{}]:25".format),
    st.text(max_size=8),
)
_list = st.lists(st.tuples(_spec, st.sampled_from(_LINE_ENDS)).map("".join), max_size=8).map("".join)
_encoded = st.builds(
    lambda text, encoding: text.encode(encoding, "surrogatepass"),
    _list,
    st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
)


def _put(record: dict[str, Any], key: str, value: Any) -> None:
    """Change a key of a record, or one of an object in it, where that is one still."""
    *places, last = key.split(".")
    inside: Any = record
    for place in places:
        inside = inside.get(place) if isinstance(inside, dict) else None
    if isinstance(inside, dict):
        inside[last] = value


@st.composite
def _damaged(draw: st.DrawFn, form: str = "jsonl") -> bytes:
    """A scan as imcprobe stores it, with keys changed, lines torn and bytes put in."""
    said = draw(st.lists(_greeting, max_size=3))
    lines = stored(form, said, draw(st.sampled_from([None, None, "text"]))).splitlines(keepends=True)
    for _ in range(draw(st.integers(0, 3)) if form == "jsonl" else 0):
        at = draw(st.integers(0, len(lines) - 1))
        record = json.loads(lines[at])
        _put(record, draw(st.sampled_from(_KEYS)), draw(st.sampled_from(_ODD)))
        lines[at] = json.dumps(record).encode() + b"\n"
    data = b"".join(lines)
    if draw(st.booleans()):
        return data
    at = draw(st.integers(0, len(data)))
    put = draw(st.one_of(st.just(b""), st.sampled_from(_ENDS + _BYTES), st.just(b"[" * 2000)))
    return data[:at] + put + data[at + draw(st.integers(0, 40)) :]


@st.composite
def _changed(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of a parser that counts them: some are others, and the end may be missing."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(
            st.sampled_from([0, 1, 0x30, 0x7F, 0x80, 0xD8, 0xFF])
        )
    return bytes(data[: draw(st.none() | st.integers(0, len(data)))])


_pairs = st.lists(st.builds(pair, st.integers(0, 8), st.binary(max_size=20)), max_size=8).map(b"".join)
_flags = st.sampled_from([0x02800001, 0x02800002, 0x00000001, 0x400182B5, 0xFFFFFFFF])
_challenge = st.one_of(
    st.sampled_from(REAL),
    st.builds(built, _pairs, _flags, st.binary(max_size=20)),
    _mixed(st.just(HEAD), _pairs),
)
_distinguished = st.builds(
    der.name,
    st.sampled_from([b"EX1", b"", b"\0E\0X", b"\xff", b"a,b+c=\x1b\n", b"x" * 2000]),
    st.sampled_from([der.PRINTABLE, der.UTF8, der.T61, der.BMP, der.UNIVERSAL, 2, 4]),
)
_date = st.sampled_from([b"000101000000Z", b"491231235959Z", b"00000101000000Z", b"99991231235959Z", b"9"])
_alternative = st.lists(
    st.tuples(
        st.sampled_from([der.DNS, der.ADDRESS, der.MAILBOX, 0x86]),
        st.sampled_from([b"EX1", b"ex1.example.com", b"\1\2\3\4", b"\1", b"", b"\xff", b"*", b"x" * 300]),
    ),
    max_size=4,
).map(lambda names: der.alternative(*names))
_certificate = st.one_of(
    st.sampled_from(certificates()),
    st.builds(
        der.certificate,
        _alternative,
        version=st.integers(1, 4),
        serial=st.sampled_from([1, 0, -1, 1 << 170]),
        signature=st.sampled_from([der.MD2, der.MD5, der.SHA1, der.SHA256, "1.2.3.4"]),
        issuer=_distinguished,
        subject=_distinguished,
        dates=st.tuples(_date, _date),
        key=st.sampled_from([der.rsa(384), der.rsa(2048), der.dsa(1024), der.algorithm("1.2.3.4")]),
    ),
)
_store = st.one_of(_damaged("jsonl"), _damaged("jsonl"), _damaged("json"))
_pieces: dict[str, st.SearchStrategy[bytes]] = {
    "reply": _mixed(_lines, _joined(_CODES, _ENDS, [b" ", b"-"])),
    "greeting": _greeting,
    "ehlo": _mixed(st.one_of(_open, _open, _named), _answer),
    "targets": _encoded,
    "records": st.one_of(_store, _lines, _greeting),
    "unfinished": _store,
    "ntlm": st.one_of(_challenge, _changed(_challenge), _challenge.map(base64.b64encode)),
    "certificate": st.one_of(_certificate, _changed(_certificate)),
}
PIECES = {name: st.one_of(pieces, pieces, pieces, st.binary()) for name, pieces in _pieces.items()}
"""For each parser what it may have to read."""

_short = st.sampled_from([*_CODES, *_ENDS, *_DIGITS[:9], *_MARKS, *_WORDS, *_BYTES, *_KEYWORDS])
_repeated = st.lists(_short, min_size=1, max_size=3).map(b"".join)
_heads = {
    "targets": st.sampled_from([b"", b"10.0.0.1\n", b"\xef\xbb\xbf", b"!!", b"["]),
    "records": st.sampled_from([stored("jsonl", []), b'{"scan":', b"X-Mailer: ", b""]),
    "ntlm": st.sampled_from([HEAD, *REAL, b"TlRM"]),
    "certificate": st.sampled_from([certificates()[0], certificates()[0][:40], b"0\x84\0\1\0\0"]),
    "unfinished": st.sampled_from([stored("jsonl", []).splitlines(keepends=True)[0], b'{"type":"scan"']),
}
# Every word at once, so that no pattern is passed over, and what each of them looks at again and again.
_all_words = b" ".join(sorted({pattern.word.encode() for pattern in PATTERNS}))
_names = b"by x with smtp (microsoft exchange internet mail service with microsoft exchange (imc "
_some = st.one_of(_named, st.sampled_from([b"", b"220-", b"220 ", _all_words, b"220 imc " + _names, _names]))
_dear = st.sampled_from(
    [b" 999.9", b" 5.5.999.9", b"by x (", b"imc (\n", b"imc (\n220-", b"\xff\n", _names + b"\n"]
)
_own = {"targets": st.one_of(_list.map(to_bytes), _repeated), "greeting": st.one_of(_dear, _repeated)}
FLOODS = {
    name: st.builds(flood, _heads.get(name, _some), _own.get(name, _repeated), st.sampled_from(_ENDS))
    for name in PIECES
}
"""For each parser what is long because a part of it is repeated."""
