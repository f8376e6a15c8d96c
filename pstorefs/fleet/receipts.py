"""Receipts of shipped dumps: one for each dump, in a directory for each store.

::

    /var/lib/pstorefs-ship/                    $STATE_DIRECTORY, or state=
    ├── .lock                                  flock(2): one run at a time
    └── s3%3A%2F%2Fcrashes%2Ffleet/            the URL of the store
        ├── .boot                              the boot whose first run has waited its time
        ├── .reboot-BOOT                       why that boot began: see reboot.py
        ├── .forgotten                         how many receipts were removed with their dumps
        └── 20171204T222309Z-panic-1           a receipt, called as the dump

A receipt is a line of JSON (id, signature, SHA-256 and key of the bundle), then the SHA256SUMS of
what was shipped. A dump whose own SHA256SUMS are others has grown, and is to be shipped again. A
receipt is written when the store has answered for the bundle and for the index entry; without one a
dump is shipped again, under the same keys. So a lost receipt costs two requests, and nothing else.
`.pstorefs-new-DUMP` is a receipt that waits for the second answer.

Next to nothing is imported at the top: see settings/ship.py. OSError wherever a system call fails.
"""

from __future__ import annotations

import os

from pstorefs.record.dump_name import is_given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SUMS = "SHA256SUMS"
_BOOT, _LOCK, _NEW, _REBOOT = ".boot", ".lock", ".pstorefs-new-", ".reboot-"
_FORGOTTEN = ".forgotten"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Bytes of a SHA256SUMS, and of what is before it in a receipt.
_SUMS_BYTES, _HEAD_BYTES = 8 << 20, 4096
_REBOOT_BYTES = 1 << 20
_LONGEST_NAME = 200
#: Nothing in a receipt is secret, and root reads it without capabilities (--archive with keep=).
_DIRECTORY_MODE, _FILE_MODE = 0o755, 0o644


def folder_of(store_name: str) -> str:
    """The name of the directory of a store's receipts."""
    name = "".join(
        c if c.isascii() and (c.isalnum() or c in "-.") else _escape(c) for c in store_name
    )
    if len(name) <= _LONGEST_NAME:
        return name
    import hashlib

    return f"{name[:100]}~{hashlib.sha256(store_name.encode()).hexdigest()[:32]}"


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogateescape"))


def pending(archive: int, receipts: int | None) -> list[str]:
    """The dumps of an archive without a receipt, sorted. Both are descriptors of directories.

    Ignored are: a directory without SHA256SUMS, which is not a dump, or not yet; a directory whose
    name is not a dump's, such as a copy; a link, which no list shows either.
    """
    with os.scandir(archive) as entries:
        names = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
    found = []
    for name in sorted(filter(is_given, names)):
        try:
            sums = _read(archive, f"{name}/{SUMS}", _SUMS_BYTES)
        except FileNotFoundError:
            continue
        except OSError:
            sums = b""  # shipping it will report what is wrong
        if receipts is None or not sums or shipped_sums(receipts, name) != sums:
            found.append(name)
    return found


def shipped_sums(receipts: int, dump: str) -> bytes:
    """The SHA256SUMS of a receipt; empty if there is no receipt, or none that can be read."""
    try:
        return _read(receipts, dump, _SUMS_BYTES + _HEAD_BYTES).partition(b"\n")[2]
    except OSError:
        return b""


def _read(directory: int, path: str, limit: int) -> bytes:
    """A file of at most `limit` bytes, read without links at its end."""
    descriptor = os.open(path, _READ, dir_fd=directory)
    try:
        data = b""
        while piece := os.read(descriptor, limit + 1 - len(data)):
            data += piece
            if len(data) > limit:
                raise OSError(f"{path} is longer than {limit} bytes")
    finally:
        os.close(descriptor)
    return data


def open_receipts(state: str, store_name: str) -> int | None:
    """A descriptor of a store's receipts; None if there are none yet."""
    try:
        return os.open(os.path.join(state, folder_of(store_name)), _DIRECTORY)
    except FileNotFoundError:
        return None


def make_receipts(state: str, store_name: str) -> int:
    """A descriptor of a store's receipts, made if there are none yet, with the state directory."""
    folder = folder_of(store_name)
    for path in (state, os.path.join(state, folder)):
        try:
            os.mkdir(path, _DIRECTORY_MODE)
        except FileExistsError:
            continue
        above = os.open(os.path.dirname(path.rstrip("/")) or "/", _DIRECTORY & ~os.O_NOFOLLOW)
        try:
            os.fsync(above)
        finally:
            os.close(above)
    return os.open(os.path.join(state, folder), _DIRECTORY)


def lock(state: str) -> Iterator[bool]:
    """For `contextmanager`: whether this process has the lock of the state directory."""
    import fcntl

    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(os.path.join(state, _LOCK), flags, _FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


class Receipt:
    """The receipt of one dump, of just these bytes, that is being written.

    `head`: its first line. `sums`: the SHA256SUMS of what is shipped.
    """

    def __init__(self, receipts: int, dump: str, head: dict[str, Any], sums: bytes) -> None:
        import json

        self._receipts, self._dump = receipts, dump
        self._text = json.dumps(head).encode()[: _HEAD_BYTES - 1] + b"\n" + sums
        self._begun = False

    def has_begun(self) -> bool:
        """Whether an earlier run noted that the bundle is there."""
        try:
            found = _read(self._receipts, _NEW + self._dump, _SUMS_BYTES + _HEAD_BYTES)
        except OSError:
            return False
        self._begun = found == self._text
        return self._begun

    def begin(self) -> None:
        """Note that the bundle is there: a receipt without its name, and not waited for.

        It saves a killed process from sending the bundle again. A power cut may take it.
        """
        _write(self._receipts, _NEW + self._dump, self._text)
        self._begun = True

    def write(self) -> None:
        """Write it, in the place of an older one. It is on the disk when this returns."""
        if not self._begun:
            self.begin()
        _rename(self._receipts, self._dump)


def read_head(receipts: int, dump: str) -> dict[str, Any]:
    """The first line of a receipt; empty if there is none, or none that can be read."""
    import json

    try:
        descriptor = os.open(dump, _READ, dir_fd=receipts)
        try:
            head = json.loads(os.read(descriptor, _HEAD_BYTES).partition(b"\n")[0])
        finally:
            os.close(descriptor)
    except (OSError, ValueError, RecursionError):
        return {}
    return head if isinstance(head, dict) else {}


def signatures(receipts: int) -> set[str]:
    """The signatures of all dumps that were shipped."""
    heads = (read_head(receipts, name) for name in filter(_is_receipt, os.listdir(receipts)))
    return {head["signature"] for head in heads if isinstance(head.get("signature"), str)}


def forget(receipts: int, archived: set[str]) -> None:
    """Remove receipts of dumps that the archive no longer has, and interrupted leftovers."""
    from contextlib import suppress

    with os.scandir(receipts) as entries:
        # A directory is not ours, and in nobody's way.
        files = [each.name for each in entries if not each.is_dir(follow_symlinks=False)]
    kept = (_BOOT, _FORGOTTEN)
    old = [
        name
        for name in files
        if name not in kept
        and not name.startswith(_REBOOT)
        and name.removeprefix(_NEW) not in archived
    ]
    if gone := sum(map(_is_receipt, old)):
        # Before they go: a counter that falls is taken for one that began anew.
        try:
            _replace(receipts, _FORGOTTEN, b"%d" % (_forgotten(receipts) + gone))
        except OSError:  # a full disk: the next run does it
            return
    for name in old:
        with suppress(OSError):
            os.unlink(name, dir_fd=receipts)


def _forgotten(receipts: int) -> int:
    try:
        return int(_read(receipts, _FORGOTTEN, _HEAD_BYTES))
    except (OSError, ValueError):
        return 0


def shipped(receipts: int) -> int:
    """How many dumps were shipped, including those that the archive no longer has."""
    return _forgotten(receipts) + sum(map(_is_receipt, os.listdir(receipts)))


def _is_receipt(name: str) -> bool:
    return not name.startswith(".")


def has_waited(receipts: int, boot: str) -> bool:
    """Whether the first run of this boot has waited its time."""
    try:
        return _read(receipts, _BOOT, _HEAD_BYTES) == boot.encode()
    except OSError:
        return False


def note_wait(receipts: int, boot: str) -> None:
    """Note that it has waited."""
    _replace(receipts, _BOOT, boot.encode())


def reboot_due(receipts: int | None, boot: str) -> bool:
    """Whether a boot was not looked into yet, or one that was is still to be shipped."""
    if not boot or receipts is None:
        return bool(boot)
    return not reboot_noted(receipts, boot) or bool(reboots(receipts))


def reboot_noted(receipts: int, boot: str) -> bool:
    """Whether a boot was looked into."""
    return _REBOOT + boot in os.listdir(receipts)


def note_reboot(receipts: int, boot: str, data: bytes) -> None:
    """Note what is to be shipped of a boot; empty: nothing, or nothing more. It is on the disk."""
    if not boot.replace("-", "").isalnum():
        raise ValueError(f"{boot!r} is not a boot id")
    _replace(receipts, _REBOOT + boot, data)


def forget_reboots(receipts: int, boot: str) -> None:
    """Remove the notes of other boots that are shipped, or had nothing to be shipped."""
    for name in os.listdir(receipts):
        old = name.startswith(_REBOOT) and name != _REBOOT + boot
        if old and not os.stat(name, dir_fd=receipts, follow_symlinks=False).st_size:
            os.unlink(name, dir_fd=receipts)


def reboots(receipts: int) -> list[tuple[str, bytes]]:
    """The reboots that are still to be shipped, by boot."""
    names = sorted(name for name in os.listdir(receipts) if name.startswith(_REBOOT))
    found = [(name.removeprefix(_REBOOT), _read(receipts, name, _REBOOT_BYTES)) for name in names]
    return [(boot, data) for boot, data in found if data]


def _replace(directory: int, name: str, data: bytes) -> None:
    """Write a file, in the place of an older one. It is on the disk when this returns."""
    _write(directory, _NEW + name, data)
    _rename(directory, name)


def _write(directory: int, name: str, data: bytes) -> None:
    try:
        descriptor = os.open(name, _CREATE, _FILE_MODE, dir_fd=directory)
    except FileExistsError:
        # Never into what is there: it may be another user's, have a second name, or be a FIFO,
        # which would be waited for.
        os.unlink(name, dir_fd=directory)
        descriptor = os.open(name, _CREATE, _FILE_MODE, dir_fd=directory)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def _rename(directory: int, name: str) -> None:
    """Give what was written its name, when it is on the disk."""
    descriptor = os.open(_NEW + name, _READ, dir_fd=directory)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(_NEW + name, name, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)
