"""dumps/, meta/ and status through a real mount."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pstorefs.record.name import parse_header, parse_name
from pstorefs.record.shown import RESERVED
from tests.mount.conftest import MountMaker
from tests.records import capture, captures

FRESH_SECONDS = 1.2
PARTS_OF_ONE = "20260601T011501Z-oops-1"


def body(text: bytes) -> bytes:
    header = parse_header(text)
    assert header is not None
    return text[header.length :]


def test_a_dump_is_one_text_oldest_line_first(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    ref = capture("erst-mixed-upgrade").ref
    names = [f"dmesg-erst-{7646229349632311297 + n}" for n in range(3)]
    whole = b"".join(body(ref[name].data) for name in reversed(names))
    dump = point / "dumps" / PARTS_OF_ONE
    assert (dump / "dmesg.txt").read_bytes() == whole
    assert (dump / "dmesg.txt").stat().st_size == len(whole)
    assert sorted(os.listdir(dump)) == ["dmesg.txt", "raw", "report.txt", "summary.json"]
    for path in (dump / "raw").iterdir():
        assert path.read_bytes() == (source / path.name).read_bytes()
        assert path.stat().st_mtime_ns == (source / path.name).stat().st_mtime_ns
    assert sorted(os.listdir(dump / "raw")) == [f"{name}.enc.z" for name in names]


def test_what_does_not_change_keeps_its_inode_numbers(source: Path, mount: MountMaker) -> None:
    # cp(1) gives up on a file whose number changes between its stat(2) and its open(2).
    point = mount(source).point

    def numbers() -> dict[Path, int]:
        return {path: path.lstat().st_ino for path in sorted(point.rglob("*"))}

    first = numbers()
    assert point / "dumps" / PARTS_OF_ONE / "raw" in first
    time.sleep(FRESH_SECONDS)
    assert numbers() == first


def test_the_kernels_own_tools_read_the_joined_text(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    text = point / "dumps" / PARTS_OF_ONE / "dmesg.txt"
    shown = subprocess.run(["dmesg", "-F", text, "--raw"], capture_output=True, check=True).stdout
    assert shown.splitlines() == text.read_bytes().splitlines()


@pytest.mark.parametrize("name", captures())
def test_every_record_is_in_exactly_one_dump(name: str, tmp_path: Path, mount: MountMaker) -> None:
    one = capture(name)
    point = mount(one.write("enc", tmp_path / "source")).point
    found = sorted(path.name for path in point.glob("dumps/[0-9u]*/raw/*"))
    assert found == sorted(file for file in one.enc if parse_name(file))


def test_latest_is_the_newest_crash(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    assert os.readlink(point / "dumps" / "latest") == "20260608T081503Z-panic-1"
    assert "sysrq triggered crash" in (point / "dumps/latest/report.txt").read_text()
    for path in source.glob("dmesg-erst-7648935187*"):
        path.unlink()
    time.sleep(FRESH_SECONDS)
    assert os.readlink(point / "dumps" / "latest") == "20260607T071504Z-panic-1"


def test_without_a_crash_there_is_no_latest(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "dmesg-efi-178679520401001").write_text("Shutdown#1 Part1\n<6>[    9.000000] bye\n")
    (source / "console-ramoops-0").write_text("[    1.000000] hello\n")
    point = mount(source).point
    names = os.listdir(point / "dumps")
    assert len(names) == 2
    assert "latest" not in names
    assert "No crash on record." in (point / "status").read_text()


def test_the_report_holds_the_kernels_own_words(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    dump = point / "dumps" / PARTS_OF_ONE
    report, text = (dump / "report.txt").read_bytes(), (dump / "dmesg.txt").read_bytes()
    own = report.split(b"The kernel's own report:\n\n")[1]
    assert own in text, "verbatim and contiguous"
    lines = own.decode().splitlines()
    assert "BUG: kernel NULL pointer dereference" in lines[0]
    assert "---[ end trace" in lines[-1]
    head = report.decode().split("The kernel's own report")[0]
    assert head.startswith("BUG: unable to handle kernel NULL pointer dereference in lkdtm_EXCEPTI")
    assert len(head.splitlines()) < 24
    assert "1 later" in head
    panic = (point / "dumps/20260601T011502Z-panic-2/report.txt").read_text()
    assert f"1 earlier oops in this boot, dumps/{PARTS_OF_ONE}: BUG: unable to handle" in panic


def test_the_summary_is_for_programs(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    known = json.loads((point / "dumps" / PARTS_OF_ONE / "summary.json").read_text())
    assert known["schema"] == 2
    assert known["name"] == PARTS_OF_ONE
    assert re.fullmatch("[0-9a-f]{64}", known["id"])
    assert (known["reason"], known["count"], known["crash"]) == ("Oops", 1, True)
    assert known["time"] == "2026-06-01T01:15:01Z"
    assert known["kernel"]["release"] == "6.1.192"
    assert known["ip"]["function"] == "lkdtm_EXCEPTION"
    assert known["task"]["comm"] == "init"
    assert [record["part"] for record in known["records"]] == [3, 2, 1]
    assert {record["state"] for record in known["records"]} == {"decoded"}
    assert known["boot_dumps"][0]["name"] == "20260601T011502Z-panic-2"
    assert known["complete"] is True


def test_a_missing_part_is_named(source: Path, mount: MountMaker) -> None:
    (source / "dmesg-erst-7646229349632311298.enc.z").unlink()
    point = mount(source).point
    dump = point / "dumps" / PARTS_OF_ONE
    text = (dump / "dmesg.txt").read_text()
    gaps = [line for line in text.splitlines() if line.startswith("[pstorefs: ")]
    assert gaps == ["[pstorefs: part 2 of at least 3 is missing]"]
    assert "part 2" in (dump / "report.txt").read_text().split("The kernel's own")[0]
    assert json.loads((dump / "summary.json").read_text())["missing_parts"] == [[2, 2]]


def test_a_part_that_comes_later_joins_its_dump(source: Path, mount: MountMaker) -> None:
    late = source / "dmesg-erst-7646229349632311298.enc.z"
    kept = late.read_bytes(), late.stat().st_mtime_ns
    late.unlink()
    point = mount(source).point
    dump = point / "dumps" / PARTS_OF_ONE
    before = (dump / "dmesg.txt").read_bytes()
    late.write_bytes(kept[0])
    os.utime(late, ns=(kept[1], kept[1]))
    time.sleep(FRESH_SECONDS)
    after = (dump / "dmesg.txt").read_bytes()
    assert b"[pstorefs: " in before
    assert b"[pstorefs: " not in after
    assert len(after) > len(before)
    assert (dump / "dmesg.txt").stat().st_size == len(after)


def test_a_console_belongs_to_a_dump_on_evidence(tmp_path: Path, mount: MountMaker) -> None:
    one = capture("ramoops-lz4-6.1.192")
    point = mount(one.write("enc", tmp_path / "source")).point
    with_console = [path.parent.name for path in point.glob("dumps/[0-9]*/console.txt")]
    assert with_console == [os.readlink(point / "dumps/latest")]
    shown = (point / "dumps/latest/console.txt").read_bytes()
    assert shown == one.enc["console-ramoops-0"].data


def test_a_function_trace_says_whose_names_it_has(tmp_path: Path, mount: MountMaker) -> None:
    point = mount(capture("ramoops-lz4-6.1.192").write("enc", tmp_path / "source")).point
    (dump,) = point.glob("dumps/undated-ftrace-*")
    assert "names come from the kernel that shows the record" in (dump / "report.txt").read_text()
    assert (dump / "dmesg.txt").read_text().startswith("CPU:1 ts:")


def android(seconds: int, message: bytes) -> bytes:
    """An entry as Android's writer packs it (private/android_logger.h)."""
    payload = b"\4tag\0" + message + b"\0"
    head = struct.pack("<HHHBHII", 18 + len(payload), 1000, 1, 0, 2, seconds, 0)
    return b"l" + head + payload


def test_a_log_of_android_is_shown_as_logcat_does_also_from_the_archive(
    tmp_path: Path, mount: MountMaker
) -> None:
    store, archive = tmp_path / "store", tmp_path / "archive"
    capture("ramoops-lz4-6.1.192").write("enc", store)
    (store / "pmsg-ramoops-0").unlink()  # it is plain text
    (store / "pmsg-ramoops-0").write_bytes(android(0, b"one") + android(60, b"two"))
    lines = b"""\
--------- beginning of main
01-01 00:00:00.000     1     2 I tag     : one
01-01 00:01:00.000     1     2 I tag     : two
"""
    point = mount(store, "-o", f"archive={archive},archive_volatile").point
    (log,) = point.glob("dumps/*/logcat.txt")
    assert log.read_bytes() == lines
    assert log.stat().st_size == len(lines)
    with pytest.raises(PermissionError):  # saved, but the kernel keeps it
        (point / "control").write_text(f"archive {log.parent.name}\n")
    assert (archive / log.parent.name / "logcat.txt").read_bytes() == lines
    (store / "pmsg-ramoops-0").unlink()  # as the kernel does at the next boot
    time.sleep(FRESH_SECONDS)
    assert [path.parent.name for path in point.glob("dumps/*/logcat.txt")] == [log.parent.name]
    assert log.read_bytes() == lines


def test_meta_has_one_value_in_each_file(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    record = point / "meta" / "dmesg-erst-7646229349632311298"
    shown = {path.name: path.read_text() for path in record.iterdir()}
    known = json.loads(shown.pop("all.json"))
    assert shown == {
        "type": "dmesg\n",
        "backend": "erst\n",
        "id": "7646229349632311298\n",
        "time": "2026-06-01T01:15:01Z\n",
        "time_source": "mtime\n",
        "reason": "Oops\n",
        "count": "1\n",
        "part": "2\n",
        "dump": PARTS_OF_ONE + "\n",
        "compression": "lz4\n",
        "state": "decoded\n",
        "ecc": "",
        "size": f"{(point / record.name).stat().st_size}\n",
        "stored_size": f"{(source / (record.name + '.enc.z')).stat().st_size}\n",
        "sha256": shown["sha256"],
    }
    assert set(known) == set(shown)
    assert {path.name for path in (point / "meta").iterdir()} == {
        *(path.name for path in point.iterdir() if path.name.startswith("dmesg-")),
        "status.json",
    }


def test_a_value_in_meta_is_that_of_the_record_that_stands_there(
    reference: Path, mount: MountMaker
) -> None:
    """Not of the one before it, although the kernel still knows that name: open looks again."""
    record = min(path for path in reference.iterdir() if path.name.startswith("dmesg"))
    one = mount(reference)
    value = one.point / "meta" / record.name / "size"
    for _ in range(3):
        before = int(value.read_text())
        new = reference.parent / "new"
        new.write_bytes(record.read_bytes() + b"<6>[99999.000000] one line more\n")
        new.rename(record)
        time.sleep(0.6)  # more than a catalog holds, less than a name does
        assert int(value.read_text()) == before + 32


def test_folders_of_the_source_are_repeated_in_meta(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    capture("efi-zstd-6.1.192").write("enc", source / "1786795204" / "001")
    point = mount(source).point
    name = "dmesg-efi-178679520401001"
    assert (point / "meta/1786795204/001" / name / "state").read_text() == "decoded\n"
    assert (point / "1786795204/001" / name).exists()
    assert len(os.listdir(point / "dumps")) > 1


def test_status_tells_the_newest_crash_and_all_dumps(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    text = (point / "status").read_text()
    lines = text.splitlines()
    assert lines[0] == "Newest crash: kernel panic: sysrq triggered crash"
    assert "dumps/20260608T081503Z-panic-1/report.txt" in lines[2]
    for name in os.listdir(point / "dumps"):
        if name != "latest":
            assert name in text
    assert "32 records: 8 plain, 24 decoded" in text
    known = json.loads((point / "meta/status.json").read_text())
    assert known["store"]["states"]["decoded"] == 24
    assert len(known["dumps"]) == 10
    assert (point / "status").stat().st_size == len(text.encode())


def test_status_follows_the_store_and_an_open_one_stays_as_it_was(
    source: Path, mount: MountMaker
) -> None:
    point = mount(source).point
    assert "32 records" in (point / "status").read_text()
    with (point / "status").open() as held:
        for path in source.iterdir():
            path.unlink()
        time.sleep(FRESH_SECONDS)
        text = (point / "status").read_text()
        assert "No crash on record." in text
        assert "empty" in text
        assert (point / "status").stat().st_size == len(text.encode())
        assert "32 records" in held.read()


def test_an_empty_store_is_said_calmly(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    source.mkdir()
    point = mount(source).point
    assert sorted(os.listdir(point)) == sorted(RESERVED)
    assert os.listdir(point / "dumps") == []
    assert (point / "status").read_text().startswith("No crash on record.\n")


def test_source_names_that_are_reserved(tmp_path: Path, mount: MountMaker) -> None:
    source = tmp_path / "source"
    (source / "dumps").mkdir(parents=True)
    (source / "dumps" / "inside").write_text("inside")
    for name in ("status", "control", "status~source"):
        (source / name).write_text(name)
    point = mount(source).point
    assert (point / "dumps~source" / "inside").read_text() == "inside"
    assert (point / "status~source").read_text() == "status"
    assert (point / "status~source~source").read_text() == "status~source"
    assert (point / "control~source").read_text() == "control"
    assert sorted(os.listdir(point)) == [
        "control",
        "control~source",
        "dumps",
        "dumps~source",
        "meta",
        "status",
        "status~source",
        "status~source~source",
    ]


def test_virtual_places_are_as_private_as_the_source(source: Path, mount: MountMaker) -> None:
    source.chmod(0o750)
    point = mount(source).point
    for path in (point / "dumps", point / "dumps" / PARTS_OF_ONE, point / "meta"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o750
    for path in (point / "status", point / "dumps" / PARTS_OF_ONE / "dmesg.txt"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o440


def test_nothing_can_be_changed_below_dumps_and_meta(source: Path, mount: MountMaker) -> None:
    point = mount(source).point
    for path in (
        point / "dumps" / PARTS_OF_ONE / "dmesg.txt",
        point / "dumps" / PARTS_OF_ONE / "raw" / "dmesg-erst-7646229349632311297.enc.z",
        point / "meta" / "dmesg-erst-7646229349632311297" / "state",
    ):
        with pytest.raises(PermissionError):
            path.unlink()
    with pytest.raises(OSError, match="Read-only"):
        (point / "status").write_text("x")


def test_copying_everything_copies_everything(
    source: Path, tmp_path: Path, mount: MountMaker
) -> None:
    point = mount(source).point
    subprocess.run(["cp", "-a", point, tmp_path / "copy"], check=True)
    done = subprocess.run(
        ["diff", "-r", point, tmp_path / "copy"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    subprocess.run(["tar", "-C", point, "-cf", tmp_path / "all.tar", "."], check=True)
    subprocess.run(
        ["rsync", "-a", "--exclude=/control", f"{point}/", tmp_path / "synced"], check=True
    )
    # control has size 0, as files in /proc have: rsync takes that at its word.
    (tmp_path / "copy" / "control").unlink()
    subprocess.run(["diff", "-r", tmp_path / "copy", tmp_path / "synced"], check=True)
    shutil.rmtree(tmp_path / "copy")


def test_names_with_control_characters_do_not_reach_what_is_composed(
    tmp_path: Path, mount: MountMaker
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "dmesg-efi-178679520401001").write_bytes(
        b"Panic#1 Part1\n<0>[    1.000000] Kernel panic - not syncing: \x1b[31mred\x07\n"
        b"<4>[    1.000000] Hardware name: \x1b]0;title\x07 x\n"
    )
    (source / "bad\x1b[31m").write_text("x")
    point = mount(source).point
    for name in ("status", "meta/status.json", "dumps/latest/summary.json"):
        assert b"\x1b" not in (point / name).read_bytes(), name
    head = (point / "dumps/latest/report.txt").read_bytes().split(b"The kernel's own")[0]
    assert b"\x1b" not in head
    assert b"\x07" not in head


def tampered(one: Path, _: Path) -> None:
    data = one.read_bytes()
    one.write_bytes(data[:-2] + b"!\n")


def cut(one: Path, _: Path) -> None:
    os.truncate(one, 10)


def exchanged(one: Path, other: Path) -> None:
    kept = one.rename(one.with_name("kept"))
    other.rename(one)
    kept.rename(other)


@pytest.mark.parametrize("spoil", [tampered, cut, exchanged])
def test_who_reads_an_archived_text_while_it_is_spoilt_sees_the_kernels_and_no_error(
    spoil: Callable[[Path, Path], None], source: Path, tmp_path: Path, mount: MountMaker
) -> None:
    archive = tmp_path / "archive"
    point = mount(source, "-o", f"archive={archive},archive_volatile").point
    (point / "control").write_text("archive\n")
    names = sorted(path.name for path in archive.glob("[0-9u]*"))[:2]
    texts = [(archive / name / "dmesg.txt").read_bytes() for name in names]
    shown = [point / "dumps" / name / "dmesg.txt" for name in names]
    # The second read finds all that the kernel keeps for a second.
    assert [path.read_bytes() for path in shown + shown] == texts + texts
    spoil(*(archive / name / "dmesg.txt" for name in names))
    assert [path.read_bytes() for path in shown + shown] == texts + texts


def test_who_opens_what_he_looked_up_before_gets_it_whatever_lies_in_the_archive(
    source: Path, tmp_path: Path, mount: MountMaker
) -> None:
    archive = tmp_path / "archive"
    point = mount(source, "-o", f"archive={archive},archive_volatile").point
    (point / "control").write_text("archive\n")
    names = sorted(path.name for path in archive.glob("[0-9u]*"))
    texts = {name: (archive / name / "dmesg.txt").read_bytes() for name in names}
    for name in names:
        tampered(archive / name / "dmesg.txt", archive)
    for name, text in texts.items():
        path = point / "dumps" / name / "dmesg.txt"
        held = os.open(path, os.O_PATH)
        try:
            assert Path(f"/proc/self/fd/{held}").read_bytes() == text
            assert os.fstat(held).st_size == len(text)
        finally:
            os.close(held)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", point / "dumps", copy], check=True)
    assert {name: (copy / name / "dmesg.txt").read_bytes() for name in names} == texts
