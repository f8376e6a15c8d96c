"""One SeaweedFS for all tests that want a store on a network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet import servers


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.seaweedfs(tmp_path_factory.mktemp("weed") / "server") as found:
        yield found
