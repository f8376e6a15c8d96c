"""What a redacted text must not hold, and what it must: by cases, and for any text."""

from __future__ import annotations

import ipaddress
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pstorefs.report.redact import HOST, MACHINE, SERIAL, USER, Secret, listing, redact
from tests.records import capture

MACHINE_ID = "00112233445566778899aabbccddeeff"
KNOWN = (
    Secret(HOST, "web01"),
    Secret(USER, "joe"),
    Secret(SERIAL, "CZ-12345"),
    Secret(MACHINE, MACHINE_ID),
)
EFI_DUMP = "dump-type0-1-1-1699999999-C-cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0"

CASES: list[tuple[str, str]] = [
    ("on web01, by joe", "on host-1, by user-1"),
    ("web01.example.com and web01", "host-1 and host-1"),
    ("WEB01 is Web01.Example.COM", "host-1 is host-1"),
    ("web011 and myweb01 and web01-b", "web011 and myweb01 and web01-b"),
    (
        "nfs: server filer.example.com not responding, still trying",
        "nfs: server host-1 not responding, still trying",
    ),
    ("nfs: server 10.1.1.1 OK", "nfs: server ipv4-1 OK"),
    ("CIFS: \\\\\\\\filer\\\\share", "CIFS: \\\\\\\\host-1\\\\share"),
    (
        "Linux version 6.1.192 (ann@mybox) (gcc 12.2.0)",
        "Linux version 6.1.192 (user-1@host-1) (gcc 12.2.0)",
    ),
    (
        "Linux version 6.12 (debian-kernel@lists.debian.org) (gcc",
        "Linux version 6.12 (debian-kernel@lists.debian.org) (gcc",
    ),
    ('audit: acct="ann" by ann', 'audit: acct="user-1" by user-1'),
    ("in /home/müller and /home/linux", "in /home/user-1 and /home/linux"),
    ("audit: proctitle=2F62696E2F7368", "audit: proctitle=password-1"),
    ("nfsroot=filer.example.com:/root", "nfsroot=host-1:/root"),
    ("AWS_SECRET_ACCESS_KEY=x1/y2 ok", "AWS_SECRET_ACCESS_KEY=password-1 ok"),
    ("token_id=x1 api_key=y2", "token_id=password-1 api_key=password-2"),
    ("mount password=x1,user=joe", "mount password=password-1,user=user-1"),
    ("https://u:x1@10.1.2.3/a", "https://u:password-1@ipv4-1/a"),
    ("wlan0: SSID 'My Net'", "wlan0: SSID 'ssid-1'"),
    (f"{MACHINE_ID} in machine-{MACHINE_ID}", "machine-1 in machine-machine-1"),
    (
        "systemd[1]: Hostname set to <db7>. db7 is up",
        "systemd[1]: Hostname set to <host-1>. host-1 is up",
    ),
    ("open /home/ann/x failed for ann", "open /home/user-1/x failed for user-1"),
    ("usb 1-1: SerialNumber: 4C530001", "usb 1-1: SerialNumber: serial-1"),
    ("Serial No.: AB-12/3, later AB-12/3", "Serial No.: serial-1, later serial-1"),
    ("board CZ-12345", "board serial-1"),
    ("by-id/ata-WDC_CZ-12345-part1", "by-id/ata-WDC_serial-1-part1"),
    ("usb 1-1: SerialNumber: AB 12", "usb 1-1: SerialNumber: serial-1"),
    ("Mfr=1, Product=2, SerialNumber=3", "Mfr=1, Product=2, SerialNumber=3"),
    # A number alone might be part of a time.
    (
        "[  12.345678] usb 1-1: SerialNumber: 345678",
        "[  12.345678] usb 1-1: SerialNumber: serial-1",
    ),
    ("serial 'AB12345', sn: AB12345", "serial 'serial-1', sn: serial-1"),
    ("[sda] Serial: WD-12345 SN=WD-12345", "[sda] Serial: serial-1 SN=serial-1"),
    ("Serial: 8250/16550 driver, 4 ports", "Serial: 8250/16550 driver, 4 ports"),
    ("IMEI: 356938035643809", "IMEI: serial-1"),
    ("wwn 0x5000c500a1b2c3d4", "wwn serial-1"),
    ("scsi wwn-0x5000c500a1b2c3d4", "scsi serial-1"),
    ("root=UUID=01234567-89AB-cdef-0123-456789abcdef ro", "root=UUID=uuid-1 ro"),
    (
        "luks-01234567-89ab-cdef-0123-456789abcdef CRYPT-0123456789abcdef0123456789abcdef-x",
        "luks-uuid-1 CRYPT-uuid-1-x",
    ),
    ("root=PARTUUID=1234abcd-02 UUID=1A2B-3C4D", "root=PARTUUID=uuid-1 UUID=uuid-2"),
    (EFI_DUMP, EFI_DUMP),
    ("eth0: 52:54:00:12:34:56 and 52-54-00-12-34-56", "eth0: mac-1 and mac-1"),
    ("enx525400123456 is 52:54:00:12:34:56", "enxmac-1 is mac-1"),
    # Both ends and the type, as netfilter logs them; a port of Fibre Channel.
    ("MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00 SRC=", "MAC=mac-1 SRC="),
    ("port 20:00:00:25:b5:00:00:1f", "port mac-1"),
    ("52:54:00:ab:cd:ef is 52:54:00:AB:CD:EF", "mac-1 is mac-1"),
    ("00:00:00:00:00:00 ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00 ff:ff:ff:ff:ff:ff"),
    ("from 10.1.2.3:80 to 10.1.2.4.", "from ipv4-1:80 to ipv4-2."),
    ("127.0.0.1 0.0.0.0 255.255.255.0", "127.0.0.1 0.0.0.0 255.255.255.0"),
    ("::ffff:127.0.0.1 ::ffff:0.0.0.0 ::ffff:0:0", "::ffff:127.0.0.1 ::ffff:0.0.0.0 ::ffff:0:0"),
    ("Linux 6.1.192, BIOS 1.16.2-debian-1.16.2-1", "Linux 6.1.192, BIOS 1.16.2-debian-1.16.2-1"),
    ("fe80::5054:ff:fe12:3456 2001:db8::1", "ipv6-1 ipv6-2"),
    ("[2001:db8::1]:443 inet6 addr:fe80::2/64", "[ipv6-1]:443 inet6 addr:ipv6-2/64"),
    ("from fe80::1: ping, ::ffff:192.0.2.1.", "from ipv6-1: ping, ipv6-2."),
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
    ("PC is at 0xc0123456", "PC is at kernel-address-1"),
    ("r9 : c1800000  r8 : 00000051", "r9 : kernel-address-1  r8 : 00000051"),
    ("EAX: fffffff4 EBX: f5b6c000", "EAX: fffffff4 EBX: kernel-address-1"),
    ("page:00000000a1b2c3d4 pgd=10000000bffff003", "page:00000000a1b2c3d4 pgd=10000000bffff003"),
    ("(____ptrval____) dead000000000122", "(____ptrval____) dead000000000122"),
    ("Kernel Offset: 0x1c000000 from", "Kernel Offset: kernel-address-1 from"),
    ("Signature:  2:ffe9c8a3ef2ebdcb", "Signature:  2:ffe9c8a3ef2ebdcb"),
    ("do_exit+0x5/0x10 [lkdtm] Comm: init", "do_exit+0x5/0x10 [lkdtm] Comm: init"),
    ("Code: 48 89 e5 ff ff ff 0f 0b", "Code: 48 89 e5 ff ff ff 0f 0b"),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[case[0][:40] for case in CASES])
def test_each_kind_of_secret_gets_a_stand_in_and_nothing_else_does(
    text: str, expected: str
) -> None:
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
    kept = {each for each, _ in pairs if each in left}
    assert all(map(tells_nothing, kept)), kept


def tells_nothing(word: str) -> bool:
    """Of one machine: such as 127.0.0.1 or ::1 may stay."""
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        return re.match("00:00|ff:ff", word) is not None
    mapped = getattr(address, "ipv4_mapped", None) or address
    return str(mapped) in ("::", "::1") or str(mapped).partition(".")[0] in ("0", "127", "255")


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


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            secret,
            st.text('"\\\\ a1:/@', max_size=6),
            st.sampled_from(["SerialNumber: ", "password=", "://u:", "SSID '", 'acct="', "UUID="]),
        ),
        max_size=12,
    ).map("".join)
)
def test_redacted_json_can_still_be_parsed(text: str) -> None:
    done = redact({"x.json": json.dumps({"title": text, "n": [1, text]}).encode()}, KNOWN)
    assert json.loads(done.texts["x.json"])["n"][0] == 1


@pytest.mark.parametrize("name", ["erst-none-6.1.192-deb12", "erst-mixed-upgrade"])
def test_of_real_dumps_only_addresses_go(name: str) -> None:
    text = b"".join(file.data for file in capture(name).ref.values())
    done = redact({"x": text})
    # The host: that one of these kernels was built on.
    assert {each.kind for each in done.replaced} <= {"kernel-address", "uuid", "mac", "host"}
    functions = re.findall(rb"\w+\+0x[0-9a-f]+/0x[0-9a-f]+", text)
    assert functions
    assert re.findall(rb"\w+\+0x[0-9a-f]+/0x[0-9a-f]+", done.texts["x"]) == functions


def test_a_name_that_means_nothing_is_no_secret() -> None:
    names = [Secret(HOST, name) for name in ("localhost", "", "x", "(none)", "a\nb", "h" * 300)]
    names += [Secret(HOST, "debian"), Secret(USER, "linux"), Secret(USER, "dev")]
    assert redact({"x": b"localhost x (none) root debian linux /dev/sda"}, names).replaced == ()


def test_a_name_with_its_domain_is_the_same_machine() -> None:
    names = [Secret(HOST, "web01.example.com"), Secret(HOST, "web01"), Secret(HOST, "example.com")]
    done = redact({"x": b"web01.example.com WEB01 db2.example.com"}, names)
    assert done.texts["x"] == b"host-1 host-1 db2.host-2"
