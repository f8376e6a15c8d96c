"""`pstorefs --archive`: one line per dump, exit statuses, a quick start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pstorefs.cli.archive import run_archive
from pstorefs.settings.options import Settings, UsageError, apply
from tests.archive import judge
from tests.records import capture


def run(source: Path, archive: Path | None) -> int:
    target = None if archive is None else str(archive)
    return run_archive(Settings(source=str(source), archive=target))


def test_it_prints_a_line_per_dump_and_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = capture("erst-deflate-6.1.192").write("enc", tmp_path / "store")
    assert run(source, tmp_path / "archive") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.splitlines() == [
        f"{dump}: {count} record{'s' if count > 1 else ''} saved"
        for dump in sorted((tmp_path / "archive").glob("[!.]*"))
        if (count := len(list((dump / "raw").iterdir())))
    ]
    assert run(source, tmp_path / "archive") == 0
    assert capsys.readouterr().out == ""


def test_logs_that_the_kernel_drops_do_not_count_as_remaining(tmp_path: Path) -> None:
    source = capture("ramoops-lz4-6.1.192-ecc").write("enc", tmp_path / "store")
    assert run(source, tmp_path / "archive") == 0
    assert judge.contents(source).keys() == {"console-ramoops-0", "pmsg-ramoops-0"}


def test_a_record_that_is_kept_is_3_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = capture("ramoops-lz4hc-6.1.192-ecc").write("other-6.12.107-deb13", tmp_path / "store")
    assert run(source, tmp_path / "archive") == 3
    said = capsys.readouterr().err
    assert "dmesg-ramoops-2: saved in" in said
    # In a shell, clear is another command.
    assert said.endswith(
        "pstorefs: clear NAME is a command of a mount: echo clear NAME > MOUNTPOINT/control;"
        f" without one: rm {source}/NAME\n"
    )


def test_a_failure_is_2_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = capture("erst-none-6.1.192-deb12").write("enc", tmp_path / "store")
    assert run(source, tmp_path / "no/archive") == 2
    assert run(source, None) == 2
    assert run(tmp_path / "gone", tmp_path / "archive") == 2
    assert run(next(source.iterdir()), tmp_path / "archive") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "pstorecat FILE" in lines[3]
    assert "archive=DIR" in lines[1]
    assert len(judge.contents(source)) == 2


def test_an_empty_store_costs_no_decoder_no_fuse_no_trio(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    code = (
        "import sys; from pstorefs.cli.archive import run_archive;"
        "from pstorefs.settings.options import Settings;"
        f"assert run_archive(Settings(source={str(tmp_path / 'store')!r},"
        f" archive={str(tmp_path / 'archive')!r})) == 0;"
        "bad = {'pyfuse3', 'trio', 'pstorefs.codecs', 'pstorefs.dump', 'json', 'logging',"
        " 'subprocess'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not (tmp_path / "archive").exists()


def test_the_options_of_the_archive_are_taken_or_refused() -> None:
    settings = apply(Settings(), "archive=/srv/crashes,archive_volatile,keep=90d+20")
    assert settings.archive == "/srv/crashes"
    assert settings.archive_volatile
    assert (settings.keep.seconds, settings.keep.count) == (90 * 86400, 20)
    for words in ("archive", "archive=srv", "keep=x", "archive_volatile=1"):
        with pytest.raises(UsageError):
            apply(Settings(), words)
