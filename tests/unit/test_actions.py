"""One thing at a time: what does not go together is refused in one line, before anything begins."""

from __future__ import annotations

import itertools

import pytest

from pstorefs.cli.pstorefs import HELP, main
from pstorefs.settings.actions import ACTIONS, clash
from pstorefs.settings.questions import FORMS

#: As they are typed, with what they want after them.
TYPED = {
    "--every": ["--every=5m"],
    "--sentry": ["--sentry", "https://x@s/1"],
    "--show": ["--show", "latest"],
    "--bundle": ["--bundle", "latest", "file"],
    "--report-html": ["--report-html", "file:///nowhere", "file"],
}
TOGETHER = {("--ship", "--sentry"), ("--ship", "--check"), ("--sentry", "--check")}
PAIRS = [pair for pair in itertools.combinations(ACTIONS, 2) if pair not in TOGETHER]
INSTEAD = (
    *(" so leave --archive out\n", " so leave --ship out\n", " into ship.conf instead\n"),
    ": run pstorefs once for each\n",
)


def typed(*actions: str) -> list[str]:
    return [word for action in actions for word in TYPED.get(action, [action])]


def test_all_actions_are_known() -> None:
    assert set(FORMS) <= set(ACTIONS)
    assert all(action in HELP for action in ACTIONS if action != "--on-dump"), "on-dump: a unit's"


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
@pytest.mark.parametrize("turned", [False, True])
def test_two_actions_are_refused_with_what_to_do(
    pair: tuple[str, str], turned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed(*pair[:: -1 if turned else 1])) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"pstorefs: {pair[0]} does not go with {pair[1]}: ")
    assert err.endswith(INSTEAD)


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_given_once(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed(action, action)) == 1
    assert capsys.readouterr().err.startswith(f"pstorefs: {action} is given twice: ")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-f", "/a", "/b"],
        *(typed(*pair) for pair in sorted(TOGETHER)),
        *(typed(action) for action in ACTIONS),
        # A file may be called so.
        ["--list", "--", "--archive"],
        ["--", "--ship", "--list"],
        ["--every", "5m", "-o", "archive=/x"],
    ],
    ids=" ".join,
)
def test_what_goes_together_is_let_through(words: list[str]) -> None:
    assert clash(words) == ""


@pytest.mark.parametrize("action", [a for a in ACTIONS if a not in ("--ship", "--sentry")])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_goes_with_everything(
    action: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*typed(action), flag]) == 0
    assert capsys.readouterr() == (HELP, "")


def test_what_stands_behind_two_dashes_are_places(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--", "/a", "--ship", "--every=0"]) == 1
    assert capsys.readouterr().err == "pstorefs: too many arguments: --every=0\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-f --archive", "-f is for a mount: --archive always runs in the foreground"),
        ("-d --archive", "-d is for a mount: --archive always runs in the foreground"),
        ("--every=5m -f", "-f is for a mount: --archive always runs in the foreground"),
        ("--archive -o uid=0", "option uid is for a mount, not for --archive: use archive, "),
        ("--archive -o rm=deny", "option rm is for a mount, not for --archive: use archive, "),
        ("--archive -o ca=/x", "option ca is for a mount, not for --archive: use archive, "),
        ("--archive s3://b/p", "s3://b/p is a fleet's store: mount it, or use --report-html"),
        ("--archive -o keep=20+30", "option keep: 20+30 has two limits of one kind: give one of "),
        ("--every=367d", "--every: 367d is longer than a year"),
        ("--ship=s3://b", "unknown option --ship: see pstorefs --ship --help"),
        ("--crash", "--crash goes with --check: see pstorefs --help"),
        ("--archive --json", "--json goes with --list, --show or --check: see pstorefs --help"),
        ("--redact latest x.tar.gz", "--redact goes with --bundle: see pstorefs --help"),
    ],
    ids=str,
)
def test_what_has_no_meaning_for_an_action_is_refused(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 1
    assert capsys.readouterr().err.startswith(f"pstorefs: {said}")
