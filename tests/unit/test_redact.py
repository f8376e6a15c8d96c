"""What a redacted text must not hold, and what it must: by cases, and for any text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pstorefs.report.redact import HOST, SERIAL, USER, Secret, listing, redact
from tests.records import capture

KNOWN = (Secret(HOST, "web01"), Secret(USER, "joe"), Secret(SERIAL, "CZ-12345"))

CASES: list[tuple[str, str]] = [
    ("on web01, by joe", "on host-1, by user-1"),
    ("web01.example.com and web01", "host-1 and host-1"),
    ("web011 and myweb01 and web01-b", "web011 and myweb01 and web01-b"),
    (
        "systemd[1]: Hostname set to <db7>. db7 is up",
        "systemd[1]: Hostname set to <host-1>. host-1 is up",
    ),
    ("open /home/ann/x failed for ann", "open /home/user-1/x failed for user-1"),
    ("usb 1-1: SerialNumber: 4C530001", "usb 1-1: SerialNumber: serial-1"),
    ("Serial No.: AB-12/3, later AB-12/3", "Serial No.: serial-1, later serial-1"),
    ("board CZ-12345", "board serial-1"),
    ("scsi wwn-0x5000c500a1b2c3d4", "scsi serial-1"),
    ("root=UUID=01234567-89AB-cdef-0123-456789abcdef ro", "root=UUID=uuid-1 ro"),
    ("eth0: 52:54:00:12:34:56 and 52-54-00-12-34-56", "eth0: mac-1 and mac-2"),
    ("52:54:00:ab:cd:ef is 52:54:00:AB:CD:EF", "mac-1 is mac-1"),
    ("00:00:00:00:00:00 ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00 ff:ff:ff:ff:ff:ff"),
    ("from 10.1.2.3:80 to 10.1.2.4.", "from ipv4-1:80 to ipv4-2."),
    ("127.0.0.1 0.0.0.0 255.255.255.0", "127.0.0.1 0.0.0.0 255.255.255.0"),
    ("Linux 6.1.192, BIOS 1.16.2-debian-1.16.2-1", "Linux 6.1.192, BIOS 1.16.2-debian-1.16.2-1"),
    ("fe80::5054:ff:fe12:3456 2001:db8::1", "ipv6-1 ipv6-2"),
    ("::1 :: at 12:34:56, a::b in foo::bar", "::1 :: at 12:34:56, ipv6-1 in foo::bar"),
    ("pci 0000:00:1f.2: [8086:2922] 00:1f.2", "pci 0000:00:1f.2: [8086:2922] 00:1f.2"),
    ("RSP: 0018:ffffa4f5c0013e30", "RSP: 0018:kernel-address-1"),
    (
        "x1 : ffff800008000000 x2 : 0xffff800008000000",
        "x1 : kernel-address-1 x2 : kernel-address-1",
    ),
    ("GPR00: c000000000123456 c000000000123456", "GPR00: kernel-address-1 kernel-address-1"),
    ("RAX: ffffffffffffffea RBX: 0000000000000000", "RAX: ffffffffffffffea RBX: 0000000000000000"),
    ("[<c0123456>] (do_exit)", "[<kernel-address-1>] (do_exit)"),
    ("Kernel Offset: 0x1c000000 from", "Kernel Offset: kernel-address-1 from"),
    ("Signature:  2:ffe9c8a3ef2ebdcb", "Signature:  2:ffe9c8a3ef2ebdcb"),
    ("do_exit+0x5/0x10 [lkdtm] Comm: init", "do_exit+0x5/0x10 [lkdtm] Comm: init"),
    ("Code: 48 89 e5 ff ff ff 0f 0b", "Code: 48 89 e5 ff ff ff 0f 0b"),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[case[0][:40] for case in CASES])
def test_each_kind(text: str, expected: str) -> None:
    assert redact({"x": f"{text}\n".encode()}, KNOWN).texts["x"].decode() == f"{expected}\n"


def test_a_secret_has_one_stand_in_in_all_texts() -> None:
    done = redact({"b": b"10.9.9.9 10.1.1.1", "a": b"10.1.1.1 web01"}, KNOWN)
    assert done.texts == {"a": b"ipv4-1 host-1", "b": b"ipv4-2 ipv4-1"}
    assert [(r.secret, r.stand_in, r.times) for r in done.replaced] == [
        ("web01", "host-1", 1),
        ("10.1.1.1", "ipv4-1", 2),
        ("10.9.9.9", "ipv4-2", 1),
    ]


def test_the_listing_names_no_secret() -> None:
    done = redact({"a": b"10.1.1.1 web01 10.1.1.1"}, KNOWN)
    assert listing(done.replaced) == b"host-1  host, 1 times\nipv4-1  ipv4, 2 times\n"


hexes = st.text("0123456789abcdef", min_size=2, max_size=2)
macs = st.lists(hexes, min_size=6, max_size=6).map(":".join)
ipv4s = st.ip_addresses(v=4).map(str)
ipv6s = st.ip_addresses(v=6).map(str)
addresses = st.integers(0xFFFF << 48, 0xFFFF_FFFF_FFFF_EFFF).map(lambda n: f"{n:016x}")
words = st.sampled_from(
    ["web01", "joe", "CZ-12345", "at", "RIP:", "<4>", "[   1.5]", "\n", "\t", "é"]
)
secret = st.one_of(macs, ipv4s, ipv6s, addresses)
anything = st.lists(st.one_of(secret, words, st.text(max_size=8)), max_size=20).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(anything)
def test_once_more_replaces_nothing(text: str) -> None:
    once = redact({"x": text.encode(errors="replace")}, KNOWN)
    again = redact(once.texts, KNOWN)
    assert again.texts == once.texts
    assert again.replaced == ()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(secret, words), min_size=1, max_size=12))
def test_nothing_that_is_a_secret_is_left(pairs: list[tuple[str, str]]) -> None:
    text = " ".join(f"{word} {each}" for each, word in pairs)
    done = redact({"x": text.encode()}, KNOWN)
    left = f" {done.texts['x'].decode()} ".split()
    for each in done.replaced:
        assert each.secret not in left
    assert not {"web01", "joe", "CZ-12345"} & set(left)
    # What tells nothing of one machine, such as 127.0.0.1 or ::1, may stay.
    kept = {each for each, _ in pairs if each in left}
    assert all(re.match(r"0\.|127\.|255\.|::1?$|00:00|ff:ff", each) for each in kept), kept


@settings(max_examples=100, deadline=None)
@given(st.lists(secret, min_size=1, max_size=12))
def test_stand_ins_are_as_different_as_secrets(found: list[str]) -> None:
    done = redact({"x": " ".join(found).encode()})
    stand_ins = [each.stand_in for each in done.replaced]
    assert len(set(stand_ins)) == len(stand_ins)
    assert len(done.texts["x"].split()) == len(found)
    assert sum(each.times for each in done.replaced) <= len(found)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_keep_their_lines(data: bytes) -> None:
    done = redact({"x": data}, KNOWN)
    assert done.texts["x"].count(b"\n") == data.count(b"\n")


@pytest.mark.parametrize("name", ["erst-none-6.1.192-deb12", "erst-mixed-upgrade"])
def test_of_real_dumps_only_addresses_go(name: str) -> None:
    text = b"".join(file.data for file in capture(name).ref.values())
    done = redact({"x": text})
    assert {each.kind for each in done.replaced} <= {"kernel-address", "uuid", "mac"}
    functions = re.findall(rb"\w+\+0x[0-9a-f]+/0x[0-9a-f]+", text)
    assert functions
    assert re.findall(rb"\w+\+0x[0-9a-f]+/0x[0-9a-f]+", done.texts["x"]) == functions


def test_a_name_that_means_nothing_is_no_secret() -> None:
    names = [Secret(HOST, name) for name in ("localhost", "", "x", "(none)", "a\nb", "h" * 300)]
    assert redact({"x": b"localhost x (none) root"}, names).replaced == ()
