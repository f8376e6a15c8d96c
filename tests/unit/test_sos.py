"""The plugin for sos, with sos itself (Debian: sosreport)."""

from __future__ import annotations

import os
import re
import runpy
import stat
import subprocess
import sys
import tarfile
import types
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Debian's Python has Debian's sos.
PYTHON = "/usr/bin/python3"
RUN = """
import os
import re
import runpy
import sys
import sos.report.plugins
import sos.policies
sos.report.plugins.__path__.append(sys.argv.pop(1))
# sos looks for programs in directories of the distribution alone.
program = sys.argv.pop(1)
sos.policies.Policy._set_PATH = lambda _, path: os.environ.update(PATH=f"{program}:{path}")
from sos import SoS
SoS(sys.argv[1:]).execute()
"""


def has_sos() -> bool:
    command = [PYTHON, "-c", "import sos.report.plugins"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_sos() or os.geteuid() != 0, reason="needs sos, and root for it")
def test_sos_collects_the_list_and_the_checks(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "pstorefs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m pstorefs "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    words = ["report", "--batch", "-o", "pstorefs", "--tmp-dir", tmp_path, "-z", "gzip"]
    done = subprocess.run(
        [PYTHON, "-c", RUN, ROOT / "contrib" / "sos", program.parent, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = tmp_path.glob("sosreport-*.tar.gz")
    with tarfile.open(report) as tar:
        names = {member.name.partition("/")[2] for member in tar}
        check = next(name for name in tar.getnames() if name.endswith("/pstorefs_--check"))
        content = tar.extractfile(check)
        assert content is not None
        assert b"The next crash" in content.read()
    assert "sos_commands/pstorefs/pstorefs_--list" in names


class Plugin:
    """What the plugin uses of sos, where there is no sos."""

    def __init__(self) -> None:
        self.copied: list[str] = []
        self.replaced: list[tuple[str, str, str]] = []

    def add_copy_spec(self, specs: list[str]) -> None:
        self.copied += specs

    def add_cmd_output(self, commands: list[str]) -> None:
        pass

    def do_path_regex_sub(self, path: str, regex: str, words: str) -> None:
        self.replaced.append((path, regex, words))


def test_no_key_leaves_the_machine_by_sos(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DSN holds one, and programs of the administrator's own may hold others."""
    module = types.ModuleType("sos.report.plugins")
    module.__dict__["Plugin"] = Plugin
    for name in ("DebianPlugin", "IndependentPlugin", "RedHatPlugin", "UbuntuPlugin"):
        module.__dict__[name] = type(name, (), {})
    for name in ("sos", "sos.report"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "sos.report.plugins", module)
    plugin = runpy.run_path(str(ROOT / "contrib" / "sos" / "pstorefs.py"))["Pstorefs"]()
    plugin.setup()
    assert not any(fnmatch("/etc/pstorefs/on-dump.d/x", spec + "/*") for spec in plugin.copied)
    assert not any(spec.startswith("/etc/cred") for spec in plugin.copied)
    plugin.postproc()
    ((path, regex, words),) = plugin.replaced
    assert re.search(path, "/etc/pstorefs/ship.conf")
    for blank in ("", " "):
        line = f"url = s3://a/b\nsentry{blank}={blank}https://0123abc:x@sentry.example.org/4\n"
        shown = re.sub(regex, words, line)
        assert shown.endswith("https://******@sentry.example.org/4\n")
        assert "0123abc" not in shown
        assert shown.startswith("url = s3://a/b\n")
