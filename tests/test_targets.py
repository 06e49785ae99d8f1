from __future__ import annotations

import sys
import time
import tracemalloc
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.errors import TargetError, UsageError
from imcprobe.model import Target
from imcprobe.order import Done, Order
from imcprobe.targets import MAX_BAD_LINES, Targets, TargetsBuilder, parse, parse_ports

specs = st.lists(
    st.sampled_from(["10.0.0.0/29", "10.0.0.4-9", "10.0.0.1:2525", "::1", "2001:db8::/126", "mx.example.com",
                     "MX.example.com.", "10.0.0.7", "fe80::1%eth0", "mx.example.com:587"])
)  # fmt: skip


def shown(targets: Targets) -> list[str]:
    return [str(target) for target in targets]


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ("10.0.0.1", Target("10.0.0.1", 25)),
        ("10.0.0.1:2525", Target("10.0.0.1", 2525)),
        ("MX.Example.com", Target("mx.example.com", 25)),
        ("mx.example.com:587", Target("mx.example.com", 587)),
        ("localhost", Target("localhost", 25)),
        ("my_host-1", Target("my_host-1", 25)),
        ("mx.example.com.", Target("mx.example.com.", 25)),
        ("::1", Target("::1", 25)),
        ("[::1]:2525", Target("::1", 2525)),
        ("[2001:DB8:0::1]", Target("2001:db8::1", 25)),
        ("fe80::1%eth0", Target("fe80::1%eth0", 25)),
        ("[fe80::1%eth0]:26", Target("fe80::1%eth0", 26)),
        (" 10.0.0.1 ", Target("10.0.0.1", 25)),
        ("mx.3com.example", Target("mx.3com.example", 25)),
        ("3com", Target("3com", 25)),
        ("fe80:0::1%enP2p1", Target("fe80::1%enP2p1", 25)),
    ],
)
def test_each_form_of_one_host_is_read(spec: str, target: Target) -> None:
    assert list(parse([spec])) == [target]


@pytest.mark.parametrize(
    "spec",
    ["", "10.1.4.300", "127.1", "0x7f.1", "0x7f000001", "0177.0.0.1", "2130706433", "1", "a..b", "a" * 64,
     "-a.b", "a-.b", "a b", "h\x00st", "http://mx.example.com/", "user@mx", "x." * 127 + "com",
     "b\u00fccher.example", "*", "127.0.0.1-300", "10.0.0.250-256", "10.0.0.1-01", "10.0.0.0-25S", "10-20",
     "stra\u00dfe.example", "\u212aelvin.example", "0.0.0.0", "::", "[::]:25",
     "fe80::1%", "::1%\x1b[2J", "a:b:c", "::ffff:10.0.0.1%lo", "10.0.0.1/0.0.0.0", "10.0.0.0/08"],
)  # fmt: skip
def test_what_is_no_target_is_refused_in_one_safe_line(spec: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse([spec])
    assert str(caught.value).isprintable()
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("spec", ["h:0", "h:65536", "h:", "h:x", "h:\u0661", "[::1]:99999", "h:+25"])
def test_a_port_is_checked(spec: str) -> None:
    with pytest.raises(TargetError, match="the port must be 1 to 65535"):
        parse([spec])


def test_brackets_are_for_ipv6() -> None:
    with pytest.raises(TargetError, match="brackets are for an IPv6 address"):
        parse(["[mx.example.com]:25"])


def test_a_network_of_ipv6_is_refused_in_words() -> None:
    with pytest.raises(TargetError, match="2001:db8::/64 is too large to scan address by address"):
        parse(["2001:db8::/64"])


def test_the_order_is_by_port_then_addresses_then_names_as_written() -> None:
    targets = parse(["z.example.com", "::1", "10.0.0.2", "a.example.com", "10.0.0.1"], ports=(587, 25))
    hosts = ["10.0.0.1", "10.0.0.2", "::1", "z.example.com", "a.example.com"]
    assert list(targets) == [Target(host, port) for port in (587, 25) for host in hosts]


def test_a_port_of_its_own_replaces_the_common_ports() -> None:
    targets = parse(["10.0.0.1:2525", "10.0.0.2", "10.0.0.2:587"], ports=(25, 587))
    assert shown(targets) == ["10.0.0.2:25", "10.0.0.2:587", "10.0.0.1:2525"]
    assert targets.duplicates == 1
    assert targets.ports == (25, 587, 2525)


def test_each_target_comes_once_and_repeated_ones_are_counted() -> None:
    targets = parse(["10.0.0.0/30", "10.0.0.2-5", "mx.example.com", "MX.example.com"])
    assert len(targets) == 7
    assert targets.duplicates == 3


def test_exclusions_win_for_addresses_and_names_whatever_the_order_and_port() -> None:
    targets = parse(
        ["10.0.0.0/29", "10.0.0.3:2525", "::1", "mx.example.com:26", "fe80::1%eth0"],
        exclude=["10.0.0.2-3", "::/16", "MX.example.com.", "fe80::/10"],
    )
    assert shown(targets) == [f"10.0.0.{last}:25" for last in (0, 1, 4, 5, 6, 7)]
    assert targets.excluded == 6


def test_an_exclusion_of_names_alone_leaves_them_out() -> None:
    targets = parse(["a.example.com", "b.example.com"], exclude=["b.example.com"])
    assert (shown(targets), targets.excluded) == (["a.example.com:25"], 1)


@pytest.mark.parametrize("chosen", ["mx.example.com", "mx.example.com."])
@pytest.mark.parametrize("barred", ["mx.example.com", "mx.example.com."])
def test_a_name_is_excluded_with_a_dot_at_its_end_and_without(chosen: str, barred: str) -> None:
    targets = parse([chosen, "10.0.0.1"], exclude=[barred])
    assert (shown(targets), targets.excluded) == (["10.0.0.1:25"], 1)


@pytest.mark.parametrize(
    ("address", "covered"),
    [("10.0.0.5", True), ("10.0.1.0", False), ("::ffff:10.0.0.5", True), ("2001:db8::9", True),
     ("2001:db9::", False), ("2001:db8::9%eth0", True), ("mx.example.com", False), ("9.255.255.255", False)],
)  # fmt: skip
def test_addresses_that_names_resolve_to_are_looked_up(address: str, covered: bool) -> None:
    assert parse([], exclude=["10.0.0.0/24", "2001:db8::/32"]).covers_excluded(address) is covered


def test_an_exclusion_has_no_port() -> None:
    with pytest.raises(TargetError, match="an exclusion is for every port"):
        parse(["10.0.0.1"], exclude=["10.0.0.1:25"])


def test_a_file_has_comments_blanks_and_any_line_end() -> None:
    builder = TargetsBuilder()
    builder.add_lines("# all\r\n10.0.0.1 # one\r\r\n\n  mx.example.com\n10.0.0.1", "hosts.txt")
    targets = builder.build()
    assert shown(targets) == ["10.0.0.1:25", "mx.example.com:25"]
    assert targets.duplicates == 1


def test_a_bad_line_is_named_with_file_line_text_and_remedy() -> None:
    with pytest.raises(TargetError) as caught:
        TargetsBuilder().add_lines("10.0.0.1\n\n10.1.4.300\n", "hosts.txt")
    what = '"10.1.4.300" is not an address, network, range or host name.'
    assert str(caught.value) == f"hosts.txt line 3: {what} Fix it, or --skip-bad."


def test_bad_lines_may_be_passed_over_and_are_kept() -> None:
    builder = TargetsBuilder()
    builder.add_lines("10.0.0.1\nx y\n\x1b[2J\n", "hosts.txt", skip_bad=True)
    targets = builder.build()
    assert shown(targets) == ["10.0.0.1:25"]
    assert [bad.text for bad in targets.bad] == ["x y", "\x1b[2J"]
    assert r'"\x1b[2J"' in targets.bad[1].message
    assert [bad.message.partition(":")[0] for bad in targets.bad] == ["hosts.txt line 2", "hosts.txt line 3"]


def test_a_bad_exclusion_is_never_passed_over() -> None:
    builder = TargetsBuilder()
    builder.exclude_lines("10.0.0.1\n", "never.txt")
    with pytest.raises(TargetError, match=r"never\.txt line 1: .* Fix it\."):
        builder.exclude_lines("10.0.0.300", "never.txt")
    builder.add("10.0.0.0/31")
    assert shown(builder.build()) == ["10.0.0.0:25"]


@given(specs, specs.filter(lambda chosen: not any(":2525" in spec or ":587" in spec for spec in chosen)))
def test_index_and_walk_agree(chosen: list[str], barred: list[str]) -> None:
    targets = parse(chosen, exclude=barred, ports=(25, 26))
    walked = list(targets)
    assert len(walked) == len(targets) == len(set(walked))
    assert [targets[index] for index in range(len(targets))] == walked
    for outside in (-1, len(targets)):
        with pytest.raises(IndexError):
            targets[outside]


@given(specs, st.randoms())
def test_the_digest_is_that_of_the_set(chosen: list[str], random: object) -> None:
    addresses = [spec for spec in chosen if "mx" not in spec.casefold() and "%" not in spec]
    mixed = list(addresses)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert parse(mixed).digest == parse(addresses).digest
    assert parse([*mixed, "10.9.9.9"]).digest != parse(addresses).digest


def test_the_digest_knows_ports() -> None:
    assert parse(["10.0.0.1"], ports=(26,)).digest != parse(["10.0.0.1"]).digest
    assert parse(["10.0.0.1:26"]).digest == parse(["10.0.0.1"], ports=(26,)).digest


def test_a_network_of_sixteen_million_costs_nothing_until_walked() -> None:
    tracemalloc.start()
    targets = parse(["127.0.0.0/8"], exclude=["127.0.0.0/24"])
    assert len(targets) == 2**24 - 256
    assert targets[len(targets) - 1] == Target("127.255.255.255")
    assert next(islice(targets, 100_000, None)) == Target("127.1.135.160")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize(
    ("text", "ports"),
    [("25", (25,)), ("25,587,25", (25, 587)), ("25-27", (25, 26, 27)), ("26, 25", (26, 25))],
)
def test_port_lists(text: str, ports: tuple[int, ...]) -> None:
    assert parse_ports(text) == ports


@pytest.mark.parametrize("text", ["", "0", "65536", "x", "27-25", "25,", "25-", "-1", "999999", "\u0662"])
def test_a_bad_port_list_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(UsageError, match="give ports of 1 to 65535 like 25,587 or 25-27"):
        parse_ports(text)


def test_a_mistyped_range_is_no_exclusion_without_effect() -> None:
    with pytest.raises(TargetError):
        parse(["127.0.0.2"], exclude=["127.0.0.1-300"])


@pytest.mark.parametrize("name", ["0.0.0.0", "::ffff:0.0.0.0", "::", "0:0:0:0:0:0:0:0", "::0"])
def test_this_machine_by_its_other_name_is_excluded_too(name: str) -> None:
    barred = ["127.0.0.0/8", "::1"]
    assert parse([], exclude=barred).covers_excluded(name)
    assert parse([], exclude=[name]).covers_excluded(name)
    assert not list(parse(["0.0.0.0/31", "::/127"], exclude=[*barred, "0.0.0.1"]))


@pytest.mark.parametrize(
    "spec", ["0.0.0.0/32", "0.0.0.0-0", "::0", "::/128", "::ffff:0.0.0.0", "0-0.0.0.0", "[::0]:25"]
)
def test_this_machine_is_no_target_however_it_is_written(spec: str) -> None:
    with pytest.raises(TargetError, match=r"is this machine\. Say (127\.0\.0\.1|::1)\."):
        parse([spec])


def test_a_name_is_the_same_with_a_dot_at_its_end() -> None:
    targets = parse(["mx.example.com.", "mx.example.com", "mx.example.com:25"])
    assert (shown(targets), targets.duplicates) == (["mx.example.com.:25"], 2)


def test_the_digest_knows_the_ports_of_names() -> None:
    here, there = ["a.example.com:25", "b.example.com:26"], ["a.example.com:26", "b.example.com:25"]
    assert parse(here).digest != parse(there).digest
    # In the same order all the same:
    assert parse(["mx.example.com:26"]).digest != parse(["mx.example.com:27"]).digest


def test_the_digest_takes_no_name_for_a_range_and_knows_no_order_of_exclusions() -> None:
    assert parse(["0.0.0.10-11"]).digest != parse(["a-b"]).digest
    names = ["a.example.com", "b.example.com"]
    assert parse(["h"], exclude=names).digest == parse(["h"], exclude=names[::-1]).digest


def test_the_digest_knows_exclusions() -> None:
    assert parse(["mx.example.com"], exclude=["10.0.0.0/8"]).digest != parse(["mx.example.com"]).digest


def test_many_ports_cost_little() -> None:
    began = time.process_time()
    targets = parse(["10.0.0.0/8", "10.0.0.1:25"], ports=range(1, 65_536))
    assert len(targets) == 65_535 * 2**24
    assert time.process_time() - began < 2


@pytest.mark.parametrize("port", [0, 65_536, -1])
def test_an_impossible_port_is_refused_before_anything_is_probed(port: int) -> None:
    with pytest.raises(TargetError, match=rf"port {port}: it must be 1 to 65535\."):
        parse(["10.0.0.1"], ports=(25, port))


octets = st.integers(0, 255)
addresses = st.builds("10.{}.0.{}".format, octets, octets) | st.builds("2001:db8::{:x}".format, octets)
networks = st.builds("10.0.{}.{}/{}".format, octets, octets, st.integers(26, 32))
networks |= st.builds("2001:db8::{:x}/{}".format, octets, st.integers(122, 128))
names = st.sampled_from(["a.example", "b.example", "b.example.", "c.example.", "fe80::1%eth0", "fe80::1%lo"])
ports = st.sampled_from([25, 587, 2525])
own_ports = st.builds("{}:{}".format, st.sampled_from(["[::1]", "10.0.0.1", "a.example", "d.example"]), ports)
mixed = st.lists(addresses | networks | names | own_ports, max_size=12)


@given(mixed, st.lists(addresses | networks | names, max_size=4), st.lists(ports, max_size=3))
def test_a_target_gives_its_index_back(chosen: list[str], barred: list[str], common: list[int]) -> None:
    targets = parse(chosen, exclude=barred, ports=common)
    assert [targets.index_of(target) for target in targets] == list(range(len(targets)))


@given(mixed, addresses | names, ports)
def test_only_a_target_has_an_index(chosen: list[str], host: str, port: int) -> None:
    targets = parse(chosen)
    index = targets.index_of(Target(host, port))
    assert (index is None) == (Target(host, port) not in set(targets))
    assert index is None or targets[index] == Target(host, port)


@pytest.mark.parametrize(
    "host", ["10.0.0.01", "10.0.0.4", "9.255.255.255", "MX.example.com", "mx.example.com.", "2001:DB8::1",
             "2001:db8::4", "::ffff:10.0.0.1", "fe80::1", "fe80::1%lo", ""]
)  # fmt: skip
def test_another_way_to_write_a_host_is_no_target(host: str) -> None:
    targets = parse(["10.0.0.0/30", "2001:db8::/126", "mx.example.com", "fe80::1%eth0"])
    assert targets.index_of(Target(host, 25)) is None


def test_a_port_that_no_target_is_on_has_no_index() -> None:
    assert parse(["10.0.0.1"]).index_of(Target("10.0.0.1", 26)) is None


@given(mixed, st.integers(0, 3), st.none() | st.integers(0, 2**63 - 1), st.sets(st.integers(0, 300)))
def test_a_walk_follows_its_order_without_what_is_done(
    chosen: list[str], part: int, seed: int | None, known: set[int]
) -> None:
    targets = parse(chosen, ports=(25, 26))
    order = Order(seed is not None, seed, (part, 3) if part else None)
    wanted = [targets[index] for index in order.indices(len(targets))]
    assert list(targets.walk(order)) == wanted
    done = Done(len(targets))
    for index in known & set(range(len(targets))):
        done.add(index)
    left = [target for target in wanted if targets.index_of(target) not in known]
    assert list(targets.walk(order, done.__contains__)) == left


def test_a_walk_in_no_order_is_the_plain_one() -> None:
    targets = parse(["10.0.0.0/30", "mx.example.com"], ports=(25, 26))
    assert list(targets.walk(Order())) == list(targets)
    assert list(targets.walk(Order(), {0, 1, 2}.__contains__)) == list(targets)[3:]


def test_a_walk_without_a_seed_is_refused_before_it_begins() -> None:
    with pytest.raises(UsageError, match="needs a seed"):
        parse(["10.0.0.1"]).walk(Order(shuffle=True))


def test_a_shuffled_walk_through_sixteen_million_costs_no_memory() -> None:
    targets = parse(["127.0.0.0/8"])
    tracemalloc.start()
    walk = targets.walk(Order(shuffle=True, seed=1))
    assert sum(1 for _ in islice(walk, 10_000)) == 10_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("wanted", ["mx.example.com", "mx.example.com."])
@pytest.mark.parametrize("barred", ["mx.example.com", "mx.example.com."])
def test_a_name_alone_may_be_excluded_with_a_dot_at_its_end_or_without(wanted: str, barred: str) -> None:
    targets = parse([wanted], exclude=[barred])
    assert not list(targets)
    assert targets.excluded == 1


def test_the_digest_knows_which_name_is_on_which_port() -> None:
    one = parse(["a.example.com:25", "b.example.com:26"])
    other = parse(["a.example.com:26", "b.example.com:25"])
    assert one.digest != other.digest


@pytest.mark.parametrize("filling", [".", "a.", "1", "-", "1-1.", "/", ":", "[", "%", "\u212a"])
def test_a_line_without_an_end_is_a_bad_one_that_costs_little(filling: str) -> None:
    text = filling * (2_000_000 // len(filling))
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(TargetError) as caught:
        TargetsBuilder().add_lines(f"10.0.0.1\n{text}", "hosts.txt")
    took = time.process_time() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (took < 1, peak < 5 * sys.getsizeof(text)) == (True, True)
    shown = f'"{text[:79]}…"'
    assert str(caught.value) == (
        f"hosts.txt line 2: {shown} is not an address, network, range or host name. Fix it, or --skip-bad."
    )


def test_a_long_comment_and_blanks_make_no_line_bad() -> None:
    builder = TargetsBuilder()
    builder.add_lines(f"{' ' * 1_000}10.0.0.1{' ' * 1_000}# {'x' * 1_000}", "hosts.txt")
    assert shown(builder.build()) == ["10.0.0.1:25"]


def test_the_longest_name_with_the_longest_port_is_read() -> None:
    name = ".".join(["a" * 62, "b" * 62, "c" * 62, "d" * 56, "example"])
    assert len(name) == 253
    assert shown(parse([f"{name}:65535"])) == [f"{name}:65535"]


def test_a_file_of_bad_lines_is_no_list_of_targets() -> None:
    builder = TargetsBuilder()
    builder.add_lines("x y\n" * MAX_BAD_LINES, "hosts.txt", skip_bad=True)
    assert len(builder.build().bad) == MAX_BAD_LINES
    message = r"more\.txt line 2: more than 10,000 lines are no targets\. Give a list of targets\.$"
    with pytest.raises(TargetError, match=message):
        builder.add_lines("10.0.0.1\nx y\n", "more.txt", skip_bad=True)


def test_the_lines_of_a_list_are_taken_one_at_a_time() -> None:
    text = "#\n" * 200_000
    tracemalloc.start()
    TargetsBuilder().add_lines(text, "hosts.txt")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_a_few_lines_cannot_fall_into_any_number_of_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcprobe.targets.MAX_ALL_PIECES", 512)
    builder = TargetsBuilder()
    builder.add_lines("10.0.0-255.1\n10.0.0-255.3:587\n", "hosts.txt")
    message = r"hosts\.txt line 1: 10\.0\.0-255\.5 falls into 256 pieces, too many with those before it"
    with pytest.raises(TargetError, match=message):
        builder.add_lines("10.0.0-255.5\n", "hosts.txt")
    with pytest.raises(TargetError, match=r"line 2: 10\.0\.0-255\.7 falls"):
        builder.exclude_lines("192.0.2.1\n10.0.0-255.7\n", "never.txt")
