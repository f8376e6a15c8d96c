"""The options of --ship, on the command line and in ship.conf."""

from __future__ import annotations

from pathlib import Path

import pytest

from pstorefs.cli import ship
from pstorefs.fleet.receipts import folder_of
from pstorefs.settings.ship import Ship, ShipError, apply, apply_config, apply_words

GOOD = [
    ("url", "s3://crashes/fleet/eu", "s3://crashes/fleet/eu"),
    ("url", "s3://crashes/", "s3://crashes"),
    ("url", "az://crashes", "az://crashes"),
    ("url", "gs://crashes/a=b", "gs://crashes/a=b"),
    ("url", "file:///mnt/nfs/", "file:///mnt/nfs"),
    ("url", "file:///", "file:///"),
    ("machine", "rack-12.a", "rack-12.a"),
    ("host", "none", "none"),
    ("endpoint", "http://127.0.0.1:8333/", "http://127.0.0.1:8333"),
    ("endpoint", "https://[fd00::1]:9000/s3", "https://[fd00::1]:9000/s3"),
    ("window", "15m", 900),
    ("window", "0", 0),
    ("run", "2h", 7200),
    ("size", "256M", 256 << 20),
    ("unclean", "yes", True),
    ("unclean", "no", False),
]
BAD = [
    ("url", "crashes"), ("url", "http://x/y"), ("url", "s3://"), ("url", "s3:///x"),
    ("url", "s3://b/../x"), ("url", "s3://b//x"), ("url", "s3://b/x?y"), ("url", "s3://u:p@b/x"),
    ("url", "file://relative"), ("url", "s3://b/x\n"), ("url", "s3://b/é"), ("url", ""),
    ("machine", "a/b"), ("machine", ".."), ("machine", "a_b"), ("machine", "x" * 33),
    ("endpoint", "ftp://x"), ("endpoint", "http://"), ("endpoint", "http://u:p@x"),
    ("endpoint", "http://a b"), ("endpoint", "https://x\ny"), ("endpoint", "https://h:x"),
    ("endpoint", "https://h:65536"), ("endpoint", "https://[::1"), ("endpoint", "https://[::1]8"),
    ("window", "15"*9), ("window", "-1"), ("window", "m"), ("window", "1.5h"), ("size", "1T"),
    ("size", "\N{SUPERSCRIPT TWO}"), ("archive", "relative"), ("ca", "x\0"), ("what", "x"),
    ("unclean", "1"), ("unclean", "Yes"), ("run", "0"), ("size", "0"), ("size", "0M"),
    ("window", "367d"), ("run", "999999999d"), ("url", "s3://b/" + "x" * 701),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "wanted"), GOOD)
def test_options_that_are_taken(name: str, value: str, wanted: object) -> None:
    settings = Ship()
    apply(settings, name, value)
    assert getattr(settings, name) == wanted


@pytest.mark.parametrize(("name", "value"), BAD)
def test_options_that_cannot_be_meant_are_named(name: str, value: str) -> None:
    with pytest.raises(ShipError, match=f"option {name}"):
        apply(Ship(), name, value)


def test_a_value_that_is_too_long_is_not_said_to_be_missing() -> None:
    with pytest.raises(ShipError, match="longer than 1000"):
        apply(Ship(), "host", "x" * 1001)


def test_words_without_anything_in_them_are_passed_over() -> None:
    settings = Ship()
    apply_words(settings, "")
    apply_words(settings, ",machine=x,,")
    assert settings.machine == "x"


def test_a_comma_in_a_value_is_escaped() -> None:
    settings = Ship()
    apply_words(settings, r"archive=/a\,b,machine=x")
    assert (settings.archive, settings.machine) == ("/a,b", "x")


def test_a_config_has_comments_and_blank_lines_and_errors_have_numbers() -> None:
    settings = Ship()
    apply_config(settings, ["# where to", "", "url = s3://b/x", "  window=5m  "])
    assert (settings.url, settings.window) == ("s3://b/x", 300)
    with pytest.raises(ShipError, match="line 2: unknown option wat"):
        apply_config(settings, ["url = s3://b", "wat = 1"])
    with pytest.raises(ShipError, match="more than"):
        apply_config(settings, ["#"] * 2000)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    return tmp_path / "ship.conf"


def test_the_command_line_goes_before_the_config(config: Path) -> None:
    config.write_text("url = s3://b/x\nendpoint = https://h\nwindow = 5m\n")
    settings, flags = ship.parse(["--ship", "--now", "-o", "window=7m"])
    assert (settings.url, settings.window, settings.endpoint) == ("s3://b/x", 420, "https://h")
    assert flags == {"--ship", "--now"}


def test_another_store_gets_none_of_the_options_of_the_configured_one(config: Path) -> None:
    config.write_text("url = s3://b/x\nendpoint = https://h\n")
    settings, _ = ship.parse(["--ship", "file:///mnt"])
    assert (settings.url, settings.endpoint) == ("file:///mnt", "")


USAGE = [["--ship"], ["--ship", "a://b"], ["--ship", "file:///a", "b"], ["--ship", "--wat"],
         ["--ship", "file:///a", "-o"], ["--ship", "file:///a", "-o", "x=1"]]  # fmt: skip


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_wrong_usage_is_one_line_and_status_1(
    words: list[str], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del config
    assert ship.main(words) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_config_that_cannot_be_meant_is_named(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("url = what\n")
    assert ship.main(["--ship"]) == 1
    assert f"{config}: line 1: option url" in capsys.readouterr().err


def test_receipts_are_kept_by_store_under_a_name_that_a_file_can_have() -> None:
    assert folder_of("s3://b/x") == "s3%3A%2F%2Fb%2Fx"
    assert folder_of("s3://b/x https://h") != folder_of("s3://b/x")
    long = folder_of("s3://b/" + "x" * 900)
    assert len(long) < 200
    assert long != folder_of("s3://b/" + "x" * 901)


def test_the_state_directory_is_the_option_or_systemds_or_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    settings = Ship()
    assert ship.state_of(settings) == "/var/lib/pstorefs-ship"
    monkeypatch.setenv("STATE_DIRECTORY", "/run/a:/run/b")
    assert ship.state_of(settings) == "/run/a"
    settings.state = "/run/c"
    assert ship.state_of(settings) == "/run/c"
