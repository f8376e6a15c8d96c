"""The ``-o`` language of mount(8) and the command line: words to `Settings`. Pure.

mount(8) passes every generic option on, and libfuse knows only some of them. So each option is
looked up here and is applied, swallowed (it asks for what is always so, or it is meant for mount(8)
or systemd) or refused by name. `TABLE` says which, and why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pstorefs.settings import fleet, ship, values
from pstorefs.settings.defaults import DEFAULT_ARCHIVE
from pstorefs.settings.keep import UNLIMITED, Keep, parse_keep

DEFAULT_SOURCE = "/sys/fs/pstore"
#: First fields of fstab that mean the default source.
SOURCE_WORDS = ("pstore", "none", "pstorefs")


class UsageError(Exception):
    """The command line asks for something that does not exist. The message is for the user."""


class Settings(NamedTuple):
    """What a command line asks for."""

    source: str = DEFAULT_SOURCE
    #: The source as it was written: the mount table shows it, and mount -a compares it.
    source_word: str = DEFAULT_SOURCE
    mountpoint: str = ""
    foreground: bool = False
    debug: bool = False
    check_only: bool = False
    help: bool = False
    version: bool = False
    plain: bool = False
    nofail: bool = False
    read_only: bool = False
    #: pstorefs --archive: archive once, without a mount.
    archive_now: bool = False
    #: Where to archive; None: the default, for the machine's own store only.
    archive: str | None = None
    archive_volatile: bool = False
    keep: Keep = UNLIMITED
    #: pstorefs --archive: a file for node_exporter's textfile collector; empty: none.
    metrics: str = ""
    #: What rm of a record does: one of `values.REMOVALS`; empty: what is usual for the mount.
    rm: str = ""
    allow_other: bool = False
    auto_unmount: bool = False
    uid: int | None = None
    gid: int | None = None
    umask: int | None = None
    fmask: int | None = None
    dmask: int | None = None
    #: How the store of a fleet is reached: see settings/ship.py.
    endpoint: str = ""
    region: str = ""
    ca: str = ""
    credentials: str = ""

    @property
    def is_fleet(self) -> bool:
        """Whether a fleet's store is mounted instead of a directory."""
        return fleet.is_fleet(self.source)

    @property
    def default_source(self) -> bool:
        """Whether this is the machine's own store."""
        return self.source.rstrip("/") == DEFAULT_SOURCE

    @property
    def target(self) -> str | None:
        """Where dumps are saved; None: nowhere, unless `archive=` says so for foreign records."""
        return self.archive or (DEFAULT_ARCHIVE if self.default_source else None)


class Option(NamedTuple):
    """What becomes of one -o option."""

    #: "apply", "swallow" or "refuse"
    what: str
    #: For the manual and, if it is refused, for the user.
    why: str
    field: str = ""
    convert: Callable[[str], Any] | None = None
    #: What an option without a value sets.
    value: bool = True


def _swallow(why: str, names: str) -> dict[str, Option]:
    return {name: Option("swallow", why) for name in names.split()}


def _refuse(why: str, names: str) -> dict[str, Option]:
    return {name: Option("refuse", why) for name in names.split()}


#: Every option that is known.
TABLE: dict[str, Option] = {
    "plain": Option("apply", "the mirror only", "plain"),
    "nofail": Option("apply", "mount although no pstore is there (yet)", "nofail"),
    "ro": Option("apply", "nothing can be written: no commands, no rm", "read_only"),
    "rw": Option("apply", "not ro; the usual case", "read_only", value=False),
    "archive": Option("apply", "where `archive` saves dumps: a directory", "archive", values.path),
    "archive_volatile": Option("apply", "it may lie on a tmpfs", "archive_volatile"),
    "rm": Option("apply", "what rm of a record does: archive, clear or deny", "rm", values.removal),
    "metrics": Option("apply", "a file of metrics that --archive writes", "metrics", values.path),
    "keep": Option("apply", "what it may hold, such as 90d+500M+20", "keep", parse_keep),
    "allow_other": Option("apply", "other users may use it, as file modes permit", "allow_other"),
    "auto_unmount": Option("apply", "unmount when the program dies", "auto_unmount"),
    "uid": Option("apply", "owner of all files", "uid", values.user),
    "gid": Option("apply", "group of all files", "gid", values.group),
    "umask": Option("apply", "mode bits taken off all files and directories", "umask", values.mask),
    "fmask": Option("apply", "mode bits taken off all files", "fmask", values.mask),
    "dmask": Option("apply", "mode bits taken off all directories", "dmask", values.mask),
    **{
        name: Option(
            "apply", f"a fleet's store: {ship.TABLE[name][1]}", name, fleet.converter(name)
        )
        for name in fleet.OPTIONS
    },
    **_swallow("read by mount(8) itself", "auto noauto user nouser users nousers owner noowner"),
    **_swallow("read by mount(8) itself", "group nogroup _netdev comment helper uhelper"),
    **_swallow("always on", "defaults nodev noexec nosuid default_permissions"),
    **_swallow("records are never devices or programs here", "dev exec suid"),
    **_swallow("the only link, dumps/latest, stays inside", "symfollow nosymfollow"),
    **_swallow("the mount keeps no access times", "atime noatime diratime nodiratime relatime"),
    **_swallow("the mount keeps no access times", "norelatime strictatime nostrictatime"),
    **_swallow("a write returns when its work is done", "async sync dirsync"),
    **_swallow("a write returns when its work is done", "lazytime nolazytime"),
    **_swallow("has no meaning here", "mand nomand iversion noiversion silent loud"),
    **_swallow("set by pstorefs itself", "nonempty fsname subtype"),
    **_refuse("unmount and mount again instead", "remount"),
    **_refuse("use mount --bind on the mount point instead", "bind rbind move"),
    **_refuse("mount the image first, then give its directory as SOURCE", "loop offset sizelimit"),
    **_refuse("use allow_other: it lets root enter, too", "allow_root"),
    **_refuse("files have the label that the policy gives FUSE", "context fscontext defcontext"),
    **_refuse("files have the label that the policy gives FUSE", "rootcontext seclabel"),
}
_PREFIXES = ("x-", "X-")  # for mount(8) and systemd


def split(text: str) -> list[str]:
    r"""An -o argument to its options. ``\,`` is a comma within a value, and so is one in quotes."""
    parts = re.findall(r'(?:"[^"]*"|\\.|[^,\\"]|["\\])+', text)
    return [re.sub(r"\\([,\\])", r"\1", part.replace('"', "")) for part in parts]


def apply(settings: Settings, text: str, *, sloppy: bool = False) -> Settings:
    """The settings with one -o argument applied. Raises `UsageError`, naming the option.

    `sloppy` is mount(8)'s -s: what is not known is passed over.
    """
    for word in split(text):
        name, equals, value = word.partition("=")
        if name.startswith(_PREFIXES):
            continue
        option = TABLE.get(name)
        if option is None:
            if sloppy:
                continue
            raise UsageError(f"unknown option {name}: see pstorefs --help")
        if option.what == "refuse":
            raise UsageError(f"option {name} is not possible: {option.why}")
        if option.what == "swallow":
            continue
        change: dict[str, Any] = {option.field: _value(name, option, equals, value)}
        settings = settings._replace(**change)
    return settings


def _value(name: str, option: Option, equals: str, value: str) -> object:
    if option.convert is None:
        if equals:
            raise UsageError(f"option {name} takes no value")
        return option.value
    if not value:
        raise UsageError(f"option {name} needs a value: {name}=...")
    try:
        return option.convert(value)
    except ValueError as error:
        raise UsageError(f"option {name}: {value} {error}") from None


#: The options that say which archive is meant. Whoever only reads it takes no others.
WHICH_ARCHIVE = ("archive", "archive_volatile")
#: Those of what archives without a mount.
ABOUT_ARCHIVES = (*WHICH_ARCHIVE, "keep", "metrics")
_APPLIED = {option.field for option in TABLE.values() if option.what == "apply"}
#: All that a line of fstab for this machine's records may have, and those of --archive.
OF_THIS_MACHINE = tuple(sorted(_APPLIED - {"read_only", *fleet.OPTIONS}))
_FOR = {"keep": "a mount or --archive", "metrics": "--archive or --ship"}

_FLAGS = {
    "-f": "foreground",
    "--foreground": "foreground",
    "-d": "debug",
    "--debug": "debug",
    "-h": "help",
    "--help": "help",
    "--archive": "archive_now",
    "-V": "version",
    "--version": "version",
}
# Flags of what is done without a mount.
_GOES_WITH = {
    "--json": "--list, --show or --check",
    "--crash": "--check",
    "--redact": "--bundle",
    "--now": "--ship",
}
# mount(8) may pass these on: sloppy, no mtab, verbose.
_IGNORED_FLAGS = ("-s", "-n", "-v")
# A mount helper's flags, mount(8), "External helpers": -f is not the foreground there.
_HELPER_FLAGS = {"-f": "check_only", "-h": "help", "--help": "help", "-V": "version"}


def is_helper(program: str) -> bool:
    """Whether mount(8) started the program, under a name such as /sbin/mount.pstorefs."""
    return program.rpartition("/")[2].startswith("mount.")


def parse(words: Sequence[str], *, helper: bool = False) -> Settings:
    """A command line (without the program's name), options and places in any order.

    `helper`: it is mount(8)'s: SOURCE MOUNTPOINT [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE].
    """
    settings = Settings()
    flags = _HELPER_FLAGS if helper else _FLAGS
    sloppy = helper and "-s" in words
    places: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            places += queue
            break
        if word in flags:
            flag: dict[str, Any] = {flags[word]: True}
            settings = settings._replace(**flag)
        elif word in _IGNORED_FLAGS:
            continue
        elif word in ("-o", "--options"):
            settings = apply(settings, _argument(word, "options", queue), sloppy=sloppy)
        elif helper and word == "-t":
            _argument(word, "a type", queue)
        elif helper and word == "-N":
            raise UsageError("-N is not possible: run mount in that namespace: nsenter --mount=...")
        elif word.startswith("-o") and len(word) > 2:
            settings = apply(settings, word[2:], sloppy=sloppy)
        elif _is_bundle(word, flags):
            queue[:0] = [f"-{c}" for c in word[1:]]
        elif word.startswith("-") and word != "-":
            said = f"{word} goes with {_GOES_WITH[word]}" if word in _GOES_WITH else ""
            raise UsageError(f"{said or f'unknown option {word}'}: see pstorefs --help")
        else:
            places.append(word)
    if settings.help or settings.version:
        return settings
    return _placed(settings, places)


def _argument(flag: str, what: str, queue: list[str]) -> str:
    if not queue:
        raise UsageError(f"{flag} needs {what} after it")
    return queue.pop(0)


def _is_bundle(word: str, flags: Mapping[str, str]) -> bool:
    """Whether this is several flags in one word, such as -fd."""
    letters = [f"-{c}" for c in word[1:]]
    return (
        word.startswith("-")
        and len(letters) > 1
        and all(letter in flags or letter in _IGNORED_FLAGS for letter in letters)
    )


def _placed(settings: Settings, places: list[str]) -> Settings:
    if "" in places:
        raise UsageError("an argument is empty: is a variable of a script unset?")
    if settings.archive_now:
        if len(places) > 1:
            raise UsageError(f"too many arguments: {places[1]}: pstorefs --archive [SOURCE]")
        if settings.read_only:
            raise UsageError("--archive clears what it has saved: it does not go with ro")
        if settings.foreground or settings.debug:
            flag = "-f" if settings.foreground else "-d"
            raise UsageError(f"{flag} is for a mount: --archive always runs in the foreground")
        return of_archive("--archive", settings, places, ABOUT_ARCHIVES)
    if settings.metrics:
        raise UsageError("option metrics is for --archive and --ship: a mount writes no metrics")
    if not places:
        raise UsageError("a mount point is missing: pstorefs [SOURCE] MOUNTPOINT")
    if len(places) > 2:
        raise UsageError(f"too many arguments: {places[2]}")
    settings = settings._replace(mountpoint=places[-1])
    return _checked(_of_source(settings, places[0]) if len(places) == 2 else settings)


def _checked(settings: Settings) -> Settings:
    """The settings of a mount, if its options fit its source."""
    found = given(settings)
    words = fleet.complaint(settings.source, found) or _idle(settings, found)
    if words:
        raise UsageError(words)
    return settings._replace(read_only=True) if settings.is_fleet else settings


def _idle(settings: Settings, found: set[str]) -> str:
    """Which option of a mount can have no effect, and why; empty: none."""
    if settings.read_only and not settings.is_fleet:
        changes = {"keep"} | ({"rm"} if settings.rm != "deny" else set())
        for name in sorted(found & changes):
            return f"option {name} does not go with ro: a read-only mount saves and removes nothing"
    if settings.target is None and not settings.is_fleet:
        saves = {"keep", "archive_volatile"} | ({"rm"} if settings.rm == "archive" else set())
        for name in sorted(found & saves):
            return f"option {name}: {settings.source} has no archive: give archive=DIRECTORY, too"
    return ""


def given(settings: Settings) -> set[str]:
    """The fields that some option has changed."""
    usual = Settings()._asdict()
    return {name for name, value in settings._asdict().items() if value != usual[name]}


def of_archive(
    action: str, settings: Settings, places: Sequence[str], options: Sequence[str]
) -> Settings:
    """The settings of what is done without a mount, with its source, if one is named.

    Raises `UsageError` for a source that is a mount's alone, and for an option but these (or ro).
    """
    for name in sorted((given(settings) & _APPLIED) - {*options, "read_only"}):
        known, what = ", ".join(options), _FOR.get(name, "a mount")
        raise UsageError(f"option {name} is for {what}, not for {action}: use {known}")
    if places and "://" in places[0] and fleet.is_fleet(places[0]):
        raise UsageError(f"{places[0]} is a fleet's store: mount it, or use --report-html")
    return _of_source(settings, places[0]) if places else settings


def _of_source(settings: Settings, word: str) -> Settings:
    source = DEFAULT_SOURCE if word in SOURCE_WORDS else word
    return settings._replace(source=source, source_word=word)
