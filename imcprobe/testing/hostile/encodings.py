"""Greetings in other alphabets and encodings, and numbers in other digits."""

from __future__ import annotations

from imcprobe.testing.hostile.case import SP3, Case, no_build, not_smtp, says, sp3


def _around(name: str, does: str, said: bytes) -> Case:
    """Something strange in a greeting whose build can be read all the same."""
    whole = SP3.replace(b"ready", said)
    return says(name, does, whole, sp3(whole))


_UTF_16 = SP3.decode().encode("utf-16-le")
_EBCDIC = SP3.decode().encode("cp037")

CASES = (
    _around("utf-8", "UTF-8", "prêt à l\u2019emploi ✓".encode()),
    _around("latin-1", "Latin-1", "prêt".encode("latin-1")),
    _around("shift-jis", "Shift-JIS, some of whose bytes are backslashes", "表示能力".encode("shift_jis")),
    _around("gb18030", "GB 18030", "就绪".encode("gb18030")),
    _around("iso-2022-jp", "ISO 2022, which is all escapes", "準備".encode("iso2022_jp")),
    _around("nul", "a NUL in the text", b"re\0ady"),
    _around("invalid-utf-8", "bytes that no UTF-8 has", b"\xff\xfe\x80 ready"),
    _around("overlong-utf-8", "a line feed of two bytes, and a slash of three", b"\xc0\x8a \xe0\x80\xaf"),
    _around("surrogates", "surrogates in UTF-8", b"\xed\xa0\x80\xed\xb0\x80"),
    _around("above-unicode", "a code point above all", b"\xf4\x90\x80\x80 \xf8\x88\x80\x80\x80"),
    says("bom", "a byte order mark first", b"\xef\xbb\xbf" + SP3, not_smtp(b"\xef\xbb\xbf" + SP3)),
    says("utf-16", "UTF-16", _UTF_16, not_smtp(_UTF_16)),
    says("ebcdic", "EBCDIC", _EBCDIC, not_smtp(_EBCDIC)),
    no_build(
        "full-width-build",
        "a build in full-width digits",
        "\uff15.\uff15.\uff12\uff16\uff15\uff10.\uff12\uff11".encode(),
        None,
        "Exchange Server",
    ),
    no_build("devanagari-build", "a build in Devanagari digits", "5.5.२६५०.२१".encode(), "5.5.२६५०.२१"),
    no_build("five-thousand-digits", "a build of 5,000 digits", b"5.5." + b"9" * 5_000, "5.5." + "9" * 60),
    no_build("eight-digits", "a build of eight digits", b"5.5.99999999.21", "5.5.99999999.21"),
    no_build("hex-build", "a build in hexadecimal", b"5.5.0xA5A.21", "5.5.0xA5A.21"),
    no_build("exponent", "a build with an exponent", b"5.5.2650.21e0", "5.5.2650.21e0"),
    no_build("underscores", "a build as Python reads numbers", b"5.5.26_50.21", "5.5.26_50.21"),
    no_build("placeholder", "a build that nobody filled in", b"5.5.XXXX.0", "5.5.XXXX.0"),
)
