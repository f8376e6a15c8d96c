"""Titles and facts of all dumps of the corpus, against a table written by hand from the texts.

Dumps are joined here in the simplest way, by header and id; dump.py has tests of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from pstorefs.oops import Facts, parse_console, parse_dump
from tests.records import capture, captures, without_notice

_HEADER = re.compile(rb"(?:\w+: Total \d+ times\n)?(\w+)#(\d+) Part(\d+)\n")

#: What the machine was made to do: title, comm, function at the instruction pointer.
KINDS = {
    "oops": (
        "BUG: unable to handle kernel NULL pointer dereference in lkdtm_EXCEPTION",
        "init",
        "lkdtm_EXCEPTION",
    ),
    "exec": (
        "BUG: unable to handle kernel NULL pointer dereference in execute_location",
        "init",
        None,
    ),
    "bug": ("kernel BUG in lkdtm_BUG", "init", "lkdtm_BUG"),
    "warnpanic": ("WARNING in lkdtm_WARNING", "init", "lkdtm_WARNING"),
    "panic": ("kernel panic: dumptest", "init", None),
    "killinit": ("kernel panic: Attempted to kill init!", "init", None),
    # Once it has oopsed, a kernel prints no CPU line and no trace with the panic.
    "sysrq-c": ("kernel panic: sysrq triggered crash", ("init", None), None),
}
#: Captures whose `crash_kind` is no list of "kind,kind" per boot.
MANY = "erst-lz4-6.1.192-many"


def crash_kinds(name: str) -> list[list[str]]:
    """What was asked for: for each boot that left dumps the kinds of crash, first to last."""
    if name == MANY:
        return [["oops", "bug", "exec"] * 8 + ["sysrq-c"]]
    kinds = capture(name).info["crash_kind"]
    boots = [
        part for one in ([kinds] if isinstance(kinds, str) else kinds) for part in one.split(";")
    ]
    return [[kind.strip() for kind in boot.split(",")] for boot in boots]


def dumps(name: str) -> list[tuple[str, int, bytes]]:
    """Reason, count and text of each readable dump of a capture, in no order."""
    parts: dict[tuple[bytes, int, str], dict[int, bytes]] = defaultdict(dict)
    for file, stored in capture(name).ref.items():
        found = _HEADER.match(stored.data)
        if not file.startswith("dmesg-") or file.endswith(".enc.z") or found is None:
            continue
        _, backend, ident = file.rsplit("-", 2)
        boot = {"erst": str(int(ident) >> 32)}.get(backend, "" if "efi" in backend else ident)
        key = (found[1], int(found[2]), boot)
        parts[key][int(found[3])] = without_notice(stored.data)[found.end() :]
    return [
        (reason.decode(), count, b"".join(text for _, text in sorted(one.items(), reverse=True)))
        for (reason, count, _), one in parts.items()
    ]


@pytest.fixture(scope="module")
def facts() -> dict[str, list[Facts]]:
    return {
        name: [parse_dump(text, reason, count) for reason, count, text in dumps(name)]
        for name in captures()
        if "unrecoverable" not in name
    }


def test_each_dump_is_called_after_what_was_done_to_the_machine(
    facts: dict[str, list[Facts]],
) -> None:
    for name, found in facts.items():
        expected = sorted(KINDS[kind][0] for boot in crash_kinds(name) for kind in boot)
        assert sorted(one.title for one in found) == expected, name


def test_kernel_comm_and_instruction_pointer_of_each_dump(facts: dict[str, list[Facts]]) -> None:
    rows = {row[0]: row for row in KINDS.values()}
    for name, found in facts.items():
        writers = capture(name).info["kernel_writer"]
        kernels = {one.replace("-deb13", "+deb13-amd64") for one in writers}
        kernels = {"6.1.0-56-amd64" if one.endswith("-deb12") else one for one in kernels}
        assert {one.kernel for one in found} == kernels, name
        for one in found:
            _, comm, function = rows[one.title]
            assert one.comm in (comm if isinstance(comm, tuple) else (comm,)), name
            assert (one.ip.function if one.ip else None) == function, name
            assert one.hardware is None or one.hardware.startswith("QEMU Standard PC"), name
            assert one.found, name


def test_the_same_crash_has_the_same_signature_everywhere(facts: dict[str, list[Facts]]) -> None:
    signatures = defaultdict(set)
    for one in (one for found in facts.values() for one in found):
        signatures[one.title].add(one.signature)
    assert {title for title, _, _ in KINDS.values()} == set(signatures)
    assert all(len(one) == 1 for one in signatures.values()), signatures
    assert len({next(iter(one)) for one in signatures.values()}) == len(KINDS)


def test_report_begins_and_ends_where_the_kernels_own_does() -> None:
    ends = {"Oops": b"---[ end trace ", "Panic": b"Kernel "}
    starts = (b"------------[ cut here ]", b"BUG: kernel NULL", b"Kernel panic - not syncing",
              b"sysrq: Trigger a crash", b"lkdtm: Performing direct entry")  # fmt: skip
    for name in captures():
        for reason, count, text in dumps(name):
            if "unrecoverable" in name:
                continue
            span = parse_dump(text, reason, count).span
            assert span is not None
            lines = [re.sub(rb"^(?:<\d+>)?\[[^]]*\] ", b"", line) for line in
                     text[span.start : span.end].split(b"\n")]  # fmt: skip
            assert lines[0].startswith(starts), name
            assert lines[-1].startswith(ends[reason]) or b"</TASK>" in lines[-1], name


def test_any_damage_is_parsed() -> None:
    for name in captures():
        for file, stored in capture(name).enc.items():
            assert parse_console(stored.data).title, file
            assert parse_dump(stored.data, "Panic", 1).title, file
