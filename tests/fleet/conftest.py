"""One SeaweedFS for all tests that want a store on a network, and a cache that goes with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet import servers


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.seaweedfs(tmp_path_factory.mktemp("weed") / "server") as found:
        yield found


@pytest.fixture(autouse=True)
def _cache_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left in /var/cache, or at home, of whoever runs the tests."""
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path_factory.mktemp("cache")))
