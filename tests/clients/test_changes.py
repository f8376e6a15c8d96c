"""Every call that would change something: its errno is that of a read-only bind mount.

Mounted with `-o ro` all answers are the same but for EXCEPTIONS. Without it (rm of a record and
control are calls that work) the kernel looks at existence, kind and permission before it asks us,
and in a read-only mount before that at the mount: where several things are wrong with a call, it
names another one.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from tests import figures
from tests.clients.conftest import RECORD, read_only
from tests.mount.conftest import Mount, MountMaker
from tests.records import capture

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


_META = f"meta/{RECORD}"
# Where the names of calls.py are found among what exists in no store. Nothing there is empty.
_COMPOSED = (
    *(f"file={_META}/type", f"other={_META}/state", f"folder={_META}", f"inner={_META}/size"),
    *("hollow=dumps/latest/raw", "link=dumps/latest"),
)
# The one link there leads to a directory, and none leads nowhere: these ask about another thing.
_OTHER_LINKS = {
    *("open link: WRONLY", "open link: RDWR|TRUNC", "open link: CREAT|WRONLY", "truncate link"),
    *("open dangling link: NOFOLLOW|WRONLY", "lchown dangling"),
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


def _results(folder: Path, user: str, names: tuple[str, ...] = ()) -> dict[str, str]:
    # By standard input, and where it starts: nobody reaches neither by its path.
    done = subprocess.run(
        [*USERS[user], "/usr/bin/python3", "-", ".", *names],
        cwd=folder,
        input=_CALLS.read_text(),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, str] = json.loads(done.stdout)
    return {name: result.strip("'") for name, result in found.items() if name not in _NOT_COMPARED}


def _both(
    source: Path, user: str, one: Mount, names: tuple[str, ...] = ()
) -> tuple[dict[str, str], dict[str, str]]:
    """The results in a read-only bind mount and in a mount of ours, whose source stays as it is."""
    before = _state(source)
    plain = source.parent / "plain"
    _fill(plain)
    with read_only(plain, source.parent / "still") as still:
        expected = _results(still, user)
    found = _results(one.point, user, names)
    assert _state(source) == before
    assert expected.keys() == found.keys()
    return expected, found


def _stated(user: str) -> dict[str, tuple[str, str]]:
    stated = {name: (plain, ours) for name, (plain, ours, _) in EXCEPTIONS.items()}
    if user == "nobody":  # the permission is denied before
        del stated["open file: WRONLY|RDWR"]
    return stated


def _different(expected: dict[str, str], found: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Other results than a file system has that is read-only as a whole."""
    return {
        name: (expected[name], found[name])
        for name in expected
        if expected[name] != found[name] and (expected[name], found[name]) != _BOTH
    }


def _refused(
    expected: dict[str, str], found: dict[str, str], earlier: AbstractSet[str] = _EARLIER
) -> None:
    """Nothing is done that is not done in a read-only directory."""
    for name, plain in expected.items():
        ours = found[name]
        if ours == plain or (name in EXCEPTIONS and ours == EXCEPTIONS[name][1]):
            continue
        if name in _HARMLESS and plain in _BOTH:
            assert ours in ("None", "0", *_BOTH), (name, ours)
            continue
        assert plain == "EROFS", (name, plain, ours)
        assert ours in earlier, (name, plain, ours)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of what calls.py names."""
    _fill(tmp_path / "source")
    return tmp_path / "source"


@pytest.mark.parametrize("user", USERS)
def test_a_read_only_mount_answers_as_a_read_only_bind_mount_does(
    user: str, source: Path, mount: MountMaker
) -> None:
    expected, found = _both(source, user, mount(source, "-o", "plain,ro,allow_other"))
    stated = _stated(user)
    assert _different(expected, found) == stated
    measured = f"{len(expected)} calls, {len(stated)} stated exceptions"
    figures.record("clients", f"errno of calls, ro, as {user}", measured, "no other", True)


@pytest.mark.parametrize("user", USERS)
def test_a_mount_that_is_not_read_only_refuses_the_same_calls(
    user: str, source: Path, mount: MountMaker
) -> None:
    expected, found = _both(source, user, mount(source, "-o", "plain,allow_other"))
    _refused(expected, found)
    figures.record("clients", f"errno of calls, as {user}", f"{len(expected)} calls", "", True)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("options", ["ro,allow_other", "allow_other"])
def test_what_is_composed_refuses_the_same_calls(
    options: str, user: str, tmp_path: Path, mount: MountMaker
) -> None:
    records = capture("erst-mixed-upgrade").write("enc", tmp_path / "records")
    records.chmod(0o755)
    expected, found = _both(records, user, mount(records, "-o", options), _COMPOSED)
    if "ro" in options.split(","):
        different = _different(expected, found)
        assert {name: different.pop(name, None) for name in _stated(user)} == _stated(user)
        assert different.keys() == _OTHER_LINKS
    else:
        assert {found[name] for name in _OTHER_LINKS} <= _EARLIER
        others = {name: plain for name, plain in expected.items() if name not in _OTHER_LINKS}
        _refused(others, found, _EARLIER | {"ENOTEMPTY"})
    what = f"errno of calls, composed, {options}, as {user}"
    figures.record("clients", what, f"{len(found)} calls", "", True)
