"""Composed files: frozen once opened, and whoever was told to look again gets another node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pstorefs.tree.composed import ComposedDirectory, ComposedFile
from pstorefs.tree.node import Node, StaleError
from pstorefs.tree.rights import Owner

OWNER = Owner(0, 0, 0o750, 0o440, 0)


def look_up(directory: ComposedDirectory) -> Node:
    """As the kernel's LOOKUP does it."""
    found = directory.lookup("status")
    assert found is not None
    found.find()
    settled = directory.settle("status", found)
    assert settled is not None
    return settled[1]


def place(contents: Iterator[bytes]) -> ComposedDirectory:
    def compose() -> bytes:
        return next(contents)

    return ComposedDirectory(
        lambda: {"status": ComposedFile(compose, lambda: OWNER, 0)}, lambda: OWNER.directory(0)
    )


def test_the_same_content_keeps_its_node() -> None:
    directory = place(iter([b"a"] * 4))
    first = look_up(directory)
    assert isinstance(first, ComposedFile)
    first.open()
    assert look_up(directory) is first


def test_whoever_was_told_to_look_again_gets_another_node_though_the_content_came_back() -> None:
    # The kernel tries twice: the open after the second look-up must succeed whatever it composes.
    directory = place(iter([b"a", b"a", b"b", b"a", b"c"]))
    first = look_up(directory)
    assert isinstance(first, ComposedFile)
    first.open()
    with pytest.raises(StaleError):
        first.open()
    second = look_up(directory)
    assert second is not first
    assert isinstance(second, ComposedFile)
    assert second.open().read(0, 9) == b"c"
    assert second.attributes.size == 1
