"""What fuzzing found, each by the promise that did not hold."""

from __future__ import annotations

import time

import pytest

from imcprobe.targets import MAX_ALL_PIECES, TargetsBuilder
from promises import PROMISES, flood


@pytest.mark.parametrize(
    "data",
    [
        flood(b"hello ", b"a"),
        flood(b"220-a\r\n554 ", b"b", b"\r\n"),
        flood(b"220-a\r\n220\r", b"b", b"\r\n"),
    ],
    ids=["no code", "another code", "nothing behind the code"],
)
def test_chunks_make_no_difference_to_what_is_said_of_a_reply_without_an_end(data: bytes) -> None:
    PROMISES["reply"](data)


def test_a_flood_of_lines_that_are_no_target_is_refused() -> None:
    PROMISES["targets"](flood(b"", b"220\r\n"))


@pytest.mark.parametrize("barred", ["9.0.{}.{}", "h{}-{}.example.com"], ids=["addresses", "names"])
def test_many_ports_of_few_hosts_do_not_each_cost_a_walk_past_what_is_excluded(barred: str) -> None:
    builder = TargetsBuilder()
    builder.add_lines("\n".join(f"10.0.0.1:{port}" for port in range(1, 12_000)), "f")
    builder.exclude_lines("\n".join(barred.format(at >> 7, (at & 127) * 2) for at in range(10_000)), "x")
    began = time.process_time()
    assert len(builder.build()) == 11_999
    assert time.process_time() - began < 2


def test_a_short_list_of_octet_ranges_takes_no_more_than_its_share_of_memory() -> None:
    builder = TargetsBuilder()
    lines = 2 + MAX_ALL_PIECES // 65_535
    why = "too many with those before it"
    text = "".join(f"0-255.0-255.1.1:{port}\n" for port in range(1, lines + 1))
    builder.add_lines(f"{text}10.0.0.1\n", "f", skip_bad=True)
    assert [bad.message for bad in builder.build().bad] == [
        f"f line {line}: 0-255.0-255.1.1 falls into 65,536 pieces, {why}. Give networks."
        for line in (lines - 1, lines)
    ]
