"""What is said of a dump is the same at every place, whatever way its records took to it.

The store; the archive, with its index and without; an archive into which the dumps came one after
the other, as `rm` brings them, or of a store that had one after the other, in either order; and in
each of these what `--list`, `status` and the dump's own files say. The stores: the corpus, and
made-up ones for what it does not hold.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pstorefs.archive import index, saved_summary
from pstorefs.archive.engine import archive
from pstorefs.archive.policy import Policy
from pstorefs.catalog import bounds
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.catalog.view import Listed
from pstorefs.dump import Dump
from pstorefs.oops import Facts, parse_dump
from pstorefs.record.record import ARCHIVE, STORE
from pstorefs.report import dump_list, files
from pstorefs.report.material import context_of, material
from pstorefs.report.status import Reporter, as_json
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from pstorefs.system.utc import rfc3339
from tests.made import efi_name, erst_name
from tests.records import capture

T = 1_780_000_000
#: What a place says of itself, and of other dumps by their names.
OF_THE_PLACE = ("program", "name", "records", "boot_dumps")


class Said(NamedTuple):
    """What a place says: of each dump by its content and time, and which is the newest crash."""

    dumps: dict[tuple[str, str | None], dict[str, Any]]
    latest: tuple[str, str | None] | None


def said(catalog: Catalog) -> Said:
    """What the files of each dump say, once they agree with what lists say of it."""
    found, by_name = {}, {}
    listed = catalog.dumps()
    for name, dump in listed.items():
        of = material(catalog, dump)
        context = context_of(catalog, dump, Machine(""), own=False)
        made = {file: make(of, context) for file, make in files.FILES.items()}
        keys = json.loads(made.pop("summary.json") or b"")
        head, mark, words = (made.pop("report.txt") or b"").partition(b"The kernel's own report")
        assert head.splitlines()[0].decode() == keys["title"]
        by_name[name] = keys
        found[keys["id"], keys["time"]] = {
            **{key: value for key, value in keys.items() if key not in OF_THE_PLACE},
            "boot_dumps": sorted((o["order"], o["title"]) for o in keys["boot_dumps"]),
            "records": sorted((r["name"], r["sha256"], r["use"]) for r in keys["records"]),
            "words": mark + words,
            **made,
        }
    latest = agreed(catalog, by_name)
    return Said(found, latest and (by_name[latest]["id"], by_name[latest]["time"]))


def agreed(catalog: Catalog, of: dict[str, dict[str, Any]]) -> str | None:
    """The newest crash, after `--list` and `status` were found to say what the dumps say."""
    rows = [dump_list.Row(dump, catalog.brief(dump)) for dump in catalog.dumps().values()]
    lines = [json.loads(x) for x in dump_list.list_json(rows, catalog.latest()).splitlines()]
    status = json.loads(as_json(Reporter(catalog, "", Machine(""), own=False).collect()))
    latest = next((line["name"] for line in lines if line["latest"]), None)
    assert {line["name"] for line in lines} == set(of)
    for line in (*lines, *status["dumps"]):
        keys = of[line["name"]] | {"kernel": of[line["name"]]["kernel"]["release"]}
        assert {key: keys.get(key, line[key]) for key in line} == line
    totals = status["totals"]
    assert totals["dumps"] == len(of)
    assert totals["crashes"] == sum(keys["crash"] for keys in of.values())
    assert totals["incomplete"] == sum(not keys["complete"] for keys in of.values())
    newest = status["newest_crash"]
    assert bool(newest) == any(keys["crash"] for keys in of.values())
    if latest:
        assert (newest["name"], newest["title"]) == (latest, of[latest]["title"])
    return latest


def in_store(path: Path) -> Said:
    with closing(OpenDirectory(str(path))) as store:
        return said(Catalog([Place(STORE, store)]))


def in_archive(path: Path, *, rest: Path | None = None) -> Said:
    places = [Place(ARCHIVE, str(path))]
    if rest is None:
        return said(Catalog(places))
    with closing(OpenDirectory(str(rest))) as store:
        return said(Catalog([Place(STORE, store), *places]))


def archive_them(
    source: Path,
    target: Path,
    names: list[str] | None = None,
    on_saved: Callable[[Dump, bytes], None] = lambda _dump, _summary: None,
) -> None:
    compose = files.composer(Machine(""), own=False)
    policy = Policy(
        volatile=True, compose=compose, on_saved=on_saved, reserve_bytes=0, reserve_share=0
    )
    with closing(OpenDirectory(str(source))) as store:
        archive(store, str(target), names, policy)


def without_copies(one: Said) -> dict[tuple[str, str | None], Any]:
    """Where a record is in two places, it is listed twice."""
    return {
        key: {**keys, "records": sorted({r for r in keys["records"] if r[2] != "copy"})}
        for key, keys in one.dumps.items()
    }


# Stores

Files = dict[str, tuple[bytes, int]]


def lines(at: float, words: Iterable[str]) -> str:
    return "".join(f"<4>[{at + n / 1e6:12.6f}] {word}\n" for n, word in enumerate(words))


def before(at: float) -> str:
    return lines(at - 30, (f"eth0: link event {at} {n}" for n in range(20)))


def oops(at: float, function: str, number: int = 1) -> str:
    words = (
        "BUG: kernel NULL pointer dereference, address: 0000000000000010",
        f"Oops: 0000 [#{number}] PREEMPT SMP NOPTI",
        "CPU: 1 PID: 812 Comm: cat Not tainted 6.1.90 #1",
        f"RIP: 0010:{function}+0x1a/0x60",
        "Call Trace:",
        " <TASK>",
        " do_sys_open_foo+0x2b/0x90",
        " do_syscall_64+0x3b/0x90",
        " </TASK>",
        "---[ end trace 0000000000000000 ]---",
    )
    return lines(at, words)


def panic(at: float, words: str = "Fatal exception") -> str:
    return lines(at, (f"Kernel panic - not syncing: {words}",))


def part(reason: str, count: int, number: int, text: str) -> bytes:
    return f"{reason}#{count} Part{number}\n{text}".encode()


def cause_in_the_dump_before() -> Files:
    """The panic's own text has lost the oops that it came of."""
    return {
        efi_name(T, 1, 1): (part("Oops", 1, 1, before(66) + oops(66, "cause")), T),
        efi_name(T, 1, 2): (part("Panic", 2, 1, panic(66.1)), T),
    }


def cause_in_the_dump_before_erst() -> Files:
    texts = [part("Oops", 1, 1, before(66) + oops(66, "cause")), part("Panic", 2, 1, panic(66.1))]
    return {erst_name(T, 1 + n): (text, T + 67) for n, text in enumerate(texts)}


def numbers_that_show_a_missing_part() -> Files:
    """Of Oops#1 the oldest part is missing: the number of the panic's first part tells that."""
    return {
        erst_name(T, 1): (part("Oops", 1, 1, oops(100, "old")), T + 101),
        erst_name(T, 2): (part("Oops", 1, 2, before(100)), T + 101),
        erst_name(T, 4): (part("Panic", 2, 1, panic(200, "sysrq")), T + 201),
        erst_name(T, 5): (part("Panic", 2, 2, oops(100, "old") + before(200)), T + 201),
    }


def slots() -> Files:
    """Slots of ramoops: nothing in their names says that they are of one boot."""
    first = before(60) + oops(60, "one")
    second = first + before(500) + oops(500, "two", 2) + panic(500.1)
    return {
        "dmesg-ramoops-0": (part("Oops", 1, 1, first), T + 60),
        "dmesg-ramoops-1": (part("Panic", 2, 1, second), T + 500),
    }


def slots_without_a_clock() -> Files:
    """Two boots of a board whose clock begins in 1970: nothing says which one was the later."""
    return {
        f"dmesg-ramoops-{n}": (part("Panic", 1, 1, before(9) + oops(9, f"f{n}") + panic(9.1)), 5)
        for n in range(6)
    }


def slots_in_one_second() -> Files:
    return {name: (data, T) for name, (data, _) in slots_without_a_clock().items()}


def a_boot_of_many() -> Files:
    """Ten oopses of two bugs, minutes apart, each with the text of those before it."""
    found, text = {}, ""
    for n in range(1, 11):
        text += before(100 * n) + oops(100 * n, ("ping", "pong")[n % 2], n)
        found[efi_name(T + 100 * n, 1, n)] = (part("Oops", n, 1, text), T + 100 * n)
    return found


def text_that_begins_in_its_report() -> Files:
    """The buffer has lost the beginning of the report."""
    cut = "".join(oops(60, "cut").splitlines(keepends=True)[2:])
    return {
        "dmesg-ramoops-0": (part("Oops", 1, 1, cut), T),
        "dmesg-ramoops-1": (part("Oops", 1, 1, before(70) + oops(70, "whole")), T + 9000),
    }


MADE = [
    *(cause_in_the_dump_before, cause_in_the_dump_before_erst, numbers_that_show_a_missing_part),
    *(slots, slots_without_a_clock, slots_in_one_second, a_boot_of_many),
    text_that_begins_in_its_report,
]


def write(made: Files, folder: Path) -> Path:
    folder.mkdir()
    for name, (data, mtime) in made.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (mtime, mtime))
    return folder


#: One of each kind: what the codecs differ in is not what is compared here.
CAPTURES = [
    *("blk-none-6.1.192", "efi-zstd-6.1.192", "erst-mixed-upgrade", "ramoops-lz4-6.1.192-ecc"),
    *("ramoops-842-6.1.192-ecc-unrecoverable", "ramoops-deflate-6.1.192-ecc-unrecoverable"),
]
STORES: dict[str, Callable[[], Files]] = {make.__name__: make for make in MADE}


@pytest.fixture(params=[*CAPTURES, *STORES])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store of each."""
    name: str = request.param
    path = tmp_path / "store"
    return write(STORES[name](), path) if name in STORES else capture(name).write("enc", path)


def test_of_the_archive_the_same_is_said_as_of_the_store(source: Path, tmp_path: Path) -> None:
    wanted = in_store(source)
    target = tmp_path / "archive"
    archive_them(source, target)
    # Logs that belong to no crash, and what may not be erased, stay where they are.
    assert without_copies(in_archive(target, rest=source)) == without_copies(wanted)
    saved = in_archive(target)
    assert saved.dumps == {key: keys for key, keys in wanted.dumps.items() if key in saved.dumps}
    assert all(not keys["crash"] for key, keys in wanted.dumps.items() if key not in saved.dumps)
    assert saved.latest == wanted.latest
    (target / index.NAME).unlink()
    assert in_archive(target) == saved
    for path in target.glob("*/summary.json"):  # what is shipped
        keys = json.loads(saved_summary.shown(path.read_bytes()))
        shown = saved.dumps[keys["id"], keys["time"]]
        assert {key: keys[key] for key in keys if key not in OF_THE_PLACE} == {
            key: shown[key] for key in keys if key not in OF_THE_PLACE
        }


def in_order(source: Path, order: str) -> list[Listed]:
    with closing(OpenDirectory(str(source))) as store:
        dumps = list(Catalog([Place(STORE, store)]).dumps().values())
    return dumps if order == "oldest first" else dumps[::-1]


def alike(found: Said, wanted: Said) -> bool:
    # Of crashes in one second of two boots the last one by name is the newest; and the dump that is
    # archived first has the shorter name.
    ties = {keys["time"] for keys in wanted.dumps.values()} == {rfc3339(T * 10**9)}
    return found.dumps == wanted.dumps and (ties or found.latest == wanted.latest)


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
def test_it_does_not_matter_which_dump_was_archived_first(
    order: str, source: Path, tmp_path: Path
) -> None:
    wanted = in_store(source)
    target = tmp_path / "archive"
    for dump in in_order(source, order):
        archive_them(source, target, [dump.records[0].file])
        for record in dump.records:  # `rm` names one after the other
            (source / record.path).unlink(missing_ok=True)
        assert without_copies(in_archive(target, rest=source)) == without_copies(wanted)
    assert alike(in_archive(target), wanted)


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
def test_it_does_not_matter_which_dump_came_first(order: str, source: Path, tmp_path: Path) -> None:
    wanted = in_store(source)
    target = tmp_path / "archive"
    for number, dump in enumerate(in_order(source, order)):
        now = tmp_path / f"boot {number}"
        now.mkdir()
        for record in dump.records:
            shutil.copy2(source / record.path, now / record.file)
        archive_them(now, target, sorted({part.record.file for part in dump.parts}))
    assert alike(in_archive(target), wanted)


def archive_one_by_one(
    batches: Iterable[list[str]], path: Path, *, named: bool = False
) -> tuple[Said, Path]:
    """Records that come so, each batch archived as it is there; what the archive then says."""
    records = capture("ramoops-lz4-6.1.192-ecc").enc
    source, target = path / "store", path / "archive"
    source.mkdir()
    for names in batches:
        for name in names:
            file = name if name in records else f"{name}.enc.z"
            (source / file).write_bytes(records[file].data)
            os.utime(source / file, ns=(records[file].mtime_ns,) * 2)
        archive_them(source, target, names if named else None)
    assert (source / "console-ramoops-0").exists()
    return in_archive(target), target


def test_a_log_that_stays_in_the_store_keeps_no_dump_from_being_composed_anew(
    tmp_path: Path,
) -> None:
    """Ramoops keeps its console log, which belongs to the last dump, until the next boot."""
    batches = (["dmesg-ramoops-2", "console-ramoops-0"], ["dmesg-ramoops-0"], ["dmesg-ramoops-1"])
    found, target = archive_one_by_one(batches, tmp_path, named=True)
    wanted = in_store(capture("ramoops-lz4-6.1.192-ecc").write("enc", tmp_path / "all"))
    assert found.dumps == {key: keys for key, keys in wanted.dumps.items() if key in found.dumps}
    assert "2 earlier" in (target / "20260704T210005Z-panic-3/report.txt").read_text()


def test_a_dump_whose_log_is_in_the_directory_of_another_is_composed_anew(tmp_path: Path) -> None:
    """The log came while the second oops was the last dump."""
    batches = (["dmesg-ramoops-1", "console-ramoops-0"], ["dmesg-ramoops-2"], ["dmesg-ramoops-0"])
    _, target = archive_one_by_one(batches, tmp_path)
    logs = [path.parents[1].name for path in target.glob("*/raw/console*")]
    assert logs == ["20260704T210003Z-oops-2"]
    panic = target / "20260704T210005Z-panic-3"
    assert "2 earlier" in (panic / "report.txt").read_text()
    assert (panic / "console.txt").exists()


def test_what_is_composed_anew_was_saved_when_its_records_were(tmp_path: Path) -> None:
    """It is neither new since the last boot nor announced again; the index knows it at once."""
    made = cause_in_the_dump_before()
    (oops_file, first), (panic_file, second) = made.items()
    target = tmp_path / "archive"
    announced: list[str] = []
    archive_them(write({panic_file: second}, tmp_path / "one"), target)
    sums = target / "20260528T202640Z-panic-2/SHA256SUMS"
    os.utime(sums, (T, T))
    archive_them(
        write({oops_file: first}, tmp_path / "two"),
        target,
        on_saved=lambda dump, _: announced.append(dump.name),
    )
    assert announced == ["20260528T202640Z-oops-1"]
    assert sums.stat().st_mtime == T
    with closing(OpenDirectory(str(target))) as store:
        names = [path.name for path in target.glob("2*")]
        known = index.known(store, names)
    assert sorted(known) == sorted(names)
    assert known["20260528T202640Z-panic-2"].saved == T
    panic_says = json.loads((sums.parent / "summary.json").read_text())
    assert panic_says["title"].endswith(" in cause")
    assert " in cause" in (sums.parent / "report.txt").read_text()


def test_what_dumps_of_one_boot_say_of_each_other_is_found_once_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are: each report names all others, and no text is read for each of them."""
    count = 20
    monkeypatch.setattr(bounds, "FACTS_KEPT", 5)
    monkeypatch.setattr(bounds, "STORED_KEPT", 5)
    texts = [part("Oops", n, 1, before(60 + n) + oops(60 + n, "f", n)) for n in range(1, count + 1)]
    made = {erst_name(T, n): (text, T + 60 + n) for n, text in enumerate(texts, 1)}
    source, target = write(made, tmp_path / "store"), tmp_path / "archive"
    parsed: list[str] = []

    def counted(text: bytes, reason: str = "", number: int | None = None) -> Facts:
        parsed.append(reason)
        return parse_dump(text, reason, number)

    monkeypatch.setattr("pstorefs.catalog.catalog.parse_dump", counted)
    monkeypatch.setattr("pstorefs.report.material.parse_dump", counted)
    wanted = in_store(source)
    assert all(len(keys["boot_dumps"]) == count - 1 for keys in wanted.dumps.values())
    assert len(parsed) <= 3 * count
    parsed.clear()
    archive_them(source, target)
    assert len(parsed) <= 3 * count
    assert in_archive(target) == wanted
