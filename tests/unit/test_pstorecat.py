"""pstorecat, run as a command on real records."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.records import capture, captures

COMMAND = [sys.executable, "-m", "pstorefs.cli.pstorecat"]


def pstorecat(*arguments: str | Path, data: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([*COMMAND, *arguments], input=data, capture_output=True, check=False)


@pytest.mark.parametrize("name", captures())
def test_every_reference_equals_its_record(name: str, tmp_path: Path) -> None:
    one = capture(name)
    source = one.write("enc", tmp_path)
    files, expected = [], b""
    for file, stored in sorted(one.enc.items()):
        plain = file.removesuffix(".enc.z")
        reference = one.ref.get(plain, one.ref.get(plain.replace("-efi-", "-efi_pstore-")))
        if file.endswith(".enc.z") and reference is None:
            continue  # damaged
        files.append(source / file)
        expected += (reference if file.endswith(".enc.z") else stored).data
    done = pstorecat(*files)
    assert done.stdout == expected
    assert done.returncode == 0, done.stderr


def test_standard_input_is_told_by_its_content() -> None:
    for name in captures():
        one = capture(name)
        for file, stored in list(one.enc.items())[:1]:
            reference = one.ref.get(file.removesuffix(".enc.z"))
            if reference and file.endswith(".enc.z"):
                assert pstorecat(data=stored.data).stdout == reference.data
                assert pstorecat("-", data=reference.data).stdout == reference.data


def test_one_bad_record_does_not_hide_the_others(tmp_path: Path) -> None:
    one = capture("erst-lz4-6.1.192")
    source = one.write("enc", tmp_path)
    (source / "dmesg-erst-1.enc.z").write_bytes(b"\xff" * 50)
    good = sorted(one.enc)[:2]
    done = pstorecat(source / good[0], source / "dmesg-erst-1.enc.z", "/no/file", source / good[1])
    assert done.stdout == b"".join(one.ref[name.removesuffix(".enc.z")].data for name in good)
    assert done.returncode == 1
    errors = done.stderr.decode().splitlines()
    assert len(errors) == 2
    assert "dmesg-erst-1.enc.z: undecodable" in errors[0]
    assert "/no/file: No such file" in errors[1]


def test_a_record_with_memory_errors_is_shown_and_is_not_whole(tmp_path: Path) -> None:
    record = tmp_path / "dmesg-ramoops-0"
    record.write_bytes(
        b"Panic#1 Part1\n<4>[    1.0] a\n\n1 Corrected bytes, 2 unrecoverable blocks\n"
    )
    done = pstorecat(record)
    assert done.stdout == record.read_bytes()
    assert done.returncode == 1
    assert b"uncorrectable memory errors" in done.stderr


def test_a_cut_record_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    one = capture("erst-deflate-6.1.192")
    name, stored = min(one.enc.items())
    cut = tmp_path / name
    cut.write_bytes(stored.data[:2000])
    done = pstorecat(cut)
    assert done.returncode == 1
    assert b"salvaged" in done.stderr
    certain, mark, _ = done.stdout.partition(b"[pstorefs: ")
    assert mark
    assert one.ref[name.removesuffix(".enc.z")].data.startswith(certain.rstrip(b"\n"))


def test_json_tells_what_is_known(tmp_path: Path) -> None:
    one = capture("ramoops-lz4-6.1.192-ecc-corrected")
    source = one.write("enc", tmp_path)
    done = pstorecat("--json", source / "dmesg-ramoops-0.enc.z", source / "console-ramoops-0")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["state"] == "decoded"
    assert first["compression"] == "lz4"
    assert (first["reason"], first["count"], first["part"]) == ("Oops", 1, 1)
    assert first["ecc"]["corrected"] > 0
    assert first["ecc"]["unrecoverable"] == 0
    assert first["stored_size"] == len(one.enc["dmesg-ramoops-0.enc.z"].data)
    assert (second["type"], second["state"], second["reason"]) == ("console", "plain", None)


def test_json_of_erst_tells_the_time(tmp_path: Path) -> None:
    path = tmp_path / "dmesg-erst-6495821019368914945"
    path.write_bytes(b"Panic#1 Part1\n")
    assert json.loads(pstorecat("--json", path).stdout)["time"] == "2017-12-04T22:23:09Z"


def test_help_and_version_are_printed_and_what_is_unknown_is_refused() -> None:
    assert pstorecat("--help").stdout.startswith(b"usage: pstorecat")
    assert pstorecat("--version").stdout.startswith(b"pstorecat ")
    assert pstorecat("--nonsense").returncode == 2


def test_a_reader_that_stops_is_no_error(tmp_path: Path) -> None:
    source = capture("erst-lz4-6.1.192-many").write("enc", tmp_path)
    line = f"{sys.executable} -m pstorefs.cli.pstorecat {source}/* | head -c 10"
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    assert len(done.stdout) == 10
    assert done.stderr == b""


def test_control_characters_in_a_name_do_not_reach_the_terminal() -> None:
    done = pstorecat("/no/\x1b[31mfile\n")
    assert b"\x1b" not in done.stderr
    assert done.stderr.count(b"\n") == 1


OOPS = (
    b"BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
    b"Oops: 0000 [#1] SMP\nCPU: 1 PID: 42 Comm: cp Not tainted 6.1.5 #7\n"
    b"RIP: 0010:culprit+0x5/0x20 [mod]\n"
)
TITLE = "BUG: unable to handle kernel NULL pointer dereference in culprit"


def test_report_of_a_log_says_what_report_txt_says(tmp_path: Path) -> None:
    log = tmp_path / "serial.log"
    log.write_bytes(b"hello\n" * 5 + OOPS)
    done = pstorecat("--report", log)
    assert (done.returncode, done.stderr) == (0, b"")
    title, _, rest = done.stdout.decode().partition("\n")
    assert title == TITLE
    assert "Where:      culprit+0x5 [mod], CPU 1, PID 42 (cp)" in rest
    assert rest.endswith("The kernel's own report:\n\n" + OOPS.decode())


def test_report_as_json_is_one_line_for_each_file_in_their_order(tmp_path: Path) -> None:
    one = capture("erst-lz4-6.1.192")
    source = one.write("enc", tmp_path)
    quiet = tmp_path / "boot.log"
    quiet.write_bytes(b"[    0.000000] Linux version 6.1.5 (a@b) #1 SMP\n")
    files = [quiet, "-", *(source / file for file in sorted(one.enc)[:1])]
    done = pstorecat("--report", "--json", *files, data=OOPS)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["file"] for each in found] == [str(file) for file in files]
    assert [each["title"] for each in found[:2]] == [None, TITLE]
    assert [each["crash"] for each in found[:2]] == [False, True]
    assert found[0]["signature"] is found[0]["name"] is found[0]["records"] is None
    assert found[2]["reason"] in ("Oops", "Panic")


def test_report_of_a_long_log_is_that_of_its_end(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    with log.open("wb") as file:
        file.truncate(40 << 20)
        file.seek(0, 2)
        file.write(b"\n" + OOPS)
    for words, data in (([str(log)], b""), (["-"], log.read_bytes())):
        done = pstorecat("--report", "--json", *words, data=data)
        assert json.loads(done.stdout)["title"] == TITLE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--json", "--logcat", "-"], "--logcat goes with neither --report nor --json"),
        (["--report", "--logcat", "-"], "--logcat goes with neither --report nor --json"),
        (["--logcat", "--report", "-"], "--logcat goes with neither --report nor --json"),
        (["--report", "--vmlinux"], "--vmlinux needs FILE after it"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(words: list[str], said: str) -> None:
    done = pstorecat(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"pstorecat: {said}".encode())
