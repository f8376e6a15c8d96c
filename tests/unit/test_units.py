"""The systemd units in contrib/, judged by systemd-analyze without a running systemd."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from pstorefs.settings.options import parse

UNITS = Path(__file__).parents[2] / "contrib" / "systemd"
NAMES = sorted(path.name for path in UNITS.iterdir() if path.suffix != ".rules")
# What `systemd-analyze security` gives at most: 0 is closed, 10 is open. A service that mounts for
# everybody cannot have a mount namespace of its own, which costs it most of the points.
EXPOSURE = {
    "pstorefs-archive.service": 1.2,
    "pstorefs-ship.service": 1.6,  # it reads root's archive, and it reaches a network
    "pstorefs.service": 4.3,
    "pstorefs-fleet.service": 4.7,  # it reaches a network
}
# Any of these gives a service its own mount namespace, systemd.exec(5).
HIDE_THE_MOUNT = re.compile(
    r"^(Protect(System|Home|Proc|Kernel\w+|ControlGroups)|Private(Tmp|Devices|Mounts|Users)|ProcSubset"
    r"|ReadWritePaths|ReadOnlyPaths|InaccessiblePaths|TemporaryFileSystem|BindPaths|DynamicUser"
    r"|(State|Cache|Logs|Runtime)Directory|MountFlags|RootDirectory)=",
    re.MULTILINE,
)


def settings(name: str) -> dict[str, str]:
    """The last value of each setting of a unit."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read(UNITS / name)
    return {key: value for section in parser.sections() for key, value in parser.items(section)}


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copies that name a program which is there, as verify demands."""
    for name in NAMES:
        text = (UNITS / name).read_text().replace("/usr/bin/pstorefs", "/bin/true")
        (tmp_path / name).write_text(text)
    return tmp_path


def test_systemd_has_no_complaint(units: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(units / name for name in NAMES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(EXPOSURE))
def test_services_are_as_confined_as_they_can_be(name: str, units: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", units / name],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= EXPOSURE[name]


def test_nothing_hides_the_mount_of_a_service_from_others() -> None:
    for name in ("pstorefs.service", "pstorefs-fleet.service"):
        assert HIDE_THE_MOUNT.findall((UNITS / name).read_text()) == []
    assert HIDE_THE_MOUNT.findall((UNITS / "pstorefs-archive.service").read_text()) != []


def test_the_archive_runs_before_systemd_pstore_and_on_real_machines_only() -> None:
    text = (UNITS / "pstorefs-archive.service").read_text()
    assert re.search(r"^Before=.*\bsystemd-pstore\.service\b", text, re.MULTILINE)
    assert "ConditionVirtualization=!container" in text
    assert "ConditionPathExists=!/proc/vmcore" in text
    assert "RequiresMountsFor=/var/lib/pstorefs" in text


def test_a_backend_that_is_loaded_later_is_in_the_rules_and_in_the_unit() -> None:
    rules = (UNITS / "80-pstorefs.rules").read_text()
    found = re.search(r'KERNEL=="([^"]+)"', rules)
    assert found
    text = (UNITS / "pstorefs-archive.service").read_text()
    for module in found[1].split("|"):
        assert f"sys-module-{module}.device" in text
        assert f"modprobe@{module}.service" in text


def test_the_command_lines_are_understood() -> None:
    mount = settings("mnt-crashes.mount")
    words = [mount["What"], mount["Where"], "-o", mount["Options"]]
    assert parse(words, helper=True).mountpoint == "/mnt/crashes"
    assert mount["Where"] == settings("mnt-crashes.automount")["Where"]
    command = settings("pstorefs.service")["ExecStart"].split()
    assert parse(command[1:]).foreground
    command = settings("pstorefs-fleet.service")["ExecStart"].split()
    assert parse(command[1:]).is_fleet


def test_what_the_archive_starts_does_not_start_the_archive_again() -> None:
    """While the machine boots: what requires sysinit.target starts all that this one wants."""
    archive = settings("pstorefs-archive.service")
    assert "sysinit.target" in archive["Before"]
    for name in {archive["OnSuccess"], archive["OnFailure"]}:
        assert settings(name)["DefaultDependencies"] == "no"
        assert "sysinit.target" in settings(name)["After"]


def test_no_memory_for_the_worker_is_no_end_of_the_fleets_mount() -> None:
    assert settings("pstorefs-fleet.service")["OOMPolicy"] == "continue"
