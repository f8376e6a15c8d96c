"""Removes from the texts of a crash whatever shows whose machine it was. Pure.

Each secret is replaced by a stand-in, such as ``host-1`` or ``kernel-address-12``: the same one
wherever it appears in any of the texts, numbered in the order of appearance. What is looked for:

=============== ==================================================================================
kind            what
=============== ==================================================================================
host            names of the machine, with their domain, in upper or lower case; what systemd says
                that it set; servers of NFS and CIFS; who built the kernel
user            names of users: those that are given, of directories in /home, of audit records
machine         machine ids and the like that are given
serial          serial numbers that are given, and what follows the words; WWNs; IMEIs
uuid            UUIDs, also without dashes: of file systems, partitions, machines
mac             hardware addresses of networks, but neither all zeros nor all ones
ipv4, ipv6      addresses, but those of this host, of no host and of all hosts, and netmasks
kernel-address  addresses of the kernel, and the offset by which it was moved
ssid            names of wireless networks
password        what follows such a word, and in a URL; command lines of audit records
=============== ==================================================================================

Symbols, modules, commands, versions and hardware names stay: without them a report is of no use.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

KINDS = (
    *("host", "user", "machine", "serial", "uuid", "mac", "ipv4", "ipv6"),
    *("kernel-address", "ssid", "password"),
)
HOST, USER, MACHINE, SERIAL, UUID, MAC, IPV4, IPV6, ADDRESS, SSID, PASSWORD = KINDS
# So many names are looked for, at most, and so long ones.
_MOST_NAMES = 500
_LONGEST_NAME = 253
# The names that installers give machines and first users identify nobody. Replacing them would
# remove words that the text needs.
_NO_SECRETS = frozenset(
    (
        *("(none)", "N/A", "none", "unknown", "root", "localhost", "localhost.localdomain"),
        *("alpine", "archlinux", "centos", "debian", "fedora", "kali", "linux", "live", "nixos"),
        *("openwrt", "raspberrypi", "rocky", "suse", "ubuntu"),
        *("admin", "administrator", "build", "core", "dev", "ec2-user", "guest", "kernel", "net"),
        *("pi", "system", "test", "user", "users", "vagrant"),
    )
)
# A shorter number, or one that is nothing but digits, may be anything elsewhere: part of a time.
_SHORTEST_SERIAL = 6
# The stand-ins themselves.
_OWN = re.compile(rf"(?:{'|'.join(KINDS)})-\d+")
_HEX = "0-9a-fA-F"
_QUOTE = """["'<]"""

#: Words that a secret follows. What is found so is replaced wherever it appears, if it could
#: be nothing else there. None holds a quote or ends in a backslash: JSON stays JSON.
_BEHIND: tuple[tuple[str, str], ...] = (
    (HOST, r"(?:Hostname set to|Set hostname to) <([^<>\s]{1,253})>"),
    (
        HOST,
        r"\b(?:nfs|lockd|rpcbind): server ([A-Za-z][\w.-]{1,253}) (?:not responding|OK|timed out)",
    ),
    (HOST, r"\bnfsroot=([A-Za-z][\w.-]{1,253}):/"),
    (HOST, r"\\\\([A-Za-z][\w.-]{1,253})\\"),
    (USER, r"/home/([^\W\d][\w.-]{0,31})(?![\w.-])"),
    (USER, r"\bacct=\"([^\"\n\\]{2,32})\""),
    # Of USB, to the end of the line.
    (SERIAL, r"\bSerialNumber: ([^\n\"\\]{2,126})"),
    (
        SERIAL,
        (
            r"(?i:serial ?(?:number|no\.?)|serial#|iSerial|\bS/N)"
            r"[ \t]{0,4}[:=#][ \t]{0,4}[\"'<]?([\w./-]{4,64})"
        ),
    ),
    # Not `Serial: 8250/16550 driver`.
    (SERIAL, rf"(?i:\b(?:serial|sn))[:=]? ?{_QUOTE}(?=[\w-]*\d)([\w-]{{4,64}})[\"'>]"),
    (SERIAL, r"(?i:\b(?:serial|sn))[:=] ?(?=[\w-]*\d)([\w-]{6,64})(?![\w./-])"),
    (SERIAL, rf"(?i:\b(?:wwn|wwid|wwnn|wwpn))[ :=]{{1,3}}(0x[{_HEX}]{{16,32}})(?!\w)"),
    (SERIAL, r"\b(?:IMEI|IMSI|ICCID|MEID)[ :=]{1,3}(\d{14,20})(?!\d)"),
    (UUID, rf"UUID=([{_HEX}]{{4}}-[{_HEX}]{{4}}|[{_HEX}]{{8}}-[{_HEX}]{{2}})(?![\w-])"),
    (SSID, rf"SSID[:=]? ?{_QUOTE}([^\"'<>\n\\]{{1,32}})[\"'>]"),
    (
        PASSWORD,
        (
            r"(?i:(?:passw(?:or)?d|passphrase|secret|token|pwd|api_?key|access_?key)"
            r"(?:_(?:access_?)?(?:key|id|hash))?)=([^\s&,;\"'\\]{2,256})"
        ),
    ),
    (PASSWORD, r"://[^\s/:@]{1,64}:([^\s/@\"\\]{1,256})@"),
    (PASSWORD, r"\bproctitle=([0-9A-F]{4,4096})(?!\w)"),
)
# Those of distributions say which kernel it is.
_BUILDER = r"Linux version \S{1,100} \((?!debian-kernel@|buildd@|mockbuild@|linux@)"
#: The same, but nowhere else: these may be common words.
_HERE: tuple[tuple[str, str], ...] = (
    (USER, _BUILDER + r"([^\s()@]{1,64})@"),
    (HOST, _BUILDER + r"[^\s()@]{1,64}@([^\s()]{1,253})\)"),
)

#: Secrets that are recognised by their form, tried at each place in this order.
_FORMS: tuple[tuple[str, str], ...] = (
    (
        UUID,
        rf"(?<![0-9a-zA-Z])[{_HEX}]{{8}}(?:-[{_HEX}]{{4}}){{3}}-[{_HEX}]{{12}}(?![0-9a-zA-Z])",
    ),
    (UUID, rf"(?<![0-9a-zA-Z])[{_HEX}]{{32}}(?![0-9a-zA-Z])"),
    # Longer ones: of InfiniBand, of Fibre Channel; both ends and the type, as netfilter logs them.
    (MAC, rf"(?<![\w:-])[{_HEX}]{{2}}(?:([:-])[{_HEX}]{{2}})(?:\2[{_HEX}]{{2}}){{4,18}}(?![\w:-])"),
    # In the name of an interface.
    (MAC, r"(?<=\b(?:en|wl|ww)x)[0-9a-f]{12}(?!\w)"),
    (SERIAL, rf"(?<!\w)(?:naa\.|eui\.|wwn-0x)[{_HEX}]{{16,32}}(?!\w)"),
    (
        IPV6,
        (
            rf"(?<![\w.])(?<![{_HEX}:]:)(?=[{_HEX}]*:[{_HEX}]*:)[{_HEX}:]{{1,38}}"
            rf"(?:(?<=:):|[{_HEX}])(?:\.\d{{1,3}}){{0,3}}(?!\w|:[{_HEX}:])"
        ),
    ),
    (IPV4, r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]\w|\w)"),
    # 64 bits: x86, arm64, riscv begin with ff, powerpc with c0. Not the hash of a signature.
    (ADDRESS, rf"(?<!\W\d:)(?<![0-9a-zA-Z_])(?:0x)?(?:ff|FF|c0|C0)[{_HEX}]{{14}}(?!\w)"),
    # 32 bits: only where the kernel puts brackets around them, in registers, and behind words.
    (ADDRESS, rf"(?<=\[<)[{_HEX}]{{8}}(?=>\])"),
    (ADDRESS, r"(?<=: )[c-f][0-9a-f]{7}(?![\w-])"),
    (ADDRESS, r"(?<=(?:s at|ress) )(?:0x)?[c-f][0-9a-f]{7}(?![\w-])"),
    (ADDRESS, rf"(?<=Kernel Offset: )0x[{_HEX}]{{1,16}}"),
)
# Numbers below zero: error codes in registers.
_NEGATIVE = {8: 0xFFFF_F000, 16: 0xFFFF_FFFF_FFFF_F000}
#: GUIDs of EFI that are the same on all machines: the kernel's for its dumps, that of UEFI's own.
_KNOWN_UUIDS = ("cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0", "8be4df61-93ca-11d2-aa0d-00e098032b8c")
# What ways to write one thing differ in.
_SPELLING = re.compile(r"^0x|[:.-]")


class Secret(NamedTuple):
    """A name that is known: its kind and the name."""

    kind: str
    name: str


class Replaced(NamedTuple):
    """One replacement: the secret itself, its stand-in and how often."""

    kind: str
    secret: str
    stand_in: str
    times: int


class Redacted(NamedTuple):
    """Texts without secrets, and what was replaced in them."""

    texts: Mapping[str, bytes]
    replaced: tuple[Replaced, ...]


def redact(texts: Mapping[str, bytes], known: Iterable[Secret] = ()) -> Redacted:
    """Replace all secrets in texts, those that are known and those that show by their form."""
    decoded = {name: texts[name].decode("utf-8", "surrogateescape") for name in sorted(texts)}
    names: dict[str, str] = {}
    for kind, name in (*known, *_found(decoded.values())):
        if _is_secret(name) and _is_distinct(kind, name) and len(names) < _MOST_NAMES:
            names.setdefault(name.lower() if kind == HOST else name, kind)
    replacer = _Replacer(names)
    done = {
        name: replacer.replace(text).encode("utf-8", "surrogateescape")
        for name, text in decoded.items()
    }
    return Redacted(done, replacer.replaced())


def listing(replaced: Iterable[Replaced]) -> bytes:
    """The replacements without the secrets: stand-in, kind, how often."""
    lines = [f"{each.stand_in}  {each.kind}, {each.times} times" for each in replaced]
    return "".join(f"{line}\n" for line in lines).encode()


def _found(texts: Iterable[str]) -> Iterable[Secret]:
    for text in texts:
        for kind, pattern in _BEHIND:
            for match in re.finditer(pattern, text):
                yield Secret(kind, match[1].rstrip(". "))


def _is_secret(name: str) -> bool:
    return (
        1 < len(name) <= _LONGEST_NAME
        and name.isprintable()
        and name not in _NO_SECRETS
        and not _OWN.fullmatch(name)
    )


def _is_distinct(kind: str, name: str) -> bool:
    """Whether a name can be nothing else, wherever it appears."""
    if kind in (HOST, USER):
        return True
    return len(name) >= _SHORTEST_SERIAL and not name.isdigit() and kind not in (SSID, PASSWORD)


def _words(names: Iterable[str]) -> str:
    """A pattern for any of the names, the longest first."""
    ordered = sorted(names, key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, ordered))})" if ordered else r"(?!)"


class _Replacer:
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._counts: dict[str, int] = {}
        self._stand_ins: dict[tuple[str, str], list[object]] = {}
        hosts = [name for name, kind in names.items() if kind == HOST]
        users = [name for name, kind in names.items() if kind == USER]
        others = [name for name in names if name not in {*hosts, *users}]
        forms = "|".join(f"(?P<f{n}>{form})" for n, (_, form) in enumerate(_FORMS))
        # The MAC's group for its separator is behind those around it.
        forms = forms.replace(r"\2", "(?P=separator)").replace("([:-])", "(?P<separator>[:-])")
        # A name is a word of its own; of a host, what follows is its domain. A number may be part
        # of the name of a device.
        self._pattern = re.compile(
            rf"(?<![\w-])(?P<host>(?i:{_words(hosts)}))(?![\w-])(?:\.[A-Za-z][\w-]*)*"
            rf"|(?<![\w-])(?P<user>{_words(users)})(?![\w-])"
            rf"|(?<![0-9A-Za-z])(?P<other>{_words(others)})(?![0-9A-Za-z])|{forms}"
        )
        self._behind = [(kind, re.compile(pattern)) for kind, pattern in (*_BEHIND, *_HERE)]

    def replace(self, text: str) -> str:
        """A text without secrets."""
        for kind, pattern in self._behind:
            text = pattern.sub(partial(self._named, kind), text)
        return self._pattern.sub(self._instead, text)

    def _named(self, kind: str, match: re.Match[str]) -> str:
        """What follows a word, replaced if it is a secret."""
        name = match[1].rstrip(". ")
        if not _is_secret(name):
            return match[0]
        start, end = match.start(1) - match.start(), match.start(1) - match.start() + len(name)
        return match[0][:start] + self._stand_in(kind, name) + match[0][end:]

    def _instead(self, match: re.Match[str]) -> str:
        for group, kind in (("host", HOST), ("user", USER)):
            if match[group] is not None:
                return self._stand_in(kind, match[group])
        if match["other"] is not None:
            return self._stand_in(self._names[match["other"]], match["other"])
        number = next(n for n in range(len(_FORMS)) if match[f"f{n}"] is not None)
        kind, word = _FORMS[number][0], match[0]
        return self._stand_in(kind, word) if _tells(kind, word) else word

    def _stand_in(self, kind: str, secret: str) -> str:
        key = (kind, _key(kind, secret))
        known = self._stand_ins.get(key)
        if known is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            known = self._stand_ins[key] = [secret, f"{kind}-{self._counts[kind]}", 0]
        known[2] = int(str(known[2])) + 1
        return str(known[1])

    def replaced(self) -> tuple[Replaced, ...]:
        """The replacements so far, by kind, in the order of appearance."""
        rows = [
            Replaced(kind, str(secret), str(stand_in), int(str(times)))
            for (kind, _), (secret, stand_in, times) in self._stand_ins.items()
        ]
        return tuple(sorted(rows, key=lambda row: KINDS.index(row.kind)))


def _key(kind: str, secret: str) -> str:
    """The same for all ways to write one secret."""
    if kind == HOST:
        return secret.partition(".")[0].lower()
    if kind in (UUID, MAC, ADDRESS):
        return _SPELLING.sub("", secret.lower())
    return secret.lower() if kind == IPV6 else secret


def _tells(kind: str, word: str) -> bool:
    """Whether what has the form of a secret is one."""
    if kind == UUID:
        return word.lower() not in _KNOWN_UUIDS and len(set(word)) > 2
    if kind == MAC:
        return len(set(word.lower()) - {":", "-"}) > 1 or word[0] not in "0fF"
    if kind == IPV4:
        numbers = [int(number) for number in word.split(".")]
        return max(numbers) < 256 and numbers[0] not in (0, 127, 255)
    if kind == IPV6:
        try:
            address = ipaddress.IPv6Address(word)
        except ValueError:
            return False
        if address.ipv4_mapped is not None:  # of which Python 3.11 and 3.13 think differently
            return _tells(IPV4, str(address.ipv4_mapped))
        return not (address.is_loopback or address.is_unspecified)
    digits = word.removeprefix("0x")
    return kind != ADDRESS or int(digits, 16) < _NEGATIVE.get(len(digits), 1 << 64)
