"""The programs to compare with, installed or built under build/bench at first use.

======================= ========================================================================
bindfs                  Debian's package: a C overlay that everybody has
passthrough_hp          libfuse's fastest example, C++, from Debian's source package
passthroughfs.py        pyfuse3's own example, from the sdist of the version that is installed
======================= ========================================================================

A peer that cannot be had (no network, no compiler) is left out, and its rows say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "build" / "bench"
#: Debian's own Python: its pyfuse3 is what an installed pstorefs and the example run with.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable

# What pip writes for an entry point: the programs start as installed ones do.
_SCRIPT = """\
import re
import sys
from {module} import main
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit(main())
"""


class MissingError(Exception):
    """A peer that cannot be had; the message says why."""


def program(name: str, module: str) -> list[str]:
    """One of our own commands."""
    script = PLACE / "bin" / name
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(_SCRIPT.format(module=module))
    return [PYTHON, str(script)]


def pstorefs() -> list[str]:
    """The command to measure."""
    return program("pstorefs", "pstorefs.cli.pstorefs")


def with_zlib_ng() -> list[str]:
    """The same with what the extra [fast] installs; the tests' own Python has it."""
    import zlib_ng

    target = PLACE / "fast"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(Path(zlib_ng.__file__).parent, target / "zlib_ng")
    return ["env", f"PYTHONPATH={ROOT}:{target}", *pstorefs()]


def bindfs() -> list[str]:
    """Debian's bindfs."""
    if shutil.which("bindfs") is None:
        _run("apt-get", "-qq", "update")
        _run("apt-get", "-qq", "-y", "--no-install-recommends", "install", "bindfs")
    return ["bindfs"]


def passthrough_hp() -> list[str]:
    """Build libfuse's example,  from Debian's source of what is installed."""
    target = PLACE / "passthrough_hp"
    if not target.exists():
        folder = PLACE / "fuse3"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "lists" / "partial").mkdir(parents=True)
        sources = folder / "src.sources"
        sources.write_text(_source_lines())
        # A list and a state of its own: the machine's configuration stays as it is.
        apt = [
            *("apt-get", "-qq", "-o", f"Dir::Etc::sourcelist={sources}"),
            *("-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={folder / 'lists'}"),
            *("-o", "APT::Sandbox::User=root"),
        ]
        _run(*apt, "update", cwd=folder)
        _run(*apt, "source", "--download-only", "fuse3", cwd=folder)
        archives = list(folder.glob("fuse3_*.orig.tar.*z"))
        if not archives:
            raise MissingError("apt-get source fuse3 brought no source")
        _run("tar", "xf", str(archives[0]), "--strip-components=1", cwd=folder)
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "fuse3"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        source = folder / "example" / "passthrough_hp.cc"
        defines = ["-D_FILE_OFFSET_BITS=64", "-DHAVE_STRUCT_STAT_ST_ATIM"]
        _run("g++", "-O2", "-w", *defines, "-o", str(target), str(source), *flags, "-pthread")
    return [str(target), "--foreground"]


def example() -> list[str]:
    """pyfuse3's passthroughfs.py, of the version that is installed."""
    target = PLACE / "passthroughfs.py"
    if not target.exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        words = [PYTHON, "-c", "import pyfuse3; print(pyfuse3.__version__)"]
        version = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        pip = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps"]
        _run(*pip, "--no-binary", ":all:", f"pyfuse3=={version}", cwd=PLACE)
        archive = next(iter(PLACE.glob("pyfuse3-*.tar.gz")))
        member = f"{archive.name.removesuffix('.tar.gz')}/examples/passthroughfs.py"
        _run("tar", "xf", str(archive), "--strip-components=2", member, cwd=PLACE)
    return [PYTHON, str(target)]


def _source_lines() -> str:
    """deb-src lines for what the machine has deb lines for: images often have no deb-src."""
    release = dict(
        line.rstrip().replace('"', "").split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    if release.get("ID") != "debian":
        raise MissingError("not a Debian: no source package")
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    return (
        "Types: deb-src\nURIs: http://deb.debian.org/debian\n"
        f"Suites: {release['VERSION_CODENAME']}\nComponents: main\nSigned-By: {keys}\n"
    )


def _run(*command: str, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, check=False, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
    except OSError as error:
        raise MissingError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise MissingError(f"{command[0]} failed: {done.stderr.strip()[-200:]}")
