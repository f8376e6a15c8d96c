"""What is read of a directory, when what lies under a name is not what it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import ChangedError, has_changed


def test_a_fifo_in_a_files_place_keeps_its_data(tmp_path: Path) -> None:
    place = tmp_path / "dmesg-erst-1"
    place.write_bytes(b"text")
    store = OpenDirectory(str(tmp_path))
    stamp = store.stamp((), place.name)
    place.unlink()
    os.mkfifo(place)
    pipe = os.open(place, os.O_RDWR | os.O_NONBLOCK)
    os.write(pipe, b"for somebody else")
    with pytest.raises(OSError, match="seek") as error:
        store.read((), place.name, stamp)
    assert has_changed(error.value)
    assert os.read(pipe, 100) == b"for somebody else"
    os.close(pipe)
    store.close()


def test_a_device_in_a_files_place_has_changed_and_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "dmesg-erst-1"
    place.write_bytes(b"text")
    store = OpenDirectory(str(tmp_path))
    stamp = store.stamp((), place.name)
    place.unlink()
    monkeypatch.setattr(store, "_open", lambda *_: os.open("/dev/zero", os.O_RDONLY))
    with pytest.raises(ChangedError):
        store.read((), place.name, stamp)
    store.close()


@pytest.mark.parametrize("text", [b"", b"tex", b"texts", b"text" * 20_000])
def test_a_file_that_grew_or_shrank_is_not_read(text: bytes, tmp_path: Path) -> None:
    place = tmp_path / "dmesg-erst-1"
    place.write_bytes(b"text")
    store = OpenDirectory(str(tmp_path))
    stamp = store.stamp((), place.name)
    place.write_bytes(text)
    with pytest.raises(ChangedError):
        store.read((), place.name, stamp)
    store.close()


def test_a_file_is_read_to_its_end_whatever_its_size_says() -> None:
    # Files of /proc have a size of 0, as ftrace records have a wrong one.
    store = OpenDirectory("/proc/self")
    stamp = store.stamp((), "limits")
    assert stamp.size == 0
    assert store.read((), "limits", stamp) == Path("/proc/self/limits").read_bytes()
    store.close()
