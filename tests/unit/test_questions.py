"""Questions without a mount: the command line, --list, --show, the pager."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pstorefs.cli import pager
from pstorefs.cli.pstorefs import main
from pstorefs.settings.options import UsageError
from pstorefs.settings.questions import asked, parse_question
from tests.records import capture

MIXED = "erst-mixed-upgrade"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return capture(MIXED).write("enc", tmp_path / "store")


ASKED = [
    (["--list"], "--list"),
    (["-o", "archive=/a", "--list", "/s"], "--list"),
    (["--show", "latest"], "--show"),
    (["/mnt"], None),
    (["--", "--list"], None),
    (["--ship", "https://host", "--list"], None),
    ([], None),
]


@pytest.mark.parametrize(("words", "kind"), ASKED, ids=lambda value: " ".join(value or ["-"]))
def test_the_first_question_of_a_command_line_is_asked(words: list[str], kind: str | None) -> None:
    assert asked(words) == kind


REFUSED = [
    (["--show"], "--show needs NAME after it"),
    (["--show", "--json"], "--show needs NAME after it"),
    (["--list", "-o", "uid=0"], "option uid is for a mount, not for --list: use archive, "),
    (["--list", "-o", "keep=3"], "option keep is for a mount or --archive, not for --list: use a"),
    (["--show", "x", "-o", "metrics=/m"], "option metrics is for --archive or --ship, not for "),
    (["--bundle", "x", "f", "-o", "keep=3"], "option keep is for a mount or --archive, not for"),
    (["--on-dump", "-o", "metrics=/m"], "option metrics is for --archive or --ship, not for --on"),
    (["--check", "-o", "endpoint=http://x"], "option endpoint is for a mount, not for --check"),
    (["--show", "latest", "s3://b/p"], "s3://b/p is a fleet's store: mount it, or "),
    (["--list", "-f"], "-f does not go with --list"),
    (["--list", "/a", "/b"], "too many arguments: /b"),
    (["--list", ""], "an argument is empty"),
    (["--show", ""], "an argument is empty"),
    (["--list", "-o"], "-o needs options"),
    (["--list", "-o", "nonsense"], "unknown option nonsense"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=str)
def test_what_a_question_does_not_take_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_question(words)


def test_check_takes_the_options_of_a_line_in_fstab_as_they_are() -> None:
    line = "defaults,_netdev,x-systemd.automount,nofail,ro,allow_other,umask=022,uid=0,rm=deny"
    question = parse_question(["--check", "-o", f"{line},archive=/a,keep=3,metrics=/m"])
    assert (question.settings.archive, question.settings.allow_other) == ("/a", True)


def test_source_and_options_may_stand_anywhere() -> None:
    question = parse_question(["--json", "/s", "-oarchive=/a", "--show", "latest"])
    assert (question.settings.source, question.settings.archive) == ("/s", "/a")
    assert (question.arguments, question.json) == (("latest",), True)
    assert parse_question(["--list", "pstore"]).settings.default_source


def test_list_has_one_line_for_each_dump_with_its_title(
    store: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["--list", str(store)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0].split(maxsplit=4) == [
        "2026-06-01T01:15:01Z",
        "20260601T011501Z-oops-1",
        "2:e389c8a3ef2ebdcb",
        "store",
        "BUG: unable to handle kernel NULL pointer dereference in lkdtm_EXCEPTION",
    ]


def test_list_for_programs_names_the_latest_once(
    store: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["--list", "--json", str(store)]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["name"] for row in rows if row["latest"]] == ["20260608T081503Z-panic-1"]
    assert all(row["places"] == ["store"] and row["kernel"] for row in rows)


def test_what_is_archived_is_listed_and_shown_as_before(
    store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["-o", f"archive={tmp_path / 'archive'},archive_volatile", str(store)]
    assert main(["--show", "latest", *options]) == 0
    before = capfd.readouterr().out
    assert main(["--archive", *options]) == 0
    capfd.readouterr()
    assert main(["--list", "--json", *options]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len(rows) == 10
    assert all(row["places"] == ["archive"] for row in rows)
    assert main(["--show", "latest", *options]) == 0
    after = capfd.readouterr().out
    assert "archived" in after
    words = "The kernel's own report:"
    assert after.partition(words)[2] == before.partition(words)[2]


NAMES = ["20260601T011501Z-oops-1", "dumps/20260601T011501Z-oops-1/"]


@pytest.mark.parametrize("name", [*NAMES, "dmesg-erst-7646229349632311297"])
def test_a_dump_is_shown_by_its_name_and_by_that_of_a_record(
    name: str, store: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["--show", name, str(store)]) == 0
    assert "lkdtm_EXCEPTION" in capfd.readouterr().out.splitlines()[0]


def test_show_for_programs_is_the_summary(store: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--show", "20260601T011501Z-oops-1", "--json", str(store)]) == 0
    summary = json.loads(capfd.readouterr().out)
    assert summary["signature"] == "2:e389c8a3ef2ebdcb"
    assert summary["boot_dumps"][0]["name"] == "20260601T011502Z-panic-2"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--show", "nothing"], 2, "no such record or dump"),
        (["--show", "latest"], 2, "no crash on record"),
        (["--list"], 0, ""),
        (["--list", "/not/there"], 2, "no such directory"),
        (["--show"], 1, "needs NAME"),
    ],
)
def test_what_cannot_be_answered_is_one_line_and_a_status(
    words: list[str], status: int, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = [] if words[-1].startswith("/") or len(words) == status == 1 else [str(tmp_path)]
    assert main([*words, *source]) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == bool(said)


def test_questions_need_no_fuse_and_no_trio(store: Path) -> None:
    code = (
        "import sys; from pstorefs.cli.pstorefs import main\n"
        f"main(['--list', {str(store)!r}]); main(['--show', 'latest', {str(store)!r}])\n"
        "bad = {'pyfuse3', 'trio', 'pstorefs.mount'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def on_terminal(store: Path, pager: str) -> bytes:
    """What a terminal shows of --show latest."""
    above, below = pty.openpty()
    command = [sys.executable, "-m", "pstorefs", "--show", "latest", str(store)]
    environment = {**os.environ, "PAGER": pager, "TERM": "dumb"}
    with subprocess.Popen(command, stdout=below, env=environment) as process:
        os.close(below)
        shown = b""
        while True:
            try:
                piece = os.read(above, 65536)
            except OSError:  # EIO: the other side is closed
                break
            shown += piece
        assert process.wait() == 0
    os.close(above)
    return shown


def test_a_terminal_gets_the_report_through_the_pager(store: Path) -> None:
    assert on_terminal(store, "sed s/^/through:/").startswith(b"through:kernel panic")


@pytest.mark.parametrize("pager", ["", "cat", "/not/there"])
def test_a_terminal_without_pager_gets_no_control_characters(pager: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    text = b"Panic#1 Part1\n<0>[    1.000000] Kernel panic - not syncing: \x1b[2Jx\n"
    (store / "dmesg-erst-6495821019368914945").write_bytes(text)
    shown = on_terminal(store, pager)
    assert b"Kernel panic - not syncing: " in shown
    assert b"\x1b" not in shown


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, ["less"]), ("more -d", ["more", "-d"]), ("", []), ("cat", []), ("'", ["less"])],
)
def test_the_pager_is_the_users(
    value: str | None, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAGER", raising=False)
    if value is not None:
        monkeypatch.setenv("PAGER", value)
    assert pager.pager() == words


def test_what_is_wrong_with_the_source_is_said_alike_by_every_command(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, point = tmp_path / "file", tmp_path / "point"
    file.touch()
    point.mkdir()
    for source, said in ((tmp_path / "none", "no such directory: "), (file, "not a directory: ")):
        heard = set()
        for words in (["--archive"], ["--list"], ["--show", "latest"], ["--bundle", "latest", "-"]):
            assert main([*words, str(source)]) == 2
            heard.add(capfd.readouterr().err)
        assert main(["-o", "plain", str(source), str(point)]) == 32
        heard.add(capfd.readouterr().err)
        (line,) = heard
        assert f"{source}: {said}" in line
