"""Two files of an archived dump: the index tells their sizes, and what is read decides."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from pstorefs.archive import index
from pstorefs.archive.entry import Entry
from pstorefs.catalog.catalog import Catalog
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from pstorefs.tree.dumps import Dumps
from pstorefs.tree.foretold import ForetoldFile
from pstorefs.tree.node import COMPOSE, QUICK, AgainError, StaleError
from pstorefs.tree.owners import Owners
from pstorefs.tree.rights import Access
from pstorefs.tree.watched import WatchedDirectories
from tests.records import capture
from tests.unit.test_index import catalog_of, contents, counting, file_of, indexed, save

TEXT, SUMMARY = "dmesg.txt", "summary.json"
# How much the index is wrong by.
OFF = (-700, -1, 1, 7000)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """An archive of dumps that are each alone in their boot."""
    for name in ("ramoops-lz4-6.1.192", "efi-zstd-6.1.192", "erst-deflate-6.12.107-deb13"):
        save(capture(name).write("enc", tmp_path / name), tmp_path / "archive")
    return tmp_path / "archive"


class Named(Machine):
    """A machine whose name can be changed."""

    name: str | None = "rack-17"

    @property
    def hostname(self) -> str | None:
        """See `Machine`."""
        return self.name


def machine(root: Path) -> Named:
    """A machine that says who it is."""
    (root / "etc").mkdir(parents=True)
    (root / "proc/sys/kernel").mkdir(parents=True)
    (root / "etc/machine-id").write_text("0123456789abcdef" * 2)
    (root / "proc/sys/kernel/osrelease").write_text('6.12.74 "next"\n')
    return Named(str(root))


def tree(catalog: Catalog, reader: Machine, *, own: bool = True) -> Dumps:
    return Dumps(
        catalog, Owners(OpenDirectory("", optional=True), Access(), catalog), reader, own=own
    )


def alone(dumps: Dumps) -> list[str]:
    """Dumps whose summary.json can be foretold."""
    entries = [each for each in dumps.catalog.dumps().values() if isinstance(each, Entry)]
    return [each.name for each in entries if dumps._indexed[SUMMARY].foretell(each)]


def rewrite(archive: Path, **changed: int | None) -> None:
    """Have the index tell something else of each dump."""
    lines = [each._replace(**changed).line() for each in indexed(archive).values()]  # type: ignore[arg-type]
    (archive / index.NAME).write_bytes(b"pstorefs-index 2\n" + b"".join(lines))


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("name", ["rack-17", None, 'a "quoted" näme'])
def test_the_size_is_right_whoever_reads_and_nothing_is_read_for_it(
    own: bool, name: str | None, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = machine(tmp_path / "reader")
    reader.name = name
    dumps = tree(catalog_of(saved), reader, own=own)
    names = alone(dumps)
    assert len(names) >= 3
    calls: Counter[str] = Counter()
    with monkeypatch.context() as patch:
        for call in ("scan", "read", "stamp", "open", "within"):
            counting(calls, call, patch)
        nodes = [file_of(dumps, each, SUMMARY) for each in names]
        assert [node.lane_of_find for node in nodes] == [QUICK] * len(nodes)
        sizes = [node.find().size for node in nodes]
    assert set(calls) <= {"stamp"}, "the archive's root, its index, and who may read"
    said = [node.open().read(0, 1 << 20) for node in nodes]
    assert [len(each) for each in said] == sizes
    assert {json.loads(each)["machine"]["hostname"] for each in said} == {name if own else None}


@pytest.mark.parametrize("off", OFF)
def test_where_the_index_tells_another_size_the_next_look_up_composes_it(
    off: int, saved: Path, tmp_path: Path
) -> None:
    reader = machine(tmp_path / "reader")
    expected = {
        name: contents(file_of(tree(catalog_of(saved), reader), name, SUMMARY))
        for name in alone(tree(catalog_of(saved), reader))
    }
    for name, entry in indexed(saved).items():
        if name in expected:
            assert entry.fixed
            rewrite(saved, fixed=max(0, entry.fixed + off))
            dumps = tree(catalog_of(saved), reader)
            node = file_of(dumps, name, SUMMARY)
            assert node.find().size != len(expected[name])
            with pytest.raises(StaleError):
                node.open()
            again = file_of(dumps, name, SUMMARY)
            assert again.lane_of_find == again.lane, "it is composed where that may take long"
            assert contents(again) == expected[name]


def test_a_line_that_tells_no_size_is_as_good(saved: Path, tmp_path: Path) -> None:
    reader = machine(tmp_path / "reader")
    known = tree(catalog_of(saved), reader)
    expected = {name: contents(file_of(known, name, SUMMARY)) for name in alone(known)}
    rewrite(saved, fixed=None)
    dumps = tree(catalog_of(saved), reader)
    assert not alone(dumps)
    assert {name: contents(file_of(dumps, name, SUMMARY)) for name in expected} == expected


@pytest.mark.parametrize("other", ["rack-18", "another machine"])
def test_a_machine_that_is_called_otherwise_by_now_is_named_so(
    other: str, saved: Path, tmp_path: Path
) -> None:
    reader = machine(tmp_path / "reader")
    dumps = tree(catalog_of(saved), reader)
    name = alone(dumps)[0]
    node = file_of(dumps, name, SUMMARY)
    contents(node)
    reader.name = other
    with pytest.raises(StaleError):
        node.open()
    again = file_of(dumps, name, SUMMARY)
    assert json.loads(contents(again))["machine"]["hostname"] == other


def test_a_machine_that_is_called_otherwise_by_now_makes_nobody_read_more(
    saved: Path, tmp_path: Path
) -> None:
    reader = machine(tmp_path / "reader")
    dumps = tree(catalog_of(saved), reader)
    names = alone(dumps)
    nodes = [file_of(dumps, name, SUMMARY) for name in names]
    for node in nodes:
        node.find()
    reader.name = "another machine"
    for node in nodes:
        with pytest.raises(StaleError):
            node.open()
    assert alone(dumps) == names


def test_rights_that_changed_make_nobody_read_more(saved: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir(0o700)
    catalog = catalog_of(saved)
    owners = Owners(OpenDirectory(str(source)), Access(), catalog)
    dumps = Dumps(catalog, owners, machine(tmp_path / "reader"), own=True)
    for name in alone(dumps):
        for file in (TEXT, SUMMARY):
            source.chmod(0o700)
            node = file_of(dumps, name, file)
            node.find()
            source.chmod(0o300)
            with pytest.raises(StaleError):
                node.open()
            again = file_of(dumps, name, file)
            assert isinstance(again, ForetoldFile)
            assert again.find().mode != node.attributes.mode
            assert contents(again)


def test_a_text_that_is_spoilt_is_the_same_file_made_of_the_records(
    saved: Path, tmp_path: Path
) -> None:
    """Else cp(1), which looks a file up before it opens it, would give it up."""
    dumps = tree(catalog_of(saved), machine(tmp_path / "reader"))
    for name in alone(dumps):
        path = saved / name / TEXT
        text = path.read_bytes()
        node = file_of(dumps, name, TEXT)
        attributes = node.find()
        path.write_bytes(text[:-2] + b"!\n")
        if node.lane == QUICK:
            with pytest.raises(AgainError):
                node.open()
        assert node.lane == COMPOSE
        assert node.open().read(0, 1 << 20) == text
        again = file_of(dumps, name, TEXT)
        assert again.find() == attributes
        assert isinstance(again, ForetoldFile)
        assert node.same(again)


def test_a_text_that_is_spoilt_is_made_though_a_look_finds_another_state_of_the_dump(
    saved: Path, tmp_path: Path
) -> None:
    """What was found of the text is forgotten with that look, and nobody reads it once more."""
    catalog = catalog_of(saved)
    dumps = tree(catalog, machine(tmp_path / "reader"))
    name = alone(dumps)[0]
    path = saved / name / TEXT
    text = path.read_bytes()
    node = file_of(dumps, name, TEXT)
    node.find()
    (saved / "new").write_bytes(text[:-2] + b"!\n")
    (saved / "new").rename(path)
    with pytest.raises(AgainError):
        node.open()
    catalog.dumps(now=True)
    assert node.open_again().read(0, 1 << 20) == text


def test_a_text_that_even_the_records_do_not_give_is_not_shown_as_the_same(
    saved: Path, tmp_path: Path
) -> None:
    dumps = tree(catalog_of(saved), machine(tmp_path / "reader"))
    name = alone(dumps)[0]
    for path in (saved / name / "raw").iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    path = saved / name / TEXT
    text = path.read_bytes()
    node = file_of(dumps, name, TEXT)
    assert contents(node) == text, "of a dump whose records are spoilt, its text is what is left"
    path.write_bytes(text[:-2] + b"!\n")
    with pytest.raises(AgainError):
        node.open()
    with pytest.raises(StaleError):
        node.open()
    again = file_of(dumps, name, TEXT)
    assert not isinstance(again, ForetoldFile)
    assert contents(again) != text


@pytest.mark.parametrize("off", OFF)
def test_where_the_index_tells_another_length_the_next_look_up_is_right(
    off: int, saved: Path, tmp_path: Path
) -> None:
    for name, entry in indexed(saved).items():
        text = (saved / name / TEXT).read_bytes()
        rewrite(saved, length=max(0, len(text) + off))
        assert entry.length == len(text)
        dumps = tree(catalog_of(saved), machine(tmp_path / f"reader-{name}"))
        node = file_of(dumps, name, TEXT)
        assert node.find().size != len(text)
        for _ in range(2):  # the mount calls once more, the kernel looks up again
            with pytest.raises(StaleError):
                node.open()
        assert contents(file_of(dumps, name, TEXT)) == text


def test_what_the_kernel_keeps_is_asked_for_again_when_the_machine_is_called_otherwise(
    saved: Path, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    reader, catalog = machine(tmp_path / "reader"), catalog_of(saved)
    owners = Owners(OpenDirectory(str(tmp_path / "source")), Access(), catalog)
    watched = WatchedDirectories(catalog, owners, reader)
    before = watched.follow()
    with watched.opened() as (_, where):
        assert before == watched.follow() == where
    reader.name = "another machine"
    with watched.opened() as (_, where):
        assert before != watched.follow() == where


def test_a_dump_of_which_the_index_tells_something_else_by_now_is_opened_at_once(
    saved: Path, tmp_path: Path
) -> None:
    """So it is when a dump was found before the index had it: open(2) tries twice only."""
    catalog = catalog_of(saved)
    dumps = tree(catalog, machine(tmp_path / "reader"))
    for name in alone(dumps):
        for file in (TEXT, SUMMARY):
            node = file_of(dumps, name, file)
            size = node.find().size
            entry = catalog.dumps()[name]
            assert isinstance(entry, Entry)
            rewrite(saved, saved=entry.saved + 1)
            assert catalog.dumps(now=True)[name] != entry
            assert len(node.open().read(0, 1 << 20)) == size


def test_nothing_has_changed_since_the_mount_began_until_something_has(
    saved: Path, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir(0o700)

    def watched() -> WatchedDirectories:
        catalog = catalog_of(saved)
        owners = Owners(OpenDirectory(str(tmp_path / "source")), Access(), catalog)
        return WatchedDirectories(catalog, owners, machine(tmp_path / f"reader{next(numbers)}"))

    numbers = itertools.count()
    rights, dumps = watched(), watched()
    assert rights.is_as_at_first()
    assert rights.is_as_at_first(), "to look again changes nothing"
    (tmp_path / "source").chmod(0o755)
    assert not rights.is_as_at_first()
    assert dumps.is_as_at_first()
    shutil.rmtree(saved / min(indexed(saved)))
    assert not dumps.is_as_at_first()
