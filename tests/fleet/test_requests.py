"""What is sent over the network, and what becomes of every answer: a real SeaweedFS, by a proxy."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pstorefs.fleet import ship
from pstorefs.fleet.remote import RemoteError
from pstorefs.fleet.store import DONE, EXISTS, REFUSED, RETRY
from tests.fleet import servers, site

ROOT = Path(__file__).parents[2]
KEYS = {"AWS_ACCESS_KEY_ID": servers.DROP[0], "AWS_SECRET_ACCESS_KEY": servers.DROP[1]}


@pytest.fixture
def proxy(endpoint: str) -> Iterator[servers.Proxy]:
    with servers.Proxy(endpoint) as found:
        yield found


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    return f"v1/{hashlib.sha256(request.node.name.encode()).hexdigest()}"


def test_a_put_is_one_request_with_a_condition_and_both_checksums(
    proxy: servers.Proxy, key: str
) -> None:
    assert servers.store(proxy.endpoint).put(key, b"hello", "application/json").result == DONE
    ((method, path, headers),) = proxy.seen
    digest = hashlib.sha256(b"hello")
    assert (method, path) == ("PUT", f"/{servers.BUCKET}/fleet/{key}")
    assert headers["if-none-match"] == "*"
    assert headers["content-type"] == "application/json"
    assert headers["x-amz-checksum-sha256"] == base64.b64encode(digest.digest()).decode()
    assert headers["x-amz-content-sha256"] == digest.hexdigest()
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"if-none-match", "x-amz-checksum-sha256", "x-amz-content-sha256"} <= set(signed)
    assert headers["user-agent"].startswith("pstorefs/")


def test_a_second_put_exists_and_changes_nothing(proxy: servers.Proxy, key: str) -> None:
    store = servers.store(proxy.endpoint)
    assert store.put(key, b"one", "x/y").result == DONE
    assert store.put(key, b"two", "x/y").result == EXISTS
    assert servers.listed(proxy.endpoint)[key] == b"one"


ANSWERS = [
    (400, REFUSED, False), (401, REFUSED, True), (403, REFUSED, True), (404, REFUSED, True),
    (405, REFUSED, True), (408, RETRY, True), (409, RETRY, True), (412, EXISTS, False),
    (413, REFUSED, False), (429, RETRY, True), (500, RETRY, True), (502, RETRY, True),
    (503, RETRY, True), (504, RETRY, True),
]  # fmt: skip


@pytest.mark.parametrize(("status", "result", "store_wide"), ANSWERS)
def test_every_answer_has_its_meaning(
    status: int, result: str, store_wide: bool, proxy: servers.Proxy, key: str
) -> None:
    proxy.answers = [status]
    outcome = servers.store(proxy.endpoint).put(key, b"x", "x/y")
    assert (outcome.result, outcome.store_wide) == (result, store_wide)
    assert len(proxy.seen) == 1, "obstore's own retries are off"
    assert (str(status) in outcome.why) == (result != EXISTS)


def test_a_lost_answer_is_tried_again_and_the_object_is_there(
    proxy: servers.Proxy, key: str
) -> None:
    proxy.lost = 1.0
    store = servers.store(proxy.endpoint)
    assert store.put(key, b"x", "x/y").result == RETRY
    proxy.lost = 0.0
    assert store.put(key, b"x", "x/y").result == EXISTS


def test_a_store_that_knows_no_conditions_gets_none(proxy: servers.Proxy, key: str) -> None:
    proxy.answers = [501]
    store = servers.store(proxy.endpoint)
    assert store.put(key, b"x", "x/y").result == DONE
    assert store.put(key, b"x", "x/y").result == DONE
    assert ["if-none-match" in headers for _, _, headers in proxy.seen] == [True, False, False]


UNREACHABLE = [
    ("http://127.0.0.1:1", "Connection refused"),
    ("http://no.such.host.invalid", "lookup"),
]


@pytest.mark.parametrize(("endpoint_", "words"), UNREACHABLE)
def test_a_store_that_cannot_be_reached_is_tried_again_and_says_why(
    endpoint_: str, words: str
) -> None:
    outcome = servers.store(endpoint_).put("v1/x", b"x", "x/y")
    assert outcome.result == RETRY
    assert words in outcome.why


def test_wrong_credentials_are_refused(endpoint: str) -> None:
    outcome = servers.store(endpoint, ("AKIDDROP", "wrong")).put("v1/x", b"x", "x/y")
    assert (outcome.result, outcome.store_wide) == (REFUSED, True)
    assert "credentials" in outcome.why


def test_a_key_that_may_only_write_suffices_for_all(proxy: servers.Proxy, tmp_path: Path) -> None:
    archive = site.archived(tmp_path)
    store = servers.store(proxy.endpoint, prefix="writeonly")
    results = site.run(site.sender(archive, tmp_path / "state", store))
    assert ship.status(results) == 0
    assert {method for method, _, _ in proxy.seen} == {"PUT"}
    assert len(proxy.seen) == 2 * len(results)
    objects = servers.listed(proxy.endpoint, "writeonly")
    assert site.all_well(site.wrong(objects, site.expected(archive)))


def command(endpoint: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "AWS" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pstorefs", "--ship", "s3://crash/command", *words],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
        env={**environment, "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", **more},
    )  # fmt: skip


def test_credentials_come_from_the_environment_a_file_or_the_service_manager(
    endpoint: str, tmp_path: Path
) -> None:
    lines = "# the drop key\nAWS_ACCESS_KEY_ID=AKIDDROP\nAWS_SECRET_ACCESS_KEY=secretdrop\n"
    (tmp_path / "pstorefs-ship").write_text(lines)
    file = tmp_path / "pstorefs-ship"
    ways = [
        command(endpoint, "--check", "-o", f"credentials={file}"),
        command(endpoint, "--check", CREDENTIALS_DIRECTORY=str(tmp_path)),
        command(endpoint, "--check", **KEYS),
    ]
    for done in ways:
        assert (done.returncode, done.stderr) == (0, "")
        assert "are not overwritten" in done.stdout
    (tmp_path / "bad").write_text("AWS_SECRET_ACCESS_KEY: hunter2\n")
    done = command(endpoint, "--check", "-o", f"credentials={tmp_path / 'bad'}")
    assert done.returncode == 2
    assert "line 1 is not NAME=VALUE" in done.stderr
    assert "hunter2" not in done.stderr


def test_check_says_what_a_thief_of_the_credentials_could_do(proxy: servers.Proxy) -> None:
    thief = "warning: the store overwrites them if it is not asked not to: whoever has"
    done = command(proxy.endpoint, "--check", **KEYS)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"existing objects are not overwritten by pstorefs\n{thief}" in done.stdout
    conditions = [headers.get("if-none-match") for _, _, headers in proxy.seen]
    assert conditions == ["*", "*", None]
    proxy.create_only = True
    done = command(proxy.endpoint, "--check", **KEYS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "existing objects are not overwritten\n" in done.stdout
    assert "the store overwrites" not in done.stdout


def test_a_key_that_may_only_write_overwrites_what_nothing_protects(endpoint: str) -> None:
    there = servers.store(endpoint, prefix="thief")
    assert there.put("v1/x", b"one", "x/y").result == DONE
    assert there.put("v1/x", b"two", "x/y").result == EXISTS
    assert there.put_over("v1/x", b"two", "x/y").result == DONE
    assert servers.listed(endpoint, "thief")["v1/x"] == b"two"


def test_a_store_that_overwrites_is_told_from_one_that_does_not(proxy: servers.Proxy) -> None:
    proxy.answers = [501]  # from then on without conditions: as stores that ignore them
    done = command(proxy.endpoint, "--check", **KEYS)
    assert done.returncode == 0
    assert "warning: the store overwrites" in done.stdout


def test_a_page_of_a_proxy_is_no_empty_fleet(proxy: servers.Proxy) -> None:
    there = servers.store(proxy.endpoint, servers.ALL, prefix="portal")
    assert (there.folders("v1/index/"), there.names("v1/index/date=2026-11-28/").names) == ([], [])
    proxy.nonsense = b"<html>please log in</html>"  # as XML it is a list without keys
    for ask in (there.folders, there.names):
        with pytest.raises(RemoteError, match="not from a store"):
            ask("v1/index/")


WORKERS = """
import os
os.sched_getaffinity = lambda _: range(64)
from pstorefs.fleet.objects import Objects
from pstorefs.settings.ship import Ship
settings = Ship()
settings.url, settings.endpoint = "s3://b/fleet", "http://127.0.0.1:1"
Objects(settings).put("key", b"", "text/plain")
print(len(os.listdir("/proc/self/task")) - 1)
"""


def test_a_machine_of_64_processors_has_not_64_threads_to_send() -> None:
    """Their stacks take 128 MiB of what a run may have."""
    # This process may have obstore as well, and have set it.
    others = {name: value for name, value in os.environ.items() if name[:6] != "TOKIO_"}
    done = subprocess.run(
        [sys.executable, "-c", WORKERS], cwd=ROOT, env={**others, **KEYS}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "4\n"
