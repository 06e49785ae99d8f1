from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pieces import FLOODS, PIECES
from promises import PROMISES

# More for who looks for something: 20,000 take a quarter of an hour.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "80"))
LARGE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@pytest.mark.parametrize("name", PROMISES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=LARGE)
@given(data=st.data())
def test_a_parser_keeps_its_promises_whatever_it_reads(name: str, data: st.DataObject) -> None:
    PROMISES[name](data.draw(PIECES[name]))


@pytest.mark.parametrize("name", PROMISES)
@settings(max_examples=max(4, EXAMPLES // 16), deadline=None, suppress_health_check=LARGE)
@given(data=st.data())
def test_a_flood_of_anything_costs_no_more_than_its_length(name: str, data: st.DataObject) -> None:
    PROMISES[name](data.draw(FLOODS[name]))
