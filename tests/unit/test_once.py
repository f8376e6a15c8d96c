"""Nothing is read, decoded or composed twice: counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.codecs import detect
from pstorefs.record.decoded import Decoded
from pstorefs.record.record import STORE
from pstorefs.report import report_txt
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from pstorefs.tree.composed import ComposedDirectory, ComposedFile
from pstorefs.tree.dumps import Dumps
from pstorefs.tree.mirror import Mirror
from pstorefs.tree.mirror_directory import MirrorDirectory, mirrored
from pstorefs.tree.owners import Owners
from pstorefs.tree.rights import Access
from tests.records import capture


class Site:
    """A mirror and dumps/ of one store, as a mount has them, and what was done for them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: Counter[str] = Counter()
        self.store = OpenDirectory(str(folder))
        decoded = Decoded()
        self.mirror: MirrorDirectory = mirrored(Mirror(self.store, decoded=decoded))
        self.catalog = Catalog([Place(STORE, self.store)], decoded)
        owners = Owners(self.store, Access(), self.catalog)
        self.dumps = Dumps(self.catalog, owners, Machine(str(folder)), own=False)
        for of, name in ((OpenDirectory, "read"), (detect, "decode"), (report_txt, "report")):
            monkeypatch.setattr(of, name, self.counting(name, getattr(of, name)))

    def counting(self, name: str, call: Any) -> Any:  # noqa: ANN401
        def counted(*arguments: Any, **words: Any) -> Any:  # noqa: ANN401
            self.done[name] += 1
            return call(*arguments, **words)

        return counted

    def list_records(self) -> None:
        """As ls -l."""
        for _, node in self.mirror.names():
            if not node.fresh:
                node.find()

    def list_dumps(self) -> None:
        """As ls dumps/."""
        assert self.dumps.root.names()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = capture("erst-deflate-6.1.192").write("enc", tmp_path / "store")
    made = Site(folder, monkeypatch)
    yield made
    made.store.close()


@pytest.mark.parametrize("first", ["records", "dumps"])
def test_what_one_listing_decoded_the_other_one_neither_reads_nor_decodes(
    first: str, site: Site
) -> None:
    looks = [site.list_records, site.list_dumps]
    if first == "dumps":
        looks.reverse()
    looks[0]()
    count = len(site.mirror.names())
    assert site.done == {"read": count, "decode": count}
    looks[1]()
    assert site.done == {"read": count, "decode": count}


def test_a_report_is_composed_once_for_lookup_open_and_stat(site: Site) -> None:
    name = next(iter(site.catalog.dumps()))
    directory: ComposedDirectory | Any = site.dumps.root.lookup(name)
    node: ComposedFile | Any = directory.lookup("report.txt")
    node.find()
    node.open().close()
    node._checked = 0.0
    node.find()
    directory.lookup("report.txt").find()
    assert site.done["report"] == 1


def test_a_report_is_composed_again_when_the_store_changes(site: Site, tmp_path: Path) -> None:
    newest = site.catalog.latest()
    assert newest is not None
    directory: ComposedDirectory | Any = site.dumps.root.lookup(newest.name)
    before = directory.lookup("report.txt")
    before.find()
    (tmp_path / "store" / newest.parts[0].record.path).unlink()
    site.catalog.dumps(now=True)
    name = next(name for name in site.catalog.dumps() if name[:12] == newest.name[:12])
    after: Any = site.dumps.root.lookup(name)
    node = after.lookup("report.txt")
    node.find()
    assert site.done["report"] == 2
    assert node.open().read(0, 1 << 20) != b""


def test_what_a_live_dump_was_made_of_is_asked_once_for_its_line_in_a_list(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = site.catalog.latest()
    assert dump is not None
    monkeypatch.setattr(Catalog, "_made_of", site.counting("made_of", Catalog._made_of))
    first = site.catalog.brief(dump)
    assert site.done["made_of"] == 1
    (Path(site.store.path) / "dmesg-erst-1").write_bytes(b"Panic#9 Part1\nanother\n")
    site.catalog.view(now=True)
    assert site.catalog.brief(dump) == first, "another generation: the brief is made anew"
    assert site.done["made_of"] == 2
