from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

import der
from imcprobe.evidence import Certificate
from imcprobe.fingerprint.certificate import MAX_DER, MAX_NAMES, MAX_TEXT, hints, read
from imcprobe.meaning import Channel
from imcprobe.safetext import to_bytes

EX1 = x509.Name(
    [
        x509.NameAttribute(NameOID.COMMON_NAME, "EX1"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc"),
    ]
)
CA = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example CA")])
SIGNER = ec.generate_private_key(ec.SECP256R1())
FIELDS = ("subject", "issuer", "not_before", "not_after", "self_signed", "key", "signature")


def signed(key: object, *names: x509.GeneralName, issuer: x509.Name = CA) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(EX1)
        .issuer_name(issuer)
        .public_key(key)  # type: ignore[arg-type]  # whatever the test is about
        .serial_number(7)
        .not_valid_before(dt.datetime(2025, 11, 25, 18, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2026, 11, 25, 18, tzinfo=dt.UTC))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(SIGNER, hashes.SHA256()).public_bytes(Encoding.DER)


def default(subject: bytes = b"EX1", *names: bytes, issuer: bytes | None = None) -> Certificate:
    found = names or (b"EX1", b"ex1.example.com")
    extension = der.alternative(*((der.DNS, text) for text in found))
    own = der.name(subject)
    return read(der.certificate(extension, subject=own, issuer=issuer or own))


def test_every_field_of_a_certificate_is_read() -> None:
    names = (
        x509.DNSName("ex1.example.com"),
        x509.RFC822Name("postmaster@example.com"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
        x509.DNSName("*.example.org"),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    )
    data = signed(SIGNER.public_key(), *names)
    assert read(data) == Certificate(
        data,
        subject=r"O=Example\, Inc,CN=EX1",
        issuer="CN=Example CA",
        names=("ex1.example.com", "192.0.2.1", "*.example.org", "2001:db8::1"),
        not_before="2025-11-25T18:00:00Z",
        not_after="2026-11-25T18:00:00Z",
        self_signed=False,
        key="EC secp256r1",
        signature="ecdsa-with-SHA256",
    )
    assert read(data).sha256 == hashlib.sha256(data).hexdigest()


def test_a_certificate_that_names_itself_as_its_issuer_is_called_self_signed() -> None:
    assert read(signed(SIGNER.public_key(), issuer=EX1)).self_signed is True


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (ec.generate_private_key(ec.SECP384R1()), "EC secp384r1"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
        (ed448.Ed448PrivateKey.generate(), "Ed448"),
        (x25519.X25519PrivateKey.generate(), "X25519"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_key_is_told_by_kind_and_size_or_curve(key: ec.EllipticCurvePrivateKey, said: str) -> None:
    assert read(signed(key.public_key())).key == said


@pytest.mark.parametrize(
    ("dotted", "said"),
    [
        (der.MD2, "md2WithRSAEncryption"),
        (der.MD5, "md5WithRSAEncryption"),
        (der.SHA1, "sha1WithRSAEncryption"),
        (der.SHA256, "sha256WithRSAEncryption"),
        ("1.2.840.10040.4.3", "dsa-with-sha1"),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_a_signature_is_told_by_its_algorithm_and_an_unknown_one_by_its_oid(dotted: str, said: str) -> None:
    found = read(der.certificate(signature=dotted))
    assert (found.signature, found.error) == (said, None)


@pytest.mark.parametrize("bits", [384, 512, 1024, 16384])
def test_keys_of_old_servers_are_seen(bits: int) -> None:
    assert read(der.certificate(key=der.rsa(bits))).key == f"RSA {bits}"
    assert read(der.certificate(key=der.dsa(1024))).key == "DSA 1024"


def test_a_key_that_the_library_does_not_know_is_told_by_its_oid() -> None:
    key = der.tlv(0x30, der.algorithm("1.2.3.4"), der.tlv(3, b"\0x"))
    assert read(der.certificate(key=key)).key == "1.2.3.4"


@pytest.mark.parametrize("serial", [0, -5, 1 << 200])
@pytest.mark.parametrize("version", [1, 3])
def test_odd_serial_numbers_and_old_versions_are_read_without_a_warning(serial: int, version: int) -> None:
    found = read(der.certificate(serial=serial, version=version))
    assert (found.subject, found.names, found.error) == ("CN=EX1", (), None)


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        ((b"500101000000Z", b"491231235959Z"), ("1950-01-01T00:00:00Z", "2049-12-31T23:59:59Z")),
        ((b"18000101000000Z", b"99991231235959Z"), ("1800-01-01T00:00:00Z", "9999-12-31T23:59:59Z")),
        ((b"00010101000000Z", b"00010101000000Z"), ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z")),
    ],
)
def test_any_dates_are_read(dates: tuple[bytes, bytes], said: tuple[str, str]) -> None:
    found = read(der.certificate(dates=dates))
    assert (found.not_before, found.not_after) == said


@pytest.mark.parametrize(
    ("tag", "text", "said"),
    [
        (der.T61, b"EX1", "CN=EX1"),
        (der.BMP, b"\0E\0X\x20\x2e", "CN=EX\u202e"),
        (der.UNIVERSAL, b"\0\0\0E", "CN=E"),
        (der.UTF8, b"E\n\x1b[2J", "CN=E\n\x1b[2J"),
        (der.PRINTABLE, b"", "CN="),
        (der.PRINTABLE, b"x" * 2000, "CN=" + "x" * (MAX_TEXT - 4) + "…"),
    ],
    ids=["T61", "BMP", "universal", "control", "empty", "long"],
)
def test_names_of_any_string_type_are_read_as_they_are(tag: int, text: bytes, said: str) -> None:
    assert read(der.certificate(subject=der.name(text, tag))).subject == said


def test_a_certificate_has_no_more_names_than_are_of_use() -> None:
    many = der.alternative(*((der.DNS, b"h%d.example.com" % number) for number in range(MAX_NAMES + 1)))
    assert read(der.certificate(many)).names == tuple(f"h{number}.example.com" for number in range(MAX_NAMES))


@pytest.mark.parametrize(
    ("data", "unread"),
    [
        (der.certificate(subject=der.name(b"\xff", der.UTF8)), {"subject", "self_signed"}),
        (der.certificate(issuer=der.name(b"\xff", der.UTF8)), {"issuer", "self_signed"}),
        (der.certificate(dates=(b"00000101000000Z", b"300101000000Z")), {"not_before"}),
        (der.certificate(dates=(b"300101000000Z", b"00000101000000Z")), {"not_after"}),
        (
            der.certificate(
                key=der.tlv(0x30, der.algorithm("1.2.840.113549.1.1.1"), der.tlv(3, b"\0x")),
            ),
            {"key"},
        ),
        (der.certificate(der.alternative((der.DNS, b"\xff"))), {"names"}),
        (der.certificate(der.alternative((der.ADDRESS, b"\1\2\3"))), {"names"}),
        (der.certificate(der.alternative((der.DNS, b"a")), der.alternative((der.DNS, b"b"))), {"names"}),
    ],
    ids=["subject", "issuer", "start", "end", "key", "name", "address", "twice"],
)
def test_what_one_field_makes_unreadable_leaves_the_others(data: bytes, unread: set[str]) -> None:
    found = read(data)
    said = {name.replace(" ", "_").replace("-", "_") for name in _unread(found)}
    assert said == unread
    assert {name for name in FIELDS if getattr(found, name) is None} == unread - {"names"}


def _unread(found: Certificate) -> list[str]:
    assert found.error is not None
    assert found.error.startswith("not read: ")
    return found.error.removeprefix("not read: ").split(", ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0",
        b"\x30\x82\xff\xff",
        der.certificate()[:-1],
        der.certificate() + b"x",
        der.certificate(version=4),
    ],
    ids=["empty", "a byte", "cut head", "cut", "more", "version 4"],
)
def test_what_is_no_certificate_is_kept_with_the_reason(data: bytes) -> None:
    assert read(data) == Certificate(data, error="not read: no certificate in DER")


def test_what_is_too_long_is_not_even_tried() -> None:
    extension = der.tlv(0x30, der.oid("1.2.3.4"), der.tlv(4, bytes(MAX_DER)))
    assert read(der.certificate(extension)).error == "not read: longer than 65,536 bytes"


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400))
def test_whatever_the_bytes_it_never_raises(data: bytes) -> None:
    assert read(data).error is not None


SEEDS = [
    der.certificate(),
    der.certificate(der.alternative((der.DNS, b"EX1"), (der.DNS, b"ex1.example.com")), signature=der.MD5),
    signed(SIGNER.public_key(), x509.DNSName("ex1.example.com"), x509.IPAddress(ipaddress.ip_address("::1"))),
    signed(ed25519.Ed25519PrivateKey.generate().public_key()),
]


@settings(max_examples=1000, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_of_a_certificate_with_other_bytes_in_it_every_text_is_bounded_and_can_be_written(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    changed = bytearray(data)
    for at, byte in changes:
        changed[at % len(changed)] = byte
    found = read(bytes(changed))
    hints(found)
    assert len(found.names) <= MAX_NAMES
    texts = [found.subject, found.issuer, found.not_before, found.not_after, found.key, found.signature]
    for text in (*texts, *found.names, found.error):
        assert text is None or len(text) <= MAX_TEXT
        assert text is None or to_bytes(text).decode() == text


def test_the_certificate_that_exchange_makes_for_itself_names_its_host() -> None:
    (hint,) = hints(default())
    assert hint.channel is Channel.CERTIFICATE
    assert hint.reading == (
        "consistent with the default certificate of Exchange 2007 or later, which names its host"
    )
    assert hint.evidence == "ex1.example.com"
    assert "Exchange 2007 Help" in hint.source


@pytest.mark.parametrize(
    "found",
    [
        default(b"ex1", b"EX1.Example.com", b"EX1"),
        default(b"EX-1", b"EX-1", b"ex-1.mail.example.com"),
    ],
    ids=["order and case", "subdomain"],
)
def test_case_and_order_of_its_names_do_not_matter(found: Certificate) -> None:
    assert len(hints(found)) == 1


@pytest.mark.parametrize(
    "found",
    [
        default(issuer=der.name(b"Example CA")),
        default(b"EX1", b"EX1"),
        default(b"EX1", b"EX1", b"ex1.example.com", b"mx.example.com"),
        default(b"EX1", b"EX1", b"ex2.example.com"),
        default(b"EX1", b"EX1", b"EX1"),
        default(b"EX1", b"EX2", b"EX1.example.com"),
        default(b"ex1.example.com", b"EX1", b"ex1.example.com"),
        default(b"EX 1", b"EX 1", b"EX 1.example.com"),
        read(b""),
    ],
    ids=[
        "signed by another",
        "one name",
        "three names",
        "another host",
        "twice",
        "another name",
        "whole name",
        "no label",
        "no certificate",
    ],
)
def test_any_other_form_is_no_hint(found: Certificate) -> None:
    assert hints(found) == ()


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_nothing_is_imported_until_the_first_certificate_is_read() -> None:
    code = (
        "import sys; from imcprobe.fingerprint.certificate import read; print('cryptography' in sys.modules)"
    )
    assert run(f"{code}; read(b''); print('cryptography' in sys.modules)") == "False\nTrue\n"


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['cryptography'] = None; from imcprobe.fingerprint.certificate import read"
    assert run(f"{code}; print(read(b'x').error, read(b'x').der)") == (
        "not read: needs the \"tls\" extra b'x'\n"
    )
