"""What a conversation showed, as records have it: EHLO, TLS, NTLM, replies.

What was not asked for, or did not come, is null. All text of strangers, keys too, goes through `safetext`.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from imcprobe.fingerprint.ehlo import keywords
from imcprobe.safetext import safe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imcprobe.evidence import Certificate, Ntlm, Replies, Reply, Tls
    from imcprobe.model import Observation


def conversation_record(seen: Observation) -> dict[str, Any]:
    """The keys of a result from `ehlo` to `replies`."""
    return {
        "ehlo": _texts(seen.ehlo),
        "keywords": None if seen.ehlo is None else keywords_record(seen.ehlo),
        "tls": None if seen.tls is None else _tls(seen.tls),
        "ntlm": None if seen.ntlm is None else _ntlm(seen.ntlm),
        "replies": None if seen.replies is None else _replies(seen.replies),
    }


def keywords_record(ehlo: tuple[str, ...]) -> dict[str, list[str]]:
    """The keywords of an EHLO reply and their parameters.

    >>> keywords_record(("mx.example.com", "SIZE 37748736", "help"))
    {'SIZE': ['37748736'], 'HELP': []}
    """
    return {safe(word): [*map(safe, parameters)] for word, parameters in keywords(ehlo).items()}


def windows_version(ntlm: Ntlm) -> str | None:
    """The version of Windows in a challenge.

    >>> from imcprobe.evidence import Ntlm
    >>> windows_version(Ntlm(b"", windows=(6, 1, 7601)))
    '6.1.7601'
    """
    return None if ntlm.windows is None else ".".join(map(str, ntlm.windows))


def _tls(tls: Tls) -> dict[str, Any]:
    return {
        "implicit": tls.implicit,
        "offered": tls.offered,
        "negotiated": tls.negotiated,
        "verified": tls.verified,
        "distrust": _text(tls.distrust),
        "version": _text(tls.version),
        "cipher": _text(tls.cipher),
        "certificate": None if tls.certificate is None else _certificate(tls.certificate),
        "ehlo": _texts(tls.ehlo),
        "error": _text(tls.error),
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "subject": _text(certificate.subject),
        "issuer": _text(certificate.issuer),
        "names": _texts(certificate.names),
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "self_signed": certificate.self_signed,
        "key": _text(certificate.key),
        "signature": _text(certificate.signature),
        "sha256": certificate.sha256,
        "base64": b64encode(certificate.der).decode(),
        "error": _text(certificate.error),
    }


def _ntlm(ntlm: Ntlm) -> dict[str, Any]:
    return {
        "target": _text(ntlm.target),
        "netbios_domain": _text(ntlm.netbios_domain),
        "netbios_computer": _text(ntlm.netbios_computer),
        "dns_domain": _text(ntlm.dns_domain),
        "dns_computer": _text(ntlm.dns_computer),
        "dns_forest": _text(ntlm.dns_forest),
        "windows": windows_version(ntlm),
        "base64": b64encode(ntlm.challenge).decode(),
    }


def _replies(replies: Replies) -> dict[str, Any]:
    return {name: None if reply is None else _reply(reply) for name, reply in replies._asdict().items()}


def _reply(reply: Reply) -> dict[str, Any]:
    return {"code": reply.code, "lines": _texts(reply.lines)}


def _text(text: str | None) -> str | None:
    return None if text is None else safe(text)


def _texts(texts: Iterable[str] | None) -> list[str] | None:
    return None if texts is None else [*map(safe, texts)]
