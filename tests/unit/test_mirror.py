"""What a listing shows of records that change between its names and its sizes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from pstorefs.record import reading
from pstorefs.record.name import parse_name
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import Stamp
from pstorefs.tree.mirror import Mirror
from pstorefs.tree.mirror_directory import mirrored
from tests.records import capture

CAPTURE = "erst-deflate-6.1.192"


def listing(source: Path, meanwhile: Callable[[], object]) -> dict[str, int]:
    """Names and sizes, as the adapter finds them; `meanwhile` happens before anything is read."""
    store = OpenDirectory(str(source))
    root = mirrored(Mirror(store))
    names = root.names()
    meanwhile()
    shown = {}
    for name, node in names:
        with suppress(FileNotFoundError):
            node.find()
        settled = root.settle(name, node)
        if settled is not None:
            shown[settled[0]] = settled[1].attributes.size
    assert all(node.fresh for _, node in root.names()), "what is known is not read again"
    store.close()
    return shown


def size_of_text(path: Path) -> int:
    name = parse_name(path.name)
    assert name
    return len(reading.read(name, path.read_bytes()).text)


def test_a_record_that_vanished_is_not_listed(tmp_path: Path) -> None:
    source = capture(CAPTURE).write("enc", tmp_path)
    first, *others = sorted(source.iterdir())
    shown = listing(source, first.unlink)
    assert shown == {path.name.removesuffix(".enc.z"): size_of_text(path) for path in others}


def test_a_record_that_was_written_anew_is_listed_as_it_is_now(tmp_path: Path) -> None:
    source = capture(CAPTURE).write("enc", tmp_path)
    first, second, *_ = sorted(source.iterdir())
    text = second.read_bytes()
    assert text != first.read_bytes()
    shown = listing(source, lambda: (first.unlink(), first.write_bytes(text)))
    assert shown[first.name.removesuffix(".enc.z")] == size_of_text(second)


def test_a_record_that_is_written_anew_again_and_again_is_listed_under_its_plain_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = capture(CAPTURE).write("enc", tmp_path)
    first, second, *_ = sorted(source.iterdir())
    texts = [second.read_bytes(), first.read_bytes()] * 2
    read = OpenDirectory.read

    def late(store: OpenDirectory, folder: tuple[str, ...], name: str, expected: Stamp) -> bytes:
        if name == first.name and texts:
            (tmp_path / "new").write_bytes(texts.pop())
            (tmp_path / "new").replace(first)
        return read(store, folder, name, expected)

    monkeypatch.setattr(OpenDirectory, "read", late)
    shown = listing(source, lambda: None)
    assert not texts
    assert shown[first.name.removesuffix(".enc.z")] == size_of_text(first)


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_record_whose_place_something_else_took_is_not_listed(kind: str, tmp_path: Path) -> None:
    source = capture(CAPTURE).write("enc", tmp_path)
    first, second, *others = sorted(source.iterdir())

    def replace() -> None:
        first.unlink()
        if kind == "folder":
            first.mkdir()
        else:
            first.symlink_to(second)

    shown = listing(source, replace)
    assert set(shown) == {path.name.removesuffix(".enc.z") for path in (second, *others)}


def test_a_text_that_cannot_be_kept_is_not_shown_with_the_size_of_what_is_stored(
    tmp_path: Path, without_threads: AbstractContextManager[None]
) -> None:
    source = capture(CAPTURE).write("enc", tmp_path)
    with without_threads:
        shown = listing(source, lambda: None)
    assert shown == {
        path.name.removesuffix(".enc.z"): size_of_text(path) for path in source.iterdir()
    }
