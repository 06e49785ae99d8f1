"""The columns of every format that has columns, declared once: name, meaning, and how to get the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from imcprobe.meaning import State
from imcprobe.outputs.dialogue import hint_line
from imcprobe.outputs.evidence import keywords_record, windows_version
from imcprobe.outputs.records import reply_code, rounded, shown_greeting, timestamp
from imcprobe.outputs.wording import in_full, in_short
from imcprobe.safetext import safe

if TYPE_CHECKING:
    from collections.abc import Callable

    from imcprobe.evidence import Certificate, Ntlm, Tls
    from imcprobe.model import Identification, Result

Value: TypeAlias = str | int | float | None


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the output. `of` gives a value that is fit to print; None is an empty cell.

    `title` is its heading in the table, for columns that are in it, and `brief` what stands there instead
    of the whole value; `line` says whether it is in lines.
    """

    name: str
    help: str
    of: Callable[[Result], Value]
    title: str | None = None
    line: bool = False
    brief: Callable[[Result], Value] | None = None


def _found(of: Callable[[Identification], Value]) -> Callable[[Result], Value]:
    """A value of the identification, None where there is none."""
    return lambda result: None if result.identification is None else of(result.identification)


def _where(result: Result) -> str:
    """A name together with its address: it may have several."""
    (host, _), address = result.observation.target, result.observation.address
    return safe(host) if address in (None, host) else f"{safe(host)} ({safe(address)})"


def _service_packs(found: Identification) -> str:
    return "|".join(dict.fromkeys(row.service_pack or "RTM" for row in found.releases))


def _missing_fixes(found: Identification) -> str:
    return " ".join(each.id for each in found.advisories if each.state is State.NOT_FIXED)


def _timestamp(result: Result) -> str | None:
    moment = result.observation.seen_at
    return None if moment is None else timestamp(moment)


def _keywords(result: Result) -> str | None:
    ehlo = result.observation.ehlo
    return None if ehlo is None else " ".join(keywords_record(ehlo))


def _tls(of: Callable[[Tls], Value]) -> Callable[[Result], Value]:
    """A value of TLS, None where there was none."""
    return lambda result: None if result.observation.tls is None else of(result.observation.tls)


def _certificate(of: Callable[[Certificate], str | None]) -> Callable[[Result], Value]:
    """A text of the certificate, made safe."""
    return _tls(lambda tls: None if tls.certificate is None else _safe(of(tls.certificate)))


def _ntlm(of: Callable[[Ntlm], str | None]) -> Callable[[Result], Value]:
    """A text of the challenge, made safe."""
    return lambda result: None if result.observation.ntlm is None else _safe(of(result.observation.ntlm))


def _verified(tls: Tls) -> str | None:
    return None if tls.verified is None else str(tls.verified).lower()


def _names(result: Result) -> str:
    return " ".join(map(safe, result.observation.ptr or ()))


def _safe(text: str | None) -> str | None:
    return None if text is None else safe(text)


# fmt: off
COLUMNS: tuple[Column, ...] = (
    Column("target", "host or address as given", lambda result: safe(result.observation.target.host), "ADDRESS", line=True, brief=_where),
    Column("ip", "address that was connected to", lambda result: None if result.observation.address is None else safe(result.observation.address)),
    Column("port", "TCP port", lambda result: result.observation.target.port or None, "PORT", line=True),
    Column("status", "what happened, in zgrab2's words", lambda result: str(result.observation.status), line=True),
    Column("release", "releases, position between them, or product", in_full, "RELEASE", line=True, brief=in_short),
    Column("build", "build as the greeting says it", _found(lambda found: None if found.build is None else safe(found.build)), "BUILD", line=True),
    Column("name", "host in the greeting", _found(lambda found: None if found.host is None else safe(found.host)), "NAME IN GREETING", line=True),
    Column("support", "state of the product's support", _found(lambda found: None if found.support is None else found.support.state), "SUPPORT", line=True),
    Column("family", "whose greeting it is", _found(lambda found: str(found.family))),
    Column("product", "product in imcprobe's words", _found(lambda found: found.product)),
    Column("match", "how the build relates to the table", _found(lambda found: str(found.match))),
    Column("service_pack", "service packs of the releases", _found(_service_packs)),
    Column("superseded_by", "next service pack", _found(lambda found: found.superseded_by)),
    Column("confidence", "how far the greeting carries the answer", _found(lambda found: str(found.confidence))),
    Column("caveats", "doubts beside the answer", _found(lambda found: " ".join(found.caveats))),
    Column("cpe", "CPE 2.3 names", _found(lambda found: " ".join(found.cpe))),
    Column("code", "reply code of the greeting", lambda result: reply_code(result.observation.greeting)),
    Column("greeting", "greeting, made printable", lambda result: shown_greeting(result.observation.greeting)),
    Column("connect_ms", "connect time where it was observed", lambda result: rounded(result.observation.times.connect_ms)),
    Column("greeting_ms", "time to the end of the greeting", lambda result: rounded(result.observation.times.greeting_ms)),
    Column("error", "what went wrong", lambda result: None if result.observation.error is None else safe(result.observation.error)),
    Column("timestamp", "when it was seen (UTC)", _timestamp),
    Column("advisories", "advisories whose fix is missing in the build", _found(_missing_fixes)),
    Column("keywords", "keywords of EHLO's reply", _keywords),
    Column("tls_version", "version of TLS", _tls(lambda tls: _safe(tls.version))),
    Column("tls_verified", "whether the certificate is trusted", _tls(_verified)),
    Column("certificate_subject", "whose certificate it is", _certificate(lambda certificate: certificate.subject)),
    Column("certificate_sha256", "fingerprint of the certificate", _certificate(lambda certificate: certificate.sha256)),
    Column("ntlm_computer", "host in NTLM's challenge", _ntlm(lambda ntlm: ntlm.dns_computer or ntlm.netbios_computer)),
    Column("windows", "version of Windows in NTLM's challenge", _ntlm(windows_version)),
    Column("ptr", "names in reverse DNS", _names),
    Column("hints", "what else was seen is consistent with", _found(lambda found: " | ".join(map(hint_line, found.hints)))),
)
# fmt: on


def text_of(value: Value) -> str:
    """A value as text, empty for none."""
    return "" if value is None else str(value)
