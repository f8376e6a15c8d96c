"""Keys: pure functions of machine and content, and nothing hostile gets into one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pstorefs.fleet import keys
from pstorefs.fleet.machine import APPLICATION, app_specific, share
from tests.fleet import site

MACHINE = "4205cb463b774e7dae099dfe859d3486"
ID = "367bc310e12f6cba" + "0" * 48
SAFE = re.compile(r"[A-Za-z0-9._~=/-]+", re.ASCII)


def names(dump: str = "20260602T021501Z-panic-1", **changes: object) -> keys.Names:
    given_: dict[str, object] = {
        "machine": MACHINE, "dump": dump, "dump_id": ID, "saved": 1_780_366_501,
        "label": "oops-do_it-0123abcd", "kernel": "6.1.0-48-amd64", "host": "web-1",
    }  # fmt: skip
    return keys.names(**(given_ | changes))  # type: ignore[arg-type]


def test_the_keys_are_those_of_the_contract() -> None:
    made = names()
    assert made.bundle_key == (
        f"v1/dumps/42/{MACHINE}/20260602T021501Z-panic-1~367bc310e12f6cba.tar.gz"
    )
    assert made.index_key == (
        "v1/index/date=2026-06-02/20260602T021501Z-panic-1_web-1_oops-do_it-0123abcd_"
        f"6.1.0-48-amd64_{MACHINE}_367bc310e12f6cba.json"
    )
    assert keys.check_key(MACHINE) == f"v1/check/42/{MACHINE}"


MOMENTS = [
    ("20260602T021501Z-panic-1", 0, "2026-06-02", True),
    ("00010101T000000Z-oops-1", 0, "0001-01-01", True),
    ("99991231T235959Z-oops-1", 0, "9999-12-31", True),
    ("20260631T021501Z-panic-1", 86400, "1970-01-02", False),  # June has 30 days
    ("00000101T000000Z-oops-1", 86400, "1970-01-02", False),
    ("undated-dmesg-ramoops-0-1a2b3c4d", 86400, "1970-01-02", False),
    ("undated-dmesg-ramoops-0-1a2b3c4d", 1 << 62, "1970-01-01", False),
]


@pytest.mark.parametrize(("dump", "saved", "date", "timed"), MOMENTS)
def test_the_date_is_of_the_crash_or_else_of_archiving(
    dump: str, saved: int, date: str, timed: bool
) -> None:
    made = names(dump, saved=saved)
    assert (made.date, keys.time_of(dump) is not None) == (date, timed)


REFUSED = [
    {"dump": ""}, {"dump": ".."}, {"dump": "a/b"}, {"dump": "a\nb"}, {"dump": "x" * 201},
    {"machine": ""}, {"machine": ".."}, {"machine": "a/b"}, {"machine": "a_b"},
    {"machine": "x" * 33}, {"dump_id": "xyz"}, {"dump": "ä"}, {"machine": "a\n"},
]  # fmt: skip


@pytest.mark.parametrize("changes", REFUSED, ids=str)
def test_what_no_key_can_hold_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"key|id"):
        names(**changes)


DUMP = some.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}", fullmatch=True)


@given(DUMP, some.text(), some.text(), some.text(), some.text(), some.text())
def test_a_key_is_taken_apart_again_whatever_texts_it_was_made_of(
    dump: str, kernel: str, host: str, error_class: str, function: str, signature: str
) -> None:
    label = keys.label_of(error_class, function, signature)
    made = names(dump, kernel=kernel, host=host, label=label)
    for key in (made.index_key, made.bundle_key):
        assert SAFE.fullmatch(key)
        assert ".." not in key.split("/")
        assert all(len(part) <= 255 for part in key.split("/"))
    found = site.parse_index(made.index_key)
    assert found is not None
    date, entry = found
    assert date == made.date
    assert (entry.label, entry.host, entry.machine) == (made.label, made.host, MACHINE)
    assert entry.bundle_key == made.bundle_key


KERNELS = [
    ("6.1.0-48-amd64", "6.1.0-48-amd64", "6.1.0-48-amd64"),
    ("4.18.0-553.el8_10.x86_64", "4.18.0-553.el8~~10.x86~~64", "4.18.0-553.el8_10.x86_64"),
    ("6.12.57+deb13-amd64", "6.12.57~deb13-amd64", "6.12.57+deb13-amd64"),
    ("6.12.0+", "6.12.0~", "6.12.0+"),
    ("6.1~rc1", "6.1-rc1", "6.1-rc1"),
    ("__/../", "none", "none"),
    ("", "none", "none"),
    ("5" * 65, "5" * 36, "5" * 36),
]


@pytest.mark.parametrize(("release", "in_key", "shown"), KERNELS)
def test_the_kernel_of_a_key_is_shown_as_it_calls_itself(
    release: str, in_key: str, shown: str
) -> None:
    made = names(kernel=release)
    assert made.kernel == in_key
    found = site.parse_index(made.index_key)
    assert found is not None
    assert found[1].kernel == shown


GOOD = f"20260602T021501Z-panic-1_web-1_oops-do_it-0123abcd_6.1_{MACHINE}_367bc310e12f6cba"
BAD = [
    ("20260602T021501Z-panic-1", ".."), ("20260602T021501Z-panic-1", "."),
    ("20260602T021501Z-panic-1", "x" * 49), ("oops-do_it-0123abcd", ".."),
    ("oops-do_it-0123abcd", "a/b"), ("oops-do_it-0123abcd", ".hidden"),
    ("oops-do_it-0123abcd", "x" * 81), ("web-1", ".."), ("web-1", ""), ("web-1", "a\n"),
    ("web-1", "a\x1b[2J"), ("web-1", "ä"), (MACHINE, ".."), (MACHINE, "a" * 33),
    (MACHINE, "-rf"), (MACHINE, ".x"),
    ("367bc310e12f6cba", "367BC310E12F6CBA"), ("367bc310e12f6cba", "367bc310e12f6cb"),
    ("6.1", ""), ("6.1", "../6"),
]  # fmt: skip


@pytest.mark.parametrize(("part", "hostile"), BAD)
def test_a_hostile_name_is_no_entry(part: str, hostile: str) -> None:
    assert keys.is_entry(GOOD)
    name = GOOD.replace(part, hostile)
    assert not keys.is_entry(name)


@given(some.text())
def test_any_text_is_an_entry_of_safe_letters_or_none(text: str) -> None:
    assert not keys.is_entry(text) or SAFE.fullmatch(text)


def test_a_long_text_is_cut_before_it_is_looked_at() -> None:
    assert len(keys.word("/" * 10_000_000 + "a", 48)) <= 48
    assert len(keys.label_of("a" * 10**6, "b" * 10**6, "1:" + "c" * 10**6)) < 80


LABELS = [
    (("oops", "do_it", "1:e389c8a3ef2ebdcb"), "oops-do_it-e389c8a3"),
    (("panic", "", "1:e389c8a3ef2ebdcb"), "panic-none-e389c8a3"),
    (("", "", "2:e389c8a3ef2ebdcb"), "none-none-e389c8a3"),
    (("oops", "do_it", ""), ""),
    (("a_b", "<T as U>::f", "1:12"), "a-b-T-as-U-f-12"),
]


@pytest.mark.parametrize(("words", "label"), LABELS)
def test_a_label_is_class_function_and_digits_of_the_signature(
    words: tuple[str, str, str], label: str
) -> None:
    assert keys.label_of(*words) == label


def test_the_id_is_that_of_the_set_of_records() -> None:
    assert keys.id_of(["b", "a", "b"]) == keys.id_of(["a", "b"]) != keys.id_of(["a"])


def test_the_machine_is_hashed_as_systemd_does_it() -> None:
    # systemd-id128 --app-specific=9c1f4f0a6c0b4b6d8d0d3c5a54f2e917 machine-id, systemd 252, on a
    # machine with this id
    assert APPLICATION == "9c1f4f0a6c0b4b6d8d0d3c5a54f2e917"
    assert app_specific("3d1219c7c4c5404aaa1f6d2a48adfda4") == MACHINE


def test_machines_share_the_window_evenly_and_each_keeps_its_place() -> None:
    places = [share(f"{number:032x}", "boot", 900) for number in range(9000)]
    assert all(0 <= place < 900 for place in places)
    tenths = [sum(start <= place < start + 90 for place in places) for start in range(0, 900, 90)]
    assert all(750 < count < 1050 for count in tenths)
    assert share("a", "boot", 900) == share("a", "boot", 900) != share("a", "other", 900)
