"""Events for a Sentry: what is in them, what answers mean, and that no key is ever shown."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pstorefs.cli import pstorefs
from pstorefs.cli import ship as program
from pstorefs.fleet import dumps, entry, keys, receipts, sentry, ship
from pstorefs.fleet.store import DONE, EXISTS, REFUSED, RETRY
from pstorefs.settings.ship import Ship, ShipError, apply
from pstorefs.source import timeout
from tests.fleet import site

ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef0123456789abcdef"
ROW = dict.fromkeys(entry.COLUMNS) | {"trace": []}


class Receiver(ThreadingHTTPServer):
    """Answers by a list, then 200; keeps what it is given."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, bytes]] = []
        self.seen: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def dsn(self) -> str:
        return f"http://{KEY}@127.0.0.1:{self.server_port}/base/7"

    def events(self) -> list[dict[str, Any]]:
        """The events of all envelopes, each checked as an envelope."""
        found = []
        for path, headers, body in self.seen:
            assert path == "/base/api/7/envelope/"
            assert f"sentry_key={KEY}" in headers["X-Sentry-Auth"]
            head, item, payload, rest = body.split(b"\n")
            assert json.loads(item)["length"] == len(payload)
            event = json.loads(payload)
            assert (json.loads(head)["event_id"], rest) == (event["event_id"], b"")
            found.append(event)
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        status, words = self.server.answers.pop(0) if self.server.answers else (200, b"{}")
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def do_GET(self) -> None:
        raise AssertionError("a redirection was followed")

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return site.archived(tmp_path)


def engine(dsn: str, **options: str) -> sentry.Sentry:
    settings = Ship()
    for name, value in {"sentry": dsn, **options}.items():
        apply(settings, name, value)
    return sentry.Sentry(settings.receivers()[-1])


ANSWERS = [
    # the answer, what it means, whether all events would fare the same
    (200, b"{}", DONE, False),
    (201, b"", DONE, False),
    (200, b"ok", DONE, False),
    (200, b"\n<!DOCTYPE html><title>Welcome to our hotel</title>", RETRY, True),
    (400, b'{"message": "[\'Event already exists\']"}', EXISTS, False),
    (400, b"no", REFUSED, False),
    (413, b"", REFUSED, False),
    (401, b"", REFUSED, True),
    (403, b"", REFUSED, True),
    (404, b"", REFUSED, True),
    (302, b"", REFUSED, True),
    (307, b"", REFUSED, True),
    (408, b"", RETRY, True),
    (429, b"", RETRY, True),
    (500, b"x" * 100_000, RETRY, True),
    (503, b"", RETRY, True),
]


def test_what_speaks_no_http_is_no_receiver() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"\x1b]0;SSH-2.0-OpenSSH_9.2\r\n" * 3)

        thread = threading.Thread(target=answer)
        thread.start()
        dsn = f"http://{KEY}@127.0.0.1:{server.getsockname()[1]}/7"
        outcome = engine(dsn).put("id", b"{}", sentry.KIND)
        thread.join()
    assert (outcome.result, outcome.store_wide) == (RETRY, True)
    assert outcome.why.endswith("check the DSN")


@pytest.mark.parametrize(("status", "body", "result", "store_wide"), ANSWERS)
def test_what_an_answer_means(
    status: int, body: bytes, result: str, store_wide: bool, receiver: Receiver
) -> None:
    receiver.answers = [(status, body)]
    outcome = engine(receiver.dsn).put("id", b"{}", sentry.KIND)
    assert (outcome.result, outcome.store_wide) == (result, store_wide)
    assert bool(outcome.why) == (not outcome.there)


def test_nobody_there_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        outcome = engine(f"http://{KEY}@127.0.0.1:{port}/1").put("id", b"{}", sentry.KIND)
    assert (outcome.result, outcome.why) == (RETRY, "Connection refused")


def test_an_answer_that_never_ends_is_given_up_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A byte now and then: no single read takes too long."""
    monkeypatch.setattr(timeout, "TIMEOUT_SECONDS", 0.5)
    ended = threading.Event()

    def drip(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 ")
                while not ended.wait(0.1):
                    connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        one = engine(f"http://{KEY}@127.0.0.1:{port}/1")
        outcome = one.put("id", b"{}", sentry.KIND)
        assert (outcome.result, outcome.why) == (RETRY, "no answer in time")
        ended.set()
        assert one.put("id", b"{}", sentry.KIND).why != "no answer in time"
        thread.join(10)


@contextmanager
def with_tls(receiver: Receiver, base: Path) -> Iterator[Path]:
    """The receiver behind a certificate that only this file knows."""
    certificate, key = base / "cert.pem", base / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    yield certificate


def test_a_certificate_that_nobody_trusts_is_refused(receiver: Receiver, tmp_path: Path) -> None:
    with with_tls(receiver, tmp_path) as certificate:
        dsn = f"https://{KEY}@localhost:{receiver.server_port}/base/7"
        outcome = engine(dsn).put("id", b"{}", sentry.KIND)
        assert (outcome.result, outcome.store_wide) == (REFUSED, True)
        assert "certificate" in outcome.why
        assert receiver.seen == []
        assert engine(dsn, ca=str(certificate)).put("id", b"{}", sentry.KIND).result == DONE


# The event


def test_an_event_says_what_summary_json_says(receiver: Receiver, archive: Path) -> None:
    state = archive.parent / "state"
    sender = site.sender(archive, state, engine(receiver.dsn))._replace(prepare=sentry.prepared)
    assert {result.result for result in site.run(sender)} == {ship.SHIPPED}
    events = {one["tags"]["dump"]: one for one in receiver.events()}
    assert len(events) == 10
    name = "20260601T011501Z-oops-1"
    summary = json.loads((archive / name / "summary.json").read_text())
    one = events[name]
    assert one["fingerprint"] == ["pstorefs", summary["signature"]]
    assert one["release"] == one["contexts"]["os"]["version"] == summary["kernel"]["release"]
    assert one["timestamp"] == 1780276501  # 2026-06-01 01:15:01 UTC
    assert one["server_name"] == summary["machine"]["hostname"]
    assert summary["machine"]["machine_id"] not in json.dumps(list(events.values()))
    (what,) = one["exception"]["values"]
    assert (what["type"], what["value"]) == (summary["class"], summary["title"])
    reliable = [frame["function"] for frame in summary["trace"] if frame["reliable"]]
    assert [frame["function"] for frame in what["stacktrace"]["frames"]] == reliable[::-1] != []


def test_the_id_of_an_event_is_that_of_machine_and_dump() -> None:
    ids = [sentry.event_id_of(machine, dump) for machine in "ab" for dump in "cd"]
    assert len(set(ids)) == 4
    assert ids == [sentry.event_id_of(machine, dump) for machine in "ab" for dump in "cd"]
    assert all(len(one) == 32 and int(one, 16) for one in ids)


HOSTILE = {
    "title": "x\x1b[31m\n" * 100, "class": "\n" * 999, "signature": "2:\x00", "kernel": "a/../b",
    "hardware": "h" * 1000, "trace": ["f\n"] * 64, "crash": True,
}  # fmt: skip


def test_what_a_summary_claims_is_one_line_and_short() -> None:
    names = keys.names("m", "dump", "0" * 16, 1, "", "", "none")
    one = sentry.event("0" * 32, names, ROW | HOSTILE)
    text = json.dumps(one, ensure_ascii=False)
    assert text.isprintable()
    assert len(text) < 10_000
    assert all(len(value) <= 200 for value in one["tags"].values())
    assert "release" not in one  # a slash is no part of one
    assert "server_name" not in one


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=50)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3)
NESTED = st.fixed_dictionaries(
    {},
    optional={
        name: VALUES
        | st.dictionaries(st.sampled_from(["release", "build", "function", "module"]), VALUES)
        | st.lists(st.fixed_dictionaries({"function": VALUES, "reliable": VALUES}), max_size=3)
        for name in {path[0] for path, _ in entry.COLUMNS.values()}
    },
)


@settings(max_examples=100, deadline=None)
@given(NESTED)
def test_any_summary_makes_an_event_of_printable_text(summary: dict[str, Any]) -> None:
    names = keys.names("m", "dump", "0" * 16, 1, "", "", "")
    one = sentry.event("0" * 32, names, entry.columns(summary))
    assert json.dumps(one, ensure_ascii=False).isprintable()
    assert one["exception"]["values"][0]["value"]
    assert all(one["fingerprint"])


def test_a_crash_without_a_signature_has_an_issue_by_its_title() -> None:
    names = keys.names("m", "dump", "0" * 16, 1, "", "", "")
    one = sentry.event("0" * 32, names, ROW | {"title": "kernel panic: x", "crash": True})
    assert one["fingerprint"] == ["pstorefs", "no signature", "kernel panic: x"]


def test_what_is_no_crash_gets_a_receipt_and_no_request(
    receiver: Receiver, archive: Path, tmp_path: Path
) -> None:
    name = "20260601T011501Z-oops-1"
    saved = tmp_path / "archive" / name / "summary.json"
    summary = json.loads(saved.read_text()) | {"crash": False, "signature": None}
    saved.write_text(json.dumps(summary))
    sender = site.sender(archive, tmp_path / "state", engine(receiver.dsn))
    sender = sender._replace(prepare=sentry.prepared)
    assert dumps.brief(sender.archive, name).signature == ""
    assert {result.result for result in ship.run(sender, [name])} == {ship.SHIPPED}
    assert receiver.seen == []
    assert name not in receipts.pending(sender.archive, sender.receipts)


# The DSN


GOOD = [
    ("https://k@h/1", "https://h/1", "k"),
    ("https://k:secret@h:9000/a/b/12/", "https://h:9000/a/b/12", "k"),
    ("http://k@[::1]:80/1", "http://[::1]:80/1", "k"),
]


@pytest.mark.parametrize(("dsn", "url", "key"), GOOD)
def test_a_dsn_is_an_url_and_a_key(dsn: str, url: str, key: str) -> None:
    settings = Ship()
    apply(settings, "sentry", dsn)
    apply(settings, "endpoint", "https://of.the.store")
    (one,) = settings.receivers()
    assert (one.url, one.key, one.store_name) == (url, key, url)
    apply(settings, "url", "s3://b/x")
    assert [each.key for each in settings.receivers()] == ["", key]


BAD = [
    f"{KEY}@h/1", f"https://{KEY}@h", f"https://{KEY}@/1", f"ftp://{KEY}@h/1", f"https://{KEY}/1",
    f"https://:{KEY}@h/1", f"https://{KEY}@h/..", f"https://{KEY}@h/a b/1", f"https://{KEY}@h/1?x=y",
    f"https://{KEY}\r\nX@h/1", f"https://{KEY}@h\r\n/1", f"https://{KEY}@[::1/1",
    f"https://{KEY}@[::1]x/1", f"https://{KEY}@[::::1]/1", f"https://{KEY}@::1/1",
    f"https://{KEY}@h:/1", f"https://{KEY}@h:x/1", f"https://{KEY}@h:0/1", f"https://{KEY}@h:65536/1",
]  # fmt: skip


@pytest.mark.parametrize("dsn", BAD)
def test_what_is_no_dsn_is_refused_without_showing_it(dsn: str) -> None:
    with pytest.raises(ShipError, match="option sentry") as caught:
        apply(Ship(), "sentry", dsn)
    assert KEY not in str(caught.value)


MISPLACED = [
    ["--ship", f"https://{KEY}@h/1"],
    ["--ship", "s3://b/x", f"https://{KEY}@h/1"],
    ["--ship", "s3://b/x", "-o", f"endpoint=https://{KEY}:x@h"],
    ["--ship", f"--snetry=https://{KEY}@h/1"],
    ["--ship", "s3://b/x", "-o", f"snetry=https://{KEY}@h/1"],
    [f"--sentry=https://{KEY}@h"],
]


@pytest.mark.parametrize("words", MISPLACED)
def test_a_key_in_the_wrong_place_is_not_shown(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert pstorefs.main(words) == 1
    said = capsys.readouterr()
    assert said.err.startswith("pstorefs: ")
    assert KEY not in said.out + said.err


# The command


def command(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pstorefs", *words],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=60,
        env={**os.environ, "CONFIGURATION_DIRECTORY": str(config)},
    )  # fmt: skip


def test_store_and_sentry_get_all_dumps_once_and_the_key_is_nowhere(
    receiver: Receiver, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "ship.conf").write_text(
        f"url = file://{tmp_path}/spool\nsentry = {receiver.dsn}\narchive = {archive}\n"
        f"state = {tmp_path}/state\nmetrics = {tmp_path}/ship.prom\n"
    )
    receiver.answers = [(403, b"")]
    first = command(tmp_path, "--ship", "--now")
    assert first.returncode == 2
    assert "403: the key of the DSN is not accepted" in first.stderr
    assert "pstorefs_ship_pending 10\n" in (tmp_path / "ship.prom").read_text()
    second = command(tmp_path, "--ship", "--now")
    assert (second.returncode, second.stderr) == (0, "")
    assert "pstorefs_ship_pending 0\n" in (tmp_path / "ship.prom").read_text()
    assert "pstorefs_ship_shipped_total 20\n" in (tmp_path / "ship.prom").read_text()
    requests = len(receiver.seen)
    assert requests == 11
    assert command(tmp_path, "--ship").stdout == ""
    assert len(receiver.seen) == requests
    assert site.all_well(site.wrong(site.contents(tmp_path / "spool"), site.expected(archive)))
    (tmp_path / "ship.conf").unlink()
    said = first.stdout + first.stderr + second.stdout + (tmp_path / "ship.prom").read_text()
    assert KEY not in said
    for path in (tmp_path / "state").rglob("*"):
        assert KEY not in str(path)
        assert path.is_dir() or KEY.encode() not in path.read_bytes()


@pytest.mark.parametrize(("status", "windows"), [(0, [900, 0]), (3, [900, 0]), (2, [900, 900])])
def test_what_one_receiver_has_waited_the_next_one_need_not(
    status: int, windows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def shipped(receiver: Ship, _: list[str]) -> int:
        seen.append(receiver.window)
        return status

    monkeypatch.setattr(program, "pending", lambda *_: ["dump"])
    monkeypatch.setattr(program, "_ship", shipped)
    settings = Ship()
    apply(settings, "url", "s3://b/x")
    apply(settings, "sentry", "https://k@h/1")
    assert program._ship_all(settings) == status
    assert seen == windows


def test_a_dsn_alone_needs_no_store_and_keeps_keep_from_what_it_lacks(
    receiver: Receiver, archive: Path, tmp_path: Path
) -> None:
    words = ["--sentry", receiver.dsn, "--now", "-o", f"archive={archive},state={tmp_path}/state"]
    assert command(tmp_path, *words).returncode == 0
    assert len({one["event_id"] for one in receiver.events()}) == 10
    done = command(tmp_path, *words, "--check")
    assert (done.returncode, "--check needs a store" in done.stderr) == (1, True)
    done = command(tmp_path, "--sentry")
    assert (done.returncode, "needs a DSN" in done.stderr) == (1, True)
    (tmp_path / "ship.conf").write_text(
        f"sentry = {receiver.dsn}\narchive = {archive}\nstate = {tmp_path}/other\n"
    )
    (tmp_path / "empty").mkdir()
    keep = f"archive={archive},archive_volatile,keep=1"
    done = command(tmp_path, "--archive", "-o", keep, f"{tmp_path}/empty")
    assert "only after pstorefs --ship has shipped it" in done.stderr
    assert len(list(archive.glob("2*"))) == 10
