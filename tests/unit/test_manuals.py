"""The manuals: without warnings, and complete as to options and flags."""

from __future__ import annotations

import os
import re
import subprocess
from itertools import groupby
from pathlib import Path

import pytest

from pstorefs.cli import pstorefs, ship
from pstorefs.fleet import metrics as ship_metrics
from pstorefs.report import metrics
from pstorefs.settings import fleet
from pstorefs.settings.actions import ACTIONS
from pstorefs.settings.options import _FLAGS, _GOES_WITH, ABOUT_ARCHIVES, TABLE, WHICH_ARCHIVE
from pstorefs.settings.ship import TABLE as SHIP

MANUALS = Path(__file__).parents[2] / "contrib" / "man"
COMPLETION = Path(__file__).parents[2] / "contrib" / "completion" / "pstorefs"
PAGES = sorted(path.name for path in MANUALS.iterdir())


def shown(page: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["man", "--warnings", "--local-file", MANUALS / page],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""},
    )


def test_all_four_manuals_are_there() -> None:
    assert PAGES == ["pstorecat.1", "pstorefs-ship.8", "pstorefs.5", "pstorefs.8"]


@pytest.mark.parametrize("page", PAGES)
def test_man_has_no_warning(page: str) -> None:
    done = shown(page)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 1000


@pytest.mark.parametrize("page", PAGES)
def test_mandoc_has_no_warning(page: str) -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "warning", MANUALS / page],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""


def generated(what: str) -> str:
    """The options of TABLE that are swallowed, or refused, grouped by their reason, as mdoc."""
    chosen = [(option.why, name) for name, option in TABLE.items() if option.what == what]
    lines = [".Bl -tag -width Ds"]
    for why, group in groupby(chosen, key=lambda pair: pair[0]):
        names = " , ".join(name for _, name in group)
        lines += [f".It Cm {names}", f"{why[0].upper()}{why[1:]}."]
    return "\n".join([*lines, ".El", ""])


@pytest.mark.parametrize("what", ["swallow", "refuse"])
def test_the_options_without_effect_are_those_of_the_table(what: str) -> None:
    page = MANUALS / "pstorefs.8"
    text = page.read_text()
    begin, end = f'.\\" BEGIN {what}\n', f'.\\" END {what}\n'
    before, _, rest = text.partition(begin)
    there, _, after = rest.partition(end)
    if os.environ.get("MANUAL_UPDATE"):
        page.write_text(before + begin + generated(what) + end + after)
    assert there == generated(what), "MANUAL_UPDATE=1 writes it"


def test_every_option_that_is_applied_is_explained() -> None:
    text = (MANUALS / "pstorefs.8").read_text()
    explained = set()
    for line in re.findall(r"^\.It Cm (.*)$", text, re.MULTILINE):
        explained |= set(re.findall(r"(?:^|Cm |, )([a-z_]+)", line))
    assert {name for name, option in TABLE.items() if option.what == "apply"} <= explained


def test_every_flag_of_the_help_is_in_the_manual_and_in_the_completion() -> None:
    text = shown("pstorefs.8").stdout
    completion = COMPLETION.read_text()
    for flag in re.findall(r"^ +(-\w|--[\w-]+)", pstorefs.HELP, re.MULTILINE):
        assert re.search(rf"(^|\W){flag}\b", text, re.MULTILINE), flag
        assert flag in completion


def test_every_flag_of_the_program_has_an_entry_in_the_manual() -> None:
    entries = re.findall(r"^\.It (Fl .*)$", (MANUALS / "pstorefs.8").read_text(), re.MULTILINE)
    explained = {
        "-" + word.replace("Fl ", "-")
        for entry in entries
        for word in re.findall(r"(?:^|, )Fl ((?:Fl )?[\w-]+)", entry)
    }
    # --now is a flag of --ship, and has its entry there.
    assert explained == {*_FLAGS, *_GOES_WITH, *ACTIONS, "-o", "--options"} - {"--now"}


def test_the_manual_names_all_dumps_that_keep_never_removes() -> None:
    """Those of archive/prune.py. It said that all dumps beyond the limits are removed."""
    entry = (MANUALS / "pstorefs.8").read_text().partition(".It Cm keep ")[2].partition(".It Cm")[0]
    spared = (
        "first and the newest",
        "signature",
        "still in the store",
        "not been\nshipped",
        "damaged",
    )
    assert [words for words in spared if words not in entry] == []


def test_the_metrics_in_the_manuals_are_those_that_are_written() -> None:
    named = {
        "pstorefs.8": Path(metrics.__file__),
        "pstorefs-ship.8": Path(ship_metrics.__file__),
    }
    for page, code in named.items():
        stated = set(re.findall(r"Va (pstorefs_\w+)", (MANUALS / page).read_text()))
        assert stated == set(re.findall(r'"(pstorefs_\w+)"', code.read_text())), page


def test_every_option_and_flag_of_ship_is_in_its_manual_and_in_the_completion() -> None:
    page, completion = (MANUALS / "pstorefs-ship.8").read_text(), COMPLETION.read_text()
    assert set(re.findall(r"^\.It Cm (\w+) Ns = ", page, re.MULTILINE)) == set(SHIP)
    assert all(re.search(rf"\b{name}=", completion) for name in SHIP)
    shown_page = shown("pstorefs-ship.8").stdout
    for flag in re.findall(r"^ +(-\w|--[\w-]+)", ship.HELP, re.MULTILINE):
        assert flag in shown_page
        assert flag in completion


def test_the_completion_knows_every_option_that_is_applied() -> None:
    words = re.findall(r"[a-z_]+", COMPLETION.read_text())
    assert {name for name, option in TABLE.items() if option.what == "apply"} <= set(words)


def complete(line: str) -> list[str]:
    """What bash offers at the end of a line."""
    script = f"""
source {COMPLETION}
COMP_LINE={line!r} COMP_POINT={len(line)}
read -ra COMP_WORDS <<<"$COMP_LINE"
[[ $COMP_LINE == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_${{COMP_WORDS[0]}} ${{COMP_WORDS[0]}} "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-uc", script], capture_output=True, text=True, check=True, cwd=MANUALS
    )
    assert done.stderr == ""
    return done.stdout.split()


COMPLETIONS = [
    ("pstorefs --ar", {"--archive"}),
    ("pstorefs -o allow", {"allow_other"}),
    ("pstorefs -o ro,allow", {"ro,allow_other"}),
    ("pstorefs -o ro,uma", {"ro,umask="}),
    ("pstorefs -o gid=ad", {"gid=adm"}),
    ("pstorefs -o ro,uid=nobo", {"ro,uid=nobody"}),
    ("pstorefs --ship --n", {"--now"}),
    ("pstorefs --ship -o win", {"window="}),
    ("pstorefs --ship s", {"s3://"}),
    ("pstorefs --rep", {"--report-html"}),
    ("pstorefs --report-html g", {"gs://"}),
    ("pstorefs --report-html s3://b page -o cre", {"credentials="}),
    ("pstorefs --sentry h", {"https://"}),
    ("pstorefs -o ca=pstorefs-s", {"ca=pstorefs-ship.8"}),
    ("pstorecat --j", {"--json"}),
    ("pstorecat pstorecat", {"pstorecat.1"}),
]


@pytest.mark.parametrize(("line", "offered"), COMPLETIONS, ids=[row[0] for row in COMPLETIONS])
def test_what_bash_completes_is_offered(line: str, offered: set[str]) -> None:
    assert offered <= set(complete(line))


# `metrics` is no option of a mount; those about records of a directory are not for a fleet's store.
OF_A_MOUNT = tuple(
    name for name, option in TABLE.items() if option.what == "apply" and name != "metrics"
)
OF_A_FLEET = tuple(name for name in OF_A_MOUNT if name not in fleet._RECORDS)

OFFERED = [
    *((flag, ABOUT_ARCHIVES) for flag in ("--archive", "--every=15m", "--check")),
    *((flag, WHICH_ARCHIVE) for flag in ("--list", "--show x", "--bundle x")),
    ("", OF_A_MOUNT),
    ("s3://b /mnt", OF_A_FLEET),
]


@pytest.mark.parametrize(("flag", "options"), OFFERED, ids=str)
def test_no_option_is_offered_that_is_refused(flag: str, options: tuple[str, ...]) -> None:
    offered = {word.rstrip("=") for word in complete(f"pstorefs {flag} -o ")}
    assert offered == set(options)
