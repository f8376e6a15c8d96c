"""What status says about systemd-pstore."""

from __future__ import annotations

from pathlib import Path

import pytest

from pstorefs.catalog.catalog import Catalog
from pstorefs.report.health import _systemd_pstore
from pstorefs.system.machine import Machine

CASES = [
    ([], "", False),
    (["systemd-pstore.service"], "", True),
    (["systemd-pstore.service"], "[PStore]\nStorage=none\n", False),
    (["systemd-pstore.service"], "[PStore]\n#Storage=none\n", True),
    (["systemd-pstore.service", "pstorefs-archive.service"], "", False),
]


@pytest.mark.parametrize(("enabled", "config", "said"), CASES)
def test_systemd_pstore_is_worth_a_word_if_it_comes_first(
    enabled: list[str], config: str, said: bool, tmp_path: Path
) -> None:
    systemd = tmp_path / "etc" / "systemd"
    wants = systemd / "system" / "sysinit.target.wants"
    wants.mkdir(parents=True)
    for name in enabled:
        (wants / name).symlink_to(f"/usr/lib/systemd/system/{name}")
    (systemd / "pstore.conf").write_text(config)
    found = list(_systemd_pstore(Machine(str(tmp_path)), Catalog([])))
    assert bool(found) == said
    assert all("pstorefs-archive" in finding.way_out for finding in found)
