"""One file with everything about a dump."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from pstorefs.cli import bundle
from pstorefs.cli.pstorefs import main
from pstorefs.report.redact import Secret
from pstorefs.system.machine import Machine
from tests.records import capture

NAME = "20260601T011501Z-oops-1"
MEMBERS = {"SHA256SUMS", "dmesg.txt", "machine.json", "report.txt", "summary.json"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return capture("erst-mixed-upgrade").write("enc", tmp_path / "store")


def unpacked(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {}
        for member in tar:
            top, _, name = member.name.partition("/")
            assert top.startswith("pstorefs-")
            assert (member.uid, member.gid, member.mode, member.isfile()) == (0, 0, 0o600, True)
            content = tar.extractfile(member)
            assert content is not None
            found[name] = content.read()
        return found


def made(store: Path, tmp_path: Path, *words: str) -> dict[str, bytes]:
    path = tmp_path / "bundle.tar.gz"
    assert main(["--bundle", NAME, str(path), *words, str(store)]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    return unpacked(path.read_bytes())


def test_it_holds_records_texts_facts_and_sums(store: Path, tmp_path: Path) -> None:
    found = made(store, tmp_path)
    raw = {name: data for name, data in found.items() if name.startswith("raw/")}
    assert set(found) - set(raw) == MEMBERS
    assert len(raw) == 3
    for name, data in raw.items():
        assert (store / name.removeprefix("raw/")).read_bytes() == data
    sums = dict(line.split("  ")[::-1] for line in found["SHA256SUMS"].decode().splitlines())
    assert sums == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in found.items()
        if name != "SHA256SUMS"
    }
    assert json.loads(found["summary.json"])["name"] == NAME
    assert json.loads(found["machine.json"])["kernel"] == Machine().kernel


def test_from_the_archive_it_is_the_same_but_for_the_place(
    store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = made(store, tmp_path)
    options = ["-o", f"archive={tmp_path / 'archive'},archive_volatile"]
    assert main(["--archive", *options, str(store)]) == 0
    (tmp_path / "bundle.tar.gz").unlink()
    after = made(store, tmp_path, *options)
    assert set(after) == set(before)
    for name in before:
        if name.startswith("raw/") or name == "dmesg.txt":
            assert after[name] == before[name]
    capfd.readouterr()


def test_the_same_dump_gives_the_same_bytes(
    store: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    outputs = []
    for _ in range(2):
        assert main(["--bundle", NAME, "-", str(store)]) == 0
        outputs.append(capfdbinary.readouterr().out)
    assert outputs[0] == outputs[1]
    assert "dmesg.txt" in unpacked(outputs[0])


def test_redacted_it_holds_no_secret_and_says_what_went(
    store: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bundle, "secrets", lambda _: [Secret("host", "lkdtm")])
    found = made(store, tmp_path, "--redact")
    assert set(found) == MEMBERS | {"redacted.txt"}
    everything = b"".join(found.values())
    assert b"ffffffff8" not in everything
    assert b"[host-1]" in found["dmesg.txt"] or b"host-1" in found["dmesg.txt"]
    assert found["redacted.txt"].startswith(b"raw/ is left out")
    assert b"\nhost-1  host, " in found["redacted.txt"]
    assert "host-1: lkdtm\n" in capfd.readouterr().out
    assert json.loads(found["summary.json"])["name"] == NAME


def test_a_file_that_is_there_is_kept(
    store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine"
    path.write_text("mine")
    assert main(["--bundle", NAME, str(path), str(store)]) == 2
    assert "exists already" in capfd.readouterr().err
    assert path.read_text() == "mine"


def test_a_directory_that_is_missing_is_named(
    store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none" / "mine"
    assert main(["--bundle", NAME, str(path), str(store)]) == 2
    assert f"{path}: the directory does not exist: make it first" in capfd.readouterr().err


@pytest.mark.parametrize("words", [[], [NAME], ["--redact", NAME]])
def test_it_needs_a_name_and_a_file(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", *words]) == 1
    assert "--bundle needs" in capfd.readouterr().err


def test_secrets_of_a_machine(tmp_path: Path) -> None:
    files = {
        "proc/sys/kernel/hostname": "web01.example.com",
        "etc/machine-id": "0123456789abcdef0123456789abcdef",
        "sys/class/dmi/id/product_serial": "CZ12345",
        "sys/class/dmi/id/board_serial": "Not Specified",
        "sys/class/dmi/id/product_uuid": "01234567-89ab-cdef-0123-456789abcdef",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "\n")
    found = [each for each in bundle.secrets(Machine(str(tmp_path))) if each.kind != "user"]
    assert [each.name for each in found] == [
        "web01.example.com",
        "web01",
        "example.com",
        "0123456789abcdef0123456789abcdef",
        "CZ12345",
        "01234567-89ab-cdef-0123-456789abcdef",
    ]
