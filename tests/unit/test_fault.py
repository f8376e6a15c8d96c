"""A fault of this program in a decoder costs one record, wherever that record is shown or saved."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pstorefs.archive import shelf
from pstorefs.archive.engine import archive
from pstorefs.archive.outcome import CLEARED
from pstorefs.archive.policy import Policy
from pstorefs.catalog.catalog import Catalog, Place
from pstorefs.codecs import detect
from pstorefs.record.reading import UNDECODABLE
from pstorefs.record.record import ARCHIVE, STORE
from pstorefs.report import files
from pstorefs.report.material import material
from pstorefs.report.status import Reporter
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from pstorefs.tree.mirror import Mirror
from pstorefs.tree.mirror_directory import mirrored
from pstorefs.tree.record_file import RecordFile, State
from tests.records import capture


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with one record at which a codec fails as none should."""
    folder = capture("erst-deflate-6.1.192").write("enc", tmp_path / "store")
    bad = min(path for path in folder.iterdir() if path.name.endswith(".enc.z")).read_bytes()
    decode = detect.decode

    def faulty(payload: bytes, **how: bool) -> detect.Decoded:
        if payload == bad:
            raise ZeroDivisionError("a fault")
        return decode(payload, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(detect, "decode", faulty)
    monkeypatch.setattr(shelf, "_seen", type(shelf._seen)())
    return folder


def test_one_record_is_lost_to_mirror_dumps_status_and_archive_and_logged_once(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    count = len(list(source.iterdir()))
    store = OpenDirectory(str(source))
    target = tmp_path / "archive"
    catalog = Catalog([Place(STORE, store), Place(ARCHIVE, str(target))])
    with caplog.at_level(logging.ERROR, "pstorefs"):
        nodes = [
            node for _, node in mirrored(Mirror(store)).names() if isinstance(node, RecordFile)
        ]
        for node in nodes:
            node.find()
        assert [node.state for node in nodes].count(State.STORED) == 1
        states = [record.state for record in catalog.live()]
        assert len(states) == count
        assert states.count(UNDECODABLE) == 1
        reporter = Reporter(catalog, str(source), Machine(str(tmp_path)), own=False)
        assert b"1 undecodable" in reporter.text()
        policy = Policy(volatile=True, reserve_bytes=0, reserve_share=0)
        policy = policy._replace(compose=files.composer(Machine(str(tmp_path)), own=False))
        outcomes = archive(store, str(target), None, policy)
        assert len(outcomes) == count
        assert {outcome.result for outcome in outcomes} == {CLEARED}
    assert not list(source.iterdir())
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert "ZeroDivisionError" in caplog.text
    archived = [material(catalog, dump).keys() for dump in catalog.dumps(now=True).values()]
    assert archived
    problems = [each["problem"] for keys in archived for each in keys["records"]]
    assert [problem for problem in problems if problem] == [
        "a bug in pstorefs: ZeroDivisionError: a fault"
    ]
    store.close()
