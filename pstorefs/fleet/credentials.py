"""The credentials of a store: a file of lines NAME=VALUE, or what the cloud's own tools read."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.fleet.store import StoreError
from pstorefs.settings.defaults import SHIP_CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.settings.ship import Ship

_CREDENTIALS_BYTES = 64 << 10
_CA_BYTES = 1 << 20
# What becomes part of a request's headers, as it is.
_IN_HEADERS = ("_ID", "_KEY", "_TOKEN", "_SECRET", "_NAME", "_REGION")
_QUOTES = ("'", '"')
_CREDENTIAL = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,99})=(.{0,20000})")


class Use(NamedTuple):
    """The user of a store: the seconds of a request, and where its credentials are by default."""

    seconds: int = 120
    credentials: str = SHIP_CREDENTIALS


class Given(NamedTuple):
    """What the files say that options name: credentials, and certificates in PEM."""

    credentials: dict[str, str]
    ca: str


def given(settings: Ship, use: Use) -> Given:
    """Read them. Raises `StoreError`."""
    found = credentials(settings.credentials, use)
    if not settings.ca:
        return Given(found, "")
    try:
        with open(settings.ca, encoding="latin-1") as file:
            return Given(found, file.read(_CA_BYTES))
    except OSError as error:
        raise StoreError(f"{settings.ca}: {error.strerror}") from None


def odd(values: Mapping[str, str], cloud: str) -> str:
    """What is wrong with the variables of a cloud (``AWS_``), in a sentence; empty: nothing.

    A secret that was made by ``echo`` ends with a line break. Of that obstore panics, or a store
    says that the signature is wrong.
    """
    for name, value in values.items():
        known = name.upper()
        if known.startswith(cloud) and known.endswith(_IN_HEADERS):
            if value.isascii() and value.isprintable():
                continue
            return f"{known} has a line break in it, or what is no printable ASCII: set it anew"
    return ""


def credentials(path: str, use: Use) -> dict[str, str]:
    """Lines NAME=VALUE, named as in the environment: AWS_ACCESS_KEY_ID=... A file, or none.

    The file that an option names; else what the service manager hands over; else the default.
    """
    given = os.environ.get("CREDENTIALS_DIRECTORY", "")
    handed = os.path.join(given, os.path.basename(use.credentials)) if given else ""
    for candidate in [path] if path else [handed, use.credentials]:
        try:
            with open(candidate, encoding="utf-8", errors="replace") as file:
                lines = file.read(_CREDENTIALS_BYTES).splitlines()
        except FileNotFoundError:
            if path:
                raise StoreError(f"{path}: no such file") from None
            continue
        except OSError as error:
            if not path and os.geteuid() != 0:
                continue  # it is for root's; a user has an environment
            raise StoreError(f"{candidate}: {error.strerror}") from None
        return _parse(candidate, lines)
    return {}


def _parse(path: str, lines: list[str]) -> dict[str, str]:
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _CREDENTIAL.fullmatch(line.strip())
        if match is None:  # never the line itself: it may hold the secret
            raise StoreError(f"{path}: line {number} is not NAME=VALUE")
        value = match[2]
        if len(value) > 1 and value[0] in _QUOTES and value[0] == value[-1]:
            value = value[1:-1]  # as shells and systemd's EnvironmentFile= have it
        found[match[1].lower()] = value
    return found
