"""What a conversation showed, out of a record: as it was stored, nothing decoded or judged anew.

Keys that a record has in another way too (`keywords`, `sha256`) are not read. Every function raises
ValueError, TypeError, KeyError or AttributeError for what is no such part of a record.
"""

from __future__ import annotations

import re
from typing import Any

from imcprobe.evidence import Certificate, Ntlm, Replies, Reply, Tls
from imcprobe.fingerprint.certificate import MAX_NAMES, MAX_TEXT
from imcprobe.fingerprint.reply import MAX_REPLY_BYTES
from imcprobe.sources.values import (
    data,
    flag,
    number,
    optional_flag,
    optional_text,
    optional_texts,
    texts,
)

# OpenSSL takes no more than 100 KiB of certificates (SSL_CTX_set_max_cert_list(3)).
MAX_CERTIFICATE = 100 << 10
# In Base64, and as texts of what stands in it: a character has four bytes of UTF-8 at the most, each of four
# characters as it is shown.
MAX_DER = 1 << 18
MAX_NAME = 16 * MAX_TEXT
MAX_CHALLENGE = 2 * MAX_REPLY_BYTES
_SECOND = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\dZ", re.ASCII)
_WINDOWS = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})", re.ASCII)


def tls_of(value: Any) -> Tls | None:
    """The key `tls`."""
    if value is None:
        return None
    return Tls(
        implicit=flag(value["implicit"]),
        offered=optional_flag(value["offered"]),
        negotiated=flag(value["negotiated"]),
        verified=optional_flag(value["verified"]),
        distrust=optional_text(value["distrust"]),
        version=optional_text(value["version"]),
        cipher=optional_text(value["cipher"]),
        certificate=None if value["certificate"] is None else _certificate(value["certificate"]),
        ehlo=optional_texts(value["ehlo"]),
        error=optional_text(value["error"]),
    )


def ntlm_of(value: Any) -> Ntlm | None:
    """The key `ntlm`."""
    if value is None:
        return None
    return Ntlm(
        data(value["base64"], MAX_CHALLENGE),
        target=_name(value["target"]),
        netbios_domain=_name(value["netbios_domain"]),
        netbios_computer=_name(value["netbios_computer"]),
        dns_domain=_name(value["dns_domain"]),
        dns_computer=_name(value["dns_computer"]),
        dns_forest=_name(value["dns_forest"]),
        windows=_windows(value["windows"]),
    )


def replies_of(value: Any) -> Replies | None:
    """The key `replies`."""
    if value is None:
        return None
    return Replies(*(None if value[name] is None else _reply(value[name]) for name in Replies._fields))


def names_of(value: Any) -> tuple[str, ...] | None:
    """The key `ptr`."""
    return optional_texts(value)


def _certificate(value: Any) -> Certificate:
    return Certificate(
        data(value["base64"], MAX_DER),
        subject=_name(value["subject"]),
        issuer=_name(value["issuer"]),
        names=_names(value["names"]),
        not_before=_second(value["not_before"]),
        not_after=_second(value["not_after"]),
        self_signed=optional_flag(value["self_signed"]),
        key=optional_text(value["key"]),
        signature=optional_text(value["signature"]),
        error=optional_text(value["error"]),
    )


def _names(value: Any) -> tuple[str, ...]:
    found = texts(value, MAX_NAMES * MAX_NAME, MAX_NAMES)
    if any(len(name) > MAX_TEXT for name in found):
        raise ValueError
    return found


def _reply(value: Any) -> Reply:
    return Reply(number(value["code"], 599, least=200), texts(value["lines"]))


def _name(value: Any) -> str | None:
    return optional_text(value, MAX_NAME)


def _second(value: Any) -> str | None:
    return None if value is None else _matched(_SECOND, value)[0]


def _windows(value: Any) -> tuple[int, int, int] | None:
    if value is None:
        return None
    major, minor, build = map(int, _matched(_WINDOWS, value).groups())
    return major, minor, build


def _matched(pattern: re.Pattern[str], value: Any) -> re.Match[str]:
    found = pattern.fullmatch(value)
    if found is None:
        raise ValueError
    return found
