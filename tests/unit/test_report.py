"""The files of a dump: the same in the mount and in the archive, and of one shape everywhere."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.cli import pstorecat
from pstorefs.dump import Dump
from pstorefs.record.record import STORE, Record
from pstorefs.report import files, report_txt, summary_json
from pstorefs.report.context import Context, Sibling
from pstorefs.report.material import DecodedMaterial
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from pstorefs.tree.dumps import Dumps
from pstorefs.tree.meta import values
from pstorefs.tree.owners import Owners
from pstorefs.tree.rights import Access
from tests.records import capture

ECC = "ramoops-zstd-6.1.192-ecc-corrected"


def opened(store: OpenDirectory, catalog: Catalog, machine: Machine, dump: str, file: str) -> bytes:
    """A file of dumps/ as a mount shows it."""
    root = Dumps(catalog, Owners(store, Access(), catalog), machine, own=True).root
    directory = root.lookup(dump)
    node: Any = directory and directory.lookup(file)  # type: ignore[attr-defined]
    node.find()
    return bytes(node.open().read(0, 1 << 24))


def catalog_of(name: str, place: Path) -> tuple[Catalog, OpenDirectory]:
    store = OpenDirectory(str(capture(name).write("enc", place / "store")))
    return Catalog([Place(STORE, store)]), store


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that is not this one."""
    proc = tmp_path / "machine" / "proc" / "sys" / "kernel"
    proc.mkdir(parents=True)
    (proc / "osrelease").write_text("9.9.9\n")
    (proc / "hostname").write_text("other\n")
    return Machine(str(tmp_path / "machine"))


def without_saved(summary: bytes) -> bytes:
    """What an archive's summary.json says, but for what is for this program."""
    keys = json.loads(summary)
    assert keys.pop("saved")
    assert keys.pop("digest")
    return summary_json.summary(keys)


def test_the_archive_gets_the_very_files_that_the_mount_shows_the_boot_row_included(
    tmp_path: Path, machine: Machine
) -> None:
    catalog, store = catalog_of("erst-deflate-6.1.192", tmp_path)
    dumps = list(catalog.dumps().values())
    compose = files.composer(machine, own=True)
    rows = 0
    for dump in dumps:
        siblings = [d for d in dumps if d.boot and d.boot == dump.boot and d is not dump]
        made = compose(dump, lambda record: catalog.reading(record).text, siblings=siblings)
        assert {"dmesg.txt", "report.txt", "summary.json"} <= made.keys()
        for file, content in made.items():
            shown = opened(store, catalog, machine, dump.name, file)
            assert shown == (without_saved(content) if file == "summary.json" else content)
        rows += b"\nBoot: " in made["report.txt"]
    assert rows > 1
    store.close()


def some_dump(tmp_path: Path) -> tuple[Dump, dict[str, Any]]:
    catalog, store = catalog_of(ECC, tmp_path)
    dump = next(d for d in catalog.dumps().values() if d.parts[0].record.ecc)
    keys = summary_json.keys_of(dump, catalog.facts(dump))
    store.close()
    return dump, keys


def test_ecc_is_one_object_in_all_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump, keys = some_dump(tmp_path)
    record = dump.parts[0].record
    assert record.ecc
    expected = {"corrected": record.ecc.corrected, "unrecoverable": record.ecc.unrecoverable}
    assert keys["records"][0]["ecc"] == expected
    assert values(record, None)["ecc"] == expected
    output = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", output)
    pstorecat.main(["--json", str(tmp_path / "store" / record.file)])
    output.seek(0)
    assert json.loads(output.read())["ecc"] == expected


def sibling(order: int, reason: str = "Oops") -> Sibling:
    return Sibling(f"dump-{order}", f"title {order}", order, reason)


# (order of the dump, its siblings, what the Boot row says)
BOOTS: list[tuple[int | None, list[Sibling], str | None]] = [
    (1, [], None),
    (None, [sibling(1)], None),
    (2, [sibling(1)], "1 earlier oops in this boot, dumps/dump-1: title 1"),
    (
        3,
        [sibling(2), sibling(1)],
        "2 earlier oopses in this boot, the first dumps/dump-1: title 1",
    ),
    (2, [sibling(1, "Panic")], "1 earlier dump in this boot, dumps/dump-1: title 1"),
    (1, [sibling(3), sibling(2)], "2 later dumps in this boot, the next dumps/dump-2: title 2"),
]


@pytest.mark.parametrize(("order", "siblings", "said"), BOOTS)
def test_the_boot_row_counts_the_other_dumps_of_a_boot(
    tmp_path: Path, order: int | None, siblings: list[Sibling], said: str | None
) -> None:
    _, keys = some_dump(tmp_path)
    context = Context(siblings=tuple(siblings), order=order)
    keys |= {"boot_order": None, "earlier": []}
    text = report_txt.report(summary_json.completed(keys, context), None, context).decode()
    rows = [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith("Boot:")]
    assert rows == ([said] if said else [])


def test_each_record_of_a_summary_says_what_it_is_in_the_dump(tmp_path: Path) -> None:
    catalog, store = catalog_of(ECC, tmp_path)
    dump = next(iter(catalog.dumps().values()))
    facts = catalog.facts(dump)
    store.close()
    part = dump.parts[0]
    record = part.record
    copy: Record = replace(record, path="elsewhere")
    log = replace(part, number=None)
    dump = replace(dump, parts=(replace(part, records=(record, copy)),), others=(log,))
    keys = summary_json.keys_of(dump, facts)
    assert [each["use"] for each in keys["records"]] == ["part", "copy", "log"]


def test_the_report_begins_and_ends_where_summary_json_says(tmp_path: Path) -> None:
    catalog, store = catalog_of("erst-deflate-6.1.192", tmp_path)
    found = 0
    for dump in catalog.dumps().values():
        keys = summary_json.keys_of(dump, catalog.facts(dump))
        if keys["report"]:
            begin, end = keys["report"]
            material = DecodedMaterial(dump, lambda record: catalog.reading(record).text)
            text = files.FILES["report.txt"](material, Context())
            assert text is not None
            assert text.endswith(b"report:\n\n" + catalog.text(dump)[begin:end] + b"\n")
            found += 1
    assert found
    store.close()
