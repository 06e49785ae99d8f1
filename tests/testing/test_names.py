from __future__ import annotations

import subprocess
import sys

import pytest

from imcprobe import testing


def test_every_public_name_is_there_and_listed() -> None:
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    assert set(testing.__all__) <= set(dir(testing))
    assert set(testing.__all__) == set(testing._HOMES)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'imcprobe\.testing' has no attribute 'Server'"):
        testing.Server  # noqa: B018 - the access is what is tested


def test_the_names_come_when_they_are_used() -> None:
    code = (
        "import sys; from imcprobe import testing; assert 'asyncio' not in sys.modules;"
        "from imcprobe.testing import MockServer; assert 'asyncio' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
