from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import der
from imcprobe.probe.trust import NO_CHAIN, NO_ROOTS, Trust, system_roots

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "ex1.example.com"
NOW = datetime(2026, 11, 25, 18, tzinfo=UTC)
SEEN = NOW.timestamp()
YEAR = timedelta(days=365)
KEY = ec.generate_private_key(ec.SECP256R1())


def in_der(pem: trustme.Blob) -> bytes:
    return x509.load_pem_x509_certificate(pem.bytes()).public_bytes(Encoding.DER)


class Authority:
    """A certification authority and the certificates that it issues."""

    def __init__(self, parent: trustme.CA | None = None) -> None:
        self.ca = trustme.CA() if parent is None else parent.create_child_ca()
        self.der = in_der(self.ca.cert_pem)

    def issue(
        self, *names: str, not_before: datetime = NOW - YEAR, not_after: datetime = NOW + YEAR
    ) -> bytes:
        issued = self.ca.issue_cert(*names, not_before=not_before, not_after=not_after)
        return in_der(issued.cert_chain_pems[0])


CA, OTHER = Authority(), Authority()
BELOW = Authority(CA.ca)
FURTHER = Authority(BELOW.ca)
TRUST = Trust(lambda: [CA.der])


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def made(
    *names: str,
    subject: str = "EX1",
    issuer: str = "EX1",
    usage: x509.ObjectIdentifier | None = None,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = KEY,
    authority: bool = False,
    signer: ec.EllipticCurvePrivateKey = KEY,
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - YEAR)
        .not_valid_after(NOW + YEAR)
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(text) for text in names])
        builder = builder.add_extension(alternative, critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if authority:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(own, critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
        )
        builder = builder.add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)


ROOT = made(subject="Example CA", issuer="Example CA", authority=True)
PRIVATE = Trust(lambda: [ROOT])


@pytest.mark.parametrize(
    ("leaf", "chain", "host"),
    [
        (CA.issue(HOST), [], HOST),
        (CA.issue(HOST), [CA.der], "EX1.Example.COM"),
        (CA.issue(HOST), [], f"{HOST}."),
        (CA.issue("*.example.com"), [], HOST),
        (CA.issue("192.0.2.1"), [], "192.0.2.1"),
        (CA.issue("2001:db8::1"), [], "2001:db8:0::1"),
        (CA.issue("fe80::1"), [], "fe80::1%eth0"),
        (BELOW.issue(HOST), [BELOW.der], HOST),
        (FURTHER.issue(HOST), [b"no certificate", FURTHER.der, BELOW.der], HOST),
    ],
    ids=["host", "case", "dot", "wildcard", "IPv4", "IPv6", "scope", "intermediate", "two intermediates"],
)
def test_what_an_authority_of_this_system_signed_for_the_host_is_trusted(
    leaf: bytes, chain: Sequence[bytes], host: str
) -> None:
    assert TRUST.distrust(leaf, chain, host, SEEN) is None
    assert TRUST.distrust(leaf, [leaf, *chain], host, SEEN) is None


@pytest.mark.parametrize(
    ("leaf", "chain", "host", "why"),
    [
        (CA.issue(HOST, not_after=NOW - YEAR / 2), [], HOST, "expired since 2026-05-27T06:00:00Z"),
        (CA.issue(HOST, not_before=NOW + YEAR / 2), [], HOST, "not valid before 2027-05-27T06:00:00Z"),
        (CA.issue("mx.example.com"), [], HOST, "another name: mx.example.com"),
        (CA.issue("*.example.com"), [], "a.ex1.example.com", "another name: *.example.com"),
        (CA.issue("192.0.2.1"), [], "192.0.2.2", "another name: 192.0.2.1"),
        (CA.issue("a", "b", "c", "d"), [], HOST, "another name: a, b, c, …"),
        (CA.issue(HOST), [], "under_score", f"another name: {HOST}"),
        (CA.issue(HOST), [], "h\u00f6st.example.com", f"another name: {HOST}"),
        (OTHER.issue(HOST), [], HOST, NO_CHAIN),
        (OTHER.issue(HOST), [OTHER.der], HOST, NO_CHAIN),
        (BELOW.issue(HOST), [], HOST, NO_CHAIN),
        (BELOW.issue("mx.example.com"), [], HOST, NO_CHAIN),
        (CA.der, [], HOST, "it names no host"),
        (made(HOST), [], HOST, "self-signed"),
        (made(), [], HOST, "self-signed; it names no host"),
        (b"x", [], HOST, "not read: no certificate in DER"),
        (
            der.certificate(der.alternative((der.DNS, HOST.encode())), dates=(b"000101000000Z",) * 2),
            [],
            HOST,
            (
                "expired since 2000-01-01T00:00:00Z; self-signed; weak key (RSA 1024);"
                " weak signature (sha1WithRSAEncryption)"
            ),
        ),
        (
            der.certificate(
                der.alternative((der.DNS, HOST.encode())), issuer=der.name(b"Example CA"), key=der.dsa(1024)
            ),
            [],
            HOST,
            "weak key (DSA 1024); weak signature (sha1WithRSAEncryption)",
        ),
    ],
    ids=[
        "expired",
        "not yet",
        "another name",
        "wildcard",
        "address",
        "many names",
        "odd host",
        "no ASCII",
        "unknown authority",
        "unknown authority, sent",
        "intermediate missing",
        "intermediate missing, another name",
        "no name",
        "self-signed",
        "self-signed, no name",
        "no certificate",
        "all of it",
        "SHA-1, DSA",
    ],
)
def test_what_is_not_trusted_has_a_reason(leaf: bytes, chain: Sequence[bytes], host: str, why: str) -> None:
    assert TRUST.distrust(leaf, chain, host, SEEN) == why


def test_a_private_authority_needs_no_extensions_of_the_web() -> None:
    assert PRIVATE.distrust(made(HOST, issuer="Example CA"), [], HOST, SEEN) is None


def test_a_self_signed_certificate_that_this_system_trusts_is_trusted() -> None:
    own = made(HOST)
    assert Trust(lambda: [own]).distrust(own, [], HOST, SEEN) is None


def test_a_certificate_for_clients_is_not_trusted_for_a_server() -> None:
    usage = ExtendedKeyUsageOID
    for_clients = made(HOST, issuer="Example CA", usage=usage.CLIENT_AUTH)
    assert PRIVATE.distrust(for_clients, [], HOST, SEEN) == "not accepted: it is not for servers"
    for fit in (usage.SERVER_AUTH, usage.ANY_EXTENDED_KEY_USAGE):
        assert PRIVATE.distrust(made(HOST, issuer="Example CA", usage=fit), [], HOST, SEEN) is None


def test_a_server_cannot_be_the_authority_of_another() -> None:
    server = made("mx.example.com", subject="MX", issuer="Example CA")
    assert PRIVATE.distrust(made(HOST, issuer="MX"), [server], HOST, SEEN) == NO_CHAIN


def test_with_the_wrong_key_a_signature_of_a_trusted_name_is_nothing() -> None:
    forged = made(HOST, issuer="Example CA", signer=ec.generate_private_key(ec.SECP256R1()))
    assert PRIVATE.distrust(forged, [], HOST, SEEN) == NO_CHAIN


def test_a_system_without_authorities_says_so() -> None:
    nothing = Trust(list)
    assert nothing.distrust(CA.issue(HOST), [], HOST, SEEN) == NO_ROOTS
    assert nothing.distrust(made(HOST), [], HOST, SEEN) == "self-signed"


def test_roots_are_read_once_and_not_before_they_are_needed() -> None:
    asked: list[str] = []

    def roots() -> list[bytes]:
        asked.append("roots")
        return [CA.der, b"no certificate"]

    trust = Trust(roots)
    assert trust.distrust(b"", [], HOST, SEEN) is not None
    assert asked == []
    for _ in range(3):
        assert trust.distrust(CA.issue(HOST), [], HOST, SEEN) is None
    assert asked == ["roots"]


def test_what_is_said_can_be_shown_as_it_is() -> None:
    hostile = der.alternative((der.DNS, b"a\x1b[2J\n" + b"x" * 500))
    leaf = x509.load_der_x509_certificate(made(issuer="Example CA"))
    assert leaf.subject == name("EX1")
    for data in (der.certificate(hostile), CA.issue(HOST), made("a\x1b[2J" + "x" * 300, issuer="Example CA")):
        why = PRIVATE.distrust(data, [], HOST, SEEN)
        assert why is not None
        assert why.isprintable()
        assert len(why) < 500


def test_certificates_that_have_all_signed_each_other_cost_little() -> None:
    tangle = [made(subject="Loop", issuer="Loop", authority=True) for _ in range(40)]
    leaf = made(HOST, issuer="Loop")
    began = time.process_time()
    assert PRIVATE.distrust(leaf, tangle, HOST, SEEN) == NO_CHAIN
    assert time.process_time() - began < 2


def test_the_roots_of_this_system_are_certificates_or_none_at_all() -> None:
    roots = system_roots()
    assert all(x509.load_der_x509_certificate(root) for root in roots[:3])
    assert Trust().distrust(CA.issue(HOST), [], HOST, SEEN) == (NO_CHAIN if roots else NO_ROOTS)
