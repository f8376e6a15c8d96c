"""The page of --report-html over a real SeaweedFS, with what --ship sent there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fleet import servers, site
from tests.mount.conftest import COMMAND
from tests.unit.test_picture import Page, harmless

ROOT = Path(__file__).parents[2]
URL = f"s3://{servers.BUCKET}/page"


def run(*words: str, key: tuple[str, str] = servers.ALL) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}
    return subprocess.run(
        [sys.executable, "-m", "pstorefs", *words], cwd=ROOT, env=environment, text=True,
        capture_output=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def shipped(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    base = tmp_path_factory.mktemp("page")
    for machine in ("rack-1", "rack-2", "rack-3"):
        archive = site.archived(base / machine)
        options = f"endpoint={endpoint},archive={archive},state={base / machine}-state"
        done = run("--ship", URL, "--now", "-o", f"{options},machine={machine},host={machine}")
        assert (done.returncode, done.stderr) == (0, "")
    return endpoint


def test_the_page_shows_what_three_machines_have_shipped(shipped: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    done = run("--report-html", URL, str(path), "-o", f"endpoint={shipped}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: 30 crashes in 30 days\n"
    page = harmless(path.read_bytes())
    assert page.text("h1") == f"Crashes in {URL}"
    assert "dereference in lkdtm_EXCEPTION" in page.text("a")
    assert "2:f07349483315c4ad" in page.text("span")
    assert page.text("pre").count("The kernel's own report:") == 6
    # sysrq triggered crash: 5 on each of 3 machines
    assert "15" in page.texts["td"]
    assert "rack-1 (5), rack-2 (5), rack-3 (5)" in page.text("dd")
    assert "leaves out" not in page.text("h2")


def test_a_key_that_may_only_write_gets_a_line_and_no_page(shipped: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    words = ["--report-html", URL, str(path), "-o", f"endpoint={shipped}"]
    done = run(*words, key=servers.DROP)
    assert (done.returncode, done.stderr.count("\n"), path.exists()) == (2, 1, False)
    assert "403 AccessDenied" in done.stderr


def test_a_store_that_is_not_there_gets_a_line_and_the_old_page_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    (port,) = servers.free_ports(1)
    done = run("--report-html", URL, str(path), "-o", f"endpoint=http://127.0.0.1:{port}")
    assert (done.returncode, done.stderr.count("\n"), path.read_text()) == (2, 1, "old")
    assert URL in done.stderr


def test_an_empty_store_is_a_page_without_crashes(endpoint: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    empty = f"s3://{servers.BUCKET}/nothing-here"
    assert run("--report-html", empty, str(path), "-o", f"endpoint={endpoint}").returncode == 0
    assert "No crash on record." in Page(path.read_bytes()).text("p")


class Slow(servers.Proxy):
    """Lists at once, and takes its time for all else."""

    def saw(self, method: str, path: str, headers: dict[str, str]) -> None:
        super().saw(method, path, headers)
        if "list-type" not in path:
            self.delay = 40


def test_who_interrupts_it_does_not_wait_for_the_store(shipped: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with Slow(shipped) as proxy:
        words = ["--report-html", URL, str(path), "-o", f"endpoint={proxy.endpoint}"]
        keys = {"AWS_ACCESS_KEY_ID": servers.ALL[0], "AWS_SECRET_ACCESS_KEY": servers.ALL[1]}
        asking = subprocess.Popen(
            ["env", "--default-signal=INT", *COMMAND, *words],
            cwd=ROOT,
            text=True,
            stderr=subprocess.PIPE,
            env=os.environ | keys,
        )
        end = time.monotonic() + 60
        while not proxy.delay:
            assert time.monotonic() < end
            time.sleep(0.01)
        asking.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert (asking.communicate()[1], asking.returncode) == ("", 130)
        assert time.monotonic() - begun < 10
    assert list(tmp_path.iterdir()) == []
