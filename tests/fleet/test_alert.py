"""The whole chain for real: a file, node_exporter, Prometheus, Alertmanager, and who is called."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.servers import free_ports
from tests.fleet.test_metrics import RULES, archive_with_metrics
from tests.fleet.test_ship import shipped
from tests.records import capture

_READY_SECONDS = 60.0
_PROMETHEUS = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{manager}"]}}]}}]}}
scrape_configs: [{{job_name: node, static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]}}]
"""
_ALERTMANAGER = """\
route: {{receiver: on-call, group_by: [alertname], group_wait: 1s, group_interval: 1s}}
receivers: [{{name: on-call, webhook_configs: [{{url: "http://127.0.0.1:{webhook}/"}}]}}]
"""


@contextmanager
def running(log: Path, *words: str) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, cwd=log.parent)
    try:
        yield
        assert process.poll() is None, log.read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def called() -> Iterator[tuple[int, queue.Queue[dict[str, Any]]]]:
    """Whoever is on call: a port, and what came there."""
    found: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, found
    finally:
        server.shutdown()
        server.server_close()


def asked(port: int, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers; nothing while it is not up."""
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=10
        ) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found
    except OSError:
        return []


def until_asked(port: int, query: str) -> list[dict[str, Any]]:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        if found := asked(port, query):
            return found
        time.sleep(0.5)
    raise AssertionError(f"Prometheus has no {query}")


@contextmanager
def chain(base: Path, textfiles: Path, webhook: int) -> Iterator[int]:
    """node_exporter, Prometheus and Alertmanager; the port of Prometheus."""
    exporter, prometheus, manager = free_ports(3)
    ports = {"exporter": exporter, "manager": manager, "webhook": webhook}
    rules = RULES / "pstorefs.rules.yml"
    (base / "prometheus.yml").write_text(_PROMETHEUS.format(rules=rules, **ports))
    (base / "alertmanager.yml").write_text(_ALERTMANAGER.format(**ports))
    programs = {
        "exporter": [
            *("prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile"),
            *("--collector.textfile.directory", str(textfiles)),
            *("--web.listen-address", f"127.0.0.1:{exporter}"),
        ],
        "alertmanager": [
            *("prometheus-alertmanager", f"--config.file={base}/alertmanager.yml"),
            *(f"--storage.path={base}/manager", "--cluster.listen-address="),
            f"--web.listen-address=127.0.0.1:{manager}",
        ],
        "prometheus": [
            *("prometheus", f"--config.file={base}/prometheus.yml"),
            *(f"--storage.tsdb.path={base}/tsdb", f"--web.listen-address=127.0.0.1:{prometheus}"),
        ],
    }
    with ExitStack() as stack:
        for name, words in programs.items():
            stack.enter_context(running(base / f"{name}.log", *words))
        yield prometheus


@pytest.mark.slow
def test_a_crash_calls_whoever_is_on_call(tmp_path: Path) -> None:
    textfiles, archive, records = (tmp_path / name for name in ("textfiles", "archive", "records"))
    textfiles.mkdir()
    records.mkdir()
    file = textfiles / "pstorefs.prom"
    assert archive_with_metrics(records, archive, file).returncode == 0
    with called() as (webhook, calls), chain(tmp_path, textfiles, webhook) as prometheus:
        until_asked(prometheus, "pstorefs_newest_crash_timestamp_seconds")
        capture("erst-mixed-upgrade").write("enc", records)
        assert archive_with_metrics(records, archive, file).returncode == 0
        (tmp_path / "spool").mkdir()
        words = ("--now", "-o", f"metrics={textfiles}/pstorefs-ship.prom")
        assert shipped(tmp_path / "spool", archive, tmp_path / "state", *words).returncode == 0
        alert = calls.get(timeout=_READY_SECONDS)["alerts"][0]
        # Both programs in one directory: no series twice, no file that could not be read.
        (shipped_total,) = until_asked(prometheus, "pstorefs_ship_shipped_total")
        (broken,) = until_asked(prometheus, "node_textfile_scrape_error")
    assert (shipped_total["value"][1], broken["value"][1]) == ("10", "0")
    assert (alert["status"], alert["labels"]["alertname"]) == ("firing", "KernelCrashed")
    newest = max(path.name for path in archive.glob("2*"))
    summary = json.loads((archive / newest / "summary.json").read_text())
    assert alert["labels"]["dump"] == newest
    assert alert["labels"]["signature"] == summary["signature"]
    assert alert["labels"]["kernel"] == summary["kernel"]["release"]
    assert alert["annotations"]["description"] == f"On that machine: pstorefs --show {newest}"
