"""Values of -o options: a word to what it means. Pure but for the names of users.

ValueError where it means nothing, with words that follow the value.
"""

from __future__ import annotations

import re


def number(value: str) -> int:
    """The number of a user or group."""
    # The highest number means no user at all (chown(2)).
    if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) >= (1 << 32) - 1:
        raise ValueError("is not the number of a user or group")
    return int(value)


def user(value: str) -> int:
    """A user by name or number."""
    if value.isdecimal():
        return number(value)
    import pwd

    try:
        return pwd.getpwnam(value).pw_uid
    except KeyError:
        raise ValueError("is not a user of this machine") from None


def group(value: str) -> int:
    """A group by name or number."""
    if value.isdecimal():
        return number(value)
    import grp

    try:
        return grp.getgrnam(value).gr_gid
    except KeyError:
        raise ValueError("is not a group of this machine") from None


REMOVALS = ("archive", "clear", "deny")


def removal(value: str) -> str:
    """What rm of a record does."""
    if value not in REMOVALS:
        raise ValueError(f"is not one of {', '.join(REMOVALS)}")
    return value


def path(value: str) -> str:
    """An absolute path."""
    if not value.startswith("/") or "\0" in value:
        raise ValueError("is not an absolute path")
    return value


def mask(value: str) -> int:
    """Mode bits, in octal."""
    if not re.fullmatch(r"0?[0-7]{1,3}", value):
        raise ValueError("is not an octal mask such as 027")
    return int(value, 8)
