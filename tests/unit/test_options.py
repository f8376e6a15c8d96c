"""The -o language and the command line, as tables of cases."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pstorefs.settings.options import (
    DEFAULT_SOURCE,
    TABLE,
    Settings,
    UsageError,
    apply,
    is_helper,
    parse,
    split,
)

LINES: list[tuple[str, dict[str, object]]] = [
    ("/m", {"mountpoint": "/m", "source": DEFAULT_SOURCE}),
    ("/s /m", {"mountpoint": "/m", "source": "/s", "source_word": "/s"}),
    ("pstore /m", {"source": DEFAULT_SOURCE, "source_word": "pstore"}),
    ("none /m", {"source": DEFAULT_SOURCE, "source_word": "none"}),
    ("pstorefs /m", {"source": DEFAULT_SOURCE, "source_word": "pstorefs"}),
    ("records /m", {"source": "records"}),
    ("s3://b/p /m", {"source": "s3://b/p", "is_fleet": True, "read_only": True}),
    ("file:///d /m -o umask=022", {"source": "file:///d", "is_fleet": True, "umask": 0o22}),
    ("fleet /m", {"is_fleet": True, "read_only": True}),
    ("./fleet /m", {"is_fleet": False, "read_only": False}),
    ("s3://b /m -o endpoint=http://h:1/x,region=r", {"endpoint": "http://h:1/x", "region": "r"}),
    ("-f /m", {"foreground": True}),
    ("/m -f", {"foreground": True}),
    ("-d /m", {"debug": True}),
    ("-fd /m", {"foreground": True, "debug": True}),
    ("-h", {"help": True}),
    ("--help /a /b /c", {"help": True}),
    ("-V", {"version": True}),
    ("--version", {"version": True}),
    ("-s -n -v /m", {"mountpoint": "/m"}),
    ("-o allow_other /m", {"allow_other": True}),
    ("/m -o allow_other", {"allow_other": True}),
    ("/s /m -o ro,allow_other -o plain", {"allow_other": True, "plain": True}),
    ("-oallow_other /m", {"allow_other": True}),
    ("-o uid=0,gid=4,umask=027 /m", {"uid": 0, "gid": 4, "umask": 0o27}),
    ("-o fmask=0137,dmask=27 /m", {"fmask": 0o137, "dmask": 0o27}),
    ("-o uid=root /m", {"uid": 0}),
    ("-o gid=root /m", {"gid": 0}),
    ("-o nofail /m", {"nofail": True}),
    ("-o ro /m", {"read_only": True}),
    ("-o ro,rw /m", {"read_only": False}),
    ("-o rw,dev,suid,exec /m", {"mountpoint": "/m"}),
    ("-o ro,rm=deny /m", {"read_only": True, "rm": "deny"}),
    ("-o keep=3,rm=archive /m", {"rm": "archive"}),
    ("-o rm=clear /s /m", {"rm": "clear"}),
    ("-o keep=3,archive_volatile,archive=/a /s /m", {"archive": "/a"}),
    ("-o x-systemd.automount,X-own=1,_netdev,noauto /m", {"mountpoint": "/m"}),
    ("-o defaults,relatime,noatime,lazytime,nonempty /m", {"mountpoint": "/m"}),
    ("-- -odd /m", {"source": "-odd"}),
]


@pytest.mark.parametrize(("line", "expected"), LINES, ids=[row[0] for row in LINES])
def test_a_command_line_sets_just_these_settings(line: str, expected: dict[str, object]) -> None:
    settings = parse(line.split())
    assert {name: getattr(settings, name) for name in expected} == expected


HELPER_LINES: list[tuple[str, dict[str, object]]] = [
    ("/s /m -o rw", {"source": "/s", "mountpoint": "/m", "foreground": False}),
    ("/s /m -f", {"check_only": True, "foreground": False}),
    ("/s /m -fnv", {"check_only": True}),
    ("-o ro -n /s -v /m", {"read_only": True, "source": "/s", "mountpoint": "/m"}),
    ("/s /m -s -o frobnicate,ro", {"read_only": True}),
    ("/s /m -o frobnicate,ro -s", {"read_only": True}),
    ("/s /m -t fuse.pstorefs", {"source": "/s", "mountpoint": "/m"}),
    ("-V", {"version": True}),
]


@pytest.mark.parametrize(("line", "expected"), HELPER_LINES, ids=[row[0] for row in HELPER_LINES])
def test_command_lines_of_a_mount_helper(line: str, expected: dict[str, object]) -> None:
    settings = parse(line.split(), helper=True)
    assert {name: getattr(settings, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "word"), [("/s /m -N /proc/1/ns/mnt", "nsenter"), ("/s /m -t", "-t"), ("-d", "-d")]
)
def test_what_a_mount_helper_refuses_is_named(line: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        parse(line.split(), helper=True)


def test_the_name_tells_that_mount_started_the_program() -> None:
    assert is_helper("/sbin/mount.pstorefs")
    assert is_helper("mount.fuse.pstorefs")
    assert not is_helper("/usr/bin/pstorefs")
    assert not is_helper("/home/mount.d/pstorefs")


REFUSED = [
    ("", "mount point"),
    ("/a /b /c", "too many"),
    ("--what /m", "--what"),
    ("-x /m", "-x"),
    ("-o", "-o"),
    ("-o remount /m", "remount"),
    ("-o bind /m", "bind"),
    ("-o allow_root /m", "allow_other"),
    ("-o context=system_u:object_r:tmp_t:s0 /m", "context"),
    ("-o frobnicate /m", "frobnicate"),
    ("-o uid /m", "uid"),
    ("-o uid= /m", "uid"),
    ("-o uid=nobody-at-all /m", "nobody-at-all"),
    ("-o gid=nobody-at-all /m", "nobody-at-all"),
    ("-o umask=9 /m", "umask"),
    ("-o umask=77777 /m", "umask"),
    ("-o plain=yes /m", "plain"),
    ("-o metrics=/m.prom /m", "metrics is for --archive"),
    ("--archive -o metrics=m.prom", "absolute"),
    ("-o ro,rm=clear /m", "rm does not go with ro"),
    ("-o keep=3,ro /m", "keep does not go with ro"),
    ("-o keep=3 /s /m", "keep: /s has no archive: give archive=DIRECTORY"),
    ("-o archive_volatile /s /m", "archive_volatile: /s has no archive"),
    ("-o rm=archive /s /m", "rm: /s has no archive"),
]


@pytest.mark.parametrize(("line", "word"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused_is_named(line: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        parse(line.split())


SPLIT = [
    ("a,b", ["a", "b"]),
    ("a=1,b=x=y", ["a=1", "b=x=y"]),
    (r"a=one\,two,b", ["a=one,two", "b"]),
    (r"a=back\\slash", [r"a=back\slash"]),
    ('a="one,two",b', ["a=one,two", "b"]),
    (",,a,", ["a"]),
    ("", []),
]


@pytest.mark.parametrize(("text", "parts"), SPLIT)
def test_commas_in_values(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_every_option_of_the_table_is_applied_swallowed_or_refused() -> None:
    for name, option in TABLE.items():
        assert option.why
        assert option.what in ("apply", "swallow", "refuse"), name
        assert (option.what == "apply") == bool(option.field), name


@given(st.text())
def test_any_options_are_understood_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(apply(Settings(), text), Settings)
