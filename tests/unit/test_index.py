"""The archive's index and what a dump's summary.json says: believed only where all agrees."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pstorefs.archive import durable, entry, index, saved_summary, stored
from pstorefs.archive.engine import archive
from pstorefs.archive.entry import Entry
from pstorefs.archive.in_full import entry_of, read
from pstorefs.archive.policy import Policy
from pstorefs.catalog import bounds
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.codecs import detect
from pstorefs.dump import Dump
from pstorefs.record.record import ARCHIVE, STORE, SYSTEMD
from pstorefs.report import files
from pstorefs.report.context import Context
from pstorefs.report.material import material
from pstorefs.report.status import Reporter
from pstorefs.source import looked
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import ChangedError, Inode, Stamp
from pstorefs.system import json_lines, mountinfo
from pstorefs.system.machine import Machine
from pstorefs.tree.dumps import Dumps
from pstorefs.tree.foretold import ForetoldFile
from pstorefs.tree.node import COMPOSE, QUICK, Directory, File, StaleError
from pstorefs.tree.owners import Owners
from pstorefs.tree.rights import Access
from tests.aged import age_index, of_schema_1, without_mark
from tests.records import capture

NOBODY = Machine("/nonexistent")
POLICY = Policy(
    volatile=True, reserve_bytes=0, reserve_share=0, compose=files.composer(NOBODY, own=False)
)


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of several dumps, as on a disk."""
    monkeypatch.setattr(durable, "tells_writers", lambda _: True)
    source = capture("erst-deflate-6.1.192").write("enc", tmp_path / "store")
    save(source, tmp_path / "archive")
    return tmp_path / "archive"


def save(source: Path, target: Path, policy: Policy = POLICY) -> None:
    store = OpenDirectory(str(source))
    archive(store, str(target), None, policy)
    store.close()


def dumps_in(target: Path) -> list[str]:
    return sorted(path.name for path in target.iterdir() if not path.name.startswith("."))


def catalog_of(target: Path) -> Catalog:
    return Catalog([Place(ARCHIVE, str(target))])


def indexed(target: Path) -> dict[str, Entry]:
    store = OpenDirectory(str(target))
    stamp = index.stamp_of(store)
    assert stamp
    found = index.read(store, stamp).entries
    store.close()
    return found


def damaged(catalog: Catalog) -> list[str]:
    """What status says is not as it was saved."""
    Reporter(catalog, "", NOBODY, own=False).collect()
    return catalog.rotten()


def context_of(catalog: Catalog, name: str) -> Context:
    """What a mount says of a dump beyond it."""
    owners = Owners(OpenDirectory("", optional=True), Access(), catalog)
    dumps = Dumps(catalog, owners, NOBODY, own=False)
    return dumps.contents.context(catalog.dumps()[name])


def shown(catalog: Catalog, name: str) -> dict[str, bytes | None]:
    """All files of a dump."""
    dump = catalog.dumps()[name]
    of, context = material(catalog, dump), context_of(catalog, name)
    return {file: make(of, context) for file, make in files.FILES.items()}


def report_of(catalog: Catalog, name: str) -> bytes | None:
    """report.txt alone."""
    dump = catalog.dumps()[name]
    return files.FILES["report.txt"](material(catalog, dump), context_of(catalog, name))


def test_what_is_saved_is_in_the_index_and_the_same_as_by_reading(saved: Path) -> None:
    found = indexed(saved)
    assert sorted(found) == dumps_in(saved)
    store = OpenDirectory(str(saved))
    for name, each in found.items():
        known = stored.read(store, name)
        assert known
        assert abs(known.saved - each.saved) < 600
        # Nobody has compared the text with its digest since.
        assert entry.of_stored(known)._replace(saved=each.saved) == each._replace(written=None)
        in_full = read(store, name)
        assert in_full
        # Its records do not say what was made of them.
        assert in_full.entry() == each._replace(
            saved=in_full.stamps[1].mtime_ns // 10**9,
            **dict.fromkeys(("text", "mark", "fixed", "length", "written")),
        )
        assert (each.mark, each.fixed) == known.sure
        text = (saved / name / "dmesg.txt").read_bytes()
        assert each.text == int(saved_summary.digest(text)[:16], 16)
        assert each.length == len(text)
        assert each.written == (saved / name / "dmesg.txt").stat().st_ctime_ns
        assert entry.parse(each.line().removesuffix(b"\n")) == each
    store.close()


def test_nothing_of_an_archived_dump_is_decoded_and_its_files_are_what_reading_gives(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(detect, "decode", lambda *_, **__: pytest.fail("decoded"))
        quick = {name: shown(catalog_of(saved), name) for name in dumps_in(saved)}
    for path in saved.glob("*/summary.json"):
        path.unlink()
    (saved / index.NAME).unlink()
    for name, expected in quick.items():
        assert shown(catalog_of(saved), name) == expected


def test_looking_again_reads_nothing(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SETTLED_NS", 0)
    monkeypatch.setattr(looked, "CURRENT_SECONDS", 0)
    catalog = catalog_of(saved)
    calls: Counter[str] = Counter()
    for name in ("scan", "read", "stamp", "open"):
        counting(calls, name, monkeypatch)
    catalog.dumps()
    assert calls == {"scan": 1, "open": 1, "stamp": 2}, "the root and its index"
    calls.clear()
    catalog.dumps()
    assert calls == {"stamp": 2}


def tampered(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-2] + b"!\n")


def cut(path: Path) -> None:
    os.truncate(path, 10)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link_elsewhere(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def tampered_in_secret(path: Path) -> None:
    times = path.stat()
    tampered(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, tampered, tampered_in_secret, cut, a_folder, a_fifo, a_link_elsewhere],
)
def test_a_text_that_is_not_what_was_saved_is_never_shown(
    saved: Path, spoil: Callable[[Path], None]
) -> None:
    name = dumps_in(saved)[0]
    text = (saved / name / "dmesg.txt").read_bytes()
    catalog = catalog_of(saved)
    tree = tree_of(catalog)
    before = file_of(tree, name)
    assert isinstance(before, ForetoldFile)
    assert contents(before) == text
    spoil(saved / name / "dmesg.txt")
    with pytest.raises(StaleError):
        before.open()
    assert contents(file_of(tree, name)) == text, "the kernel looks it up again by itself, once"


def test_a_text_that_nobody_has_written_to_is_not_hashed(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_summary, "digest", lambda _: pytest.fail("hashed"))
    tree = tree_of(catalog_of(saved))
    for name in dumps_in(saved):
        assert contents(file_of(tree, name)) == (saved / name / "dmesg.txt").read_bytes()


@pytest.mark.parametrize("spoil", [tampered, cut])
def test_a_text_that_was_written_to_before_the_index_was_is_never_shown(
    tmp_path: Path, spoil: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "tells_writers", lambda _: True)
    target = tmp_path / "archive"
    source = capture("erst-deflate-6.1.192").write("enc", tmp_path / "store")
    right = {}

    def saved_but_not_noted(dump: Dump, summary: bytes) -> None:
        del summary
        text = target / dump.name / "dmesg.txt"
        right[dump.name] = text.read_bytes()
        spoil(text)

    save(source, target, POLICY._replace(on_saved=saved_but_not_noted))
    assert all(each.written is None for each in indexed(target).values())
    tree = tree_of(catalog_of(target))
    for name in dumps_in(target):
        for _ in range(3):
            try:
                assert contents(file_of(tree, name)) == right[name]
            except StaleError:
                continue
            break
        else:
            pytest.fail("never shown")


def test_a_ctime_is_not_relied_upon_where_a_write_may_leave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On tmpfs nobody notices who writes by mmap(2) to a page that he has read by it."""
    mount = mountinfo.Mount(0, "/", "/archive", "tmpfs", "tmpfs", "rw")
    monkeypatch.setattr(mountinfo, "holding", lambda _: mount)
    save(capture("erst-deflate-6.1.192").write("enc", tmp_path / "store"), tmp_path / "archive")
    assert all(each.written is None for each in indexed(tmp_path / "archive").values())


def test_a_clock_in_coarse_steps_does_not_tell_who_wrote_to_a_text(saved: Path) -> None:
    text = saved / dumps_in(saved)[0] / "dmesg.txt"
    stamp = Stamp.of(text.stat())
    fine = stamp._replace(version=Inode(1, 2, 1_600_000_000_123_456_789))
    assert entry.Text.of("00", fine).written == 1_600_000_000_123_456_789
    coarse = stamp._replace(version=Inode(1, 2, 1_600_000_000_120_000_000))
    assert entry.Text.of("00", coarse) == entry.Text("00", stamp.size, None)


def test_a_text_that_a_disk_no_longer_gives_is_made_from_the_records(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = dumps_in(saved)[0]
    text = (saved / name / "dmesg.txt").read_bytes()
    tree = tree_of(catalog_of(saved))
    node = file_of(tree, name)
    assert isinstance(node, ForetoldFile)
    node.find()
    pread = os.pread
    file = (saved / name / "dmesg.txt").stat()

    def unreadable(descriptor: int, size: int, offset: int) -> bytes:
        if os.path.samestat(os.fstat(descriptor), file):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", unreadable)
    with pytest.raises(StaleError):
        node.open()
    assert contents(file_of(tree, name)) == text


def test_a_text_that_lies_there_anew_is_shown_as_before(saved: Path) -> None:
    name = dumps_in(saved)[0]
    path = saved / name / "dmesg.txt"
    text = path.read_bytes()
    tree = tree_of(catalog_of(saved))
    before = file_of(tree, name)
    assert contents(before) == text
    path.unlink()
    path.write_bytes(text)
    assert contents(before) == text, "its digest still says that it is right"
    assert isinstance(file_of(tree, name), ForetoldFile)


def test_the_event_loop_looks_at_no_place_for_who_may_read_a_text(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive's directory may be open longer than the look at the store holds."""
    monkeypatch.setattr(looked, "CURRENT_SECONDS", 100)
    store = Place(STORE, OpenDirectory(str(tmp_path / "store")))
    catalog = Catalog([store, Place(ARCHIVE, str(saved))])
    node = file_of(tree_of(catalog), dumps_in(saved)[0])
    node.find()
    assert node.lane == QUICK
    store.may_hang = True
    catalog.dumps(now=True)
    assert node.lane == COMPOSE


def test_a_text_that_was_just_looked_up_again_is_known_under_its_old_number(saved: Path) -> None:
    """Else the kernel would be told that nothing is known of it, and ask for its size at once."""
    tree, name = tree_of(catalog_of(saved)), dumps_in(saved)[0]
    before, after = file_of(tree, name), file_of(tree, name)
    assert isinstance(before, ForetoldFile)
    assert isinstance(after, ForetoldFile)
    before.find()
    before._checked = looked.NEVER
    after.find()
    assert before.same(after)
    assert before.fresh


def test_the_directory_of_a_dump_that_was_just_removed_is_gone_and_not_stale(saved: Path) -> None:
    """ESTALE would reach whoever lists it: the kernel looks up again for open(2) alone."""
    name = dumps_in(saved)[0]
    folder = tree_of(catalog_of(saved)).root.lookup(name)
    assert isinstance(folder, Directory)
    shutil.rmtree(saved / name)
    with pytest.raises(FileNotFoundError):
        folder.names()


def test_summary_json_of_an_archived_dump_is_shown_without_reading_what_it_says(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = catalog_of(saved)
    expected = {name: shown(catalog, name)["summary.json"] for name in dumps_in(saved)}
    read = stored.read
    for name, content in expected.items():

        def other(store: OpenDirectory, which: str, name: str = name) -> stored.Stored | None:
            assert which != name, "only the title of another dump of its boot is looked up"
            return read(store, which)

        monkeypatch.setattr(stored, "read", other)
        assert contents(file_of(tree_of(catalog_of(saved)), name, "summary.json")) == content


def a_bit(dump: Path) -> None:
    """Of a record, with its time set back."""
    path = min((dump / "raw").iterdir())
    before, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def a_record_less(dump: Path) -> None:
    min((dump / "raw").iterdir()).unlink()


def another_time(dump: Path) -> None:
    os.utime(min((dump / "raw").iterdir()), ns=(1, 1))


def other_sums(dump: Path) -> None:
    tampered(dump / "SHA256SUMS")


def other_words(dump: Path) -> None:
    path = dump / "summary.json"
    path.write_bytes(path.read_bytes().replace(b'"crash": true', b'"crash": null'))


@pytest.mark.parametrize(
    "change",
    [a_bit, a_record_less, another_time, other_sums, other_words],
    ids=lambda f: f.__name__,
)
def test_summary_json_is_read_anew_where_anything_of_the_dump_is_not_as_it_was(
    change: Callable[[Path], None], saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked, "CURRENT_SECONDS", 0)
    catalog = catalog_of(saved)
    name = max(dumps_in(saved), key=lambda each: len(list((saved / each / "raw").iterdir())))
    tree = tree_of(catalog)
    before = file_of(tree, name, "summary.json")
    contents(before)
    change(saved / name)
    assert catalog.archive
    dump = catalog.dumps()[name]
    assert isinstance(dump, Entry)
    assert catalog.archive.unchanged(dump, wait=True) is None
    expected = shown(catalog, name)["summary.json"]
    assert contents(file_of(tree, name, "summary.json")) == expected


def forged(dump: Path, entry: Entry, summary: bytes) -> None:
    """Exchange summary.json, and give the index a mark that fits."""
    (dump / "summary.json").write_bytes(summary)
    store = OpenDirectory(str(dump.parent))
    found = stored.Unchanged(stored.look(store, dump.name)[0], summary)
    line = entry._replace(mark=stored._mark(found)).line()
    store.close()
    with (dump.parent / index.NAME).open("ab") as file:
        file.write(line)


_HEAD = b'{\n "schema": 2,\n'
FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    "the terminal": lambda text: text.replace(b'"title": "', b'"title": "\x1b[2J'),
    "beyond ASCII": lambda text: text.replace(b'"title": "', '"title": "\u009b'.encode()),
    "nothing": lambda _: b"",
    "no keys": lambda _: _HEAD + b' "saved": {}\n}\n',
    "no object": lambda text: text.replace(b'"machine": {', b'"machine": [{}], "x": {'),
    "no JSON": lambda text: text.replace(b'"machine": {', b'"machine": {{'),
    "too deep": lambda text: text.replace(b'"machine": {', b'"machine": ' + b"[" * 5000),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_summary_with_a_fitting_mark_is_read_in_full(
    forgery: Callable[[bytes], bytes], saved: Path
) -> None:
    name = dumps_in(saved)[0]
    path = saved / name / "summary.json"
    expected = contents(file_of(tree_of(catalog_of(saved)), name, path.name))
    before = path.read_bytes()
    assert forgery(before) != before
    forged(saved / name, indexed(saved)[name], forgery(before))
    catalog = catalog_of(saved)
    dump = catalog.dumps()[name]
    assert isinstance(dump, Entry)
    assert catalog.archive
    assert catalog.archive.unchanged(dump, wait=True), "the mark fits"
    assert contents(file_of(tree_of(catalog), name, path.name)) == expected


@pytest.mark.parametrize("key", ["boot_dumps", "unknown"])
def test_a_summary_that_is_nested_too_deep_hides_no_other_dump(key: str, saved: Path) -> None:
    """What can be decoded here may be too deep a few calls further down, and for the encoder."""
    names = dumps_in(saved)
    keys = json.loads((saved / names[0] / "summary.json").read_bytes())
    del keys["saved"], keys["digest"]
    text = json_lines.laid_out({**keys, key: 0})
    for depth in range(900, 1000):
        nested = b'"%s": %s%s' % (key.encode(), b"[" * depth, b"]" * depth)
        (saved / names[0] / "summary.json").write_bytes(
            text.replace(b'"%s": 0' % key.encode(), nested)
        )
        (saved / index.NAME).unlink(missing_ok=True)
        assert sorted(catalog_of(saved).dumps()) == names


def test_a_mark_is_of_no_use_to_a_version_that_knows_more_keys(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows them as null, and what was written before has none of them."""
    catalog = catalog_of(saved)
    assert catalog.archive
    dumps = [each for each in catalog.dumps().values() if isinstance(each, Entry)]
    assert [each for each in dumps if catalog.archive.unchanged(each, wait=True)] == dumps
    monkeypatch.setattr(stored, "KEYS", (*stored.KEYS, "another"))
    assert not [each for each in dumps if catalog.archive.unchanged(each, wait=True)]


def test_who_must_not_wait_lists_no_more_records_than_a_small_directory_has(saved: Path) -> None:
    name = dumps_in(saved)[0]
    store = OpenDirectory(str(saved))
    size = (saved / name / "raw").stat().st_size
    mark = indexed(saved)[name].mark
    assert mark
    assert stored.unchanged(store, name, mark, 1 << 20)
    with pytest.raises(OSError, match="too many records"):
        stored.unchanged(store, name, mark, size - 1)
    store.close()


def test_a_line_of_an_earlier_version_is_as_good_but_for_what_it_did_not_tell(saved: Path) -> None:
    for each in indexed(saved).values():
        assert entry.parse(without_mark(each.line())) == each._replace(
            mark=None, fixed=None, length=None, written=None
        )


def tree_of(catalog: Catalog) -> Dumps:
    return Dumps(
        catalog, Owners(OpenDirectory("", optional=True), Access(), catalog), NOBODY, own=False
    )


def file_of(tree: Dumps, name: str, file: str = "dmesg.txt") -> File:
    """What a look-up of one of its files gives."""
    folder = tree.root.lookup(name)
    assert isinstance(folder, Directory)
    node = folder.lookup(file)
    assert isinstance(node, File)
    return node


def contents(node: File) -> bytes:
    """What is read of it, as long as stat says."""
    size = node.find().size
    data = node.open().read(0, 1 << 20)
    assert len(data) == size
    return data


def counting(calls: Counter[str], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call = getattr(OpenDirectory, name)

    def counted(*arguments: Any) -> Any:  # noqa: ANN401
        calls[name] += 1
        return call(*arguments)

    monkeypatch.setattr(OpenDirectory, name, counted)


def drop_index(target: Path) -> None:
    (target / index.NAME).unlink()


def garbage(target: Path) -> None:
    (target / index.NAME).write_bytes(os.urandom(4096))


def cut_off(target: Path) -> None:
    path = target / index.NAME
    path.write_bytes(path.read_bytes()[:-40])


def other_dump(target: Path) -> None:
    """The line of each dump is that of another one."""
    lines = indexed(target)
    names = sorted(lines)
    swapped = [lines[b]._replace(name=a) for a, b in zip(names, names[1:] + names[:1], strict=True)]
    path = target / index.NAME
    path.write_bytes(b"pstorefs-index 2\n" + b"".join(each.line() for each in swapped))


def a_link(target: Path) -> None:
    (target / index.NAME).rename(target.parent / "elsewhere")
    (target / index.NAME).symlink_to(target.parent / "elsewhere")


def restored(target: Path) -> None:
    """As from a backup: all inodes are others."""
    shutil.copytree(target, target.parent / "copy", symlinks=True)
    shutil.rmtree(target)
    (target.parent / "copy").rename(target)


def summary(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """summary.json of all dumps changed."""

    def changed(target: Path) -> None:
        for path in target.glob("*/summary.json"):
            keys = json.loads(path.read_text())
            change(keys)
            path.write_text(json.dumps(keys))
        drop_index(target)

    return changed


def no_summary(target: Path) -> None:
    for path in target.glob("*/summary.json"):
        path.write_bytes(b"\0" * 100)
    drop_index(target)


DAMAGE: list[Callable[[Path], None]] = [
    drop_index,
    garbage,
    cut_off,
    other_dump,
    a_link,
    restored,
    no_summary,
    summary(lambda keys: keys.update(title="\x1b[2J")),
    summary(lambda keys: keys.update(title="another title")),
    summary(lambda keys: keys["records"][0].update(sha256="0" * 64)),
    summary(lambda keys: keys["records"][0].update(path="../../../etc/passwd")),
    summary(lambda keys: keys["records"].clear()),
    summary(lambda keys: keys.update(records=17)),
    summary(lambda keys: keys.pop("trace")),
    summary(lambda keys: keys["saved"].update(mtime_ns=-1)),
    # Of an earlier version, which had no seal.
    summary(lambda keys: (of_schema_1(keys), keys.update(time="2026-13-45T25:00:00Z"))),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_hostile_index_or_summary_gives_what_reading_gives(
    damage: Callable[[Path], None], saved: Path
) -> None:
    before = catalog_of(saved)
    listed = {
        name: (dump.time_ns, dump.is_crash, dump.reason, dump.count)
        for name, dump in before.dumps().items()
    }
    said = {name: shown(before, name) for name in listed}
    damage(saved)
    after = catalog_of(saved)
    assert listed == {
        name: (dump.time_ns, dump.is_crash, dump.reason, dump.count)
        for name, dump in after.dumps().items()
    }
    assert said == {name: shown(after, name) for name in listed}


@pytest.mark.parametrize("gone", ["raw/*1.enc.z", "raw/*", "raw"])
def test_a_record_that_is_gone_from_the_archive_needs_attention(gone: str, saved: Path) -> None:
    newest = saved / dumps_in(saved)[-1]
    catalog = catalog_of(saved)
    assert damaged(catalog) == []
    names = sorted(path.name for path in newest.glob("raw/*"))
    for path in newest.glob(gone):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    left = [path.name for path in newest.glob("raw/*")]
    paths = [f"{newest.name}/raw/{name}" for name in names if name not in left]
    catalog.dumps(now=True)
    assert damaged(catalog) == damaged(catalog_of(saved)) == paths
    shutil.rmtree(newest)
    assert newest.name not in catalog.dumps(now=True)
    assert damaged(catalog) == []


def test_a_record_that_is_found_altered_is_told_until_it_is_restored(saved: Path) -> None:
    catalog = catalog_of(saved)
    name = dumps_in(saved)[0]
    path = min((saved / name / "raw").iterdir())
    before, times = path.read_bytes(), path.stat()
    catalog.resolved(catalog.dumps()[name])
    path.write_bytes(b"x" + before[1:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    catalog.dumps(now=True)
    catalog.resolved(catalog.dumps()[name])
    assert catalog.rotten() == []  # size and time are as they were: nobody has read it
    with pytest.raises(ChangedError):
        catalog.archived_bytes(f"{name}/raw/{path.name}", hashlib.sha256(before).hexdigest())
    assert catalog.rotten() == [f"{name}/raw/{path.name}"]
    path.write_bytes(before)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    catalog.dumps(now=True)
    assert catalog.rotten() == []


def test_new_is_what_came_since_the_last_boot(saved: Path, tmp_path: Path) -> None:
    """Also where a log of an archived dump stays in the store, and of what systemd-pstore moved."""
    now, later = int(time.time()) - 600, int(time.time()) + 600
    name = dumps_in(saved)[0]
    (tmp_path / "stays").mkdir()
    record = min((saved / name / "raw").iterdir())
    shutil.copy2(record, tmp_path / "stays")
    moved = capture("efi-zstd-6.1.192").write("enc", tmp_path / "systemd" / "1786795204")
    for path in moved.iterdir():
        os.utime(path)
    places = [Place(STORE, str(tmp_path / "stays")), Place(ARCHIVE, str(saved))]
    archived = Catalog(places).view()
    assert archived.dumps[name].records, "it is a dump with records, and no entry"
    systemd = Catalog([Place(SYSTEMD, str(tmp_path / "systemd"))]).view()
    live = Catalog([Place(STORE, str(moved))]).view()
    for view, after_boot in ((archived, 0), (systemd, 0), (live, 3)):
        count = len(view.dumps)
        assert count >= 3
        news = [
            sum(view.is_new(dump, booted) for dump in view.dumps.values())
            for booted in (now, later, None)
        ]
        assert news == [count, after_boot, 0]
        assert view.totals(later, lambda _: True).new == after_boot


def test_status_looks_once_at_each_dump_however_long_that_takes(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked, "CURRENT_SECONDS", -1.0)  # as if each look took too long to hold
    reporter = Reporter(catalog_of(saved), "", NOBODY, own=False, archive=str(saved))
    looks: list[str] = []

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def look(archive: OpenDirectory, name: str, *more: int) -> object:
            looks.append(name)
            return call(archive, name, *more)

        return look

    monkeypatch.setattr(stored, "look", counted(stored.look))
    monkeypatch.setattr(stored, "read", counted(stored.read))
    for _ in range(2):
        assert reporter.json()
        assert sorted(looks) == dumps_in(saved)
        looks.clear()


def test_an_archive_of_an_earlier_version_is_known_without_its_records_too(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: shown(catalog_of(saved), name) for name in dumps_in(saved)}
    summary(of_schema_1)(saved)
    catalog = catalog_of(saved)
    with monkeypatch.context() as patch:
        patch.setattr(detect, "decode", lambda *_, **__: pytest.fail("decoded"))
        assert sorted(catalog.dumps()) == sorted(before)
        for name, files_before in before.items():
            assert report_of(catalog, name) == files_before["report.txt"]
    for name, files_before in before.items():
        assert shown(catalog, name)["dmesg.txt"] == files_before["dmesg.txt"]


def test_an_old_archive_gets_its_index_when_something_is_saved(saved: Path, tmp_path: Path) -> None:
    summary(of_schema_1)(saved)
    save(capture("efi-zstd-6.1.192").write("enc", tmp_path / "other"), saved)
    assert sorted(indexed(saved)) == dumps_in(saved)


def test_lines_of_an_earlier_version_are_made_anew_when_something_is_saved(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = indexed(saved)
    age_index(saved)
    monkeypatch.setattr(index, "_RENEWED", 2)
    for number, (file, record) in enumerate(capture("efi-zstd-6.1.192").enc.items()):
        # A line at a time, the newest first; what is renewed stays as it is.
        now = indexed(saved)
        whole = [name for name in sorted(before) if now[name].mark is not None]
        assert whole == sorted(before)[len(before) - min(2 * number, len(before)) :]
        if len(whole) == len(before):
            break
        other = tmp_path / f"other{number}"
        other.mkdir()
        (other / file).write_bytes(record.data)
        save(other, saved)
    assert {name: now[name] for name in before} == {
        name: each._replace(written=None, saved=now[name].saved) for name, each in before.items()
    }


def test_lines_of_what_is_gone_go_when_they_are_many(saved: Path) -> None:
    store = OpenDirectory(str(saved))
    root = os.open(saved, os.O_RDONLY)
    for _ in range(80):
        for path in saved.iterdir():
            if path.is_dir():
                path.chmod(0o755)
                path.chmod(0o700)
        index.update(store, root, lambda name: entry_of(store, name))
    lines = (saved / index.NAME).read_bytes().splitlines()
    count = len(dumps_in(saved))
    assert count < len(lines) <= 2 * count + 130
    shutil.rmtree(saved / dumps_in(saved)[0])
    index.update(store, root, lambda name: entry_of(store, name))
    assert sorted(catalog_of(saved).dumps()) == dumps_in(saved)
    os.close(root)
    store.close()


def test_a_dump_that_goes_or_comes_is_noticed(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked, "CURRENT_SECONDS", 0)
    catalog = catalog_of(saved)
    names = dumps_in(saved)
    assert sorted(catalog.dumps()) == names
    (saved / names[0]).rename(tmp_path / names[0])
    assert sorted(catalog.dumps()) == names[1:]
    (tmp_path / names[0]).rename(saved / names[0])
    assert sorted(catalog.dumps()) == names


def test_an_archived_dump_is_read_in_full_where_a_record_of_the_store_may_be_of_it(
    saved: Path, tmp_path: Path
) -> None:
    source = capture("erst-deflate-6.1.192").write("enc", tmp_path / "again")
    store = OpenDirectory(str(source))
    catalog = Catalog([Place(STORE, store), Place(ARCHIVE, str(saved))])
    dumps = catalog.dumps()
    assert sorted(dumps) == dumps_in(saved), "no dump is there twice"
    assert all({r.place for r in d.records} == {STORE, ARCHIVE} for d in dumps.values())
    for path in source.iterdir():
        path.unlink()
    assert {len(dump.records) for dump in catalog.dumps(now=True).values()} == {0}
    store.close()


def test_a_dump_of_the_same_name_as_an_archived_one_takes_another_name(
    saved: Path, tmp_path: Path
) -> None:
    source = tmp_path / "other"
    source.mkdir()
    name = next(name for name in dumps_in(saved) if "panic" in name or "oops" in name)
    first = next((saved / name / "raw").iterdir())
    stamp = first.stat().st_mtime_ns
    reason, count = name.split("-")[1:3]
    text = f"{reason.capitalize()}#{count} Part1\n<6>[    9.000000] another\n".encode()
    path = source / "dmesg-nvram-7"
    path.write_bytes(text)
    os.utime(path, ns=(stamp, stamp))
    store = OpenDirectory(str(source))
    catalog = Catalog([Place(STORE, store), Place(ARCHIVE, str(saved))])
    assert len(catalog.dumps()) == len(dumps_in(saved)) + 1
    store.close()


def test_no_text_is_shown_with_the_rights_of_another_record_of_its_name(tmp_path: Path) -> None:
    """Somebody else looks at the store alone, just after a record took the place of another."""
    path = tmp_path / "dmesg-ramoops-0"

    def put(words: str, mode: int) -> None:
        path.unlink(missing_ok=True)
        path.write_text(f"Panic#1 Part1\n<6>[    9.000000] {words}\n")
        path.chmod(mode)
        os.utime(path, ns=(10**18, 10**18))

    tmp_path.chmod(0o755)
    put("secret", 0o600)
    store = OpenDirectory(str(tmp_path))
    catalog = Catalog([Place(STORE, store)])
    (name,) = catalog.dumps()
    tree = Dumps(catalog, Owners(store, Access(), catalog), NOBODY, own=False)
    closed = file_of(tree, name)
    assert (closed.find().mode & 0o777, b"secret" in contents(closed)) == (0o400, True)
    put("for all", 0o644)
    catalog._scans[STORE].look(now=True)
    open_to_all = file_of(tree, name)
    assert open_to_all.find().mode & 0o777 == 0o444
    assert b"for all" in contents(open_to_all)
    store.close()


def test_what_went_from_the_store_is_looked_for_in_the_archive(tmp_path: Path) -> None:
    """Somebody else archives: the store is due to be looked at, and the archive not yet."""
    source = capture("erst-mixed-upgrade").write("enc", tmp_path / "store")
    (tmp_path / "archive").mkdir()
    store = OpenDirectory(str(source))
    catalog = Catalog([Place(STORE, store), Place(ARCHIVE, str(tmp_path / "archive"))])
    before = set(catalog.dumps(now=True))
    save(source, tmp_path / "archive")
    assert not list(source.iterdir())
    catalog._scans[STORE]._last.ended = float("-inf")
    catalog.live()  # as for a listing of the mirror: the store alone
    assert set(catalog.dumps()) == before
    store.close()
