from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.errors import UsageError
from imcprobe.model import Build
from imcprobe.testing.greetings import GREETING_NAMES, greeting_for, greeting_of, mask, named_greeting

IMS_5_5 = "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service {}) ready\r\n"
IMS_5_0 = "220 mx.example.com Microsoft Exchange Internet Mail Service {} ready\r\n"
IMC_4_0 = "220 mx.example.com Microsoft Exchange Internet Mail Connector {} ready\r\n"


@pytest.mark.parametrize(
    ("build", "form", "said"),
    [
        ("5.5.2650.21", IMS_5_5, "5.5.2650.21"),
        ("2650.21", IMS_5_5, "5.5.2650.21"),
        ("1660", IMS_5_5, "5.5.1660"),
        ("5.5.2653.013", IMS_5_5, "5.5.2653.13"),
        ("5.5.7", IMS_5_5, "5.5.7"),
        ("5.0.1460.8", IMS_5_0, "5.0.1460.8"),
        ("1457.3", IMS_5_0, "5.0.1457.3"),
        ("1499", IMS_5_0, "5.0.1499"),
        ("4.0.993.5", IMC_4_0, "4.0.993.5"),
        ("837.3", IMC_4_0, "4.0.837.3"),
        ("999", IMC_4_0, "4.0.999"),
    ],
)
def test_a_build_speaks_in_the_form_of_its_product(build: str, form: str, said: str) -> None:
    expected = form.format(said).encode()
    assert greeting_for(build, "mx.example.com") == expected
    assert greeting_for(Build.parse(build), "mx.example.com") == expected
    assert greeting_of(build, "mx.example.com") == expected


@pytest.mark.parametrize("text", ["6.0.3790.4675", "836", "1000", "1456", "1500", "1659", "0"])
def test_a_build_of_no_product_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"of no product that is known\. Give one of 4\.0, 5\.0 or 5\.5"):
        greeting_for(text)


@pytest.mark.parametrize("text", ["5.5.", "5.5.2650.21.1", "5\u0665", "1" * 5000, "5.5.2650.21\n"])
def test_text_that_is_no_build_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"no build number\. Write it as 5\.5\.2650\.21") as refused:
        greeting_of(text)
    assert len(str(refused.value)) < 120
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("postfix", b"220 mock.example.com ESMTP Postfix"),
        ("windows", b"220 mock.example.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at  "),
        ("exchange2007", b"220 mock.example.com Microsoft ESMTP MAIL Service ready at "),
        ("exchange4.0", b"220 mock.example.com service ready\r\n"),
        ("exchange2003", b"220 mock.example.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready "),
        ("custom", b"220 ESMTP Ready"),
        ("masked", b"220 **************** *"),
    ],
)
def test_other_servers_have_names(name: str, words: bytes) -> None:
    greeting = named_greeting(name)
    assert greeting.startswith(words)
    assert greeting.endswith(b"\r\n")
    assert greeting.count(b"\n") == 1
    assert greeting_of(name) == greeting


def test_every_name_is_one_that_works() -> None:
    assert {greeting_of(name).splitlines()[-1][:4] for name in GREETING_NAMES} == {b"220 "}


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"greeting 'qmail': unknown\. Known: a build, exchange4\.0, exch"):
        greeting_of("qmail")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (b"220 a20 b2\r\n", b"220 *20 *2\r\n"),
        (b"220-a\r\n220 b\n", b"220-*\r\n220 *\n"),
        (b"no code 2", b"** **** 2"),
        (b"", b""),
    ],
)
def test_a_mask_leaves_codes_zeros_twos_and_blanks(said: bytes, left: bytes) -> None:
    assert mask(said) == left


@given(st.binary(max_size=80))
def test_a_mask_changes_no_length_and_masks_once(data: bytes) -> None:
    assert len(mask(data)) == len(data)
    assert mask(mask(data)) == mask(data)


@given(st.integers(1660, 99_999), st.none() | st.integers(0, 99_999))
def test_every_build_can_be_said(build: int, revision: int | None) -> None:
    said = Build(None, None, build, revision)
    assert f" 5.5.{said}) ready\r\n".encode() in greeting_for(said)
