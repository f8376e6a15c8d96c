"""control, rm and mv through a real mount: what is saved, what is cleared, what is answered."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pstorefs.record.shown import RESERVED
from tests.mount.conftest import Mount, MountMaker
from tests.mount.programs import until_idle
from tests.records import capture

FRESH_SECONDS = 1.2
OOPS = "20260601T011501Z-oops-1"
RECORD = "dmesg-erst-7646229349632311297"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def mounted(source: Path, archive: Path, mount: MountMaker) -> Mount:
    return mount(source, "-o", f"archive={archive}")


def records(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir()}


def archived(archive: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in archive.glob("*/raw/*")}


def test_archive_saves_everything_and_empties_the_store(
    source: Path, archive: Path, mounted: Mount
) -> None:
    before = records(source)
    texts = {
        path.parent.name: path.read_bytes() for path in mounted.point.glob("dumps/2*/dmesg.txt")
    }
    latest = os.readlink(mounted.point / "dumps/latest")
    (mounted.point / "control").write_text("archive\n")
    assert records(source) == {}
    assert archived(archive) == before
    # The second after is as the second before.
    assert os.readlink(mounted.point / "dumps/latest") == latest
    after = {
        path.parent.name: path.read_bytes() for path in mounted.point.glob("dumps/2*/dmesg.txt")
    }
    assert after == texts
    assert len(texts) == 10
    time.sleep(FRESH_SECONDS)
    assert sorted(os.listdir(mounted.point)) == sorted(RESERVED)
    status = (mounted.point / "status").read_text()
    assert "empty" in status
    assert "10 dumps" in status


def test_the_answer_says_what_became_of_each_record(mounted: Mount, source: Path) -> None:
    names = sorted(path.name for path in source.iterdir())
    control = mounted.point / "control"
    assert "archive [NAME...]" in control.read_text()
    control.write_text("archive\n")
    answer = control.read_text()
    for name in names:
        assert f"{name}: saved in " in answer
    assert "archive: done" in answer


def test_a_name_saves_its_dump_and_clears_that_record_only(
    source: Path, archive: Path, mounted: Mount
) -> None:
    before = records(source)
    (mounted.point / "control").write_text(f"archive {RECORD}\n")
    assert set(before) - set(records(source)) == {RECORD + ".enc.z"}
    saved = archived(archive)
    assert len(saved) == 3, "the whole dump"
    assert saved == {name: before[name] for name in saved}
    assert (mounted.point / "dumps" / OOPS / "raw" / f"{RECORD}.enc.z").exists()


def test_a_dumps_name_clears_all_its_records(source: Path, archive: Path, mounted: Mount) -> None:
    (mounted.point / "control").write_text(f"archive {OOPS}\n")
    assert len(records(source)) == 29
    assert len(archived(archive)) == 3


def test_clear_erases_without_saving_by_name_only(
    source: Path, archive: Path, mounted: Mount
) -> None:
    (mounted.point / "control").write_text(f"clear {RECORD}\n")
    assert len(records(source)) == 31
    assert not archive.exists() or archived(archive) == {}
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        (mounted.point / "control").write_text("clear\n")
    assert len(records(source)) == 31


ERRORS = [
    ("frobnicate\n", errno.EINVAL, "unknown command"),
    ("archive nonsense\n", errno.ENOENT, "no such record or dump"),
    ("clear nonsense\n", errno.ENOENT, "no such record or dump"),
    ("rescan x\n", errno.EINVAL, "takes no names"),
]


@pytest.mark.parametrize(("text", "code", "words"), ERRORS)
def test_errors_come_from_write_and_stand_in_the_answer(
    text: str, code: int, words: str, source: Path, mounted: Mount
) -> None:
    descriptor = os.open(mounted.point / "control", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match=os.strerror(code)):
            os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
    assert words in (mounted.point / "control").read_text()
    assert len(records(source)) == 32


def test_several_names_are_all_tried(source: Path, mounted: Mount) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        (mounted.point / "control").write_text(f"clear nonsense {RECORD}\n")
    assert len(records(source)) == 31


def test_the_first_failure_stops_the_lines_after_it(source: Path, mounted: Mount) -> None:
    descriptor = os.open(mounted.point / "control", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
            os.write(descriptor, f"archive nonsense\nclear {RECORD}\n".encode())
        # bash's printf writes each line by itself.
        with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
            os.write(descriptor, f"clear {RECORD}\n".encode())
    finally:
        os.close(descriptor)
    assert len(records(source)) == 32


WRITERS = [
    "echo archive > control",
    "echo archive >> control",
    "printf archive > control",
    "printf 'rescan\\narchive\\n' > control",
    "echo archive | tee control",
    "echo archive | dd of=control",
    "echo archive > /tmp/pstorefs-test-command && cp /tmp/pstorefs-test-command control",
    'python3 -c \'open("control", "w").write("archive")\'',
    "bash -c 'echo archive > control'",
    "busybox sh -c 'echo archive > control'",
    "exec 3> control; echo archive >&3",
    "truncate -s 0 control && touch control; echo archive > control",
    "echo archive 1<> control",
]


@pytest.mark.parametrize("writer", WRITERS)
def test_every_way_to_write_a_line(writer: str, source: Path, mounted: Mount) -> None:
    done = subprocess.run(
        ["sh", "-c", writer], cwd=mounted.point, capture_output=True, text=True, check=False
    )
    if "touch" not in writer:
        assert (done.returncode, done.stderr.replace("0+1 records", "")[:0]) == (0, "")
    assert records(source) == {}


def test_three_hundred_names_in_one_line(tmp_path: Path, mount: MountMaker, archive: Path) -> None:
    """Bash's echo writes them in pieces of 4096 bytes, each of which ends in half a name."""
    source = capture("erst-lz4-6.1.192-many").write("enc", tmp_path / "many")
    point = mount(source, "-o", f"archive={archive}").point
    names = sorted(path.name.removesuffix(".enc.z") for path in source.iterdir())[:300]
    for shell in ("bash", "dash"):
        subprocess.run(
            [shell, "-c", f"echo clear {' '.join(names[:150])} > control"], cwd=point, check=True
        )
        names = names[150:]
    assert len(records(source)) == 86


def test_a_cut_line_is_never_run(source: Path, mounted: Mount) -> None:
    line = b"clear " + b" ".join([RECORD.encode()] * 200)
    descriptor = os.open(mounted.point / "control", os.O_WRONLY)
    assert os.write(descriptor, line[:4096]) == 4096
    os.close(descriptor)
    end = time.monotonic() + 100
    while "no newline at its end" not in (mounted.point / "control").read_text():
        assert time.monotonic() < end
        time.sleep(0.02)  # closing is told of later
    assert len(records(source)) == 32


def test_clear_in_pieces_erases_nothing(source: Path, mounted: Mount) -> None:
    before = records(source)
    descriptor = os.open(mounted.point / "control", os.O_WRONLY)
    with pytest.raises(OSError, match="Invalid argument"):
        os.write(descriptor, f"clear {RECORD}".encode())
    with pytest.raises(OSError, match="Invalid argument"):
        os.write(descriptor, b"0\n")
    os.close(descriptor)
    assert "clear wants its newline" in (mounted.point / "control").read_text()
    assert records(source) == before


def test_rm_archives_and_clears_that_record(source: Path, archive: Path, mounted: Mount) -> None:
    before = records(source)
    subprocess.run(["rm", mounted.point / RECORD], check=True)
    assert set(before) - set(records(source)) == {RECORD + ".enc.z"}
    assert archived(archive)[RECORD + ".enc.z"] == before[RECORD + ".enc.z"]
    assert not (mounted.point / RECORD).exists()
    subprocess.run(["sh", "-c", "rm dmesg-*"], cwd=mounted.point, check=True)
    assert records(source) == {}
    assert archived(archive) == before


def test_mv_out_of_the_mount(source: Path, archive: Path, mounted: Mount, tmp_path: Path) -> None:
    text = (mounted.point / RECORD).read_bytes()
    subprocess.run(["mv", mounted.point / RECORD, tmp_path / "here"], check=True)
    assert (tmp_path / "here").read_bytes() == text
    assert RECORD + ".enc.z" in archived(archive)
    assert len(records(source)) == 31


def test_rm_may_be_denied_or_erase(tmp_path: Path, source: Path, mount: MountMaker) -> None:
    where = tmp_path / "archive"
    denying = mount(source, "-o", f"archive={where},rm=deny").point
    with pytest.raises(PermissionError):
        (denying / RECORD).unlink()
    clearing = mount(source, "-o", f"archive={where},rm=clear").point
    (clearing / RECORD).unlink()
    assert len(records(source)) == 31
    assert not where.exists()


def test_foreign_records_are_not_changed_without_an_archive(
    source: Path, mount: MountMaker
) -> None:
    point = mount(source).point
    for command in ("archive\n", f"archive {RECORD}\n", f"clear {RECORD}\n"):
        with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
            (point / "control").write_text(command)
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        (point / RECORD).unlink()
    assert "-o archive=DIR" in (point / "control").read_text()
    assert len(records(source)) == 32


def test_mounted_over_the_source_rm_erases(source: Path, mount: MountMaker) -> None:
    mount(source, point=source)
    assert len(os.listdir(source)) == 32
    (source / RECORD).unlink()
    assert len(os.listdir(source)) == 31


def test_it_erases_also_once_all_modules_are_loaded(source: Path, mount: MountMaker) -> None:
    """Found by the fuzzer: a module and a function of one name, and which of them came last."""
    one = mount(source, point=source)
    until_idle(one.process.pid)  # the program loads what it has not needed yet
    (source / RECORD).unlink()
    assert len(os.listdir(source)) == 31


def test_a_suspect_record_is_saved_and_stays(
    tmp_path: Path, archive: Path, mount: MountMaker
) -> None:
    other = capture("ramoops-lz4hc-6.1.192-ecc").write("other-6.12.107-deb13", tmp_path / "source")
    point = mount(other, "-o", f"archive={archive}").point
    (point / "control").write_text("archive\n")
    assert "dmesg-ramoops-2" in records(other)
    assert "dmesg-ramoops-2" in archived(archive)
    assert "pstore.compress=none" in (point / "control").read_text()
    with pytest.raises(PermissionError):
        (point / "dmesg-ramoops-2").unlink()


def test_archived_dumps_are_for_their_owner_alone(
    source: Path, archive: Path, mount: MountMaker
) -> None:
    point = mount(source, "-o", f"archive={archive},umask=022").point
    (point / "control").write_text("archive\n")
    dump = point / "dumps" / OOPS
    assert dump.stat().st_mode & 0o777 == 0o700
    assert (dump / "dmesg.txt").stat().st_mode & 0o777 == 0o400
    assert archive.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in archive.glob("*/raw/*"))


def test_twenty_writers_and_a_reader(source: Path, archive: Path, mounted: Mount) -> None:
    before = records(source)
    names = sorted(before)
    failures: list[str] = []
    ended = threading.Event()

    def write(number: int) -> None:
        name = names[number].removesuffix(".enc.z")
        try:
            (mounted.point / "control").write_text(f"archive {name}\n")
        except OSError as error:
            answers = (mounted.point / "control").read_text()
            failures.append(f"{name}: {error}: {answers}")

    def read() -> None:
        while not ended.is_set():
            (mounted.point / "control").read_text()
            json.loads((mounted.point / "meta/status.json").read_text())

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    reader.join()
    assert failures == []
    assert set(records(source)) == set(names[20:])
    assert {**records(source), **archived(archive)} == before


def test_the_death_of_the_writer_does_not_stop_the_work(
    source: Path, archive: Path, mounted: Mount
) -> None:
    before = records(source)
    writer = subprocess.Popen(
        [sys.executable, "-c", f"open({str(mounted.point / 'control')!r}, 'w').write('archive\\n')"]
    )
    time.sleep(0.15)
    writer.kill()
    writer.wait()
    end = time.monotonic() + 20
    while time.monotonic() < end and records(source):
        time.sleep(0.05)
    # It had begun, or it had not: in no case is a record in neither place.
    assert {**records(source), **archived(archive)} == before
    (mounted.point / "control").write_text("archive\n")
    assert archived(archive) == before
    assert records(source) == {}


def test_other_programs_read_the_archive(archive: Path, mounted: Mount) -> None:
    (mounted.point / "control").write_text("archive\n")
    for dump in archive.iterdir():
        if dump.is_dir():
            subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=dump, check=True)
            assert json.loads((dump / "summary.json").read_text())["schema"] == 2
            assert (dump / "report.txt").stat().st_size > 100


def test_pstorefs_archive_without_a_mount(source: Path, archive: Path) -> None:
    before = records(source)
    command = [sys.executable, "-m", "pstorefs", "--archive", "-o", f"archive={archive}", source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 10
    assert records(source) == {}
    assert archived(archive) == before
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_pstorefs_archive_imports_no_fuse(source: Path, archive: Path) -> None:
    code = (
        "import sys\nfrom pstorefs.cli.pstorefs import main\n"
        f"main(['--archive', '-o', 'archive={archive}', {str(source)!r}])\n"
        "assert not {'pyfuse3', 'trio', 'pstorefs.mount.fuse'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert records(source) == {}


def test_a_source_folder_called_dumps_is_not_mistaken(
    source: Path, archive: Path, mount: MountMaker
) -> None:
    """What stands under dumps~source/ is named so; a record of the same name beside it is not."""
    (source / "dumps").mkdir()
    inside = source / "dumps" / f"{RECORD}.enc.z"
    inside.write_bytes((source / f"{RECORD}.enc.z").read_bytes())
    point = mount(source, "-o", f"archive={archive}").point
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        (point / "control").write_text(f"clear dumps/{RECORD}\n")
    assert inside.exists()
    assert (source / f"{RECORD}.enc.z").exists()
    (point / "control").write_text(f"clear dumps~source/{RECORD}\n")
    assert not inside.exists()
    assert (source / f"{RECORD}.enc.z").exists()
    (point / "control").write_text("archive dumps/latest\n")


def test_rm_of_what_is_no_record_is_answered(
    source: Path, archive: Path, mount: MountMaker
) -> None:
    (source / "notes.txt").write_text("mine")
    point = mount(source, "-o", f"archive={archive}").point
    with pytest.raises(PermissionError):
        (point / "notes.txt").unlink()
    assert "rm notes.txt: Operation not permitted" in (point / "control").read_text()
    assert "clear notes.txt" in (point / "control").read_text()
    assert (source / "notes.txt").exists()


def test_odd_files_do_not_keep_the_others_from_being_archived(
    source: Path, archive: Path, mount: MountMaker
) -> None:
    with (source / "dmesg-erst-5").open("wb") as file:
        file.truncate(900 << 20)
    (source / ("d" * 240 + "-erst-1")).write_text("Panic#1 Part1\nx\n")
    one = mount(source, "-o", f"archive={archive}")
    (one.point / "control").write_text("archive\n")
    assert len(os.listdir(source)) == 2
    assert len(archived(archive)) == 32
    status = Path(f"/proc/{one.process.pid}/status").read_text()
    assert int(status.split("VmHWM:")[1].split()[0]) < 200_000, "KiB"


def test_over_the_source_rm_does_what_was_asked_for(
    source: Path, archive: Path, mount: MountMaker
) -> None:
    mount(source, "-o", "rm=deny", point=source)
    with pytest.raises(PermissionError):
        (source / RECORD).unlink()
    subprocess.run(["umount", source], check=True)
    before = records(source)
    mount(source, "-o", f"archive={archive},rm=archive", point=source)
    (source / RECORD).unlink()
    assert archived(archive)[f"{RECORD}.enc.z"] == before[f"{RECORD}.enc.z"]


def test_another_process_archives_while_dumps_are_read(
    source: Path, archive: Path, mount: MountMaker
) -> None:
    """As the boot service does: readers of dumps/ notice nothing."""
    point = mount(source, "-o", f"archive={archive}").point
    texts = {path: path.read_bytes() for path in point.glob("dumps/2*/dmesg.txt")}
    command = [sys.executable, "-m", "pstorefs", "--archive", "-o", f"archive={archive}", source]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            for path, text in texts.items():
                assert path.read_bytes() == text
    assert records(source) == {}
    for path, text in texts.items():
        assert path.read_bytes() == text
    refused = [*command[:4], "-o", f"ro,archive={archive}", source]
    assert subprocess.run(refused, capture_output=True, check=False).returncode == 1


def test_a_listing_shows_at_once_what_a_command_did(source: Path, mounted: Mount) -> None:
    before = set(os.listdir(mounted.point))
    assert RECORD in before
    (mounted.point / RECORD).unlink()
    assert set(os.listdir(mounted.point)) == before - {RECORD}
    (mounted.point / "control").write_text("archive\n")
    assert sorted(os.listdir(mounted.point)) == sorted(RESERVED)
    assert records(source) == {}


def test_status_tells_of_records_that_came_back(source: Path, mounted: Mount) -> None:
    back = source / f"{RECORD}.enc.z"
    kept = back.read_bytes(), back.stat().st_mtime_ns
    (mounted.point / "control").write_text(f"archive {RECORD}\n")
    assert "came back" not in (mounted.point / "status").read_text()
    back.write_bytes(kept[0])
    os.utime(back, ns=(kept[1], kept[1]))
    (mounted.point / "control").write_text("rescan\n")
    assert "1 record came back although cleared" in (mounted.point / "status").read_text()


def test_a_name_with_a_blank_is_one_name(mount: MountMaker, tmp_path: Path, source: Path) -> None:
    record = "dmesg-erst-7648935187618725890"
    odd = source / f"{record} copy"
    shutil.copy2(source / record, odd)
    one = mount(source, "-o", f"archive={tmp_path / 'archive'}")
    control = one.point / "control"
    shutil.copy2(odd, source / "copy")
    # These may be one record or two.
    with pytest.raises(OSError, match="Invalid argument"):
        control.write_text(f"clear {odd.name}\n")
    assert {"copy", record, odd.name} <= set(os.listdir(source))
    assert "this may name one record, or 2" in control.read_text()
    (source / "copy").unlink()
    # What `archive` says of it, word for word.
    control.write_text("archive\n")
    assert f"to erase it: clear {odd.name}\n" in control.read_text()
    shutil.copy2(odd, source / record)
    control.write_text(f"clear {odd.name}\n")
    assert (source / record).exists(), "a record that nobody named is gone, unsaved"
    assert not odd.exists()


def test_clear_takes_the_name_of_a_dump(mount: MountMaker, tmp_path: Path, source: Path) -> None:
    one = mount(source, "-o", f"archive={tmp_path / 'archive'}")
    dump = "20260601T011501Z-oops-1"
    records = set(os.listdir(one.point / "dumps" / dump / "raw"))
    before = set(os.listdir(source))
    (one.point / "control").write_text(f"clear dumps/{dump}\n")
    assert set(os.listdir(source)) == before - records
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize("how", ["rm", "clear"])
def test_a_file_that_bears_a_dumps_name_is_that_file(
    how: str, mount: MountMaker, tmp_path: Path, source: Path
) -> None:
    dump = "20260601T011501Z-oops-1"
    (source / dump).write_text("somebody's")
    before = set(os.listdir(source))
    one = mount(source, "-o", f"archive={tmp_path / 'archive'},rm=clear")
    assert dump in os.listdir(one.point / "dumps")
    if how == "rm":
        (one.point / dump).unlink()
    else:
        (one.point / "control").write_text(f"clear {dump}\n")
    assert set(os.listdir(source)) == before - {dump}


def test_a_name_below_dumps_is_the_dump_also_where_a_file_bears_it(
    mount: MountMaker, tmp_path: Path, source: Path
) -> None:
    dump = "20260601T011501Z-oops-1"
    (source / dump).write_text("somebody's")
    one = mount(source, "-o", f"archive={tmp_path / 'archive'}")
    raw = set(os.listdir(one.point / "dumps" / dump / "raw"))
    before = set(os.listdir(source))
    (one.point / "control").write_text(f"clear dumps/{dump}\n")
    assert set(os.listdir(source)) == before - raw


def test_what_a_mount_shows_as_text_is_not_archived_for_what_is_stored(
    source: Path, archive: Path, mount: MountMaker
) -> None:
    """Such as a mount over /sys/fs/pstore: it erases what is below, and text is all it gives."""
    before = records(source)
    point = mount(source, "-o", "plain").point
    second = mount(point, "-o", f"archive={archive}")
    done = subprocess.run(
        [sys.executable, "-m", "pstorefs", "--archive", "-o", f"archive={archive}", str(point)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "shows texts and not what is stored: unmount it" in done.stderr
    with pytest.raises(OSError, match="Invalid argument"):
        (second.point / "control").write_text("archive\n")
    assert "nothing can be archived" in (second.point / "status").read_text()
    assert second.end() == 0
    assert records(source) == before
    assert not archive.exists()
