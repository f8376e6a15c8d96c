"""Dumps among EFI variables: names, records, and that nothing else is ever touched.

The records are real (tests/corpus), put into the form that efivarfs gives them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pstorefs.cli.pstorefs import main
from pstorefs.mount.preflight import MountError, open_source
from pstorefs.settings.options import Settings
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.efivars import (
    CRASH_GUID,
    Variable,
    VariableDirectory,
    holds_variables,
    parse_variable,
)
from pstorefs.source.stamp import ChangedError
from pstorefs.source.timeout import open_named
from tests.records import capture

GLOBAL_GUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
CAPTURES = ["efi-deflate-6.1.192", "efi-zstd-6.1.192"]

NAMES: list[tuple[str, Variable | None]] = [
    ("dump-type0-3-1-1700000000-C", Variable("dmesg-efi-170000000003001.enc.z", 1_700_000_000)),
    ("dump-type0-3-1-1700000000-D", Variable("dmesg-efi-170000000003001", 1_700_000_000)),
    ("dump-type0-3-1-1700000000", Variable("dmesg-efi-170000000003001", 1_700_000_000)),
    ("dump-type0-3-1700000000", Variable("dmesg-efi-170000000003000", 1_700_000_000)),
    ("dump-type1-1-1-1700000000-D", Variable("mce-efi-170000000001001", 1_700_000_000)),
    ("dump-type9-1-1-1700000000-D", None),
    ("dump-type0-1-1-1700000000-X", None),
    ("dump-type0-1-1-1-1700000000-C", None),
    ("dump-type0-99999999999-1-1700000000-C", None),
    ("dump-type0-1-1-999999999999-C", Variable("dmesg-efi-99999999999901001.enc.z", 999999999999)),
    ("dump-type0--1-1-1700000000-C", None),
    ("Boot0000", None),
    ("dump-type0-3-1-1700000000-C\n", None),
]


@pytest.mark.parametrize(("name", "variable"), NAMES, ids=[row[0] for row in NAMES])
def test_names_of_variables(name: str, variable: Variable | None) -> None:
    assert parse_variable(f"{name}-{CRASH_GUID}") == variable
    assert parse_variable(f"{name}-{GLOBAL_GUID}") is None
    assert parse_variable(name) is None


def variables(where: Path, name: str) -> Path:
    """A capture's records as efivarfs shows them, among other variables."""
    where.mkdir()
    for file, stored in capture(name).enc.items():
        plain = file.removesuffix(".enc.z")
        number = int(plain.rpartition("-")[2])
        above, count = divmod(number, 1000)
        time, part = divmod(above, 100)
        flag = "D" if plain == file else "C"
        variable = where / f"dump-type0-{part}-{count}-{time}-{flag}-{CRASH_GUID}"
        variable.write_bytes(b"\7\0\0\0" + stored.data)
        variable.chmod(0o644)
    for other in (f"Boot0000-{GLOBAL_GUID}", f"dump-type0-1-1-1-C-{GLOBAL_GUID}"):
        (where / other).write_bytes(b"\7\0\0\0not ours")
        (where / other).chmod(0o600)
        os.utime(where / other, (1, 1))
    return where


@pytest.fixture(params=CAPTURES)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """The same records as variables, and as pstore shows them."""
    plain = capture(request.param).write("enc", tmp_path / "pstore")
    return variables(tmp_path / "efivars", request.param), plain


def rows(source: Path, capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert main(["--list", "--json", str(source)]) == 0
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_variables_are_joined_decoded_and_dated_as_the_records_are(
    both: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    ours, kernels = (rows(source, capfd) for source in both)
    assert ours == kernels
    assert len(ours) > 1
    for row in ours:
        reports = []
        for source in both:
            assert main(["--show", str(row["name"]), str(source)]) == 0
            reports.append(capfd.readouterr().out)
        assert reports[0] == reports[1]


def test_a_record_is_the_variable_without_its_attributes(both: tuple[Path, Path]) -> None:
    store, plain = VariableDirectory(str(both[0])), OpenDirectory(str(both[1]))
    found = store.scan(())
    kernels = {name.replace("-efi_pstore-", "-efi-"): name for name in plain.scan(())}
    assert set(found) == set(kernels)
    for name, stamp in found.items():
        data = store.read((), name, stamp)
        assert data == (both[1] / kernels[name]).read_bytes()
        assert (stamp.size, store.stamp((), name)) == (len(data), stamp)


def archive(source: Path, target: Path) -> int:
    return main(["--archive", "-o", f"archive={target},archive_volatile", str(source)])


def left(source: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in source.iterdir()
    }


def test_archive_clears_the_dumps_and_nothing_else(
    both: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {n: s for n, s in left(both[0]).items() if not parse_variable(n)}
    listed = rows(both[0], capfd)
    assert archive(both[0], tmp_path / "archive") == 0
    capfd.readouterr()
    assert left(both[0]) == before
    assert len(before) == 2
    assert rows(both[0], capfd) == []
    options = f"archive={tmp_path / 'archive'}"
    assert main(["--list", "--json", "-o", options, str(both[0])]) == 0
    archived = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["name"] for row in archived] == [row["name"] for row in listed]
    raw = sorted(p.read_bytes() for p in (tmp_path / "archive").glob("*/raw/*"))
    assert raw == sorted(path.read_bytes() for path in both[1].iterdir())


def test_without_an_archive_nothing_is_cleared(
    both: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    before = left(both[0])
    assert main(["--archive", str(both[0])]) == 2
    assert "give -o archive=DIR" in capfd.readouterr().err
    assert left(both[0]) == before


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Path]:
    """Variables that may not be changed, as the kernel makes them; needs root, and ext4 or so."""
    source = variables(tmp_path / "efivars", CAPTURES[0])
    command = ["chattr", "+i", *source.iterdir()]
    if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("no immutable files here")
    yield source
    subprocess.run(["chattr", "-i", *source.iterdir()], check=False)


def flags(path: Path) -> str:
    done = subprocess.run(["lsattr", path], capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def test_the_immutable_flag_of_dumps_alone_is_taken_off(immutable: Path, tmp_path: Path) -> None:
    assert archive(immutable, tmp_path / "archive") == 0
    assert sorted(path.name for path in immutable.iterdir()) == [
        f"Boot0000-{GLOBAL_GUID}",
        f"dump-type0-1-1-1-C-{GLOBAL_GUID}",
    ]
    assert all("i" in flags(path) for path in immutable.iterdir())


def test_a_variable_that_stays_is_immutable_again(
    immutable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "no")

    store = VariableDirectory(str(immutable))
    record = next(iter(store.scan(())))
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        with pytest.raises(PermissionError):
            store.erase((), record)
    assert all("i" in flags(path) for path in immutable.iterdir())


def test_no_other_variable_is_opened_looked_at_or_changed(tmp_path: Path) -> None:
    """By all its system calls."""
    source, log = variables(tmp_path / "efivars", CAPTURES[0]), tmp_path / "calls"
    command = ["strace", "-f", "-qq", "-e", "trace=%file,%desc,ioctl", "-s", "200", "-o", log]
    program = [sys.executable, "-m", "pstorefs"]
    options = ["-o", f"archive={tmp_path / 'archive'},archive_volatile"]
    for words in (["--list"], ["--archive", *options]):
        subprocess.run([*command, *program, *words, source], check=True, capture_output=True)
        named = [
            line for line in log.read_text().splitlines() if re.search(r"dump-type|Boot", line)
        ]
        assert any("openat" in line for line in named)
        assert not [line for line in named if GLOBAL_GUID in line]


CHANGES = [
    ("gone", FileNotFoundError),
    ("longer", ChangedError),
    ("a link", (ChangedError, OSError)),
    ("a fifo", ChangedError),
]


@pytest.mark.parametrize(("change", "error"), CHANGES, ids=[row[0] for row in CHANGES])
def test_what_changed_is_not_read(change: str, error: type[OSError], tmp_path: Path) -> None:
    source = variables(tmp_path / "efivars", CAPTURES[0])
    store = VariableDirectory(str(source))
    found = store.scan(())
    path = next(path for path in sorted(source.iterdir()) if parse_variable(path.name))
    record = parse_variable(path.name)
    assert record is not None
    if change == "longer":
        path.write_bytes(path.read_bytes() + b"more")
    else:
        path.unlink()
    if change == "a link":
        path.symlink_to("/etc/passwd")
    if change == "a fifo":
        os.mkfifo(path)
    with pytest.raises(error):
        store.read((), record.record, found[record.record])


LOOKS = [
    ("efivars", {f"Boot0000-{GLOBAL_GUID}", f"dump-type0-1-1-1-C-{CRASH_GUID}"}, True),
    ("no dump", {f"Boot0000-{GLOBAL_GUID}"}, False),
    ("records beside it", {"dmesg-erst-1", f"dump-type0-1-1-1-C-{CRASH_GUID}"}, False),
    ("empty", set(), False),
]


@pytest.mark.parametrize(("_", "names", "so"), LOOKS, ids=[row[0] for row in LOOKS])
def test_a_copy_of_efivarfs_is_known_by_its_names(
    _: str, names: set[str], so: bool, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert holds_variables(str(tmp_path)) == so
    with open_directory(tmp_path) as store:
        assert isinstance(store, VariableDirectory) == so


class open_directory:  # noqa: N801 (a context manager that reads like the function)
    def __init__(self, path: Path) -> None:
        self.store = open_named(str(path))

    def __enter__(self) -> OpenDirectory:
        return self.store

    def __exit__(self, *_: object) -> None:
        self.store.close()


def test_the_variables_themselves_are_never_mounted_over(tmp_path: Path) -> None:
    source = variables(tmp_path / "efivars", CAPTURES[0])
    with pytest.raises(MountError, match="mount elsewhere"):
        open_source(Settings(source=str(source)), str(source))


@pytest.mark.parametrize("size", range(5))
def test_a_variable_without_content_is_no_record(size: int, tmp_path: Path) -> None:
    (tmp_path / f"dump-type0-1-1-1700000000-C-{CRASH_GUID}").write_bytes(b"\7\0\0\0x"[:size])
    assert len(VariableDirectory(str(tmp_path)).scan(())) == (size > 4)
