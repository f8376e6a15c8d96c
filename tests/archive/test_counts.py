"""How often a command reads and decodes a record: three times and once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pstorefs.archive import durable, shelf
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.codecs import detect
from pstorefs.control.executor import Executor
from pstorefs.control.language import parse
from pstorefs.record import reading
from pstorefs.record.decoded import Decoded
from pstorefs.record.name import parse_name
from pstorefs.record.record import ARCHIVE, STORE
from pstorefs.report import files
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from tests.archive import drive
from tests.archive.test_engine import Scene


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Calls of what reads records in the store and in the archive, and of what decodes them."""
    found: Counter[str] = Counter()

    def count(owner: object, name: str) -> None:
        label = f"{owner.__name__.rpartition('.')[2]}.{name}"  # type: ignore[attr-defined]
        honest: Callable[..., object] = getattr(owner, name)

        def counted(*arguments: object, **words: object) -> object:
            found[label] += 1
            if owner is OpenDirectory and parse_name(str(arguments[2])):
                found["record reads"] += 1
            return honest(*arguments, **words)

        monkeypatch.setattr(owner, name, counted)

    count(OpenDirectory, "read")
    count(durable, "read_back")
    count(reading, "read")
    count(detect, "decode")
    monkeypatch.setattr(shelf, "_seen", type(shelf._seen)())
    return found


def test_the_whole_of_a_command_in_a_mount_reads_three_times_and_decodes_once(
    counts: Counter[str], tmp_path: Path
) -> None:
    """`echo archive > control`, with the look at all that is left afterwards."""
    scene = Scene(tmp_path, "erst-lz4-6.1.192-many")
    store = OpenDirectory(str(scene.source))
    decoded = Decoded()
    catalog = Catalog([Place(STORE, store), Place(ARCHIVE, str(scene.target))], decoded)
    composing = files.composer(Machine(), own=False)
    policy = drive.POLICY._replace(compose=composing, decoded=decoded)
    executor = Executor(store, catalog, str(scene.target), policy, "archive")
    command = parse(b"archive")
    assert command
    assert executor.run(command).error == 0
    assert scene.left() == set()
    assert len(catalog.dumps()) > 3
    records = len(scene.records)
    assert counts["record reads"] + counts["durable.read_back"] <= 3 * records
    assert counts["reading.read"] <= records
    store.close()
    decoded.clear()


@pytest.mark.parametrize(
    "name", ["erst-lz4-6.1.192-many", "efi-deflate-6.1.192", "ramoops-lz4-6.1.192"]
)
def test_a_record_is_read_three_times_and_decoded_once(
    name: str, counts: Counter[str], tmp_path: Path
) -> None:
    scene = Scene(tmp_path, name)
    records = len(scene.records)
    drive.run(str(scene.source), str(scene.target))
    assert records > 3
    assert counts["record reads"] <= 2 * records
    assert counts["durable.read_back"] <= records
    assert counts["reading.read"] <= records


def test_what_others_decoded_is_not_decoded_again(counts: Counter[str], tmp_path: Path) -> None:
    scene = Scene(tmp_path, "erst-lz4-6.1.192-many")
    store = OpenDirectory(str(scene.source))
    decoded = Decoded()
    for file, stamp in store.scan(()).items():
        name = parse_name(file)
        assert name
        stored = store.read((), file, stamp)
        decoded.put((file, stamp), stored, reading.read(name, stored))
    counts.clear()
    drive.archive(store, str(scene.target), None, drive.POLICY._replace(decoded=decoded))
    store.close()
    decoded.clear()
    assert counts["detect.decode"] == 0
