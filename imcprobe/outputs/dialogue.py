"""What a conversation showed, in the words of a screen: a label and its text for each kind of answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcprobe.evidence import Replies
from imcprobe.fingerprint.ntlm import windows_name
from imcprobe.fingerprint.reply import FIRST_REFUSAL
from imcprobe.meaning import Channel
from imcprobe.outputs.evidence import windows_version
from imcprobe.safetext import clip, safe

if TYPE_CHECKING:
    from imcprobe.evidence import Certificate, Ntlm, Reply, Tls
    from imcprobe.meaning import Hint
    from imcprobe.model import Observation

LONGEST = 400
"""Characters of a row: several lines of a terminal."""


def dialogue_rows(seen: Observation) -> list[tuple[str, str]]:
    """The rows of what was asked; of EHLO inside TLS only where it brought something new."""
    helo, told, starttls, auth, _ = seen.replies or Replies()
    rows: list[tuple[str, str]] = []
    if seen.ehlo is not None:
        rows.append(("EHLO", _offers(seen.ehlo)))
    if seen.tls is not None and seen.tls.ehlo is not None and not _is_less(seen.tls.ehlo, seen.ehlo):
        rows.append(("EHLO", f"{_offers(seen.tls.ehlo)} (inside TLS)"))
    if seen.ehlo is None and helo is not None:
        rows.append(("HELO", _reply(helo)))
    if told is not None:
        rows.append(("HELP", _reply(told)))
    if seen.tls is not None:
        rows.append(("TLS", tls_line(seen.tls, starttls)))
        if seen.tls.certificate is not None:
            rows.append(("Certificate", _certificate(seen.tls.certificate)))
    if seen.ntlm is not None:
        rows.append(("NTLM", _ntlm(seen.ntlm)))
    elif auth is not None:
        rows.append(("NTLM", f"asked for, no challenge came: {_reply(auth)}"))
    if seen.ptr is not None:
        rows.append(("Reverse DNS", ", ".join(map(safe, seen.ptr)) or "no name was told"))
    return [(label, clip(text, LONGEST)) for label, text in rows]


def tls_line(tls: Tls, starttls: Reply | None) -> str:
    """What was offered, and what became of it; `starttls` is the reply to STARTTLS."""
    error = [] if tls.error is None else [safe(tls.error)]
    if tls.negotiated:
        by = "implicit" if tls.implicit else "by STARTTLS"
        what = " ".join(safe(part) for part in (tls.version, tls.cipher) if part) or "negotiated"
        return "; ".join([f"{what}, {by}", _trust(tls), *error])
    if tls.implicit:
        return ": ".join(["implicit, failed", *error])
    if tls.offered:
        # Whatever says yes, nothing of TLS came behind it.
        is_refused = starttls is not None and starttls.code >= FIRST_REFUSAL
        return ": ".join(["offered, refused" if is_refused else "offered, failed", *error])
    return ": ".join(["not known to be offered" if tls.offered is None else "not offered", *error])


def hint_line(hint: Hint) -> str:
    """A hint and what it rests on.

    >>> from imcprobe.meaning import Hint
    >>> hint_line(Hint(Channel.EHLO, "consistent with Exchange 2013", "XSHADOWREQUEST", "a transcript"))
    'consistent with Exchange 2013: XSHADOWREQUEST (EHLO)'
    """
    channel = str(hint.channel)
    if hint.channel is not Channel.CERTIFICATE:  # the others are commands, or letters
        channel = channel.upper()
    return clip(f"{hint.reading}: {safe(hint.evidence)} ({channel})", LONGEST)


def _is_less(inside: tuple[str, ...], outside: tuple[str, ...] | None) -> bool:
    return outside is not None and set(inside[1:]) <= set(outside[1:])


def _offers(ehlo: tuple[str, ...]) -> str:
    return ", ".join(safe(line) for line in ehlo[1:]) or "no keywords"


def _trust(tls: Tls) -> str:
    if tls.verified is None:
        return "no certificate" if tls.certificate is None else "certificate not judged"
    if tls.verified:
        return "trusted"
    return "not trusted" if tls.distrust is None else f"not trusted: {safe(tls.distrust)}"


def _certificate(certificate: Certificate) -> str:
    by = None if certificate.issuer is None else f"issued by {safe(certificate.issuer)}"
    parts = [
        certificate.subject and safe(certificate.subject),
        "self-signed" if certificate.self_signed else by,
        certificate.key and safe(certificate.key),
        certificate.signature and safe(certificate.signature),
        _validity(certificate),
        certificate.names and f"for {', '.join(map(safe, certificate.names))}",
        certificate.error and safe(certificate.error),
    ]
    return ", ".join(part for part in parts if part) or "nothing in it was read"


def _validity(certificate: Certificate) -> str | None:
    """Its days, times left out."""
    if certificate.not_before is None or certificate.not_after is None:
        return None
    return f"{certificate.not_before[:10]} to {certificate.not_after[:10]}"


def _ntlm(ntlm: Ntlm) -> str:
    windows, domain = windows_version(ntlm), ntlm.netbios_domain or ntlm.dns_domain
    computer = ntlm.dns_computer or ntlm.netbios_computer or ntlm.target
    name = None if ntlm.windows is None else windows_name(ntlm.windows)
    parts = [
        windows and f"Windows {windows}{f' ({name})' if name else ''}",
        computer and safe(computer),
        domain and f"domain {safe(domain)}",
    ]
    return ", ".join(part for part in parts if part) or "a challenge without names"


def _reply(reply: Reply) -> str:
    return f"{reply.code} {' / '.join(map(safe, reply.lines))}"
