"""What stands in the certificates, read by the library and judged by OpenSSL."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from imcprobe.testing import certificates as made

if TYPE_CHECKING:
    from collections.abc import Callable

MX = "mx.example.com"
KINDS = (
    made.self_signed,
    made.expired,
    made.not_yet_valid,
    made.weak,
    made.elliptic,
    made.for_another_name,
    made.oversized,
)


def read(certificate: made.ServerCertificate) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate.der)


def names(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_each_is_signed_by_its_own_key_and_made_once(
    kind: Callable[[str], made.ServerCertificate],
) -> None:
    certificate = read(kind(MX))
    assert certificate.subject == certificate.issuer
    if kind is made.weak:
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        algorithm = certificate.signature_hash_algorithm
        assert algorithm is not None
        # cryptography has no verify_directly_issued_by() for SHA-1 any more.
        recovered = key.recover_data_from_signature(certificate.signature, padding.PKCS1v15(), algorithm)
        assert len(recovered) == 20
    else:
        certificate.verify_directly_issued_by(certificate)
    assert kind(MX) is kind(MX)
    assert made.context(kind, MX) is made.context(kind, MX)


def test_that_of_exchange_has_the_netbios_name_and_the_dns_name() -> None:
    certificate = read(made.self_signed(MX))
    assert certificate.subject.rfc4514_string() == "CN=mx"
    assert names(certificate) == ["mx", MX]
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert certificate.not_valid_before_utc < datetime.now(UTC) < certificate.not_valid_after_utc


def test_their_times_are_over_or_to_come() -> None:
    day = timedelta(days=1)
    assert read(made.expired(MX)).not_valid_after_utc < datetime.now(UTC) - day
    assert read(made.not_yet_valid(MX)).not_valid_before_utc > datetime.now(UTC) + day


def test_the_weak_one_has_1024_bits_and_sha_1() -> None:
    certificate = read(made.weak(MX))
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 1024
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == "sha1"
    assert certificate.signature_algorithm_oid == x509.oid.SignatureAlgorithmOID.RSA_WITH_SHA1


def test_the_others_are_what_they_are_called() -> None:
    assert isinstance(read(made.elliptic(MX)).public_key(), ec.EllipticCurvePublicKey)
    assert MX not in names(read(made.for_another_name(MX)))
    assert len(made.oversized(MX).der) > 50_000


def test_without_the_library_it_is_said_what_to_install() -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from imcprobe.errors import UsageError\n"
        "from imcprobe.testing import certificates\n"
        "try: certificates.context()\n"
        "except UsageError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "TLS of a mock needs the \"tls\" extra: pip install 'imcprobe[tls]'\n"
