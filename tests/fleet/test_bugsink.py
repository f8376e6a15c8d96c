"""A real Bugsink: an event for each dump, however often it is sent; an issue for each signature."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pstorefs.fleet import sentry, ship
from pstorefs.settings.ship import Ship, apply
from tests.fleet import site
from tests.fleet.servers import Proxy, free_ports

#: tests/run makes it: slow-requirements.txt.
_VENV = Path(__file__).parents[2] / ".venv" / "slow" / "bin"
_READY_SECONDS = 120
_CONFIG = """
from bugsink.settings.default import *
SECRET_KEY = "x" * 50
DATABASES["default"]["NAME"] = "{base}/db.sqlite3"
DATABASES["snappea"]["NAME"] = "{base}/snappea.sqlite3"
SNAPPEA = {{"TASK_ALWAYS_EAGER": True, "NUM_WORKERS": 1, "PID_FILE": None,
           "WAKEUP_CALLS_DIR": "{base}/wakeup"}}
# strict: an event that is not as Sentry's schema has it is refused.
BUGSINK = {{"BASE_URL": "http://127.0.0.1:{port}", "INGEST_STORE_BASE_DIR": "{base}/ingestion",
           "VALIDATE_ON_DIGEST": "strict", "PHONEHOME": False}}
ALLOWED_HOSTS = ["*"]
"""
_PROJECT = """
from projects.models import Project
print(Project.objects.create(name="crashes").sentry_key.hex)
"""
_FOUND = """
import json
from events.models import Event
print(json.dumps([
    {"issue": str(one.issue_id), "id": one.event_id.hex, "release": one.release,
     "data": one.get_parsed_data()} for one in Event.objects.all()]))
"""


def managed(base: Path, *words: str) -> str:
    done = subprocess.run(
        [_VENV / "bugsink-manage", *words], cwd=base, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().rpartition("\n")[2]


@contextmanager
def bugsink(base: Path) -> Iterator[str]:
    """A DSN of a Bugsink that keeps its data in a directory."""
    (port,) = free_ports(1)
    (base / "bugsink_conf.py").write_text(_CONFIG.format(base=base, port=port))
    managed(base, "migrate")
    managed(base, "migrate", "--database=snappea", "snappea")
    key = managed(base, "shell", "-c", _PROJECT)
    words = [_VENV / "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads=4", "bugsink.wsgi"]
    with (base / "log").open("w") as log:
        server = subprocess.Popen(words, cwd=base, stdout=log, stderr=log)
    try:
        end = time.monotonic() + _READY_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=9):
                    break
            except OSError:
                assert time.monotonic() < end, (base / "log").read_text()[-2000:]
                time.sleep(0.2)
        yield f"http://{key}@127.0.0.1:{port}/1"
    finally:
        server.terminate()
        server.wait(60)


def sent(archive: Path, state: Path, machine: str, dsn: str) -> None:
    """All dumps of an archive, by a machine that has no receipts yet."""
    settings = Ship()
    apply(settings, "sentry", dsn)
    (receiver,) = settings.receivers()
    sender = site.sender(archive, state, sentry.Sentry(receiver), machine=machine)
    waiting = sorted(path.name for path in archive.glob("2*"))
    results = ship.run(sender._replace(prepare=sentry.prepared), waiting)
    assert {result.result for result in results} == {ship.SHIPPED}, results


@pytest.mark.slow
def test_30_dumps_sent_twice_are_30_events_and_as_many_issues_as_signatures(
    tmp_path: Path,
) -> None:
    archive, base = site.archived(tmp_path), tmp_path / "bugsink"
    base.mkdir()
    with bugsink(base) as dsn:
        key, _, place = dsn.removeprefix("http://").partition("@")
        for times in range(2):
            with Proxy(
                f"http://{place.partition('/')[0]}", busy=0.2, lost=0.1, seed=times
            ) as proxy:
                through = f"http://{key}@{proxy.endpoint.removeprefix('http://')}/1"
                for number in range(3):
                    state = tmp_path / f"state-{times}-{number}"
                    sent(archive, state, f"machine-{number}", through)
        found: list[dict[str, Any]] = json.loads(managed(base, "shell", "-v0", "-c", _FOUND))
    summaries = [json.loads(path.read_text()) for path in archive.glob("2*/summary.json")]
    signatures = {summary["signature"] for summary in summaries}
    assert (len(summaries), len(signatures)) == (10, 6)
    assert len(found) == len({one["id"] for one in found}) == 30
    assert len({one["issue"] for one in found}) == len(signatures)
    by_dump = {summary["name"]: summary for summary in summaries}
    for one in found:
        tags = one["data"]["tags"]
        summary = by_dump[tags["dump"]]
        assert tags["signature"] == summary["signature"]
        assert one["release"] == tags["kernel"] == summary["kernel"]["release"]
    issues = {(one["issue"], one["data"]["tags"]["signature"]) for one in found}
    assert len(issues) == len(signatures)
