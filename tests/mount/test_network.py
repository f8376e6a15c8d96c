"""The programs use no network: all their sockets are those of this machine (AF_UNIX)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.figures import record
from tests.mount.conftest import COMMAND
from tests.mount.programs import ROOT, live

# What makes a socket, by its first argument; all others use one that was made, or sent.
MAKES = re.compile(r"\b(?:socket|socketpair)\((\w+)")
NAMES = re.compile(r"sa_family=(\w+)")


def traced(trace: Path, *command: str | Path) -> list[str | Path]:
    return ["strace", "-f", "-qq", "-e", "trace=%network,io_uring_setup", "-o", trace, *command]


def families(trace: Path) -> list[str]:
    """The address families of a trace, one for each socket and each address."""
    text = trace.read_text()
    assert "io_uring_setup" not in text, "what goes through a ring is not seen here"
    return MAKES.findall(text) + NAMES.findall(text)


@pytest.mark.parametrize("foreground", [True, False])
def test_a_mount_uses_no_network(
    foreground: bool, source: Path, point: Path, tmp_path: Path
) -> None:
    options = ["-o", f"archive={tmp_path / 'archive'},archive_volatile", source, point]
    command = [*COMMAND, *(["-f"] if foreground else []), *options]
    live(traced(tmp_path / "trace", *command), point)
    found = families(tmp_path / "trace")
    assert "AF_UNIX" in found, "trio's own wake-up is a socket: the trace sees sockets"
    others = len(found) - found.count("AF_UNIX")
    record("privileges", "sockets of a mount other than AF_UNIX", str(others), "0", others == 0)
    assert set(found) == {"AF_UNIX"}


def test_the_other_programs_use_no_network(source: Path, tmp_path: Path) -> None:
    archive = ["-o", f"archive={tmp_path / 'archive'},archive_volatile", source]
    shipping = ["-o", f"archive={tmp_path / 'archive'},state={tmp_path / 'state'}"]
    for number, arguments in enumerate(
        (
            [*COMMAND[:1], "-m", "pstorefs.cli.pstorecat", *source.iterdir()],
            [*COMMAND, "--archive", *archive, "-o", f"metrics={tmp_path / 'm.prom'}"],
            [*COMMAND, "--ship", f"file://{tmp_path}", "--now", *shipping],
            [*COMMAND, "--ship", "s3://nothing/to/ship", "-o", f"archive={tmp_path / 'none'}"],
            [*COMMAND, "--sentry", "https://k@h/1", "-o", f"archive={tmp_path / 'none'}"],
            ["timeout", "--preserve-status", "3", *COMMAND, "--every=1s", *archive],
        )
    ):
        trace = tmp_path / f"trace{number}"
        subprocess.run(traced(trace, *arguments), stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
        assert set(families(trace)) <= {"AF_UNIX"}
