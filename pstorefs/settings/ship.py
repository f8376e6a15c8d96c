"""The language of `pstorefs --ship`: the options of -o and of ship.conf, which are the same. Pure.

This module is read at every boot and every hour on machines that have nothing to ship. So it
imports nothing: `re` and `typing` alone would double the time that the program takes to start.
"""

from __future__ import annotations

from pstorefs.settings.defaults import DEFAULT_ARCHIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Kinds of stores, as their owners' own tools write them.
SCHEMES = ("s3", "az", "gs", "file")
#: A machine or a host that is not to be named.
NOBODY = "none"

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_LONGEST = 1000
_LONGEST_TIME = 366 * 86400
_MOST_LINES = 1000
# S3 and Google have keys of 1024 bytes; ours need 300 of them.
_LONGEST_PREFIX = 700
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")
_KEY = _NAME | frozenset("_=+")


class ShipError(Exception):
    """An option or a line of ship.conf that cannot be meant. The message is for the user."""


class Ship:
    """What is to be shipped, where to, and how much of it at a time."""

    __slots__ = (
        *("url", "archive", "state", "machine", "host", "endpoint", "region", "ca"),
        *("credentials", "metrics", "window", "run", "size", "sentry", "key", "unclean"),
    )

    def __init__(self) -> None:
        #: The store, and the prefix of all keys.
        self.url = ""
        self.archive = DEFAULT_ARCHIVE
        #: The directory of the receipts; empty: $STATE_DIRECTORY, or the default.
        self.state = ""
        #: What this machine is called; empty: a hash of its machine-id; `NOBODY`: not named.
        self.machine = ""
        #: What its host is called; empty: as it was when the dump was archived; `NOBODY`.
        self.host = ""
        #: Where the store listens, if it is not its vendor's.
        self.endpoint = ""
        self.region = ""
        #: A file with certificates to trust beside the system's.
        self.ca = ""
        #: A file with the store's credentials; empty: see `SHIP_CREDENTIALS`.
        self.credentials = ""
        #: A file for node_exporter's textfile collector; empty: none.
        self.metrics = ""
        #: The DSN of a Sentry, which holds a key; empty: none.
        self.sentry = ""
        #: Of one of `receivers` that is a Sentry: the key; its `url` is the DSN without it.
        self.key = ""
        #: Whether a boot that began without a shutdown and without a record ships as an entry.
        self.unclean = False
        #: Seconds within which the machines of a fleet begin after a boot.
        self.window = 15 * 60
        #: Seconds after which a run begins nothing more.
        self.run = 10 * 60
        #: Bytes after which a run begins nothing more.
        self.size = 256 << 20

    def receivers(self) -> list[Ship]:
        """One for each that is to have all dumps: the store, the Sentry."""
        found = [self] if self.url else []
        if self.sentry:
            other = Ship()
            for name in self.__slots__:
                setattr(other, name, getattr(self, name))
            scheme, _, rest = self.sentry.partition("://")
            user, _, place = rest.partition("@")
            other.url, other.key = f"{scheme}://{place}", user.partition(":")[0]
            other.endpoint = ""
            found.append(other)
        return found

    @property
    def tells_reboots(self) -> bool:
        """Whether a reboot without a record is an entry there. A Sentry has crashes only."""
        return self.unclean and not self.key

    @property
    def store_name(self) -> str:
        """What receipts are kept by: the same bucket at another endpoint is another store."""
        return f"{self.url} {self.endpoint}" if self.endpoint else self.url


def _url(value: str) -> str:
    scheme, colon, rest = value.partition("://")
    if not colon or scheme not in SCHEMES:
        words = ", ".join(f"{each}://" for each in SCHEMES)
        raise ShipError(f"does not begin with one of {words}")
    if scheme == "file":
        _path(rest)
        return f"file://{rest.rstrip('/') or '/'}"
    bucket, *prefix = rest.rstrip("/").split("/")
    if not bucket or not _NAME.union("_").issuperset(bucket):
        raise ShipError("has no bucket")
    for part in prefix:
        if not part or part.strip(".") == "" or not _KEY.issuperset(part):
            raise ShipError("has a prefix with characters other than letters, digits and -._=+")
    if len("/".join(prefix)) > _LONGEST_PREFIX:
        raise ShipError(f"has a prefix of more than {_LONGEST_PREFIX} characters")
    return "/".join([f"{scheme}://{bucket}", *prefix])


def _path(value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise ShipError("is not an absolute path")
    return value


def _name(value: str) -> str:
    if len(value) > 32 or value[:1] in ("", "-", ".") or not _NAME.issuperset(value):
        raise ShipError("is not a name of at most 32 letters, digits, dots and dashes")
    return value


def _region(value: str) -> str:
    return _name(value)


def _endpoint(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if scheme not in ("https", "http"):
        raise ShipError("does not begin with https:// or http://")
    if "@" in rest:
        raise ShipError("contains a user or a password: write them into a file: credentials=FILE")
    if not _is_server(rest.partition("/")[0]) or not _KEY.union("/:[]").issuperset(rest):
        raise ShipError("is not the address of a server")
    return value.rstrip("/")


def _is_server(value: str) -> bool:
    """Whether it is HOST or [ADDRESS], and maybe :PORT behind it."""
    inside, bracket, behind = value.rpartition("]")
    if bracket:
        known = inside[:1] == "[" and _is_address(inside[1:])
    else:
        host, colon, port = value.partition(":")
        known, behind = bool(host) and _NAME.union("_").issuperset(host), colon + port
    return known and (not behind or (behind[0] == ":" and _is_port(behind[1:])))


def _is_address(value: str) -> bool:
    from ipaddress import IPv6Address

    try:
        IPv6Address(value)
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    digits = value.isascii() and value.isdigit() and len(value) <= 5
    return digits and 0 < int(value) < 1 << 16


def _dsn(value: str) -> str:
    scheme, _, rest = value.rstrip("/").partition("://")
    user, at, place = rest.partition("@")
    host, *path = place.split("/")
    if scheme not in ("https", "http") or not at or not path:
        raise ShipError("is not a DSN such as https://KEY@HOST/PROJECT")
    # The part behind a colon is of old; whoever gives it has no use of it.
    if not _NAME.union(":").issuperset(user) or not user.partition(":")[0]:
        raise ShipError("has a key with characters other than letters, digits, dots and dashes")
    if not _is_server(host):
        raise ShipError("has no host")
    if not all(part.strip(".") and _KEY.issuperset(part) for part in path):
        raise ShipError("has no project")
    return value.rstrip("/")


def _flag(value: str) -> bool:
    if value not in ("yes", "no"):
        raise ShipError("is neither yes nor no")
    return value == "yes"


def _number(value: str, units: dict[str, int], words: str) -> int:
    digits, factor = (value[:-1], units[value[-1]]) if value[-1] in units else (value, 1)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 9):
        raise ShipError(f"is not a {words}")
    return int(digits) * factor


def duration(value: str) -> int:
    """Seconds. Raises `ShipError` with words that follow the value."""
    seconds = _number(value, _SECONDS, "time such as 90s, 15m or 2h")
    if seconds > _LONGEST_TIME:  # somewhere above, no system call takes it any more
        raise ShipError("is longer than a year")
    return seconds


def _some(convert: Callable[[str], int]) -> Callable[[str], int]:
    def some(value: str) -> int:
        found = convert(value)
        if not found:
            raise ShipError("must be more than 0: a run would never ship anything")
        return found

    return some


def _size(value: str) -> int:
    return _number(value, _BYTES, "size such as 500K, 256M or 1G")


#: Every option: how it is converted, and what it is.
TABLE: dict[str, tuple[Callable[[str], str | int], str]] = {
    "url": (_url, "the store, and the prefix of all keys"),
    "archive": (_path, "the archive whose dumps are shipped"),
    "state": (_path, "where receipts are kept"),
    "machine": (_name, "what this machine is called; none: not named"),
    "host": (_name, "what its host is called; none: not named"),
    "endpoint": (_endpoint, "where the store listens"),
    "region": (_region, "the region of the bucket"),
    "ca": (_path, "certificates to trust beside the system's"),
    "credentials": (_path, "a file with the store's credentials"),
    "sentry": (_dsn, "the DSN of a Sentry that gets an event for each crash"),
    "metrics": (_path, "a file for node_exporter's textfile collector"),
    "unclean": (_flag, "yes: a reboot without a shutdown and a record ships as an entry"),
    "window": (duration, "the first run of a boot begins within this time"),
    "run": (_some(duration), "a run begins nothing more after this time"),
    "size": (_some(_size), "a run begins nothing more after so many bytes"),
}


#: What they are given is never shown; nor is what may be a user and a password.
_SECRET = ("sentry",)


def apply(settings: Ship, name: str, value: str) -> None:
    """Set one option. Raises `ShipError`, naming it."""
    if name not in TABLE:
        raise ShipError(f"unknown option {name}: one of {', '.join(TABLE)}")
    if not value:
        raise ShipError(f"option {name} needs a value: {name}=...")
    if len(value) > _LONGEST:
        raise ShipError(f"option {name}: its value is longer than {_LONGEST} characters")
    convert, _ = TABLE[name]
    try:
        setattr(settings, name, convert(value))
    except ShipError as error:
        shown = "its value" if name in _SECRET or "@" in value else value
        raise ShipError(f"option {name}: {shown} {error}") from None


def apply_words(settings: Ship, text: str) -> None:
    r"""Apply the argument of one -o. ``\,`` is a comma within a value."""
    for word in text.replace("\\,", "\0").split(","):
        name, _, value = word.replace("\0", ",").partition("=")
        if word:  # `a=b,` and `-o ""` of a script's empty variable, as mount(8) takes them
            apply(settings, name, value)


def apply_config(settings: Ship, lines: Iterable[str]) -> None:
    """Apply the lines of a ship.conf: ``name = value``, blank, or a comment that begins with #."""
    for number, line in enumerate(lines, 1):
        if number > _MOST_LINES:
            raise ShipError(f"more than {_MOST_LINES} lines")
        name, _, value = line.strip().partition("=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            apply(settings, name.rstrip(), value.lstrip())
        except ShipError as error:
            raise ShipError(f"line {number}: {error}") from None
