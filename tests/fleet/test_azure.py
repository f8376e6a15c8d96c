"""Azure, as far as Azurite is Azure: --ship, --check and the mount."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pstorefs.fleet import ship
from pstorefs.fleet.remote import RemoteError
from pstorefs.fleet.store import DONE, EXISTS, REFUSED, RETRY
from tests.fleet import azurite, servers, site
from tests.fleet.test_mount import FLEET, FleetMount, check_all, start
from tests.mount.conftest import mounted

if TYPE_CHECKING:
    from pstorefs.fleet.objects import Objects

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(azurite.MISSING, reason="no Azurite: tests/run slow installs it"),
]
ROOT = Path(__file__).parents[2]
#: Keys of one answer of LIST, at most.
_PAGE = 5000


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azurite.azurite(tmp_path_factory.mktemp("azurite") / "server") as found:
        yield found


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def engine(endpoint: str, named: Mapping[str, str] = azurite.ALL, prefix: str = "x") -> Objects:
    return servers.engine(f"az://{azurite.CONTAINER}/{prefix}", endpoint, named)


@contextmanager
def by_proxy(endpoint: str, lost: float = 0.0) -> Iterator[tuple[servers.Proxy, str]]:
    """A proxy before Azurite, and the endpoint there."""
    server, _, account = endpoint.rpartition("/")
    with servers.Proxy(server, lost=lost) as proxy:
        yield proxy, f"{proxy.endpoint}/{account}"


WRITERS = [("key", azurite.ALL), ("sas", azurite.sas("cw"))]


@pytest.mark.parametrize(("name", "named"), WRITERS)
def test_a_second_put_exists_and_changes_nothing(
    name: str, named: Mapping[str, str], endpoint: str
) -> None:
    store = engine(endpoint, named)
    assert store.put(f"v1/{name}", b"one", "x/y").result == DONE
    assert store.put(f"v1/{name}", b"two", "x/y").result == EXISTS
    assert engine(endpoint).get(f"v1/{name}", 10) == b"one"


def test_a_lost_answer_is_tried_again_and_the_object_is_there(endpoint: str) -> None:
    with by_proxy(endpoint, lost=1.0) as (proxy, before):
        store = engine(before, azurite.sas("cw"))
        outcome = store.put("v1/lost", b"x", "x/y")
        assert outcome.result == RETRY
        assert "sig=" not in outcome.why
        proxy.lost = 0.0
        assert store.put("v1/lost", b"x", "x/y").result == EXISTS


def test_a_sas_that_may_only_create_ships_all_and_reads_nothing(
    endpoint: str, tmp_path: Path
) -> None:
    archive = site.archived(tmp_path)
    with by_proxy(endpoint) as (proxy, before):
        store = engine(before, azurite.sas("c"), "shipped")
        results = site.run(site.sender(archive, tmp_path / "state", store))
        assert ship.status(results) == 0
        assert {method for method, _, _ in proxy.seen} == {"PUT"}
    for refused in (lambda: store.names("v1/"), lambda: store.get("v1/key", 10)):
        with pytest.raises(RemoteError, match="do not allow it"):
            refused()
    reader = engine(endpoint, azurite.sas("rl"), "shipped")
    objects = {
        f"v1/{name}": reader.get(f"v1/{name}", 1 << 20) for name in reader.names("v1/").names
    }
    assert len(objects) == 2 * len(results)
    assert site.all_well(site.wrong(objects, site.expected(archive)))
    assert reader.put("v1/x", b"x", "x/y").result == REFUSED


WRONG: list[tuple[str, Mapping[str, str], str, str]] = [
    (azurite.CONTAINER, azurite.ALL | {"AZURE_STORAGE_ACCOUNT_KEY": "AAAA"}, "", "credentials"),
    (azurite.CONTAINER, azurite.sas("cw", "2020-01-01T00:00:00Z"), "", "credentials"),
    (azurite.CONTAINER, azurite.sas("r"), "", "do not allow it"),
    ("nothing", azurite.ALL, "", "no such container"),
    (azurite.CONTAINER, {}, "", "set AZURE_STORAGE_ACCOUNT_NAME"),
    (azurite.CONTAINER, azurite.ALL, ",region=eu", "leave region= out"),
]


@pytest.mark.parametrize(("container", "named", "more", "words"), WRONG)
def test_check_says_what_is_wrong_and_no_secret(
    container: str, named: Mapping[str, str], more: str, words: str, endpoint: str, tmp_path: Path
) -> None:
    done = check(f"az://{container}/checked", endpoint, named, tmp_path, more)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    for secret in ("sig", azurite.KEY[:20]):
        assert secret not in done.stderr


def test_check_says_that_all_is_well(endpoint: str, tmp_path: Path) -> None:
    url = f"az://{azurite.CONTAINER}/checked"
    for _ in range(2):
        done = check(url, endpoint, azurite.sas("cw"), tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "may write there" in done.stdout
        # `cw` is what Azurite wants: with it whoever has the SAS may overwrite.
        assert "are not overwritten by pstorefs\nwarning: " in done.stdout


def check(
    url: str, endpoint: str, named: Mapping[str, str], place: Path, more: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pstorefs", "--ship", url, "--check", "-o",
         f"endpoint={endpoint},machine=rack-1,credentials={credentials(named, place)}{more}"],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
    )  # fmt: skip


def credentials(named: Mapping[str, str], place: Path) -> Path:
    """A file of credentials, as docs/fleet.md has it."""
    (place / "credentials").write_text("".join(f"{k}={v}\n" for k, v in named.items()))
    return place / "credentials"


@pytest.fixture(scope="module")
def stored(endpoint: str) -> str:
    """The URL of a prefix with `FLEET` in it."""
    there = engine(endpoint, prefix="mounted")
    for one in FLEET:
        for key, data in ((one.names.bundle_key, one.bundle), (one.names.index_key, one.line)):
            assert there.put(key, data, "x/y").result == DONE
    return f"az://{azurite.CONTAINER}/mounted"


def test_a_fleet_is_shown_whole_to_who_may_read_and_list(
    endpoint: str, stored: str, tmp_path: Path
) -> None:
    options = f"endpoint={endpoint},credentials={credentials(azurite.sas('rl'), tmp_path)}"
    mount = FleetMount(stored, tmp_path, options, tmp_path / "cache")
    try:
        check_all(mount)
        assert mount.end() == 0, mount.errors()
        mount.check()
    finally:
        mount.abandon()


UNMOUNTABLE: list[tuple[str, Mapping[str, str], str]] = [
    (azurite.CONTAINER, azurite.ALL | {"AZURE_STORAGE_ACCOUNT_KEY": "AAAA"}, "credentials"),
    (azurite.CONTAINER, azurite.sas("c"), "do not allow it"),
    ("nothing", azurite.ALL, "no such container"),
]


@pytest.mark.parametrize(("container", "named", "words"), UNMOUNTABLE)
def test_what_cannot_be_mounted_says_why(
    container: str, named: Mapping[str, str], words: str, endpoint: str, tmp_path: Path
) -> None:
    point = tmp_path / "mnt"
    point.mkdir()
    done = start(
        *("-o", f"endpoint={endpoint},credentials={credentials(named, tmp_path)}"),
        *(f"az://{container}/mounted", str(point)),
        environment={"CACHE_DIRECTORY": str(tmp_path / "cache")},
    )
    assert done.returncode == 32
    assert words in done.stderr
    assert "sig" not in done.stderr
    assert not mounted(point)


def test_a_list_of_more_than_a_page_is_whole(endpoint: str) -> None:
    there = engine(endpoint, prefix="pages")
    keys = [f"v1/index/date=2026-11-28/{number:05}_a+b~c.json" for number in range(_PAGE + 10)]
    with ThreadPoolExecutor(8) as pool:
        assert {one.result for one in pool.map(lambda key: there.put(key, b"x", "x/y"), keys)} == {
            DONE
        }
    with by_proxy(endpoint) as (proxy, before):
        found = engine(before, prefix="pages").names("v1/index/date=2026-11-28/")
        assert len(proxy.seen) == 2
    assert [f"v1/index/date=2026-11-28/{name}" for name in found.names] == keys
    assert found.odd == ()
    assert there.folders("v1/index/") == ["date=2026-11-28"]


def test_a_key_without_a_name_is_told_once(endpoint: str) -> None:
    for name in ("a", "b%0Ac", "d//e", "z"):
        azurite.put_odd(endpoint, f"odd/v1/{name}")
    found = engine(endpoint, prefix="odd").names("v1/")
    (words,) = found.odd
    assert "b\\nc" in words
    assert "delete it" in words
