"""Who is told of a crash: the hooks, and the line at login."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from pstorefs.archive import spool
from pstorefs.cli import on_dump
from pstorefs.cli.on_dump import run_hooks
from pstorefs.cli.pstorefs import main
from tests.records import capture

MOTD = Path(__file__).parents[2] / "contrib" / "motd" / "80-pstorefs"
DUMP = "20260601T011501Z-oops-1"


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    folder = tmp_path / "on-dump.d"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    (folder / DUMP).mkdir(parents=True)
    spool.note(str(folder), DUMP)
    return folder


def hook(folder: Path, name: str, script: str, mode: int = 0o755) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)
    return path


def test_each_hook_runs_once_with_the_dumps_directory(hooks: Path, archive: Path) -> None:
    said = archive.parent / "said"
    hook(hooks, "20-second", f'echo "second $1 $PSTOREFS_DUMP" >> {said}')
    hook(hooks, "10-first", f'echo "first $PWD" >> {said}')
    assert run_hooks(str(archive), str(hooks)) == 0
    assert run_hooks(str(archive), str(hooks)) == 0
    assert said.read_text() == f"first /\nsecond {archive / DUMP} {DUMP}\n"


def test_what_archive_saves_is_noted_where_there_are_hooks(
    hooks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = capture("erst-mixed-upgrade").write("enc", tmp_path / "store")
    saved = tmp_path / "saved"
    options = ["-o", f"archive={saved},archive_volatile", str(store)]
    hook(hooks, "note", f'test -s "$1/SHA256SUMS" && echo "${{1##*/}}" >> {tmp_path / "said"}')
    found = spool.hooks(str(hooks))
    monkeypatch.setattr(spool, "hooks", lambda: found)
    assert main(["--archive", *options]) == 0
    monkeypatch.undo()
    assert run_hooks(str(saved), str(hooks)) == 0
    names = sorted(path.name for path in saved.iterdir() if path.name[0] != ".")
    assert sorted((tmp_path / "said").read_text().split()) == names
    assert len(names) == 10


def test_without_hooks_nothing_is_noted(tmp_path: Path) -> None:
    store = capture("erst-mixed-upgrade").write("enc", tmp_path / "store")
    saved = tmp_path / "saved"
    assert main(["--archive", "-o", f"archive={saved},archive_volatile", str(store)]) == 0
    assert not (saved / spool.FOLDER).exists()


def test_a_hook_that_fails_stops_no_other(
    hooks: Path, archive: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hook(hooks, "1", "exit 3")
    hook(hooks, "2", f"touch {archive.parent / 'ran'}")
    (hooks / "3").write_text("#!/not/there\n")
    (hooks / "3").chmod(0o755)
    assert run_hooks(str(archive), str(hooks)) == 2
    assert (archive.parent / "ran").exists()
    err = capfd.readouterr().err
    assert "exit status 3" in err
    assert "not run: No such file" in err


def test_a_hook_that_hangs_is_killed_with_what_it_started(
    hooks: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(on_dump, "LIMIT", 0.3)
    monkeypatch.setattr(on_dump, "GRACE", 0.3)
    pid = archive.parent / "pid"
    hook(hooks, "hang", f"trap '' TERM\nsleep 300 & echo $! > {pid}\nwait; wait; sleep 300")
    assert run_hooks(str(archive), str(hooks)) == 2
    assert "killed after 0.3 seconds" in capfd.readouterr().err
    started = int(pid.read_text())
    for _ in range(100):
        if (
            not Path(f"/proc/{started}/cmdline").exists()
            or not Path(f"/proc/{started}/cmdline").read_bytes()
        ):
            break
        time.sleep(0.05)
    else:
        pytest.fail("what the hook started still runs")


UNSAFE = [("others may write it", 0o757, 0o755), ("others may write there", 0o755, 0o777)]


@pytest.mark.parametrize(("_", "mode", "folder"), UNSAFE, ids=[row[0] for row in UNSAFE])
def test_what_others_may_write_is_not_run(
    _: str, mode: int, folder: int, hooks: Path, archive: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hook(hooks, "x", f"touch {archive.parent / 'ran'}", mode)
    hooks.chmod(folder)
    assert run_hooks(str(archive), str(hooks)) == 2
    assert not (archive.parent / "ran").exists()
    assert "not run" in capfd.readouterr().err


@pytest.mark.parametrize("name", [".hidden", "x~", "x.dpkg-old", "x.bak", "a b"])
def test_backups_are_no_hooks(name: str, hooks: Path) -> None:
    hook(hooks, name, "exit 1")
    hook(hooks, "plain", "exit 1", 0o644)
    (hooks / "folder").mkdir()
    assert spool.hooks(str(hooks)) == ([], [])


def test_a_dump_that_is_gone_is_no_ones_business(hooks: Path, archive: Path) -> None:
    (archive / DUMP).rmdir()
    hook(hooks, "x", "exit 1")
    assert run_hooks(str(archive), str(hooks)) == 0
    assert spool.names(str(archive)) == []


def motd(archive: Path, store: Path) -> str:
    return subprocess.run(
        [MOTD],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PSTOREFS_ARCHIVE": str(archive), "PSTOREFS_STORE": str(store)},
    ).stdout


def test_the_line_at_login_names_the_newest_crash(tmp_path: Path) -> None:
    store = capture("erst-mixed-upgrade").write("enc", tmp_path / "store")
    archive = tmp_path / "archive"
    assert motd(archive, tmp_path / "no") == ""
    assert motd(archive, store).startswith("Crash records in the store: 32.")
    assert main(["--archive", "-o", f"archive={archive},archive_volatile", str(store)]) == 0
    path = archive / "20260608T081503Z-panic-1" / "report.txt"
    assert motd(archive, store) == f"Last crash: kernel panic: sysrq triggered crash: {path}\n"


def test_the_line_at_login_holds_no_control_characters(tmp_path: Path) -> None:
    folder = tmp_path / "20260608T081503Z-panic-1"
    folder.mkdir()
    (folder / "report.txt").write_text("\x1b[2Jbad\x07 title\n")
    assert motd(tmp_path, tmp_path).splitlines() == [
        f"Last crash: [2Jbad title: {folder}/report.txt"
    ]


def test_an_old_crash_is_not_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "20260608T081503Z-panic-1"
    folder.mkdir()
    os.utime(folder, (0, 0))
    assert motd(tmp_path, tmp_path) == ""
