"""A real Ceph: a monitor, a store in memory and its gateway for S3, all on loopback.

Debian's packages, about 16 seconds. On a versioned bucket Ceph answers a second create with 200
and adds a version (seen with 16.2.15); on others with 412.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.fleet import rclone
from tests.fleet.servers import ALL, BUCKET, DROP, free_ports, served

MISSING = shutil.which("radosgw") is None or shutil.which("ceph-mon") is None
_UP_SECONDS = 60
# cephx: the gateway does not start without. One copy of everything; nothing asks for a manager.
_CONFIG = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
public network = 127.0.0.0/8
keyring = {base}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon warn on insecure global id reclaim allowed = false
mon data = {base}/mon
osd data = {base}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
run dir = {base}
admin socket = {base}/$name.asok
log file = {base}/$name.log
mon cluster log file = {base}/cluster.log
crash dir = {base}/crash
osd class load list = *
osd class default list = *
rgw data = {base}/rgw
rgw frontends = beast endpoint=127.0.0.1:{s3}
rgw dynamic resharding = false
[osd]
keyring = {base}/osd/keyring
"""


class _Cluster:
    """A directory with a configuration, and the tools that read it."""

    def __init__(self, base: Path) -> None:
        self.base, self.id = base, str(uuid.uuid4())
        for name in ("mon", "osd", "rgw", "crash"):
            (base / name).mkdir(parents=True)
        self.s3, self.v1, self.v2 = free_ports(3)
        text = _CONFIG.format(base=base, fsid=self.id, s3=self.s3, v1=self.v1, v2=self.v2)
        (base / "ceph.conf").write_text(text)

    def run(self, *words: str | Path, stdin: str = "") -> str:
        done = subprocess.run(
            words, env=self.environment(), input=stdin, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": str(self.base / "ceph.conf")}

    @contextmanager
    def daemon(self, *words: str) -> Iterator[None]:
        """A daemon in the foreground. SIGKILL ends it: its data is thrown away."""
        with (self.base / f"{words[0]}.out").open("w") as out:
            process: subprocess.Popen[Any] = subprocess.Popen(
                [*words, "-f"], env=self.environment(), stdout=out, stderr=out, cwd=self.base
            )
        try:
            yield
        finally:
            process.kill()
            process.wait()


def _make_monitor(cluster: _Cluster) -> None:
    base, keyring = cluster.base, cluster.base / "keyring"
    address = f"[v2:127.0.0.1:{cluster.v2},v1:127.0.0.1:{cluster.v1}]"
    monmap = base / "monmap"
    cluster.run(
        "monmaptool", "--create", "--fsid", cluster.id, "--addv", "a", address, monmap
    )  # fmt: skip
    keys = {
        "mon.": ("mon", "allow *"),
        "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
        "client.rgw.a": ("mon", "allow rw", "osd", "allow rwx"),
    }
    cluster.run("ceph-authtool", "--create-keyring", keyring)
    for name, may in keys.items():
        caps = [word for what, how in zip(may[::2], may[1::2], strict=True)
                for word in ("--cap", what, how)]  # fmt: skip
        cluster.run("ceph-authtool", keyring, "--gen-key", "-n", name, *caps)
    cluster.run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", keyring)


def _make_store(cluster: _Cluster) -> None:
    """The cluster's only disk, which is memory."""
    name, key = str(uuid.uuid4()), cluster.run("ceph-authtool", "--gen-print-key").strip()
    cluster.run("ceph", "osd", "new", name, "-i", "-", stdin=json.dumps({"cephx_secret": key}))
    keyring = cluster.base / "osd" / "keyring"
    cluster.run("ceph-authtool", "--create-keyring", keyring, "-n", "osd.0", "-a", key)
    cluster.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", name)
    cluster.run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=h")


def _until_up(cluster: _Cluster) -> None:
    end = time.monotonic() + _UP_SECONDS
    while json.loads(cluster.run("ceph", "osd", "stat", "-f", "json"))["num_up_osds"] < 1:
        assert time.monotonic() < end, "Ceph's store does not come up"
        time.sleep(0.2)


@contextmanager
def versioned(base: Path) -> Iterator[str]:
    """The endpoint of a Ceph whose bucket keeps versions."""
    cluster = _Cluster(base)
    _make_monitor(cluster)
    with ExitStack() as stack:
        stack.enter_context(cluster.daemon("ceph-mon", "-i", "a"))
        _make_store(cluster)
        stack.enter_context(cluster.daemon("ceph-osd", "-i", "0"))
        _until_up(cluster)
        words = ["radosgw", "-f", "-n", "client.rgw.a", "-c", str(base / "ceph.conf")]
        stack.enter_context(served(words, cluster.s3, base))
        for command, (name, secret) in (("user", ALL), ("key", DROP)):
            cluster.run(
                "radosgw-admin", command, "create", "--uid=crash", "--display-name=crash",
                f"--access-key={name}", f"--secret-key={secret}",
            )  # fmt: skip
        endpoint = f"http://127.0.0.1:{cluster.s3}"
        rclone.run(endpoint, "mkdir", f"store:{BUCKET}")
        rclone.run(endpoint, "backend", "versioning", f"store:{BUCKET}", "Enabled")
        yield endpoint


def versions(endpoint: str, prefix: str) -> int:
    """How many objects there are below a prefix, all their versions counted."""
    place = f"store:{BUCKET}/{prefix}"
    return len(rclone.run(endpoint, "lsf", "-R", "--files-only", "--s3-versions", place).split())
