"""Bundles are always the same bytes, index lines have fixed columns, the machine-id stays."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pstorefs.fleet import bundle, entry, keys

FILES = {"summary.json": b"{}\n", "raw/b": b"two", "raw/a": b"one", "dmesg.txt": b"text"}
ID = "41a1acb3a0736e2321fe75a8cb865c60c71b38be628bbc0f8514f33df8bcaf1c"
MACHINE = "4205cb463b774e7dae099dfe859d3486"


def test_a_bundle_is_a_tar_with_sorted_names_and_nothing_of_here_and_now() -> None:
    packed = bundle.pack("d", FILES, 1000)
    with tarfile.open(fileobj=io.BytesIO(packed.data)) as tar:
        members = tar.getmembers()
        read = {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    assert [member.name for member in members] == [f"d/{name}" for name in sorted(FILES)]
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode) for m in members} == {
        (0, 0, "", "", 1000, 0o600)
    }
    assert read == {f"d/{name}": data for name, data in FILES.items()}


def test_the_order_of_the_files_and_the_hour_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = bundle.pack("d", FILES, 1000)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert bundle.pack("d", dict(reversed(FILES.items())), 1000) == before
    # RFC 1952: no flags (no name), no time
    assert before.data[3:8] == b"\0\0\0\0\0"
    # The tar's bytes are those of any machine: PAX, made by Python 3.11
    assert before.tar_sha256 == "6fb2b037016020cf4d4d7019a5fdd66e699101e0723c134ec2bd9534849114a3"


@given(some.dictionaries(some.text("ab/-", min_size=1), some.binary(), max_size=5))
def test_what_is_packed_is_unpacked(files: dict[str, bytes]) -> None:
    packed = bundle.pack("d", files, 0)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed.data))) as tar:
        assert len(tar.getmembers()) == len(files)


SUMMARY: dict[str, Any] = {
    "title": "BUG: x in do_it", "class": "oops", "signature": "1:e389c8a3ef2ebdcb",
    "crash": True, "count": 1, "kernel": {"release": "6.1", "build": "#1", "taint": ""},
    "machine": {
        "machine_id": "3d1219c7c4c5404aaa1f6d2a48adfda4", "hostname": "web-1", "hardware": "H",
    },
    "trace": [{"function": "a", "reliable": True}, {"function": "b", "reliable": False}],
    "records": [1, 2],
}  # fmt: skip
REPORT = b"BUG\n===\n\nMachine:    web-1, H\nWhere:      x\n\nMachine: web-1, again\n"
HOSTS = [
    (None, "web-1", REPORT),
    ("", None, REPORT.replace(b"    web-1, H", b"    H")),
    ("db", "db", REPORT.replace(b"    web-1, H", b"    db, H")),
]


@pytest.mark.parametrize(("host", "named", "report"), HOSTS)
def test_the_machine_id_never_leaves_and_the_host_as_it_is_asked_for(
    host: str | None, named: str | None, report: bytes
) -> None:
    files = {"summary.json": json.dumps(SUMMARY).encode(), "report.txt": REPORT}
    made = bundle.without_machine(files, SUMMARY, MACHINE, host)
    said = json.loads(made["summary.json"])
    assert said["machine"] == {"machine_id": MACHINE, "hostname": named, "hardware": "H"}
    assert said["title"] == SUMMARY["title"]
    assert made["report.txt"] == report
    assert b"3d1219c7" not in b"".join(made.values())


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"[" * 100_000, b"\xff\0", b"1e999"])
def test_a_summary_that_is_none_stays_behind(text: bytes) -> None:
    files = {"summary.json": text, "dmesg.txt": b"x"}
    assert bundle.without_machine(files, entry.parse(text), MACHINE, None) == {"dmesg.txt": b"x"}


def test_a_summary_too_deep_to_be_written_stays_behind() -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    made = bundle.without_machine({"summary.json": deep}, entry.parse(deep), MACHINE, None)
    assert set(made) <= {"summary.json"}


def a_line(summary: dict[str, Any]) -> dict[str, Any]:
    row = entry.columns(summary)
    label = keys.label_of(row["class"] or "", entry.function_of(row), row["signature"] or "")
    names = keys.names(
        MACHINE, "20260602T021501Z-oops-1", ID, 0, label, row["kernel"] or "", "web-1"
    )
    about = entry.Bundle(names.bundle_key, 1, "a", "b")
    data = entry.line(names, ID, None, 86400, row, about)
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")
    made: dict[str, Any] = json.loads(data)
    return made


def test_an_index_line_says_what_the_summary_says() -> None:
    line = a_line(SUMMARY)
    assert line["label"] == "oops-do_it-e389c8a3"
    assert (line["kernel"], line["trace"], line["records"]) == ("6.1", ["a"], 2)
    assert (line["machine"], line["host"], line["date"]) == (MACHINE, "web-1", "2026-06-02")
    assert line["saved"] == "1970-01-02T00:00:00Z"
    assert line["bundle"] == {
        "key": f"v1/dumps/42/{MACHINE}/20260602T021501Z-oops-1~{ID[:16]}.tar.gz",
        "size": 1, "sha256": "a", "tar_sha256": "b",
    }  # fmt: skip
    assert "3d1219c7" not in str(line)


ANYTHING = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
)
KINDS = {"trace": {list}, "crash": {bool, type(None)}, "complete": {bool, type(None)}}
NUMBERS = ("count", "cpu", "pid", "boot_order", "records")


@given(some.dictionaries(some.sampled_from([*SUMMARY, "task", "ip", "stack"]), ANYTHING))
def test_every_column_has_its_type_whatever_a_summary_says(summary: dict[str, Any]) -> None:
    line = a_line(summary)
    assert set(line) == set(a_line(SUMMARY))
    for name in entry.COLUMNS:
        usual = {int, type(None)} if name in NUMBERS else {str, type(None)}
        assert type(line[name]) in KINDS.get(name, usual), name


def test_a_line_is_bounded() -> None:
    huge: dict[str, Any] = dict.fromkeys(("title", "class", "signature", "boot"), "x" * 10**6)
    huge["trace"] = [{"function": "f" * 10**6}] * 1000
    assert len(json.dumps(a_line(huge))) < 100_000
