"""A mount that gets no more memory: it says so, and goes on when there is some again."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from pathlib import Path

import pytest

from tests.hostile.conftest import CALM, memory_of, put_calm_record
from tests.mount.conftest import MountMaker
from tests.mount.programs import until_idle
from tests.records import capture

_RECORDS = 950


def set_limit(process: int, more: int) -> None:
    """Let a process get only so many bytes more."""
    _, hard = resource.prlimit(process, resource.RLIMIT_DATA)
    limit = memory_of(process, "VmData") * 1024 + more
    resource.prlimit(process, resource.RLIMIT_DATA, (limit, hard))


@pytest.mark.parametrize("more", [500 << 10, 4000 << 10])
def test_a_mount_without_memory_answers_and_shows_all_when_there_is_some(
    more: int, tmp_path: Path, mount: MountMaker
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    put_calm_record(source)
    real = sorted(capture("erst-lz4-6.1.192-many").enc.items())
    sizes = {}
    for number in range(_RECORDS):
        file, stored = real[number % len(real)]
        name = f"dmesg-erst-{7646229349632400000 + number}"
        (source / f"{name}.enc.z").write_bytes(stored.data)
        plain = file.removesuffix(".enc.z")
        sizes[name] = len(capture("erst-lz4-6.1.192-many").ref[plain].data)
    one = mount(source)
    (one.point / CALM).read_bytes()
    until_idle(one.process.pid)  # it has loaded all its modules
    set_limit(one.process.pid, more)
    listing = ["find", str(one.point), "-maxdepth", "1", "-name", "dmesg-erst-76462293496324*"]
    listing += ["-printf", "%f %s\n"]
    listed = subprocess.Popen(listing, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _, said = listed.communicate(timeout=500)
    except subprocess.TimeoutExpired:
        one.process.kill()  # nothing else ends who waits for it
        listed.communicate()
        pytest.fail("the listing hangs")
    assert listed.returncode == 0 or "Cannot allocate memory" in said
    resource.prlimit(one.process.pid, resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)
    time.sleep(1.5)
    found = subprocess.run(listing, capture_output=True, text=True, timeout=500, check=True).stdout
    shown = dict(line.split(" ") for line in found.splitlines())
    assert {name: int(size) for name, size in shown.items()} == sizes
    assert os.path.getsize(one.point / CALM) > 0
