"""The image and the DaemonSet: built, validated, and run by crun as the DaemonSet asks for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import servers, site
from tests.records import capture

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "contrib" / "container"
#: tests/run makes it: slow-requirements.txt.
_VENV = ROOT / ".venv" / "slow" / "bin"
_SECONDS = 120.0
_PREFIX = "container"
_AS_JSON = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))"


def output(*words: str | Path, text: str = "") -> str:
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pod() -> dict[str, Any]:
    """The pod that the DaemonSet makes."""
    text = (CONTAINER / "daemonset.yaml").read_text()
    parts = json.loads(output(_VENV / "python", "-c", _AS_JSON, text=text))
    (found,) = [one for one in parts if one["kind"] == "DaemonSet"]
    spec: dict[str, Any] = found["spec"]["template"]["spec"]
    return spec


@pytest.mark.slow
def test_kubernetes_takes_the_daemonset() -> None:
    # Its exit status is 0 for some errors.
    words = [_VENV / "kubernetes-validate", "--strict", CONTAINER / "daemonset.yaml"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert said.count(" passed ") == 3
    assert all(line.startswith("INFO ") for line in said.splitlines()), said


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("image") / "image"
    output(CONTAINER / "build", where)
    return where


class Node:
    """What the pod's volumes are on this node, by their names, and a container with them."""

    def __init__(self, base: Path, image: Path, ship: str, credentials: str) -> None:
        self.base = base
        for name in ("pstore", "archive", "receipts", "journal", "config", "credentials"):
            (base / name).mkdir(mode=0o755)
        (base / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        (base / "config" / "ship.conf").write_text(ship)
        (base / "credentials" / "pstorefs-ship").write_text(credentials)
        self.name = f"pstorefs-{os.getpid()}"
        output("umoci", "unpack", "--image", f"{image}:latest", base / "bundle")
        self._configure()

    def _configure(self) -> None:
        """The container of the pod, in the words of the OCI's runtime specification."""
        (container,) = pod()["containers"]
        asked = container["securityContext"]
        path = self.base / "bundle" / "config.json"
        config = json.loads(path.read_text())
        assert config["process"]["args"] == ["/usr/bin/pstorefs", "--every=15m"]
        capabilities = [f"CAP_{name}" for name in asked["capabilities"]["add"]]
        assert asked["capabilities"]["drop"] == ["ALL"]
        config["process"] |= {
            "terminal": False,
            "args": ["/usr/bin/pstorefs", container["args"][0].replace("15m", "1s")],
            "user": {"uid": asked["runAsUser"], "gid": asked["runAsGroup"]},
            "noNewPrivileges": not asked["allowPrivilegeEscalation"],
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        }
        config["root"]["readonly"] = asked["readOnlyRootFilesystem"]
        config["hostname"] = "node-7"
        config["mounts"] += [
            {
                "destination": mount["mountPath"],
                "source": str(self.base / mount["name"]),
                "type": "bind",
                "options": ["bind", "ro" if mount.get("readOnly") else "rw"],
            }
            for mount in container["volumeMounts"]
        ]
        # The host's network, as the DaemonSet has it.
        config["linux"]["namespaces"] = [{"type": name} for name in ("pid", "mount", "ipc", "uts")]
        for name in ("resources", "cgroupsPath"):
            config["linux"].pop(name, None)
        path.write_text(json.dumps(config))

    def run(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._crun("run", "--bundle", str(self.base / "bundle"), self.name),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def told(self, *words: str) -> None:
        subprocess.run(self._crun(*words), capture_output=True, check=False)

    def _crun(self, *words: str) -> list[str]:
        # In a mount namespace without systemd's hybrid cgroups, which crun refuses even where it is
        # to use none.
        script = "umount /sys/fs/cgroup/unified 2>/dev/null; exec crun --cgroup-manager=disabled $@"
        return ["unshare", "--mount", "sh", "-c", script, "sh", *words]


@pytest.mark.slow
def test_the_image_is_small_and_says_what_it_runs(image: Path) -> None:
    config = json.loads(output("skopeo", "inspect", "--config", f"oci:{image}:latest"))["config"]
    assert config["Entrypoint"] == ["/usr/bin/pstorefs"]
    assert config["Cmd"] == ["--every=15m"]
    assert config["User"] == "0:0"
    assert sum(path.stat().st_size for path in image.rglob("*") if path.is_file()) < 100 << 20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_node_archives_and_ships_until_sigterm(
    image: Path, tmp_path: Path, endpoint: str
) -> None:
    node = Node(
        tmp_path,
        image,
        f"url = s3://{servers.BUCKET}/{_PREFIX}\nendpoint = {endpoint}\nwindow = 0\n",
        f"AWS_ACCESS_KEY_ID={servers.DROP[0]}\nAWS_SECRET_ACCESS_KEY={servers.DROP[1]}\n",
    )
    capture("erst-mixed-upgrade").write("enc", tmp_path / "pstore")
    process = node.run()
    said = ""
    try:
        end = time.monotonic() + _SECONDS
        while len(list(tmp_path.glob("receipts/*/2*"))) < 10 and time.monotonic() < end:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.2)
        node.told("kill", node.name, "TERM")
        said, _ = process.communicate(timeout=_SECONDS)
        assert process.returncode == 0, said
    finally:
        node.told("delete", "--force", node.name)
        process.kill()
        process.wait()
        shutil.rmtree(tmp_path / "bundle", ignore_errors=True)
    assert "10 of 10 dumps shipped" in said
    assert not any((tmp_path / "pstore").iterdir())
    stored = servers.elsewhere(f"listed({endpoint!r}, {_PREFIX!r})")
    wanted = site.expected(tmp_path / "archive")
    assert len(wanted) == 10
    assert site.all_well(site.wrong(stored, wanted))
    lines = [json.loads(data) for key, data in stored.items() if key.startswith("v1/index/")]
    assert {line["host"] for line in lines} == {"node-7"}
