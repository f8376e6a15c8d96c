"""Every call that would change something: its errno is that of a read-only bind mount.

Mounted with `-o ro` all answers are the same but for EXCEPTIONS. Without it (rm of a record and
control are calls that work) the kernel looks at existence, kind and permission before it asks us,
and in a read-only mount before that at the mount: where several things are wrong with a call, it
names another one.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import figures
from tests.clients.conftest import read_only
from tests.mount.conftest import Mount

_CALLS = Path(__file__).with_name("calls.py")
_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
USERS = {"root": (), "nobody": _NOBODY}

# What a plain directory answers, what a mount does, and why that is right.
_NO_ATTRIBUTES = "no extended attributes: what does not exist cannot leak from a source"
_NO_IOCTL = "a request of other file systems, for flags that a mount does not have"
EXCEPTIONS = {
    "getxattr": ("ENODATA", "ENOTSUP", _NO_ATTRIBUTES),
    "listxattr": ("[]", "ENOTSUP", _NO_ATTRIBUTES),
    "copy_file_range out": ("7", "EXDEV", "the kernel's own answer for FUSE; cp reads instead"),
    "ioctl FS_IOC_GETFLAGS": ("0", "ENOTTY", _NO_IOCTL),
    "ioctl FS_IOC_FSGETXATTR": ("0", "ENOTTY", _NO_IOCTL),
    "ioctl FS_IOC_GETVERSION": ("0", "ENOTTY", _NO_IOCTL),
    "ioctl FICLONE": ("EBADF", "EXDEV", "the source of the clone lies on another file system"),
    "open file: WRONLY|RDWR": (
        "opened",
        "EROFS",
        "both ways: means ioctl only, which FUSE refuses",
    ),
}
# Of the file system below: which one /tmp lies on, the test cannot know.
_NOT_COMPARED = {"ioctl FITRIM"}
# A read-only mount of FUSE is read-only as a whole, which comes before the question of permission;
# of a bind mount it comes after.
_BOTH = ("EACCES", "EROFS")
# What the kernel finds wrong with a call before it asks a mount that is not read-only.
_EARLIER = {
    *("ENOENT", "ENOTDIR", "EISDIR", "EEXIST", "EACCES", "EPERM", "EINVAL", "ENOTSUP", "EXDEV"),
    *("ENAMETOOLONG", "ENOTTY"),
}
# What does nothing, and may; and access(2), which cannot know what we shall refuse.
_HARMLESS = {
    *("rename file to file", "rename folder to itself"),
    *("access file to write", "access folder to write", "access . to write"),
}


def _fill(folder: Path) -> None:
    (folder / "folder").mkdir(parents=True)
    (folder / "hollow").mkdir()
    for name in ("file", "other", "folder/inner"):
        (folder / name).write_text("content\n")
        (folder / name).chmod(0o644)
    (folder / "link").symlink_to("file")
    (folder / "dangling").symlink_to("nowhere")
    for path in (folder, folder / "folder", folder / "hollow"):
        path.chmod(0o755)


def _state(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        fields = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, status.st_mtime_ns)
        found[str(path.relative_to(folder))] = (fields, content)
    return found


def _results(folder: Path, user: tuple[str, ...]) -> dict[str, str]:
    # By standard input: nobody cannot reach this file.
    done = subprocess.run(
        [*user, "/usr/bin/python3", "-", folder],
        input=_CALLS.read_text(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return {name: result.strip("'") for name, result in found.items() if name not in _NOT_COMPARED}


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that nobody can enter, too."""
    with tempfile.TemporaryDirectory(prefix="pstorefs-calls.") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _both(
    place: Path, user: tuple[str, ...], options: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The results in a read-only bind mount and in a mount of ours, whose source stays as it is."""
    plain, source = place / "plain", place / "source"
    for folder in (plain, source):
        _fill(folder)
    before = _state(source)
    one = Mount(source, place / "mount", "-o", options)
    try:
        with read_only(plain, place / "still") as still:
            expected, found = _results(still, user), _results(one.point, user)
        one.check()
    finally:
        one.abandon()
    assert _state(source) == before
    assert expected.keys() == found.keys()
    return expected, found


@pytest.mark.parametrize("user", USERS)
def test_a_read_only_mount_answers_as_a_read_only_bind_mount_does(user: str, place: Path) -> None:
    expected, found = _both(place, USERS[user], "plain,ro,allow_other")
    different = {
        name: (expected[name], found[name])
        for name in expected
        if expected[name] != found[name] and (expected[name], found[name]) != _BOTH
    }
    stated = {name: (plain, ours) for name, (plain, ours, _) in EXCEPTIONS.items()}
    if user == "nobody":  # the permission is denied before
        del stated["open file: WRONLY|RDWR"]
    assert different == stated
    measured = f"{len(expected)} calls, {len(stated)} stated exceptions"
    figures.record("clients", f"errno of calls, ro, as {user}", measured, "no other", True)


@pytest.mark.parametrize("user", USERS)
def test_a_mount_that_is_not_read_only_refuses_the_same_calls(user: str, place: Path) -> None:
    expected, found = _both(place, USERS[user], "plain,allow_other")
    for name, plain in expected.items():
        ours = found[name]
        if ours == plain or (name in EXCEPTIONS and ours == EXCEPTIONS[name][1]):
            continue
        if name in _HARMLESS and plain in _BOTH:
            assert ours in ("None", "0", *_BOTH), (name, ours)
            continue
        assert plain == "EROFS", (name, plain, ours)
        assert ours in _EARLIER, (name, plain, ours)
    figures.record("clients", f"errno of calls, as {user}", f"{len(expected)} calls", "", True)
