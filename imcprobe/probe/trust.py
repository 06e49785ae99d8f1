"""Whether this system trusts a certificate for a host at a moment, and why not.

Looking and trusting are two things here: TLS is set up with any certificate, which is judged afterwards. The
library `cryptography` is from the extra `tls` and loaded when the first certificate is judged.
"""

from __future__ import annotations

import re
import ssl
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING

from imcprobe.fingerprint.certificate import read
from imcprobe.safetext import clip, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cryptography import x509
    from cryptography.x509.verification import Policy, PolicyBuilder, Subject

    from imcprobe.evidence import Certificate

NO_ROOTS = "this system trusts no certification authority"
NO_CHAIN = "no chain that holds to an authority of this system"

# A stranger's certificates may all have signed each other, and every way through them is tried.
_MOST_LINKS = 4
_MOST_NAMES = 3
_LONGEST_NAME = 80
_LONGEST_REASON = 120
# Bits of RSA and DSA (CA/Browser Forum, Baseline Requirements, 6.1.5); the library draws the same line.
_SMALLEST_KEY = 2048
_WEAK_SIGNATURE = re.compile(r"md[245]|sha1", re.IGNORECASE)


def system_roots() -> list[bytes]:
    """The certification authorities that this system trusts, in DER; none where none are installed."""
    return ssl.create_default_context().get_ca_certs(binary_form=True)


class Trust:
    """Judges certificates; what to trust is read once, when the first is judged."""

    def __init__(self, roots: Callable[[], Sequence[bytes]] = system_roots) -> None:
        self._roots = roots

    def prepare(self) -> None:
        """Read now what is trusted, so that no judgement waits for it."""
        with _unwarned():
            self._builder  # noqa: B018 - it is made when it is first asked for

    def distrust(self, leaf: bytes, chain: Sequence[bytes], host: str, seen_at: float) -> str | None:
        """Why a server's certificate is not trusted for `host` at `seen_at` (seconds since the epoch).

        `leaf` and what the server sent with it (`chain`, with the leaf or without) are in DER, `host` is a
        name or a literal address. None when it is trusted, else a few words that can be shown as they are.
        """
        certificate = read(leaf)
        if certificate.error is not None:
            return certificate.error
        moment = datetime.fromtimestamp(seen_at, UTC)
        with _unwarned():
            found, *others = _loaded([leaf, *(link for link in chain if link != leaf)][: 1 + _MOST_LINKS])
            reasons = [*_dates(certificate, moment), *self._unknown(certificate, found), *_weak(certificate)]
            return "; ".join(reasons) or self._rejected(certificate.names, found, others, host, moment)

    def _unknown(self, certificate: Certificate, found: x509.Certificate) -> Iterator[str]:
        if certificate.self_signed and found not in self._known:
            yield "self-signed"
        elif not self._known:
            yield NO_ROOTS

    def _rejected(
        self,
        names: Sequence[str],
        found: x509.Certificate,
        others: list[x509.Certificate],
        host: str,
        moment: datetime,
    ) -> str | None:
        """What is wrong with the chain, or else with the name: the library looks at the name first."""

        def verify(name: str) -> str | None:
            return _verify(self._builder.time(moment), found, others, name)

        why = verify(host)
        if why is None:
            return None
        return verify(names[0].replace("*", "any")) or f"another name: {_shown(names)}"

    @cached_property
    def _known(self) -> frozenset[x509.Certificate]:
        return frozenset(_loaded(self._roots()))

    @cached_property
    def _builder(self) -> PolicyBuilder:
        """What is judged with: authorities as strictly as those of the web, leaves as loosely as by OpenSSL.

        The library's own policy for leaves refuses, for one, extensions that are critical and need not be.
        """
        from cryptography import x509
        from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store

        leaves = ExtensionPolicy.permit_all()
        leaves = leaves.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
        leaves = leaves.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_servers)
        authorities = ExtensionPolicy.webpki_defaults_ca()
        builder = PolicyBuilder().store(Store(list(self._known))).max_chain_depth(_MOST_LINKS)
        return builder.extension_policies(ca_policy=authorities, ee_policy=leaves)


@contextmanager
def _unwarned() -> Iterator[None]:
    """Without warnings of serial numbers and the like, which do not matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _loaded(certificates: Iterable[bytes]) -> list[x509.Certificate]:
    """Those that can be read."""
    from cryptography.x509 import load_der_x509_certificate

    found = []
    for der in certificates:
        try:
            found.append(load_der_x509_certificate(der))
        except Exception:  # noqa: BLE001, S112 - what it raises is not documented; a link less
            continue
    return found


def _for_servers(_policy: Policy, _leaf: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    """Raise ValueError for a certificate that is for other things than servers."""
    from cryptography.x509.oid import ExtendedKeyUsageOID

    fit = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if usage is not None and fit.isdisjoint(usage):
        raise ValueError("it is not for servers")


def _dates(certificate: Certificate, moment: datetime) -> Iterator[str]:
    now = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    if now < (certificate.not_before or now):
        yield f"not valid before {certificate.not_before}"
    if now > (certificate.not_after or now):
        yield f"expired since {certificate.not_after}"


def _weak(certificate: Certificate) -> Iterator[str]:
    kind, _, size = (certificate.key or "").partition(" ")
    if kind in ("RSA", "DSA") and int(size) < _SMALLEST_KEY:
        yield f"weak key ({certificate.key})"
    if _WEAK_SIGNATURE.search(certificate.signature or ""):
        yield f"weak signature ({certificate.signature})"
    if not certificate.names:
        yield "it names no host"


def _verify(
    builder: PolicyBuilder, found: x509.Certificate, others: list[x509.Certificate], name: str
) -> str | None:
    from cryptography.x509.verification import VerificationError

    try:
        builder.build_server_verifier(_subject(name)).verify(found, others)
    except VerificationError as error:
        # Before the reason stands what failed, or our own exception's name, behind it the certificate.
        words = str(error).removeprefix("validation failed: ").partition(" (encountered")[0]
        words = words.rpartition("ValueError: ")[2]
        no_chain = words.startswith("candidates exhausted")
        return NO_CHAIN if no_chain else f"not accepted: {safe(clip(words, _LONGEST_REASON))}"
    except ValueError:
        return "no certificate can have such a name"
    return None


def _subject(name: str) -> Subject:
    """The name as the library wants it. Raises ValueError for one that no certificate can have."""
    from cryptography.x509 import DNSName, IPAddress

    try:
        return IPAddress(ip_address(name.partition("%")[0]))
    except ValueError:
        return DNSName(name.removesuffix("."))


def _shown(names: Sequence[str]) -> str:
    shown = [safe(clip(name, _LONGEST_NAME)) for name in names[:_MOST_NAMES]]
    return ", ".join([*shown, "…"] if len(names) > _MOST_NAMES else shown)
