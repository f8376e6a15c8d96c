"""What must hold of a store and an archive at every moment, and what once the work is finished."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

#: Logs of ramoops stay in the store, whatever is done.
STAYS = re.compile(r"(console|pmsg|ftrace)-ramoops-\d+(\.enc\.z)?")


def contents(folder: Path) -> dict[str, bytes]:
    """Files of a directory by name; nothing if it is not there."""
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def saved(archive: Path) -> list[Path]:
    """All files that count as saved."""
    return [path for path in archive.glob("[!.]*/raw/*") if path.is_file()]


def lost(records: dict[str, bytes], source: Path, archive: Path) -> list[str]:
    """Records that are whole neither in the store nor in the archive. Must be empty, always."""
    store = contents(source)
    hashes = {
        (path.name.partition("~")[0], hashlib.sha256(path.read_bytes()).digest())
        for path in saved(archive)
    }
    return [
        name
        for name, data in records.items()
        if store.get(name) != data and (name, hashlib.sha256(data).digest()) not in hashes
    ]


def announced(log: Path, archive: Path) -> list[str]:
    """What is wrong with announcements of saved dumps (see `drive`). Must be empty, always."""
    names = log.read_text().split() if log.exists() else []
    wrong = [f"twice: {name}" for name, count in Counter(names).items() if count > 1]
    for name in names:
        check = ["sha256sum", "--status", "-c", "SHA256SUMS"]
        there = (archive / name / "SHA256SUMS").exists()
        if not there or subprocess.run(check, cwd=archive / name, check=False).returncode:
            wrong.append(f"not saved: {name}")
    return wrong


def _said(dump: Path) -> set[str]:
    """The records that the generated files of a dump tell of, see `drive.compose`."""
    told = json.loads((dump / "summary.json").read_text()).get("records")
    if told is None:
        paths = (dump / "report.txt").read_text().split()
    else:
        paths = [record["path"] for record in told if record["path"].startswith(f"{dump.name}/")]
    return {path.rpartition("/")[2] for path in paths}


def unfinished(archive: Path) -> list[str]:
    """What is wrong with an archive that nobody works on. Must be empty."""
    wrong = [
        f"left over: {path.name}"
        for path in archive.iterdir()
        if path.name.startswith(".") and path.name not in (".lock", ".index")
    ]
    files = saved(archive)
    copies = Counter(
        (path.name.partition("~")[0], hashlib.sha256(path.read_bytes()).digest()) for path in files
    )
    wrong += [f"second copy: {name}" for (name, _), count in copies.items() if count > 1]
    wrong += [f"mode: {path}" for path in archive.rglob("*") if path.stat().st_mode & 0o077]
    for dump in archive.glob("[!.]*"):
        names = {path.name for path in dump.iterdir()}
        whole = {
            "raw", "dmesg.txt", "report.txt", "summary.json", "records.json", "SHA256SUMS",
        }  # fmt: skip
        if names - {"console.txt"} != whole:
            wrong.append(f"{dump.name} holds {names ^ whole}")
            continue
        lines = (dump / "SHA256SUMS").read_text().splitlines()
        listed = {line.rpartition("/")[2] for line in lines}
        if listed != {path.name for path in (dump / "raw").iterdir()}:
            wrong.append(f"{dump.name}/SHA256SUMS lists {listed}")
        if (said := _said(dump)) != listed:
            wrong.append(f"{dump.name}/report.txt tells of {said}")
        check = subprocess.run(["sha256sum", "--status", "-c", "SHA256SUMS"], cwd=dump, check=False)
        if check.returncode:
            wrong.append(f"{dump.name}: sha256sum")
    return wrong
