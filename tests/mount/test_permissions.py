"""Who may read crash records: the mounting user, and whom the administrator lets."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mount.conftest import EVERYBODYS_PYTHON, Mount, MountMaker
from tests.mount.test_dumps import FRESH_SECONDS

NOBODY = pwd.getpwnam("nobody").pw_uid
NOGROUP = pwd.getpwnam("nobody").pw_gid
ADM = grp.getgrnam("adm").gr_gid
RECORD = "dmesg-erst-7646229349632311297"
NOBODY_AT_ALL: list[int] = []
MEMBER_OF_ADM = [ADM]
# What a user can do: a listing, a text, a number of the walk, and any write at all.
TRY = """\
import os, sys
point, record = sys.argv[1:]
def can(action):
    try:
        action()
    except PermissionError:
        return "no"
    except OSError as error:
        return error.strerror
    return "yes"
def write(path):
    os.close(os.open(path, os.O_WRONLY))
print("enter", can(lambda: os.chdir(point)))
print("list", can(lambda: os.listdir(point)))
print("read", can(lambda: open(f"{point}/{record}").read()))
print("write", can(lambda: write(f"{point}/{record}")))
print("remove", can(lambda: os.unlink(f"{point}/{record}")))
for place in ("dumps", "meta"):
    print(place, can(lambda: os.listdir(f"{point}/{place}")))
print("status", can(lambda: open(f"{point}/status").read()))
if os.path.exists(f"{point}/control"):
    print("command", can(lambda: write(f"{point}/control")))
"""


def as_nobody(
    groups: Sequence[int], program: str, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [EVERYBODYS_PYTHON, "-c", program, *map(str, arguments)],
        user=NOBODY,
        group=NOGROUP,
        extra_groups=groups,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )


def attempts(mount: Mount, groups: list[int]) -> dict[str, str]:
    done = as_nobody(groups, TRY, mount.point, RECORD)
    done.check_returncode()
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


READS = {"enter", "list", "read", "dumps", "meta", "status"}
LET_ADM = ("-o", "allow_other,gid=adm,umask=027")
WHO_MAY_READ = [
    ((), NOBODY_AT_ALL, False),
    ((), MEMBER_OF_ADM, False),
    (("-o", "gid=adm,umask=027"), MEMBER_OF_ADM, False),
    (("-o", "allow_other"), NOBODY_AT_ALL, False),
    (("-o", "allow_other"), MEMBER_OF_ADM, False),
    (LET_ADM, NOBODY_AT_ALL, False),
    (LET_ADM, MEMBER_OF_ADM, True),
    (("-o", "allow_other,uid=nobody,umask=077"), NOBODY_AT_ALL, True),
    (("-o", "allow_other,umask=022"), NOBODY_AT_ALL, True),
]


@pytest.mark.parametrize(("options", "groups", "may"), WHO_MAY_READ, ids=str)
def test_who_may_read_is_what_options_and_groups_say(
    options: tuple[str, ...],
    groups: list[int],
    may: bool,
    source: Path,
    tmp_path: Path,
    mount: MountMaker,
) -> None:
    open_to_all(tmp_path, source)
    _as_the_kernel_shows_it(source)
    tried = attempts(mount(source, *options), groups)
    for action in READS:
        assert (tried[action] == "yes") == may, action
    for action in tried.keys() - READS:
        owner = "uid=nobody" in str(options)
        assert tried[action] != "yes" or (owner and action == "command"), action


def _as_the_kernel_shows_it(source: Path) -> None:
    source.chmod(0o750)
    for path in source.iterdir():
        path.chmod(0o444)


MODES = [
    # options, directories, records, composed files, owner, group
    ((), 0o750, 0o444, 0o440, 0, 0),
    (("-o", "gid=adm,umask=027"), 0o750, 0o440, 0o440, 0, ADM),
    (("-o", "uid=nobody,gid=nogroup"), 0o750, 0o444, 0o440, NOBODY, NOGROUP),
    (("-o", "fmask=0337,dmask=0227"), 0o550, 0o440, 0o440, 0, 0),
    (("-o", "umask=077,fmask=0"), 0o700, 0o444, 0o444, 0, 0),
]


@pytest.mark.parametrize(
    ("options", "directory", "record", "composed", "owner", "group"), MODES, ids=str
)
def test_options_set_modes_and_owners_of_records_and_generated_files(
    options: tuple[str, ...],
    directory: int,
    record: int,
    composed: int,
    owner: int,
    group: int,
    source: Path,
    mount: MountMaker,
) -> None:
    _as_the_kernel_shows_it(source)
    root = mount(source, *options).point
    for where, _, files in os.walk(root):
        status = os.lstat(where)
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (
            directory,
            owner,
            group,
        ), where
        for name in files:
            path = os.path.join(where, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                continue
            assert (status.st_uid, status.st_gid) == (owner, group), path
            mode = stat.S_IMODE(status.st_mode)
            if where == str(root) and name.startswith("dmesg-"):
                assert mode == record, path
            elif name != "control":
                assert mode == composed, path


PLAIN = "dmesg-erst-7648935187618725890"  # of DUMP
DUMP = "dumps/20260608T081503Z-panic-1"


def open_to_all(tmp_path: Path, source: Path) -> None:
    """Let everybody come as far as the records."""
    for folder in (source, tmp_path, *tmp_path.parents):
        folder.chmod(0o755)  # pytest's directories let nobody through
        if folder.name.startswith("pytest-of-"):
            break


def readable(path: Path, groups: Sequence[int] = ()) -> bool:
    done = as_nobody(groups, "import sys; open(sys.argv[1], 'rb').read()", path)
    return done.returncode == 0


def test_dumps_show_nobody_a_record_that_the_source_denies_him(
    mount: MountMaker, tmp_path: Path, source: Path
) -> None:
    open_to_all(tmp_path, source)
    (source / PLAIN).chmod(0o400)
    point = mount(source, "-o", "allow_other").point
    assert not readable(source / PLAIN)
    assert not readable(point / PLAIN)
    assert not readable(point / DUMP / "raw" / PLAIN)
    assert not readable(point / DUMP / "dmesg.txt")
    assert not readable(point / DUMP / "report.txt")
    assert not readable(point / DUMP / "summary.json")
    assert not readable(point / "meta" / PLAIN / "all.json")
    assert not readable(point / "status")
    others = [p for p in point.glob("dumps/*/dmesg.txt") if p.resolve().parent.name not in DUMP]
    assert {readable(path) for path in others} == {True}, "what the source lets everybody read"


def test_dumps_show_nobody_records_in_a_folder_that_is_closed_to_him(
    mount: MountMaker, tmp_path: Path, source: Path
) -> None:
    open_to_all(tmp_path, source)
    closed = source / "closed"
    closed.mkdir(0o700)
    for record in source.glob("dmesg-erst-76489*"):
        record.rename(closed / record.name)
    point = mount(source, "-o", "allow_other").point
    assert not readable(closed / PLAIN)
    assert not readable(point / "closed" / PLAIN)
    assert not readable(point / DUMP / "raw" / PLAIN)
    assert not readable(point / DUMP / "dmesg.txt")
    assert not readable(point / "meta/closed" / PLAIN / "all.json")
    another = mount(source, "-o", "allow_other,fmask=022", point=tmp_path / "another").point
    assert not readable(another / DUMP / "dmesg.txt")
    assert not readable(another / "status")


@pytest.mark.parametrize("held", [False, True])
def test_a_record_that_is_closed_meanwhile_is_closed_in_dumps(
    held: bool, mount: MountMaker, tmp_path: Path, source: Path
) -> None:
    open_to_all(tmp_path, source)
    point = mount(source, "-o", "allow_other").point
    files = [point / DUMP / "dmesg.txt", point / DUMP / "raw" / PLAIN]
    assert [readable(path) for path in files] == [True, True]
    with ExitStack() as stack:
        if held:
            for path in files:
                stack.enter_context(path.open())
        (source / PLAIN).chmod(0o400)
        time.sleep(2)
        assert [readable(path) for path in files] == [False, False]
        assert all(path.read_bytes() for path in files), "root"


def test_generated_directories_follow_the_rights_of_the_source(
    source: Path, mount: MountMaker
) -> None:
    record = min(source.iterdir())
    source.chmod(0o700)
    record.chmod(0o644)
    point = mount(source).point
    inside = point / "meta" / record.name.removesuffix(".enc.z")

    def modes() -> list[int]:
        return [stat.S_IMODE(each.stat().st_mode) for each in (point / "dumps", point / "meta")]

    assert modes() == [0o700] * 2
    assert inside.stat().st_mode & 0o077 == 0
    source.chmod(0o755)
    time.sleep(FRESH_SECONDS)
    assert modes() == [0o755] * 2
    assert inside.stat().st_mode & 0o077 == 0o055
    source.chmod(0o750)
    record.chmod(0o600)
    time.sleep(FRESH_SECONDS)
    assert modes() == [0o750] * 2
    assert inside.stat().st_mode & 0o077 == 0
    source.chmod(0o300)
    time.sleep(FRESH_SECONDS)
    assert stat.S_IMODE((point / "control").stat().st_mode) == 0o200, "who may not read may write"


@pytest.mark.parametrize(
    ("uid", "gid", "mode", "groups"),
    [(0, ADM, 0o440, MEMBER_OF_ADM), (NOBODY, NOGROUP, 0o400, NOBODY_AT_ALL)],
)
def test_who_may_read_all_records_may_read_dumps(
    uid: int,
    gid: int,
    mode: int,
    groups: list[int],
    mount: MountMaker,
    tmp_path: Path,
    source: Path,
) -> None:
    open_to_all(tmp_path, source)
    for record in source.iterdir():
        os.chown(record, uid, gid)
        record.chmod(mode)
    point = mount(source, "-o", "allow_other").point
    for path in (point / PLAIN, point / DUMP / "dmesg.txt", point / DUMP / "raw" / PLAIN):
        assert readable(path, groups), path
        assert readable(path, NOBODY_AT_ALL) == (uid == NOBODY), path


def test_a_report_does_not_tell_the_title_of_a_closed_dump_of_the_same_boot(
    mount: MountMaker, source: Path
) -> None:
    source.chmod(0o755)
    point = mount(source, "-o", "allow_other").point
    dumps = point / "dumps"
    report, title = dumps / "20260601T011501Z-oops-1/report.txt", "sysrq triggered crash"
    assert title in report.read_text()
    for name in os.listdir(dumps / "20260601T011502Z-panic-2/raw"):
        (source / name).chmod(0o400)
    time.sleep(2)
    assert title not in report.read_text()
    assert "see its own report" in report.read_text()
