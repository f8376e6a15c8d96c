"""Run the stages of tests/run in fresh roots of the Debian releases that pstorefs supports.

`tests/run everywhere`, as root on Debian. One release after the other: debootstrap from the mirror
that this machine's apt uses, the last commit unpacked, each stage in a chroot. The result goes to
tests/RESULTS.md, the logs to build/everywhere. Exit status: 1 if a stage failed. Less of it, or the
stage package, and no entry in RESULTS.md: python -m tests.everywhere trixie lint package
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "tests" / "RESULTS.md"
LOGS = ROOT / "build" / "everywhere"
RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
STAGES = ("lint", "unit", "mount", "clients", "archive", "hostile")
#: Those that are run only when they are named.
_NAMED = ("package",)
#: Of one stage, in seconds: some take ten minutes where others work on the machine.
_STAGE_SECONDS = 3600
#: What makes the network usable inside, where this machine has it.
_COPIED = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
#: A mount namespace of its own, whose root is a mount: some tests make further ones.
_ENTER = """
mount --bind "$0" "$0" && cd "$0" &&
mount -t proc proc proc && mount --rbind /sys sys && mount --rbind /dev dev &&
mount -t tmpfs tmpfs run && exec chroot . "$@"
"""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HEAD = "## On each release\n"


def outcome(log: str, status: int) -> str:
    """What the table says of a stage: pytest's last words of each run of it."""
    found: list[str] = re.findall(
        r"^(?:=+ )?(\d+ (?:passed|failed|error)[^\n=]*?) in ", log, re.MULTILINE
    )
    words = "; ".join(found) if found else "ok" if status == 0 else ""
    return words if status == 0 else f"**fails** {words}".strip()


def table(commit: str, rows: dict[str, dict[str, str]]) -> str:
    """The section of RESULTS.md: a row for each release, a column for each stage."""
    lines = [
        f"{_HEAD}",
        f"The last `tests/run everywhere`, of commit {commit}: each release in a fresh root.\n",
        "| release | " + " | ".join(STAGES) + " |",
        "| --- |" + " --- |" * len(STAGES),
        *(
            f"| {release} | " + " | ".join(stages.get(stage, "") for stage in STAGES) + " |"
            for release, stages in rows.items()
        ),
        "\nSkipped is what needs obstore, which only the stage `fleet` installs, or sos.",
        "Deselected are the long forms, which the stage `slow` runs.",
    ]
    return "\n".join(lines) + "\n"


def with_section(text: str, section: str) -> str:
    """The page with this section in place of the former one; at its end, where there is none."""
    before, head, after = text.partition(_HEAD)
    if not head:
        return f"{text.rstrip()}\n\n{section}"
    _, mark, rest = after.partition("\n## ")
    return f"{before}{section}" + (f"\n## {rest}" if mark else "")


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def _mirror() -> str:
    """Where apt gets Debian's own packages from on this machine."""
    command = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian")
    if not _said(*command):
        subprocess.run(["apt-get", "-qq", "update"], check=True)
    targets = _said(*command)
    if not targets:
        sys.exit("tests/run everywhere: apt knows no mirror of Debian on this machine")
    return targets.split()[0]


def _make_root(release: str, mirror: str, root: Path) -> None:
    """A minimal root with the last commit in /src, and this machine's ways into the network."""
    proxies = _said("apt-config", "shell", "proxy", "Acquire::http::Proxy").strip()
    environment = dict(os.environ)
    if proxies:
        environment["http_proxy"] = proxies.partition("=")[2].strip("'")
    subprocess.run(
        ["debootstrap", "--variant=minbase", "--include=ca-certificates", release, root, mirror],
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    # How apt connects here, and how old a mirror may be; not what it runs or shows.
    settings = _said("apt-config", "dump", "Acquire").splitlines(keepends=True)
    kept = [line for line in settings if "IndexTargets" not in line and "Languages" not in line]
    (root / "etc/apt/apt.conf.d/90machine").write_text("".join(kept))
    for name in filter(os.path.exists, _COPIED):
        shutil.copyfile(name, root / name.lstrip("/"))
    (root / "src").mkdir()
    with subprocess.Popen(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE) as packed:
        subprocess.run(["tar", "-x", "-C", root / "src"], stdin=packed.stdout, check=True)


def _run(stage: str, root: Path, log: Path) -> int:
    """One stage in the root; its exit status, 124 if it took too long."""
    enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, str(root)]
    with (
        log.open("w") as file,
        subprocess.Popen(
            [*enter, "/src/tests/run", stage],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"},
        ) as process,
    ):
        try:
            return process.wait(_STAGE_SECONDS)
        except subprocess.TimeoutExpired:
            return 124
        finally:
            _end_all(root)


def _end_all(root: Path) -> None:
    """Kill what still runs in the root: it would keep its mounts."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(process / "root") == str(root):
                os.kill(int(process.name), signal.SIGKILL)


def _release(release: str, stages: list[str], mirror: str) -> dict[str, str]:
    """Stages on one release: what the table says of each."""
    found = {}
    root = Path(tempfile.mkdtemp(prefix=f"pstorefs-{release}-", dir="/var/tmp"))
    root.chmod(0o755)
    try:
        _make_root(release, mirror, root)
        for stage in stages:
            log = LOGS / f"{release}-{stage}.log"
            began = time.monotonic()
            status = _run(stage, root, log)
            found[stage] = outcome(log.read_text(errors="replace"), status)
            took = time.monotonic() - began
            print(f"{RELEASES[release]}: {stage}: {found[stage]} ({took:.0f} s)", flush=True)
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", root], check=True)
    return found


def main(words: list[str]) -> int:
    """Run what is named, or all, and enter what came of all."""
    if unknown := set(words) - {*RELEASES, *STAGES, *_NAMED}:
        sys.exit(f"tests/run everywhere: no release or stage: {', '.join(unknown)}")
    releases = [release for release in RELEASES if release in words] or list(RELEASES)
    stages = [stage for stage in (*STAGES, *_NAMED) if stage in words] or list(STAGES)
    LOGS.mkdir(parents=True, exist_ok=True)
    mirror = _mirror()
    rows = {RELEASES[release]: _release(release, stages, mirror) for release in releases}
    if not words:
        section = table(_said("git", "rev-parse", "--short", "HEAD").strip(), rows)
        print(section)
        RESULTS.write_text(with_section(RESULTS.read_text(), section))
    return int(any("**" in said for stages in rows.values() for said in stages.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
