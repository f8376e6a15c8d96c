"""A fleet that ships at once: 500 hosts here; python -m tests.fleet.storm 5000 is the long form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.figures import record
from tests.fleet import ceph

ROOT = Path(__file__).parents[2]


def storm(*words: str) -> dict[str, Any]:
    """In a process of its own: senders are forked, which obstore allows before its first use."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fleet.storm", *words],
        stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def judge(found: dict[str, Any], where: str = "") -> None:
    bad = [found[name] for name in ("lost", "doubled", "wrong")]
    words = "{lost} lost, {doubled} doubled, {wrong} wrong of {dumps} dumps".format(**found)
    what = f"storm of {found['hosts']} hosts, {found['kills']} killed"
    title = f"storm of {found['hosts']} hosts, each killed once{where}"
    record("fleet", title, words, "0", not any(bad))
    assert bad == [0, 0, 0], what
    assert found["kills"] > found["hosts"] / 2, what
    assert found["each"] <= 3.0


@pytest.mark.timeout(900)
def test_a_storm_loses_doubles_and_spoils_nothing() -> None:
    found = storm("500")
    record(
        "fleet",
        "requests a dump, 20 % 503, 5 % lost",
        f"{found['each']:.2f}",
        "3.0",
        found["each"] <= 3,
    )
    judge(found)


@pytest.mark.timeout(300)
def test_without_faults_a_dump_is_two_requests() -> None:
    found = storm("50", "--calm")
    record(
        "fleet", "requests a dump without faults", f"{found['each']:.2f}", "2.0", found["each"] == 2
    )
    assert [found[name] for name in ("lost", "doubled", "wrong", "each")] == [0, 0, 0, 2.0]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_long_storm_loses_doubles_and_spoils_nothing() -> None:
    judge(storm("5000"))


@pytest.mark.timeout(300)
def test_a_storm_over_a_store_that_ignores_conditions() -> None:
    judge(storm("40", "--store=rclone"), ", a store that overwrites")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(ceph.MISSING, reason="no radosgw here: Debian's radosgw, ceph-mon, ceph-osd")
def test_a_storm_over_a_versioned_bucket_of_ceph() -> None:
    found = storm("200", "--store=ceph")
    judge(found, ", Ceph, a versioned bucket")
    words = f"{found['versions']} versions of {2 * found['dumps']} objects"
    record("fleet", "storm over Ceph, a versioned bucket: versions", words)
    assert found["versions"] >= 2 * found["dumps"]
