"""What is entered in the journal: each dump that is saved, with fields to search for."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pstorefs.cli import pstorefs
from pstorefs.dump import group
from pstorefs.fleet import entry as entry_page
from pstorefs.record import reading
from pstorefs.record.record import STORE, Record
from pstorefs.report import journal
from tests.fleet import site
from tests.records import capture

SUMMARY = "summary.json"


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = str(tmp_path / "journal")
    monkeypatch.setattr(journal, "SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(100)
        yield receiver


def fields(entry: bytes) -> dict[str, str]:
    """An entry taken apart, as journald does."""
    found = {}
    while entry:
        line, _, entry = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(entry[:8], "little")
            value, entry = entry[8 : 8 + size], entry[9 + size :]
        found[name.decode()] = os.fsdecode(value)
    return found


def test_values_of_several_lines_and_of_any_bytes_arrive_whole(listening: socket.socket) -> None:
    assert journal.send("one\ntwo", PSTOREFS_TITLE="\udcff=\n")
    found = fields(listening.recv(65536))
    assert found["MESSAGE"] == "one\ntwo"
    assert found["PSTOREFS_TITLE"] == "\udcff=\n"
    assert found["SYSLOG_IDENTIFIER"] == "pstorefs"


def test_each_dump_that_is_saved_is_one_entry_without_text_of_the_log(
    listening: socket.socket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = capture("erst-mixed-upgrade").write("enc", tmp_path / "records")
    options = f"archive={tmp_path}/archive,archive_volatile"
    assert pstorefs.main(["--archive", "-o", options, str(source)]) == 0
    lines = capsys.readouterr().out.splitlines()
    listening.setblocking(False)
    entries = []
    while True:
        try:
            entries.append(fields(listening.recv(65536)))
        except BlockingIOError:
            break
    saved = {name for name in os.listdir(tmp_path / "archive") if not name.startswith(".")}
    assert {entry["PSTOREFS_DUMP"] for entry in entries} == saved
    assert len(entries) == len(lines) == 10
    for entry in entries:
        assert entry["MESSAGE"] == f"saved {entry['PSTOREFS_DUMP']}: {entry['PSTOREFS_TITLE']}"
        assert entry["PSTOREFS_SIGNATURE"]
        assert "PSTOREFS_OBJECT" not in entry
        summary = json.loads((tmp_path / "archive" / entry["PSTOREFS_DUMP"] / SUMMARY).read_text())
        for name, value in {
            "ID": summary["id"],
            "TIME": summary["time"],
            "CLASS": summary["class"],
            "KERNEL": summary["kernel"]["release"],
        }.items():
            assert entry[f"PSTOREFS_{name}"] == value
        assert len(entry["MESSAGE"]) < 200


def test_each_dump_that_is_shipped_is_one_entry_more_which_says_where_it_is(
    listening: socket.socket, tmp_path: Path
) -> None:
    archive, spool = site.archived(tmp_path), tmp_path / "spool"
    spool.mkdir()
    words = ["--ship", f"file://{spool}", "--now", "-o", f"archive={archive},state={tmp_path}/s"]
    assert pstorefs.main(words) == 0
    listening.setblocking(False)
    found = {}
    for _ in archive.glob("2*"):
        entry = fields(listening.recv(65536))
        assert entry["MESSAGE_ID"] == journal.SHIPPED
        found[entry["PSTOREFS_ID"]] = entry["PSTOREFS_OBJECT"]
    lines = [json.loads(path.read_text()) for path in spool.glob("v1/index/*/*.json")]
    assert found == {line["id"]: f"file://{spool}/{line['bundle']['key']}" for line in lines}
    with pytest.raises(BlockingIOError):
        listening.recv(65536)


def test_what_a_summary_claims_cannot_forge_a_field(listening: socket.socket) -> None:
    row = dict.fromkeys(entry_page.COLUMNS) | {"title": "x\nPSTOREFS_ID=forged", "kernel": "\x1b["}
    journal.shipped("dump", "id", row, "s3://b/key")
    found = fields(listening.recv(65536))
    assert found["PSTOREFS_ID"] == "id"
    assert found["PSTOREFS_TITLE"] == "x\N{REPLACEMENT CHARACTER}PSTOREFS_ID=forged"
    assert found["PSTOREFS_KERNEL"] == "\N{REPLACEMENT CHARACTER}["


def test_without_a_journal_it_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "nobody"))
    read = reading.Reading(b"", reading.UNDECODABLE, "unknown")
    (dump,) = group([Record.of("dmesg-erst-6495821019368914945", STORE, 0, b"", read)])
    with caplog.at_level(logging.INFO, "pstorefs"):
        journal.announce(dump, b'{"title": "kernel panic: x"}')
        journal.announce(dump, b"no JSON")
    assert caplog.messages == [
        f"saved {dump.name}: kernel panic: x",
        f"saved {dump.name}: no report",
    ]
