"""Composed files: frozen once opened, and whoever was told to look again gets another node."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from pstorefs.mount.inodes import FRESH_SECONDS, Inodes
from pstorefs.tree.composed import ComposedDirectory, ComposedFile
from pstorefs.tree.node import Node, StaleError
from pstorefs.tree.rights import Owner

OWNER = Owner(0, 0, 0o750, 0o440, 0)


def look_up(directory: ComposedDirectory, name: str = "status") -> Node:
    """As the kernel's LOOKUP does it."""
    found = directory.lookup(name)
    assert found is not None
    found.find()
    settled = directory.settle(name, found)
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


def test_what_says_itself_that_it_is_no_longer_meant_is_never_handed_out_again() -> None:
    """meta/: a value is of one record, and the next record of that name may have the same."""
    current = 1

    def compose(record: int) -> bytes:
        if record != current:
            raise StaleError
        return b"dmesg\n"

    def children() -> dict[str, Node]:
        return {"status": ComposedFile(partial(compose, current), lambda: OWNER, 0)}

    directory = ComposedDirectory(children, lambda: OWNER.directory(0))
    first = look_up(directory)
    assert isinstance(first, ComposedFile)
    first.open()
    current = 2
    with pytest.raises(StaleError):
        first.open()
    second = look_up(directory)
    assert isinstance(second, ComposedFile)
    assert second.open().read(0, 9) == b"dmesg\n"


def lasting(contents: Iterator[bytes]) -> ComposedDirectory:
    def make() -> dict[str, Node]:
        return {"report.txt": ComposedFile(lambda: next(contents), lambda: OWNER, 0, lasting=True)}

    return ComposedDirectory(make, lambda: OWNER.directory(0))


def test_what_lasts_shows_no_other_size_than_the_kernel_was_told() -> None:
    directory = lasting(iter([b"a", b"bb", b"bb", b"bb"]))
    first = look_up(directory, "report.txt")
    assert isinstance(first, ComposedFile)
    assert first.frozen
    with pytest.raises(StaleError):
        first.open()
    second = look_up(directory, "report.txt")
    assert isinstance(second, ComposedFile)
    assert second.attributes.size == 2
    assert second.open().read(0, 9) == b"bb", "the kernel's second try succeeds"


def test_the_kernel_keeps_attributes_of_what_cannot_change_and_only_for_the_rest_of_a_second() -> (
    None
):
    inodes = Inodes(lasting(iter(())))
    changing = look_up(place(iter([b"a"])))
    fixed = look_up(lasting(iter([b"a"])), "report.txt")
    listed = lasting(iter(())).lookup("report.txt")
    assert listed is not None
    assert inodes.entry(listed).attr_timeout == 0, "of a listing nothing is known yet"
    assert inodes.entry(changing).attr_timeout == 0, "until it is opened it may get another size"
    assert inodes.entry(fixed).attr_timeout == FRESH_SECONDS / 2
    assert isinstance(fixed, ComposedFile)
    fixed._checked = float("-inf")
    assert inodes.entry(fixed).attr_timeout == 0, "it was found too long ago"


def test_two_that_open_it_at_once_are_not_shown_two_contents_under_one_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contents = iter([b"a", b"bbb"])
    node = ComposedFile(lambda: next(contents), lambda: OWNER, 0)
    shown: list[bytes] = []

    def opened() -> None:
        with suppress(StaleError):
            shown.append(node.open().read(0, 9))

    class Clock:
        """Lets the second one have its turn when the first is about to end its `open`."""

        second = threading.Thread(target=opened)

        def monotonic(self) -> float:
            if self.second.ident is None:
                self.second.start()
                self.second.join(0.5)
            return time.monotonic()

    clock = Clock()
    monkeypatch.setattr("pstorefs.tree.composed.time", clock)
    opened()
    clock.second.join()
    assert shown
    assert {len(content) for content in shown} == {node.attributes.size}


def test_the_kernel_never_keeps_the_size_from_before_a_thread_found_it() -> None:
    """A size of 0 that is kept for half a second makes cp(1) copy nothing, without an error."""
    inodes = Inodes(lasting(iter(())))
    node = lasting(iter([b"abc"])).lookup("report.txt")
    assert node is not None
    assert inodes.entry(node).st_size == 0, "a listing"
    node.find()  # by a thread; the event loop has not heard of it yet, and answers another request
    entry = inodes.entry(node)
    assert (entry.st_size, entry.attr_timeout) == (3, FRESH_SECONDS / 2)


def test_a_thread_may_find_attributes_while_they_are_asked_for() -> None:
    class Racing(ComposedFile):
        @property
        def lazy(self) -> bool:
            self.find()  # by another thread, just now
            return True

    inodes = Inodes(lasting(iter(())))
    node = Racing(lambda: b"abc", lambda: OWNER, 0, lasting=True)
    entry = inodes.entry(node)
    assert (entry.st_size, entry.attr_timeout > 0) == (3, True)
