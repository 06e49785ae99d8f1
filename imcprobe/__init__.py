r"""Which Exchange Server answers on port 25: version and service pack from the SMTP greeting.

    result = await imcprobe.check("mail.example.com")
    async for result in imcprobe.scan(["10.1.0.0/22"]):
        print(result.observation.target, result.identification)
    imcprobe.identify(b"220 mx.example.com Microsoft Exchange Internet Mail Service 5.0.1460.8 ready\r\n")

`check` and `scan` probe, `mail_hosts` asks DNS for the hosts of a domain, `identify` and `conclude` judge
what was stored, `BUILDS` is the table. The names are loaded when they are used: importing imcprobe costs
next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imcprobe.errors import (
        ImcprobeError,
        InputError,
        OutputError,
        ReplyError,
        TargetError,
        UsageError,
    )
    from imcprobe.evidence import Certificate, Ntlm, Replies, Reply, Tls
    from imcprobe.fingerprint.builds import BUILDS
    from imcprobe.fingerprint.identify import conclude, identify
    from imcprobe.fingerprint.reply import parse_reply
    from imcprobe.meaning import Advisory, Hint
    from imcprobe.model import (
        Build,
        Caveat,
        Confidence,
        Family,
        Identification,
        Kind,
        Match,
        Observation,
        Release,
        Result,
        Status,
        Target,
    )
    from imcprobe.order import Order
    from imcprobe.probe.api import check, scan
    from imcprobe.probe.names import mail_hosts
    from imcprobe.probe.options import ProbeOptions
    from imcprobe.targets import Targets, parse

_MODULES = {
    "evidence": ("Certificate", "Ntlm", "Replies", "Reply", "Tls"),
    "errors": ("ImcprobeError", "InputError", "OutputError", "ReplyError", "TargetError", "UsageError"),
    "fingerprint.builds": ("BUILDS",),
    "fingerprint.identify": ("conclude", "identify"),
    "fingerprint.reply": ("parse_reply",),
    "meaning": ("Advisory", "Hint"),
    "model": (
        "Build",
        "Caveat",
        "Confidence",
        "Family",
        "Identification",
        "Kind",
        "Match",
        "Observation",
        "Release",
        "Result",
        "Status",
        "Target",
    ),
    "order": ("Order",),
    "probe.api": ("check", "scan"),
    "probe.names": ("mail_hosts",),
    "probe.options": ("ProbeOptions",),
    "targets": ("Targets", "parse"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "BUILDS",
    "Advisory",
    "Build",
    "Caveat",
    "Certificate",
    "Confidence",
    "Family",
    "Hint",
    "Identification",
    "ImcprobeError",
    "InputError",
    "Kind",
    "Match",
    "Ntlm",
    "Observation",
    "Order",
    "OutputError",
    "ProbeOptions",
    "Release",
    "Replies",
    "Reply",
    "ReplyError",
    "Result",
    "Status",
    "Target",
    "TargetError",
    "Targets",
    "Tls",
    "UsageError",
    "check",
    "conclude",
    "identify",
    "mail_hosts",
    "parse",
    "parse_reply",
    "scan",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
