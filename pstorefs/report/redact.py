"""Texts of crashes without what tells whose machine it was. Pure.

Each secret is replaced by a stand-in, such as ``host-1`` or ``kernel-address-12``: the same one
wherever it appears in any of the texts, numbered in the order of appearance. What is looked for:

=============== ==================================================================================
kind            what
=============== ==================================================================================
host            names of the machine, with their domain; what systemd says that it set
user            names of users: those that are given, and of directories in /home
machine         machine ids and the like that are given
serial          serial numbers that are given, and what stands behind the words; WWNs
uuid            UUIDs: of file systems, partitions, machines
mac             hardware addresses of networks, but neither all zeros nor all ones
ipv4, ipv6      addresses, but those of this host, of no host and of all hosts, and netmasks
kernel-address  addresses of the kernel, and the offset by which it was moved
=============== ==================================================================================

Symbols, modules, commands, versions and hardware names stay: without them a report is of no use.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

HOST, USER, MACHINE, SERIAL, UUID, MAC, IPV4, IPV6, ADDRESS = KINDS = (
    "host",
    "user",
    "machine",
    "serial",
    "uuid",
    "mac",
    "ipv4",
    "ipv6",
    "kernel-address",
)
# So many names are looked for, at most, and so long ones.
_MOST_NAMES = 500
_LONGEST_NAME = 253
_NO_SECRETS = {"localhost", "localhost.localdomain", "(none)", "root", "none", "unknown", "N/A"}
# What is no part of a stand-in's own words.
_OWN = re.compile(rf"(?:{'|'.join(KINDS)})-\d+")

#: Words behind which a secret stands. What is found so is replaced wherever it appears.
_BEHIND: tuple[tuple[str, re.Pattern[str]], ...] = (
    (HOST, re.compile(r"(?:Hostname set to|Set hostname to) <([^<>\s]{1,253})>")),
    (USER, re.compile(r"/home/([A-Za-z_][\w.-]{0,31})(?![\w.-])")),
    (
        SERIAL,
        re.compile(
            r"(?:serial ?number|serial no\.?|serialno|serial#|iSerial|\bS/N)"
            r"[ \t]{0,4}[:=#][ \t]{0,4}\"?([\w./-]{4,64})",
            re.IGNORECASE,
        ),
    ),
)

#: What is known by its form, tried at each place in this order.
_FORMS: tuple[tuple[str, str], ...] = (
    (UUID, r"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])"),
    (MAC, r"(?<![\w:-])[0-9a-fA-F]{2}(?:([:-])[0-9a-fA-F]{2})(?:\2[0-9a-fA-F]{2}){4}(?![\w:-])"),
    (SERIAL, r"(?<!\w)(?:naa\.|eui\.|wwn-0x)[0-9a-fA-F]{16,32}(?!\w)"),
    (
        IPV6,
        r"(?<![\w:.])(?=[0-9a-fA-F]*:[0-9a-fA-F]*:)[0-9a-fA-F:]{2,39}(?:\.\d{1,3}){0,3}(?![\w:])",
    ),
    (IPV4, r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]\w|\w)"),
    # 64 bits: x86, arm64, riscv begin with ff, powerpc with c0. Not the hash of a signature.
    (ADDRESS, r"(?<!\W\d:)(?<![0-9a-zA-Z_])(?:0x)?(?:ff|c0)[0-9a-fA-F]{14}(?!\w)"),
    # 32 bits: only where the kernel puts brackets around them.
    (ADDRESS, r"(?<=\[<)[0-9a-fA-F]{8}(?=>\])"),
    (ADDRESS, r"(?<=Kernel Offset: )0x[0-9a-fA-F]{1,16}"),
)
# Numbers below zero: error codes in registers.
_NEGATIVE = 0xFFFF_FFFF_FFFF_F000


class Secret(NamedTuple):
    """A name that is known: its kind and the name."""

    kind: str
    name: str


class Replaced(NamedTuple):
    """What was replaced: the secret itself, its stand-in and how often."""

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
        if _is_secret(name) and len(names) < _MOST_NAMES:
            names.setdefault(name, kind)
    replacer = _Replacer(names)
    done = {
        name: replacer.replace(text).encode("utf-8", "surrogateescape")
        for name, text in decoded.items()
    }
    return Redacted(done, replacer.replaced())


def listing(replaced: Iterable[Replaced]) -> bytes:
    """What was replaced, for those who must not know the secrets: stand-in, kind, how often."""
    lines = [f"{each.stand_in}  {each.kind}, {each.times} times" for each in replaced]
    return "".join(f"{line}\n" for line in lines).encode()


def _found(texts: Iterable[str]) -> Iterable[Secret]:
    for text in texts:
        for kind, pattern in _BEHIND:
            for match in pattern.finditer(text):
                yield Secret(kind, match[1].rstrip("."))


def _is_secret(name: str) -> bool:
    return (
        1 < len(name) <= _LONGEST_NAME
        and name.isprintable()
        and name not in _NO_SECRETS
        and not _OWN.fullmatch(name)
    )


class _Replacer:
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._counts: dict[str, int] = {}
        self._stand_ins: dict[tuple[str, str], list[object]] = {}
        words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        forms = "|".join(f"(?P<f{n}>{form})" for n, (_, form) in enumerate(_FORMS))
        # A name is a word of its own; of a host, what follows is its domain.
        name = rf"(?<![\w-])(?:{words})(?![\w-])" if words else r"(?!)"
        # The MAC's group for its separator stands behind those around it.
        forms = forms.replace(r"\2", "(?P=separator)").replace("([:-])", "(?P<separator>[:-])")
        self._pattern = re.compile(rf"(?P<name>{name})(?P<domain>(?:\.[A-Za-z][\w-]*)*)|{forms}")

    def replace(self, text: str) -> str:
        """A text without secrets."""
        return self._pattern.sub(self._instead, text)

    def _instead(self, match: re.Match[str]) -> str:
        name = match["name"]
        if name is not None:
            kind = self._names[name]
            if kind == HOST:
                return self._stand_in(kind, name)
            return self._stand_in(kind, name) + match["domain"]
        number = next(n for n in range(len(_FORMS)) if match[f"f{n}"] is not None)
        kind, word = _FORMS[number][0], match[0]
        return self._stand_in(kind, word) if _tells(kind, word) else word

    def _stand_in(self, kind: str, secret: str) -> str:
        # One address may be written in two ways.
        key = (kind, secret.lower().removeprefix("0x") if kind not in (HOST, USER) else secret)
        known = self._stand_ins.get(key)
        if known is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            known = self._stand_ins[key] = [secret, f"{kind}-{self._counts[kind]}", 0]
        known[2] = int(str(known[2])) + 1
        return str(known[1])

    def replaced(self) -> tuple[Replaced, ...]:
        """What was replaced so far, by kind, in the order of appearance."""
        rows = [
            Replaced(kind, str(secret), str(stand_in), int(str(times)))
            for (kind, _), (secret, stand_in, times) in self._stand_ins.items()
        ]
        return tuple(sorted(rows, key=lambda row: KINDS.index(row.kind)))


def _tells(kind: str, word: str) -> bool:
    """Whether what has the form of a secret is one."""
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
        return not (address.is_loopback or address.is_unspecified)
    if kind == ADDRESS and len(word) >= 16:
        return int(word, 16) < _NEGATIVE
    return True
