"""What this program composes carries nothing that a terminal would obey, and no forged line.

A table of strings, and the places through which they may come: names of files, folders and
archives, what records say, command lines, commands.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.conftest import MountMaker
from tests.records import capture

FORGED = "Store: forged"
HOSTILE = {
    "escape": b"\x1b[2J\x1b]0;owned\x07",
    "newline": b"a\n" + FORGED.encode(),
    "carriage return": b"b\r" + FORGED.encode(),
    "C0": b"\x01\x08\x0b\x0c\x0e\x0f",
    "tab": b"\t\t",
    "DEL": b"\x7f\x7f",
    "C1": "\x9b2J\x85\x90".encode(),
    "bidi override": "\u202emoc\u202c".encode(),
    "bidi isolate": "\u2066\u2067\u2069\u200f\u061c".encode(),
    "line separators": "\u2028Store: forged\u2029".encode(),
    "zero width": "\u200b\ufeff\u00ad".encode(),
    "no UTF-8": b"\xff\xfe\xc0\x9b\xed\xa0\x80",
    "private and tags": "\ue000\U000e0041".encode(),
}
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


def check(data: bytes, what: str) -> str:
    """The text, which is UTF-8, printable but for newlines, and has no forged line."""
    text = data.decode()
    odd = sorted({c for c in text if c != "\n" and not c.isprintable()})
    assert not odd, f"{what}: {odd}"
    assert not CONTROLS.search(text.replace("\n", "")), what
    forged = [line for line in text.split("\n") if line.startswith(FORGED)]
    assert not forged, f"{what}: {forged}"
    return text


#: Paths that the administrator gave: as they are, and escaped.
_OPTIONS = ("meta/status.json: store: source", "meta/status.json: archive")


def doctored(word: bytes) -> dict[str, bytes]:
    """Real crashes whose comm, machine, kernel, build, modules and panic somebody else chose."""
    files = {}
    for name, stored in capture("erst-mixed-upgrade").ref.items():
        text = stored.data
        for pattern, new in (
            (rb"Comm: \S+", b"Comm: %s"),
            (rb"Hardware name: [^\n]*", b"Hardware name: %s QEMU"),
            (rb"(Comm: [^\n]*(?:Not tainted|Tainted: [A-Z ]+)) (\S+)", rb"\1 6.1%s"),
            (rb"Kernel panic - not syncing: [^\n]*", b"Kernel panic - not syncing: %s"),
            (rb"Modules linked in:", b"Modules linked in: %s"),
            (rb"RIP: 0010:\w+", b"RIP: 0010:%s"),
            (rb"BUG: [^\n,]*", b"BUG: %s"),
            (rb"kernel BUG at [^\n]*", b"kernel BUG at %s!"),
            (rb"WARNING: CPU: \d+ PID: \d+ at [^\n]*", b"WARNING: CPU: 0 PID: 1 at %s"),
            (rb"Linux version \S+", b"Linux version 6%s"),
        ):
            words = re.sub(pattern, lambda m, new=new: m.expand(new.replace(b"%s", b"@@")), text)
            text = words.replace(b"@@", word)
        files[name] = text
    return files


def plant(source: Path, word: bytes) -> None:
    """Names and texts with a hostile word in them, wherever one can stand."""
    for name, text in doctored(word).items():
        (source / name).write_bytes(text)
    top = os.fsencode(source)
    folder = os.path.join(top, word.replace(b"/", b""))
    os.mkdir(folder)
    for name in (b"dmesg-erst-1", b"dmesg-erst-2.enc.z", b"x" + word, b"console-ramoops-0" + word):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(b"Panic#1 Part1\n<4>[    1.000000] " + word + b"\n")
        with open(os.path.join(top, name + word), "wb") as file:
            file.write(word)
    os.mkdir(os.path.join(folder, b"closed" + word), 0o000)


def composed(point: Path) -> dict[str, bytes]:
    """Everything in a mount that this program wrote itself, by path."""
    found = {
        "status": (point / "status").read_bytes(),
        "control": (point / "control").read_bytes(),
    }
    for folder, folders, files in os.walk(os.fsencode(point / "meta")):
        shown = os.path.relpath(folder, os.fsencode(point))
        for name in (*folders, *files):
            found[f"name in meta: {name!r}"] = name
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.fsdecode(os.path.join(shown, name))] = file.read()
    for folder in os.scandir(os.fsencode(point / "dumps")):
        found[f"name in dumps: {folder.name!r}"] = folder.name
        if folder.is_symlink():
            found["latest"] = os.readlink(folder.path)
            continue
        at = Path(os.fsdecode(folder.path))
        for name in os.listdir(at / "raw"):
            found[f"name in raw: {name!r}"] = os.fsencode(name)
        report = (at / "report.txt").read_bytes()
        found[f"{at.name}/report.txt"] = report.partition(b"\nThe kernel's own report:\n")[0]
        found[f"{at.name}/summary.json"] = (at / "summary.json").read_bytes()
        ours = re.findall(rb"^\[pstorefs: [^\n]*\n", (at / "dmesg.txt").read_bytes(), re.MULTILINE)
        found[f"{at.name}/dmesg.txt"] = b"".join(ours)
    return found


def check_all(found: dict[str, bytes]) -> None:
    for what, data in found.items():
        text = check(data, what)
        if what.endswith(".json"):
            _check_json(json.loads(text), what)


def _check_json(value: object, what: str) -> None:
    """Decoded, too: jq -r would put it on a terminal."""
    if isinstance(value, dict):
        for key, each in value.items():
            if what + ": " + key not in _OPTIONS:
                _check_json(each, f"{what}: {key}")
    elif isinstance(value, list):
        for each in value:
            _check_json(each, what)
    elif isinstance(value, str):
        assert value.isprintable(), f"{what}: {value!r}"


COMMANDS: tuple[Callable[[bytes], bytes], ...] = (
    lambda word: b"archive " + word.replace(b"\n", b"") + b"\n",
    lambda word: b"clear x" + word.replace(b"\n", b"") + b"\n",
    lambda word: word.replace(b"\n", b"") + b"\n",
    lambda word: b"x" * 4096 + word.replace(b"\n", b""),
    lambda _: b"archive\n",
    lambda word: b"rescan " + word.replace(b"\n", b"") + b"\n",
)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_mount_composes_nothing_that_a_terminal_obeys(
    tmp_path: Path, mount: MountMaker, what: str
) -> None:
    word = HOSTILE[what]
    source = Path(os.fsdecode(os.fsencode(tmp_path) + b"/source" + word))
    source.mkdir()
    plant(source, word)
    archive = os.fsdecode(os.fsencode(tmp_path) + b"/archive" + word)
    options = f"archive={archive},archive_volatile".replace(",archive_", "\0").replace(",", "\\,")
    one = mount(source, "-o", options.replace("\0", ",archive_"))
    before = composed(one.point)
    check_all(before)
    titles = [name for name in before if name.endswith("report.txt")]
    assert len(titles) > 5
    for command in COMMANDS:
        control = os.open(one.point / "control", os.O_WRONLY)
        try:
            os.write(control, command(word))
        except OSError:
            pass
        finally:
            os.close(control)
    for name in os.listdir(os.fsencode(one.point)):
        if name.startswith(b"console"):
            with pytest.raises(OSError, match=r"not permitted|Read-only"):
                os.unlink(os.path.join(os.fsencode(one.point), name))
    after = composed(one.point)
    check_all(after)
    assert b"archive" in after["control"]
    answered = after["control"].decode().partition("What the last commands did:\n")[2]
    stamped = [line for line in answered.split("\n") if line and not line.startswith("  ")]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in stamped), stamped
    assert one.end() == 0
    check(one.errors().encode(errors="surrogateescape"), "standard error")


@pytest.mark.parametrize("what", HOSTILE)
def test_an_archive_that_somebody_else_filled_forges_nothing(
    tmp_path: Path, mount: MountMaker, what: str
) -> None:
    word = HOSTILE[what]
    source, archive = tmp_path / "source", tmp_path / "archive"
    source.mkdir()
    for folder in (b"20260101T000000Z-panic-1", b"20260101T000000Z-" + word, b"undated-" + word):
        raw = os.path.join(os.fsencode(archive), folder, b"raw")
        os.makedirs(raw)
        for name, text in doctored(word).items():
            with open(os.path.join(raw, os.fsencode(name)), "wb") as file:
                file.write(text)
        with open(os.path.join(raw, b"dmesg-erst-77" + word), "wb") as file:
            file.write(word)
        said = word.decode(errors="surrogateescape")
        facts = {"file": said, "sha256": said, "saved_boot": said, "clearing_boot": said}
        for name in ("records.json", "summary.json", "report.txt", "SHA256SUMS"):
            with open(os.path.join(raw, b"..", os.fsencode(name)), "w") as file:
                json.dump({"records": [facts], "title": said, "signature": said}, file)
    one = mount(source, "-o", f"archive={archive},archive_volatile,keep=1")
    check_all(composed(one.point))
    (one.point / "control").write_bytes(b"archive\n")
    check_all(composed(one.point))
    assert one.end() == 0
    check(one.errors().encode(errors="surrogateescape"), "standard error")


def run(program: str, *words: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [os.fsencode(sys.executable), b"-m", program.encode(), *words]
    return subprocess.run(
        command, capture_output=True, timeout=500, check=False, stdin=subprocess.DEVNULL
    )


#: Command lines of pstorefs with W for the hostile word and D for an empty directory.
USES = {
    "mount point": [b"DW"],
    "mount point that is a file": [b"D", b"/etc/passwd/W"],
    "source": [b"/nowhere/W", b"D"],
    "relative source": [b"W", b"D"],
    "flag": [b"-W", b"D", b"D"],
    "long flag": [b"--W"],
    "option": [b"-o", b"W", b"D", b"D"],
    "uid": [b"-o", b"uid=W", b"D", b"D"],
    "umask": [b"-o", b"umask=W", b"D", b"D"],
    "keep": [b"-o", b"keep=W", b"D", b"D"],
    "rm": [b"-o", b"rm=W", b"D", b"D"],
    "archive": [b"-o", b"archive=W", b"D", b"D"],
    "too many": [b"D", b"D", b"W"],
    "archive of nothing": [b"--archive", b"/nowhere/W"],
    "archive into a file": [b"--archive", b"-o", b"archive=/etc/passwd/W", b"S"],
    "archive of hostile names": [b"--archive", b"-o", b"archive=A,archive_volatile", b"S"],
    "archive with a limit": [b"--archive", b"-o", b"archive=A,archive_volatile,keep=1", b"S"],
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("what", HOSTILE)
def test_pstorefs_says_nothing_that_a_terminal_obeys(tmp_path: Path, what: str, use: str) -> None:
    word = HOSTILE[what]
    places = {b"D": tmp_path / "empty", b"S": tmp_path / "source"}
    for place in places.values():
        place.mkdir()
    if b"S" in USES[use]:
        plant(places[b"S"], word)

    def filled(argument: bytes) -> bytes:
        for letter, place in places.items():
            if argument.startswith(letter) and argument[1:] in (b"", b"W"):
                argument = os.fsencode(place) + argument[1:]
        argument = argument.replace(b"=A,", b"=" + os.fsencode(tmp_path) + b"/archiveW,")
        return argument.replace(b"W", word)

    done = run("pstorefs", *map(filled, USES[use]))
    said = check(done.stderr, "standard error")
    check(done.stdout, "standard output")
    assert done.returncode
    assert said
    assert "Traceback" not in said
    assert all(line.startswith("pstorefs: ") for line in said.splitlines()), said


@pytest.mark.parametrize("what", HOSTILE)
def test_pstorecat_says_nothing_that_a_terminal_obeys(tmp_path: Path, what: str) -> None:
    word = HOSTILE[what]
    names = [b"dmesg-erst-1.enc.z" + word, b"dmesg-erst-1.enc.z", b"missing" + word]
    files = [os.path.join(os.fsencode(tmp_path), name) for name in names]
    for file in files[:2]:
        with open(file, "wb") as opened:
            opened.write(word * 9)
    for words in (files, [b"--json", *files], [b"--" + word]):
        done = run("pstorefs.cli.pstorecat", *words)
        said = check(done.stderr, "standard error")
        assert all(line.startswith("pstorecat: ") for line in said.splitlines()), said
        assert done.returncode in (1, 2)
        if words[0] == b"--json":
            check(done.stdout, "standard output")
            shown = [json.loads(line)["file"] for line in done.stdout.splitlines()]
            assert shown == [os.fsencode(file).decode(errors="replace") for file in files[:2]]
